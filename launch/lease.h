/* The lock of a run folder, as a lease: a file that names its owner and is written anew every FUT_LEASE_BEAT_S while the owner lives.
 *
 *     process 12 on host3 of job 77        the job where one is known (FUTAGO_JOB, from `futago run` and launch/slurm.sh)
 *
 * On the owner's own host a flock says at once whether it lives. On another host, where flock may not reach, the file's time does: no sign
 * of life for FUT_LEASE_STALE_S, by the clock of the file system, and the lease is taken over. An owner that was only stopped meanwhile
 * finds that out before it writes (fut_lease_check). An earlier start of the same job has ended, or this one would not have begun. */
#ifndef FUT_LAUNCH_LEASE_H
#define FUT_LAUNCH_LEASE_H

#include "core/base/status.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { FUT_LEASE_BEAT_S = 15, FUT_LEASE_STALE_S = 300 };

typedef struct fut_lease fut_lease;

/* Errors: FUT_ERR_LOCKED naming host, process and how to go on; FUT_ERR_PERMISSION, FUT_ERR_CANT_CREATE. */
fut_status fut_lease_take(const char *path, fut_lease **lease_out) FUT_MUST_CHECK;
/* Empties the file if it is still ours. */
void fut_lease_release(fut_lease **lease);
/* Is it still ours? Errors: FUT_ERR_LOCKED naming who took it over. */
fut_status fut_lease_check(fut_lease *lease) FUT_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
