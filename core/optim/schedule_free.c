/* Schedule-free AdamW and SGD, as the schedulefree package defines them (Defazio et al. 2024). Gradients are taken, and the parameters of a
 * run are, at y; z walks as plain AdamW or SGD would; x, a mean of all z, is what is evaluated and exported. Only y and z are kept.
 *
 *     lr_t = lr min(1, t / warmup)     w = t^r max(lr_1..lr_t)^weight_lr_power     c = w / sum of all w
 *     AdamW:  v = b2 v + (1 - b2) g^2     g = g / (sqrt(v / (1 - b2^t)) + eps)     (b1 stands for SGD's momentum below)
 *     g += wd y     y += c (z - y) + lr_t (b1 (1 - c) - 1) g     z -= lr_t g     x = y + (1 - 1 / b1) (z - y) */
#include "core/optim/optim.h"

typedef struct adamw_config {
    double lr, weight_decay, beta1, beta2, eps, r, weight_lr_power;
    int64_t warmup_steps;
} adamw_config;

typedef struct sgd_config {
    double lr, weight_decay, momentum, r, weight_lr_power;
    int64_t warmup_steps;
} sgd_config;

#define AVERAGE_OPTIONS(S)                                                                                                                 \
    FUT_OPT_I64(S, warmup_steps, "0", 0, 1e12, "steps", "steps over which the learning rate grows to its own"),                            \
        FUT_OPT_F64(S, r, "0", 0, 100, "", "a step's weight in the average grows with this power of its number"),                          \
        FUT_OPT_F64(S, weight_lr_power, "2", 0, 100, "", "and with this power of the highest learning rate so far"), FUT_OPT_END

static const fut_opt adamw_options[] = {
    FUT_OPT_F64(adamw_config, lr, "2.5e-3", 0, 10, "", "learning rate before the schedule"),
    FUT_OPT_F64(adamw_config, weight_decay, "0", 0, 1, "", "pull of every parameter towards zero, taken at y"),
    FUT_OPT_F64(adamw_config, beta1, "0.9", 0.01, 0.999999, "", "how near y is to the average x"),
    FUT_OPT_F64(adamw_config, beta2, "0.999", 0, 0.999999999, "", "decay of the gradient's square"),
    FUT_OPT_F64(adamw_config, eps, "1e-8", 1e-30, 1, "", "added to the denominator"),
    AVERAGE_OPTIONS(adamw_config),
};

static const fut_opt sgd_options[] = {
    FUT_OPT_F64(sgd_config, lr, "1", 0, 1000, "", "learning rate before the schedule"),
    FUT_OPT_F64(sgd_config, weight_decay, "0", 0, 1, "", "pull of every parameter towards zero, taken at y"),
    FUT_OPT_F64(sgd_config, momentum, "0.9", 0.01, 0.999999, "", "how near y is to the average x"),
    AVERAGE_OPTIONS(sgd_config),
};

static double adamw_base_lr(const void *config)
{
    return ((const adamw_config *)config)->lr;
}

static double adamw_weight_decay(const void *config)
{
    return ((const adamw_config *)config)->weight_decay;
}

static double sgd_weight_decay(const void *config)
{
    return ((const sgd_config *)config)->weight_decay;
}

static double sgd_base_lr(const void *config)
{
    return ((const sgd_config *)config)->lr;
}

static fut_status step(fut_optim *optim, const fut_schedule_free_args *args, const double *lr, void *y, void *grads, void *v)
{
    return optim->bk->schedule_free(optim->bk, optim->count, optim->real, args, lr, optim->control, optim->groups, y, grads, optim->slot[0],
                                    v, NULL);
}

static fut_status adamw_step(fut_optim *optim, const double *lr, void *y, void *grads)
{
    const adamw_config *config = optim->config;
    fut_schedule_free_args args = {.beta1 = config->beta1,
                                   .beta2 = config->beta2,
                                   .eps = config->eps,
                                   .weight_decay = config->weight_decay,
                                   .warmup = config->warmup_steps,
                                   .r = config->r,
                                   .lr_power = config->weight_lr_power};
    return step(optim, &args, lr, y, grads, optim->slot[1]);
}

static fut_status sgd_step(fut_optim *optim, const double *lr, void *y, void *grads)
{
    const sgd_config *config = optim->config;
    fut_schedule_free_args args = {.beta1 = config->momentum,
                                   .weight_decay = config->weight_decay,
                                   .warmup = config->warmup_steps,
                                   .r = config->r,
                                   .lr_power = config->weight_lr_power};
    return step(optim, &args, lr, y, grads, NULL);
}

/* x; never in place, since the way back to y would not meet the same bits. */
static fut_status average(fut_optim *optim, double beta1, const void *y, void *x_out)
{
    fut_backend *bk = optim->bk;
    FUT_TRY(bk->copy(bk, x_out, y, (size_t)optim->count * fut_dtype_size(optim->real), NULL));
    return bk->lerp(bk, optim->count, optim->real, 1 - 1 / beta1, NULL, optim->slot[0], x_out, NULL);
}

static fut_status adamw_average(fut_optim *optim, const void *y, void *x_out)
{
    return average(optim, ((const adamw_config *)optim->config)->beta1, y, x_out);
}

static fut_status sgd_average(fut_optim *optim, const void *y, void *x_out)
{
    return average(optim, ((const sgd_config *)optim->config)->momentum, y, x_out);
}

static const fut_optim_type adamw = {.slots = 2,
                                     .slot = {{.name = "z", .begins_at_params = true}, {.name = "exp_avg_sq"}},
                                     .base_lr = adamw_base_lr,
                                     .weight_decay = adamw_weight_decay,
                                     .step = adamw_step,
                                     .average = adamw_average};
static const fut_optim_type sgd = {.slots = 1,
                                   .slot = {{.name = "z", .begins_at_params = true}},
                                   .base_lr = sgd_base_lr,
                                   .weight_decay = sgd_weight_decay,
                                   .step = sgd_step,
                                   .average = sgd_average};

const fut_opt_choice fut_optim_schedule_free_adamw = {.name = "schedule_free_adamw",
                                                      .doc = "AdamW whose average needs no schedule",
                                                      .options = adamw_options,
                                                      .config_size = sizeof(adamw_config),
                                                      .payload = &adamw};
const fut_opt_choice fut_optim_schedule_free_sgd = {.name = "schedule_free_sgd",
                                                    .doc = "SGD whose average needs no schedule",
                                                    .options = sgd_options,
                                                    .config_size = sizeof(sgd_config),
                                                    .payload = &sgd};
