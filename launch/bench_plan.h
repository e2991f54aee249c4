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

/* Zeros become an H100's, at this precision (fut_precision). */
void fut_bench_device_complete(fut_bench_device *device, int precision);
/* The larger of what memory and arithmetic take. */
double fut_bench_least_seconds(const fut_bench_device *device, double bytes, double flops);
/* What a step's pass over `params` f32 parameters moves. */
double fut_bench_update_bytes(int64_t params);

/* Prints kinds of layers, with `every` each layer, then the step's least time and its memory. `futago plan` adds the ranks. */
fut_status fut_bench_print_plan(const fut_config *config, const fut_bench_device *device, bool every) FUT_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
