# Training with every augmentation ends with the same model on 1 and 2 ranks, with 1 and 3 reading threads, and resumed halfway.
. tests/support/script.sh "$1"
make_faces faces faces.h5 25 8
write_config c.yaml
all='data.augment=[flip, {type: random_resized_crop, scale_min: 0.5}, color_jitter, grayscale, blur, rotation, cutout]'
train()
{
    "$@" train c.yaml --set "$all" --set backend=cpu "${settings[@]}"
}

settings=(--set run=one)
expect 0 train "$futago"
want=$(digest)
[ ${#want} -eq 64 ] || fail "no digest"
settings=(--set run=two --set data.threads=3)
expect 0 train ranks 2 "$futago"
[ "$(digest)" = "$want" ] || fail "2 ranks with 3 reading threads each end with $(digest), one rank with $want"

settings=(--set run=halves --set train.steps=7)
expect 0 train "$futago"
settings=(--set run=halves)
expect 0 train "$futago"
says "resum"
[ "$(digest)" = "$want" ] || fail "resumed at step 7 it ends with $(digest), in one go with $want"

# What is drawn matters: the comparisons above can fail.
settings=(--set run=other --set 'data.augment=[flip]')
expect 0 train "$futago"
[ "$(digest)" != "$want" ] || fail "flip alone ends like all"
expect 78 "$futago" train c.yaml --set run=bad --set 'data.augment=[{type: rotation, degrees: 200}]'
says "data.augment.degrees: found 200, must be 0 to 180 degrees"
echo "augment: $want on 1 and 2 ranks"
