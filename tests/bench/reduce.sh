#!/bin/sh
# Time of the tree's sum beside MPI_Allreduce, of one vector a rank of 1 KiB to 64 MiB, as the table of docs/speed.md. A minute.
#
#   tests/bench/reduce.sh [BUILD_DIR [RANKS...]]          a folder that cmake made, by default build/release; on 2 and on 4 ranks
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
build=${1:-$root/build/release}
if [ $# -gt 1 ]; then shift; else set -- 2 4; fi
cmake --build "$build" --target bench_reduce >/dev/null
echo "| ranks | KiB | tree, all at once, us | tree, buckets of 4 MiB, us | MPI_Allreduce, us | tree / MPI |"
echo "|---|---|---|---|---|---|"
for ranks in "$@"; do
    "$root/launch/mpirun.sh" "$ranks" "$build/bench_reduce"
done
