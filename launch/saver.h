/* Checkpoints written while training goes on.
 *
 *     training   step | copy | step  step  step | copy | step
 *     saver            \ write, link, prune       \ write, link, prune       one at a time
 *
 * The thread is the only one that enters HDF5 meanwhile. What became of a write is told in the log by the next call: a line where it was
 * saved, a warning where not, since an older checkpoint stands. One thread calls all of these. */
#ifndef FUT_LAUNCH_SAVER_H
#define FUT_LAUNCH_SAVER_H

#include "launch/checkpoint.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fut_saver fut_saver;

/* Of the run in folder `run`, which keeps its `keep` newest checkpoints and its best. run and meta are borrowed until destroy.
 * Errors: FUT_ERR_NO_MEMORY. */
fut_status fut_saver_create(const char *run, int64_t keep, const fut_checkpoint_meta *meta, fut_saver **saver_out) FUT_MUST_CHECK;
/* Waits for what is being written, and tells of it. */
void fut_saver_destroy(fut_saver **saver);

/* Begin to take the memory that the first save copies into, beside training; averaged: as in fut_checkpoint_reserve. Where there is none, a
 * save tells of it. net and optim are borrowed until destroy. */
void fut_saver_reserve(fut_saver *saver, const fut_net *net, bool averaged, const fut_optim *optim);
/* Copy the state and begin to write it, once the write before is over; `must` waits for this one too and makes its failure an error. The
 * others: fut_checkpoint_take's; net, optim and loss are borrowed until destroy.
 * Errors: of must only: fut_checkpoint_take's, fut_checkpoint_write's */
fut_status fut_saver_save(fut_saver *saver, bool must, const fut_progress *progress, fut_net *net, const fut_checkpoint_held *held,
                          fut_optim *optim, const fut_loss *loss, const fut_sampler_state *sampler) FUT_MUST_CHECK;
/* Tell of a write that is over; does not wait. NULL: nothing is written. */
void fut_saver_poll(fut_saver *saver);

#ifdef __cplusplus
}
#endif

#endif
