#!/bin/sh
# Time of the tree sum over shards beside MPI's all-reduce, at 1, 2 and 4 ranks: 6.5 million floats (the gradients of
# tf_efficientnetv2_b0, 26 MB) and 1 MiB.
#
#   tests/bench/reduce.sh BUILD_DIR          a folder that cmake made, e.g. build/release
set -eu
build=${1:?usage: tests/bench/reduce.sh BUILD_DIR}
root=$(cd "$(dirname "$0")/../.." && pwd)
cmake --build "$build" --target bench_reduce >/dev/null
echo "ranks shards  elements    add ms  finish ms  MPI sum ms"
for count in 6500000 262144; do
    for ranks in 1 2 4; do
        for shards in 4 8; do
            "$root/launch/mpirun.sh" "$ranks" "$build/bench_reduce" "$count" "$shards"
        done
    done
done
