/* EfficientNetV2 (Tan & Le 2021) as timm's tf_efficientnetv2_b0 .. b3: SiLU, SAME padding, batch norm eps 1e-3.
 *
 * b1 to b3 are b0, wider and deeper: channels times a factor, to the nearest multiple of 8; repeats times another, rounded up. */
#include "core/backbone/backbone.h"
#include "core/backbone/efficientnet_builder.h"

#include <math.h>

static const fut_efficientnet_stage b0_stages[] = {
    {FUT_BLOCK_CONV_BN_ACT, .repeats = 1, .kernel = 3, .stride = 1, .expand = 1, .out_c = 16},
    {FUT_BLOCK_EDGE_RESIDUAL, .repeats = 2, .kernel = 3, .stride = 2, .expand = 4, .out_c = 32},
    {FUT_BLOCK_EDGE_RESIDUAL, .repeats = 2, .kernel = 3, .stride = 2, .expand = 4, .out_c = 48},
    {FUT_BLOCK_INVERTED_RESIDUAL, .repeats = 3, .kernel = 3, .stride = 2, .expand = 4, .out_c = 96, .se_ratio = .25},
    {FUT_BLOCK_INVERTED_RESIDUAL, .repeats = 5, .kernel = 3, .stride = 1, .expand = 6, .out_c = 112, .se_ratio = .25},
    {FUT_BLOCK_INVERTED_RESIDUAL, .repeats = 8, .kernel = 3, .stride = 2, .expand = 6, .out_c = 192, .se_ratio = .25},
};
enum { STAGES = sizeof b0_stages / sizeof *b0_stages };

/* timm's round_channels with round_limit 0: the nearest multiple of 8, halves up. */
static int64_t scaled(int64_t channels, double width)
{
    return (int64_t)((double)channels * width + 4) / 8 * 8;
}

static fut_value build(fut_graph *graph, fut_value images, double width, double depth)
{
    fut_efficientnet_stage stages[STAGES];
    for (int s = 0; s < STAGES; s++) {
        stages[s] = b0_stages[s];
        stages[s].out_c = scaled(b0_stages[s].out_c, width);
        stages[s].repeats = (int64_t)ceil((double)b0_stages[s].repeats * depth);
    }
    fut_efficientnet net = {
        .stem_c = scaled(32, width),
        .head_c = scaled(1280, width),
        .act = FUT_ACT_SILU,
        .eps = 1e-3,
        .stage_count = STAGES,
        .stages = stages,
    };
    return fut_efficientnet_build(graph, images, &net);
}

static fut_value build_b0(fut_graph *graph, fut_value images)
{
    return build(graph, images, 1, 1);
}

static fut_value build_b1(fut_graph *graph, fut_value images)
{
    return build(graph, images, 1, 1.1);
}

static fut_value build_b2(fut_graph *graph, fut_value images)
{
    return build(graph, images, 1.1, 1.2);
}

static fut_value build_b3(fut_graph *graph, fut_value images)
{
    return build(graph, images, 1.2, 1.4);
}

const fut_backbone fut_backbone_tf_efficientnetv2_b0 = {
    .name = "tf_efficientnetv2_b0",
    .doc = "EfficientNetV2-B0, 5.9 million parameters",
    .build = build_b0,
};
const fut_backbone fut_backbone_tf_efficientnetv2_b1 = {
    .name = "tf_efficientnetv2_b1",
    .doc = "EfficientNetV2-B1, 6.9 million parameters",
    .build = build_b1,
};
const fut_backbone fut_backbone_tf_efficientnetv2_b2 = {
    .name = "tf_efficientnetv2_b2",
    .doc = "EfficientNetV2-B2, 8.7 million parameters",
    .build = build_b2,
};
const fut_backbone fut_backbone_tf_efficientnetv2_b3 = {
    .name = "tf_efficientnetv2_b3",
    .doc = "EfficientNetV2-B3, 12.8 million parameters",
    .build = build_b3,
};
