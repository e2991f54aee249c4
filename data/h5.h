/* HDF5, as little of it as futago needs: the only user of hdf5.h.
 *
 *     0        4096                                                  end
 *     | seal   | an ordinary HDF5 file: groups, attributes, contiguous datasets ... [ payload ] ... |
 *
 * A file written here starts with a 4096-byte user block, the *seal*: a magic, the file's size, and the XXH3 of every byte except one
 * *payload* range that carries its own checksums (images). fut_h5_open checks the seal before libhdf5 sees a byte, because libhdf5 can
 * crash on damaged metadata. HDF5 tools skip a user block, so h5dump, h5py and HDFView read the file as any other.
 *
 * Accepted on reading: contiguous, unfiltered, not external datasets of the types below, at most FUT_H5_RANK_MAX dimensions, lying wholly
 * inside the file; everything else is refused with the dataset's name. Paths are absolute: "/model/blocks.0.0.conv.weight".
 * Threads: one caller per file at a time. libhdf5's own error printing is off; its text is put in our messages. */
#ifndef FUT_DATA_H5_H
#define FUT_DATA_H5_H

#include "core/base/status.h"
#include "core/base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { FUT_H5_RANK_MAX = 8, FUT_H5_NAME_MAX = 255, FUT_H5_TEXT_MAX = 32768, FUT_H5_SEAL_BYTES = 4096 };

/* Stored little-endian. */
typedef enum fut_h5_type { FUT_H5_U8, FUT_H5_U32, FUT_H5_U64, FUT_H5_I64, FUT_H5_F32, FUT_H5_F64 } fut_h5_type;

typedef struct fut_h5_info {
    fut_h5_type type;
    int rank;
    int64_t dims[FUT_H5_RANK_MAX];
    int64_t count;  /* product of dims */
    int64_t bytes;  /* count * size of type; <= the file's size */
    int64_t offset; /* of the first byte in the file, user block included; 0 when bytes is 0 */
} fut_h5_info;

typedef struct fut_h5 fut_h5;

size_t fut_h5_type_bytes(fut_h5_type type);

/* Create (or empty) the file `path` for writing. Write to the temporary of fut_file_begin and commit after fut_h5_finish.
 * Errors: FUT_ERR_CANT_CREATE, FUT_ERR_PERMISSION. Owns: *h5_out, release with fut_h5_finish or fut_h5_close. */
fut_status fut_h5_create(const char *path, fut_h5 **h5_out) FUT_MUST_CHECK;
/* Close a file being written and seal it. *h5 is released and NULL also on error; the file is then useless.
 * Errors: FUT_ERR_CANT_CREATE (disk full), FUT_ERR_IO. */
fut_status fut_h5_finish(fut_h5 **h5) FUT_MUST_CHECK;
/* Open for reading. Errors: FUT_ERR_NO_INPUT, FUT_ERR_PERMISSION; FUT_ERR_DATA: not an HDF5 file, not written by futago, truncated,
 * damaged. */
fut_status fut_h5_open(const char *path, fut_h5 **h5_out) FUT_MUST_CHECK;
/* Release without sealing: after reading, or to give up writing. NULL-safe, sets NULL. */
void fut_h5_close(fut_h5 **h5);

/* Write one whole dataset; missing groups on the way are created. data [product of dims] of `type`; borrowed. rank 0 is a scalar. */
fut_status fut_h5_write(fut_h5 *h5, const char *name, fut_h5_type type, int rank, const int64_t *dims, const void *data) FUT_MUST_CHECK;
/* The payload: a u8 dataset allocated now and not filled, at the returned file offset, to be written with pwrite on a descriptor of the
 * caller's. One a file. fut_h5_payload_trim then gives it its exact shape, at the same offset (rank as reserved, not larger). */
fut_status fut_h5_payload_reserve(fut_h5 *h5, const char *name, int rank, const int64_t *dims, int64_t *offset_out) FUT_MUST_CHECK;
fut_status fut_h5_payload_trim(fut_h5 *h5, const int64_t *dims) FUT_MUST_CHECK;

/* Does the dataset or group exist? */
bool fut_h5_has(fut_h5 *h5, const char *name);
/* Type, shape and place of a dataset, validated. Errors: FUT_ERR_DATA naming the file and dataset. */
fut_status fut_h5_get_info(fut_h5 *h5, const char *name, fut_h5_info *info_out) FUT_MUST_CHECK;
/* Read a whole dataset whose type and shape must be exactly these. data_out [product of dims]; the caller's. Errors: FUT_ERR_DATA. */
fut_status fut_h5_read(fut_h5 *h5, const char *name, fut_h5_type type, int rank, const int64_t *dims, void *data_out) FUT_MUST_CHECK;
/* Read a dataset of rank 1 whatever its length, up to count_max. Owns: *data_out, release with fut_mem_free. */
fut_status fut_h5_read_array(fut_h5 *h5, const char *name, fut_h5_type type, int64_t count_max, void **data_out,
                             int64_t *count_out) FUT_MUST_CHECK;
/* Call `each` with every member name of a group, in byte order of names; is_group says what it is. A missing group has no members.
 * A link that is not hard, or a member that is neither group nor dataset, is FUT_ERR_DATA. A status from `each` ends the walk. */
typedef fut_status (*fut_h5_each)(void *context, const char *name, bool is_group);
fut_status fut_h5_list(fut_h5 *h5, const char *group, fut_h5_each each, void *context) FUT_MUST_CHECK;

/* Attributes of a group or dataset ("/" is the root; missing groups are created when writing). Text is a fixed-length string of at most
 * FUT_H5_TEXT_MAX bytes without NUL; longer text is a u8 dataset. Reading the wrong type or shape: FUT_ERR_DATA naming the attribute. */
fut_status fut_h5_set_i64(fut_h5 *h5, const char *object, const char *name, int64_t value) FUT_MUST_CHECK;
fut_status fut_h5_set_u64(fut_h5 *h5, const char *object, const char *name, uint64_t value) FUT_MUST_CHECK;
fut_status fut_h5_set_f64(fut_h5 *h5, const char *object, const char *name, const double *values, int count) FUT_MUST_CHECK;
fut_status fut_h5_set_text(fut_h5 *h5, const char *object, const char *name, const char *text) FUT_MUST_CHECK;
fut_status fut_h5_get_i64(fut_h5 *h5, const char *object, const char *name, int64_t *value_out) FUT_MUST_CHECK;
fut_status fut_h5_get_u64(fut_h5 *h5, const char *object, const char *name, uint64_t *value_out) FUT_MUST_CHECK;
fut_status fut_h5_get_f64(fut_h5 *h5, const char *object, const char *name, double *values_out, int count) FUT_MUST_CHECK;
fut_status fut_h5_get_text(fut_h5 *h5, const char *object, const char *name, fut_str *text_out) FUT_MUST_CHECK;
bool fut_h5_has_attribute(fut_h5 *h5, const char *object, const char *name);

/* libhdf5 as futago was built with it and as it is now, "1.10.8", into texts of `max` bytes. */
void fut_h5_versions(char *built_out, char *found_out, size_t max);

#ifdef __cplusplus
}
#endif

#endif
