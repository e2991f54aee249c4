/* One positive and one negative an anchor, each by a strategy, or all of one side (miners/batch_easy_hard_miner.py). */
#include "core/miner/miner.h"

typedef struct batch_easy_hard_config {
    fut_miner_common common;
    int pos_strategy, neg_strategy; /* fut_miner_strategy */
} batch_easy_hard_config;

static const char *const strategy_names[] = {"easy", "hard", "semihard", "all", NULL};

static const fut_opt options[] = {
    FUT_MINER_DISTANCE(batch_easy_hard_config, "l2"),
    FUT_OPT_ENUM(batch_easy_hard_config, pos_strategy, "easy", strategy_names,
                 "nearest, farthest, or farthest that is nearer than the negative"),
    FUT_OPT_ENUM(batch_easy_hard_config, neg_strategy, "semihard", strategy_names,
                 "farthest, nearest, or nearest that is farther than the positive"),
    FUT_OPT_END,
};

static fut_status describe(const void *config_, fut_row_miner *miner)
{
    const batch_easy_hard_config *config = config_;
    const bool pos_asks = config->pos_strategy == FUT_STRATEGY_SEMIHARD, neg_asks = config->neg_strategy == FUT_STRATEGY_SEMIHARD;
    const bool one_answers = config->pos_strategy <= FUT_STRATEGY_HARD || config->neg_strategy <= FUT_STRATEGY_HARD;
    FUT_CHECK(
        !(pos_asks || neg_asks) || one_answers, FUT_ERR_CONFIG,
        "miner batch_easy_hard with pos_strategy %s and neg_strategy %s: semihard compares with the other side's one choice, so that must "
        "be easy or hard",
        strategy_names[config->pos_strategy], strategy_names[config->neg_strategy]);
    miner->kind = FUT_MINER_EASY_HARD;
    miner->pos = (fut_miner_strategy)config->pos_strategy;
    miner->neg = (fut_miner_strategy)config->neg_strategy;
    return FUT_OK;
}

static const fut_miner_type batch_easy_hard = {.describe = describe};

const fut_opt_choice fut_miner_batch_easy_hard = {
    .name = "batch_easy_hard",
    .doc = "one positive and one negative an anchor, each by a strategy",
    .options = options,
    .config_size = sizeof(batch_easy_hard_config),
    .payload = &batch_easy_hard,
};
