/* ArcFace, as pytorch-metric-learning 2.9 defines it (losses/arcface_loss.py): cross entropy over classes, whose logits are scale times the
 * cosine of the embedding with each class's weights; of the right one, at the angle t,
 *
 *     cos(t + margin),  where t > 180 degrees - margin: cos t - margin sin margin
 *
 * so that the loss never rewards turning away. */
#include "core/loss/loss.h"

typedef struct arcface_config {
    fut_loss_common common; /* its distance is always cosine */
    double margin, scale;
} arcface_config;

static const double radians = 3.14159265358979323846 / 180; /* of a degree */

static const fut_opt options[] = {
    FUT_OPT_F64(arcface_config, margin, "28.6", 0, 180, "degrees",
                "by how much an embedding shall be nearer to its person's weights; 0.5 radians are 28.6"),
    FUT_OPT_F64(arcface_config, scale, "64", 1e-6, 1e6, "", "of the cosines in the softmax: larger looks at the hardest only"),
    FUT_LOSS_REDUCER(arcface_config, "mean"),
    FUT_OPT_END,
};

static void describe(const void *config_, fut_row_loss *row)
{
    const arcface_config *config = config_;
    row->kind = FUT_ROW_ARCFACE;
    row->margin = config->margin * radians;
    row->scale = config->scale;
}

static fut_status warn(const void *config_, fut_str *text)
{
    const arcface_config *config = config_;
    if (config->margin > 0 && config->margin <= 90 * radians)
        return fut_str_printf(text,
                              "loss.margin %g is in degrees, which moves nobody: the paper's 0.5 are radians. If yours are, too, write "
                              "loss.margin: %.3g",
                              config->margin, config->margin / radians);
    return fut_loss_warn_softmax("scale", config->scale, config->scale, true, "64", text);
}

static const fut_loss_type arcface = {.of_classes = true, .describe = describe, .params = fut_loss_class_weights, .warn = warn};

const fut_opt_choice fut_loss_arcface = {
    .name = "arcface",
    .doc = "the person as the right class of a softmax over all trained people, with a margin on the angle",
    .options = options,
    .config_size = sizeof(arcface_config),
    .payload = &arcface,
};
