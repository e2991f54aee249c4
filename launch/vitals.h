/* What a step is looked at for on log steps, beside its outcome: the embeddings' health and how far the update moved the weights.
 *
 *     fut_vitals_before   enqueued before a step: a copy of the parameters
 *     fut_vitals_after    enqueued after it, outside of what is recorded: how far they moved; some embeddings on their way to the host
 *     fut_vitals_read     once the step's outcome is there
 *
 * Nothing of it waits, and it changes no bit of the training. Parameters and embeddings are the same on all ranks, so one of them looks. */
#ifndef FUT_LAUNCH_VITALS_H
#define FUT_LAUNCH_VITALS_H

#include "core/backend/backend.h"
#include "core/metric/health.h"
#include "launch/feed.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fut_vitals fut_vitals;

typedef struct fut_vitals_report {
    fut_health health;
    double update_ratio; /* |dw| / |w| of all parameters, w after the step; NaN where all are 0 */
} fut_vitals_report;

/* dim: of an embedding; params: parameters. places: how many steps may be on their way. Borrows bk. Errors: FUT_ERR_NO_MEMORY. */
fut_status fut_vitals_create(fut_backend *bk, int places, int64_t batch, int64_t dim, int64_t params,
                             fut_vitals **vitals_out) FUT_MUST_CHECK;
void fut_vitals_destroy(fut_vitals **vitals);

/* params: device, of the network. */
fut_status fut_vitals_before(fut_vitals *vitals, const void *params) FUT_MUST_CHECK;
/* e: device [in->n, dim] in the sampler's order. */
fut_status fut_vitals_after(fut_vitals *vitals, int place, const fut_inputs *in, const float *e, const void *params) FUT_MUST_CHECK;
/* The device has passed what fut_vitals_after enqueued for `place`. */
void fut_vitals_read(fut_vitals *vitals, int place, fut_vitals_report *report_out);

#ifdef __cplusplus
}
#endif

#endif
