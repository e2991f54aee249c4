/* What the flight recorders of a run say, while it runs or after it ended: where each rank is, who waits for whom, whose fault it is. */
#ifndef FUT_LAUNCH_HANG_REPORT_H
#define FUT_LAUNCH_HANG_REPORT_H

#include "core/base/str.h"
#include "dist/flight.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What is known of the process of a rank. `elsewhere`: it ran on another host, and may run on. */
typedef enum fut_hang_process {
    FUT_HANG_NO_RING,
    FUT_HANG_ENDED, /* by itself, with state.exit_code */
    FUT_HANG_GONE,
    FUT_HANG_STOPPED, /* SIGSTOP, a debugger */
    FUT_HANG_RUNS,
    FUT_HANG_ELSEWHERE
} fut_hang_process;

typedef struct fut_hang_rank {
    fut_hang_process process;
    fut_flight_state state;
} fut_hang_rank;

/* Why a rank is named. */
typedef enum fut_hang_reason {
    FUT_HANG_NOBODY,     /* nothing is wrong, or nothing can be said */
    FUT_HANG_IS_STOPPED, /* now */
    FUT_HANG_WAS_STOPPED,
    FUT_HANG_NO_ANSWER,  /* did not answer when the others called the roll */
    FUT_HANG_FAILED,     /* ended by itself, before the others, with an exit status other than 0 */
    FUT_HANG_DIED_FIRST, /* its last sign of life is older than the others' */
    FUT_HANG_IS_BUSY,    /* waits for nobody while others wait */
    FUT_HANG_WAITED_FOR  /* what others waited for leads to it */
} fut_hang_reason;

typedef struct fut_hang_report {
    int size;
    fut_hang_rank *ranks; /* [size] */
    int rank;             /* the one that is named, or -1 */
    fut_hang_reason reason;
    double seconds;  /* it was stopped, died before the others, or has been busy */
    int heard;       /* ranks that answered where it did not */
    fut_phase phase; /* where it was then */
    int64_t step;
    char what[FUT_WHAT_MAX]; /* or "" */
} fut_hang_report;

/* Read the rings of a run folder and judge. Errors: FUT_ERR_NO_INPUT (the run has no rings). */
fut_status fut_hang_report_read(const char *run, fut_hang_report *report_out) FUT_MUST_CHECK;
void fut_hang_report_fini(fut_hang_report *report);
/* Name the rank at fault: fills rank, reason and seconds from the rest. */
void fut_hang_judge(fut_hang_report *report);

/* The last step that a rank finished. */
int64_t fut_hang_finished(const fut_flight_state *state);

fut_status fut_hang_report_text(const char *run, const fut_hang_report *report, fut_str *out) FUT_MUST_CHECK;
fut_status fut_hang_report_json(const char *run, const fut_hang_report *report, fut_str *out) FUT_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
