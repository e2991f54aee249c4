/* Triplets by how much nearer the positive is than the negative, g = d_an - d_ap (miners/triplet_margin_miner.py): all g <= margin; hard
 * also g <= 0, semihard also g > 0; easy g > margin. */
#include "core/miner/miner.h"

#include <math.h>

typedef struct triplet_margin_config {
    fut_miner_common common;
    double margin;
    int type_of_triplets;
} triplet_margin_config;

enum { TYPE_ALL, TYPE_HARD, TYPE_SEMIHARD, TYPE_EASY };
static const char *const type_names[] = {"all", "hard", "semihard", "easy", NULL};

static const fut_opt options[] = {
    FUT_MINER_DISTANCE(triplet_margin_config, "l2"),
    FUT_OPT_F64(triplet_margin_config, margin, "0.2", -1e6, 1e6, "similarity or distance", "triplets that violate it are chosen"),
    FUT_OPT_ENUM(triplet_margin_config, type_of_triplets, "all", type_names,
                 "of those, ones whose negative is nearer than the positive, farther, or the others"),
    FUT_OPT_END,
};

static fut_status describe(const void *config_, fut_row_miner *miner)
{
    const triplet_margin_config *config = config_;
    const int type = config->type_of_triplets;
    miner->of_triplets = true;
    miner->triplet_above = type == TYPE_EASY ? config->margin : type == TYPE_SEMIHARD ? 0 : -INFINITY;
    miner->triplet_up_to = type == TYPE_EASY ? INFINITY : type == TYPE_HARD ? fmin(config->margin, 0) : config->margin;
    return FUT_OK;
}

/* The other ways never to choose: by how much nearer a positive can be at all. */
static const char *lint_range(const triplet_margin_config *config, fut_str *proof)
{
    const bool easy = config->type_of_triplets == TYPE_EASY;
    if (config->common.distance == FUT_DISTANCE_DOT || !(easy ? config->margin >= 2 : config->margin < -2)) return NULL;
    fut_status st = fut_str_printf(proof,
                                   "miner triplet_margin never chooses a triplet of type %s with margin %g: of unit vectors, a positive is "
                                   "nearer than a negative by -2 to 2. The loss sees nothing and is 0. Use margin: 0.2",
                                   type_names[config->type_of_triplets], config->margin);
    return st == FUT_OK ? "never_selects" : NULL;
}

static const char *lint(const void *config_, fut_str *proof)
{
    const triplet_margin_config *config = config_;
    if (config->type_of_triplets != TYPE_SEMIHARD || config->margin > 0) return lint_range(config, proof);
    fut_status st =
        fut_str_printf(proof,
                       "miner triplet_margin never chooses a semihard triplet with margin %g: its negative must be farther than "
                       "the positive, but by no more than that. The loss sees nothing and is 0. Use a margin above 0, such as 0.2",
                       config->margin);
    return st == FUT_OK ? "never_selects" : NULL;
}

static const fut_miner_type triplet_margin = {.describe = describe, .lint = lint};

const fut_opt_choice fut_miner_triplet_margin = {
    .name = "triplet_margin",
    .doc = "triplets that violate a margin, for the triplet loss",
    .options = options,
    .config_size = sizeof(triplet_margin_config),
    .payload = &triplet_margin,
};
