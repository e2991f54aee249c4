# No writable globals in the product's libraries, except those with a reason. Read from the objects: constants with addresses in them
# (.data.rel.ro) are made read-only by the loader and are no globals; thread-local ones neither.
set -eu
build=$(realpath "${1:-build/dev}")
command -v objdump >/dev/null || { echo 'skipped: no objdump'; exit 77; }
# The log (one stderr) and its file, temporaries that a signal handler unlinks, the memory counters, signal flags, the exit code that
# a command hands to main.
reasons='^(log|file|mem|signals|command)\.c\.o '
modules=$(find "$build" -path '*double_futago_*' -name '*.c.o')
[ -n "$modules" ] || { echo 'the modules are not built'; exit 1; }
found=$(for lib in "$build"/libfut_*.a $modules; do
    case $lib in *test_support*) continue ;; esac
    objdump -t "$lib" 2>/dev/null | awk '/\.c\.o:/ { object = $1; sub(":", "", object); sub(".*/", "", object) }
        / O (\.bss|\.data|\.data\.rel|\.data\.rel\.local|\*COM\*)\t/ { print object " " $NF }'
done | grep -vE ' (\.hidden )?(__gcov|__asan|__odr|__tsan|__ubsan|\.L)' || true)
bad=$(echo "$found" | grep -vE "$reasons" | grep . || true)
[ -z "$bad" ] || { printf 'writable globals (object, name):\n%s\n' "$bad"; exit 1; }
