#include "dist/watchdog.h"
#include "core/base/clock.h"
#include "tests/support/support.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void a_deadline_comes_from_what_was_seen(void **state)
{
    fut_watchdog *w = NULL;
    (void)state;
    FUT_TEST_OK(fut_watchdog_create(&w));
    fut_watchdog_phase(w, FUT_PHASE_SAVE, 1);
    for (int i = 0; i < 4; i++) {
        fut_watchdog_enter(w, "agreement", FUT_FLIGHT_NOBODY, 8, 0);
        assert_int_equal((int)fut_watchdog_allowed(w), i < 3 ? FUT_DEADLINE_FIRST_S : FUT_DEADLINE_FLOOR_S);
        fut_watchdog_leave(w);
    }
    fut_watchdog_phase(w, FUT_PHASE_EVALUATE, -1); /* another phase has not seen it */
    fut_watchdog_enter(w, "agreement", FUT_FLIGHT_NOBODY, 8, 0);
    assert_int_equal((int)fut_watchdog_allowed(w), FUT_DEADLINE_FIRST_S);
    fut_watchdog_enter(w, "inside", FUT_FLIGHT_NOBODY, 8, 7);
    assert_int_equal((int)fut_watchdog_allowed(w), 7);
    fut_watchdog_leave(w);
    assert_int_equal((int)fut_watchdog_allowed(w), FUT_DEADLINE_FIRST_S);
    fut_watchdog_leave(w);
    for (int i = 0; i < 4; i++) { /* nobody is waited for: it says nothing of how long that takes */
        fut_watchdog_enter_begin(w, "gradients", 8, 0);
        assert_int_equal((int)fut_watchdog_allowed(w), FUT_DEADLINE_FIRST_S);
        fut_watchdog_leave(w);
    }
    fut_watchdog_destroy(&w, 0);
    assert_null(w);
    assert_int_equal((int)fut_watchdog_allowed(NULL), FUT_DEADLINE_FIRST_S);
}

static void whereabouts_are_of_the_innermost_operation(void **state)
{
    fut_watchdog *w = NULL;
    fut_whereabouts where;
    (void)state;
    FUT_TEST_OK(fut_watchdog_create(&w));
    fut_watchdog_phase(w, FUT_PHASE_GATHER, 12);
    fut_watchdog_enter(w, "embeddings", 2, 8, 5);
    fut_watchdog_look(w, 3);
    fut_watchdog_whereabouts(w, &where);
    assert_string_equal(where.what, "embeddings");
    assert_int_equal(where.phase, FUT_PHASE_GATHER);
    assert_int_equal(where.step, 12);
    assert_int_equal(where.peer, 3);
    fut_watchdog_leave(w);
    fut_watchdog_whereabouts(w, &where);
    assert_string_equal(where.what, "");
    fut_watchdog_destroy(&w, 0);
}

/* The training thread sleeps inside what stands for a library's call. */
static void the_thread_ends_a_process_that_is_caught(void **state)
{
    int status = 0;
    (void)state;
    double started = fut_clock_now();
    pid_t child = fork();
    if (child == 0) {
        fut_watchdog *w = NULL;
        if (fut_watchdog_create(&w) != FUT_OK) _exit(1);
        fut_watchdog_enter(w, "start of MPI", FUT_FLIGHT_NOBODY, 0, 0.3);
        (void)sleep(60);
        _exit(2);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 74);
    assert_true(fut_clock_now() - started >= 0.3);
    assert_true(fut_clock_now() - started < 30);
}

static void the_time_before_a_configuration_can_be_set(void **state)
{
    (void)state;
    (void)unsetenv("FUTAGO_DEADLINE");
    assert_int_equal((int)fut_watchdog_start_deadline(), FUT_DEADLINE_START_S);
    (void)setenv("FUTAGO_DEADLINE", "2 min", 1);
    assert_int_equal((int)fut_watchdog_start_deadline(), 120);
    (void)setenv("FUTAGO_DEADLINE", "soon", 1);
    assert_int_equal((int)fut_watchdog_start_deadline(), FUT_DEADLINE_START_S);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_deadline_comes_from_what_was_seen),
        cmocka_unit_test(whereabouts_are_of_the_innermost_operation),
        cmocka_unit_test(the_thread_ends_a_process_that_is_caught),
        cmocka_unit_test(the_time_before_a_configuration_can_be_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
