/* Binary cross-entropy on pairs: a pair's logit says how likely it shows one person, sigmoid(logit), and its loss is - log of the
 * probability of what it is.
 *
 *     head similarity   logit = a s + b, s the similarity, or the l2 distance turned round (s = -d); a, b are learned
 *     head difference   logit = w . |h_i - h_j| + b, h of unit length but with distance dot; w [dim], b are learned (Koch et al., 2015)
 *
 * pairs all: the mean over all pairs; balanced: positives and negatives are reduced apart and weigh half each, so that 1/2 is where both
 * are as likely. The derivative by a pair's value is the same from both its rows. */
#include "core/loss/loss.h"

#include <math.h>

typedef struct bce_config {
    fut_loss_common common;
    int head, pairs;
    double scale, threshold;
} bce_config;

enum { HEAD_SIMILARITY, HEAD_DIFFERENCE };
static const char *const head_names[] = {"similarity", "difference", NULL};
enum { PAIRS_ALL, PAIRS_BALANCED };
static const char *const pairs_names[] = {"all", "balanced", NULL};

static const fut_opt options[] = {
    FUT_LOSS_DISTANCE(bce_config, "cosine"),
    FUT_OPT_ENUM(bce_config, head, "similarity", head_names, "what a logit is made of: a similarity, or |e1 - e2| value by value"),
    FUT_OPT_ENUM(bce_config, pairs, "balanced", pairs_names,
                 "all pairs alike, or positives and negatives half each, so that 0.5 does not lean to the many negatives"),
    FUT_OPT_F64(bce_config, scale, "10", 1e-6, 1e6, "", "how fast a logit changes with similarity or distance when training starts"),
    FUT_OPT_F64(bce_config, threshold, "0.5", -1, 1, "cosine similarity", "where a logit is 0 when training starts"),
    FUT_LOSS_REDUCER(bce_config, "mean"),
    FUT_OPT_END,
};

static void describe(const void *config_, fut_row_loss *row)
{
    const bce_config *config = config_;
    row->kind = FUT_ROW_BCE;
    row->balanced = config->pairs == PAIRS_BALANCED;
    row->difference = config->head == HEAD_DIFFERENCE;
    if (!row->difference) return;
    row->sign = -1; /* v is a logit already */
    row->l2 = false;
}

/* Both heads start alike. With s = -d, the threshold is the distance sqrt(2 - 2 cos); and the values' mean difference of two random rows
 * a distance d apart is d sqrt(2 / (pi dim)). */
static void params(const void *config_, int64_t classes, int64_t dim, fut_params *params)
{
    (void)classes;
    static const double pi = 3.14159265358979323846;
    const bce_config *config = config_;
    const bool difference = config->head == HEAD_DIFFERENCE;
    const bool far = difference || config->common.distance == FUT_DISTANCE_L2;
    const double zero_at = far ? sqrt(2 - 2 * config->threshold) : -config->threshold;
    const double slope = difference ? -config->scale / sqrt(2 * (double)dim / pi) : config->scale;
    *params = (fut_params){
        .n = 2,
        .param = {{.name = difference ? "w" : "a",
                   .rank = 1,
                   .dim = {difference ? dim : 1},
                   .init = {FUT_INIT_CONSTANT, slope},
                   .no_decay = true},
                  {.name = "b", .rank = 1, .dim = {1}, .init = {FUT_INIT_CONSTANT, config->scale * zero_at}, .no_decay = true}}};
}

/* 1 / the length that embeddings are compared at. */
static double length_factor(const bce_config *config, int64_t dim, const float *e)
{
    double square = 0;
    if (config->common.distance == FUT_DISTANCE_DOT) return 1;
    for (int64_t k = 0; k < dim; k++)
        square += (double)e[k] * (double)e[k];
    return 1 / fmax(sqrt(square), 1e-12);
}

static double logit(const void *config_, const float *params, int64_t dim, const float *a, const float *b)
{
    const bce_config *config = config_;
    const double of_a = length_factor(config, dim, a), of_b = length_factor(config, dim, b);
    double product = 0, square = 0, weighed = 0;
    for (int64_t k = 0; k < dim; k++) {
        const double x = of_a * (double)a[k], y = of_b * (double)b[k];
        product += x * y;
        square += (x - y) * (x - y);
        if (config->head == HEAD_DIFFERENCE) weighed += (double)params[k] * fabs(x - y);
    }
    if (config->head == HEAD_DIFFERENCE) return weighed + (double)params[dim];
    const double s = config->common.distance == FUT_DISTANCE_L2 ? -sqrt(square) : product;
    return (double)params[0] * s + (double)params[1];
}

static const fut_loss_type bce = {.symmetric = true, .describe = describe, .params = params, .logit = logit};

const fut_opt_choice fut_loss_bce = {
    .name = "bce",
    .doc = "a classifier of pairs on the similarity, whose probability `futago verify` prints",
    .options = options,
    .config_size = sizeof(bce_config),
    .payload = &bce,
};
