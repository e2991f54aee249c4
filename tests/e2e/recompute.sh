# train.recompute: the same bits as with all activations kept, in the memory of one shard's, whatever the shards; and what a batch says that
# does not fit.
. tests/support/script.sh "$1"
make_faces faces faces.h5 25 8
write_config c.yaml
eight="--set train.steps=10 --set train.shards=8"

# Short batches, an evaluation between, several ranks whose shares of the 8 shards differ.
for backend in ref cpu; do
    expect 0 "$futago" train c.yaml $eight --set backend=$backend --set run=kept_$backend --set train.recompute=false
    want=$(digest)
    [ ${#want} -eq 64 ] || fail "no digest"
    for n in 1 3; do
        expect 0 ranks $n "$futago" train c.yaml $eight --set backend=$backend --set run=again_${backend}_$n --set train.recompute=true
        says "forwards run twice"
        [ "$(digest)" = "$want" ] || fail "$backend, $n ranks: recomputed ends with $(digest), kept with $want"
    done
done

# On a GPU the recorded step holds the second forwards too. Stopped and resumed with the other setting.
on_cuda
cuda="$eight --set backend=cuda --set eval.every=0"
expect 0 "$futago" train c.yaml $cuda --set run=kept --set train.recompute=false
want=$(digest)
expect 0 ranks 2 "$futago" train c.yaml $cuda --set run=again --set train.recompute=true
[ "$(digest)" = "$want" ] || fail "cuda: recomputed ends with $(digest), kept with $want"
expect 0 "$futago" train c.yaml $cuda --set run=mixed --set train.recompute=true --set train.steps=5
expect 0 "$futago" train c.yaml $cuda --set run=mixed --set train.recompute=false
[ "$(digest)" = "$want" ] || fail "cuda: recomputed, then kept ends with $(digest), kept with $want"

# A batch that does not fit. `auto` recomputes where that helps; where nothing does, the message has the numbers.
large="--steps 1 --warm-up 0 --set backend=cpu --set model.backbone=tiny --set data.size=128 --set train.shards=16"
# A sanitizer takes more addresses than any limit leaves.
(ulimit -v 600000 && "$futago" --help >/dev/null 2>&1) || exit 0
limited()
{
    (ulimit -v 600000 && expect "$@")
}
limited 71 "$futago" bench $large --set train.batch=512 --set train.recompute=false
says "activations of 16 shards of 32 photos of 128 px" "GiB free of 0.57" "use train.recompute: true, which keeps one shard's at a time"
limited 71 "$futago" bench $large --set train.batch=16384
says "activations of 1 shard of 1024 photos" "use more train.shards (now 16)" "photos a shard fit"
limited 0 "$futago" bench $large --set train.batch=512
says "forwards run twice" "activations of 1 shard "
