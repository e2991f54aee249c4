/* Normalised temperature-scaled cross entropy, as pytorch-metric-learning 2.9 defines it (losses/ntxent_loss.py): of a positive pair
 *
 *     - log(exp(s_p / T) / (exp(s_p / T) + sum_n exp(s_n / T)))
 *
 * over the anchor's negatives; 0 for a batch without positives or without negatives; of a distance, s = -d. */
#include "core/loss/loss.h"

typedef struct ntxent_config {
    fut_loss_common common;
    double temperature;
} ntxent_config;

static const fut_opt options[] = {
    FUT_LOSS_DISTANCE(ntxent_config, "cosine"),
    FUT_OPT_F64(ntxent_config, temperature, "0.07", 1e-6, 1e6, "", "similarities are divided by it: lower looks at the nearest only"),
    FUT_LOSS_REDUCER(ntxent_config, "mean"),
    FUT_OPT_END,
};

static void describe(const void *config, fut_row_loss *row)
{
    row->kind = FUT_ROW_NTXENT;
    row->temperature = ((const ntxent_config *)config)->temperature;
}

static fut_status warn(const void *config_, fut_str *text)
{
    const ntxent_config *config = config_;
    const bool is_bounded = config->common.distance != FUT_DISTANCE_DOT;
    return fut_loss_warn_softmax("temperature", config->temperature, 1 / config->temperature, is_bounded, "0.07", text);
}

static const fut_loss_type ntxent = {.describe = describe, .warn = warn};

const fut_opt_choice fut_loss_ntxent = {
    .name = "ntxent",
    .doc = "each positive pair as the right class of a softmax with its anchor's negatives",
    .options = options,
    .config_size = sizeof(ntxent_config),
    .payload = &ntxent,
};
