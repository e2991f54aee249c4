/* What the files of a checkpoint's code share. */
#ifndef FUT_LAUNCH_CHECKPOINT_IMPL_H
#define FUT_LAUNCH_CHECKPOINT_IMPL_H

#include "data/h5.h"
#include "launch/checkpoint.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One dataset with its XXH3. path: of the file. Errors: fut_h5_read's; FUT_ERR_DATA where its bytes do not match. */
fut_status fut_checkpoint_write_tensor(fut_h5 *h5, const char *name, fut_h5_type type, int rank, const int64_t *dims,
                                       const void *data) FUT_MUST_CHECK;
fut_status fut_checkpoint_read_tensor(fut_h5 *h5, const char *path, const char *name, fut_h5_type type, int rank, const int64_t *dims,
                                      void *data) FUT_MUST_CHECK;
/* Errors: FUT_ERR_NO_INPUT; FUT_ERR_DATA; FUT_ERR_UNSUPPORTED for another version. */
fut_status fut_checkpoint_open(const char *path, fut_h5 **h5_out) FUT_MUST_CHECK;

/* The loss's memory (checkpoint_memory.c): into the state's memory of it, which is made where there is none yet, and from there to a file.
 */
fut_status fut_checkpoint_take_memory(fut_checkpoint_state *state, const fut_loss *loss) FUT_MUST_CHECK;
fut_status fut_checkpoint_write_memory(fut_h5 *h5, const fut_checkpoint_state *state) FUT_MUST_CHECK;
void fut_checkpoint_free_memory(fut_row_memory *memory);

#ifdef __cplusplus
}
#endif

#endif
