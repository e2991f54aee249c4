# Every header compiles alone, twice in a row, as strict C17; public ones as C++17 too (C++17 is skipped without a C++ compiler).
set -eu
cd "${2:-.}"
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
flags="-I. -Itests/support/gpu_double/include -I${1:-build/dev}/generated -D_GNU_SOURCE -Wall -Wextra -Wpedantic -Werror -fsyntax-only $(pkg-config --cflags yaml-0.1 libxxhash libcjson hdf5 ompi-c 2>/dev/null || true)"
list=$(git ls-files core data dist launch | grep '\.h$' | grep -vE 'core/backend/(cpu/simd|cuda/nvcc)/')
check()
{
    printf '#include "%s"\n#include "%s"\n' "$1" "$1" >"$tmp/$2"
}
i=0
for header in $list; do
    i=$((i + 1))
    check "$header" "$i.c"
    case $header in *_impl.h) ;; *) check "$header" "$i.cc" ;; esac
done
[ "$i" -gt 40 ] || { echo "found only $i headers"; exit 1; }
# shellcheck disable=SC2086
ls "$tmp"/*.c | xargs -P 2 -n 8 gcc -std=c17 $flags
if command -v g++ >/dev/null; then
    # shellcheck disable=SC2086
    ls "$tmp"/*.cc | xargs -P 2 -n 8 g++ -std=c++17 -Wno-pedantic $flags
fi
