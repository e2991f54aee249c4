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
