/* What one step must move and compute, from the network's own plan, beside what a device can do: a roofline on paper, no device needed. */
#ifndef FUT_LAUNCH_BENCH_PLAN_H
#define FUT_LAUNCH_BENCH_PLAN_H

#include "launch/config.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fut_bench_device {
    double flops;     /* a second, of convolutions in the configuration's precision; 0: an H100's */
    double bandwidth; /* bytes a second of its memory; 0: an H100's */
} fut_bench_device;

/* Prints kinds of layers, with `every` each layer, then the step's least time, its memory, and what the sum over ranks adds on named
 * networks. */
fut_status fut_bench_print_plan(const fut_config *config, const fut_bench_device *device, bool every) FUT_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
