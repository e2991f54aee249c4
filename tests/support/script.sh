# What script tests share; sourced as `. tests/support/script.sh "$1"`, with the binary folder.
# A test runs in a temporary folder $tmp, removed at its end, with $futago and `ranks N COMMAND...` (mpirun).
set -eu
futago=$(realpath "$1")/futago
source_dir=$PWD
tmp=$(mktemp -d "${TMPDIR:-/tmp}/futago-test-XXXXXX")
at_exit=
trap 'status=$?; eval "$at_exit"; rm -rf "$tmp"; exit $status' EXIT
cd "$tmp"
export OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive TMPDIR="$tmp" XDG_CACHE_HOME="$tmp/cache"

fail()
{
    printf 'FAILED: %s\n' "$*" >&2
    [ -f out ] && sed 's/^/  out: /' out >&2
    [ -f err ] && tail -n 40 err | sed 's/^/  err: /' >&2
    exit 1
}

skip()
{
    printf 'skipped: %s\n' "$*"
    exit 77
}

ranks()
{
    timeout -k 5 120 "$source_dir/launch/mpirun.sh" "$@"
}

# on_cuda: what follows finds the modules of the GPU double; with FUT_TEST_GPU=1 those of a real GPU, beside the program. The double takes
# no pauses: it finds a missing wait whatever the timing.
on_cuda()
{
    if [ "${FUT_TEST_GPU:-0}" = 1 ]; then unset FUTAGO_MODULES; return; fi
    export GPU_DOUBLE_DELAY_US=0
    export FUTAGO_MODULES="$(dirname "$futago")/double"
    [ -e "$FUTAGO_MODULES/futago_cuda.so" ] || fail "the GPU double's modules are not built"
}

# expect EXIT_CODE COMMAND...: output in ./out, messages in ./err.
expect()
{
    local want=$1 got=0
    shift
    "$@" >out 2>err </dev/null || got=$?
    [ "$got" -eq "$want" ] || fail "exit code $got, expected $want: $*"
}

# says TEXT...: each text stands in ./err (or ./out).
says()
{
    local text
    for text in "$@"; do
        grep -qF -- "$text" err || grep -qF -- "$text" out || fail "no message says: $text"
    done
}

# digest: of the model, from the last training's messages.
digest()
{
    sed -n 's/.*model sha256 \([0-9a-f]\{64\}\).*/\1/p' err | tail -n 1
}

# make_faces FOLDER FILE PEOPLE PHOTOS: drawn faces, packed at 16 pixels with an identity split.
make_faces()
{
    "$futago" synth -o "$1" --ids "$3" --images "$4" --size 32 --seed 3 >/dev/null 2>&1
    "$futago" pack "$1" -o "$2" --size 16 --split identity >/dev/null 2>&1
}

# write_config FILE: 2 epochs of 10 steps, the last one short, over 19 people of faces.h5, in milliseconds a step; further settings by --set.
write_config()
{
    cat >"$1" <<'YAML'
run: run
backend: ref
data: {file: faces.h5, size: 16}
model: {backbone: tiny, embedding: 8}
sampler: {m: 4, length: 160}
optimizer: {type: adamw, lr: 1e-3}
train: {epochs: 2, batch: 16, shards: 4, threads: 1, save_steps: 3, log_every: 5}
YAML
}

# Does this process run? One that ended and was not reaped does not.
is_running()
{
    local state
    state=$(sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "/proc/$1/status" 2>/dev/null || true)
    [ -n "$state" ] && [ "$state" != Z ]
}
