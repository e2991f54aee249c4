# Messages that are late, lost or wrong, a rank that dies or does something else than the others: each is found, by what should find it.
. tests/support/script.sh "$1"
program=$(dirname "$futago")/test_fault_chaos
[ -x "$program" ] || skip "test_fault_chaos is not built"
make_faces faces faces.h5 25 8
write_config c.yaml
run=0

# chaos EXIT_CODES KIND RANK STEP OPERATION [KEY=VALUE]...: three ranks of a run of its own.
chaos()
{
    local want=$1 got=0
    shift
    run=$((run + 1))
    ranks 3 "$program" "$1" "$2" "$3" "$4" c.yaml run=run$run train.deadline=2s train.check_replicas=5 "${@:5}" >out 2>err </dev/null || got=$?
    case " $want " in *" $got "*) ;; *) fail "$*: exit status $got, expected $want" ;; esac
    [ "$1" = none ] || says "chaos: $1 '$4' of rank $2"
}

chaos 0 none 0 0 -
want=$(digest)

# A wait that is short enough changes nothing, a longer one ends the run and names the rank.
CHAOS_SECONDS=0.5 chaos 0 delay 1 7 embeddings
[ "$(digest)" = "$want" ] || fail "a delay changed the result"
chaos 74 delay 1 7 embeddings
says "no answer from rank 1 on host $(hostname), last in 'gather' of step 7, 'embeddings'" "waited for 'embeddings' in 'gather' of step 7"
chaos 74 delay 0 7 'order of a step'
says "no answer from rank 0 on host"

chaos "137 74" die 2 7 gradients
# At the end of a run, where all is done and saved but the ranks still wait for each other.
for rank in 0 1 2; do
    chaos 74 stop $rank 0 'end of the run'
    says "no answer from rank $rank on host $(hostname), last in 'finalize' of step 20, 'end of the run'"
    [ "$(digest)" = "$want" ] || fail "the result of rank $rank"
done
chaos "137 74" die 1 0 'end of the run'
chaos 74 drop 1 7 embeddings
says "a message came that does not fit: one was lost, or the ranks do not do the same"
chaos 74 disagree 1 7 'sums of the loss'
says "all ranks answer, but wait for each other"

# A message that is wrong on one rank makes it part from the others: the comparison of replicas names it, at the next one. The second message
# of a step's gradients is their sum, the first still goes into it.
parted="the ranks have parted: rank 2 on host $(hostname): state "
CHAOS_SKIP=1 chaos 70 corrupt 2 7 gradients train.save_steps=0
says "step 10: $parted" "last words: step 10"
chaos 70 corrupt 2 0 parameters
says "step 0: $parted"
chaos 70 corrupt 2 0 'memory of the loss' memory.size=48
says "step 0: $parted"
# Also before anything is saved: what a checkpoint holds was the same everywhere.
CHAOS_SKIP=1 chaos 70 corrupt 0 7 gradients train.check_replicas=1000 train.save_steps=9
says "step 9: the ranks have parted: rank 0 on host"
[ -z "$(ls run$run/checkpoints)" ] || fail "ranks that parted were saved: $(ls run$run/checkpoints)"
# Two cannot outvote each other.
got=0
ranks 2 "$program" corrupt 1 0 parameters c.yaml run=two >out 2>err </dev/null || got=$?
[ $got -eq 70 ] || fail "two ranks that parted: exit status $got"
says "the ranks have parted: rank 0 on host" "; rank 1 on host"
# The limit: what was wrong before it was summed is wrong on all ranks alike, and only another result tells.
chaos 0 corrupt 2 7 gradients
[ "$(digest)" != "$want" ] || fail "nothing was corrupted"
