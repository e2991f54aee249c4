/* Keep a training job running: start it, and start it again where that can help, on the hosts that still answer. */
#ifndef FUT_LAUNCH_SUPERVISE_H
#define FUT_LAUNCH_SUPERVISE_H

#include "launch/child.h"
#include "launch/config.h"

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fut_job {
    char **argv; /* the command, e.g. mpirun -n 8 futago train run.yaml */
    int argc;
    const char *run;      /* the run folder */
    bool shards_are_auto; /* train.shards: auto */
    int64_t restarts;     /* in a row that bring no new checkpoint */
    double pause;         /* seconds before a restart */
    double patience;      /* seconds that a launcher may go on whose ranks show no sign of life */
    bool goes_on;         /* also after a stop on request that was not ours */
} fut_job;

/* What an exit code of mpirun, srun or futago asks for. */
typedef enum fut_ending {
    FUT_ENDING_DONE,
    FUT_ENDING_STOPPED,   /* 75: on request, with a checkpoint */
    FUT_ENDING_TRANSIENT, /* 74, or a rank was killed (128 + SIGKILL, SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV): start again */
    FUT_ENDING_LOCKED,    /* 79: a rank of the start before may still be on its way out */
    FUT_ENDING_LAUNCHER,  /* no code of futago's: the launcher's own, of a lost or refused host, or of a mistake in its command line */
    FUT_ENDING_FINAL      /* starting again would end the same way */
} fut_ending;
fut_ending fut_ending_of(int exit_code);

/* Run the job until it is done, is stopped, or cannot go on; exit_code_out: its last exit code. SIGINT, SIGTERM, SIGHUP and SIGUSR1 reach
 * the job as SIGUSR1 (save and leave).
 * Errors: FUT_ERR_NO_INPUT (no such program, hostfile or host), FUT_ERR_HANG (no host answers), as fut_mpi_command_read. */
fut_status fut_supervise(const fut_job *job, int *exit_code_out) FUT_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
