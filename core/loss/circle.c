/* Circle loss on cosine similarity, as pytorch-metric-learning 2.9 defines it (losses/circle_loss.py; Sun et al., CVPR 2020): of an anchor
 *
 *     softplus(log sum_p exp(-gamma [1 + m - s_p]+ (s_p - 1 + m))  +  log sum_n exp(gamma [s_n + m]+ (s_n - m)))
 *
 * with the factors [.]+ as constants of the gradient; 0 for an anchor without positives or without negatives. */
#include "core/loss/loss.h"

typedef struct circle_config {
    fut_loss_common common;
    double m, gamma;
} circle_config;

static const char *const only_cosine[] = {"cosine", NULL};

static const fut_opt options[] = {
    {.kind = FUT_OPT_KIND_ENUM,
     .name = "distance",
     .offset = FUT_OPT_FIELD(circle_config, common.distance, int),
     .def = "cosine",
     .unit = "",
     .doc = "what compares two embeddings",
     .names = only_cosine},
    FUT_OPT_F64(circle_config, m, "0.4", -1, 1, "similarity", "positives are pulled above 1 - m, negatives pushed below m"),
    FUT_OPT_F64(circle_config, gamma, "80", 1e-6, 1e6, "", "how much more the hardest pairs weigh"),
    FUT_LOSS_REDUCER(circle_config, "avg_non_zero"),
    FUT_OPT_END,
};

static void describe(const void *config_, fut_row_loss *row)
{
    const circle_config *config = config_;
    row->kind = FUT_ROW_CIRCLE;
    row->m = config->m;
    row->gamma = config->gamma;
}

/* How hard a pair is, is (1 - s)^2 of a positive and s^2 of a negative. */
static fut_status warn(const void *config, fut_str *text)
{
    const double gamma = ((const circle_config *)config)->gamma;
    return fut_loss_warn_sharp("gamma", gamma, gamma, "80", text);
}

static const fut_loss_type circle = {.stop_gradient = true, .describe = describe, .warn = warn};

const fut_opt_choice fut_loss_circle = {
    .name = "circle",
    .doc = "every pair weighed by how far it is from where it should be",
    .options = options,
    .config_size = sizeof(circle_config),
    .payload = &circle,
};
