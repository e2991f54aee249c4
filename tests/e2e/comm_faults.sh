# Misfortune of one rank ends the whole job, in time, with an exit code that a scheduler can act on, and leaves no process behind.
. tests/support/script.sh "$1"
program=$(dirname "$futago")/test_conformance_comm
[ -x "$program" ] || skip "test_conformance_comm is not built"
deadline=1 # s; DEADLINE_S of the program

# misfortune WHAT RANK RANKS EXIT_CODE FROM_MS TO_MS
misfortune()
{
    local started took pid
    started=$(date +%s%N)
    expect "$4" ranks "$3" "$program" "$1" "$2"
    took=$((($(date +%s%N) - started) / 1000000))
    [ "$took" -ge "$5" ] && [ "$took" -le "$6" ] || fail "$1 of rank $2 of $3: ended after $took ms, expected $5 to $6"
    [ "$(grep -c '^pid ' err)" -eq "$3" ] || fail "$1 of rank $2 of $3: not every rank began"
    for pid in $(sed -n 's/^pid //p' err); do
        for _ in $(seq 500); do
            is_running "$pid" || break
            sleep 0.01
        done
        if is_running "$pid"; then fail "$1 of rank $2 of $3: process $pid lives on"; fi
    done
}

start_ms=15000 # mpirun's own start, on a busy machine; a hang would last for ever
for case in "1 2" "0 3"; do
    rank=${case% *} size=${case#* }
    misfortune stop "$rank" "$size" 74 $((deadline * 1000)) $((deadline * 1000 + 2000 + start_ms))
    says "of $size waited $deadline s for 'step': another rank is stopped, hung or gone"
    misfortune late "$rank" "$size" 74 $((deadline * 1000)) $((deadline * 1000 + 2000 + start_ms))
    says "of $size waited $deadline s for 'end of the run'"
    misfortune kill "$rank" "$size" 137 0 $((2500 + start_ms))
    misfortune fail "$rank" "$size" 71 0 $((1000 + start_ms))
    says "[$rank/$size] error: no memory for step 5"
    misfortune agree "$rank" "$size" 75 0 $((1000 + start_ms))
    [ "$(grep -c '^last words' err)" -eq 1 ] || fail "the error of rank $rank of $size was not said once"
    if [ "$rank" -eq 0 ]; then says "last words: stopped on request"; else says "last words: rank $rank: stopped on request"; fi
done
# Alone and without mpirun the same program ends by itself.
expect 71 "$program" fail 0
expect 75 "$program" agree 0
expect 0 env SLURM_STEP_NUM_TASKS=1 "$program" none 0
