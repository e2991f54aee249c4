# Every NCCL entry point that a run calls fails in turn, at its first and at its last call, on the GPU double: each ends the job soon, with
# NCCL's text, the rank and the operation, and with an exit code that a scheduler can act on.
. tests/support/script.sh "$1"
program=$(dirname "$futago")/test_conformance_comm
[ -x "$program" ] || skip "test_conformance_comm is not built"
on_cuda
[ -e "${FUTAGO_MODULES:-}/libgpu_double.so" ] || skip "no failure can be injected without the GPU double"
export FUT_TEST_BACKEND=cuda

# faulty EXIT_CODE GPU_DOUBLE_FAIL: a run on 2 ranks, in time.
faulty()
{
    local started
    started=$(date +%s)
    GPU_DOUBLE_FAIL=$2 expect "$1" ranks 2 "$program" none 0
    [ $(($(date +%s) - started)) -le 25 ] || fail "$2: ended after $(($(date +%s) - started)) s"
}

GPU_DOUBLE_COUNT=$tmp/calls.%r expect 0 ranks 2 "$program" none 0
entries=$(sed -n 's/^\(nccl[A-Za-z]*\) .*/\1/p' calls.1)
for entry in ncclCommInitRankConfig ncclCommGetAsyncError ncclAllReduce ncclBroadcast ncclAllGather ncclReduce ncclReduceScatter ncclSend ncclRecv \
    ncclGroupStart ncclGroupEnd ncclCommFinalize ncclCommDestroy; do
    echo "$entries" | grep -qx "$entry" || fail "the run does not call $entry"
done

for entry in $entries; do
    last=$(sed -n "s/^$entry //p" calls.1)
    [ $entry != ncclCommGetAsyncError ] || last=60 # how often it is called differs from run to run
    for n in 1 $last; do
        case $entry in
        ncclGetVersion) # known for the log only
            faulty 0 "$entry:$n=2@1"
            ;;
        ncclCommFinalize | ncclCommDestroy) # the work is done
            faulty 0 "$entry:$n=2@1"
            says "unhandled system error"
            ;;
        *)
            faulty 74 "$entry:$n=2@1"
            says "rank 1 of 2 on host" "NCCL: unhandled system error" "injected failure of $entry"
            ;;
        esac
        [ "$n" != "$last" ] || break
    done
done
# Rank 0 alone makes the unique id; all ranks hear of it. A wrong argument is a bug: no use in trying again.
faulty 74 "ncclGetUniqueId:1=2"
says "unique id: NCCL: unhandled system error" "injected failure of ncclGetUniqueId"
faulty 70 "ncclAllReduce:3=4@1"
says "gradients: NCCL: invalid argument"
# The end itself fails or hangs: nobody waits for it.
faulty 74 "ncclAllReduce:3=2@1,ncclCommAbort:1=2@1"
says "ncclCommAbort: NCCL: unhandled system error" "gradients: NCCL: unhandled system error"
GPU_DOUBLE_FAIL=ncclAllReduce:3=2,ncclCommAbort:1=hang expect 74 "$program" none 0
says "ncclCommAbort did not return in 10 s" "gradients: NCCL: unhandled system error"
