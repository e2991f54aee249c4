/* torch.optim.lr_scheduler.MultiStepLR: lr(t) = base gamma^(milestones <= t). */
#include "core/sched/sched.h"

#include <math.h>

typedef struct multi_step_config {
    fut_sched_common common;
    fut_opt_f64_list milestones;
    double gamma;
} multi_step_config;

static const fut_opt options[] = {
    FUT_OPT_F64_LIST(multi_step_config, milestones, "[30, 40]", 1, 1e12, "epochs or steps at which the rate falls"),
    FUT_OPT_F64(multi_step_config, gamma, "0.1", 1e-9, 1, "", "what a fall leaves of the rate"),
    FUT_SCHED_COMMON_OPTIONS(multi_step_config),
    FUT_OPT_END,
};

static double multi_step_lr(const void *config_, double base, int64_t t, const fut_sched_state *state)
{
    const multi_step_config *config = config_;
    (void)state;
    int falls = 0;
    for (int i = 0; i < config->milestones.count; i++)
        falls += config->milestones.value[i] <= (double)t;
    return base * pow(config->gamma, falls);
}

static fut_status multi_step_warn(const void *config_, const fut_sched_run *run, int64_t length, fut_str *text)
{
    const multi_step_config *config = config_;
    (void)run;
    int64_t counts = length + config->common.warmup;
    double last = 0;
    for (int i = 0; i < config->milestones.count; i++)
        last = fmax(last, config->milestones.value[i]);
    if (length > 0 && (config->milestones.count == 0 || last >= (double)length))
        return fut_str_printf(text, "the last of scheduler.milestones is %g but the run has %lld %s: the learning rate never gets there",
                              last, (long long)counts, fut_sched_units(&config->common, counts));
    return FUT_OK;
}

static const fut_sched_type multi_step = {.lr = multi_step_lr, .warn = multi_step_warn};

const fut_opt_choice fut_sched_multi_step = {.name = "multi_step",
                                             .doc = "the rate times gamma at each milestone",
                                             .options = options,
                                             .config_size = sizeof(multi_step_config),
                                             .payload = &multi_step};
