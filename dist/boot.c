#include "dist/boot.h"

#include "core/base/log.h"

#include <stdbool.h>
#include <stdlib.h>

/* Variables that launchers set in the processes they start. */
static const char *const launcher_variables[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMIX_RANK", "SLURM_STEP_NUM_TASKS", NULL};

static bool started_by_launcher(void)
{
    for (int i = 0; launcher_variables[i] != NULL; i++)
        if (getenv(launcher_variables[i]) != NULL) return true;
    return false;
}

fut_status fut_boot(fut_comm **comm_out)
{
    if (started_by_launcher())
        FUT_TRY(fut_comm_create_mpi(comm_out));
    else
        FUT_TRY(fut_comm_create_self(comm_out));
    fut_log_set_rank((*comm_out)->rank, (*comm_out)->size);
    return FUT_OK;
}

int fut_boot_local_size(const fut_comm *comm)
{
    return comm->local_size;
}

fut_status fut_boot_finish(fut_comm **comm, fut_status st)
{
    int rank = (*comm)->rank;
    bool alone = st != FUT_OK && st != (*comm)->agreed;
    if (alone && (*comm)->size > 1) {
        FUT_ERROR("%s (%s)", fut_trail_message(), fut_trail_place());
        fut_comm_abort(*comm, fut_status_exit_code(st));
    }
    fut_comm_destroy(comm);
    return rank == 0 ? st : FUT_OK;
}
