/* Other processes: how they end, where their output goes, what of our signals they hear. */
#include "launch/child.h"

#include "core/base/clock.h"
#include "core/base/file.h"
#include "launch/scratch.h"
#include "tests/support/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int run_shell(fut_children *children, const char *script, const char *output)
{
    char shell[] = "sh";
    char option[] = "-c";
    char text[512];
    char *argv[] = {shell, option, text, NULL};
    int code = -1;
    (void)snprintf(text, sizeof text, "%s", script);
    FUT_TEST_OK(fut_child_run(children, argv, output, NULL, &code));
    return code;
}

static void it_ends_with_a_code(void **state)
{
    (void)state;
    fut_children children;
    char missing[] = "no-such-program-here";
    char *argv[] = {missing, NULL};
    int code = 0;
    fut_child_begin(&children, FUT_CHILD_STOP_TERM);
    assert_int_equal(run_shell(&children, "exit 0", NULL), 0);
    assert_int_equal(run_shell(&children, "exit 75", NULL), 75);
    assert_int_equal(run_shell(&children, "kill -KILL $$", NULL), 128 + SIGKILL);
    /* Nothing to read, and the shell's own signals are not blocked. */
    assert_int_equal(run_shell(&children, "read x && exit 1; kill -TERM $$; exit 2", NULL), 128 + SIGTERM);
    FUT_TEST_FAILS(fut_child_run(&children, argv, NULL, NULL, &code), FUT_ERR_NO_INPUT, "no-such-program-here: no such program");
    assert_int_equal(children.asked, 0);
    fut_child_end(&children);
}

static void its_output_goes_to_a_file(void **state)
{
    (void)state;
    fut_children children;
    fut_str folder = {0};
    fut_str path = {0};
    fut_str text = {0};
    FUT_TEST_OK(fut_scratch_create("/no/such/folder/run", &folder));
    FUT_TEST_OK(fut_str_printf(&path, "%s/out.txt", fut_str_text(&folder)));
    fut_child_begin(&children, FUT_CHILD_STOP_TERM);
    assert_int_equal(run_shell(&children, "echo one; echo two >&2", fut_str_text(&path)), 0);
    assert_int_equal(run_shell(&children, "echo three", fut_str_text(&path)), 0);
    fut_child_end(&children);
    FUT_TEST_OK(fut_file_read(fut_str_text(&path), 1000, &text));
    assert_string_equal(fut_str_text(&text), "one\ntwo\nthree\n");
    char *copy = strdup(fut_str_text(&folder));
    assert_non_null(copy);
    fut_scratch_remove(&folder);
    assert_int_equal(access(copy, F_OK), -1);
    free(copy);
    fut_str_fini(&path);
    fut_str_fini(&text);
}

/* The child signals us, its parent, and tells by its exit code what it then heard. */
static void a_stop_is_passed_on_in_the_callers_way(void **state)
{
    (void)state;
    static const char hears[] =
        "trap 'exit 21' USR1; trap 'exit 22' TERM; trap 'exit 23' USR2; kill -%s $PPID; while :; do sleep 0.01; done";
    char script[256];
    static const struct {
        fut_child_stop stop;
        const char *signal;
        int code, asked;
    } cases[] = {{FUT_CHILD_STOP_USR1, "TERM", 21, SIGTERM}, {FUT_CHILD_STOP_USR1, "INT", 21, SIGINT},
                 {FUT_CHILD_STOP_USR1, "USR1", 21, SIGUSR1}, {FUT_CHILD_STOP_TERM, "HUP", 22, SIGHUP},
                 {FUT_CHILD_STOP_TERM, "USR1", 22, SIGUSR1}, {FUT_CHILD_STOP_USR1, "USR2", 23, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fut_children children;
        (void)snprintf(script, sizeof script, hears, cases[i].signal);
        fut_child_begin(&children, cases[i].stop);
        assert_int_equal(run_shell(&children, script, NULL), cases[i].code);
        assert_int_equal(children.asked, cases[i].asked);
        fut_child_end(&children);
    }
}

static void a_second_stop_is_meant(void **state)
{
    (void)state;
    fut_children children;
    fut_child_begin(&children, FUT_CHILD_STOP_USR1);
    assert_int_equal(
        run_shell(&children, "trap 'kill -INT $PPID' USR1; trap 'exit 22' TERM; kill -INT $PPID; while :; do sleep 0.01; done", NULL), 22);
    /* Who comes after a stop hears of it, and nobody sleeps. */
    assert_int_equal(run_shell(&children, "sleep 20", NULL), 128 + SIGUSR1);
    double begun = fut_clock_now();
    fut_child_sleep(&children, 20);
    assert_true(fut_clock_now() - begun < 10);
    fut_child_end(&children);
}

static int give_up(void *context)
{
    int *looks = context;
    return ++*looks == 2 ? 74 : 0;
}

static void a_guard_ends_it_and_all_it_started(void **state)
{
    (void)state;
    fut_children children;
    int looks = 0;
    int code = 0;
    char shell[] = "sh";
    char option[] = "-c";
    char text[] = "trap '' TERM USR1; sleep 60; sleep 60";
    char *argv[] = {shell, option, text, NULL};
    const fut_child_guard guard = {give_up, &looks};
    double begun = fut_clock_now();
    fut_child_begin(&children, FUT_CHILD_STOP_USR1);
    FUT_TEST_OK(fut_child_run(&children, argv, NULL, &guard, &code));
    fut_child_end(&children);
    assert_int_equal(code, 74);
    assert_true(fut_clock_now() - begun < 30);
}

static void many_run_at_once(void **state)
{
    (void)state;
    enum { N = 3 };
    static char text[N][64] = {"exit 0", "exit 255", "sleep 60; exit 0"};
    static char shell[] = "sh";
    static char option[] = "-c";
    char *argv[N][4];
    char *const *argvs[N];
    int codes[N];
    fut_children children;
    for (int i = 0; i < N; i++) {
        argv[i][0] = shell;
        argv[i][1] = option;
        argv[i][2] = text[i];
        argv[i][3] = NULL;
        argvs[i] = argv[i];
    }
    fut_child_begin(&children, FUT_CHILD_STOP_USR1);
    FUT_TEST_OK(fut_child_run_all(&children, argvs, N, 0.5, codes));
    fut_child_end(&children);
    assert_int_equal(codes[0], 0);
    assert_int_equal(codes[1], 255);
    assert_int_equal(codes[2], 128 + SIGKILL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_ends_with_a_code),
        cmocka_unit_test(its_output_goes_to_a_file),
        cmocka_unit_test(a_stop_is_passed_on_in_the_callers_way),
        cmocka_unit_test(a_second_stop_is_meant),
        cmocka_unit_test(a_guard_ends_it_and_all_it_started),
        cmocka_unit_test(many_run_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
