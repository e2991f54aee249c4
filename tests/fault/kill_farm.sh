# SIGKILL of a random rank, or of mpirun itself, at a random moment, at least 20 times; the same command goes on each time, on another number of
# ranks, and the run ends as the undisturbed one. No rank outlives its job.
. tests/support/script.sh "$1"
make_faces faces faces.h5 25 8
write_config c.yaml
kills=20
long="--set train.epochs=40 --set train.save_steps=4 --set eval.every=10"
RANDOM=7
export OMPI_MCA_odls_base_sigkill_timeout=0 # the other ranks are killed at once, which is harder and faster

expect 0 "$futago" train c.yaml $long --set run=whole
want=$(digest)

# ranks_of MPIRUN: the processes of the run's ranks.
ranks_of()
{
    pgrep -P "$1" -f "futago train c.yaml" || true
}

killed=0
survivors=0
runs=0
while [ ! -e done ]; do
    runs=$((runs + 1))
    [ $runs -le 60 ] || fail "not done after $runs starts"
    n=$((RANDOM % 4 + 1))
    OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 "$source_dir/launch/mpirun.sh" $n "$futago" train c.yaml $long \
        --set run=farm >out 2>err </dev/null &
    job=$!
    if [ $killed -lt $kills ]; then
        # Past the start, at some moment of the first steps of this start; one in five dies while it is starting.
        steps=$(grep -cs '"wall"' farm/metrics.jsonl || true)
        delay=$((RANDOM % 5))
        for _ in $(seq 400); do
            [ $delay -eq 0 ] && break
            now=$(grep -cs '"wall"' farm/metrics.jsonl || true)
            [ "${now:-0}" -gt $((${steps:-0} + delay * 2)) ] && break
            kill -0 $job 2>/dev/null || break
            sleep 0.01
        done
        sleep 0.0$((RANDOM % 10))
        pids=$(ranks_of $job)
        victims=($job $pids)
        victim=${victims[$((RANDOM % ${#victims[@]}))]}
        if kill -KILL "$victim" 2>/dev/null; then killed=$((killed + 1)); fi
        got=0
        wait $job 2>/dev/null || got=$?
        for pid in $pids; do
            for _ in $(seq 500); do
                is_running "$pid" || break
                sleep 0.01
            done
            if is_running "$pid"; then
                kill -KILL "$pid"
                survivors=$((survivors + 1))
            fi
        done
    else
        got=0
        wait $job || got=$?
        [ $got -eq 0 ] || fail "exit code $got of an undisturbed start"
    fi
    if [ $got -eq 0 ]; then : >done; fi
done
[ $killed -ge 20 ] || fail "only $killed kills before the run was done"
[ $survivors -eq 0 ] || fail "$survivors ranks outlived their job by 5 s"
[ "$(digest)" = "$want" ] || fail "ends with $(digest), undisturbed with $want"
[ -z "$(ls farm/checkpoints | grep -v '^step-[0-9]*\.h5$' || true)" ] || fail "left behind: $(ls farm/checkpoints)"
printf '%d kills over %d starts\n' $killed $runs
