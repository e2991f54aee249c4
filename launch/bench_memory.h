/* The memory of a step on paper: everything that is allocated before it, named. */
#ifndef FUT_LAUNCH_BENCH_MEMORY_H
#define FUT_LAUNCH_BENCH_MEMORY_H

#include "core/nn/net.h"
#include "launch/config.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Prints what a process takes that trains all photos of a batch in one shard, and what a run takes beside. The program and its libraries
 * are no part of any plan: on the host their memory is what this process has of it, which has just planned the step. Errors: those of a
 * plan. */
fut_status fut_bench_print_memory(const fut_config *config, fut_net *net) FUT_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
