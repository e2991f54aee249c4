#include "dist/flight.h"
#include "core/base/clock.h"
#include "tests/support/support.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[256];
static char ring[320];

static void a_ring_tells_where_a_rank_is(void **state)
{
    fut_flight *f = NULL;
    fut_flight_state s;
    (void)state;
    FUT_TEST_OK(fut_flight_open(folder, 3, 8, &f));
    fut_flight_phase(f, FUT_PHASE_GATHER, 41);
    fut_flight_enter(f, "embeddings", 5, 4096);
    fut_flight_enter(f, "inside", FUT_FLIGHT_NOBODY, 0);
    FUT_TEST_OK(fut_flight_read(ring, &s));
    assert_string_equal(s.what, "inside");
    assert_int_equal(s.depth, 2);
    fut_flight_leave(f);
    fut_flight_wait(f, 6);
    fut_flight_beat(f);
    FUT_TEST_OK(fut_flight_read(ring, &s));
    assert_int_equal(s.rank, 3);
    assert_int_equal(s.size, 8);
    assert_int_equal(s.pid, getpid());
    assert_true(s.process_start > 0);
    assert_int_equal(s.phase, FUT_PHASE_GATHER);
    assert_int_equal(s.step, 41);
    assert_string_equal(s.what, "embeddings");
    assert_int_equal(s.peer, 6);
    assert_int_equal(s.operations, 2);
    assert_true(s.alive >= s.moved && s.moved >= s.since && s.since >= s.opened);
    assert_false(s.ended);
    fut_flight_leave(f);
    fut_flight_close(&f, 75);
    assert_null(f);
    FUT_TEST_OK(fut_flight_read(ring, &s));
    assert_int_equal(s.depth, 0);
    assert_true(s.ended);
    assert_int_equal(s.exit_code, 75);
}

static void the_newest_records_stay(void **state)
{
    enum { EXTRA = 100, ASKED = 10 };
    fut_flight *f = NULL;
    fut_flight_record records[ASKED];
    int count = 0;
    (void)state;
    FUT_TEST_OK(fut_flight_open(folder, 3, 8, &f));
    for (int i = 0; i < FUT_FLIGHT_RECORDS + EXTRA; i++)
        fut_flight_phase(f, FUT_PHASE_READ, i);
    fut_flight_enter(f, "a name that is longer than a record has room for", 1, 77);
    FUT_TEST_OK(fut_flight_read_records(ring, ASKED, records, &count));
    assert_int_equal(count, ASKED);
    for (int i = 0; i < ASKED - 1; i++)
        assert_int_equal(records[i].step, FUT_FLIGHT_RECORDS + EXTRA - ASKED + 1 + i);
    assert_int_equal(records[ASKED - 1].kind, FUT_FLIGHT_ENTER);
    assert_int_equal(records[ASKED - 1].bytes, 77);
    assert_int_equal(strlen(records[ASKED - 1].what), FUT_FLIGHT_CUT - 1);
    fut_flight_close(&f, 0);
}

static void a_ring_outlives_a_kill(void **state)
{
    fut_flight_state s;
    int status = 0;
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        fut_flight *f = NULL;
        if (fut_flight_open(folder, 3, 8, &f) != FUT_OK) _exit(1);
        fut_flight_phase(f, FUT_PHASE_SAVE, 9);
        fut_flight_enter(f, "agreement", 0, 8);
        (void)raise(SIGKILL);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    FUT_TEST_OK(fut_flight_read(ring, &s));
    assert_int_equal(s.phase, FUT_PHASE_SAVE);
    assert_int_equal(s.step, 9);
    assert_string_equal(s.what, "agreement");
    assert_int_equal(s.pid, child);
    assert_false(s.ended);
}

/* A start with fewer ranks leaves no rings of ranks that it does not have; a ring that is mapped is not cut. */
static void a_start_replaces_the_rings_before(void **state)
{
    fut_flight *before = NULL;
    fut_flight *now = NULL;
    fut_flight *first = NULL;
    fut_flight_state s;
    (void)state;
    FUT_TEST_OK(fut_flight_open(folder, 3, 8, &before));
    FUT_TEST_OK(fut_flight_open(folder, 3, 8, &now));
    fut_flight_phase(now, FUT_PHASE_LOSS, 2);
    fut_flight_phase(before, FUT_PHASE_READ, 1);
    FUT_TEST_OK(fut_flight_read(ring, &s));
    assert_int_equal(s.step, 2);
    FUT_TEST_OK(fut_flight_open(folder, 0, 3, &first));
    FUT_TEST_FAILS(fut_flight_read(ring, &s), FUT_ERR_NO_INPUT, "rank-003.ring");
    fut_flight_close(&before, 0);
    fut_flight_close(&now, 0);
    fut_flight_close(&first, 0);
}

static void what_is_no_ring_is_refused(void **state)
{
    fut_flight *f = NULL;
    fut_flight_state s;
    (void)state;
    FILE *file = fopen(ring, "w");
    assert_non_null(file);
    (void)fputs("hello", file);
    (void)fclose(file);
    FUT_TEST_FAILS(fut_flight_read(ring, &s), FUT_ERR_DATA, "not a flight recorder's ring");
    (void)remove(ring);
    FUT_TEST_FAILS(fut_flight_open("/proc/nowhere", 0, 1, &f), FUT_ERR_CANT_CREATE, "/proc/nowhere");
    assert_null(f);
    fut_flight_phase(f, FUT_PHASE_READ, 1); /* without a ring everything is allowed */
    fut_flight_enter(f, "x", 0, 0);
    fut_flight_leave(f);
    fut_flight_close(&f, 0);
}

static void a_record_costs_next_to_nothing(void **state)
{
    enum { TIMES = 100000 };
    fut_flight *f = NULL;
    (void)state;
    FUT_TEST_OK(fut_flight_open(folder, 3, 8, &f));
    double started = fut_clock_now();
    for (int i = 0; i < TIMES; i++) {
        fut_flight_enter(f, "gradients", 1, 4096);
        fut_flight_leave(f);
    }
    double each = (fut_clock_now() - started) / (2.0 * TIMES) * 1e9;
    print_message("%.0f ns a record\n", each);
    assert_true(each < 20000); /* a system call or an allocation each would still pass on a quiet machine: this finds a flush or a seek */
    fut_flight_close(&f, 0);
}

int main(void)
{
    (void)snprintf(folder, sizeof folder, "%s/flight-%d", getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/tmp", (int)getpid());
    fut_flight_path(folder, 3, ring, sizeof ring);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_ring_tells_where_a_rank_is), cmocka_unit_test(the_newest_records_stay),
        cmocka_unit_test(a_ring_outlives_a_kill),       cmocka_unit_test(a_start_replaces_the_rings_before),
        cmocka_unit_test(what_is_no_ring_is_refused),   cmocka_unit_test(a_record_costs_next_to_nothing),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void)remove(ring);
    char first[320];
    fut_flight_path(folder, 0, first, sizeof first);
    (void)remove(first);
    (void)rmdir(folder);
    return failed;
}
