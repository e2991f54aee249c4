#!/bin/bash
# Learning from scratch on ORL (40 people, 10 photos each): the article's split, tf_efficientnetv2_b0 at 112, both pairs of margins.
# Validation and test photos together are scored against each other after chosen epochs (the yardstick of docs/results.md).
#
#   tests/bench/orl.sh FUTAGO ORL_DIR SEED...
set -euo pipefail
futago=$(realpath "$1"); orl=$(realpath "$2")
shift 2
work=${WORK:-$(mktemp -d)}
epochs=${EPOCHS:-15}
mkdir -p "$work"
cd "$work"
[ -f orl.h5 ] || "$futago" pack "$orl" -o orl.h5 --size 112
for seed in "$@"; do
    for margins in "1 0.05" "0.05 1"; do
        set -- $margins
        run=run-$1-$2-$seed
        cat >orl.yaml <<YAML
run: $run
seed: $seed
data: {file: orl.h5, size: 112, augment: [flip]}
sampler: {type: m_per_class, m: 4, batch_size: 32, length: 320}
loss: {type: contrastive, pos_margin: $1, neg_margin: $2}
optimizer: {type: adamw, lr: 1e-3, weight_decay: 1e-5}
scheduler: {type: cosine, t_max: $epochs, eta_min: 1e-6}
train: {epochs: $epochs, batch: 32, shards: 1}
eval: {every: 1, part: val+test}
YAML
        "$futago" train orl.yaml --allow collapsed_minimum >&2
        sed -nE 's/.*"epoch":([0-9]+),"event".*"eval_loss":([0-9.e-]+),"eer":([0-9.e-]+),"auc":([0-9.e-]+).*/\1 \2 \3 \4/p' "$run/metrics.jsonl" |
            awk -v seed="$seed" -v margins="$margins" '{ printf "seed %s  margins %s  epoch %d  loss %.4f  EER %.4f  AUC %.4f\n", seed, margins, $1, $2, $3, $4 }'
    done
done
