# One result of a run of 8 shards: on 1, 2, 3, 4, 5 and 8 ranks, and on 1, then 4, 2, 3, 8 of them with resumes; for batch norm over a shard,
# kept and recomputed, and over the batch; in buckets of several sizes, summed during the backward and after; on the CPU over MPI and on the
# GPU double over its NCCL.
# tests/e2e/long_shards.sh runs every combination, this one each value of each.
. tests/support/script.sh "$1"
make_faces faces faces.h5 25 8
write_config c.yaml
eight="--set train.shards=8 --set train.steps=7 --set train.save_steps=0 --set eval.every=0 --set scheduler=constant"

# train RANKS RUN SETTING...: the digest in $got.
train()
{
    local n=$1 run=$2
    shift 2
    expect 0 ranks "$n" "$futago" train c.yaml $eight --set run="$run" "$@"
    got=$(digest)
}

# same RUN RANKS SETTING...: the undisturbed run on so many ranks ends with $want.
same()
{
    local run=$1 n=$2
    shift 2
    train "$n" "$run" "$@"
    [ "$got" = "$want" ] || fail "$n ranks with $* end with $got, one with $want"
    rm -rf "$run"
}

# chain SETTING...: the run passed on from one number of ranks to the next.
chain()
{
    local n step=1
    rm -rf chain
    for n in 1 4 2 3 8; do
        [ "$n" -eq 8 ] && step=7
        train "$n" chain --set train.steps=$step "$@"
        step=$((step + 1))
    done
    [ "$got" = "$want" ] || fail "1 -> 4 -> 2 -> 3 -> 8 with $* ends with $got, undisturbed with $want"
}

# everywhere "RANKS" SETTING...: on so many ranks, each with one size of buckets, with overlap or without; in the full product with all.
everywhere()
{
    local ranks=$1 bucket overlap n
    local buckets=(auto 16 1)
    local overlaps=(false true)
    shift
    for n in $ranks; do
        for bucket in ${all_buckets:-${buckets[$((n % 3))]}}; do
            for overlap in ${both_overlaps:-${overlaps[$((n % 5 > 0))]}}; do
                same run "$n" --set train.bucket="$bucket" --set train.overlap="$overlap" "$@"
            done
        done
    done
}

# begin SETTING...: the undisturbed run on one rank, into $want.
begin()
{
    rm -rf first
    train 1 first "$@"
    want=$got
    [ ${#want} -eq 64 ] || fail "no digest"
}

if [ -n "${FUTAGO_FULL:-}" ]; then
    all_buckets="auto 1 16"
    both_overlaps="true false"
    few="2 3 4 5 8"
fi

kept="--set train.recompute=false"
again="--set train.recompute=true"
global="--set model.batch_norm=global"
cpu="--set backend=cpu"
begin $cpu $kept
over_shards=$want
everywhere "2 3 4 5 8" $cpu $kept
chain $cpu $kept
everywhere "${few:-3 8}" $cpu $again
chain $cpu $again
begin $cpu $global
[ "$want" != "$over_shards" ] || fail "batch norm over the batch ends like that over shards"
everywhere "${few:-2 5 8}" $cpu $global
chain $cpu $global

# What sums cost is told. The size of buckets is measured once, where there is something to sum, and then that of the run.
grep -q '"gradients":{"summed":[0-9.e-]*,"exposed":' chain/metrics.jsonl || fail "no exposed time of a step"
grep -q '"event":"buckets","buckets":\[{"kib":[0-9.e-]*,"ms":' chain/metrics.jsonl || fail "no exposed time by bucket"
measured="gradients are summed in buckets of "
wide="--set model.embedding=8192 --set train.shards=3"
train 1 wide $cpu $wide --set train.steps=1
! grep -q "$measured" err || fail "one rank measures what to send"
train 2 wide $cpu $wide --set train.steps=2
says "$measured"
train 3 wide $cpu $wide --set train.steps=3
! grep -q "$measured" err || fail "measured again"
want=$got
train 1 alone $cpu $wide --set train.steps=3
[ "$got" = "$want" ] || fail "another size of buckets, other bits"
expect 78 "$futago" train c.yaml --set train.bucket=0
says "train.bucket is '0': expected auto or a number of KiB"

# Nobody says how many threads: the shards decide, not the ranks.
begin $cpu $kept --set train.threads=0 --set train.shards=2
everywhere "2" $cpu $kept --set train.threads=0 --set train.shards=2

on_cuda
export GPU_DOUBLE_DEVICES=8
cuda="--set backend=cuda"
begin $cuda $kept
everywhere "${few:-4}" $cuda $kept
everywhere "${few:-3}" $cuda $again
[ -z "${FUTAGO_FULL:-}" ] || chain $cuda $again
begin $cuda $global
everywhere "${few:-5}" $cuda $global
[ -z "${FUTAGO_FULL:-}" ] || chain $cuda $global
