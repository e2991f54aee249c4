/* torch.optim.lr_scheduler.PolynomialLR: lr(t) = base (1 - min(t, total_iters) / total_iters)^power. */
#include "core/sched/sched.h"

#include <math.h>

typedef struct polynomial_config {
    fut_sched_common common;
    int64_t total_iters;
    double power;
} polynomial_config;

static const fut_opt options[] = {
    FUT_OPT_I64(polynomial_config, total_iters, "50", 1, 1e12, "", "epochs or steps until the rate is 0"),
    FUT_OPT_F64(polynomial_config, power, "1", 0.01, 100, "", "1: in a straight line"),
    FUT_SCHED_COMMON_OPTIONS(polynomial_config),
    FUT_OPT_END,
};

static double polynomial_lr(const void *config_, double base, int64_t t, const fut_sched_state *state)
{
    const polynomial_config *config = config_;
    (void)state;
    double left = t < config->total_iters ? 1 - (double)t / (double)config->total_iters : 0;
    return base * pow(left, config->power);
}

static fut_status polynomial_warn(const void *config_, const fut_sched_run *run, int64_t length, fut_str *text)
{
    const polynomial_config *config = config_;
    const char *unit = fut_sched_per_names[config->common.per];
    (void)run;
    int64_t counts = length + config->common.warmup;
    if (length > config->total_iters)
        return fut_str_printf(text, "scheduler.total_iters is %lld but the run has %lld %s: after %s %lld the learning rate is 0",
                              (long long)config->total_iters, (long long)counts, fut_sched_units(&config->common, counts), unit,
                              (long long)(config->total_iters + config->common.warmup));
    if (length > 0 && length < config->total_iters / 2)
        return fut_str_printf(text, "scheduler.total_iters is %lld but the run has %lld %s: it ends with the learning rate still high",
                              (long long)config->total_iters, (long long)counts, fut_sched_units(&config->common, counts));
    return FUT_OK;
}

static const fut_sched_type polynomial = {.lr = polynomial_lr, .warn = polynomial_warn};

const fut_opt_choice fut_sched_polynomial = {.name = "polynomial",
                                             .doc = "a power of the time left, down to 0 at total_iters",
                                             .options = options,
                                             .config_size = sizeof(polynomial_config),
                                             .payload = &polynomial};
