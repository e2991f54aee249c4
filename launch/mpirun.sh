#!/bin/sh
# mpirun for one machine, with what Open MPI needs there: launch/mpirun.sh N COMMAND...
#   - root must say twice that it means it; more ranks than cores must be allowed;
#   - binding is switched off: Open MPI pins 1 or 2 ranks to one core each and leaves more unbound, while futago shares the cores of the
#     node over its ranks itself. On clusters use mpirun --map-by slot:PE=T --bind-to core.
# The shell becomes mpirun, so signals reach that: at SIGUSR1 the ranks save and leave, at SIGTERM Open MPI 4 kills them after a second.
# `futago run -- launch/mpirun.sh N COMMAND...` makes SIGUSR1 of SIGTERM and SIGINT.
set -eu
ranks=$1
shift
if [ "$(id -u)" -eq 0 ]; then
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
fi
exec mpirun -n "$ranks" --oversubscribe --bind-to none --mca btl self,vader "$@"
