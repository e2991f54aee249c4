/* What a step says: where the time went, the health of the loss, a line for people and an object in metrics.jsonl for machines. */
#ifndef FUT_LAUNCH_STEP_REPORT_H
#define FUT_LAUNCH_STEP_REPORT_H

#include "core/metric/metric.h"
#include "launch/alarm.h"
#include "launch/step_result.h"

#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Sections of a step; `device` is all of its work where a device does it behind the host's back; `other` is what no section claimed. */
#define FUT_SECTION_ROWS(X)                                                                                                                \
    X(DATA, "data")                                                                                                                        \
    X(FORWARD, "forward")                                                                                                                  \
    X(LOSS, "loss") X(BACKWARD, "backward") X(REDUCE, "reduce") X(OPTIMIZER, "optimizer") X(DEVICE, "device") X(OTHER, "other")
typedef enum fut_section {
#define FUT_SECTION_ENUM(name, text) FUT_SECTION_##name,
    FUT_SECTION_ROWS(FUT_SECTION_ENUM)
#undef FUT_SECTION_ENUM
        FUT_SECTIONS
} fut_section;
extern const char *const fut_section_names[FUT_SECTIONS];

typedef struct fut_step_timer {
    double started, mark;
    double seconds[FUT_SECTIONS];
} fut_step_timer;

/* Begin a step; then fut_step_timer_lap after each section gives it the time since the last lap; end sums `other`. */
void fut_step_timer_begin(fut_step_timer *timer);
void fut_step_timer_lap(fut_step_timer *timer, fut_section section);
/* Wall seconds of the step. */
double fut_step_timer_end(fut_step_timer *timer);
/* The step took `wall` seconds of a device's time: what was not waiting for data is the device's. */
void fut_step_timer_give_device(fut_step_timer *timer, double wall);

typedef struct fut_step_report {
    FILE *metrics; /* NULL on ranks other than 0 */
    int64_t log_every;
    fut_alarms alarms;
    fut_vitals_report vitals; /* of the last log line */
    /* since the last log line */
    int64_t images;
    double wall, active;
    double seconds[FUT_SECTIONS];
} fut_step_report;

/* Is there a line for people about this step? Then it wants to be looked at. Alike on all ranks. */
bool fut_step_report_is_due(int64_t step, int64_t steps, int64_t log_every);

/* Rank 0: append to `path`; lines of steps after `step` (a run that died after its last checkpoint) are dropped first. */
fut_status fut_step_report_open(fut_step_report *report, const char *path, int64_t step, int64_t log_every) FUT_MUST_CHECK;
void fut_step_report_close(fut_step_report *report);
void fut_step_report_write(fut_step_report *report, const fut_step_result *result, const fut_step_timer *timer, double wall);

/* A line of its own in metrics.jsonl: an object with a step and an event. */
void fut_step_report_event(fut_step_report *report, const char *object);

typedef struct fut_eval_summary {
    int64_t step, epoch;
    const char *part;
    double loss, seconds;
    bool is_best;
    const fut_verification *verification;
} fut_eval_summary;
/* The run has come to its end, or was stopped: event "done" or "stopped", with the digest of the model after this step. */
void fut_step_report_model(fut_step_report *report, int64_t step, const char *event, const char *sha256);
void fut_step_report_evaluation(fut_step_report *report, const fut_eval_summary *summary);

#ifdef __cplusplus
}
#endif

#endif
