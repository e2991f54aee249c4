/* Learning-rate schedules: functions of the epoch or the step, so that a resumed run needs no state; but for plateau's, which follows what
 * evaluations say and keeps a few numbers in the checkpoint. A schedule is one file with a fut_sched_type and one row in schedules.def. */
#ifndef FUT_CORE_SCHED_SCHED_H
#define FUT_CORE_SCHED_SCHED_H

#include "core/base/opt.h"
#include "core/base/str.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum fut_sched_per { FUT_SCHED_PER_EPOCH, FUT_SCHED_PER_STEP } fut_sched_per;
extern const char *const fut_sched_per_names[];

/* First member of every schedule's config. */
typedef struct fut_sched_common {
    int per;        /* fut_sched_per: what the schedule counts */
    int64_t warmup; /* counts before the schedule begins: the rate rises in a line from warmup_from of the schedule's first to it */
    double warmup_from;
} fut_sched_common;

/* Its rows, for a config struct S whose member `common` it is. */
#define FUT_SCHED_COMMON_OPTIONS(S)                                                                                                        \
    {.kind = FUT_OPT_KIND_ENUM,                                                                                                            \
     .name = "per",                                                                                                                        \
     .offset = FUT_OPT_FIELD(S, common.per, int),                                                                                          \
     .def = "epoch",                                                                                                                       \
     .unit = "",                                                                                                                           \
     .doc = "what the schedule and its warm-up count",                                                                                     \
     .names = fut_sched_per_names},                                                                                                        \
        {.kind = FUT_OPT_KIND_I64,                                                                                                         \
         .name = "warmup",                                                                                                                 \
         .offset = FUT_OPT_FIELD(S, common.warmup, int64_t),                                                                               \
         .def = "0",                                                                                                                       \
         .max = 1e9,                                                                                                                       \
         .unit = "",                                                                                                                       \
         .doc = "epochs or steps of linear warm-up before the schedule begins"},                                                           \
    {                                                                                                                                      \
        .kind = FUT_OPT_KIND_F64, .name = "warmup_from", .offset = FUT_OPT_FIELD(S, common.warmup_from, double), .def = "0.1",             \
        .min = 1e-9, .max = 1, .unit = "", .doc = "the warm-up's first rate, of the base rate"                                             \
    }

/* Where a run stands: both from 0. */
typedef struct fut_sched_place {
    int64_t epoch, step;
} fut_sched_place;

/* What plateau remembers; zeros in the beginning. */
typedef struct fut_sched_state {
    int64_t seen; /* values; 0: the other members say nothing yet */
    double lr, best;
    int64_t bad, cooldown;
} fut_sched_state;

typedef enum fut_sched_monitor { FUT_MONITOR_NONE, FUT_MONITOR_LOSS, FUT_MONITOR_EER, FUT_MONITOR_AUC } fut_sched_monitor;

/* A run a schedule is for. */
typedef struct fut_sched_run {
    int64_t epochs, steps; /* 0: not known */
    int64_t evaluations;   /* before its end; 0: none; -1: not known, but some */
} fut_sched_run;

typedef struct fut_sched_type {
    /* Rate at t = 0, 1, ... epochs or steps after the warm-up, of a run whose optimizer has base rate `base`. */
    double (*lr)(const void *config, double base, int64_t t, const fut_sched_state *state);
    /* Appends a warning about a run that lets the schedule count to `length` (-1: not known); NULL if there is nothing to warn of. */
    fut_status (*warn)(const void *config, const fut_sched_run *run, int64_t length, fut_str *text);
    /* For a schedule that follows evaluations; NULL for all others. */
    fut_sched_monitor (*monitor)(const void *config);
    void (*observe)(const void *config, double base, double value, fut_sched_state *state);
} fut_sched_type;

/* What a schedule counts, n of them: "epoch", "steps". */
const char *fut_sched_units(const fut_sched_common *common, int64_t n);

/* NULL-terminated choices for `scheduler: {type: ...}`. */
extern const fut_opt_choice *const fut_sched_choices[];

double fut_sched_lr(const fut_opt_variant *config, double base, fut_sched_place place, const fut_sched_state *state);
/* Empty text: nothing to warn of. */
fut_status fut_sched_warn(const fut_opt_variant *config, const fut_sched_run *run, fut_str *text) FUT_MUST_CHECK;
/* What the schedule wants to be told of every evaluation, and to tell it: place is that of the next step. Values seen while warming up do
 * not count. */
fut_sched_monitor fut_sched_monitors(const fut_opt_variant *config);
void fut_sched_observe(const fut_opt_variant *config, double base, fut_sched_place place, double value, fut_sched_state *state);
/* The values to come cannot be compared with those seen: the next is the best so far, and the rate stays where it is. */
void fut_sched_forget_best(const fut_opt_variant *config, fut_sched_state *state);

#ifdef __cplusplus
}
#endif

#endif
