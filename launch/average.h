/* The average of a run's parameters in the network's place, for an evaluation or an export: a schedule-free optimizer's x, or the moving
 * average of update.ema. What is trained is held meanwhile and comes back to the same bits.
 *
 *     enter:  held = params, statistics;  params = average;  statistics = those of the average, estimated anew
 *     leave:  params, statistics = held
 *
 * Batch norm's running statistics are of other parameters than the average, so they are estimated anew, as the mean over a fixed number of
 * batches of training photos without augmentation: the same photos every time, in shards as in a step, whatever the number of ranks. */
#ifndef FUT_LAUNCH_AVERAGE_H
#define FUT_LAUNCH_AVERAGE_H

#include "data/dataset.h"
#include "launch/checkpoint.h"
#include "launch/engine.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fut_average fut_average;

/* *average_out is NULL where there is nothing to average. engine and dataset are borrowed until destroy. Errors: FUT_ERR_NO_MEMORY. */
fut_status fut_average_create(fut_engine *engine, const fut_dataset *dataset, fut_average **average_out) FUT_MUST_CHECK;
void fut_average_destroy(fut_average **average);

/* All may be told of NULL, which has nothing to do, and twice. Collective. Errors: an unreadable photo, on every rank. */
fut_status fut_average_enter(fut_average *average) FUT_MUST_CHECK;
fut_status fut_average_leave(fut_average *average) FUT_MUST_CHECK;
/* What is held, while the average is in the network's place; NULL otherwise. */
const fut_checkpoint_held *fut_average_held(const fut_average *average);

#ifdef __cplusplus
}
#endif

#endif
