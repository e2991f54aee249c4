# The whole path on backend cuda, on pretended GPUs (a real one with FUT_TEST_GPU=1): the loss of the CPU, the same bits on any number of ranks,
# after kills and resumes, from the CPU's checkpoints and back.
. tests/support/script.sh "$1"
on_cuda
make_faces faces faces.h5 25 8
write_config c.yaml
steps="--set train.steps=8 --set train.log_every=1 --set eval.every=0 --set optimizer.lr=1e-4"

# loss RUN: one loss a line.
loss()
{
    sed -n 's/^{"step":[0-9]*,"epoch":[0-9]*,"loss":\([^,]*\),.*/\1/p' "$1/metrics.jsonl"
}

# near RUN_A RUN_B TOLERANCE [STEPS]: the losses of all steps agree, relative to themselves.
near()
{
    local steps=${4:-8}
    loss "$1" >a.txt
    loss "$2" >b.txt
    [ "$(wc -l <a.txt)" -eq "$steps" ] && [ "$(wc -l <b.txt)" -eq "$steps" ] ||
        fail "$1 and $2 have $(wc -l <a.txt) and $(wc -l <b.txt) steps, expected $steps"
    paste a.txt b.txt | awk -v t="$3" '{ d = $1 - $2; if (d < 0) d = -d; if (d > t * $1) { print "step " NR ": " $1 " and " $2; bad = 1 } } END { exit bad }' >out ||
        fail "$1 and $2 differ by more than $3"
}

expect 0 "$futago" train c.yaml $steps --set run=cpu --set backend=cpu
expect 0 "$futago" train c.yaml $steps --set run=cuda --set backend=cuda
says "backend cuda on"
want=$(digest)
near cpu cuda 2e-5

# One result on any number of ranks, one GPU each.
for n in 2 4; do
    expect 0 ranks $n "$futago" train c.yaml $steps --set run=on$n --set backend=cuda
    [ "$(digest)" = "$want" ] || fail "$n ranks end with $(digest), one with $want"
done

# Killed without warning in the middle, resumed on fewer GPUs, then on one.
"$source_dir/launch/mpirun.sh" 4 "$futago" train c.yaml $steps --set run=struck --set backend=cuda --set train.save_steps=1 >out 2>err </dev/null &
pid=$!
for _ in $(seq 600); do
    grep -qs '^{"step":3,' struck/metrics.jsonl && break
    sleep 0.05
done
kill -KILL $(pgrep -P $pid) $pid || fail "the run ended before it was killed"
wait $pid 2>/dev/null && fail "a killed run ended well"
expect 0 ranks 2 "$futago" train c.yaml $steps --set run=struck --set backend=cuda --set train.save_steps=1
says "resuming struck/checkpoints/step-"
[ "$(digest)" = "$want" ] || fail "killed and resumed ends with $(digest), undisturbed with $want"

# A CPU's checkpoint goes on on the GPU and back; the losses stay those of the CPU.
expect 0 "$futago" train c.yaml $steps --set run=mixed --set backend=cpu --set train.steps=3
expect 0 ranks 2 "$futago" train c.yaml $steps --set run=mixed --set backend=cuda --set train.steps=6
says "resuming mixed/checkpoints/step-000000003.h5" "was computed with"
expect 0 "$futago" train c.yaml $steps --set run=mixed --set backend=cpu
says "resuming mixed/checkpoints/step-000000006.h5"
near cpu mixed 2e-5

# The other precisions learn the same, within their rounding; f16's loss scale is in the checkpoint.
for precision in tf32 bf16 f16; do
    expect 0 "$futago" train c.yaml $steps --set run=$precision --set backend=cuda --set precision=$precision
    near cpu $precision 2e-2
done
h5dump -a /optimizer/loss_scale f16/last.h5 | grep -q 65536 || fail "no loss scale in the checkpoint of f16"
expect 0 "$futago" train c.yaml $steps --set run=half --set backend=cuda --set precision=f16 --set train.steps=4
f16=$(cat f16/log.txt | sed -n 's/.*model sha256 \([0-9a-f]*\).*/\1/p')
expect 0 "$futago" train c.yaml $steps --set run=half --set backend=cuda --set precision=f16
[ "$(digest)" = "$f16" ] || fail "f16 stopped and resumed ends with $(digest), undisturbed with $f16"

# A ResNet: max pooling, residuals inside the activation, on one GPU and on two.
resnet="$steps --set model.backbone=resnet18 --set data.size=32 --set train.steps=3"
expect 0 "$futago" train c.yaml $resnet --set run=resnet_cpu --set backend=cpu
expect 0 "$futago" train c.yaml $resnet --set run=resnet --set backend=cuda
near resnet_cpu resnet 1e-3 3
resnet_digest=$(digest)
expect 0 ranks 2 "$futago" train c.yaml $resnet --set run=resnet2 --set backend=cuda
[ "$(digest)" = "$resnet_digest" ] || fail "a ResNet on 2 ranks ends with $(digest), on one with $resnet_digest"

# Using the model: the same numbers as on the CPU.
for backend in cpu cuda; do
    cp -r cuda eval_$backend
    sed -i "s/^backend: .*/backend: $backend/" eval_$backend/config.yaml
    expect 0 "$futago" eval eval_$backend --part val --json
    sed 's/.*"auc":\([0-9.]*\).*/\1/' out >auc_$backend
done
paste auc_cpu auc_cuda | awk '{ d = $1 - $2; exit !(d < 1e-3 && d > -1e-3) }' || fail "AUC $(cat auc_cpu) on the CPU, $(cat auc_cuda) on the GPU"
