#include "launch/photos.h"

#include "core/base/file.h"

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
