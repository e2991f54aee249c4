# Every loss and every miner of the registries: the same bits on 1 and 3 ranks, and on the GPU double the CPU's loss.
. tests/support/script.sh "$1"
make_faces faces faces.h5 25 8
write_config c.yaml
steps="--set train.steps=4 --set eval.every=0 --set backend=cpu"

# rows FILE MACRO: the names of a registry.
rows()
{
    sed -nE "s/^$2\(([a-z0-9_]+)\).*/\1/p" "$source_dir/$1"
}

# first_loss RUN: of its first step.
first_loss()
{
    sed -n 's/^{"step":1,"epoch":[0-9]*,"loss":\([^,]*\),.*/\1/p' "$1/metrics.jsonl"
}

# parameters RUN: what its checkpoint keeps of the loss's own, where it has any.
parameters()
{
    h5dump -g /loss "$1/last.h5" 2>h5dump.err | tail -n +2 || true
}

# same NAME SETTINGS...: one digest on 1 and 3 ranks, on the CPU and on the GPU double; the GPU's first loss is the CPU's.
same()
{
    local name=$1 want
    shift
    expect 0 "$futago" train c.yaml $steps "$@" --set run=$name
    want=$(digest)
    [ ${#want} -eq 64 ] || fail "$name: no digest"
    expect 0 ranks 3 "$futago" train c.yaml $steps "$@" --set run=$name-3
    [ "$(digest)" = "$want" ] || fail "$name: 3 ranks end with $(digest), one with $want"
    if command -v h5dump >/dev/null; then
        parameters $name >one
        parameters $name-3 | cmp -s - one || fail "$name: the loss's parameters differ on 3 ranks"
    fi
    on_cuda
    expect 0 "$futago" train c.yaml $steps "$@" --set run=$name-cuda --set backend=cuda
    want=$(digest)
    expect 0 ranks 3 "$futago" train c.yaml $steps "$@" --set run=$name-cuda3 --set backend=cuda
    [ "$(digest)" = "$want" ] || fail "$name: 3 GPUs end with $(digest), one with $want"
    echo "$(first_loss $name) $(first_loss $name-cuda)" |
        awk 'NF != 2 { exit 1 } { d = $1 - $2; exit !(d * d <= 1e-8 * $1 * $1) }' ||
        fail "$name: loss $(first_loss $name) on the CPU, $(first_loss $name-cuda) on the GPU"
    rm -rf $name $name-*
}

for loss in $(rows core/loss/losses.def FUT_LOSS); do
    same $loss --set loss=$loss
done
for miner in $(rows core/miner/miners.def FUT_MINER); do
    same mined-by-$miner --set loss=triplet --set miner=$miner
done
same class-margins --set loss=cosface --set loss.margin=0.1 --set loss.scale=16
same swapped --set loss=triplet --set loss.swap=true
same mined-pairs --set loss=contrastive --set miner=batch_hard
same bce-difference --set loss=bce --set loss.head=difference --set miner=batch_hard
same drawn-pairs --set loss=contrastive --set miner=distance_weighted
same remembered --set loss=contrastive --set memory.size=40
same remembered-mined --set loss=triplet --set miner=batch_hard --set memory.size=40
same remembered-bce --set loss=bce --set loss.head=difference --set memory.size=40

# resumes NAME SETTINGS...: stopped on 3 ranks after a short batch and gone on with on one, and the other way round, it is the same run.
resumes()
{
    local name=$1 want long="--set eval.every=0 --set backend=cpu"
    shift
    expect 0 "$futago" train c.yaml $long "$@" --set run=$name
    want=$(digest)
    expect 75 ranks 3 "$futago" train c.yaml $long "$@" --set run=$name-3 --until 11
    expect 0 "$futago" train c.yaml $long "$@" --set run=$name-3
    [ "$(digest)" = "$want" ] || fail "$name: from 3 ranks to one $(digest), undisturbed $want"
    expect 75 "$futago" train c.yaml $long "$@" --set run=$name-1 --until 11
    expect 0 ranks 3 "$futago" train c.yaml $long "$@" --set run=$name-1
    [ "$(digest)" = "$want" ] || fail "$name: from one rank to 3 $(digest), undisturbed $want"
}

resumes kept --set loss=contrastive --set memory.size=40
expect 78 "$futago" train c.yaml --set loss=contrastive --set memory.size=64 --set run=kept
says "its memory is of 40 embeddings, memory.size is now 64"
resumes classes --set loss=arcface
expect 78 "$futago" train c.yaml --set memory.size=8 --set run=small
says "memory.size 8 is smaller than train.batch 16"

# A classifier of pairs tells how likely two photos are of one person; other models do not.
photos="faces/person_0001/0001.jpg faces/person_0002/0001.jpg"
for head in similarity difference; do
    expect 0 "$futago" train c.yaml $steps --set loss=bce --set loss.head=$head --set run=judge-$head
    expect 0 "$futago" verify judge-$head $photos --threshold -1
    grep -q 'probability 0\.[0-9]*$' out || fail "no probability: $(cat out)"
    expect 0 "$futago" verify judge-$head $photos --threshold -1 --json
    grep -q '"same":true,"probability":0\.[0-9]*}$' out || fail "no probability: $(cat out)"
done

# Of people who are not trained on, a loss of classes has no value: nothing shows one.
"$futago" pack faces -o strangers.h5 --size 16 --split identity >/dev/null 2>&1
expect 0 "$futago" train c.yaml --set data.file=strangers.h5 --set train.steps=4 --set loss=arcface --set run=strangers
says "evaluations have no loss"
grep -q '"eval_loss":null' strangers/metrics.jsonl || fail "a validation loss of strangers"
expect 0 "$futago" eval strangers
grep -q 'training, last' strangers/report.html || fail "no curve of the training loss"
! grep -q 'validation' strangers/report.html || fail "a curve of a validation loss that is not defined"
