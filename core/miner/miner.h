/* Miners choose which pairs or triplets a loss sees. A miner is one file with a fut_miner_type and one row in miners.def;
 * `none` leaves the choice to the loss, which then sees all of them. */
#ifndef FUT_CORE_MINER_MINER_H
#define FUT_CORE_MINER_MINER_H

#include "core/base/opt.h"

#ifdef __cplusplus
extern "C" {
#endif

/* NULL-terminated choices for `miner: {type: ...}`. */
extern const fut_opt_choice *const fut_miner_choices[];

#ifdef __cplusplus
}
#endif

#endif
