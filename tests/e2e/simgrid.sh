# The step's communication on 8 and 64 simulated ranks: it comes to an end, sends what the formulas say, from rank 0 a multiple of log2 W, and
# takes what futago plan says, within 2%.
. tests/support/script.sh "$1"
command -v smpirun >/dev/null && command -v smpicc >/dev/null || skip "no SimGrid (smpicc, smpirun)"
LEAF=1000000 LIMIT=60 expect 0 "$source_dir/tests/bench/simgrid/run.sh" 8 64
[ "$(grep -cE '^ *(8|64) +(order|gather|loss_sums|sum|spread) ' out)" -eq 10 ] || fail "not every operation is there"
awk '/^ *(8|64) / && ($5 < 0.98 || $5 > 1.02) { print; bad = 1 } END { exit bad }' out >far || fail "$(cat far)"
# order, gather and sums once, one bucket of gradients and the gradients of embeddings twice; the start twice
says "rank 0: start 6, step 21 (" "rank 0: start 12, step 42 ("
