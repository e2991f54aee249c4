/* Signals that meet a rank in a chosen phase. With arguments this is a tool of tests/fault/phases.sh:
 *
 *     test_fault_phase FOLDER RANK PHASE OPERATION STEP stop|kill
 *
 * waits until the flight recorder of RANK in FOLDER says that it is in PHASE ("-": any) and OPERATION ("-": any or none) of STEP or
 * a later one, stops it, and looks again: a process that is stopped stays where it is, so a rank that had gone on meanwhile is let go, and
 * the next time is waited for. The signal therefore always hits the phase that was asked for. Prints the phase, the step, and the clock's
 * seconds.
 */
#include "core/base/clock.h"
#include "dist/flight.h"
#include "tests/support/support.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const double patience_s = 30;

typedef struct target {
    char ring[4352];
    const char *phase, *operation;
    int64_t step;
} target;

static bool is_there(const target *t, fut_flight_state *s)
{
    bool read = fut_flight_read(t->ring, s) == FUT_OK;
    fut_trail_clear();
    return read && !s->ended && s->step >= t->step && (strcmp(t->phase, "-") == 0 || strcmp(fut_phase_names[s->phase], t->phase) == 0) &&
           (strcmp(t->operation, "-") == 0 || (s->depth > 0 && strcmp(s->what, t->operation) == 0));
}

/* SIGSTOP takes effect a little after kill() has returned. */
static bool wait_until_stopped(int64_t pid)
{
    char path[64];
    char text[512] = "";
    (void)snprintf(path, sizeof path, "/proc/%lld/stat", (long long)pid);
    for (int i = 0; i < 10000; i++) {
        FILE *file = fopen(path, "r");
        if (file == NULL) return false;
        text[fread(text, 1, sizeof text - 1, file)] = '\0';
        (void)fclose(file);
        const char *end = strrchr(text, ')');
        if (end != NULL && (end[2] == 'T' || end[2] == 'Z')) return end[2] == 'T';
        (void)usleep(100);
    }
    return false;
}

static bool catch_rank(const target *t, int with, fut_flight_state *s)
{
    double until = fut_clock_now() + patience_s;
    while (fut_clock_now() < until) {
        if (!is_there(t, s)) continue;
        pid_t pid = (pid_t)s->pid;
        if (kill(pid, SIGSTOP) != 0 || !wait_until_stopped(pid)) continue;
        if (is_there(t, s)) return with == SIGSTOP || kill(pid, with) == 0;
        (void)kill(pid, SIGCONT);
        (void)usleep(500);
    }
    return false;
}

static int run_tool(char **argv)
{
    target t = {.phase = argv[3], .operation = argv[4], .step = strtoll(argv[5], NULL, 10)};
    fut_flight_state s;
    fut_flight_path(argv[1], (int)strtol(argv[2], NULL, 10), t.ring, sizeof t.ring);
    if (!catch_rank(&t, strcmp(argv[6], "kill") == 0 ? SIGKILL : SIGSTOP, &s)) {
        (void)fprintf(stderr, "rank %s was not met in %s %s\n", argv[2], argv[3], argv[4]);
        return 1;
    }
    (void)printf("%s %lld %.3f\n", fut_phase_names[s.phase], (long long)s.step, fut_clock_now());
    return 0;
}

/* A child that hurries through phases is met in each of them. */
static void meets_a_process_in_the_phase_it_waits_for(void **state)
{
    static const char *const wanted[] = {"read", "gather", "save"};
    fut_test_dir dir = {0};
    fut_flight_state s;
    target t = {.operation = "-", .step = 3};
    (void)state;
    fut_test_dir_create(&dir);
    pid_t child = fork();
    if (child == 0) {
        fut_flight *f = NULL;
        if (fut_flight_open(dir.path, 0, 1, &f) != FUT_OK) _exit(1);
        for (int64_t step = 0;; step++)
            for (int phase = 0; phase < FUT_PHASES; phase++) {
                fut_flight_phase(f, (fut_phase)phase, step);
                (void)usleep(200);
            }
    }
    fut_flight_path(dir.path, 0, t.ring, sizeof t.ring);
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        t.phase = wanted[i];
        assert_true(catch_rank(&t, SIGSTOP, &s));
        assert_string_equal(fut_phase_names[s.phase], wanted[i]);
        assert_true(s.step >= 3);
        (void)kill(child, SIGCONT);
    }
    assert_true(catch_rank(&t, SIGKILL, &s));
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    fut_test_dir_remove(&dir);
}

int main(int argc, char **argv)
{
    if (argc == 7) return run_tool(argv);
    const struct CMUnitTest tests[] = {cmocka_unit_test(meets_a_process_in_the_phase_it_waits_for)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
