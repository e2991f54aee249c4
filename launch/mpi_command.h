/* The command line of an mpirun, as far as hosts and ranks go: what Open MPI calls mpirun, mpiexec and orterun.
 *
 *     mpirun -n 8 --hostfile hosts.txt ... futago train run.yaml
 *            ^^^^ ^^^^^^^^^^^^^^^^^^^^     ^^^^^^^^^^^^ the program: options of mpirun end here
 *
 * Reading and rewriting only: nothing here runs anything. */
#ifndef FUT_LAUNCH_MPI_COMMAND_H
#define FUT_LAUNCH_MPI_COMMAND_H

#include "core/base/str.h"

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fut_host {
    fut_str name;  /* as it was written, "user@" too */
    int64_t slots; /* 0: not said; Open MPI then takes the host's cores */
    bool answers;
} fut_host;

typedef struct fut_mpi_command {
    char **argv; /* borrowed */
    int argc;
    int program; /* place of "futago" in front of "train"; argc where there is none */
    bool is_mpirun;
    int at_ranks; /* place of the number after -n; 0: none is given */
    int at_hosts; /* place of the hostfile or the list; 0: none is given */
    bool hosts_are_in_file;
    int64_t ranks;
    fut_host *hosts; /* [n_hosts], each once */
    int n_hosts;
    const char *agent; /* what reaches a host: plm_rsh_agent of the command, the environment, or ssh */
} fut_mpi_command;

/* Owns: the hosts; fut_mpi_command_fini. argv is borrowed until then. Errors: FUT_ERR_USAGE (-n without a number), FUT_ERR_NO_INPUT (no
 * such hostfile), FUT_ERR_CONFIG (a line of it that cannot be read, a host without a name). */
fut_status fut_mpi_command_read(char **argv, int argc, fut_mpi_command *command_out) FUT_MUST_CHECK;
void fut_mpi_command_fini(fut_mpi_command *command);

/* Ranks for the hosts that answer: as many as asked for, or as their slots hold; where slots are not said, in proportion to the hosts. */
int64_t fut_mpi_command_ranks(const fut_mpi_command *command);
/* A hostfile of the hosts that answer. */
fut_status fut_mpi_command_hostfile(const fut_mpi_command *command, fut_str *out) FUT_MUST_CHECK;
/* "a:2,b:2" of them. */
fut_status fut_mpi_command_hostlist(const fut_mpi_command *command, fut_str *out) FUT_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
