# What a user may get wrong with GPUs: each with what was found, and what to do.
. tests/support/script.sh "$1"
[ "${FUT_TEST_GPU:-0}" = 0 ] || skip "a real GPU cannot pretend to be another"
on_cuda
export XDG_CACHE_HOME="$tmp/cache"
make_faces faces faces.h5 25 8
write_config c.yaml
train="$futago train c.yaml --set train.steps=2 --set eval.every=0"

expect 78 $train --set backend=cuda2
says "did you mean 'cuda'"
expect 78 $train --set precision=bf61
says "did you mean bf16"
expect 78 $train --set backend=cpu --set precision=f16
says "f16"

# No GPU to be had, each for its own reason.
CUDA_VISIBLE_DEVICES= expect 78 $train --set backend=cuda
says "CUDA_VISIBLE_DEVICES"
GPU_DOUBLE_DRIVER=0 expect 78 $train --set backend=cuda
says "no NVIDIA driver"
GPU_DOUBLE_DRIVER=11080 expect 78 $train --set backend=cuda
says "11.8" "driver"
GPU_DOUBLE_DEVICES=0 expect 0 $train --set backend=auto --set run=auto
says "not used: backend cuda" "backend cpu on"

# Too small for the batch: what it needs, what is there, what would fit.
GPU_DOUBLE_MEMORY=60000000 expect 71 $train --set backend=cuda --set model.embedding=8 --set data.size=128 --set train.batch=128
says "photos a shard fit" "GiB free"

# Ranks and GPUs that do not match.
GPU_DOUBLE_DEVICES=1 expect 78 ranks 2 $train --set backend=cuda
says "2 ranks" "1 GPU"
mkdir lonely && cp "$FUTAGO_MODULES"/futago_cuda.so "$FUTAGO_MODULES"/libgpu_double.so lonely/
FUTAGO_MODULES="$tmp/lonely" expect 78 ranks 2 $train --set backend=cuda
says "futago_nccl.so"
FUTAGO_MODULES="$tmp/lonely" expect 0 $train --set backend=cuda --set run=single
rm lonely/futago_cuda.so
FUTAGO_MODULES="$tmp/lonely" expect 78 $train --set backend=cuda
says "futago_cuda.so"

# A cache of algorithms of another card is left alone, a damaged one is named and made anew.
expect 0 $train --set backend=cuda --set run=first
cache=$(ls "$tmp"/cache/futago/* | head -n 1)
[ -s "$cache" ] || fail "no cache of algorithms"
GPU_DOUBLE_NAMES="Another card" expect 0 $train --set backend=cuda --set run=second
[ "$(ls "$tmp"/cache/futago | wc -l)" -eq 2 ] || fail "another card's algorithms went into $(ls "$tmp"/cache/futago)"
printf 'nonsense\n' >"$cache"
expect 0 $train --set backend=cuda --set run=third
says "$(basename "$cache")"
