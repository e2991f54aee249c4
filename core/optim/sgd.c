/* SGD with momentum, as torch.optim.SGD 2.x defines it (Sutskever et al. 2013):
 *
 *     g += wd p     buffer = g at step 1, else momentum buffer + (1 - dampening) g
 *     p -= lr (nesterov ? g + momentum buffer : buffer) */
#include "core/optim/optim.h"

typedef struct sgd_config {
    double lr, weight_decay, momentum, dampening;
    bool nesterov;
} sgd_config;

static const fut_opt options[] = {
    FUT_OPT_F64(sgd_config, lr, "1e-3", 0, 1000, "", "learning rate before the schedule"),
    FUT_OPT_F64(sgd_config, weight_decay, "0", 0, 1, "", "pull of every parameter towards zero, added to the gradient"),
    FUT_OPT_F64(sgd_config, momentum, "0", 0, 0.999999, "", "what is kept of the last step's direction"),
    FUT_OPT_F64(sgd_config, dampening, "0", 0, 1, "", "what is left out of the gradient when it joins the momentum"),
    FUT_OPT_BOOL(sgd_config, nesterov, "false", "look ahead along the momentum; wants dampening 0"),
    FUT_OPT_END,
};

static double base_lr(const void *config)
{
    return ((const sgd_config *)config)->lr;
}

static fut_status step(fut_optim *optim, const double *lr, void *params, void *grads)
{
    const sgd_config *config = optim->config;
    fut_sgd_args args = {
        .momentum = config->momentum, .dampening = config->dampening, .weight_decay = config->weight_decay, .nesterov = config->nesterov};
    return optim->bk->sgd(optim->bk, optim->count, optim->real, &args, lr, optim->control, optim->groups, params, grads, optim->slot[0],
                          NULL);
}

static const char *lint(const void *config_, fut_str *text)
{
    const sgd_config *config = config_;
    if (!config->nesterov || (config->momentum > 0 && config->dampening == 0)) return NULL;
    fut_status st = fut_str_printf(text,
                                   "optimizer.nesterov looks ahead along the momentum, but momentum is %g and dampening %g: set momentum "
                                   "above 0 and dampening to 0, or nesterov to false",
                                   config->momentum, config->dampening);
    return st == FUT_OK ? "nesterov_without_momentum" : NULL;
}

static const fut_optim_type sgd = {.slots = 1, .slot = {{.name = "momentum_buffer"}}, .base_lr = base_lr, .step = step, .lint = lint};

const fut_opt_choice fut_optim_sgd = {.name = "sgd",
                                      .doc = "stochastic gradient descent with momentum, Nesterov's too",
                                      .options = options,
                                      .config_size = sizeof(sgd_config),
                                      .payload = &sgd};
