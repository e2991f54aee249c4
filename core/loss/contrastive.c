/* Contrastive loss on cosine similarity, as pytorch-metric-learning 2.9 defines it (losses/contrastive_loss.py, AvgNonZeroReducer):
 *
 *     L = sum_pos [pos_margin - s]+ / #{> 0}  +  sum_neg [s - neg_margin]+ / #{> 0}        over ordered pairs, an empty side is 0
 *
 * Its gradient with respect to s is -1/#pos or +1/#neg on active pairs: symmetric, so dH = 2 G H needs only the shard's own rows. */
#include "core/loss/loss.h"

#include <stdbool.h>

typedef struct contrastive_config {
    int distance;
    double pos_margin, neg_margin;
} contrastive_config;

static const char *const distance_names[] = {"cosine", NULL};

static const fut_opt options[] = {
    FUT_OPT_ENUM(contrastive_config, distance, "cosine", distance_names, "what compares two embeddings"),
    FUT_OPT_F64(contrastive_config, pos_margin, "1", -1, 2, "similarity", "photos of one person are pulled together until this similarity"),
    FUT_OPT_F64(contrastive_config, neg_margin, "0.05", -1, 2, "similarity",
                "photos of different people are pushed apart down to this similarity"),
    FUT_OPT_END,
};

static fut_pair_hinge hinge_of(const fut_loss *loss)
{
    const contrastive_config *config = loss->config;
    return (fut_pair_hinge){.pos_margin = config->pos_margin,
                            .neg_margin = config->neg_margin,
                            .sign = -1,
                            .per_pos = FUT_PAIR_ACTIVE_POS,
                            .per_neg = FUT_PAIR_ACTIVE_NEG};
}

static fut_status contrastive_rows(fut_loss *loss, const fut_pair_rows *rows, double *sums)
{
    fut_pair_hinge hinge = hinge_of(loss);
    FUT_TRY(loss->bk->similarity_rows(loss->bk, rows, loss->real, loss->h, loss->sim, NULL));
    return loss->bk->pair_hinge_sums(loss->bk, rows, &hinge, loss->real, loss->sim, sums, NULL);
}

static fut_status contrastive_grad(fut_loss *loss, const fut_pair_rows *rows, const double *sums, void *dh)
{
    fut_backend *bk = loss->bk;
    fut_pair_hinge hinge = hinge_of(loss);
    FUT_TRY(bk->similarity_rows(bk, rows, loss->real, loss->h, loss->sim, NULL)); /* again: cheaper than keeping every shard's rows */
    FUT_TRY(bk->pair_hinge_grad(bk, rows, &hinge, loss->real, loss->sim, sums, loss->sim, NULL));
    return bk->rows_times(bk, rows, loss->real, 2.0, loss->sim, loss->h, dh, NULL);
}

static double ratio(double sum, double count)
{
    return count > 0 ? sum / count : 0;
}

static void contrastive_report(const double *sums, fut_loss_report *report_out)
{
    *report_out = (fut_loss_report){
        .loss = ratio(sums[FUT_PAIR_LOSS_POS], sums[FUT_PAIR_ACTIVE_POS]) + ratio(sums[FUT_PAIR_LOSS_NEG], sums[FUT_PAIR_ACTIVE_NEG]),
        .active_pos = sums[FUT_PAIR_ACTIVE_POS],
        .active_neg = sums[FUT_PAIR_ACTIVE_NEG],
        .count_pos = sums[FUT_PAIR_COUNT_POS],
        .count_neg = sums[FUT_PAIR_COUNT_NEG],
        .mean_pos = ratio(sums[FUT_PAIR_VALUE_POS], sums[FUT_PAIR_COUNT_POS]),
        .mean_neg = ratio(sums[FUT_PAIR_VALUE_NEG], sums[FUT_PAIR_COUNT_NEG]),
    };
}

static const char *contrastive_lint(const void *config_, fut_str *proof)
{
    const contrastive_config *config = config_;
    bool collapse_is_perfect = config->pos_margin <= 1 && config->neg_margin >= 1;
    if (!collapse_is_perfect) return NULL;
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

static const fut_loss_type contrastive = {
    .sums = FUT_PAIR_SUMS,
    .rows = contrastive_rows,
    .grad = contrastive_grad,
    .report = contrastive_report,
    .lint = contrastive_lint,
};

const fut_opt_choice fut_loss_contrastive = {
    .name = "contrastive",
    .doc = "hinges on the cosine similarity of all pairs of the global batch",
    .options = options,
    .config_size = sizeof(contrastive_config),
    .payload = &contrastive,
};
