/* Positive pairs farther than a margin and negative pairs nearer than another (miners/pair_margin_miner.py). */
#include "core/miner/miner.h"

typedef struct pair_margin_config {
    fut_miner_common common;
    double pos_margin, neg_margin;
} pair_margin_config;

static const fut_opt options[] = {
    FUT_MINER_DISTANCE(pair_margin_config, "l2"),
    FUT_OPT_F64(pair_margin_config, pos_margin, "0.2", -1e6, 1e6, "similarity or distance",
                "a positive farther than this distance is chosen, or less similar than this"),
    FUT_OPT_F64(pair_margin_config, neg_margin, "0.8", -1e6, 1e6, "similarity or distance",
                "a negative nearer than this distance is chosen, or more similar than this"),
    FUT_OPT_END,
};

static fut_status describe(const void *config_, fut_row_miner *miner)
{
    const pair_margin_config *config = config_;
    miner->kind = FUT_MINER_PAIR_MARGIN;
    miner->pos_margin = config->pos_margin;
    miner->neg_margin = config->neg_margin;
    return FUT_OK;
}

static const char *lint(const void *config_, fut_str *proof)
{
    const pair_margin_config *config = config_;
    bool l2 = config->common.distance == FUT_DISTANCE_L2;
    bool never_pos = l2 ? config->pos_margin >= 2 : config->pos_margin <= -1;
    bool never_neg = l2 ? config->neg_margin <= 0 : config->neg_margin >= 1;
    if (config->common.distance == FUT_DISTANCE_DOT || !never_pos || !never_neg) return NULL;
    fut_status st =
        fut_str_printf(proof,
                       "miner pair_margin with pos_margin %g and neg_margin %g never chooses a pair: %s. The loss sees nothing "
                       "and is 0. Use %s",
                       config->pos_margin, config->neg_margin,
                       l2 ? "no two unit vectors are farther apart than 2 or nearer than 0" : "no similarity is below -1 or above 1",
                       l2 ? "pos_margin: 0.2, neg_margin: 0.8" : "pos_margin: 0.8, neg_margin: 0.2");
    return st == FUT_OK ? "never_selects" : NULL;
}

static const fut_miner_type pair_margin = {.describe = describe, .lint = lint};

const fut_opt_choice fut_miner_pair_margin = {
    .name = "pair_margin",
    .doc = "positives beyond a margin, negatives within another",
    .options = options,
    .config_size = sizeof(pair_margin_config),
    .payload = &pair_margin,
};
