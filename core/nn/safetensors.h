/* Reader of safetensors files (huggingface/safetensors): data only, nothing in it is executed, and nothing in it is believed.
 *
 *   u64 header length | header, JSON: {"name": {"dtype": "F32", "shape": [..], "data_offsets": [begin, end]}, ..} | data
 *
 * A file is accepted only if the header is at most 8 MiB, every entry has exactly those three members, names are unique, dtypes known,
 * begin..end is what dtype and shape take, and the ranges, put in order, cover the data from its first byte to its last. */
#ifndef FUT_CORE_NN_SAFETENSORS_H
#define FUT_CORE_NN_SAFETENSORS_H

#include "core/base/status.h"
#include "core/tensor/dtype.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { FUT_SAFETENSORS_RANK_MAX = 8, FUT_SAFETENSORS_HEADER_MAX = 8 << 20 };

typedef struct fut_safetensors_entry {
    const char *name;
    fut_dtype dtype; /* F16, BF16, F32, F64 or I64 */
    int rank;        /* 0: a scalar */
    int64_t dim[FUT_SAFETENSORS_RANK_MAX];
    int64_t count;
    uint64_t begin, end; /* bytes from the start of the data */
} fut_safetensors_entry;

typedef struct fut_safetensors {
    char *path;
    int fd;
    uint64_t data_start; /* bytes from the start of the file */
    int count;
    fut_safetensors_entry *entries; /* sorted by name; owns the names */
} fut_safetensors;

/* Errors: FUT_ERR_NO_INPUT, FUT_ERR_PERMISSION, FUT_ERR_IO, FUT_ERR_DATA with what was found and what was expected. */
fut_status fut_safetensors_open(const char *path, fut_safetensors **file_out) FUT_MUST_CHECK;
void fut_safetensors_close(fut_safetensors **file);
/* The entry of that name, or NULL. Borrowed. */
const fut_safetensors_entry *fut_safetensors_find(const fut_safetensors *file, const char *name);
/* The entry's values, [count], whatever its dtype. Errors: FUT_ERR_IO, FUT_ERR_NO_MEMORY. */
fut_status fut_safetensors_read(const fut_safetensors *file, const fut_safetensors_entry *entry, double *values_out) FUT_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
