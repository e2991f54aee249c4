# The gradient of a whole step equals PyTorch's autograd in double, whatever the ranks (tests/golden/step.c).
. tests/support/script.sh "$1"
test=$(dirname "$futago")/test_golden_step
for n in 2 3 4; do
    expect 0 ranks $n "$test"
    says "triplets_global on $n rank(s)" "pairs_shard on $n rank(s)"
done
