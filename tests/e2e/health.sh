#!/usr/bin/env bash
# The health line: what a log line says and keeps, that looking changes nothing, and alarms: collapses made on purpose, healthy runs of
# every loss without one.
. tests/support/script.sh "$1"

make_faces faces faces.h5 24 8
write_config c.yaml
train="$futago train c.yaml"

# ---- the line, and what metrics.jsonl keeps of it
expect 0 $train --set train.log_every=1
says "similarity +" "norm " "rank " "update " "step 18/18  epoch 2/2"
looked=$(digest)
python3 - run <<'PY'
import json, sys
lines = [json.loads(l) for l in open(sys.argv[1] + "/metrics.jsonl")]
steps = [l for l in lines if "event" not in l]
assert len(steps) == 18
for s in steps:
    h = s["health"]
    assert h["rows"] == s["images"] <= 16
    assert abs(h["similarity_pos"] - s["mean_pos"]) < 1e-4 and abs(h["similarity_neg"] - s["mean_neg"]) < 1e-4, s
    assert 1 <= h["effective_rank"] <= 8 and h["norm"] > 0 and 0 < h["update_ratio"] < 0.1, h
for e in (l for l in lines if l.get("event") == "evaluation"):
    for far, pairs in (("1e-2", 100), ("1e-3", 1000)):
        assert (e["tar_at_far_" + far] is not None) == (e["different_pairs"] >= pairs), e
PY

# ---- looking changes no bit of the training, on any backend; steps are replayed, and what is not due is not looked at
expect 0 $train --set train.log_every=1000 --set run=blind
[ "$(digest)" = "$looked" ] || fail "looking changed the training"
[ "$(grep -c health blind/metrics.jsonl)" = 2 ] || fail "the first and the last step are looked at"
(
    on_cuda
    for precision in f32 f16; do
        for every in 1 7; do
            expect 0 $train --set backend=cuda --set "train.log_every=$every" --set "run=cuda-$precision-$every" --set "precision=$precision"
            digest >"digest-$every"
        done
        cmp digest-1 digest-7 || fail "looking changed the training on cuda, $precision"
    done
    [ "$(grep -c '"update_ratio":[0-9]' cuda-f32-1/metrics.jsonl)" = 18 ] || fail "cuda looks at every step"
)

# ---- one photo a person: no positives, no similarity of theirs
expect 0 $train --set run=single --set sampler.m=1 --set loss.type=contrastive --set sampler.length=48 --set train.log_every=1 --allow no_positives
says "active +none" "similarity - +"
grep -q '"mean_pos":null' single/metrics.jsonl || fail "a mean of nothing"
python3 -c 'import json; [json.loads(l) for l in open("single/metrics.jsonl")]' || fail "metrics.jsonl is no JSON"

# ---- collapses made on purpose: each cause by its name, once
alarm()
{
    local name=$1
    shift
    rm -rf bad
    expect 0 $train --set run=bad --set train.log_every=1 --set train.epochs=6 "$@"
    [ "$(grep -c "\"event\":\"alarm\",\"name\":\"$name\"" bad/metrics.jsonl)" = 1 ] || fail "alarm $name, once: $*"
    says "alarm at step"
}
alarm rate --set optimizer.lr=10
alarm norm --set optimizer.lr=10
alarm no_active --set loss.pos_margin=0.05 --set loss.neg_margin=1 --allow collapsed_minimum
alarm collapsed --set "loss={type: contrastive, pos_margin: 1, neg_margin: 1}" --set optimizer.lr=1e-2 --allow collapsed_minimum
says "all embeddings are alike" "effective rank"

# ---- healthy runs of every loss raise none
for loss in contrastive triplet multi_similarity supcon ntxent circle; do
    rm -rf good
    expect 0 $train --set run=good --set "loss.type=$loss" --set train.log_every=1 --set train.epochs=4
    if grep -q '"event":"alarm"' good/metrics.jsonl; then fail "a false alarm with $loss: $(grep alarm err)"; fi
done
echo "passed"
