/* torch.optim.lr_scheduler.ExponentialLR: lr(t) = base gamma^t. */
#include "core/sched/sched.h"

#include <math.h>

typedef struct exponential_config {
    fut_sched_common common;
    double gamma;
} exponential_config;

static const fut_opt options[] = {
    FUT_OPT_F64(exponential_config, gamma, "0.95", 1e-9, 1, "", "what an epoch or step leaves of the rate"),
    FUT_SCHED_COMMON_OPTIONS(exponential_config),
    FUT_OPT_END,
};

static double exponential_lr(const void *config_, double base, int64_t t, const fut_sched_state *state)
{
    const exponential_config *config = config_;
    (void)state;
    return base * pow(config->gamma, (double)t);
}

static fut_status exponential_warn(const void *config_, const fut_sched_run *run, int64_t length, fut_str *text)
{
    const exponential_config *config = config_;
    (void)run;
    int64_t counts = length + config->common.warmup;
    double left = length > 0 ? pow(config->gamma, (double)length) : 0.5;
    if (left < 1e-6 || left > 0.9)
        return fut_str_printf(text, "scheduler.gamma %g leaves %.2g of the learning rate after %lld %s: %s", config->gamma, left,
                              (long long)counts, fut_sched_units(&config->common, counts),
                              left < 1e-6 ? "most of the run learns nothing" : "the schedule is longer than the run");
    return FUT_OK;
}

static const fut_sched_type exponential = {.lr = exponential_lr, .warn = exponential_warn};

const fut_opt_choice fut_sched_exponential = {.name = "exponential",
                                              .doc = "the rate times gamma every epoch or step",
                                              .options = options,
                                              .config_size = sizeof(exponential_config),
                                              .payload = &exponential};
