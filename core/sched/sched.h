/* Learning-rate schedules: pure functions of the epoch, so that a resumed run needs no state.
 * A schedule is one file with a fut_sched_type and one row in schedules.def. */
#ifndef FUT_CORE_SCHED_SCHED_H
#define FUT_CORE_SCHED_SCHED_H

#include "core/base/opt.h"
#include "core/base/str.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fut_sched_type {
    /* Rate in epoch t = 0, 1, ... of a run whose optimizer has base rate `base`. */
    double (*lr)(const void *config, double base, int64_t epoch);
    /* Appends a warning about a run of `epochs` epochs; NULL if there is nothing to warn of. */
    fut_status (*warn)(const void *config, int64_t epochs, fut_str *text);
} fut_sched_type;

/* NULL-terminated choices for `scheduler: {type: ...}`. */
extern const fut_opt_choice *const fut_sched_choices[];

double fut_sched_lr(const fut_opt_variant *config, double base, int64_t epoch);
/* Empty text: nothing to warn of. */
fut_status fut_sched_warn(const fut_opt_variant *config, int64_t epochs, fut_str *text) FUT_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
