#!/bin/sh
# mpirun for one machine, with what Open MPI needs there: launch/mpirun.sh N COMMAND...
#   - root must say twice that it means it; more ranks than cores must be allowed;
#   - binding is switched off: Open MPI pins 1 or 2 ranks to one core each and leaves more unbound, while futago shares the cores of the
#     node over its ranks itself. On a machine of several sockets say where ranks go instead (docs/cluster.md, Many cores):
#     FUTAGO_MPIRUN_OPTIONS="--map-by ppr:1:socket:PE=32 --bind-to core"
set -eu
ranks=$1
shift
if [ "$(id -u)" -eq 0 ]; then
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
fi
placement=${FUTAGO_MPIRUN_OPTIONS-"--bind-to none"}
# shellcheck disable=SC2086
exec mpirun -n "$ranks" --oversubscribe $placement --mca btl self,vader "$@"
