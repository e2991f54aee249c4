#!/bin/bash
# Weak scaling on one machine of two cores: photos a second of one rank with one thread while the other core idles, of two such ranks (with sums
# during the backward, and after it), and of one rank with two threads. In turn, round by round, so that a slow minute meets all of them.
# The machine should have nothing else to do. Two minutes.
#
#   tests/bench/scaling.sh [FUTAGO]          by default build/release/futago
#   ROUNDS=5 STEPS=12 SHARD=16 BACKBONE=tf_efficientnetv2_b0 SIZE=112
#
# Prints a line a run and the table of docs/speed.md: medians over the rounds, and of the ratios round by round. `exposed`: what a step is
# longer for its sums of gradients (futago bench).
set -euo pipefail
here=$(realpath "$(dirname "$0")/../..")
futago=$(realpath "${1:-$here/build/release/futago}")
rounds=${ROUNDS:-5} steps=${STEPS:-12} shard=${SHARD:-16} backbone=${BACKBONE:-tf_efficientnetv2_b0} size=${SIZE:-112}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# measure ROUND NAME RANKS THREADS SETTING...: a line of img/s and exposed ms.
measure()
{
    local round=$1 name=$2 ranks=$3 threads=$4
    local start=()
    shift 4
    [ "$ranks" -eq 1 ] || start=("$here/launch/mpirun.sh" "$ranks")
    "${start[@]}" "$futago" bench --json --steps "$steps" --warm-up 2 --set model.backbone="$backbone" --set data.size="$size" \
        --set train.batch=$((shard * ranks)) --set train.shards="$ranks" --set train.threads="$threads" "$@" >"$work/out" 2>"$work/err" ||
        { cat "$work/err"; exit 1; }
    python3 - "$round" "$name" "$work/out" <<'PYTHON' | tee -a "$work/runs"
import json, sys
run = json.load(open(sys.argv[3]))
exposed = sum(b["worked_ms"] + b["waited_ms"] for b in run["buckets"])
print(f'{sys.argv[1]}\t{sys.argv[2]}\t{run["img_per_s"]:.1f}\t{exposed:.1f}')
PYTHON
}

for round in $(seq "$rounds"); do
    measure "$round" "1 rank, 1 thread" 1 1
    measure "$round" "2 ranks, 1 thread each" 2 1
    measure "$round" "2 ranks, sums after the backward" 2 1 --set train.overlap=false
    measure "$round" "1 rank, 2 threads" 1 2
done

python3 - "$work/runs" <<'PYTHON'
import statistics, sys
runs = {}
for line in open(sys.argv[1]):
    _, name, speed, exposed = line.rstrip("\n").split("\t")
    runs.setdefault(name, []).append((float(speed), float(exposed)))
one = [speed for speed, _ in next(iter(runs.values()))]
print("\n| | img/s | of twice one rank's | exposed, ms a step |\n|---|---|---|---|")
for name, values in runs.items():
    ratios = [speed / (2 * base) for (speed, _), base in zip(values, one)]
    print(f"| {name} | {statistics.median(v[0] for v in values):.1f} | {100 * statistics.median(ratios):.0f} % "
          f"| {statistics.median(v[1] for v in values):.1f} |")
PYTHON
