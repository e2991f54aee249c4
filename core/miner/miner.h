/* Miners choose which pairs or triplets a loss sees; `none` leaves it all of them. A miner is one file with a fut_miner_type and one row in
 * miners.def; how it chooses is core/backend/row_formulas.h's. Definitions are pytorch-metric-learning 2.9's (miners/); of equals the
 * lowest place in the batch is taken. */
#ifndef FUT_CORE_MINER_MINER_H
#define FUT_CORE_MINER_MINER_H

#include "core/backend/backend.h"
#include "core/base/opt.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The option every miner but `none` has: its config begins with it. */
typedef struct fut_miner_common {
    int distance; /* fut_distance */
} fut_miner_common;

extern const char *const fut_miner_distance_names[];

#define FUT_MINER_DISTANCE(S, distance_)                                                                                                   \
    {                                                                                                                                      \
        .kind = FUT_OPT_KIND_ENUM, .name = "distance", .offset = FUT_OPT_FIELD(S, common.distance, int), .def = distance_, .unit = "",     \
        .doc = "what the miner compares embeddings by: cosine and l2 of unit length, dot as they are", .names = fut_miner_distance_names   \
    }

typedef struct fut_miner_type {
    /* What the miner's own options say, into a miner_out that has the common one's. Errors: FUT_ERR_CONFIG. */
    fut_status (*describe)(const void *config, fut_row_miner *miner_out);
    /* As a loss's lint: that these settings never choose a pair. May be NULL. */
    const char *(*lint)(const void *config, fut_str *proof);
} fut_miner_type;

/* NULL-terminated choices for `miner: {type: ...}`; payload is the fut_miner_type, NULL of `none`. */
extern const fut_opt_choice *const fut_miner_choices[];

/* What a configured miner does. Errors: FUT_ERR_CONFIG for options that contradict each other. */
fut_status fut_miner_describe(const fut_opt_variant *config, fut_row_miner *miner_out) FUT_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
