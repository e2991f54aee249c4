/* Multi-similarity loss, as pytorch-metric-learning 2.9 defines it (losses/multi_similarity_loss.py; Wang et al., CVPR 2019): of an anchor
 *
 *     log(1 + sum_p exp(-alpha (s_p - base))) / alpha  +  log(1 + sum_n exp(beta (s_n - base))) / beta
 *
 * with s - base for a distance turned round. */
#include "core/loss/loss.h"

typedef struct multi_similarity_config {
    fut_loss_common common;
    double alpha, beta, base;
} multi_similarity_config;

static const fut_opt options[] = {
    FUT_LOSS_DISTANCE(multi_similarity_config, "cosine"),
    FUT_OPT_F64(multi_similarity_config, alpha, "2", 1e-6, 1e6, "", "how much more a far positive weighs"),
    FUT_OPT_F64(multi_similarity_config, beta, "50", 1e-6, 1e6, "", "how much more a near negative weighs"),
    FUT_OPT_F64(multi_similarity_config, base, "0.5", -1e6, 1e6, "similarity or distance", "where the weights begin to rise"),
    FUT_LOSS_REDUCER(multi_similarity_config, "mean"),
    FUT_OPT_END,
};

static void describe(const void *config_, fut_row_loss *row)
{
    const multi_similarity_config *config = config_;
    row->kind = FUT_ROW_MULTI_SIMILARITY;
    row->alpha = config->alpha;
    row->beta = config->beta;
    row->base = config->base;
}

static fut_status warn(const void *config_, fut_str *text)
{
    const multi_similarity_config *config = config_;
    FUT_TRY(fut_loss_warn_sharp("alpha", config->alpha, config->alpha, "2", text));
    return text->length > 0 ? FUT_OK : fut_loss_warn_sharp("beta", config->beta, config->beta, "50", text);
}

static const fut_loss_type multi_similarity = {.describe = describe, .warn = warn};

const fut_opt_choice fut_loss_multi_similarity = {
    .name = "multi_similarity",
    .doc = "soft hinges that weigh an anchor's hardest pairs most",
    .options = options,
    .config_size = sizeof(multi_similarity_config),
    .payload = &multi_similarity,
};
