/* How much of a run's sums of gradients its steps were longer for, bucket by bucket. */
#ifndef FUT_LAUNCH_EXPOSURE_H
#define FUT_LAUNCH_EXPOSURE_H

#include "core/base/str.h"
#include "launch/engine.h"

#ifdef __cplusplus
extern "C" {
#endif

/* {0}, and so where there is nothing to tell: of one rank, and of a device, which sums behind the host's back unless fut_engine_mark was
 * called. */
typedef struct fut_exposure {
    int buckets;
    int64_t steps;
    fut_tree_span *sum; /* [buckets] of the steps added; `began` is not summed */
} fut_exposure;

/* Of the engine's steps from now on. Owns memory. */
fut_status fut_exposure_init(const fut_engine *engine, fut_exposure *exposure_out) FUT_MUST_CHECK;
void fut_exposure_fini(fut_exposure *exposure);
/* The step that the engine has just done; of a device once fut_tree_read_marks read its marks. summed_out: seconds from the first bucket's
 * beginning to the last one's end; exposed_out: seconds of it in which this rank did not compute; both 0 where there is nothing to tell.
 * Allocates nothing. */
void fut_exposure_add(fut_exposure *exposure, const fut_engine *engine, double *summed_out, double *exposed_out);

/* A table for people, a line a bucket in the order of their sums; and an array of objects. Milliseconds a step. Nothing where there is
 * nothing to tell. */
fut_status fut_exposure_print(const fut_exposure *exposure, fut_str *out) FUT_MUST_CHECK;
fut_status fut_exposure_print_json(const fut_exposure *exposure, fut_str *out) FUT_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
