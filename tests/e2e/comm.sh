# The communicator's conformance tests over 1 to 8 ranks of Open MPI.
. tests/support/script.sh "$1"
program=$(dirname "$futago")/test_conformance_comm
[ -x "$program" ] || skip "test_conformance_comm is not built"
for n in 1 2 3 4 5 8; do
    expect 0 ranks $n "$program"
    grep -q "FAILED" err out && fail "$n ranks"
    [ "$(cat out err | grep -c 'PASSED  \] [0-9]* test')" -eq $n ] || fail "$n ranks: not every rank passed all"
done
