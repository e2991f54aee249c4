/* The device half of a backend whose memory is the host's: the heap, copies by memmove, streams that are done when a call returns. */
#ifndef FUT_CORE_BACKEND_HOST_H
#define FUT_CORE_BACKEND_HOST_H

#include "core/backend/backend.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Fill in everything of the device half but name, act_bytes, info and destroy. */
void fut_host_device_half(fut_backend *bk);
/* The kernel tree_rows. */
void fut_host_tree_rows(int64_t rows, int64_t n, double *in, double *out);

#ifdef __cplusplus
}
#endif

#endif
