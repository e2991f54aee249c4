#!/bin/bash
# From the start of the process to the end of its first training step.
#
#   tests/bench/start.sh BINARY_DIR CONFIG [OVERRIDE...]        ROUNDS=5
#
# Prints a line a round: seconds by the clock, and of the processor (all threads) when the line of step 1 appears. On a busy machine the second
# moves less; a rank's threads wait without turning, so that waiting is not counted.
set -euo pipefail
futago=$1/futago config=$2
shift 2
sets=()
for override; do sets+=(--set "$override"); done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export OMP_WAIT_POLICY=passive
tick=$(getconf CLK_TCK)
mkfifo "$work/err"
for round in $(seq "${ROUNDS:-5}"); do
    started=$(date +%s.%N)
    "$futago" train "$config" "${sets[@]}" --set "run=$work/run$round" 2>"$work/err" </dev/null >/dev/null &
    pid=$!
    while read -r line; do
        case $line in *"step 1/"*)
            now=$(date +%s.%N)
            read -ra stat <"/proc/$pid/stat"
            break
            ;;
        esac
    done <"$work/err"
    kill -KILL $pid
    wait $pid 2>/dev/null || true
    awk -v s="$started" -v n="$now" -v u="${stat[13]}" -v k="${stat[14]}" -v t="$tick" \
        'BEGIN { printf "first step after %.2f s, processor %.2f s (user %.2f, system %.2f)\n", n - s, (u + k) / t, u / t, k / t }'
done
