#include "core/sched/sched.h"

#include <math.h>

#define FUT_SCHED(name) extern const fut_opt_choice fut_sched_##name;
#include "core/sched/schedules.def"
#undef FUT_SCHED

const fut_opt_choice *const fut_sched_choices[] = {
#define FUT_SCHED(name) &fut_sched_##name,
#include "core/sched/schedules.def"
#undef FUT_SCHED
    NULL,
};

static const fut_sched_type *type_of(const fut_opt_variant *config)
{
    return config->choice->payload;
}

const char *const fut_sched_per_names[] = {"epoch", "step", NULL};

/* Counts since the warm-up's end; negative before it. */
static int64_t count_of(const fut_sched_common *common, fut_sched_place place)
{
    return (common->per == FUT_SCHED_PER_STEP ? place.step : place.epoch) - common->warmup;
}

double fut_sched_lr(const fut_opt_variant *config, double base, fut_sched_place place, const fut_sched_state *state)
{
    const fut_sched_common *common = config->config;
    int64_t t = count_of(common, place);
    if (t >= 0) return type_of(config)->lr(config->config, base, t, state);
    double done = (double)(t + common->warmup) / (double)common->warmup;
    return type_of(config)->lr(config->config, base, 0, state) * (common->warmup_from + (1 - common->warmup_from) * done);
}

const char *fut_sched_units(const fut_sched_common *common, int64_t n)
{
    static const char *const many[] = {"epochs", "steps"};
    return n == 1 ? fut_sched_per_names[common->per] : many[common->per];
}

fut_status fut_sched_warn(const fut_opt_variant *config, const fut_sched_run *run, fut_str *text)
{
    const fut_sched_common *common = config->config;
    int64_t counts = common->per == FUT_SCHED_PER_STEP ? run->steps : run->epochs;
    int64_t length = counts > 0 ? counts - common->warmup : -1;
    if (counts > 0 && length <= 0)
        return fut_str_printf(text, "scheduler.warmup is %lld but the run has %lld %s: it ends before the schedule begins",
                              (long long)common->warmup, (long long)counts, fut_sched_units(common, counts));
    return type_of(config)->warn == NULL ? FUT_OK : type_of(config)->warn(config->config, run, length, text);
}

fut_sched_monitor fut_sched_monitors(const fut_opt_variant *config)
{
    return type_of(config)->monitor == NULL ? FUT_MONITOR_NONE : type_of(config)->monitor(config->config);
}

void fut_sched_observe(const fut_opt_variant *config, double base, fut_sched_place place, double value, fut_sched_state *state)
{
    if (type_of(config)->observe != NULL && count_of(config->config, place) >= 0)
        type_of(config)->observe(config->config, base, value, state);
}

void fut_sched_forget_best(const fut_opt_variant *config, fut_sched_state *state)
{
    state->best = fut_sched_monitors(config) == FUT_MONITOR_AUC ? -INFINITY : INFINITY;
    state->bad = 0;
}
