#include "dist/boot.h"

#include "core/base/log.h"

#include <stdlib.h>

/* Where launchers (Open MPI's mpirun, PMI's, srun) tell a process how many they started. A shell that srun opened says 1, and MPI may not
 * start there: one rank alone needs none. */
static const char *const size_variables[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS", NULL};

bool fut_boot_has_peers(void)
{
    for (int i = 0; size_variables[i] != NULL; i++) {
        const char *size = getenv(size_variables[i]);
        if (size != NULL && strtol(size, NULL, 10) > 1) return true;
    }
    return false;
}

fut_status fut_boot(fut_comm **comm_out)
{
    fut_watchdog *watchdog = NULL;
    FUT_TRY(fut_watchdog_create(&watchdog));
    fut_status st = fut_boot_has_peers() ? fut_comm_create_mpi(watchdog, comm_out) : fut_comm_create_self(comm_out);
    if (st != FUT_OK) {
        fut_watchdog_destroy(&watchdog, fut_status_exit_code(st));
        return st;
    }
    (*comm_out)->watchdog = watchdog;
    fut_log_set_rank((*comm_out)->rank, (*comm_out)->size);
    return FUT_OK;
}

fut_status fut_boot_finish(fut_comm **comm, fut_status st)
{
    int rank = (*comm)->rank;
    fut_watchdog *watchdog = (*comm)->watchdog;
    bool together = st == (*comm)->agreed || st == FUT_OK;
    fut_comm_phase(*comm, FUT_PHASE_FINALIZE, -1);
    fut_status left = together ? fut_comm_barrier(*comm, "end of the run") : FUT_OK;
    if ((!together || left != FUT_OK) && (*comm)->size > 1) {
        FUT_ERROR("%s (%s)", fut_trail_message(), fut_trail_place());
        fut_comm_abort(*comm, fut_status_exit_code(together ? left : st));
    }
    fut_comm_destroy(comm);
    fut_watchdog_destroy(&watchdog, fut_status_exit_code(st));
    return rank == 0 ? st : FUT_OK;
}
