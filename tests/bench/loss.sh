#!/bin/bash
# Losses and miners beside pytorch-metric-learning, in turn: forward and backward of one batch of 4 photos a person.
#
#   tests/bench/loss.sh BINARY_DIR PYTHON [BATCH...]        PYTHON: with torch, pytorch-metric-learning; batches default to 128 1024 4096
#   THREADS=2 DIM=512 ROUNDS=3 REPEATS=5 CASES=.              CASES: those that the expression finds
#
# Prints a row a case: milliseconds, processor milliseconds of all threads together, peak MiB, of futago and of the peer, and how many times
# faster (by processor time, which other work on the machine moves less) and smaller futago is. Medians over the rounds. -: more than 8 GiB.
set -euo pipefail
bench=$(realpath "$1")/bench_loss; python=$2
shift 2
here=$(realpath "$(dirname "$0")")
threads=${THREADS:-2} dim=${DIM:-512} rounds=${ROUNDS:-3} repeats=${REPEATS:-5}
[ $# -gt 0 ] || set -- 128 1024 4096
export OMP_WAIT_POLICY=passive # a thread that waits takes no processor time
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cases=(
    "{loss: contrastive}" "ContrastiveLoss(1, 0.05, distance=CosineSimilarity())"
    "{loss: {type: contrastive, distance: l2, pos_margin: 0, neg_margin: 1}}" "ContrastiveLoss()"
    "{loss: triplet}" "TripletMarginLoss()"
    "{loss: {type: triplet, smooth: true}}" "TripletMarginLoss(smooth_loss=True)"
    "{loss: {type: triplet, swap: true}}" "TripletMarginLoss(swap=True)"
    "{loss: multi_similarity}" "MultiSimilarityLoss()"
    "{loss: supcon}" "SupConLoss()"
    "{loss: ntxent}" "NTXentLoss()"
    "{loss: circle}" "CircleLoss()"
    "{loss: contrastive, miner: pair_margin}" "ContrastiveLoss(1, 0.05, distance=CosineSimilarity())|PairMarginMiner()"
    "{loss: triplet, miner: triplet_margin}" "TripletMarginLoss()|TripletMarginMiner()"
    "{loss: triplet, miner: batch_hard}" "TripletMarginLoss()|BatchHardMiner()"
    "{loss: triplet, miner: batch_easy_hard}" "TripletMarginLoss()|BatchEasyHardMiner()"
    "{loss: triplet, miner: distance_weighted}" "TripletMarginLoss()|DistanceWeightedMiner()"
    "{loss: multi_similarity, miner: multi_similarity}" "MultiSimilarityLoss()|MultiSimilarityMiner()"
)
for ((i = 0; i < ${#cases[@]}; i += 2)); do
    [[ ${cases[i]} =~ ${CASES:-.} ]] || continue
    ours+=("${cases[i]}") theirs+=("${cases[i + 1]}")
done

for batch in "$@"; do
    for round in $(seq "$rounds"); do
        "$bench" cpu "$threads" "$batch" "$dim" "$repeats" "${ours[@]}" >"$work/ours.$round"
        "$python" "$here/loss.py" "$threads" "$batch" "$dim" "$repeats" "${theirs[@]}" >"$work/theirs.$round"
    done
    echo "batch $batch, dimension $dim, $threads threads: ms, processor ms, peak MiB of futago | of pytorch-metric-learning | times faster, smaller"
    for ((i = 0; i < ${#ours[@]}; i++)); do
        for side in ours theirs; do
            for column in 1 2 3; do
                for round in $(seq "$rounds"); do
                    sed -n "$((i + 1))p" "$work/$side.$round" | cut -d' ' -f"$column"
                done | sort -g | sed -n "$(((rounds + 1) / 2))p"
            done
        done | paste -sd' ' | awk -v name="${ours[i]}" '{
            printf "%-74s %8s %8s %7s | %9s %9s %8s | ", name, $1, $2, $3, $4, $5, $6
            if ($5 == "-") print "-"; else printf "%.1f %.1f\n", $5 / $2, $6 / ($3 > 0.1 ? $3 : 0.1) }'
    done
done
