/* The watchdog of a process: what it is doing, how long that may take, and a thread that ends it where the training thread cannot.
 *
 *     fut_watchdog_enter(w, "gradients", ...)    every operation with others, every wait (comm.c)
 *         the training thread looks again and again, and past the deadline asks who is missing and ends the job (fut_comm_be_patient)
 *         the watchdog's thread ends it if the training thread is caught inside a library
 *     fut_watchdog_leave(w)
 *
 * A deadline is what the caller says; where it says none, what was seen: ten times the slowest of that operation in that phase, at least
 * FUT_DEADLINE_FLOOR_S; until an operation was seen a few times, FUT_DEADLINE_FIRST_S. Times are the monotonic clock's. */
#ifndef FUT_DIST_WATCHDOG_H
#define FUT_DIST_WATCHDOG_H

#include "dist/flight.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    FUT_DEADLINE_FIRST_S = 1800, /* plans, measurements, cold files */
    FUT_DEADLINE_FLOOR_S = 120,  /* storage that fails over takes a minute or two */
    FUT_DEADLINE_START_S = 300   /* of what comes before a configuration is read; the variable FUTAGO_DEADLINE, in seconds, overrides it */
};

typedef struct fut_watchdog fut_watchdog;

/* Where a process is, for messages. */
typedef struct fut_whereabouts {
    char what[FUT_WHAT_MAX]; /* the operation it is in, or "" */
    fut_phase phase;
    int64_t step;
    double seconds; /* in the operation */
    int peer;
} fut_whereabouts;

fut_status fut_watchdog_create(fut_watchdog **watchdog_out) FUT_MUST_CHECK;
/* Closes the recorder with exit_code. */
void fut_watchdog_destroy(fut_watchdog **watchdog, int exit_code);

/* All take NULL; one thread but for the watchdog's own calls them. */
/* Record in this folder from now on; the watchdog owns the recorder. Where that cannot be done it warns, and the run goes on. */
void fut_watchdog_record(fut_watchdog *watchdog, const char *folder, int rank, int size);
void fut_watchdog_phase(fut_watchdog *watchdog, fut_phase phase, int64_t step);
/* deadline: seconds, or 0: from what was seen. Operations may be nested. */
void fut_watchdog_enter(fut_watchdog *watchdog, const char *what, int peer, int64_t bytes, double deadline);
/* The same where others need not have come yet: noted, but its time teaches nothing of how long one waits for them. */
void fut_watchdog_enter_begin(fut_watchdog *watchdog, const char *what, int64_t bytes, double deadline);
void fut_watchdog_leave(fut_watchdog *watchdog);
/* The training thread still looks; it waits for peer, as far as is known. */
void fut_watchdog_look(fut_watchdog *watchdog, int peer);
/* Seconds that the operation it is in may take. */
double fut_watchdog_allowed(fut_watchdog *watchdog);
void fut_watchdog_whereabouts(fut_watchdog *watchdog, fut_whereabouts *where_out);
/* The job ends, for a rank that did not answer in time: `missed` of a roll that `heard` ranks answered, or FUT_FLIGHT_NOBODY. */
void fut_watchdog_give_up(fut_watchdog *watchdog, int missed, int heard);
/* Seconds that this process stood still (SIGSTOP, a debugger) and went on a moment ago; 0: it did not. */
double fut_watchdog_stood_still(fut_watchdog *watchdog);
/* Where `rank` was when its recorder last heard of it: "in 'read' of step 41"; "" where this host does not see its ring. */
void fut_watchdog_last_seen(fut_watchdog *watchdog, int rank, char *text_out, size_t max);
/* Seconds before a configuration is read. */
double fut_watchdog_start_deadline(void);

#ifdef __cplusplus
}
#endif

#endif
