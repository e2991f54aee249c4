/* The pace of the ranks: which one holds the others up, and what it is slow at.
 *
 * Every rank keeps the seconds of its own work, section by section; what it waits for others (reduce) is no work of its own. After each
 * window of FUT_PACE_WINDOW steps the ranks gather one small row each: the mean of its steps, the quarter with the most work left out, so
 * that a burst is not taken for a habit. Rank 0 compares each rank with the median rank. One that is 1.5 times slower in FUT_PACE_WINDOWS
 * windows in a row is named, once an episode; that takes at most 50 steps.
 *
 * Of a device that works behind the host's back the waiting cannot be told from the work: there only the wait for data counts. */
#ifndef FUT_LAUNCH_PACE_H
#define FUT_LAUNCH_PACE_H

#include "dist/comm.h"
#include "launch/step_report.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { FUT_PACE_WINDOW = 12, FUT_PACE_WINDOWS = 3 };

/* Seconds of a step's work by section, as a rank's window has them. */
typedef struct fut_pace_row {
    double work[FUT_SECTIONS]; /* what is per photo as if the rank had one shard; waits are 0 */
    double wall;               /* of a step */
} fut_pace_row;

/* A rank that is slower than the others. */
typedef struct fut_pace_verdict {
    int rank; /* -1: none is */
    fut_section section;
    double work, median;                 /* seconds a step; of the rank and of the median rank */
    double section_work, section_median; /* the same of the section */
} fut_pace_verdict;

/* The slowest rank of a window, if it is slow: work above 1.5 times the median rank's, and above it by 5 ms (less is a scheduler's noise)
 * and a fifth of the step. Of two ranks the faster is the median. work: [ranks] scratch. */
fut_pace_verdict fut_pace_judge(const fut_pace_row *row, int ranks, double *work);

typedef struct fut_pace fut_pace;

/* *pace_out is NULL for a single rank, which all functions take. shards: of this rank. Borrows comm. Collective. */
fut_status fut_pace_create(fut_comm *comm, int shards, fut_pace **pace_out) FUT_MUST_CHECK;
void fut_pace_destroy(fut_pace **pace);
/* A step's timer, ended; all ranks count alike. Allocates nothing. Rank 0 warns, and writes to report. Collective, once a window. */
fut_status fut_pace_step(fut_pace *pace, int64_t step, const fut_step_timer *timer, double wall, fut_step_report *report) FUT_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
