#!/bin/bash
# Everything that only a real GPU can say, in one run on a bare machine: builds preset cuda, runs the kernels' conformance suite, gradient
# checks, sanitizers and end-to-end tests on the GPUs, NCCL on all of them, then benchmarks futago beside PyTorch.
#
#   tests/gpu/run.sh [--out DIR] [--prefix DIR] [--python PYTHON] [--build DIR] [--all-architectures] [--quick] [--rehearse]
#                    [STAGE...]
#
#   --out DIR      where logs, results.json and table.txt go; default runs/gpu-<date>. Named again, it gathers the stages of several runs
#   --prefix DIR   the other libraries, unpacked there by tests/gpu/libraries.sh; default: installed (launch/install_packages.sh)
#   --python P     a Python with torch and timm, for the stage torch; default python3
#   --build DIR    a build folder that is there already; leave out the stage build. Default: build/cuda, made by that stage
#   --quick        one size and batch a network in the benchmarks
#   --rehearse     no GPU: the GPU double instead, tiny benchmarks. Proves the script, says nothing about speed
#   STAGE          of: machine build doctor conformance sanitizer e2e nccl bench torch; default: all of them
#
# NETWORKS, SIZES, BATCHES and PRECISIONS say what the benchmarks measure, e.g. NETWORKS=resnet50 BATCHES="64 128".
# Needs: CUDA 12.8 or newer, cuDNN 9, NCCL (also those of Python's nvidia-* packages), cmake, ninja, gcc, g++. No network.
# Every stage says pass, fail or skip and why, and the next one runs all the same. Exit status 0: nothing failed.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 70
root=$PWD

out=runs/gpu-$(date -u +%Y%m%d-%H%M%S) prefix='' python=python3 build='' architectures='' quick=0 rehearse=0 stages=''
while [ $# -gt 0 ]; do
    case $1 in
    --out) out=$2 && shift ;;
    --prefix) prefix=$(realpath "$2") && shift ;;
    --python) python=$2 && shift ;;
    --build) build=$(realpath "$2") && shift ;;
    --all-architectures) architectures='80-real;90-real;100-real;120' ;;
    --quick) quick=1 ;;
    --rehearse) rehearse=1 ;;
    --help | -h) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0" && exit 0 ;;
    -*) echo "run.sh: there is no option $1; --help lists them" >&2 && exit 64 ;;
    *) stages="$stages $1" ;;
    esac
    shift
done
known='machine build doctor conformance sanitizer e2e nccl bench torch'
for stage in $stages; do
    case " $known " in *" $stage "*) ;; *) echo "run.sh: there is no stage $stage; they are: $known" >&2 && exit 64 ;; esac
done
mkdir -p "$out" && out=$(realpath "$out") || exit 73
preset=cuda
[ "$rehearse" = 0 ] || preset=dev
[ -n "$build" ] || build=$root/build/$preset
. tests/gpu/environment.sh

gpus=$(nvidia-smi -L 2>/dev/null | grep -c '^GPU ' || true)
if [ "$rehearse" = 1 ]; then
    gpus=4
    export FUTAGO_MODULES=$build/double GPU_DOUBLE_DEVICES=4
else
    export FUT_TEST_GPU=1
fi

# ---- stages: exit status 0 pass, 77 skip (the last line of the log says why), else fail

stage_machine()
{
    date -u
    uname -srm
    nproc
    nvidia-smi || { [ "$rehearse" = 1 ] || { echo 'nvidia-smi does not work: is there a GPU and its driver?'; return 1; }; }
    nvidia-smi topo -m 2>/dev/null
    nvcc --version | tail -n 2
    cmake --version | head -n 1
    gcc --version | head -n 1
}

stage_build()
{
    local options=()
    [ -n "$architectures" ] || architectures=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null | sort -u | sed 's/\.//; s/$/-real/' | paste -sd ';')
    # Unknown cards: what the preset builds for.
    [ -z "$architectures" ] || options+=("-DCMAKE_CUDA_ARCHITECTURES=$architectures")
    cmake --preset $preset -B "$build" "${options[@]}" "${cmake_options[@]}" && cmake --build "$build"
}

stage_doctor()
{
    "$build/futago" doctor
}

stage_conformance()
{
    local label=gpu
    [ "$rehearse" = 0 ] || label=cuda
    ctest --test-dir "$build" -L "^$label\$" --output-on-failure --no-tests=error --timeout 600
}

# Out-of-bounds and misaligned accesses, races in shared memory, barriers that not all threads reach: of every kernel, by the conformance suite.
stage_sanitizer()
{
    command -v compute-sanitizer >/dev/null || { echo 'compute-sanitizer is not here (it comes with the CUDA toolkit)'; return 77; }
    [ "$rehearse" = 0 ] || { echo 'needs a GPU'; return 77; }
    local tool failed=0
    for tool in memcheck racecheck synccheck; do
        FUT_TEST_BACKEND=cuda timeout 1200 compute-sanitizer --tool $tool --error-exitcode 99 "$build/test_conformance_kernels" || failed=1
    done
    return $failed
}

# The script tests that say they run on a real GPU too.
stage_e2e()
{
    local script failed=0 ran=0 status
    for script in $(grep -l 'FUT_TEST_GPU=1' tests/e2e/*.sh tests/fault/*.sh); do
        ran=$((ran + 1)) status=0
        echo "== $script"
        timeout 1200 bash "$script" "$build" || status=$?
        case $status in 0) ;; 77) echo "$script: skipped" ;; *) echo "$script: failed with $status" && failed=1 ;; esac
    done
    [ $ran -gt 0 ] || { echo 'no script test runs on a GPU'; return 77; }
    return $failed
}

# The communicator's conformance suite and doctor's all-reduce, on 1, 2, 4 ... and all GPUs.
stage_nccl()
{
    [ "$gpus" -gt 0 ] || { echo 'no GPU'; return 77; }
    local n failed=0
    for n in $(for i in 1 2 4 8 16 "$gpus"; do [ "$i" -gt "$gpus" ] || echo "$i"; done | sort -nu); do
        echo "== $n GPUs"
        FUT_TEST_BACKEND=cuda timeout 600 sh launch/mpirun.sh "$n" "$build/test_conformance_comm" || failed=1
        timeout 300 sh launch/mpirun.sh "$n" "$build/futago" doctor --json >"$out/doctor-$n.json" || failed=1
        grep -o '"name": "NCCL[^}]*' "$out/doctor-$n.json"
    done
    [ "$gpus" -gt 1 ] || echo 'one GPU: nothing is said about the links between several'
    return $failed
}

networks='tf_efficientnetv2_b0 resnet50' image_sizes='112 224' batches='64 128 256 512' precisions=bf16 steps=30
[ "$quick" = 0 ] || { image_sizes=112 batches=256; }
[ "$rehearse" = 0 ] || { networks=tiny image_sizes=16 batches=16 steps=4; }
networks=${NETWORKS:-$networks} image_sizes=${SIZES:-$image_sizes} batches=${BATCHES:-$batches} precisions=${PRECISIONS:-$precisions}

# each COMMAND...: runs it with BACKBONE SIZE BATCH PRECISION behind, for every combination.
each()
{
    local network size batch precision failed=0
    for network in $networks; do
        for size in $image_sizes; do
            for batch in $batches; do
                for precision in $precisions; do
                    "$@" "$network" "$size" "$batch" "$precision" || failed=1
                done
            done
        done
    done
    return $failed
}

bench_one()
{
    echo "== $*"
    timeout 300 "$build/futago" bench --json --steps $steps --set backend=cuda --set "model.backbone=$1" --set "data.size=$2" --set "train.batch=$3" \
        --set "precision=$4" >"$out/bench.one" || { echo "failed: futago bench $*"; return 1; }
    tr '\n' ' ' <"$out/bench.one" | sed "s/^/{\"program\": \"futago\", \"mode\": \"futago\", \"backbone\": \"$1\", \"size\": $2, \"batch\": $3, \"precision\": \"$4\", \"result\": /; s/\$/}\n/" |
        tee -a "$out/bench.jsonl"
}

stage_bench()
{
    "$build/futago" bench --help >/dev/null 2>&1 || { echo 'this futago has no command bench'; return 77; }
    each bench_one
}

torch_one()
{
    local mode failed=0
    for mode in eager compile; do
        echo "== $* $mode"
        timeout 600 "$python" tests/gpu/torch_step.py "$@" $mode $steps | tee -a "$out/bench.jsonl" || { echo "failed: torch_step.py $* $mode"; failed=1; }
    done
    return $failed
}

stage_torch()
{
    "$python" -c 'import torch, timm' || { echo "$python has no torch and timm (--python names another)"; return 77; }
    local networks=$networks
    [ "$rehearse" = 0 ] || networks=resnet10t # timm has no tiny
    each torch_one
}

# ---- run them

failures=0
run_stage()
{
    local name=$1 begun status=0 verdict why=''
    begun=$(date +%s)
    printf '%-12s ' "$name"
    "stage_$name" >"$out/$name.log" 2>&1 || status=$?
    case $status in
    0) verdict=pass ;;
    77) verdict=skip why=$(tail -n 1 "$out/$name.log") ;;
    *) verdict=fail why="exit status $status, see $out/$name.log: $(grep -iE 'error|fail|cannot' "$out/$name.log" | tail -n 1 | cut -c 1-160)" && failures=$((failures + 1)) ;;
    esac
    printf '%s\t%s\t%d\t%s\n' "$name" $verdict $(($(date +%s) - begun)) "$why" >>"$out/stages.tsv"
    printf '%s  %d s%s\n' $verdict $(($(date +%s) - begun)) "${why:+  ($why)}"
}

for stage in ${stages:-$known}; do
    run_stage "$stage"
done
"$python" tests/gpu/report.py "$out" && cat "$out/table.txt"
echo "logs, results.json and table.txt: $out"
[ $failures -eq 0 ] || echo "$failures stages failed"
[ $failures -eq 0 ]
