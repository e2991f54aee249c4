/* What writer and reader of a dataset share: names in the file and the fingerprint. Private to data/. */
#ifndef FUT_DATA_DATASET_IMPL_H
#define FUT_DATA_DATASET_IMPL_H

#include "data/dataset.h"

#include <stdint.h>

#define FUT_DATASET_FORMAT "futago-faces"
enum { FUT_DATASET_VERSION = 1, FUT_DATASET_SIDE_MAX = 16384, FUT_DATASET_IMAGES_MAX = INT32_MAX - 1 };

#define FUT_DATASET_DATA "/images/data"
#define FUT_DATASET_OFFSET "/images/offset"
#define FUT_DATASET_CHECKSUM "/images/checksum"
#define FUT_DATASET_SOURCE "/images/source"
#define FUT_DATASET_NAME "/identities/name"
#define FUT_DATASET_FIRST "/identities/first"
#define FUT_DATASET_SPLIT "/split"

/* Strings as bytes and offsets: string i is bytes[offset[i] .. offset[i + 1]). */
typedef struct fut_strings {
    char *bytes;
    uint64_t *offset; /* [n + 1] */
    int64_t n;
} fut_strings;

/* The arrays of a dataset's file. Owns them, fut_dataset_tables_fini. */
typedef struct fut_dataset_tables {
    uint64_t *offset;   /* [N + 1] bytes from the start of /images/data */
    uint64_t *checksum; /* [N] */
    uint64_t *first;    /* [C + 1] */
    uint32_t *part[FUT_PART_COUNT];
    int64_t n_part[FUT_PART_COUNT];
    fut_strings source, name;
} fut_dataset_tables;
void fut_dataset_tables_fini(fut_dataset_tables *tables);

/* XXH3 over shape, encoding, crop, first, names, checksums and split. Sources are left out: the same photos under another folder are the
 * same data. info's counts, shape, encoding and crop are read. */
uint64_t fut_dataset_fingerprint(const fut_dataset_info *info, const fut_dataset_tables *tables);

/* XXH3 of one image's stored bytes. */
uint64_t fut_dataset_checksum(const void *bytes, size_t length);

/* What reading an image does with a decoded photo: cut the centre out and resize. rgb_out [height, width, 3]. */
fut_status fut_dataset_render(const uint8_t *file, size_t length, const fut_dataset_info *info, uint8_t *rgb_out) FUT_MUST_CHECK;

#endif
