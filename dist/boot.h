/* Birth and death of a process of a run. */
#ifndef FUT_DIST_BOOT_H
#define FUT_DIST_BOOT_H

#include "dist/comm.h"

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Did a launcher (mpirun, srun) start this process among others? */
bool fut_boot_has_peers(void);
/* comm_mpi when it has peers, else comm_self without touching MPI. Tells the log who
 * speaks. Errors, on all ranks: FUT_ERR_CONFIG where ranks run different programs: which. */
fut_status fut_boot(fut_comm **comm_out) FUT_MUST_CHECK;
/* End of a collective command with this rank's status. Success and errors that ranks agreed on (fut_comm_agree) end orderly, once all have
 * come here; a rank that failed alone ends the job, since the others wait for it. Only rank 0 returns the status, so that its message
 * stands once and last. */
fut_status fut_boot_finish(fut_comm **comm, fut_status st) FUT_MUST_CHECK;

/* MPI as futago was built with it and as it is now, "Open MPI 4.1.4", into texts of `max` bytes. Not collective; MPI need not run. */
void fut_boot_mpi_versions(char *built_out, char *found_out, size_t max);

#ifdef __cplusplus
}
#endif

#endif
