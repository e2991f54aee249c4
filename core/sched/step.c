/* torch.optim.lr_scheduler.StepLR: lr(t) = base gamma^floor(t / step_size). */
#include "core/sched/sched.h"

#include <math.h>

typedef struct step_config {
    fut_sched_common common;
    int64_t step_size;
    double gamma;
} step_config;

static const fut_opt options[] = {
    FUT_OPT_I64(step_config, step_size, "30", 1, 1e12, "", "epochs or steps between two falls of the rate"),
    FUT_OPT_F64(step_config, gamma, "0.1", 1e-9, 1, "", "what a fall leaves of the rate"),
    FUT_SCHED_COMMON_OPTIONS(step_config),
    FUT_OPT_END,
};

static int64_t falls_until(const step_config *config, int64_t t)
{
    return t / config->step_size;
}

static double step_lr(const void *config_, double base, int64_t t, const fut_sched_state *state)
{
    const step_config *config = config_;
    (void)state;
    return base * pow(config->gamma, (double)falls_until(config, t));
}

static fut_status step_warn(const void *config_, const fut_sched_run *run, int64_t length, fut_str *text)
{
    const step_config *config = config_;
    (void)run;
    int64_t counts = length + config->common.warmup;
    if (length > 0 && length <= config->step_size)
        return fut_str_printf(text, "scheduler.step_size is %lld but the run has %lld %s: the learning rate never falls",
                              (long long)config->step_size, (long long)counts, fut_sched_units(&config->common, counts));
    if (length > 0 && pow(config->gamma, (double)falls_until(config, length)) < 1e-6)
        return fut_str_printf(text,
                              "scheduler.step_size %lld lets the learning rate fall %lld times in %lld %s, below a millionth: most of the "
                              "run learns nothing",
                              (long long)config->step_size, (long long)falls_until(config, length), (long long)counts,
                              fut_sched_units(&config->common, counts));
    return FUT_OK;
}

static const fut_sched_type step_schedule = {.lr = step_lr, .warn = step_warn};

const fut_opt_choice fut_sched_step = {.name = "step",
                                       .doc = "the rate times gamma every step_size",
                                       .options = options,
                                       .config_size = sizeof(step_config),
                                       .payload = &step_schedule};
