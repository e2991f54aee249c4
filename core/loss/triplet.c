/* Triplet margin loss over all triplets of the global batch, as pytorch-metric-learning 2.9 defines it (losses/triplet_margin_loss.py): on
 * a similarity s or a distance d of an anchor a, a positive p and a negative n of it
 *
 *     L = reduce [s_an - s_ap + margin]+        or  [d_ap - d_an + margin]+;  smooth: log(1 + exp(.)) instead of [.]+
 *
 * swap: d_an gives way to d_pn where that is smaller (s_an to s_pn where that is larger); then every shard has the whole pair matrix.
 * An anchor's triplets are its positives times its negatives: time O(B x positives x negatives), memory that of the pair matrix. */
#include "core/loss/loss.h"

typedef struct triplet_config {
    fut_loss_common common;
    double margin;
    bool swap, smooth;
} triplet_config;

static const fut_opt options[] = {
    FUT_LOSS_DISTANCE(triplet_config, "l2"),
    FUT_OPT_F64(triplet_config, margin, "0.05", -1e6, 1e6, "similarity or distance",
                "by how much an anchor's positive shall be nearer than its negative"),
    FUT_OPT_BOOL(triplet_config, swap, "false", "the negative's distance to the positive counts instead, where it is the smaller one"),
    FUT_OPT_BOOL(triplet_config, smooth, "false", "softplus instead of a hinge: every triplet has a gradient"),
    FUT_LOSS_REDUCER(triplet_config, "avg_non_zero"),
    FUT_OPT_END,
};

static void describe(const void *config_, fut_row_loss *row)
{
    const triplet_config *config = config_;
    row->kind = FUT_ROW_TRIPLET;
    row->margin = config->margin;
    row->swap = config->swap;
    row->smooth = config->smooth;
}

static const char *lint_unreachable(const triplet_config *config, fut_str *proof)
{
    if (config->smooth || config->common.distance == FUT_DISTANCE_DOT || config->margin <= 2) return NULL;
    fut_status st =
        fut_str_printf(proof,
                       "triplet loss with margin %g on unit vectors has no margin: similarities lie in [-1, 1] and distances in [0, 2], "
                       "so a positive is nearer than a negative by 2 at most, no triplet ever costs 0, and the gradient is the same "
                       "for every margin above 2. Use a margin such as 0.2, or distance: dot",
                       config->margin);
    return st == FUT_OK ? "unreachable_margin" : NULL;
}

static const char *lint(const void *config_, fut_str *proof)
{
    const triplet_config *config = config_;
    if (config->smooth || config->margin > 0) return lint_unreachable(config, proof);
    fut_status st = fut_str_printf(proof,
                                   "triplet loss with margin %g cannot learn: a network that maps every photo to one point has the same "
                                   "distance to positives and to negatives, so every triplet costs [%g]+ = 0 and the gradient is 0. Use a "
                                   "margin above 0, such as 0.05, or smooth: true",
                                   config->margin, config->margin);
    return st == FUT_OK ? "collapsed_minimum" : NULL;
}

static const fut_loss_type triplet = {.describe = describe, .lint = lint};

const fut_opt_choice fut_loss_triplet = {
    .name = "triplet",
    .doc = "a margin between the positives and the negatives of an anchor, over all triplets of the global batch",
    .options = options,
    .config_size = sizeof(triplet_config),
    .payload = &triplet,
};
