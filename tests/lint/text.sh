# Rules that a search can hold: banned functions, length of files, words that mean "not finished", tabs and trailing blanks,
# formatting by clang-format 14.
set -eu
cd "${2:-.}"
failed=0
sources=$(git ls-files core data dist launch tests | grep -E '\.(c|h|inc|cu|cpp)$' | while read -r f; do [ ! -f "$f" ] || echo "$f"; done)
product=$(echo "$sources" | grep -v '^tests/')

# search PATTERN WHAT FILES: every hit is a failure. Comment lines are let through for functions.
search()
{
    local bad
    # shellcheck disable=SC2086
    bad=$(grep -nE "$1" $3 /dev/null | grep -vE "${4:-^$}" || true)
    if [ -n "$bad" ]; then
        printf '%s:\n%s\n' "$2" "$bad"
        failed=1
    fi
}
comment='^[^:]*:[0-9]+: *(/?\*|//)'
search '\b(strcpy|strcat|sprintf|vsprintf|gets|strtok|atoi|atof)\(' 'banned function' "$product" "$comment"
search '(^|[^a-z_>.])(exit|abort|assert|quick_exit)\(' 'only launch/main.c and tests may end the process' "$product" "$comment|^launch/main\.c:"
search '\b(gettimeofday|CLOCK_REALTIME|time\(NULL\))' 'waits use the monotonic clock, which nobody sets' "$(printf '%s\n' $product | grep -E '^(dist|launch|data)/')" "$comment|^dist/flight\.c:.*&utc"
search '\b_exit\(' 'only the watchdog and the signal handler may end the process at once' "$product" "$comment|^(dist/comm_mpi|dist/watchdog|launch/signals)\.c:"
search '\b(malloc|calloc|realloc|strdup|strndup)\(' 'memory comes from core/base/mem.h' "$product" "$comment|^core/base/mem\.c:"
search '\b(TO''DO|FIX''ME|X''XX)\b' 'unfinished' "$(git ls-files | grep -vE '^tests/(golden|fuzz)/|^LICENSE' | while read -r f; do [ ! -f "$f" ] || echo "$f"; done)"
search '	' 'tab' "$(echo "$sources" | grep -v '^tests/')"
search ' +$' 'blank at the end of a line' "$sources"

for file in $sources; do
    lines=$(wc -l <"$file")
    [ "$lines" -le 700 ] || { echo "$file: $lines lines, at most 700: split it"; failed=1; }
done
if command -v clang-format-14 >/dev/null; then
    # shellcheck disable=SC2086
    clang-format-14 --dry-run --Werror $(echo "$sources" | grep -E '\.([ch]|cu|cpp)$') || { echo 'run clang-format-14 -i on these'; failed=1; }
else
    echo 'clang-format-14 is missing: formatting not checked'
    failed=1
fi
exit $failed
