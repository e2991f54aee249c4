#!/bin/bash
# The article's comparison of recipes, rerun on real faces of people never seen in training: networks, losses, hard mining, and optimizers with
# their schedules; equal budgets, two seeds. docs/results.md shows the table and docs/recipes.svg the plot; recipes_plot.py makes both.
#
#   tests/bench/recipes.sh FUTAGO ORL_DIR LFW_DIR lite0.safetensors >results.tsv
#   tests/bench/recipes_plot.py results.tsv docs/recipes.svg >table.md
#
# ORL: 28 people trained on, 8 tested, every pair of their photos. LFW: people of peopleDevTrain with 4 photos or more (a tenth of them for the
# schedule that listens), tested on pairsDevTest's 1,000 pairs. 64 pixels of the photo's centre. WORK=DIR goes on where it stopped; SEEDS="0 1";
# THREADS=2. The weights file is made by tests/golden/lite0_to_safetensors.py. One line a run: set, recipe, seed, photos, AUC, EER.
set -euo pipefail
futago=$(realpath "$1"); orl=$(realpath "$2"); lfw=$(realpath "$3"); weights=$(realpath "$4")
work=${WORK:-$(mktemp -d)}
mkdir -p "$work"
cd "$work"

# recipe: network, loss, miner, optimizer, schedule; a recipe differs from the first in one thing, or in the network and the loss
lite0="{backbone: tf_efficientnet_lite0, embedding: 512, weights: \"$weights\"}"
resnet="{backbone: resnet18, embedding: 512}"
b0="{backbone: tf_efficientnetv2_b0, embedding: 512}"
contrastive="{type: contrastive, pos_margin: 1, neg_margin: 0.05}"
triplet="{type: triplet, margin: 0.2}"
bce="{type: bce}"
adamw="{type: adamw, lr: 1e-3, weight_decay: 1e-5}"
recipe_names() {
    for net in lite0 resnet18 efficientnetv2_b0; do
        for loss in contrastive triplet bce; do echo "$net-$loss"; done
    done
    for loss in contrastive triplet bce; do echo "lite0-$loss-batch_hard"; done
    for optimizer in adam-cosine adamw-plateau sgd-step ranger-exponential schedule_free; do echo "lite0-contrastive-$optimizer"; done
}

# EPOCHS is known by now: the schedules run down over the budget
settings() {
    local model loss miner="{type: none}" optimizer=$adamw scheduler="{type: cosine, t_max: $epochs, eta_min: 1e-6}" normalize=imagenet
    case $1 in lite0-*) model=$lite0 normalize=half ;; resnet18-*) model=$resnet ;; *) model=$b0 ;; esac
    case $1 in *-contrastive*) loss=$contrastive ;; *-triplet*) loss=$triplet ;; *) loss=$bce ;; esac
    case $1 in
    *-batch_hard) miner="{type: batch_hard}" ;;
    *-adam-cosine) optimizer="{type: adam, lr: 1e-3}" ;;
    *-adamw-plateau) scheduler="{type: plateau, patience: 1, factor: 0.3}" ;;
    *-sgd-step) optimizer="{type: sgd, lr: 0.05, momentum: 0.9, weight_decay: 1e-5}" scheduler="{type: step, step_size: $((epochs / 2)), gamma: 0.1}" ;;
    *-ranger-exponential) optimizer="{type: ranger, lr: 2e-3}" scheduler="{type: exponential, gamma: 0.7}" ;;
    *-schedule_free) optimizer="{type: schedule_free_adamw, lr: 2.5e-3}" scheduler="{type: constant}" ;;
    esac
    cat <<YAML
data: {file: $set.h5, size: 64, normalize: $normalize, augment: [flip]}
model: $model
sampler: {type: m_per_class, m: 4, batch_size: 32, length: $length}
loss: $loss
miner: $miner
optimizer: $optimizer
scheduler: $scheduler
train: {epochs: $epochs, batch: 32, shards: 1, threads: ${THREADS:-0}, save_every: 0s, keep: 1, log_every: 50}
eval: {every: 1, part: val}
YAML
}

pack() {
    [ -f orl.h5 ] || "$futago" pack "$orl" -o orl.h5 --size 64 --split identity --fractions 0.7,0.1,0.2
    [ -f lfw.h5 ] && return
    mkdir -p people
    awk 'NR > 1 && $2 >= 4 { print $1 }' "$lfw/peopleDevTrain.txt" | while read -r person; do ln -sfn "$lfw/$person" "people/$person"; done
    "$futago" pack people -o lfw.h5 --size 64 --crop 0.6 --split identity --fractions 0.9,0.1,0 --follow-links
}

score() { # RUN
    if [ "$set" = orl ]; then
        "$futago" eval "$1" --part test --json --html "$1/report.html"
    else
        "$futago" eval "$1" --pairs "$lfw/pairsDevTest.txt" --images "$lfw" --json --html "$1/report.html"
    fi
}

one() { # SET RECIPE SEED
    local set=$1 recipe=$2 seed=$3 run=$1-$2-$3 epochs length
    if [ "$set" = orl ]; then epochs=10 length=320; else epochs=6 length=832; fi
    if [ ! -f "$run.tsv" ]; then
        settings "$recipe" >"$run.yaml"
        "$futago" train "$run.yaml" --set run="$run" --set seed="$seed" >&2
        score "$run" | tr -d '\n' | sed -nE "s/.*\"auc\": *([0-9.]+).*\"eer\": *([0-9.]+).*/$set\t$recipe\t$seed\t$((epochs * length))\t\1\t\2\n/p" >"$run.part"
        [ -s "$run.part" ] || { echo "no score of $run" >&2; return 1; }
        mv "$run.part" "$run.tsv"
        rm -r "$run"
    fi
    cat "$run.tsv"
}

pack >&2
for seed in ${SEEDS:-0 1}; do
    for set in orl lfw; do
        for recipe in ${RECIPES:-$(recipe_names)}; do one "$set" "$recipe" "$seed"; done
    done
done
