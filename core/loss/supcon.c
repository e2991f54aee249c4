/* Supervised contrastive loss, as pytorch-metric-learning 2.9 defines it (losses/supcon_loss.py; Khosla et al., NeurIPS 2020): of an anchor
 *
 *     - mean_p (s_p / T - log sum_{p, n} exp(s / T))
 *
 * 0 for an anchor without positives, and for a batch without positives or without negatives; of a distance, s = -d. */
#include "core/loss/loss.h"

typedef struct supcon_config {
    fut_loss_common common;
    double temperature;
} supcon_config;

static const fut_opt options[] = {
    FUT_LOSS_DISTANCE(supcon_config, "cosine"),
    FUT_OPT_F64(supcon_config, temperature, "0.1", 1e-6, 1e6, "", "similarities are divided by it: lower looks at the nearest only"),
    FUT_LOSS_REDUCER(supcon_config, "avg_non_zero"),
    FUT_OPT_END,
};

static void describe(const void *config, fut_row_loss *row)
{
    row->kind = FUT_ROW_SUPCON;
    row->temperature = ((const supcon_config *)config)->temperature;
}

static fut_status warn(const void *config_, fut_str *text)
{
    const supcon_config *config = config_;
    const bool is_bounded = config->common.distance != FUT_DISTANCE_DOT;
    return fut_loss_warn_softmax("temperature", config->temperature, 1 / config->temperature, is_bounded, "0.1", text);
}

static const fut_loss_type supcon = {.describe = describe, .warn = warn};

const fut_opt_choice fut_loss_supcon = {
    .name = "supcon",
    .doc = "an anchor's positives as the classes of a softmax over all its pairs",
    .options = options,
    .config_size = sizeof(supcon_config),
    .payload = &supcon,
};
