/* Optimizers on a host: what is the same for all parameters of a group at one step, by the formulas of core/optim. */
#ifndef FUT_CORE_BACKEND_HOST_OPTIM_H
#define FUT_CORE_BACKEND_HOST_OPTIM_H

#include "core/backend/backend.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fut_host_adam {
    double keep;          /* p *= keep */
    double into_gradient; /* g += into_gradient p */
    double step, root;    /* p -= step m / (sqrt(v) / root + eps) */
    double eps;
} fut_host_adam;
typedef struct fut_host_sgd {
    double into_gradient;
    double keep, take;       /* buffer = keep buffer + take g */
    double gradient, buffer; /* p -= step (gradient g + buffer buffer) */
    double step;
} fut_host_sgd;
typedef struct fut_host_schedule_free {
    double into_gradient;
    double correction;     /* g /= sqrt(v / correction) + eps */
    double toward_z;       /* y += toward_z (z - y) */
    double y_step, z_step; /* y += y_step g, z -= z_step g */
} fut_host_schedule_free;

/* groups may be NULL: group 0 then has the factors 1. */
fut_host_adam fut_host_adam_rates(const fut_adam_args *args, double lr, const fut_step_control *control, const fut_param_groups *groups,
                                  int group);
fut_host_sgd fut_host_sgd_rates(const fut_sgd_args *args, double lr, const fut_step_control *control, const fut_param_groups *groups,
                                int group);
/* Once a step: *lr warmed up, control's average carried on; what y goes toward z by. */
double fut_host_schedule_free_advance(const fut_schedule_free_args *args, double *lr, fut_step_control *control);
fut_host_schedule_free fut_host_schedule_free_rates(const fut_schedule_free_args *args, double lr, double toward_z,
                                                    const fut_step_control *control, const fut_param_groups *groups, int group);

#ifdef __cplusplus
}
#endif

#endif
