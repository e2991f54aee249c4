# The communicator's conformance tests over 1 to 8 ranks of Open MPI, and over 1 to 4 of NCCL on the GPU double.
. tests/support/script.sh "$1"
program=$(dirname "$futago")/test_conformance_comm
[ -x "$program" ] || skip "test_conformance_comm is not built"

conforms()
{
    expect 0 ranks "$1" "$program"
    grep -q "FAILED" err out && fail "$1 ranks"
    [ "$(cat out err | grep -c 'PASSED  \] [0-9]* test')" -eq "$1" ] || fail "$1 ranks: not every rank passed all"
}

for n in 1 2 3 4 6 8; do
    conforms $n
done
[ -e "$(dirname "$futago")/double/futago_nccl.so" ] || { echo "NCCL: not tested, the GPU double's modules are not built"; exit 0; }

on_cuda
export FUT_TEST_BACKEND=cuda GPU_DOUBLE_LEAKS=2
for n in 1 2 4; do
    conforms $n
    says "futago: NCCL 2.28.9, $n rank"
done
# Other delays and another number of answers "in progress".
GPU_DOUBLE_SEED=7 GPU_DOUBLE_DELAY_US=2000 conforms 3
