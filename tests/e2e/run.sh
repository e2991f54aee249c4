# `futago run`: a killed rank, a hung rank, a stop on request, a host that is gone; the same bits at the end as undisturbed.
. tests/support/script.sh "$1"
make_faces faces faces.h5 25 8
write_config c.yaml
long="--set train.epochs=12 --set train.save_steps=5"
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
mpirun="mpirun --oversubscribe --bind-to none --mca btl self,vader"

expect 0 "$futago" train c.yaml $long --set run=whole
want=$(digest)

# in_background RUN RESTARTS COMMAND...: under `futago run`, as $job; waits until the run has come to step 13.
in_background()
{
    local run=$1 restarts=$2
    shift 2
    "$futago" run --pause 0 --restarts "$restarts" -- "$@" "$futago" train c.yaml $long --set run="$run" >out 2>err </dev/null &
    job=$!
    for _ in $(seq 1000); do
        grep -qs '^{"step":13,' "$run/metrics.jsonl" && return 0
        sleep 0.02
    done
    fail "$run never came to step 13"
}

# ends EXIT_CODE
ends()
{
    local got=0
    wait $job || got=$?
    [ $got -eq "$1" ] || fail "exit code $got, expected $1"
}

# A rank is killed: started again, to the same bits.
in_background killed 3 $mpirun -n 3
kill -KILL "$(pgrep -f "train c.yaml.*run=killed" | tail -n 1)"
ends 0
says "exit status 137: starting again" "start 2: 3 ranks, from step 1"
[ "$(digest)" = "$want" ] || fail "killed ends with $(digest), undisturbed with $want"

# Told to stop, it lets the ranks save and leave, and does not start them again.
in_background stopped 3 $mpirun -n 2
kill -TERM $job
ends 75
says "stopped on request after step"

# With --go-on a stop that somebody else asked for is a pause.
"$futago" run --pause 0 --go-on -- $mpirun -n 2 "$futago" train c.yaml $long --set run=paused >out 2>err </dev/null &
job=$!
until grep -qs '^{"step":13,' paused/metrics.jsonl; do sleep 0.02; done
kill -USR1 "$(pgrep -P $job mpirun)"
ends 0
says "stopped on request after step" "exit status 75: starting again" "start 2: 2 ranks, from step"
[ "$(digest)" = "$want" ] || fail "paused ends with $(digest), undisturbed with $want"

# A rank of the start before may hold the folder a little longer: waited for, but not where the folder was in use from the first.
cat >killed_once <<SH
#!/bin/sh
[ ! -e killed_once.did ] || exec "$futago" train c.yaml $long --set run=held
: >killed_once.did
"$futago" train c.yaml $long --set run=held --until 7
flock held/lock sleep 2 &
exit 137
SH
chmod +x killed_once
expect 0 "$futago" run --pause 1 --restarts 9 --run held -- ./killed_once
says "exit status 137: starting again" "held/lock: the run folder is in use by" "exit status 79: starting again"
[ "$(digest)" = "$want" ] || fail "held ends with $(digest), undisturbed with $want"
flock held/lock sleep 1 &
sleep 0.2
expect 79 "$futago" run --pause 0 --run held -- ./killed_once
[ "$(grep -c 'starting again' err)" -eq 0 ] || fail "a folder that somebody else uses was waited for"

# A host that does not answer is left out: here mpirun's agent is a script that reaches hosts a and b by staying here, until b dies.
cat >agent <<'SH'
#!/bin/sh
[ ! -e "$DEAD_HOSTS/$1" ] || exit 255
[ "$2" = true ] || exit 255
SH
chmod +x agent
mkdir dead
export DEAD_HOSTS=$tmp/dead
printf 'localhost slots=2 # here\nfarhost  slots = 2\n' >hosts
touch dead/farhost
expect 66 "$futago" run --pause 0 -- $mpirun -n 4 --hostfile hosts --mca plm_rsh_agent ./agent "$futago" train c.yaml $long --set run=far
says "hosts: host 'farhost' does not answer, and its name does not resolve"
printf 'localhost slots=2 # here\n192.0.2.7 slots = 2\n' >hosts
touch dead/192.0.2.7
expect 0 "$futago" run --pause 0 -- $mpirun -n 4 --hostfile hosts --mca plm_rsh_agent ./agent "$futago" train c.yaml $long --set run=far
says "host 192.0.2.7 does not answer" "start 1: 2 ranks, from the beginning" "4 shards on 2 ranks"
[ "$(digest)" = "$want" ] || fail "on the hosts left it ends with $(digest), undisturbed with $want"

# What starting again cannot mend is not started again; what dies every time is given up.
expect 78 "$futago" run --pause 0 -- $mpirun -n 5 "$futago" train c.yaml $long --set run=five
says "5 ranks for 4 shards"
[ "$(grep -c 'starting again' err)" -eq 0 ] || fail "a bad configuration was started again"
expect 66 "$futago" run --pause 0 -- no-such-mpirun -n 2 "$futago" train c.yaml
says "no-such-mpirun: no such program in PATH"
expect 64 "$futago" run --pause 0 -- $mpirun -n 2 sh -c true
says "name the run folder with --run"
expect 137 "$futago" run --pause 0 --restarts 2 --run nothing -- sh -c 'kill -9 $$'
says "giving up after 2 restarts with no new checkpoint"
[ "$(grep -c 'starting again' err)" -eq 2 ] || fail "not 2 restarts"
expect 3 "$futago" run --pause 0 --run nothing -- sh -c 'exit 3'
says "exit status 3, which is none of futago's"
