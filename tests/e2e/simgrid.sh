# The step's communication on 8 and 64 simulated ranks: it comes to an end, sends what the formulas say, and takes what futago plan says, within
# 15% (docs/plan.md says where the rest comes from). An order is MPI's own broadcast, which SimGrid does in its own way.
. tests/support/script.sh "$1"
command -v smpirun >/dev/null && command -v smpicc >/dev/null || skip "no SimGrid (smpicc, smpirun)"
LEAF=1000000 LIMIT=60 expect 0 "$source_dir/tests/bench/simgrid/run.sh" shared 8 queued 64
[ "$(grep -cE '^(shared|queued) .* (gather|loss_sums|sum|spread) ' out)" -eq 8 ] || fail "not every operation is there"
awk '/^(shared|queued) / && $3 != "order" && ($6 < 0.85 || $6 > 1.15) { print; bad = 1 } END { exit bad }' out >far || fail "$(cat far)"
