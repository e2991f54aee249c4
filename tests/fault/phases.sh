# SIGSTOP and SIGKILL of a rank in a phase that its flight recorder says it is in. Stopped: the job ends within the deadline and a second with exit
# status 74, and names the rank, its phase and step; so does `futago hang-report`. Killed: all ranks are gone within 5 s. The same command then
# ends as an undisturbed run. A few cases; all ranks in all phases with FUT_TEST_ALL=1 (long_phases.sh), FUT_TEST_HOW=stop or kill: half of them.
# The end of a run is in chaotic_runs.sh.
. tests/support/script.sh "$1"
catch=$(dirname "$futago")/test_fault_phase
[ -x "$catch" ] || skip "test_fault_phase is not built"
make_faces faces faces.h5 25 8
write_config c.yaml
deadline=2
size=3
long="--set train.epochs=12 --set train.save_steps=4 --set eval.every=1 --set train.deadline=${deadline}s"

expect 0 ranks 1 "$futago" train c.yaml $long --set run=whole
want=$(digest)

# begin HOW RANK PHASE OPERATION STEP: start a run as $job and stop or kill the rank there: $met. On a busy machine a short phase may be missed.
begin()
{
    rm -rf run
    OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 "$source_dir/launch/mpirun.sh" $size "$futago" train c.yaml $long >out 2>err </dev/null &
    job=$!
    met=$("$catch" run/flight "$2" "$3" "$4" "$5" "$1") || { kill $job; wait $job || true; return 1; }
}

# meet HOW RANK PHASE [OPERATION]: see how such a run ends.
meet()
{
    local how=$1 rank=$2 phase=$3 operation=${4:--} step=15 got=0 job met began took named=- pid pids
    case $phase in start) step=0 ;; esac
    begin $how $rank $phase $operation $step || begin $how $rank $phase $operation $step || fail "$how $rank $phase: the rank was not met"
    began=$(date +%s%N)
    pids=$(pgrep -P $job -f "futago train" || true)
    while [ "$how" = stop ] && [ "$named" = - ] && kill -0 $job 2>/dev/null; do
        sleep 0.02
        if grep -q "no answer from rank" err; then named=$((($(date +%s%N) - began) / 1000000)); fi
    done
    wait $job || got=$?
    took=$((($(date +%s%N) - began) / 1000000))
    for pid in $pids; do
        for _ in $(seq 500); do
            is_running "$pid" || break
            sleep 0.01
        done
        if is_running "$pid"; then fail "$how $rank $phase: process $pid lives on"; fi
    done
    step=$(echo "$met" | cut -d' ' -f2)
    if [ "$how" = stop ]; then
        [ $got -eq 74 ] || fail "stop $rank $phase: exit status $got"
        [ "$named" != - ] && [ $named -le $((deadline * 1000 + 1000 + 2000)) ] || fail "stop $rank $phase: named after $named ms"
        # The second is the ranks'; what follows is mpirun's own clearing up on a busy machine.
        [ $took -ge $((deadline * 1000 - 500)) ] && [ $took -le $((deadline * 1000 + 1000 + 4000)) ] || fail "stop $rank $phase: after $took ms"
        grep -q "no answer from rank $rank on host $(hostname), last in '$phase' of step $step" err || fail "stop $rank $phase: no message names it"
    else
        [ $got -eq 137 ] || [ $got -eq 74 ] || fail "kill $rank $phase: exit status $got"
        [ $took -le 5000 ] || fail "kill $rank $phase: all gone after $took ms"
    fi
    expect 0 "$futago" hang-report run --json
    [ "$(sed -nE 's/.*"verdict": "rank ([0-9]+) on host [^,]*, in .([a-z]+). of step ([0-9]+).*/\1 \2 \3/p' out)" = "$rank $phase $step" ] ||
        [ "$how" = kill ] || fail "$how $rank $phase: hang-report names another rank or place than $rank $phase $step"
    expect 0 ranks 2 "$futago" train c.yaml $long
    [ "$(digest)" = "$want" ] || fail "$how $rank $phase: ends with $(digest), undisturbed with $want"
    printf '%s rank %s in %s: named after %s ms, ended after %s ms\n' "$how" "$rank" "$phase" "$named" "$took" >&3
}

exec 3>&1
if [ "${FUT_TEST_ALL:-0}" = 1 ]; then
    for how in ${FUT_TEST_HOW:-stop kill}; do
        for rank in 0 1 2; do
            for phase in start read gather save evaluate; do
                meet $how $rank $phase
            done
            meet $how $rank backward gradients
        done
    done
else
    meet stop 1 read
    meet stop 0 save
    meet stop 2 backward gradients
    meet kill 0 evaluate
    meet kill 2 gather
fi
