/* RAdam, as torch.optim.RAdam 2.x defines it (Liu et al. 2020): Adam, whose step is held back until the variance of v is known.
 *
 *     g += wd p     m = b1 m + (1 - b1) g     v = b2 v + (1 - b2) g^2     mhat = m / (1 - b1^t)
 *     rho_inf = 2 / (1 - b2) - 1     rho = rho_inf - 2 t b2^t / (1 - b2^t)
 *     rho > 5:  p -= lr mhat sqrt(1 - b2^t) / (sqrt(v) + eps) sqrt((rho - 4) (rho - 2) rho_inf / ((rho_inf - 4) (rho_inf - 2) rho))
 *     else:     p -= lr mhat */
#include "core/optim/optim.h"

typedef struct radam_config {
    double lr, weight_decay, beta1, beta2, eps;
    bool decoupled_weight_decay;
} radam_config;

/* rho_inf must pass 5, or no step is ever rectified. */
static const fut_opt options[] = {
    FUT_OPT_F64(radam_config, lr, "1e-3", 0, 10, "", "learning rate before the schedule"),
    FUT_OPT_F64(radam_config, weight_decay, "0", 0, 1, "", "pull of every parameter towards zero"),
    FUT_OPT_BOOL(radam_config, decoupled_weight_decay, "false", "the pull acts on the parameters, as AdamW's, not on the gradient"),
    FUT_OPT_F64(radam_config, beta1, "0.9", 0, 0.999999, "", "decay of the gradient's mean"),
    FUT_OPT_F64(radam_config, beta2, "0.999", 0.7, 0.999999999, "", "decay of the gradient's square"),
    FUT_OPT_F64(radam_config, eps, "1e-8", 1e-30, 1, "", "added to the denominator"),
    FUT_OPT_END,
};

static double base_lr(const void *config)
{
    return ((const radam_config *)config)->lr;
}

static fut_status step(fut_optim *optim, const double *lr, void *params, void *grads)
{
    const radam_config *config = optim->config;
    fut_adam_args args = {.beta1 = config->beta1,
                          .beta2 = config->beta2,
                          .eps = config->eps,
                          .weight_decay = config->weight_decay,
                          .decoupled = config->decoupled_weight_decay,
                          .rectified = true};
    return optim->bk->adam(optim->bk, optim->count, optim->real, &args, lr, optim->control, optim->groups, params, grads, optim->slot[0],
                           optim->slot[1], NULL);
}

static const fut_optim_type radam = {.slots = 2, .slot = {{.name = "exp_avg"}, {.name = "exp_avg_sq"}}, .base_lr = base_lr, .step = step};

const fut_opt_choice fut_optim_radam = {.name = "radam",
                                        .doc = "rectified Adam, which needs no warm-up",
                                        .options = options,
                                        .config_size = sizeof(radam_config),
                                        .payload = &radam};
