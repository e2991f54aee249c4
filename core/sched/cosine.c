/* Cosine annealing, the closed form of torch.optim.lr_scheduler.CosineAnnealingLR (Loshchilov & Hutter 2017):
 *
 *     lr(t) = eta_min + (base - eta_min) (1 + cos(pi t / t_max)) / 2
 *
 * PyTorch's own recursion agrees to 1e-15 but jumps on a careless resume. Past t_max the rate rises again. */
#include "core/sched/sched.h"

#include <math.h>

typedef struct cosine_config {
    fut_sched_common common;
    int64_t t_max;
    double eta_min;
} cosine_config;

static const double pi = 3.14159265358979323846;

static const fut_opt options[] = {
    FUT_OPT_I64(cosine_config, t_max, "50", 1, 1e12, "", "epochs or steps from the base rate down to eta_min"),
    FUT_OPT_F64(cosine_config, eta_min, "1e-6", 0, 10, "", "lowest learning rate"),
    FUT_SCHED_COMMON_OPTIONS(cosine_config),
    FUT_OPT_END,
};

static double cosine_lr(const void *config_, double base, int64_t t, const fut_sched_state *state)
{
    (void)state;
    const cosine_config *config = config_;
    return config->eta_min + (base - config->eta_min) * (1 + cos(pi * (double)t / (double)config->t_max)) / 2;
}

static fut_status cosine_warn(const void *config_, const fut_sched_run *run, int64_t length, fut_str *text)
{
    const cosine_config *config = config_;
    const char *unit = fut_sched_per_names[config->common.per];
    int64_t counts = length + config->common.warmup, end = config->t_max + config->common.warmup;
    (void)run;
    if (length > config->t_max + 1)
        return fut_str_printf(text, "scheduler.t_max is %lld but the run has %lld %s: after %s %lld the learning rate rises again",
                              (long long)config->t_max, (long long)counts, fut_sched_units(&config->common, counts), unit, (long long)end);
    if (length > 0 && length < config->t_max / 2)
        return fut_str_printf(text, "scheduler.t_max is %lld but the run has %lld %s: it ends with the learning rate still high",
                              (long long)config->t_max, (long long)counts, fut_sched_units(&config->common, counts));
    return FUT_OK;
}

static const fut_sched_type cosine = {.lr = cosine_lr, .warn = cosine_warn};

const fut_opt_choice fut_sched_cosine = {.name = "cosine",
                                         .doc = "half a cosine from the base rate to eta_min over t_max",
                                         .options = options,
                                         .config_size = sizeof(cosine_config),
                                         .payload = &cosine};
