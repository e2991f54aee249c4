# clang-tidy with the checks of .clang-tidy over the product's sources, from the build's compile commands.
set -eu
build=${1:-build/dev}
cd "${2:-.}"
command -v clang-tidy-14 >/dev/null || { echo 'skipped: no clang-tidy-14'; exit 77; }
[ -f "$build/compile_commands.json" ] || { echo "skipped: no $build/compile_commands.json"; exit 77; }
files=${TIDY_FILES:-$(git ls-files 'core/*.c' 'dist/*.c' 'data/*.c' 'launch/*.c' | grep -v '^core/backend/cpu/simd/')}
# shellcheck disable=SC2086
printf '%s\n' $files | xargs -P "$(nproc)" -n 4 clang-tidy-14 -p "$build" --quiet --extra-arg=-Wno-unknown-warning-option 2>/dev/null
