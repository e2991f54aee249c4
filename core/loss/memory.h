/* The memory of a loss: a ring of the last embeddings (fut_row_memory). */
#ifndef FUT_CORE_LOSS_MEMORY_H
#define FUT_CORE_LOSS_MEMORY_H

#include "core/backend/backend.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Empty. Owns: memory_out's blocks, also on error; fut_loss_memory_fini. Errors: FUT_ERR_NO_MEMORY. */
fut_status fut_loss_memory_init(fut_backend *bk, int64_t size, int64_t dim, fut_dtype real, fut_row_memory *memory_out) FUT_MUST_CHECK;
void fut_loss_memory_fini(fut_backend *bk, fut_row_memory *memory);

#ifdef __cplusplus
}
#endif

#endif
