/* `futago inspect --model`: what a network is made of. */
#ifndef FUT_LAUNCH_INSPECT_MODEL_H
#define FUT_LAUNCH_INSPECT_MODEL_H

#include "launch/config.h"

/* Print config's network to stdout: a table of its layers, parameters, multiply-adds, and the memory that train.batch images take in one
 * shard on config's backend, from the plan itself. json: as one object. Errors: those of the backend and of planning. */
fut_status fut_inspect_model(const fut_config *config, bool json) FUT_MUST_CHECK;

#endif
