/* Ranger (L. Wright, Ranger-Deep-Learning-Optimizer): RAdam on centred gradients (Yong et al. 2020), under Lookahead (Zhang et al. 2019).
 *
 *     g -= mean of g over all dimensions but the first, in tensors of more than one (gradient_centralization)
 *     p -= wd lr p, then RAdam's step without weight decay (radam.c)
 *     every k steps: slow += alpha (p - slow), p = slow
 *
 * The slow weights begin at the run's first parameters as Ranger's own do, or at the parameters of step k as in timm's Lookahead, whose
 * first synchronisation so changes nothing (first_sync). */
#include "core/optim/optim.h"

typedef enum first_sync { FIRST_SYNC_START, FIRST_SYNC_LAZY } first_sync;
typedef enum centralization { CENTRALIZE_ALL, CENTRALIZE_CONV, CENTRALIZE_NONE } centralization;

static const char *const first_sync_names[] = {"start", "lazy", NULL};
static const char *const centralization_names[] = {"all", "conv", "none", NULL};

typedef struct ranger_config {
    double lr, weight_decay, beta1, beta2, eps, alpha;
    int64_t k;
    int first_sync;              /* enum first_sync */
    int gradient_centralization; /* enum centralization */
} ranger_config;

static const fut_opt options[] = {
    FUT_OPT_F64(ranger_config, lr, "1e-3", 0, 10, "", "learning rate before the schedule"),
    FUT_OPT_F64(ranger_config, weight_decay, "0", 0, 1, "", "pull of every parameter towards zero"),
    FUT_OPT_F64(ranger_config, beta1, "0.95", 0, 0.999999, "", "decay of the gradient's mean"),
    FUT_OPT_F64(ranger_config, beta2, "0.999", 0.7, 0.999999999, "", "decay of the gradient's square"),
    FUT_OPT_F64(ranger_config, eps, "1e-5", 1e-30, 1, "", "added to the denominator"),
    FUT_OPT_I64(ranger_config, k, "6", 1, 1e9, "steps", "steps between two synchronisations with the slow weights"),
    FUT_OPT_F64(ranger_config, alpha, "0.5", 0.000001, 1, "", "how far the slow weights go towards the fast ones"),
    FUT_OPT_ENUM(ranger_config, first_sync, "start", first_sync_names,
                 "slow weights begin at the run's start, as Ranger's, or lazy: at the first synchronisation, as timm's"),
    FUT_OPT_ENUM(ranger_config, gradient_centralization, "all", centralization_names,
                 "which gradients lose their mean: of all tensors with more than one dimension, of convolutions, of none"),
    FUT_OPT_END,
};

static double base_lr(const void *config)
{
    return ((const ranger_config *)config)->lr;
}

static int centers_above(const void *config)
{
    static const int dims[] = {[CENTRALIZE_ALL] = 1, [CENTRALIZE_CONV] = 3, [CENTRALIZE_NONE] = 1000};
    return dims[((const ranger_config *)config)->gradient_centralization];
}

static fut_status step(fut_optim *optim, const double *lr, void *params, void *grads)
{
    const ranger_config *config = optim->config;
    fut_backend *bk = optim->bk;
    fut_adam_args adam = {.beta1 = config->beta1,
                          .beta2 = config->beta2,
                          .eps = config->eps,
                          .weight_decay = config->weight_decay,
                          .decoupled = true,
                          .rectified = true};
    fut_lookahead_args lookahead = {.every = config->k, .alpha = config->alpha, .lazy = config->first_sync == FIRST_SYNC_LAZY};
    FUT_TRY(bk->adam(bk, optim->count, optim->real, &adam, lr, optim->control, optim->groups, params, grads, optim->slot[0], optim->slot[1],
                     NULL));
    return bk->lookahead(bk, optim->count, optim->real, &lookahead, optim->control, params, optim->slot[2], NULL);
}

static const fut_optim_type ranger = {
    .slots = 3,
    .slot = {{.name = "exp_avg"}, {.name = "exp_avg_sq"}, {.name = "slow_buffer", .begins_at_params = true}},
    .base_lr = base_lr,
    .step = step,
    .centers_above = centers_above};

const fut_opt_choice fut_optim_ranger = {.name = "ranger",
                                         .doc = "Lookahead over rectified Adam on centred gradients",
                                         .options = options,
                                         .config_size = sizeof(ranger_config),
                                         .payload = &ranger};
