/* No mining: the loss sees every pair of the global batch. */
#include "core/miner/miner.h"

static const fut_opt options[] = {FUT_OPT_END};

/* The config has no members; one byte keeps the variant's allocation ordinary. */
const fut_opt_choice fut_miner_none = {
    .name = "none", .doc = "every pair of the global batch", .options = options, .config_size = 1, .payload = NULL};
