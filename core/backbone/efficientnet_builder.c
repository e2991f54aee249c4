#include "core/backbone/efficientnet_builder.h"

#include <math.h>

/* timm's make_divisible(channels * expand), divisor 8: what an inverted or edge residual widens to. */
static int64_t widened(int64_t channels, int64_t expand)
{
    int64_t wanted = channels * expand, rounded = (wanted + 4) / 8 * 8;
    if (rounded < 8) rounded = 8;
    return 10 * rounded < 9 * wanted ? rounded + 8 : rounded;
}

/* timm rounds the reduced channels with Python's round, half to even, as rint does. */
static fut_value squeeze_excite(fut_graph *g, fut_value x, const fut_efficientnet *net, const fut_efficientnet_stage *stage,
                                int64_t block_in_c)
{
    if (stage->se_ratio <= 0) return x;
    return fut_graph_squeeze_excite(g, x, "se", (int64_t)rint((double)block_in_c * stage->se_ratio), net->act);
}

static fut_value block(fut_graph *g, fut_value in, const fut_efficientnet *net, const fut_efficientnet_stage *stage, int64_t stride)
{
    int64_t in_c = fut_graph_channels(g, in), mid_c = widened(in_c, stage->expand), out_c = stage->out_c;
    fut_value skip = stride == 1 && in_c == out_c ? in : FUT_VALUE_NONE;
    fut_value x = in;
    switch (stage->kind) {
    case FUT_BLOCK_CONV_BN_ACT:
        x = fut_graph_conv(g, x, "conv", out_c, stage->kernel, stride, 1);
        x = fut_graph_norm_act(g, x, "bn1", net->eps, net->act, skip);
        break;
    case FUT_BLOCK_DEPTHWISE_SEPARABLE:
        x = fut_graph_conv(g, x, "conv_dw", in_c, stage->kernel, stride, in_c);
        x = fut_graph_norm_act(g, x, "bn1", net->eps, net->act, FUT_VALUE_NONE);
        x = squeeze_excite(g, x, net, stage, in_c);
        x = fut_graph_conv(g, x, "conv_pw", out_c, 1, 1, 1);
        x = fut_graph_norm_act(g, x, "bn2", net->eps, FUT_ACT_NONE, skip);
        break;
    case FUT_BLOCK_EDGE_RESIDUAL:
        x = fut_graph_conv(g, x, "conv_exp", mid_c, stage->kernel, stride, 1);
        x = fut_graph_norm_act(g, x, "bn1", net->eps, net->act, FUT_VALUE_NONE);
        x = squeeze_excite(g, x, net, stage, in_c);
        x = fut_graph_conv(g, x, "conv_pwl", out_c, 1, 1, 1);
        x = fut_graph_norm_act(g, x, "bn2", net->eps, FUT_ACT_NONE, skip);
        break;
    case FUT_BLOCK_INVERTED_RESIDUAL:
        x = fut_graph_conv(g, x, "conv_pw", mid_c, 1, 1, 1);
        x = fut_graph_norm_act(g, x, "bn1", net->eps, net->act, FUT_VALUE_NONE);
        x = fut_graph_conv(g, x, "conv_dw", mid_c, stage->kernel, stride, mid_c);
        x = fut_graph_norm_act(g, x, "bn2", net->eps, net->act, FUT_VALUE_NONE);
        x = squeeze_excite(g, x, net, stage, in_c);
        x = fut_graph_conv(g, x, "conv_pwl", out_c, 1, 1, 1);
        x = fut_graph_norm_act(g, x, "bn3", net->eps, FUT_ACT_NONE, skip);
        break;
    }
    return x;
}

fut_value fut_efficientnet_build(fut_graph *g, fut_value images, const fut_efficientnet *net)
{
    fut_graph_scope(g, "%s", "");
    fut_value x = fut_graph_conv(g, images, "conv_stem", net->stem_c, 3, 2, 1);
    x = fut_graph_norm_act(g, x, "bn1", net->eps, net->act, FUT_VALUE_NONE);
    for (int s = 0; s < net->stage_count; s++) {
        const fut_efficientnet_stage *stage = &net->stages[s];
        for (int64_t i = 0; i < stage->repeats; i++) {
            fut_graph_scope(g, "blocks.%d.%lld", s, (long long)i);
            x = block(g, x, net, stage, i == 0 ? stage->stride : 1);
        }
    }
    fut_graph_scope(g, "%s", "");
    x = fut_graph_conv(g, x, "conv_head", net->head_c, 1, 1, 1);
    return fut_graph_norm_act(g, x, "bn2", net->eps, net->act, FUT_VALUE_NONE);
}
