#include "dist/boot.h"

#include "core/base/file.h"
#include "core/base/hash.h"
#include "core/base/log.h"
#include "dist/compare.h"
#include "dist/shared_memory.h"

#include <inttypes.h>
#include <stdio.h>
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

enum { PROGRAM_MAX = 1 << 30 };

/* The same program everywhere: ranks of another version would not even send messages of the same length. A host that cannot read its own
 * program is given the benefit of the doubt. */
static fut_status compare_programs(fut_comm *comm)
{
    fut_str program = {0};
    fut_str differences = {0};
    fut_claim claim = {.name = "program", .value = FUT_VERSION};
    if (comm->size == 1) return FUT_OK;
    if (fut_file_read("/proc/self/exe", PROGRAM_MAX, &program) == FUT_OK)
        (void)snprintf(claim.value, sizeof claim.value, FUT_VERSION " build %016" PRIx64, fut_hash_xxh3(program.data, program.length));
    fut_trail_clear();
    fut_str_fini(&program);
    fut_status st = fut_comm_compare(comm, &claim, 1, &differences);
    if (st == FUT_OK && differences.length > 0)
        st = FUT_FAIL(FUT_ERR_CONFIG, "ranks run different programs: %s; install one build on all hosts", fut_str_text(&differences));
    fut_str_fini(&differences);
    return fut_comm_agree(comm, st);
}

fut_status fut_boot(fut_comm **comm_out)
{
    fut_watchdog *watchdog = NULL;
    if (fut_boot_has_peers()) fut_shared_memory_check();
    FUT_TRY(fut_watchdog_create(&watchdog));
    fut_status st = fut_boot_has_peers() ? fut_comm_create_mpi(watchdog, comm_out) : fut_comm_create_self(comm_out);
    if (st != FUT_OK) {
        fut_watchdog_destroy(&watchdog, fut_status_exit_code(st));
        return st;
    }
    (*comm_out)->watchdog = watchdog;
    fut_log_set_rank((*comm_out)->rank, (*comm_out)->size);
    if ((*comm_out)->size > 1) fut_shared_memory_reserve();
    st = compare_programs(*comm_out);
    if (st == FUT_OK) return FUT_OK;
    /* All ranks return the error: whatever a command does next, it has no communicator. */
    fut_comm_destroy(comm_out);
    fut_watchdog_destroy(&watchdog, fut_status_exit_code(st));
    return st;
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
