# A host whose clock is set while a run goes on, or wrong: no wait goes by it, and neither does the report on a rank that was killed.
. tests/support/script.sh "$1"
command -v cc >/dev/null || skip "no C compiler: nothing makes a clock jump"
make_faces faces faces.h5 25 8
write_config c.yaml
long="--set train.epochs=3 --set train.deadline=5s"

cat >clock.c <<'C'
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
/* Wrong by what CLOCK_AHEAD says, or ten times a second a day ahead, then a day back. */
static long ahead(void)
{
    struct timespec t;
    if (getenv("CLOCK_AHEAD")) return atol(getenv("CLOCK_AHEAD"));
    syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &t);
    return t.tv_nsec / 100000000 % 2 == 0 ? 86400 : -86400;
}
int clock_gettime(clockid_t id, struct timespec *t)
{
    int failed = (int)syscall(SYS_clock_gettime, id, t);
    if (id == CLOCK_REALTIME) t->tv_sec += ahead();
    return failed;
}
int gettimeofday(struct timeval *t, void *zone)
{
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    *t = (struct timeval){.tv_sec = now.tv_sec, .tv_usec = now.tv_nsec / 1000};
    return 0;
}
time_t time(time_t *t)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (t) *t = now.tv_sec;
    return now.tv_sec;
}
C
cc -shared -fPIC -o clock.so clock.c 2>err || skip "the C compiler makes no library: $(cat err)"
apart=$(($(LD_PRELOAD=$PWD/clock.so date +%s) - $(date +%s)))
[ ${apart#-} -gt 80000 ] || skip "a library in front does not change the clock here"
cat >jumping <<SH
#!/bin/sh
[ "\$OMPI_COMM_WORLD_RANK" != "\$JUMPS" ] || export LD_PRELOAD="$PWD/clock.so"
exec "$futago" "\$@"
SH
chmod +x jumping

expect 0 "$futago" train c.yaml $long --set run=whole
want=$(digest)
for JUMPS in 0 1; do
    export JUMPS
    expect 0 ranks 3 ./jumping train c.yaml $long --set run=jumps$JUMPS
    [ "$(digest)" = "$want" ] || fail "the clock of rank $JUMPS jumped, and the run ends with $(digest), undisturbed with $want"
done

export CLOCK_AHEAD=-86400
ranks 3 ./jumping train c.yaml --set train.epochs=1000000 >out 2>err </dev/null &
for _ in $(seq 500); do
    [ -e run/last.h5 ] && break
    sleep 0.02
done
expect 0 "$futago" hang-report run --json
kill -KILL "$(sed -n 's/.*{"rank": 2, [^}]*"pid": \([0-9]*\).*/\1/p' out)"
wait $! || true
expect 0 "$futago" hang-report run
says "rank 2 on host $(hostname) was killed or crashed"
