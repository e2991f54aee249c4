# No wait for other ranks but one with a deadline, read from the objects: MPI is called in dist/comm_mpi*.c alone, and there only by calls that
# return at once; what waits for a GPU or for NCCL is not called in dist/ at all. Usage: blocking_calls.sh [BINARY_DIR]
set -eu
build=$(realpath "${1:-build/dev}")
command -v nm >/dev/null || { echo 'skipped: no nm'; exit 77; }
# Return at once: nonblocking calls, looks, questions. Init_thread and Finalize wait inside MPI, where the watchdog's thread has their
# deadline; Comm_free frees after its communicator's work is done; Abort ends.
at_once='I[a-z_]+|Test|Testall|Comm_(rank|size|idup|set_errhandler)|Error_string|Get_library_version'
waits='Init_thread|Finalize|Comm_free|Abort'

# used FILE...: "object function" for each function of MPI that the objects call.
used()
{
    nm -A -u "$@" 2>/dev/null | sed -nE 's/^([^ ]*[:/])?([A-Za-z0-9_.-]+\.o):.* U (P?MPI_[A-Za-z_]+)$/\2 \3/p' | sort -u
}

# bad: of such lines, those that are not allowed.
bad()
{
    grep -vE "^comm_mpi[a-z_]*\.c\.o MPI_($at_once|$waits)\$" || true
}

product=$(ls "$build"/libfut_*.a | grep -v test_support)
objects=$(find "$build/CMakeFiles" -path '*futago*' -name '*.o')
# shellcheck disable=SC2086
calls=$(used $product $objects)
[ "$(printf '%s\n' "$calls" | grep -c '^comm_mpi\.c\.o MPI_')" -gt 10 ] || { echo "found no calls of MPI: is $build built?"; exit 1; }
wrong=$(printf '%s\n' "$calls" | bad)
[ -z "$wrong" ] || { printf 'calls of MPI that may wait for ever, or that stand outside dist/comm_mpi*.c:\n%s\n' "$wrong"; exit 1; }

nccl=$(find "$build" -path '*futago_nccl*' -name '*.o')
for object in $nccl "$build"/libfut_dist.a; do
    waiting=$(nm -u "$object" 2>/dev/null | grep -oE 'cuda(Stream|Device|Event)Synchronize|cudaMemcpy$' || true)
    [ -z "$waiting" ] || { echo "$object waits without a deadline: $waiting"; exit 1; }
done

# What it must find.
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
printf 'int MPI_Barrier(void); int MPI_Isend(void); int f(void); int f(void) { return MPI_Barrier() + MPI_Isend(); }\n' >"$tmp/a.c"
gcc -c "$tmp/a.c" -o "$tmp/comm_mpi.c.o"
[ "$(used "$tmp/comm_mpi.c.o" | bad)" = 'comm_mpi.c.o MPI_Barrier' ] || { echo 'a barrier is not found'; exit 1; }
cp "$tmp/comm_mpi.c.o" "$tmp/reduce.c.o"
[ "$(used "$tmp/reduce.c.o" | bad | wc -l)" -eq 2 ] || { echo 'a call outside comm_mpi is not found'; exit 1; }
