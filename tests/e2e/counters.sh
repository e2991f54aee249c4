# What a step does that no clock and no machine changes: bytes that its passes move over activations and parameters, memory kept, and layouts
# that are changed. A number here that grows is a pass more; one that falls is to be written down. Half a second of the processor.
. tests/support/script.sh "$1"

# From the plan, on the backend whose layouts are plain: GB and GFLOP of a step, MiB kept and not.
plan="--plan --set backend=ref --set data.size=224 --set train.batch=32"
expect 0 "$futago" bench $plan --set model.backbone=tf_efficientnetv2_b0
grep -Eq "^  all +137 +100 +10\.001 +137\.059 " out || fail "a step moves or computes something else"
grep -Eq "kept for the backward +1333\.2$" out || fail "a step keeps something else"
expect 0 "$futago" bench $plan --set model.backbone=resnet50
grep -Eq "^  all +110 +58 +22\.594 +777\.379 " out || fail "a step moves or computes something else"
grep -Eq "kept for the backward +2769\.4$" out || fail "a step keeps something else"

# Layouts, as oneDNN itself tells of them: a convolution's weights, at most for its forward and for its backward, and their gradient. Never an
# activation: no layer has 7 channels out, and a batch is 7 photos.
layouts()
{
    DNNL_VERBOSE=1 "$futago" bench --set model.backbone=tiny --set data.size=32 --set train.batch=7 --set train.shards=1 \
        --set train.threads=1 --set backend=cpu --steps "$1" --warm-up 0 >out 2>err || fail "bench"
}
layouts 1
grep -q "exec,cpu,convolution" out || skip "this oneDNN does not tell what it does"
once=$(grep -c "exec,cpu,reorder" out) || true
convolutions=$(grep "exec,cpu,convolution" out | grep -c "backward_weights") || true
layouts 2
twice=$(grep -c "exec,cpu,reorder" out) || true
if grep "exec,cpu,reorder" out | grep -Eq ",7x[0-9]"; then fail "an activation changes its layout"; fi
[ $((twice - once)) -gt 0 ] || fail "no weights reach the kernels' layouts"
[ $((2 * (twice - once))) -le $((3 * convolutions)) ] || fail "$((twice - once)) changes of layout a step, $convolutions weight gradients in two"
