#!/bin/bash
# Training steps of futago beside PyTorch's, whole steps: forward, loss, backward, optimizer. Each round runs futago and every row of PyTorch
# in turn, so that a slow minute of the machine meets all of them.
#
#   tests/bench/train_step.sh FUTAGO PYTHON [CASE...]        PYTHON: with torch, timm, pytorch-metric-learning
#   CASE: BACKBONE,SIZE,BATCH,THREADS; without any, those of docs/speed.md on THREADS=2: about 90 minutes with ROUNDS=2 SECONDS_EACH=10
#
# Prints a line a run, images per second and MiB at the peak, and at the end a table: medians over rounds, futago's ratio to the best of
# PyTorch's rows of the same precision round by round.
set -euo pipefail
futago=$(realpath "$1"); python=$2
shift 2
here=$(realpath "$(dirname "$0")")
rounds=${ROUNDS:-2} seconds=${SECONDS_EACH:-10} threads=${THREADS:-2}
b0=tf_efficientnetv2_b0
[ $# -gt 0 ] || set -- $b0,112,32,$threads $b0,224,32,$threads resnet50,112,32,$threads resnet50,224,32,$threads \
    $b0,112,8,$threads $b0,112,128,$threads $b0,112,32,1
precisions=f32
if grep -q -m 1 avx512_bf16 /proc/cpuinfo; then precisions="f32 bf16"; fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# ours BACKBONE SIZE BATCH THREADS PRECISION: prints img/s and MiB. Steps: as many as fit the time, at least four.
ours()
{
    local set="--set model.backbone=$1 --set data.size=$2 --set train.batch=$3 --set train.shards=1 --set train.threads=$4 --set precision=$5"
    local step_ms steps
    "$futago" bench --json --steps 1 --warm-up 1 $set >"$work/probe" 2>/dev/null
    step_ms=$(sed -nE 's/.*"step_ms":([0-9.e+-]+).*/\1/p' "$work/probe")
    steps=$(awk -v ms="$step_ms" -v s="$seconds" 'BEGIN { n = int(1000 * s / ms); print n < 4 ? 4 : n }')
    /usr/bin/env time -f %M -o "$work/rss" "$futago" bench --json --steps "$steps" --warm-up 2 $set >"$work/out" 2>/dev/null
    echo "$(sed -nE 's/.*"img_per_s":([0-9.e+-]+).*/\1/p' "$work/out") $(($(tail -1 "$work/rss") / 1024))"
}

# record CASE ROUND PRECISION NAME IMG_PER_S MIB
record()
{
    echo "$*" >>"$work/runs"
    printf '%-36s round %s  %-4s  %-24s %8.1f img/s %6d MiB\n' "$@"
}

for case in "$@"; do
    IFS=, read -r backbone size batch n <<<"$case"
    for round in $(seq "$rounds"); do
        for precision in $precisions; do
            record "$case" "$round" "$precision" futago $(ours "$backbone" "$size" "$batch" "$n" "$precision")
            for mode in eager compile; do
                for layout in nchw nhwc; do
                    got=$("$python" "$here/train_step.py" "$backbone" "$size" "$batch" "$n" "$seconds" $mode $layout "$precision" 2>"$work/err") ||
                        { echo "PyTorch $mode $layout $precision failed: $(tail -1 "$work/err")" >&2; continue; }
                    record "$case" "$round" "$precision" "PyTorch_${mode}_$layout" $got
                done
            done
        done
    done
done

awk '
function median(list, n,    v, i, j, t) {
    n = split(list, v, " ")
    for (i = 2; i <= n; i++) for (j = i; j > 1 && v[j - 1] + 0 > v[j] + 0; j--) { t = v[j]; v[j] = v[j - 1]; v[j - 1] = t }
    return n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2
}
{
    key = $1 " " $3
    if (!(key in seen)) { seen[key] = 1; order[++keys] = key }
    if ($4 == "futago") { ours[key] = ours[key] " " $5; at[key, $2] = $5; memory[key] = memory[key] " " $6 }
    else {
        rows[key, $4] = rows[key, $4] " " $5; name[$4] = 1; mib[key, $4] = mib[key, $4] " " $6
        if ($5 > best[key, $2]) best[key, $2] = $5
    }
    if ($2 > last) last = $2
}
END {
    print "\n| backbone, size, batch, threads | precision | futago img/s | MiB | best of PyTorch | img/s | MiB | ratio of each round |"
    print "|---|---|---|---|---|---|---|---|"
    for (k = 1; k <= keys; k++) {
        key = order[k]; split(key, part, " "); top = 0; who = "-"; ratios = ""
        for (row in name) if ((key, row) in rows && median(rows[key, row]) > top) { top = median(rows[key, row]); who = row }
        for (r = 1; r <= last; r++) if (best[key, r] > 0) ratios = ratios sprintf(" %.2f", at[key, r] / best[key, r])
        gsub(",", ", ", part[1]); shown = who; gsub("_", " ", shown)
        printf "| %s | %s | %.1f | %d | %s | %.1f | %d |%s |\n", part[1], part[2], median(ours[key]), median(memory[key]), shown, top,
            who == "-" ? 0 : median(mib[key, who]), ratios
    }
}' "$work/runs"
