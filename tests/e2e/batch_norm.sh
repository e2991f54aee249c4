# model.batch_norm: global. One result on any number of ranks, that of the whole batch as one shard but for rounding; tests/e2e/shards.sh has
# more ranks.
. tests/support/script.sh "$1"
make_faces faces faces.h5 25 8
write_config c.yaml
global="--set model.batch_norm=global --set train.steps=14"

# losses RUN: one a line.
losses()
{
    sed -n 's/^{"step":[0-9]*,"epoch":[0-9]*,"loss":\([^,]*\),.*/\1/p' "$1/metrics.jsonl"
}

# The whole batch as one shard has the same statistics; several shards with their own have not.
cpu="$global --set backend=cpu"
expect 0 "$futago" train c.yaml $cpu --set run=one
want=$(digest)
[ ${#want} -eq 64 ] || fail "no digest"
expect 0 "$futago" train c.yaml $cpu --set run=whole --set model.batch_norm=shard --set train.shards=1
expect 0 "$futago" train c.yaml $cpu --set run=apart --set model.batch_norm=shard
[ "$(digest)" != "$want" ] || fail "statistics of shards end like those of the batch"
paste <(losses one) <(losses whole) <(losses apart) | awk '
    { same += ($1 - $2) ^ 2; other += ($1 - $3) ^ 2 }
    END { print NR " steps, squares apart " same " and " other; exit !(NR == 14 && same < 1e-6 * other) }' >out || fail "not the statistics of one shard"

# A moving average's own statistics are then over the batch too, and so they are where activations are recomputed over a shard.
for settings in "model.batch_norm=global" "train.recompute=true"; do
    ema="--set train.steps=14 --set backend=cpu --set update.ema=0.9 --set $settings"
    rm -rf ema1 ema3
    expect 0 "$futago" train c.yaml $ema --set run=ema1
    want=$(digest)
    expect 0 ranks 3 "$futago" train c.yaml $ema --set run=ema3
    [ "$(digest)" = "$want" ] || fail "$settings with update.ema: 3 ranks end with $(digest), one with $want"
done

# One photo a shard: statistics of a shard would be none, those of the batch are as good as ever.
expect 0 "$futago" train c.yaml $cpu --set run=photo --set train.shards=16
paste <(losses one) <(losses photo) | head -n 9 | awk '{ apart += ($1 - $2) ^ 2 } END { print apart; exit !(NR == 9 && apart < 1e-6) }' >out ||
    fail "shards of one photo have other losses: $(losses photo)"
want=$(digest)
expect 0 ranks 3 "$futago" train c.yaml $cpu --set run=photo3 --set train.shards=16
[ "$(digest)" = "$want" ] || fail "16 shards on 3 ranks end with $(digest), on one with $want"
expect 78 "$futago" train c.yaml $global --set train.shards=17
says "train.batch 16 over 17 shards leaves shards without a photo"
expect 78 "$futago" train c.yaml $global --set train.recompute=true
says "train.recompute: true with model.batch_norm: global"

# On GPUs: recorded, with several shards a rank and with one.
on_cuda
cuda="$global --set backend=cuda --set eval.every=0"
expect 0 "$futago" train c.yaml $cuda --set run=gpu1
want=$(digest)
for n in 2 4; do
    expect 0 ranks $n "$futago" train c.yaml $cuda --set run=gpu$n
    [ "$(digest)" = "$want" ] || fail "cuda: $n ranks end with $(digest), one with $want"
done
