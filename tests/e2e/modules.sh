# The program starts without any of NVIDIA's libraries; a module that is missing, of another build or without its libraries is refused with
# the loader's reason and what to do, and `auto` then takes the CPU and says why.
. tests/support/script.sh "$1"
build=$(dirname "$futago")
make_faces faces faces.h5 25 8
write_config c.yaml
mkdir empty old needy unfinished foreign

# on_cuda_says EXIT_CODE FOLDER TEXT...: training on cuda with the modules of FOLDER ends so.
on_cuda_says()
{
    local want=$1
    export FUTAGO_MODULES=$2
    shift 2
    expect "$want" "$futago" train c.yaml --set backend=cuda
    says "$@"
    unset FUTAGO_MODULES
}

# ---- the program is linked to none of it
objdump -p "$futago" | sed -n 's/.*NEEDED *//p' >needed
[ -s needed ] || fail "objdump lists no libraries"
! grep -E 'cuda|cudnn|cublas|nccl' needed || fail "the program does not start without these"

# ---- no module
on_cuda_says 78 "$tmp/empty" "there is no futago_cuda.so in $tmp/empty: build preset cuda, or set FUTAGO_MODULES"

# ---- a module of another build
echo 'const char *fut_module_stamp(void) { return "0.0.1, interface 00000000"; }' >old.c
gcc -shared -fPIC old.c -o old/futago_cuda.so
on_cuda_says 78 "$tmp/old" "old/futago_cuda.so is of another futago: 0.0.1, interface 00000000, and this program is" "build and install both together"
echo 'int nothing_of_futago;' >foreign.c
gcc -shared -fPIC foreign.c -o foreign/futago_cuda.so
on_cuda_says 78 "$tmp/foreign" "is of another futago: none"

# ---- a module without its library: the library is named
gcc -shared -fPIC foreign.c -o libcudnn_of_nobody.so.9 -Wl,-soname,libcudnn_of_nobody.so.9
gcc -shared -fPIC old.c -Wl,--no-as-needed ./libcudnn_of_nobody.so.9 -o needy/futago_cuda.so
rm libcudnn_of_nobody.so.9
on_cuda_says 78 "$tmp/needy" "libcudnn_of_nobody.so.9: cannot open shared object file" "install that library, or name its folder in LD_LIBRARY_PATH"

# ---- a module that lacks the function: a fault of ours, not of the machine
stamp=$(FUTAGO_MODULES=$tmp/empty "$futago" doctor | sed -n 's/^ *ok *futago *\(.*interface [0-9a-f]*\), .*/\1/p')
[ -n "$stamp" ] || fail "doctor does not show the stamp"
echo "const char *fut_module_stamp(void) { return \"$stamp\"; }" >unfinished.c
gcc -shared -fPIC unfinished.c -o unfinished/futago_cuda.so
on_cuda_says 70 "$tmp/unfinished" "undefined symbol: fut_cuda_module_create"

# ---- auto goes on with the CPU, and says why not with the GPU
FUTAGO_MODULES=$tmp/empty expect 0 "$futago" train c.yaml --set backend=auto --set run=auto
says "cuda" "there is no futago_cuda.so in $tmp/empty" "backend cpu"

# ---- the real module, where it was built: without a GPU the driver's own reason ends the run
if [ -e "$build/futago_cuda.so" ] && [ ! -e /dev/nvidiactl ]; then
    expect 78 "$futago" train c.yaml --set backend=cuda
    says "no NVIDIA driver" "CUDA driver version is insufficient for CUDA runtime version"
fi

# ---- the double needs nothing of NVIDIA's: none of its objects saw a header of a toolkit
if [ -e "$build/build.ninja" ] && command -v ninja >/dev/null; then
    ninja -C "$build" -t deps >deps
    awk '/^[^ ].*: #deps/ { object = $1 } /^ / && object ~ /(double_futago|gpu_double\.dir)/ { print object, $1 }' deps >seen
    grep -q 'gpu_double/include/cudnn.h' seen || fail "the double's objects were not built from its own headers"
    ! grep -E ' /usr/local/| .*/cuda-?[0-9.]*/include' seen || fail "the double was compiled with NVIDIA's headers"
fi
