# Every loss of the registry with and without a miner and a memory, in every choice of its options: the same bits on 1, 2 and 4 ranks,
# parameters of its own and the memory included, and on the GPU double the CPU's loss (tests/conformance/recipes.c). What losses say to a user.
. tests/support/script.sh "$1"
program=$(dirname "$futago")/test_conformance_recipes
make_faces faces faces.h5 25 8
write_config c.yaml
steps="--set train.steps=4 --set eval.every=0 --set backend=cpu"

# recipes FILE RANKS BACKEND STEPS TURNS: how each recipe ends on so many ranks.
recipes()
{
    local file=$1 n=$2
    expect 0 ranks $n "$program" "$3" faces.h5 $file $4 $5
    [ -s $file ] || fail "$file: no recipe was trained"
}

# same FILE OTHER: recipe by recipe the same bits.
same()
{
    diff $1 $2 >differences || fail "$1 and $2 end differently: $(cut -c 1-300 differences | head -n 4)"
}

recipes one 1 cpu 10 99
for n in 2 4; do
    recipes on-$n $n cpu 10 99
    same one on-$n
done

# Few steps suffice on the GPU double, which takes its time: the first losses are the CPU's.
recipes few 1 cpu 2 2
on_cuda
recipes gpu 1 cuda 2 2
recipes gpu-3 3 cuda 2 2
same gpu gpu-3
first_losses='s/ : [0-9a-f]* \([^ ]*\).*/ \1/'
paste -d ' ' <(sed "$first_losses" few) <(sed "$first_losses" gpu) | awk '
    { a = $(NF / 2); b = $NF; $(NF / 2) = $NF = ""; d = a - b }
    { for (i = 1; i < NF / 2; i++) if ($i != $(i + NF / 2)) exit 1 }
    d * d > 1e-8 * a * a { print a, b, $0; exit 1 }' >differences || fail "the CPU's loss, the GPU's: $(cat differences)"
unset FUTAGO_MODULES

# What a loss keeps, parameters and memory: stopped on 3 ranks after a short batch and gone on with on one, and the other way round.
keeps="--set loss=bce --set loss.head=difference --set memory.size=40 --set eval.every=0 --set backend=cpu"
expect 0 "$futago" train c.yaml $keeps --set run=kept
want=$(digest)
expect 75 ranks 3 "$futago" train c.yaml $keeps --set run=kept-3 --until 11
expect 0 "$futago" train c.yaml $keeps --set run=kept-3
[ "$(digest)" = "$want" ] || fail "from 3 ranks to one $(digest), undisturbed $want"
expect 75 "$futago" train c.yaml $keeps --set run=kept-1 --until 11
expect 0 ranks 3 "$futago" train c.yaml $keeps --set run=kept-1
[ "$(digest)" = "$want" ] || fail "from one rank to 3 $(digest), undisturbed $want"
expect 78 "$futago" train c.yaml $keeps --set memory.size=1000 --set run=kept
says "its memory is of 40 embeddings, memory.size is now 1000" "memory.size is 1000 for 152 photos: each stands in it several times"
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
