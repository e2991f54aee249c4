/* A packed dataset, open for reading.
 *
 *     identity 0          identity 1     ...      images stand sorted by identity: identity c owns images [first(c), first(c+1))
 *     img 0 1 2 3 4       5 6 7          ... N
 *
 * Everything is validated on open; afterwards reading an image is one pread and one checksum, from any number of threads, and never
 * enters libhdf5. An image id is its place in [0, N), a label is its identity's place in [0, C). */
#ifndef FUT_DATA_DATASET_H
#define FUT_DATA_DATASET_H

#include "core/base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum fut_encoding { FUT_ENCODING_RAW, FUT_ENCODING_ORIGINAL } fut_encoding;
typedef enum fut_part { FUT_PART_TRAIN, FUT_PART_VAL, FUT_PART_TEST, FUT_PART_COUNT } fut_part;
typedef enum fut_split_method { FUT_SPLIT_STRATIFIED, FUT_SPLIT_IDENTITY } fut_split_method;

/* Words used in files, options and messages; indexed by the enums above, NULL-terminated. */
extern const char *const fut_encoding_names[];
extern const char *const fut_part_names[];
extern const char *const fut_split_method_names[];

/* What the file says about itself. */
typedef struct fut_dataset_info {
    int64_t n_images, n_identities;
    int64_t height, width; /* of every image as read */
    fut_encoding encoding;
    double crop;            /* centred fraction that was (raw) or will be (original) cut out before resizing; 1 = whole */
    double mean[3], std[3]; /* RGB, of the train part's pixels as read, in [0, 1] */
    uint64_t fingerprint;   /* of names, labels, checksums, shapes and the split: equal only for equal data */
    fut_split_method method;
    double fractions[FUT_PART_COUNT];
    int64_t split_seed;
    char tool_version[32];
    char created[32]; /* UTC */
} fut_dataset_info;

typedef struct fut_dataset fut_dataset;

/* Open and validate. Owns: *dataset_out, release with fut_dataset_close.
 * Errors: FUT_ERR_NO_INPUT, FUT_ERR_PERMISSION, FUT_ERR_IO; FUT_ERR_DATA naming the file and the dataset at fault. */
fut_status fut_dataset_open(const char *path, fut_dataset **dataset_out) FUT_MUST_CHECK;
void fut_dataset_close(fut_dataset **dataset);

/* Borrowed, until close. */
const fut_dataset_info *fut_dataset_get_info(const fut_dataset *dataset);
const char *fut_dataset_get_path(const fut_dataset *dataset);
/* Label of every image: [n_images]. */
const int32_t *fut_dataset_get_labels(const fut_dataset *dataset);
/* First image of every identity, and n_images at the end: [n_identities + 1]. */
const int64_t *fut_dataset_get_first(const fut_dataset *dataset);
/* Image ids of a part in the split's order (scikit-learn's, for the stratified method), and how many. */
const int64_t *fut_dataset_get_part(const fut_dataset *dataset, fut_part part, int64_t *n_out);
/* Name of an identity, path of an image's source relative to the packed folder: bytes as given, not NUL-terminated, maybe not UTF-8.
 * Print with fut_str_append_escaped. */
const char *fut_dataset_get_identity_name(const fut_dataset *dataset, int64_t label, size_t *length_out);
const char *fut_dataset_get_source(const fut_dataset *dataset, int64_t image, size_t *length_out);

/* Read one image, checksum verified.
 * Shape:   rgb_out [height, width, 3] u8, the caller's
 * Errors:  FUT_ERR_DATA naming image, source and file when the bytes do not match their checksum or do not decode; FUT_ERR_IO
 * Threads: any number at once. */
fut_status fut_dataset_read(const fut_dataset *dataset, int64_t image, uint8_t *rgb_out) FUT_MUST_CHECK;
/* Only check the stored bytes against their checksum. Threads: any number at once. */
fut_status fut_dataset_verify(const fut_dataset *dataset, int64_t image) FUT_MUST_CHECK;

/* Pairs of distinct images inside a part: n_positive of the same identity, n_negative of different ones. */
void fut_dataset_count_pairs(const fut_dataset *dataset, fut_part part, int64_t *n_positive_out, int64_t *n_negative_out);

#ifdef __cplusplus
}
#endif

#endif
