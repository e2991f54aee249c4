/* Which hosts of a job answer. */
#ifndef FUT_LAUNCH_HOSTS_H
#define FUT_LAUNCH_HOSTS_H

#include "launch/child.h"
#include "launch/mpi_command.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Set `answers` of every host of the command, by reaching for all at once as mpirun will: AGENT HOST true. This host answers. Silent ones
 * are named in a warning. strict: one that does not answer and whose name nobody knows is an error, since it is written wrongly. Errors:
 * FUT_ERR_NO_INPUT (a name that does not resolve; no such agent), FUT_ERR_HANG (none answers). */
fut_status fut_hosts_probe(fut_children *children, fut_mpi_command *command, bool strict, int *answering_out) FUT_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
