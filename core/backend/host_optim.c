#include "core/backend/host_optim.h"

#include <math.h>

static double group_lr(const fut_param_groups *groups, int group)
{
    return groups != NULL ? groups->lr[group] : 1;
}

static double group_decay(const fut_param_groups *groups, int group)
{
    return groups != NULL ? groups->weight_decay[group] : 1;
}

/* RAdam's (Liu et al. 2020) step as Adam's: the rectified one by a factor; before it can be told, a step along the mean alone. */
static void rectify(const fut_adam_args *args, double steps, fut_host_adam *rates)
{
    double power = pow(args->beta2, steps);
    double rho_inf = 2 / (1 - args->beta2) - 1;
    double rho = rho_inf - 2 * steps * power / (1 - power);
    if (rho > 5) {
        rates->step *= rates->root * sqrt((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho));
        rates->root = 1;
    } else {
        rates->root = INFINITY;
        rates->eps = 1;
    }
}

fut_host_adam fut_host_adam_rates(const fut_adam_args *args, double lr, const fut_step_control *control, const fut_param_groups *groups,
                                  int group)
{
    double steps = (double)control->steps;
    double decay = args->weight_decay * group_decay(groups, group);
    lr *= group_lr(groups, group);
    fut_host_adam rates = {.keep = args->decoupled ? 1 - lr * decay : 1,
                           .into_gradient = args->decoupled ? 0 : decay,
                           .step = lr / (1 - pow(args->beta1, steps)),
                           .root = sqrt(1 - pow(args->beta2, steps)),
                           .eps = args->eps};
    if (args->rectified) rectify(args, steps, &rates);
    return rates;
}

fut_host_sgd fut_host_sgd_rates(const fut_sgd_args *args, double lr, const fut_step_control *control, const fut_param_groups *groups,
                                int group)
{
    bool first = control->steps == 1 || args->momentum == 0;
    return (fut_host_sgd){.into_gradient = args->weight_decay * group_decay(groups, group),
                          .keep = first ? 0 : args->momentum,
                          .take = first ? 1 : 1 - args->dampening,
                          .gradient = args->nesterov ? 1 : 0,
                          .buffer = args->nesterov ? args->momentum : 1,
                          .step = lr * group_lr(groups, group)};
}

double fut_host_schedule_free_advance(const fut_schedule_free_args *args, double *lr, fut_step_control *control)
{
    double steps = (double)control->steps;
    if (control->steps <= args->warmup) *lr *= steps / (double)args->warmup;
    control->lr_max = fmax(control->lr_max, *lr);
    double weight = pow(steps, args->r) * pow(control->lr_max, args->lr_power);
    control->average_weight += weight;
    return control->average_weight > 0 ? weight / control->average_weight : 0;
}

fut_host_schedule_free fut_host_schedule_free_rates(const fut_schedule_free_args *args, double lr, double toward_z,
                                                    const fut_step_control *control, const fut_param_groups *groups, int group)
{
    lr *= group_lr(groups, group);
    return (fut_host_schedule_free){.into_gradient = args->weight_decay * group_decay(groups, group),
                                    .correction = 1 - pow(args->beta2, (double)control->steps),
                                    .toward_z = toward_z,
                                    .y_step = lr * (args->beta1 * (1 - toward_z) - 1),
                                    .z_step = lr};
}
