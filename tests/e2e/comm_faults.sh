# Misfortune of one rank ends the whole job, in time, with an exit code that a scheduler can act on, and leaves no process behind: over MPI,
# and over NCCL on the GPU double.
. tests/support/script.sh "$1"
program=$(dirname "$futago")/test_conformance_comm
[ -x "$program" ] || skip "test_conformance_comm is not built"
deadline=1 # s; DEADLINE_S of the program

# misfortune WHAT RANK RANKS EXIT_CODES FROM_MS TO_MS
misfortune()
{
    local started took pid got=0
    started=$(date +%s%N)
    ranks "$3" "$program" "$1" "$2" >out 2>err </dev/null || got=$?
    took=$((($(date +%s%N) - started) / 1000000))
    case " $4 " in *" $got "*) ;; *) fail "$1 of rank $2 of $3: exit code $got, expected $4" ;; esac
    [ "$took" -ge "$5" ] && [ "$took" -le "$6" ] || fail "$1 of rank $2 of $3: ended after $took ms, expected $5 to $6"
    [ "$(grep -c '^pid ' err)" -eq "$3" ] || fail "$1 of rank $2 of $3: not every rank began"
    for pid in $(sed -n 's/^pid //p' err); do
        for _ in $(seq 500); do
            is_running "$pid" || break
            sleep 0.01
        done
        if is_running "$pid"; then fail "$1 of rank $2 of $3: process $pid lives on"; fi
        if grep -q "gpu-double-nccl-$pid-" /proc/net/unix; then fail "$1 of rank $2 of $3: a socket of process $pid is left behind"; fi
    done
}

start_ms=15000 # mpirun's own start, on a busy machine; a hang would last for ever
late_ms=$((deadline * 1000 + 2000 + start_ms))

# misfortunes KILLED END: what may happen to a rank; exit codes after a kill, and the wait at the end of which a stopped rank is missed.
misfortunes()
{
    local case rank size
    for case in "1 2" "0 3"; do
        rank=${case% *} size=${case#* }
        misfortune stop "$rank" "$size" 74 $((deadline * 1000)) $late_ms
        says "of $size waited $deadline s for 'step': another rank is stopped, hung or gone" "no answer from rank $rank on host $(hostname)"
        misfortune late "$rank" "$size" 74 $((deadline * 1000)) $late_ms
        says "of $size waited $deadline s for '$2'"
        misfortune kill "$rank" "$size" "$1" 0 $((2500 + start_ms))
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
}

misfortunes 137 "end of the run"
[ -e "$(dirname "$futago")/double/futago_nccl.so" ] || { echo "NCCL: not tested, the GPU double's modules are not built"; exit 0; }

on_cuda
export FUT_TEST_BACKEND=cuda
misfortunes "137 74" "end of NCCL" # 74: a rank missed the killed one before mpirun did
# A collective that never completes on one rank's GPU; one that never completes where there is no other rank.
GPU_DOUBLE_STALL=ncclAllReduce:4@1 misfortune none 0 2 74 $((deadline * 1000)) $late_ms
says "of 2 waited $deadline s for 'step': another rank is stopped, hung or gone"
GPU_DOUBLE_STALL=ncclAllReduce:1@1 misfortune none 0 2 74 $((deadline * 1000)) $late_ms
says "of 2 waited $deadline s for 'first contact of the GPUs'"
GPU_DOUBLE_STALL=ncclAllReduce:4 expect 74 "$program" none 0
says "rank 0 of 1 waited $deadline s for 'step': the device does not answer" "last words: step: waited $deadline s"
# A rank that never comes to the start.
GPU_DOUBLE_FAIL=ncclCommInitRankConfig:1=hang@1 misfortune none 0 2 74 $((deadline * 1000)) $late_ms
says "rank 0 of 2 waited $deadline s for 'agreement'"
# A rank's network dies: every other rank hears of it and says where it noticed; it gives 3 s to a rank that has more to say.
GPU_DOUBLE_SEVER=ncclSend:4@1 misfortune none 0 3 74 3000 $((4000 + start_ms))
says "of 3 on host" ": NCCL: remote process exited or there was a network error: connection to rank"
# Two ranks on one GPU, GPUs of two models: all ranks agree and leave.
misfortune share 0 3 78 0 $start_ms
says "rank 0 and rank 1 on host" "share one GPU" "CUDA_VISIBLE_DEVICES"
GPU_DOUBLE_NAMES=A100,H100 misfortune none 0 3 78 0 $start_ms
says "GPUs of different models (A100 on 1 rank, first rank 0 on host" "; H100 on 2 ranks, first rank 1 on host"
# One machine lacks NCCL's module: all ranks hear of it.
mkdir no_nccl
ln -s "$FUTAGO_MODULES/futago_cuda.so" no_nccl/
FUTAGO_MODULES=$PWD/no_nccl misfortune none 0 2 78 0 $start_ms
says "there is no futago_nccl.so in $PWD/no_nccl"
# Killed while NCCL starts, and while it ends.
for entry in ncclCommInitRankConfig ncclCommFinalize; do
    GPU_DOUBLE_FAIL=$entry:1=die@1 misfortune none 0 2 "137 74" 0 $((2500 + start_ms))
done
