#include "launch/photos.h"

#include "core/base/file.h"
#include "core/base/mem.h"

#include <string.h>

enum { PHOTO_MAX_BYTES = 256 << 20 };

fut_status fut_photo_crop(const fut_args *args, const fut_trained *trained, double *crop_out)
{
    *crop_out = trained->meta.crop;
    return fut_args_is_given(args, "crop") ? fut_args_get_f64(args, "crop", 0.01, 1, crop_out) : FUT_OK;
}

fut_status fut_photo_read(const char *path, double crop, int64_t size, fut_image *photo_out)
{
    fut_status st = FUT_OK;
    fut_str bytes = {0};
    fut_image whole = {0};
    FUT_TRY_GOTO(fut_file_read(path, PHOTO_MAX_BYTES, &bytes), out);
    FUT_TRY_GOTO(fut_image_decode((const uint8_t *)bytes.data, bytes.length, path, NULL, &whole), out);
    fut_image_rect part = fut_image_crop_center(&whole, crop);
    FUT_TRY_GOTO(fut_image_resize(&whole, &part, size, size, photo_out), out);
out:
    fut_str_fini(&bytes);
    fut_image_fini(&whole);
    return st;
}

static size_t photo_bytes(const fut_photo_list *list)
{
    return (size_t)(list->size * list->size * 3);
}

fut_status fut_photo_list_read(const fut_photo_list *list, int64_t i, uint8_t *rgb_out)
{
    fut_status st = FUT_OK;
    fut_str path = {0};
    fut_image photo = {0};
    const char *folder = list->folder != NULL ? list->folder : "";
    FUT_TRY_GOTO(fut_str_printf(&path, "%s%s%s", folder, list->folder != NULL ? "/" : "", list->path[i]), out);
    FUT_TRY_GOTO(fut_photo_read(fut_str_text(&path), list->crop, list->size, &photo), out);
    memcpy(rgb_out, photo.rgb, photo_bytes(list));
out:
    fut_str_fini(&path);
    fut_image_fini(&photo);
    return st;
}

void fut_photo_list_read_many(const fut_photo_list *list, int64_t first, int64_t n, int threads, uint8_t *rgb_out, fut_status *status_out)
{
#pragma omp parallel for num_threads(threads) schedule(dynamic, 1)
    for (int64_t i = 0; i < n; i++) {
        status_out[i] = fut_photo_list_read(list, first + i, rgb_out + (size_t)i * photo_bytes(list));
        if (status_out[i] != FUT_OK) fut_trail_clear(); /* of this thread */
    }
}

fut_status fut_photo_list_read_all(const fut_photo_list *list, int64_t first, int64_t n, int threads, uint8_t *rgb_out)
{
    fut_status st = FUT_OK;
    fut_status *status = NULL;
    FUT_TRY(FUT_NEW_ARRAY(n, &status));
    fut_photo_list_read_many(list, first, n, threads, rgb_out, status);
    for (int64_t i = 0; i < n && st == FUT_OK; i++)
        if (status[i] != FUT_OK) st = fut_photo_list_read(list, first + i, rgb_out + (size_t)i * photo_bytes(list));
    fut_mem_free(status);
    return st;
}
