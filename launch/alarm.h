/* Alarms of a training that goes wrong: each names its cause, the numbers and a remedy, once an episode.
 *
 * An alarm is raised when its condition has held for some log lines in a row, and may be raised again after as many without it. */
#ifndef FUT_LAUNCH_ALARM_H
#define FUT_LAUNCH_ALARM_H

#include "launch/step_result.h"

#ifdef __cplusplus
extern "C" {
#endif

/* FUT_ALARM(NAME, name, lines) */
#define FUT_ALARM_ROWS(X)                                                                                                                  \
    X(COLLAPSED, "collapsed", 5) /* all embeddings are alike, and do not come apart */                                                     \
    X(NORM, "norm", 3)           /* embeddings of next to no length, or of a thousand times what it was */                                 \
    X(RATE, "rate", 3)           /* updates as large as the weights */                                                                     \
    X(NO_ACTIVE, "no_active", 10)                                                                                                          \
    X(GRADIENT, "gradient", 10) /* pairs are active, but no gradient comes of it */                                                        \
    X(CHANCE, "chance", 20)     /* photos of one person are no more alike than of different people */
typedef enum fut_alarm {
#define FUT_ALARM_ENUM(name, text, lines) FUT_ALARM_##name,
    FUT_ALARM_ROWS(FUT_ALARM_ENUM)
#undef FUT_ALARM_ENUM
        FUT_ALARMS
} fut_alarm;
extern const char *const fut_alarm_names[FUT_ALARMS];

typedef struct fut_alarms {
    struct {
        int lines, quiet; /* in a row with the condition, and without it since it was raised */
        bool raised;
    } of[FUT_ALARMS];
    double first_norm; /* of the first line; 0: none yet */
    bool were_apart;   /* the negatives, on some line */
    double apart;      /* 1 - similarity of negatives when the embeddings were first found alike */
    double gap, room;  /* sums over the lines of a window: positives - negatives, 1 - negatives */
    int window;        /* lines in it */
    bool chance;       /* what the last window said */
} fut_alarms;

/* What an alarm says. */
typedef struct fut_alarm_message {
    fut_alarm alarm;
    bool is_note;   /* it may be that all is well */
    char text[512]; /* of ours: no quotes, no control characters */
} fut_alarm_message;

/* A log line: a step that was looked at, and the pairs that were active in all steps since the line before. Returns how many alarms are
 * raised by it. alarms: {0} at the start of a run. */
int fut_alarms_look(fut_alarms *alarms, const fut_step_result *step, double active, fut_alarm_message raised_out[FUT_ALARMS]);

#ifdef __cplusplus
}
#endif

#endif
