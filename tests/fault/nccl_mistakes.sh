# Ranks that do not call the same, or not in order: real NCCL hangs or mixes data up; the GPU double must name the mistake. Each is planted
# into a run that is right without it.
. tests/support/script.sh "$1"
program=$(dirname "$futago")/test_conformance_comm
[ -x "$program" ] || skip "test_conformance_comm is not built"
on_cuda
[ -e "${FUTAGO_MODULES:-}/libgpu_double.so" ] || skip "a real NCCL does not find mistakes"
export FUT_TEST_BACKEND=cuda
ulimit -c 0

# planted MISTAKE TEXT...: the double says the text and aborts.
planted()
{
    local mistake=$1
    shift
    expect 134 ranks 2 "$program" "$mistake" 1
    says "$@"
}

expect 0 ranks 2 "$program" none 1
planted count "rank 0 calls ncclAllReduce(count 4, type 7, op 0, root 0), rank 1 calls ncclAllReduce(count 5, type 7, op 0, root 0)"
planted type "rank 0 calls ncclAllReduce(count 4, type 7, op 0, root 0), rank 1 calls ncclAllReduce(count 4, type 2, op 0, root 0)"
planted root "rank 0 calls ncclBroadcast(count 4, type 7, op 0, root 0), rank 1 calls ncclBroadcast(count 4, type 7, op 0, root 1)"
planted call "rank 0 calls ncclAllReduce(count 4, type 7, op 0, root 0), rank 1 calls ncclBroadcast(count 4, type 7, op 0, root 0)"
planted length "rank 0 calls ncclSend(count 2, type 7, op 0, root -1), rank 1 calls ncclRecv(count 3, type 7, op 0, root -1)"
planted order "rank 0 calls ncclSend of 2 elements on another side of a collective than this rank"
planted replay "calls ncclAllReduce(count 4" "calls a recorded ncclAllReduce(count 4"
planted graph "ncclCommFinalize: 1 recorded operations of it still live in graphs"
planted host "ncclAllReduce: sendbuff" "is not device memory"
planted event "race: 'ncclAllReduce'" "which 'memset'" "no event and no wait orders them"
