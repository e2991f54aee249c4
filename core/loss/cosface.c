/* CosFace, as pytorch-metric-learning 2.9 defines it (losses/cosface_loss.py): cross entropy over classes, whose logits are scale times the
 * cosine of the embedding with each class's weights, less margin for the right one. */
#include "core/loss/loss.h"

typedef struct cosface_config {
    fut_loss_common common; /* its distance is always cosine */
    double margin, scale;
} cosface_config;

static const fut_opt options[] = {
    FUT_OPT_F64(cosface_config, margin, "0.35", 0, 2, "similarity", "by how much an embedding shall be more alike its person's weights"),
    FUT_OPT_F64(cosface_config, scale, "64", 1e-6, 1e6, "", "of the cosines in the softmax: larger looks at the hardest only"),
    FUT_LOSS_REDUCER(cosface_config, "mean"),
    FUT_OPT_END,
};

static void describe(const void *config_, fut_row_loss *row)
{
    const cosface_config *config = config_;
    row->kind = FUT_ROW_COSFACE;
    row->margin = config->margin;
    row->scale = config->scale;
}

static fut_status warn(const void *config_, fut_str *text)
{
    const double scale = ((const cosface_config *)config_)->scale;
    return fut_loss_warn_softmax("scale", scale, scale, true, "64", text);
}

static const fut_loss_type cosface = {.of_classes = true, .describe = describe, .params = fut_loss_class_weights, .warn = warn};

const fut_opt_choice fut_loss_cosface = {
    .name = "cosface",
    .doc = "the person as the right class of a softmax over all trained people, with a margin on the cosine",
    .options = options,
    .config_size = sizeof(cosface_config),
    .payload = &cosface,
};
