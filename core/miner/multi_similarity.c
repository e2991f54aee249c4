/* Positives farther than the anchor's nearest negative, and negatives nearer than its farthest positive, but for epsilon
 * (miners/multi_similarity_miner.py; Wang et al., CVPR 2019). */
#include "core/miner/miner.h"

typedef struct multi_similarity_config {
    fut_miner_common common;
    double epsilon;
} multi_similarity_config;

static const fut_opt options[] = {
    FUT_MINER_DISTANCE(multi_similarity_config, "cosine"),
    FUT_OPT_F64(multi_similarity_config, epsilon, "0.1", -1e6, 1e6, "similarity or distance", "how much easier a pair may be"),
    FUT_OPT_END,
};

static fut_status describe(const void *config, fut_row_miner *miner)
{
    miner->kind = FUT_MINER_MULTI_SIMILARITY;
    miner->epsilon = ((const multi_similarity_config *)config)->epsilon;
    return FUT_OK;
}

static const char *lint(const void *config_, fut_str *proof)
{
    const multi_similarity_config *config = config_;
    if (config->common.distance == FUT_DISTANCE_DOT || config->epsilon > -2) return NULL;
    fut_status st =
        fut_str_printf(proof,
                       "miner multi_similarity with epsilon %g never chooses a pair: a positive would have to be farther than a "
                       "negative by more than %g, and no two similarities or distances of unit vectors differ by more than 2. The "
                       "loss sees nothing and is 0. Use epsilon: 0.1",
                       config->epsilon, -config->epsilon);
    return st == FUT_OK ? "never_selects" : NULL;
}

static const fut_miner_type multi_similarity = {.describe = describe, .lint = lint};

const fut_opt_choice fut_miner_multi_similarity = {
    .name = "multi_similarity",
    .doc = "pairs that are harder than the anchor's hardest of the other kind",
    .options = options,
    .config_size = sizeof(multi_similarity_config),
    .payload = &multi_similarity,
};
