#include "data/synth.h"

#include "core/base/file.h"
#include "core/base/str.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { JPEG_QUALITY = 92 };

static fut_status create_errno(const char *doing, const char *path, int error_number)
{
    fut_status st = fut_file_errno(doing, path, error_number);
    return st == FUT_ERR_NO_INPUT ? FUT_ERR_CANT_CREATE : st;
}

/* Refuses a folder that holds anything, and says so where that is what an interrupted run left. */
static fut_status check_empty(const fut_synth_config *config, const char *mark)
{
    DIR *dir = opendir(config->dir);
    if (dir == NULL) return fut_file_errno("open", config->dir, errno);
    bool is_empty = true;
    for (const struct dirent *entry = readdir(dir); entry != NULL && is_empty; entry = readdir(dir))
        is_empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
    (void)closedir(dir);
    if (is_empty || config->force) return FUT_OK;
    FUT_CHECK(!fut_file_exists(mark), FUT_ERR_CANT_CREATE,
              "%s: an earlier run was interrupted here and left it unfinished; run it again with --force, or remove the folder",
              config->dir);
    return FUT_FAIL(FUT_ERR_CANT_CREATE, "%s: the folder is not empty; choose another, or --force to write into it", config->dir);
}

/* Plain and not flushed to the disk, since the mark says whether the folder is whole: a flush a picture would be most of the time. */
static fut_status write_file(const char *path, const fut_str *bytes)
{
    FILE *file = fopen(path, "wb");
    if (file == NULL) return create_errno("create", path, errno);
    errno = 0;
    bool is_written = fwrite(bytes->data, 1, bytes->length, file) == bytes->length;
    int error_number = errno;
    if (fclose(file) != 0 && is_written) {
        is_written = false;
        error_number = errno;
    }
    return is_written ? FUT_OK : create_errno("write", path, error_number);
}

static fut_status encode(const fut_image *image, fut_synth_format format, fut_str *out)
{
    return format == FUT_SYNTH_PNG ? fut_image_encode_png(image, out) : fut_image_encode_jpeg(image, JPEG_QUALITY, out);
}

/* Digits that n names need to sort as their numbers do. */
static int name_width(int64_t n)
{
    int width = 4;
    for (int64_t most = 9999; most < n; most = 10 * most + 9)
        width++;
    return width;
}

static fut_status write_person(const fut_synth_config *config, int64_t person, fut_str *path, fut_str *bytes)
{
    fut_status st = FUT_OK;
    fut_image image = {0};
    path->length = 0;
    FUT_TRY_GOTO(fut_str_printf(path, "%s/person_%0*" PRId64, config->dir, name_width(config->people), person + 1), out);
    FUT_TRY_GOTO(fut_file_make_dirs(fut_str_text(path)), out);
    size_t folder = path->length;
    const char *extension = config->format == FUT_SYNTH_PNG ? "png" : "jpg";
    for (int64_t i = 0; i < config->images; i++) {
        fut_image_fini(&image);
        FUT_TRY_GOTO(fut_synth_draw(config->seed, person, i, config->size, &image), out);
        bytes->length = 0;
        FUT_TRY_GOTO(encode(&image, config->format, bytes), out);
        path->length = folder;
        FUT_TRY_GOTO(fut_str_printf(path, "/%0*" PRId64 ".%s", name_width(config->images), i + 1, extension), out);
        FUT_TRY_GOTO(write_file(fut_str_text(path), bytes), out);
    }
out:
    fut_image_fini(&image);
    return st;
}

fut_status fut_synth_write(const fut_synth_config *config, fut_synth_progress *progress_or_null, void *context)
{
    static const char note[] = "futago synth is filling this folder, or was interrupted while it did.\n";
    fut_status st = FUT_OK;
    fut_str mark = {0};
    fut_str path = {0};
    fut_str bytes = {0};
    FUT_TRY_GOTO(fut_str_printf(&mark, "%s/%s", config->dir, FUT_SYNTH_UNFINISHED), out);
    FUT_TRY_GOTO(fut_file_make_dirs(config->dir), out);
    FUT_TRY_GOTO(check_empty(config, fut_str_text(&mark)), out);
    FUT_TRY_GOTO(fut_file_write(fut_str_text(&mark), note, sizeof note - 1), out);
    for (int64_t person = 0; person < config->people; person++) {
        FUT_TRY_GOTO(write_person(config, person, &path, &bytes), out);
        if (progress_or_null != NULL) progress_or_null(context, person + 1);
    }
    if (unlink(fut_str_text(&mark)) != 0) st = fut_file_errno("remove", fut_str_text(&mark), errno);
out:
    fut_str_fini(&bytes);
    fut_str_fini(&path);
    fut_str_fini(&mark);
    return st;
}
