#include "launch/child.h"

#include "core/base/clock.h"
#include "core/base/file.h"
#include "core/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const int watched[] = {SIGCHLD, SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2};

void fut_child_begin(fut_children *children, fut_child_stop stop)
{
    *children = (fut_children){.stop = stop};
    (void)sigemptyset(&children->watched);
    for (size_t i = 0; i < sizeof watched / sizeof *watched; i++) {
        struct sigaction now;
        /* Ignored by whoever started us (nohup, a background job): stays ignored, by the child too. */
        if (sigaction(watched[i], NULL, &now) == 0 && (watched[i] == SIGCHLD || now.sa_handler != SIG_IGN))
            (void)sigaddset(&children->watched, watched[i]);
    }
    (void)sigprocmask(SIG_BLOCK, &children->watched, &children->before);
}

void fut_child_end(fut_children *children)
{
    (void)sigprocmask(SIG_SETMASK, &children->before, NULL);
}

/* The child begins with the signals that we began with, and without the handlers that are ours. */
static int set_attributes(const fut_children *children, posix_spawnattr_t *attributes)
{
    int error = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    sigset_t to_default = children->watched;
    (void)sigaddset(&to_default, SIGXFSZ);
    if (error == 0) error = posix_spawnattr_setpgroup(attributes, 0);
    if (error == 0) error = posix_spawnattr_setsigmask(attributes, &children->before);
    if (error == 0) error = posix_spawnattr_setsigdefault(attributes, &to_default);
    return error;
}

static int set_files(const char *output, posix_spawn_file_actions_t *actions)
{
    int error = posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (output == NULL) return error;
    if (error == 0) error = posix_spawn_file_actions_addopen(actions, STDOUT_FILENO, output, O_WRONLY | O_CREAT | O_APPEND, 0666);
    if (error == 0) error = posix_spawn_file_actions_adddup2(actions, STDOUT_FILENO, STDERR_FILENO);
    return error;
}

static fut_status spawn(const fut_children *children, char *const argv[], const char *output, pid_t *pid_out)
{
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_t actions;
    int error = posix_spawnattr_init(&attributes);
    if (error != 0) return fut_file_errno("start", argv[0], error);
    error = posix_spawn_file_actions_init(&actions);
    if (error == 0) {
        error = set_attributes(children, &attributes);
        if (error == 0) error = set_files(output, &actions);
        if (error == 0) error = posix_spawnp(pid_out, argv[0], &actions, &attributes, argv, environ);
        (void)posix_spawn_file_actions_destroy(&actions);
    }
    (void)posix_spawnattr_destroy(&attributes);
    if (error == ENOENT) return FUT_FAIL(FUT_ERR_NO_INPUT, "%s: no such program in PATH", argv[0]);
    return error == 0 ? FUT_OK : fut_file_errno("start", argv[0], error);
}

static void pass_on(fut_children *children, int number, pid_t child)
{
    if (number == SIGUSR2) {
        (void)kill(child, SIGUSR2);
        return;
    }
    bool again = children->asked != 0 && number != SIGUSR1;
    if (children->asked == 0) children->asked = number;
    if (child > 0) (void)kill(child, again ? SIGTERM : (int)children->stop);
}

static int exit_code(int status)
{
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* The next signal, for at most `seconds`; 0: none came. */
static int next_signal(const fut_children *children, double seconds)
{
    struct timespec wait = {.tv_sec = (time_t)seconds, .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9)};
    int number = sigtimedwait(&children->watched, NULL, &wait);
    return number > 0 && number != SIGCHLD ? number : 0;
}

fut_status fut_child_run(fut_children *children, char *const argv[], const char *output, const fut_child_guard *guard, int *code_out)
{
    pid_t child = -1;
    int status = 0;
    int verdict = 0;
    FUT_TRY(spawn(children, argv, output, &child));
    if (children->asked != 0) (void)kill(child, (int)children->stop);
    for (;;) {
        pid_t ended = waitpid(child, &status, WNOHANG);
        if (ended == child) break;
        if (ended < 0 && errno != EINTR) return fut_file_errno("wait for", argv[0], errno);
        int number = next_signal(children, FUT_CHILD_LOOK_S);
        if (number != 0) pass_on(children, number, child);
        if (guard != NULL && verdict == 0) {
            verdict = guard->look(guard->context);
            if (verdict != 0) (void)kill(-child, SIGKILL);
        }
    }
    *code_out = verdict != 0 ? verdict : exit_code(status);
    return FUT_OK;
}

/* Take the ends of children that have ended; returns how many still run. */
static int collect(pid_t *child, int n, int *codes_out)
{
    int left = 0;
    for (int i = 0; i < n; i++) {
        int status = 0;
        if (child[i] > 0 && waitpid(child[i], &status, WNOHANG) == child[i]) {
            codes_out[i] = exit_code(status);
            child[i] = 0;
        }
        left += child[i] > 0;
    }
    return left;
}

fut_status fut_child_run_all(fut_children *children, char *const *const argvs[], int n, double seconds, int *codes_out)
{
    fut_status st = FUT_OK;
    pid_t *child = NULL;
    double until = fut_clock_now() + seconds;
    FUT_TRY(FUT_NEW_ARRAY(n, &child));
    for (int i = 0; i < n && st == FUT_OK; i++)
        st = spawn(children, argvs[i], "/dev/null", &child[i]);
    while (collect(child, n, codes_out) > 0) {
        double left = until - fut_clock_now();
        if (left <= 0 || children->asked != 0 || st != FUT_OK)
            for (int i = 0; i < n; i++)
                if (child[i] > 0) (void)kill(-child[i], SIGKILL);
        int number = next_signal(children, left > 0 ? left : FUT_CHILD_LOOK_S);
        if (number != 0 && number != SIGUSR2) pass_on(children, number, 0);
    }
    fut_mem_free(child);
    return st;
}

void fut_child_sleep(fut_children *children, double seconds)
{
    double until = fut_clock_now() + seconds;
    for (double left = seconds; left > 0 && children->asked == 0; left = until - fut_clock_now()) {
        int number = next_signal(children, left);
        if (number != 0 && number != SIGUSR2) pass_on(children, number, 0);
    }
}
