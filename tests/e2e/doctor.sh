# `futago doctor` where there is nothing, where there is everything, and where something is wrong. It never fails for what is missing.
. tests/support/script.sh "$1"
mkdir empty

# finds MARK NAME TEXT...: a finding of this mark and name, whose line has the texts.
finds()
{
    local mark=$1 name=$2 line text
    shift 2
    line=$(grep -E "^  $mark +$name " out || true)
    [ -n "$line" ] || fail "no finding '$mark $name'"
    for text in "$@"; do
        case $line in *"$text"*) ;; *) fail "the finding of $name does not say: $text" ;; esac
    done
}

# ---- a machine without a GPU
FUTAGO_MODULES=$tmp/empty expect 0 "$futago" doctor
finds ok futago "interface" "build by"
finds ok MPI "Open MPI"
finds ok HDF5 "1."
finds ok oneDNN "oneDNN"
finds ok "backend cpu" "thread"
finds '(ok|warn)' "/dev/shm" GiB
finds '(ok|warn)' "open files"
finds '(-|BAD)' "module futago_cuda" "there is no futago_cuda.so in $tmp/empty"
grep -qE '^[0-9]+ warnings?, [0-9]+ problems?$' out || fail "no last line with counts"
if [ ! -e /dev/nvidiactl ]; then
    finds - driver "libcuda.so.1"
    says "install its driver"
fi
FUTAGO_MODULES=$tmp/empty expect 0 "$futago" doctor --json
says '{"nodes": [{"host": "' '"section": "GPU", "mark": "' '"problems": '
[ ! -x /usr/bin/python3 ] || /usr/bin/python3 -m json.tool out >json || fail "that is no JSON"

# ---- limits and leftovers
(ulimit -n 256; FUTAGO_MODULES=$tmp/empty expect 0 "$futago" doctor)
finds warn "open files" 256
says "ulimit -n 65536"
leftover=/dev/shm/nccl-futago-test-$$
head -c 1048576 /dev/zero >"$leftover"
at_exit="rm -f $leftover"
FUTAGO_MODULES=$tmp/empty NCCL_P2P_DISABLE=1 expect 0 "$futago" doctor
finds warn leftovers "runs that were killed"
finds warn NCCL_P2P_DISABLE 1
rm -f "$leftover"

# ---- usage
expect 64 "$futago" doctor --jsn
says "did you mean"
expect 0 "$futago" doctor --help

[ -e "$(dirname "$futago")/double/futago_nccl.so" ] || fail "the GPU double's modules are not built"
export FUTAGO_MODULES="$(dirname "$futago")/double"

# ---- four GPUs
expect 0 "$futago" doctor
finds ok "CUDA runtime" "built with"
finds ok cuDNN "built with 9."
finds ok NCCL "built with 2."
for i in 0 1 2 3; do
    finds ok "GPU $i" "compute capability" "GiB free" "GPU-"
done
finds ok links "every GPU reaches every other directly (6 pairs)"

# ---- what can be wrong with them
GPU_DOUBLE_DEVICES=0 expect 0 "$futago" doctor
finds - GPUs "none"
CUDA_VISIBLE_DEVICES= expect 0 "$futago" doctor
finds warn CUDA_VISIBLE_DEVICES '""'
says "unset it"
CUDA_VISIBLE_DEVICES=2,3 expect 0 "$futago" doctor
finds ok "GPU 1" GPU-
! grep -q "GPU 2 " out || fail "a hidden GPU is shown"
GPU_DOUBLE_NAMES="Card A,Card B" expect 0 "$futago" doctor
finds warn models "GPU 1 is a Card B, GPU 0 a Card A"
GPU_DOUBLE_DRIVER=12040 expect 0 "$futago" doctor
finds BAD driver "knows CUDA up to 12.4, this build needs 13.0"
says "update the driver"
GPU_DOUBLE_FAIL=cudaMemGetInfo:2=46 expect 0 "$futago" doctor
finds BAD "GPU 1" "cudaMemGetInfo: cudaErrorDevicesUnavailable"
says "nvidia-smi --gpu-reset"

# ---- ranks: the host's sums, and NCCL's between the GPUs
expect 0 ranks 2 "$futago" doctor
finds ok "host 64 KiB" "2 ranks" "GB/s a rank"
finds ok "NCCL 64 MiB" "2 ranks" "GB/s a rank"
GPU_DOUBLE_DEVICES=1 expect 0 ranks 2 "$futago" doctor
finds - NCCL "fewer usable GPUs than ranks"
says "start one rank a GPU"
GPU_DOUBLE_FAIL=ncclCommInitRankConfig:1=2 expect 0 ranks 2 "$futago" doctor --json
says '"all_reduce": [{"section": "all-reduce"' '"mark": "bad", "name": "NCCL", "text": "' 'run again with NCCL_DEBUG=INFO'
