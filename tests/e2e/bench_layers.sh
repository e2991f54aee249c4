# What `bench --layers` prints: every layer with what computes it, kinds, the optimizer; and that a backend without limits is refused.
. tests/support/script.sh "$1"

tiny="--set model.backbone=tiny --set data.size=32 --set train.batch=4 --set train.threads=1"
expect 0 "$futago" bench --layers --steps 1 --warm-up 0 $tiny
grep -q "multiply-adds [1-9][0-9.]* GFLOP/s, copies [1-9][0-9.]* GB/s" out || fail "no limits: $(head -4 out)"
grep -Eq "^  conv_stem +conv 3x3/2 .*jit|^  conv_stem +conv 3x3/2 .*ref" out || fail "no word of what computes conv_stem: $(grep conv_stem out)"
grep -Eq "^  AdamW on [1-9][0-9]* parameters: " out || fail "no optimizer: $(tail -2 out)"
if grep -q "ref:" out; then grep -q "reference loops" err || fail "reference loops without a warning"; fi
expect 78 "$futago" bench --layers --steps 1 --warm-up 0 $tiny --set backend=ref
