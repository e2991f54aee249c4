/* Negatives by how rare their distance is among random points of the sphere, so that all distances are seen alike
 * (miners/distance_weighted_miner.py; Wu et al., ICCV 2017). An anchor with P positives has P + 1 draws of a positive and a negative, anew
 * each step; negatives nearer than cutoff count as that far, and from nonzero_loss_cutoff on none is drawn. */
#include "core/miner/miner.h"

typedef struct distance_weighted_config {
    fut_miner_common common; /* its distance is always l2 */
    double cutoff, nonzero_loss_cutoff;
} distance_weighted_config;

static const fut_opt options[] = {
    FUT_OPT_F64(distance_weighted_config, cutoff, "0.5", 0, 2, "l2 distance", "nearer negatives are drawn as if they were this far"),
    FUT_OPT_F64(distance_weighted_config, nonzero_loss_cutoff, "1.4", 0, 2, "l2 distance",
                "negatives from this distance on are never drawn"),
    FUT_OPT_END,
};

static fut_status describe(const void *config_, fut_row_miner *miner)
{
    const distance_weighted_config *config = config_;
    miner->kind = FUT_MINER_DISTANCE_WEIGHTED;
    miner->distance = FUT_DISTANCE_L2;
    miner->sign = 1;
    miner->cutoff = config->cutoff;
    miner->nonzero_loss_cutoff = config->nonzero_loss_cutoff;
    return FUT_OK;
}

static const char *lint(const void *config_, fut_str *proof)
{
    const distance_weighted_config *config = config_;
    if (config->cutoff < config->nonzero_loss_cutoff) return NULL;
    fut_status st =
        fut_str_printf(proof,
                       "miner distance_weighted with cutoff %g and nonzero_loss_cutoff %g never draws a triplet: every negative "
                       "counts as at least %g away, and from %g on none is drawn. The loss sees nothing and is 0. Use cutoff: "
                       "0.5, nonzero_loss_cutoff: 1.4",
                       config->cutoff, config->nonzero_loss_cutoff, config->cutoff, config->nonzero_loss_cutoff);
    return st == FUT_OK ? "never_selects" : NULL;
}

static const fut_miner_type distance_weighted = {.describe = describe, .lint = lint};

const fut_opt_choice fut_miner_distance_weighted = {
    .name = "distance_weighted",
    .doc = "triplets drawn so that negatives of all distances come alike",
    .options = options,
    .config_size = sizeof(distance_weighted_config),
    .payload = &distance_weighted,
};
