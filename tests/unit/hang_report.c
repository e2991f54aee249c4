/* Which rank `futago hang-report` names, from recorders that are made up. */
#include "launch/hang_report.h"
#include "tests/support/support.h"

#include <string.h>

enum { RANKS = 4 };

/* Ranks of a run that was ended while they waited for 'gradients' for `seconds`; their clocks began at different times, and
 * calendars are a day apart. */
static void begin(fut_hang_report *report, fut_hang_rank *ranks, double seconds)
{
    *report = (fut_hang_report){.size = RANKS, .ranks = ranks};
    for (int r = 0; r < RANKS; r++) {
        double opened = 1000 * r;
        double now = opened + 100;
        ranks[r] = (fut_hang_rank){.process = FUT_HANG_GONE,
                                   .state = {.rank = r,
                                             .size = RANKS,
                                             .opened = opened,
                                             .opened_utc = 5e8 + 86400 * (r % 2),
                                             .phase = FUT_PHASE_BACKWARD,
                                             .step = 7,
                                             .phase_since = now - seconds,
                                             .depth = 1,
                                             .what = "gradients",
                                             .peer = FUT_FLIGHT_NOBODY,
                                             .missed = FUT_FLIGHT_NOBODY,
                                             .since = now - seconds,
                                             .moved = now,
                                             .alive = now}};
    }
}

static void names(fut_hang_report *report, int rank, fut_hang_reason reason)
{
    fut_hang_judge(report);
    assert_int_equal(report->reason, reason);
    assert_int_equal(report->rank, rank);
}

static void names_one_that_is_or_was_stopped(void **state)
{
    fut_hang_report report;
    fut_hang_rank ranks[RANKS];
    (void)state;
    begin(&report, ranks, 30);
    ranks[2].process = FUT_HANG_STOPPED;
    names(&report, 2, FUT_HANG_IS_STOPPED);
    begin(&report, ranks, 30);
    ranks[1].state.stopped = 30;
    ranks[1].state.stopped_until = ranks[1].state.alive;
    ranks[3].state.stopped = 2; /* less long */
    ranks[3].state.stopped_until = ranks[3].state.alive;
    names(&report, 1, FUT_HANG_WAS_STOPPED);
    ranks[1].state.stopped_until -= 60; /* long before the end */
    names(&report, 3, FUT_HANG_WAS_STOPPED);
}

static void names_the_first_that_died_or_failed(void **state)
{
    fut_hang_report report;
    fut_hang_rank ranks[RANKS];
    (void)state;
    begin(&report, ranks, 1);
    ranks[3].state.alive -= 2;
    names(&report, 3, FUT_HANG_DIED_FIRST);
    assert_true(report.seconds > 1.9 && report.seconds < 2.1);
    ranks[0].process = FUT_HANG_ENDED;
    ranks[0].state.ended = true;
    ranks[0].state.exit_code = 71;
    names(&report, 0, FUT_HANG_FAILED);
}

/* Rank 2's host is cut off: it lives longest, since it gives up last, and misses all others. */
static void names_one_that_most_did_not_hear(void **state)
{
    fut_hang_report report;
    fut_hang_rank ranks[RANKS];
    (void)state;
    begin(&report, ranks, 30);
    for (int r = 0; r < RANKS; r++)
        ranks[r].state.gave_up = true;
    ranks[2].state.alive += 2;
    names(&report, -1, FUT_HANG_NOBODY); /* nobody came to call the roll: none was killed, and more is not known */
    ranks[0].state.missed = 2;
    ranks[0].state.heard = 3;
    ranks[2].state.missed = 0;
    ranks[2].state.heard = 1;
    names(&report, 2, FUT_HANG_NO_ANSWER);
    assert_int_equal(report.heard, 3);
    ranks[2].process = FUT_HANG_STOPPED; /* why it did not answer */
    names(&report, 2, FUT_HANG_IS_STOPPED);
}

static void follows_who_waits_for_whom(void **state)
{
    fut_hang_report report;
    fut_hang_rank ranks[RANKS];
    (void)state;
    begin(&report, ranks, 30);
    ranks[0].state.peer = 3;
    ranks[3].state.peer = 2;
    ranks[2].state.depth = 0;
    names(&report, 2, FUT_HANG_WAITED_FOR);
    ranks[2].process = FUT_HANG_RUNS;
    names(&report, 2, FUT_HANG_IS_BUSY);
    ranks[2].process = FUT_HANG_NO_RING; /* on a host whose folder is not seen */
    names(&report, 2, FUT_HANG_WAITED_FOR);
    ranks[2].state.depth = 1;
    ranks[2].process = FUT_HANG_GONE;
    ranks[2].state.peer = 0; /* a circle: nobody's fault that a ring could tell */
    names(&report, -1, FUT_HANG_NOBODY);
}

static void finds_nothing_in_a_run_that_goes_well(void **state)
{
    fut_hang_report report;
    fut_hang_rank ranks[RANKS];
    (void)state;
    begin(&report, ranks, 0.01);
    for (int r = 0; r < RANKS; r++)
        ranks[r].process = FUT_HANG_RUNS;
    ranks[0].state.peer = 1;
    ranks[1].state.depth = 0;
    names(&report, -1, FUT_HANG_NOBODY);
}

static void counts_the_steps_that_are_finished(void **state)
{
    fut_flight_state s = {.step = 7, .phase = FUT_PHASE_READ};
    (void)state;
    assert_int_equal(fut_hang_finished(&s), 6);
    s.phase = FUT_PHASE_SAVE;
    assert_int_equal(fut_hang_finished(&s), 7);
    s.step = 0;
    s.phase = FUT_PHASE_START;
    assert_int_equal(fut_hang_finished(&s), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_one_that_is_or_was_stopped), cmocka_unit_test(names_the_first_that_died_or_failed),
        cmocka_unit_test(follows_who_waits_for_whom),       cmocka_unit_test(finds_nothing_in_a_run_that_goes_well),
        cmocka_unit_test(names_one_that_most_did_not_hear), cmocka_unit_test(counts_the_steps_that_are_finished),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
