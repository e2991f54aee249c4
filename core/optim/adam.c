/* Adam and AdamW, as torch.optim 2.x defines them (Kingma & Ba 2015; Loshchilov & Hutter 2019):
 *
 *     AdamW: p *= 1 - lr wd     Adam: g += wd p
 *     m = b1 m + (1 - b1) g     v = b2 v + (1 - b2) g^2
 *     p -= lr / (1 - b1^t) * m / (sqrt(v) / sqrt(1 - b2^t) + eps) */
#include "core/optim/optim.h"

typedef struct adam_config {
    double lr, weight_decay, beta1, beta2, eps;
} adam_config;

#define ADAM_OPTIONS(default_decay)                                                                                                        \
    FUT_OPT_F64(adam_config, lr, "1e-4", 0, 10, "", "learning rate before the schedule"),                                                  \
        FUT_OPT_F64(adam_config, weight_decay, default_decay, 0, 1, "", "pull of every parameter towards zero"),                           \
        FUT_OPT_F64(adam_config, beta1, "0.9", 0, 0.999999, "", "decay of the gradient's mean"),                                           \
        FUT_OPT_F64(adam_config, beta2, "0.999", 0, 0.999999999, "", "decay of the gradient's square"),                                    \
        FUT_OPT_F64(adam_config, eps, "1e-8", 1e-30, 1, "", "added to the denominator"), FUT_OPT_END

static const fut_opt adamw_options[] = {ADAM_OPTIONS("1e-5")};
static const fut_opt adam_options[] = {ADAM_OPTIONS("0")};

static double adam_base_lr(const void *config)
{
    return ((const adam_config *)config)->lr;
}

static fut_status step(fut_optim *optim, bool decoupled, const double *lr, void *params, void *grads)
{
    const adam_config *config = optim->config;
    fut_adam_args args = {
        .beta1 = config->beta1, .beta2 = config->beta2, .eps = config->eps, .weight_decay = config->weight_decay, .decoupled = decoupled};
    return optim->bk->adam(optim->bk, optim->count, optim->real, &args, lr, optim->control, optim->groups, params, grads, optim->slot[0],
                           optim->slot[1], NULL);
}

static fut_status adamw_step(fut_optim *optim, const double *lr, void *params, void *grads)
{
    return step(optim, true, lr, params, grads);
}

static fut_status adam_step(fut_optim *optim, const double *lr, void *params, void *grads)
{
    return step(optim, false, lr, params, grads);
}

static const fut_optim_type adamw = {
    .slots = 2, .slot = {{.name = "exp_avg"}, {.name = "exp_avg_sq"}}, .base_lr = adam_base_lr, .step = adamw_step};
static const fut_optim_type adam = {
    .slots = 2, .slot = {{.name = "exp_avg"}, {.name = "exp_avg_sq"}}, .base_lr = adam_base_lr, .step = adam_step};

const fut_opt_choice fut_optim_adamw = {.name = "adamw",
                                        .doc = "Adam with decoupled weight decay",
                                        .options = adamw_options,
                                        .config_size = sizeof(adam_config),
                                        .payload = &adamw};
const fut_opt_choice fut_optim_adam = {.name = "adam",
                                       .doc = "Adam; weight decay is added to the gradient",
                                       .options = adam_options,
                                       .config_size = sizeof(adam_config),
                                       .payload = &adam};
