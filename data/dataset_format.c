#include "core/base/mem.h"
#include "data/dataset_impl.h"
#include "data/image.h"

#include <string.h>
#include <xxhash.h>

const char *const fut_encoding_names[] = {[FUT_ENCODING_RAW] = "raw", [FUT_ENCODING_ORIGINAL] = "original", NULL};
const char *const fut_part_names[] = {[FUT_PART_TRAIN] = "train", [FUT_PART_VAL] = "val", [FUT_PART_TEST] = "test", NULL};
const char *const fut_split_method_names[] = {[FUT_SPLIT_STRATIFIED] = "stratified", [FUT_SPLIT_IDENTITY] = "identity", NULL};

void fut_dataset_tables_fini(fut_dataset_tables *tables)
{
    fut_mem_free(tables->offset);
    fut_mem_free(tables->checksum);
    fut_mem_free(tables->first);
    for (int part = 0; part < FUT_PART_COUNT; part++)
        fut_mem_free(tables->part[part]);
    fut_mem_free(tables->source.bytes);
    fut_mem_free(tables->source.offset);
    fut_mem_free(tables->name.bytes);
    fut_mem_free(tables->name.offset);
    *tables = (fut_dataset_tables){0};
}

uint64_t fut_dataset_checksum(const void *bytes, size_t length)
{
    return XXH3_64bits(bytes, length);
}

uint64_t fut_dataset_fingerprint(const fut_dataset_info *info, const fut_dataset_tables *tables)
{
    size_t n = (size_t)info->n_images;
    size_t c = (size_t)info->n_identities;
    uint64_t header[6 + FUT_PART_COUNT] = {(uint64_t)info->n_images, (uint64_t)info->n_identities, (uint64_t)info->height,
                                           (uint64_t)info->width,    (uint64_t)info->encoding,     0};
    memcpy(&header[5], &info->crop, sizeof info->crop);
    for (int part = 0; part < FUT_PART_COUNT; part++)
        header[6 + part] = (uint64_t)tables->n_part[part];
    /* Each block's hash seeds the next one's: no state to allocate. */
    uint64_t hash = XXH3_64bits(header, sizeof header);
    hash = XXH3_64bits_withSeed(tables->first, (c + 1) * sizeof *tables->first, hash);
    hash = XXH3_64bits_withSeed(tables->name.offset, (c + 1) * sizeof *tables->name.offset, hash);
    hash = XXH3_64bits_withSeed(tables->name.bytes, (size_t)tables->name.offset[c], hash);
    hash = XXH3_64bits_withSeed(tables->checksum, n * sizeof *tables->checksum, hash);
    for (int part = 0; part < FUT_PART_COUNT; part++)
        hash = XXH3_64bits_withSeed(tables->part[part], (size_t)tables->n_part[part] * sizeof *tables->part[part], hash);
    return hash;
}

fut_status fut_dataset_render(const uint8_t *file, size_t length, const fut_dataset_info *info, uint8_t *rgb_out)
{
    fut_status st = FUT_OK;
    fut_image photo = {0};
    fut_image image = {0};
    FUT_TRY_GOTO(fut_image_decode(file, length, NULL, NULL, &photo), out);
    fut_image_rect part = fut_image_crop_center(&photo, info->crop);
    FUT_TRY_GOTO(fut_image_resize(&photo, &part, info->width, info->height, &image), out);
    memcpy(rgb_out, image.rgb, (size_t)(image.width * image.height * 3));
out:
    fut_image_fini(&image);
    fut_image_fini(&photo);
    return st;
}
