/* Training: the step loop and everything that lives as long as a run. */
#ifndef FUT_LAUNCH_TRAINER_H
#define FUT_LAUNCH_TRAINER_H

#include "dist/comm.h"
#include "launch/config.h"

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Train the run of `config` from its newest good checkpoint, or from the start where it has none, to its end or until it is asked to stop,
 * which step `until` does as a signal does (0: none).
 * Collective. Errors: FUT_ERR_PREEMPTED after a stop on request, with a durable checkpoint; FUT_ERR_LOCKED; FUT_ERR_CONFIG;
 * FUT_ERR_DATA (dataset, or no good checkpoint left where some were); FUT_ERR_NUMERIC (loss or gradient not finite). */
fut_status fut_train(const fut_config *config, fut_comm *comm, int64_t until) FUT_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
