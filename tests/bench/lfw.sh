#!/bin/bash
# Learning on real faces: LFW, people of peopleDevTrain with 4 photos or more (430 people, 4,964 photos), scored on the 1,000 pairs of
# pairsDevTest after every epoch. The recipe of docs/results.md; the peer's figures stand there.
#
#   tests/bench/lfw.sh FUTAGO LFW_DIR scratch              SEED...     tf_efficientnetv2_b0 from scratch, 5 epochs
#   tests/bench/lfw.sh FUTAGO LFW_DIR weights.safetensors  SEED...     tf_efficientnet_lite0 from ImageNet weights, 3 epochs
#   LR=1e-4 THREADS=1 ...                                             another learning rate than 1e-3, threads than all
#
# The weights file is made by tests/golden/lite0_to_safetensors.py. Prints one line an epoch: seed, epoch, AUC, EER.
set -euo pipefail
futago=$(realpath "$1"); lfw=$(realpath "$2"); start=$3
shift 3
[ "$start" = scratch ] || start=$(realpath "$start")
work=${WORK:-$(mktemp -d)}
lr=${LR:-1e-3}
mkdir -p "$work"
cd "$work"

if [ ! -f lfw.h5 ]; then
    mkdir -p people
    awk 'NR > 1 && $2 >= 4 { print $1 }' "$lfw/peopleDevTrain.txt" | while read -r person; do ln -sfn "$lfw/$person" "people/$person"; done
    "$futago" pack people -o lfw.h5 --size 112 --split identity --fractions 1,0,0 --follow-links
fi

if [ "$start" = scratch ]; then
    epochs=5 backbone=tf_efficientnetv2_b0 normalize=imagenet weights=""
else
    epochs=3 backbone=tf_efficientnet_lite0 normalize=half weights=$start
fi
cat >lfw.yaml <<YAML
data: {file: lfw.h5, size: 112, normalize: $normalize, augment: [flip]}
model: {backbone: $backbone, embedding: 512, weights: "$weights"}
sampler: {type: m_per_class, m: 4, batch_size: 32, length: 4964}
loss: {type: contrastive, pos_margin: 1, neg_margin: 0.05}
optimizer: {type: adamw, lr: $lr, weight_decay: 1e-5}
scheduler: {type: cosine, t_max: $epochs, eta_min: 1e-6}
train: {epochs: $epochs, batch: 32, shards: 1, threads: ${THREADS:-0}, save_steps: 155, save_every: 0s, keep: 100, log_every: 31}
eval: {every: 0}
YAML

for seed in "$@"; do
    run=run-$backbone-$lr-$seed
    "$futago" train lfw.yaml --set run="$run" --set seed="$seed" >&2
    for checkpoint in "$run"/checkpoints/step-*.h5; do
        step=$(basename "$checkpoint" .h5); step=$((10#${step#step-}))
        "$futago" eval "$run" -c "$checkpoint" --pairs "$lfw/pairsDevTest.txt" --images "$lfw" --json --html "$run/report.html" |
            sed -nE "s/.*\"auc\":([0-9.]+),\"eer\":([0-9.]+).*/seed $seed  epoch $((step / 155))  AUC \1  EER \2/p"
    done
done
