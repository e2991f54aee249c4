/* How fast a configuration trains here: the engine and the feed of a real run on photos of noise, without files, sampler or schedule. */
#ifndef FUT_LAUNCH_BENCH_H
#define FUT_LAUNCH_BENCH_H

#include "dist/comm.h"
#include "launch/config.h"
#include "launch/exposure.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fut_bench_options {
    int64_t steps, warm_up;
} fut_bench_options;

/* Seconds of a step are medians over the steps; of a device, by its own events. */
typedef struct fut_bench_result {
    int ranks, shards, threads;
    int64_t images; /* of the global batch */
    char backend[16], device[160], library[160];
    bool asynchronous;
    double step, fastest, slowest;          /* as a run has it: replayed where the backend can */
    double enqueued;                        /* device only: the same step enqueued kernel by kernel */
    double exposed_copy, exposed_reduce;    /* device only, of an enqueued step: waiting for the upload, for the reduction */
    double first;                           /* from the start of the engine to the end of the first step */
    int slots;                              /* shards whose activations are kept at once */
    size_t parameters, slot, shared, state; /* bytes on the device: packs, one shard's activations, shared, optimizer */
    size_t device_used;                     /* by all of it, as the device says; 0: unknown */
    size_t resident;                        /* the most that this process had of the host's memory; 0: unknown */
    fut_exposure exposure;                  /* of the sums of gradients */
    double loss;                            /* of the last step: shows that it trained on something */
} fut_bench_result;

/* Collective. The result is whole on every rank and to be finished after an error too; times are this rank's. */
fut_status fut_bench_run(const fut_config *config, fut_comm *comm, const fut_bench_options *options,
                         fut_bench_result *result_out) FUT_MUST_CHECK;
void fut_bench_result_fini(fut_bench_result *result);

#ifdef __cplusplus
}
#endif

#endif
