# Who may include what (CONTRIBUTING.md): the map's direction, third-party headers in their one place, private headers at home,
# includes written from the root. Also: no #ifdef on optional libraries, since CMake picks files.
# Usage: include_law.sh [BINARY_DIR [ROOT]]
set -eu
cd "${2:-.}"
failed=0

complain()
{
    printf '%s\n' "$1"
    failed=1
}

# allowed FOLDER: extended pattern of the project headers that files of the folder may include.
allowed()
{
    case $1 in
    core/base) echo 'core/base/' ;;
    core/tensor) echo 'core/(base|tensor)/' ;;
    core/backend*) echo 'core/(base|tensor|backend)/' ;;
    core/loss) echo "core/(base|tensor)/|core/backend/(backend|row_formulas)\.h|$1/" ;;
    core/nn | core/miner | core/optim | core/sched | core/metric) echo "core/(base|tensor)/|core/backend/backend\.h|$1/" ;;
    core/backbone) echo 'core/(base|tensor|nn|backbone)/|core/backend/backend\.h' ;;
    dist/nccl) echo 'core/(base|tensor)/|core/backend/backend\.h|dist/' ;;
    data | dist) echo "core/(base|tensor)/|core/backend/backend\.h|$1/" ;;
    launch) echo 'core/|data/|dist/|launch/' ;;
    *) complain "$1: a folder that tests/lint/include_law.sh does not know" ;;
    esac
}

for folder in $(git ls-files core data dist launch | grep -E '\.(c|h|inc|def|cuh?)$' | xargs -n 1 dirname | sort -u); do
    law=$(allowed "$folder")
    bad=$(grep -nE '^ *# *include "' "$folder"/*.c "$folder"/*.h "$folder"/*.inc "$folder"/*.cu "$folder"/*.cuh 2>/dev/null |
        grep -vE "\"($law)|\"generated/|\"[a-z_]+\.(def|inc)\"|^core/backend/cuda/.*\"gpu_kernel\.h\"" || true)
    [ -z "$bad" ] || complain "$folder may not include:
$bad"
done

# third HEADER_PATTERN FOLDER_PATTERN: a library's header and the only files that may see it.
third()
{
    local bad
    bad=$(grep -rnE "^ *# *include <($1)" core data dist launch --include=*.c --include=*.h --include=*.inc --include=*.cu --include=*.cuh | grep -vE "^($2)" || true)
    [ -z "$bad" ] || complain "only $2 may include <$1>:
$bad"
}
third 'hdf5' 'data/h5(_seal)?\.[ch]:|data/h5[a-z_]*\.[ch]:'
third 'turbojpeg|jpeglib|jerror|spng|webp/' 'data/image_[a-z]+\.[ch]:'
third 'mpi\.h' 'dist/comm_mpi[a-z_]*\.[ch]:'
third 'oneapi/|dnnl' 'core/backend/cpu/'
third 'omp\.h|immintrin' 'core/backend/cpu/'
third 'cuda|cublas|cudnn' 'core/backend/cuda/'
third 'cuda_(fp16|bf16)|cooperative_groups|mma\.h|cub/' 'core/backend/cuda/nvcc/'
third 'nccl' 'dist/nccl/'
third 'dlfcn\.h' 'core/base/module\.c:|launch/doctor_[a-z]+\.c:'
third 'yaml\.h' 'core/base/yaml\.c:'
third 'xxhash' 'core/base/hash\.c:|data/'
third 'cjson/' 'core/base/|core/nn/safetensors\.c:|core/nn/weights\.c:|launch/'

known='assert|cpuid|ctype|cublasLt|cuda_[a-z0-9_]+|cudnn|dirent|dlfcn|errno|fcntl|fenv|float|ftw|immintrin|inttypes|jerror|jpeglib|limits|math|mpi|hdf5|ifaddrs|nccl|netdb|omp|pthread|sched|setjmp|signal|spawn|spng|stdalign|stdarg|stdatomic|stdbool|stddef|stdint|stdio|stdlib|string|strings|time|turbojpeg|unistd|xxhash|yaml'
bad=$(grep -rnE '^ *# *include <' core data dist launch --include=*.c --include=*.h --include=*.inc --include=*.cu --include=*.cuh |
    grep -vE "include <(($known)\.h|net/if\.h|sys/[a-z]+\.h|cjson/cJSON\.h|oneapi/dnnl/dnnl\.h|webp/decode\.h)>" || true)
[ -z "$bad" ] || complain "a library that README's table of dependencies does not have:
$bad"

# Headers that end in _impl.h stay in their folder (a backend's and the simd sub-folder share theirs).
bad=$(grep -rnE '^ *# *include "[a-z0-9_/]*_impl\.h"' core data dist launch --include=*.c --include=*.h --include=*.inc --include=*.cu --include=*.cuh |
    awk -F: '{ file = $1; sub("/[^/]*$", "", file); match($0, /"[^"]*"/); inc = substr($0, RSTART + 1, RLENGTH - 2); sub("/[^/]*$", "", inc);
               if (index(file "/", inc "/") != 1) print }')
[ -z "$bad" ] || complain "a private header outside its folder:
$bad"

bad=$(grep -rnE '^ *# *(if|ifdef|ifndef|elif).*(HAVE_|FUT_WITH_|USE_[A-Z]|MPI_|DNNL_[A-Z]+_VERSION|CUDA)' core data dist launch --include=*.c --include=*.h --include=*.inc --include=*.cu --include=*.cuh |
    grep -vE '#ifndef FUT_[A-Z0-9_]+_(CU)?H$' || true)
[ -z "$bad" ] || complain "no preprocessor condition on a library; let CMake pick the file:
$bad"
exit $failed
