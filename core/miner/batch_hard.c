/* Each anchor's farthest positive and nearest negative (miners/batch_hard_miner.py; Hermans et al., 2017). Anchors that lack one are left
 * out. */
#include "core/miner/miner.h"

typedef struct batch_hard_config {
    fut_miner_common common;
} batch_hard_config;

static const fut_opt options[] = {
    FUT_MINER_DISTANCE(batch_hard_config, "l2"),
    FUT_OPT_END,
};

static fut_status describe(const void *config, fut_row_miner *miner)
{
    (void)config;
    miner->kind = FUT_MINER_EASY_HARD;
    miner->pos = FUT_STRATEGY_HARD;
    miner->neg = FUT_STRATEGY_HARD;
    return FUT_OK;
}

static const fut_miner_type batch_hard = {.describe = describe};

const fut_opt_choice fut_miner_batch_hard = {
    .name = "batch_hard",
    .doc = "each anchor's farthest positive and nearest negative",
    .options = options,
    .config_size = sizeof(batch_hard_config),
    .payload = &batch_hard,
};
