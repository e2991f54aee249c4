# A run that is told to stop in the middle of an epoch, on any number of ranks, saves, exits 75, and ends as the undisturbed run.
. tests/support/script.sh "$1"
make_faces faces faces.h5 25 8
write_config c.yaml
long="--set train.epochs=12 --set train.save_steps=0"

expect 0 "$futago" train c.yaml $long --set run=whole
want=$(digest)

# wait_for_step RUN STEP: until the run has trained that step.
wait_for_step()
{
    for _ in $(seq 600); do
        grep -qs "^{\"step\":$2," "$1/metrics.jsonl" && return 0
        sleep 0.02
    done
    fail "$1 never came to step $2"
}

# interrupt RUN RANKS SIGNAL STEP: start the run, signal it after that step (mpirun forwards to the ranks), expect 75.
interrupt()
{
    local got=0 pid
    if [ "$2" -eq 1 ]; then
        "$futago" train c.yaml $long --set run="$1" >out 2>err </dev/null &
    else
        "$source_dir/launch/mpirun.sh" "$2" "$futago" train c.yaml $long --set run="$1" --set train.shards=4 >out 2>err </dev/null &
    fi
    pid=$!
    wait_for_step "$1" "$4"
    kill -s "$3" $pid
    wait $pid || got=$?
    [ $got -eq 75 ] || fail "$3 at step $4 on $2 ranks: exit code $got"
    says "stopped on request after step" "the same command goes on from there"
    [ -e "$1/last.h5" ] || fail "no checkpoint after $3"
}

# finish RUN RANKS: resume to the end and compare.
finish()
{
    if [ "$2" -eq 1 ]; then expect 0 "$futago" train c.yaml $long --set run="$1"; else expect 0 ranks "$2" "$futago" train c.yaml $long --set run="$1"; fi
    says "resuming $1/checkpoints/step-"
    [ "$(digest)" = "$want" ] || fail "$1 resumed on $2 ranks ends with $(digest), undisturbed with $want"
}

for n in 1 2 4; do
    interrupt from$n $n USR1 13
    cp -r from$n again$n
    finish from$n 1
    finish again$n 2
done

# A chain: 4 ranks, then 1, then 2, then 3.
interrupt chain 4 USR1 7
interrupt chain 1 INT 24
interrupt chain 2 USR1 41
interrupt chain 1 TERM 58
finish chain 3

# SIGUSR2 saves and goes on.
"$futago" train c.yaml $long --set run=saved --set train.keep=1000 --set eval.every=0 >out 2>err </dev/null &
pid=$!
wait_for_step saved 5
kill -s USR2 $pid
wait $pid || fail "exit code $? after SIGUSR2"
[ "$(digest)" = "$want" ] || fail "SIGUSR2 changed the result"
[ "$(ls saved/checkpoints | wc -l)" -eq 2 ] || fail "checkpoints after SIGUSR2: $(ls saved/checkpoints)"

# Every step stands once in metrics.jsonl, however often the run was stopped.
steps=$(grep -v '"event"' chain/metrics.jsonl | sed 's/^{"step":\([0-9]*\),.*/\1/' | tr '\n' ' ')
[ "$steps" = "$(seq 120 | tr '\n' ' ')" ] || fail "steps in metrics.jsonl: $steps"
