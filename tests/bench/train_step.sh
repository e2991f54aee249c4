#!/bin/bash
# A training step of futago beside PyTorch eager, in turn, whole steps: forward, loss, backward, optimizer (and futago's reading of photos).
#
#   tests/bench/train_step.sh FUTAGO PYTHON [SIZE...]      PYTHON: with torch, timm, pytorch-metric-learning; sizes default to 112 224
#   THREADS=2 BATCH=32 BACKBONE=tf_efficientnetv2_b0 ROUNDS=3 STEPS=12
#
# Prints images per second of each round (median over steps) and the ratios to the better of PyTorch's two layouts.
set -euo pipefail
futago=$(realpath "$1"); python=$2
shift 2
here=$(realpath "$(dirname "$0")")
threads=${THREADS:-2} batch=${BATCH:-32} backbone=${BACKBONE:-tf_efficientnetv2_b0} rounds=${ROUNDS:-3} steps=${STEPS:-12}
[ $# -gt 0 ] || set -- 112 224
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
"$futago" synth -o faces --ids 40 --images 12 --size 224 2>/dev/null

ours()
{
    rm -rf run
    "$futago" train bench.yaml 2>/dev/null
    sed -nE 's/.*"img_per_s":([0-9.]+).*/\1/p' run/metrics.jsonl | tail -n +3 | sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

echo "$backbone + 512, batch $batch, $threads threads, f32: images per second"
for size in "$@"; do
    rm -f faces.h5*
    "$futago" pack faces -o faces.h5 --size "$size" --split identity >/dev/null 2>&1
    cat >bench.yaml <<YAML
run: run
data: {file: faces.h5, size: $size}
model: {backbone: $backbone}
sampler: {m: 4, batch_size: $batch, length: $((batch * steps))}
train: {steps: $steps, batch: $batch, shards: 1, threads: $threads, save_every: 0s}
eval: {every: 0}
YAML
    for round in $(seq "$rounds"); do
        a=$(ours)
        nchw=$("$python" "$here/train_step.py" "$backbone" "$size" "$batch" "$threads" "$steps" nchw)
        nhwc=$("$python" "$here/train_step.py" "$backbone" "$size" "$batch" "$threads" "$steps" nhwc)
        awk -v size="$size" -v r="$round" -v a="$a" -v b="$nchw" -v c="$nhwc" 'BEGIN {
            best = b > c ? b : c
            printf "%d px  round %d  futago %.1f  PyTorch eager %.1f  channels_last %.1f  ratio %.2f\n", size, r, a, b, c, a / best }'
    done
done
