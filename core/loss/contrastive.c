/* Contrastive loss, as pytorch-metric-learning 2.9 defines it (losses/contrastive_loss.py): on a similarity s or a distance d
 *
 *     L = reduce_pos [pos_margin - s]+  +  reduce_neg [s - neg_margin]+        or  [d - pos_margin]+  and  [neg_margin - d]+
 *
 * over ordered pairs; an empty side is 0. Its derivative by a pair's value is the same from both rows. */
#include "core/loss/loss.h"

typedef struct contrastive_config {
    fut_loss_common common;
    double pos_margin, neg_margin;
} contrastive_config;

static const fut_opt options[] = {
    FUT_LOSS_DISTANCE(contrastive_config, "cosine"),
    FUT_OPT_F64(contrastive_config, pos_margin, "1", -1e6, 1e6, "similarity or distance",
                "photos of one person are pulled together until this similarity, or down to this distance (0 is usual)"),
    FUT_OPT_F64(contrastive_config, neg_margin, "0.05", -1e6, 1e6, "similarity or distance",
                "photos of different people are pushed apart down to this similarity, or until this distance (1 is usual)"),
    FUT_LOSS_REDUCER(contrastive_config, "avg_non_zero"),
    FUT_OPT_END,
};

static void describe(const void *config_, fut_row_loss *row)
{
    const contrastive_config *config = config_;
    row->kind = FUT_ROW_CONTRASTIVE;
    row->pos_margin = config->pos_margin;
    row->neg_margin = config->neg_margin;
}

static const char *lint_cosine(const contrastive_config *config, fut_str *proof)
{
    if (!(config->pos_margin <= 1 && config->neg_margin >= 1)) return NULL;
    fut_status st = fut_str_printf(proof,
                                   "contrastive loss on cosine similarity s with pos_margin %g and neg_margin %g cannot learn: positives "
                                   "cost [%g - s]+, which is zero once "
                                   "two photos of a person are barely alike, and negatives cost [s - %g]+, which is zero for every s <= 1. "
                                   "A network that maps every photo to "
                                   "one point (s = 1) has loss 0 and gradient 0. These margins are meant for distances; for similarities "
                                   "use pos_margin: 1, neg_margin: 0.05",
                                   config->pos_margin, config->neg_margin, config->pos_margin, config->neg_margin);
    return st == FUT_OK ? "collapsed_minimum" : NULL;
}

static const char *lint_dot(const contrastive_config *config, fut_str *proof)
{
    if (!(config->neg_margin >= 0 && config->pos_margin <= config->neg_margin)) return NULL;
    fut_status st = fut_str_printf(proof,
                                   "contrastive loss on the dot product s with pos_margin %g and neg_margin %g cannot learn: a network "
                                   "that maps every photo to one vector of squared length %g has s = %g for all pairs, so positives' "
                                   "[%g - s]+ and negatives' [s - %g]+ are 0, the loss and its gradient too. These margins are meant for "
                                   "distances; for similarities pos_margin must lie above neg_margin",
                                   config->pos_margin, config->neg_margin, config->neg_margin, config->neg_margin, config->pos_margin,
                                   config->neg_margin);
    return st == FUT_OK ? "collapsed_minimum" : NULL;
}

static const char *lint_l2(const contrastive_config *config, fut_str *proof)
{
    if (config->neg_margin > config->pos_margin && config->pos_margin < 2) return NULL;
    if (config->neg_margin > config->pos_margin) {
        fut_status none =
            fut_str_printf(proof,
                           "contrastive loss on the l2 distance d with pos_margin %g never pulls photos of a person together: "
                           "positives cost [d - %g]+, and no two unit vectors are farther apart than 2. Use pos_margin: 0, "
                           "neg_margin: 1",
                           config->pos_margin, config->pos_margin);
        return none == FUT_OK ? "positives_cost_nothing" : NULL;
    }
    fut_status st = fut_str_printf(
        proof,
        "contrastive loss on the l2 distance d with pos_margin %g and neg_margin %g cannot learn: positives cost "
        "[d - %g]+ and negatives [%g - d]+, so every pair with a distance from %g to %g costs nothing, whoever is "
        "on it: the loss and its gradient are 0 without telling anybody apart. These margins are meant for "
        "similarities; for distances use pos_margin: 0, neg_margin: 1",
        config->pos_margin, config->neg_margin, config->pos_margin, config->neg_margin, config->neg_margin, config->pos_margin);
    return st == FUT_OK ? "collapsed_minimum" : NULL;
}

static const char *lint(const void *config_, fut_str *proof)
{
    const contrastive_config *config = config_;
    switch ((fut_distance)config->common.distance) {
    case FUT_DISTANCE_L2:
        return lint_l2(config, proof);
    case FUT_DISTANCE_DOT:
        return lint_dot(config, proof);
    case FUT_DISTANCE_COSINE:
        break;
    }
    return lint_cosine(config, proof);
}

static const fut_loss_type contrastive = {.symmetric = true, .describe = describe, .lint = lint};

const fut_opt_choice fut_loss_contrastive = {
    .name = "contrastive",
    .doc = "hinges on all pairs of the global batch",
    .options = options,
    .config_size = sizeof(contrastive_config),
    .payload = &contrastive,
};
