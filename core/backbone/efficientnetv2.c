/* EfficientNetV2 (Tan & Le 2021) as timm's tf_efficientnetv2_*: SiLU, SAME padding, batch norm eps 1e-3. */
#include "core/backbone/backbone.h"
#include "core/backbone/efficientnet_builder.h"

static const fut_efficientnet_stage b0_stages[] = {
    {FUT_BLOCK_CONV_BN_ACT, .repeats = 1, .kernel = 3, .stride = 1, .expand = 1, .out_c = 16},
    {FUT_BLOCK_EDGE_RESIDUAL, .repeats = 2, .kernel = 3, .stride = 2, .expand = 4, .out_c = 32},
    {FUT_BLOCK_EDGE_RESIDUAL, .repeats = 2, .kernel = 3, .stride = 2, .expand = 4, .out_c = 48},
    {FUT_BLOCK_INVERTED_RESIDUAL, .repeats = 3, .kernel = 3, .stride = 2, .expand = 4, .out_c = 96, .se_ratio = .25},
    {FUT_BLOCK_INVERTED_RESIDUAL, .repeats = 5, .kernel = 3, .stride = 1, .expand = 6, .out_c = 112, .se_ratio = .25},
    {FUT_BLOCK_INVERTED_RESIDUAL, .repeats = 8, .kernel = 3, .stride = 2, .expand = 6, .out_c = 192, .se_ratio = .25},
};

static fut_value build_b0(fut_graph *graph, fut_value images)
{
    static const fut_efficientnet net = {
        .stem_c = 32,
        .head_c = 1280,
        .act = FUT_ACT_SILU,
        .eps = 1e-3,
        .stage_count = sizeof b0_stages / sizeof *b0_stages,
        .stages = b0_stages,
    };
    return fut_efficientnet_build(graph, images, &net);
}

const fut_backbone fut_backbone_tf_efficientnetv2_b0 = {
    .name = "tf_efficientnetv2_b0",
    .doc = "EfficientNetV2-B0, 5.9 million parameters",
    .build = build_b0,
};
