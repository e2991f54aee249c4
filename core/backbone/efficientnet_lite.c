/* EfficientNet-Lite (EfficientNet without squeeze-excite, ReLU6 for SiLU) as timm's tf_efficientnet_lite*: SAME padding, eps 1e-3. */
#include "core/backbone/backbone.h"
#include "core/backbone/efficientnet_builder.h"

static const fut_efficientnet_stage lite0_stages[] = {
    {FUT_BLOCK_DEPTHWISE_SEPARABLE, .repeats = 1, .kernel = 3, .stride = 1, .expand = 1, .out_c = 16},
    {FUT_BLOCK_INVERTED_RESIDUAL, .repeats = 2, .kernel = 3, .stride = 2, .expand = 6, .out_c = 24},
    {FUT_BLOCK_INVERTED_RESIDUAL, .repeats = 2, .kernel = 5, .stride = 2, .expand = 6, .out_c = 40},
    {FUT_BLOCK_INVERTED_RESIDUAL, .repeats = 3, .kernel = 3, .stride = 2, .expand = 6, .out_c = 80},
    {FUT_BLOCK_INVERTED_RESIDUAL, .repeats = 3, .kernel = 5, .stride = 1, .expand = 6, .out_c = 112},
    {FUT_BLOCK_INVERTED_RESIDUAL, .repeats = 4, .kernel = 5, .stride = 2, .expand = 6, .out_c = 192},
    {FUT_BLOCK_INVERTED_RESIDUAL, .repeats = 1, .kernel = 3, .stride = 1, .expand = 6, .out_c = 320},
};

static fut_value build_lite0(fut_graph *graph, fut_value images)
{
    static const fut_efficientnet net = {
        .stem_c = 32,
        .head_c = 1280,
        .act = FUT_ACT_RELU6,
        .eps = 1e-3,
        .stage_count = sizeof lite0_stages / sizeof *lite0_stages,
        .stages = lite0_stages,
    };
    return fut_efficientnet_build(graph, images, &net);
}

const fut_backbone fut_backbone_tf_efficientnet_lite0 = {
    .name = "tf_efficientnet_lite0",
    .doc = "EfficientNet-Lite0, 3.4 million parameters",
    .build = build_lite0,
};
