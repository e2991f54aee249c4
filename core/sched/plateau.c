/* torch.optim.lr_scheduler.ReduceLROnPlateau: the rate falls when what is monitored has not become better for a while.
 *
 *     better:  a < best (1 - threshold) (rel), a < best - threshold (abs); for AUC a > best (1 + threshold), a > best + threshold
 *     better: best = a, bad = 0, else bad + 1; while cooling down: cooldown - 1, bad = 0
 *     bad > patience: cooldown and bad begin anew, and the rate becomes max(factor rate, min_lr) unless it would fall by eps or less
 *
 * An evaluation is what is counted, whatever `per` says; that is for the warm-up. */
#include "core/sched/sched.h"

#include <math.h>

typedef enum threshold_mode { THRESHOLD_REL, THRESHOLD_ABS } threshold_mode;
static const char *const threshold_mode_names[] = {"rel", "abs", NULL};
static const char *const monitor_names[] = {"loss", "eer", "auc", NULL}; /* fut_sched_monitor, from its second on */

typedef struct plateau_config {
    fut_sched_common common;
    int monitor;
    double factor, threshold, min_lr, eps;
    int threshold_mode;
    int64_t patience, cooldown;
} plateau_config;

static const fut_opt options[] = {
    FUT_OPT_ENUM(plateau_config, monitor, "loss", monitor_names, "what of an evaluation must become better"),
    FUT_OPT_F64(plateau_config, factor, "0.1", 1e-9, 0.999999, "", "what a fall leaves of the rate"),
    FUT_OPT_I64(plateau_config, patience, "10", 0, 1e9, "evaluations", "evaluations without a better value that are borne"),
    FUT_OPT_F64(plateau_config, threshold, "1e-4", 0, 1e9, "", "how much better counts"),
    FUT_OPT_ENUM(plateau_config, threshold_mode, "rel", threshold_mode_names, "of the best value, or in its unit"),
    FUT_OPT_I64(plateau_config, cooldown, "0", 0, 1e9, "evaluations", "evaluations after a fall in which nothing is counted"),
    FUT_OPT_F64(plateau_config, min_lr, "0", 0, 10, "", "lowest learning rate"),
    FUT_OPT_F64(plateau_config, eps, "1e-8", 0, 1, "", "a smaller fall is not taken"),
    FUT_SCHED_COMMON_OPTIONS(plateau_config),
    FUT_OPT_END,
};

static double plateau_lr(const void *config, double base, int64_t t, const fut_sched_state *state)
{
    (void)config;
    (void)t;
    return state->seen > 0 ? state->lr : base;
}

static fut_sched_monitor plateau_monitor(const void *config)
{
    return (fut_sched_monitor)(FUT_MONITOR_LOSS + ((const plateau_config *)config)->monitor);
}

static bool is_better(const plateau_config *config, double value, const fut_sched_state *state)
{
    if (state->seen == 0) return true;
    bool more = plateau_monitor(config) == FUT_MONITOR_AUC;
    double sign = more ? 1 : -1;
    double bar =
        config->threshold_mode == THRESHOLD_REL ? state->best * (1 + sign * config->threshold) : state->best + sign * config->threshold;
    return more ? value > bar : value < bar;
}

static void plateau_observe(const void *config_, double base, double value, fut_sched_state *state)
{
    const plateau_config *config = config_;
    bool better = is_better(config, value, state);
    if (state->seen++ == 0) state->lr = base;
    if (better) state->best = value;
    state->bad = better ? 0 : state->bad + 1;
    if (state->cooldown > 0) {
        state->cooldown--;
        state->bad = 0;
    }
    if (state->bad <= config->patience) return;
    double lower = fmax(state->lr * config->factor, config->min_lr);
    if (state->lr - lower > config->eps) state->lr = lower;
    state->cooldown = config->cooldown;
    state->bad = 0;
}

static fut_status plateau_warn(const void *config_, const fut_sched_run *run, int64_t length, fut_str *text)
{
    const plateau_config *config = config_;
    (void)length;
    if (run->evaluations == 0)
        return fut_str_printf(text, "scheduler.monitor waits for evaluations but eval.every is 0: the learning rate never falls");
    if (run->evaluations > 0 && run->evaluations <= config->patience + 1)
        return fut_str_printf(text, "scheduler.patience is %lld but the run has %lld evaluations: the learning rate never falls",
                              (long long)config->patience, (long long)run->evaluations);
    return FUT_OK;
}

static const fut_sched_type plateau = {.lr = plateau_lr, .warn = plateau_warn, .monitor = plateau_monitor, .observe = plateau_observe};

const fut_opt_choice fut_sched_plateau = {.name = "plateau",
                                          .doc = "the rate times factor when evaluations stop becoming better",
                                          .options = options,
                                          .config_size = sizeof(plateau_config),
                                          .payload = &plateau};
