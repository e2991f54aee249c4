/* For tests and demonstrations only: every kind of block an EfficientNet has, in a few thousand parameters, for images of 32 to 64
 * pixels. It trains in milliseconds. There is no such network in timm; the names follow its EfficientNets'. */
#include "core/backbone/backbone.h"
#include "core/backbone/efficientnet_builder.h"

static const fut_efficientnet_stage tiny_stages[] = {
    {FUT_BLOCK_EDGE_RESIDUAL, .repeats = 1, .kernel = 3, .stride = 2, .expand = 2, .out_c = 16},
    {FUT_BLOCK_INVERTED_RESIDUAL, .repeats = 2, .kernel = 3, .stride = 2, .expand = 2, .out_c = 24, .se_ratio = .25},
};

static fut_value build_tiny(fut_graph *graph, fut_value images)
{
    static const fut_efficientnet net = {
        .stem_c = 16, /* oneDNN has no fast 3 x 3 convolution of fewer channels in this layout */
        .head_c = 64,
        .act = FUT_ACT_SILU,
        .eps = 1e-3,
        .stage_count = sizeof tiny_stages / sizeof *tiny_stages,
        .stages = tiny_stages,
    };
    return fut_efficientnet_build(graph, images, &net);
}

const fut_backbone fut_backbone_tiny = {
    .name = "tiny",
    .doc = "a few thousand parameters, for tests and demonstrations",
    .build = build_tiny,
};
