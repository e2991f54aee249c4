/* Another process that this one starts and waits for, and what becomes of the signals that come meanwhile.
 *
 *     fut_child_begin(&children);                 from here on signals wait to be asked for
 *     fut_child_run(&children, argv, ...);        any number of them, one after the other
 *     fut_child_end(&children);
 *
 * A child stands in a process group of its own with nothing to read, so that ^C reaches this process alone and the child hears of it in
 * the way that the caller chose. */
#ifndef FUT_LAUNCH_CHILD_H
#define FUT_LAUNCH_CHILD_H

#include "core/base/status.h"

#include <signal.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What the child is sent when this process gets SIGINT, SIGTERM, SIGHUP or SIGUSR1: USR1 asks futago to save and leave, a second SIGINT or
 * SIGTERM is passed on as SIGTERM; TERM ends it at once. SIGUSR2 is passed on as it is. */
typedef enum fut_child_stop { FUT_CHILD_STOP_USR1 = SIGUSR1, FUT_CHILD_STOP_TERM = SIGTERM } fut_child_stop;

typedef struct fut_children {
    sigset_t watched, before;
    fut_child_stop stop;
    int asked; /* the first signal to stop that came; 0: none */
} fut_children;

void fut_child_begin(fut_children *children, fut_child_stop stop);
void fut_child_end(fut_children *children);

/* Someone who looks after a child every FUT_CHILD_LOOK_S seconds: what he returns, if not 0, is the child's exit code from then on, and its
 * whole process group is killed. */
enum { FUT_CHILD_LOOK_S = 2 };
typedef struct fut_child_guard {
    int (*look)(void *context);
    void *context;
} fut_child_guard;

/* Run argv (NULL-terminated, found in PATH) to its end. output: a file for its output and messages, NULL: where ours go. guard may be NULL.
 * code_out: its exit status, 128 + number where a signal ended it. A signal to stop that came before is delivered to it at once.
 * Errors: FUT_ERR_NO_INPUT where there is no such program; FUT_ERR_PERMISSION, FUT_ERR_CANT_CREATE, FUT_ERR_NO_MEMORY. */
fut_status fut_child_run(fut_children *children, char *const argv[], const char *output, const fut_child_guard *guard,
                         int *code_out) FUT_MUST_CHECK;

/* Run n commands at once with no output, for at most `seconds`. codes_out [n]: exit codes; of one that was killed then, 128 + SIGKILL.
 * Errors: as fut_child_run, with none left running. */
fut_status fut_child_run_all(fut_children *children, char *const *const argvs[], int n, double seconds, int *codes_out) FUT_MUST_CHECK;

/* Sleep, or less where a signal to stop comes. */
void fut_child_sleep(fut_children *children, double seconds);

#ifdef __cplusplus
}
#endif

#endif
