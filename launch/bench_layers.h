/* Where a step's time goes on this machine, layer by layer, beside what the machine does at best. */
#ifndef FUT_LAUNCH_BENCH_LAYERS_H
#define FUT_LAUNCH_BENCH_LAYERS_H

#include "launch/config.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Trains `steps` steps of one shard on photos of noise, takes the least time of each pass of each layer, and prints it with the rates that
 * makes, the share of the machine's measured limits, and what computes it. Warns of layers that a library computes by reference loops.
 * Errors: FUT_ERR_UNSUPPORTED: a backend whose limits nobody measures (cuda: see --plan). */
fut_status fut_bench_print_layers(const fut_config *config, int64_t steps) FUT_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
