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

static const fut_loss_type supcon = {.describe = describe};

const fut_opt_choice fut_loss_supcon = {
    .name = "supcon",
    .doc = "an anchor's positives as the classes of a softmax over all its pairs",
    .options = options,
    .config_size = sizeof(supcon_config),
    .payload = &supcon,
};
