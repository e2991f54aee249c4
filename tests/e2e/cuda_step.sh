# What a step on a device asks of the host, counted: no allocation, no wait for a stream, one replay and a handful of copies, however long the run.
# And `bench` on a device.
. tests/support/script.sh "$1"
[ "${FUT_TEST_GPU:-0}" = 0 ] || skip "a real GPU counts no calls"
on_cuda
make_faces faces faces.h5 25 8
write_config c.yaml

# calls STEPS SETTING...: entry points and how often they were called in a run of so many steps.
calls()
{
    local steps=$1
    shift
    rm -rf counted run$steps
    GPU_DOUBLE_COUNT=counted expect 0 "$futago" train c.yaml --set backend=cuda --set run=run$steps --set train.steps=$steps --set sampler.length=100000 \
        --set eval.every=0 --set train.save_steps=0 --set train.log_every=1000 "$@"
    sort counted >calls$steps
}

# per_step ENTRY: calls a step, from the difference of two runs.
per_step()
{
    local short long
    short=$(sed -n "s/^$1 //p" calls6)
    long=$(sed -n "s/^$1 //p" calls16)
    printf '%s' $(((${long:-0} - ${short:-0}) / 10))
}

# check_calls LAUNCHES COPIES SETTING...: what a step of a run with these settings calls.
check_calls()
{
    local entry n launches=$1 copies=$2
    shift 2
    calls 6 "$@"
    calls 16 "$@"
    for entry in cudaMalloc cudaFree cudaMallocHost cudaFreeHost cudaStreamSynchronize cudaEventSynchronize cudaEventCreateWithFlags \
        cudaStreamCreateWithFlags cudaGraphInstantiate cudnnBackendExecute cublasLtMatmul cudnnBackendFinalize; do
        n=$(per_step $entry)
        [ "$n" -eq 0 ] || fail "$n calls of $entry a step with $*"
    done
    [ "$(per_step cudaGraphLaunch)" -eq 1 ] || fail "$(per_step cudaGraphLaunch) replays a step"
    [ "$(per_step cudaLaunchKernel)" -eq $launches ] || fail "$(per_step cudaLaunchKernel) kernels a step beside the replay, expected $launches: $*"
    [ "$(per_step cudaMemcpyAsync)" -eq $copies ] || fail "$(per_step cudaMemcpyAsync) copies a step, expected $copies"
    grep -q '^cudaGraphInstantiate 2$' calls16 || fail "recorded: $(grep cudaGraphInstantiate calls16), expected once for each place of the inputs"
}
# Up: photos, their numbers, the learning rate. Down: the loss's sums, the optimizer's decision.
check_step()
{
    check_calls 0 5 "$@"
}
calls 2 # chooses the algorithms, which are then in the cache
check_step
for type in ranger schedule_free_adamw; do
    check_step --set optimizer=$type --set update.clip_norm=1 --set update.weight_decay=weights --set update.frozen=conv_stem
done
check_step --set optimizer=sgd --set update.ema=0.9
# A step that is looked at: beside it the change of the weights, and embeddings, labels, ids and sums down.
check_calls 6 10 --set train.log_every=1

expect 0 "$futago" bench c.yaml --set backend=cuda --steps 3 --json
says '"backend":"cuda"' '"exposed_copy_ms":' '"exposed_reduce_ms":'
expect 0 ranks 2 "$futago" bench c.yaml --set backend=cuda --steps 3
says "4 shards on 2 ranks" "exposed reduce" "photos a second" "sums of gradients, a step:"
expect 0 "$futago" bench --plan --layers --set model.backbone=tiny --set data.size=64
says "least step" "blocks.0.0.conv"
