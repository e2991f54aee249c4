#!/bin/sh
# The step's communication on simulated ranks beside what `futago plan` reckons with, as a table. Needs SimGrid (Debian: libsimgrid-dev).
#
#   tests/bench/simgrid/run.sh [RANKS]...      by default what docs/plan.md shows, some minutes
#
# Links are those of configs/networks/nvlink_infiniband.yaml, the vector is that of LEAF elements (tf_efficientnetv2_b0's by default).
# Ends with 1 where a rank sent other messages than the formulas say, or did not come to an end.
set -eu
root=$(cd "$(dirname "$0")/../../.." && pwd)
command -v smpirun >/dev/null && command -v smpicc >/dev/null || { echo "skipped: no SimGrid (smpicc, smpirun): apt-get install libsimgrid-dev"; exit 77; }
tmp=$(mktemp -d "${TMPDIR:-/tmp}/futago-simgrid-XXXXXX")
trap 'rm -rf "$tmp"' EXIT
leaf=${LEAF:-6575000} photos=${PHOTOS:-32} bucket=$((4 << 20))
node_ranks=8 node="450 3 0.3" between="400 5 0.5" # GB/s, us, us a message

cd "$root"
# -Bsymbolic: schedule.c stands between dist/ and MPI. smpicc's own malloc has macros that would meet members of that name.
smpicc -std=c17 -O2 -D_GNU_SOURCE -DFUT_VERSION='"simulated"' -DSMPI_NO_OVERRIDE_MALLOC -I. -o "$tmp/schedule" tests/bench/simgrid/schedule.c \
    dist/comm.c dist/comm_mpi.c dist/comm_mpi_roll.c dist/cost.c dist/gather.c dist/reduce.c dist/reduce_ranks.c dist/reduce_rows.c dist/reduce_shape.c dist/watchdog.c dist/flight.c core/tensor/dtype.c \
    core/base/status.c core/base/mem.c core/base/mem_machine.c core/base/log.c core/base/clock.c core/base/file.c core/base/str.c core/base/hash.c \
    -Wl,-Bsymbolic -lxxhash -lm -lpthread

# simulate RANKS: an object in $tmp/out
simulate()
{
    # shellcheck disable=SC2086
    sh tests/bench/simgrid/platform.sh "$1" $node_ranks ${node% *} ${between% *} "$tmp/platform.xml" "$tmp/hosts"
    # shellcheck disable=SC2086
    timeout "${LIMIT:-1800}" smpirun -np "$1" -no-privatize -platform "$tmp/platform.xml" -hostfile "$tmp/hosts" --cfg=smpi/simulate-computation:no \
        --cfg=network/model:CM02 --cfg=network/TCP-gamma:0 --cfg=network/crosstraffic:0 --cfg=smpi/wtime:0 --log=root.thres:warning \
        "$tmp/schedule" "$leaf" "$photos" 512 $bucket 3350 1.5 $node_ranks $node $between >"$tmp/out" 2>"$tmp/err" ||
        { cut -c1-300 "$tmp/err" "$tmp/out"; echo "FAILED: $1 ranks"; exit 1; }
}

[ $# -gt 0 ] || set -- 2 8 16 32 64 96 256 1024
echo "ranks  operation    simulated ms    plan ms    plan / simulated"
for ranks; do
    simulate "$ranks"
    python3 - "$tmp/out" <<'PYTHON'
import json, sys
o = json.load(open(sys.argv[1]))
for name in "order", "gather", "loss_sums", "sum", "spread":
    simulated, said = o[name + "_ms"], o[name + "_said_ms"]
    print(f"{o['ranks']:5d}  {name:10s} {simulated:14.4f} {said:10.4f} {said / simulated:13.2f}")
print(f"       messages of rank 0: start {o['startup_messages_rank0']}, step {o['step_messages_rank0']} ({o['step_bytes_rank0'] / 1e6:.1f} MB); "
      f"of the busiest: {o['startup_messages_most']}, {o['step_messages_most']}")
PYTHON
    grep -q '"counts_as_formulas":true' "$tmp/out" || { cat "$tmp/err"; exit 1; }
done
