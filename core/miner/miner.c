#include "core/miner/miner.h"

#define FUT_MINER(name) extern const fut_opt_choice fut_miner_##name;
#include "core/miner/miners.def"
#undef FUT_MINER

const fut_opt_choice *const fut_miner_choices[] = {
#define FUT_MINER(name) &fut_miner_##name,
#include "core/miner/miners.def"
#undef FUT_MINER
    NULL,
};

const char *const fut_miner_distance_names[] = {"cosine", "l2", "dot", NULL};

fut_status fut_miner_describe(const fut_opt_variant *config, fut_row_miner *miner_out)
{
    const fut_miner_type *type = config->choice->payload;
    const fut_miner_common *common = config->config;
    *miner_out = (fut_row_miner){.kind = FUT_MINER_ALL_PAIRS};
    if (type == NULL) return FUT_OK;
    miner_out->distance = (fut_distance)common->distance;
    miner_out->sign = common->distance == FUT_DISTANCE_L2 ? 1 : -1;
    return type->describe(common, miner_out);
}
