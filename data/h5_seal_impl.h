/* The seal of a futago HDF5 file: what its user block says, checked before libhdf5 sees the file. Private to data/. */
#ifndef FUT_DATA_H5_SEAL_IMPL_H
#define FUT_DATA_H5_SEAL_IMPL_H

#include "core/base/status.h"

#include <stdint.h>

/* Bytes of the file that the seal leaves out; bytes == 0: none. */
typedef struct fut_h5_range {
    int64_t offset, bytes;
} fut_h5_range;

/* Compute the seal of the closed file `path` and write it into its user block. Errors: FUT_ERR_IO, FUT_ERR_CANT_CREATE. */
fut_status fut_h5_seal_write(const char *path, fut_h5_range payload) FUT_MUST_CHECK;
/* Check it. Errors: FUT_ERR_NO_INPUT, FUT_ERR_PERMISSION, FUT_ERR_IO; FUT_ERR_DATA: empty, foreign, truncated, damaged. */
fut_status fut_h5_seal_check(const char *path, int64_t *file_bytes_out) FUT_MUST_CHECK;

#endif
