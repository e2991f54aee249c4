/* IResNet, the ResNet of face recognition (Deng et al. 2019, "ArcFace"), as InsightFace's arcface_torch defines iresnet18, 50 and 100
 * (backbones/iresnet.py), with its names and its start: convolutions from N(0, 0.1^2), slopes 0.25.
 *
 *     images -> conv1 3x3, bn1, prelu -> layer1 .. layer4 -> bn2 -> features
 *     features -> flatten, fc -> batch norm "features", its weight frozen at 1 -> embeddings
 *
 *     block   bn1, conv1 3x3, bn2, prelu, conv2 3x3/s, bn3  + shortcut        (no activation after the sum)
 *
 * The shortcut is the input, or downsample.0 (conv 1x1/s) and downsample.1 (its norm) in the first block of a layer; its tensors come
 * before bn3's, as they run. arcface_torch's dropout before fc has probability 0 there and is left out.
 *
 * fc takes 512 values of every pixel that is left: [embedding, 512 * side^2], side = ceil(size / 16), 7 for the 112 pixels that InsightFace
 * trains with. Weights of fc therefore load at the size they were trained for. */
#include "core/backbone/backbone.h"

enum { STAGES = 4 };
static const double eps = 1e-5;

static fut_value conv(fut_graph *g, fut_value x, const char *name, int64_t out_c, int64_t kernel, int64_t stride)
{
    fut_value y = fut_graph_conv_padded(g, x, name, out_c, kernel, stride, kernel / 2, 1);
    fut_graph_start(g, y, (fut_tensor_init){FUT_INIT_NORMAL, 0.1});
    return y;
}

static fut_value block(fut_graph *g, fut_value in, int64_t width, int64_t stride)
{
    fut_value x = fut_graph_norm_act(g, in, "bn1", eps, FUT_ACT_NONE, FUT_VALUE_NONE), shortcut = in;
    x = conv(g, x, "conv1", width, 3, 1);
    x = fut_graph_norm_prelu(g, x, "bn2", eps, "prelu");
    x = conv(g, x, "conv2", width, 3, stride);
    if (stride != 1 || fut_graph_channels(g, in) != width) {
        shortcut = conv(g, in, "downsample.0", width, 1, stride);
        shortcut = fut_graph_norm_act(g, shortcut, "downsample.1", eps, FUT_ACT_NONE, FUT_VALUE_NONE);
    }
    return fut_graph_norm_act(g, x, "bn3", eps, FUT_ACT_NONE, shortcut);
}

static fut_value build(fut_graph *g, fut_value images, const int64_t blocks[STAGES])
{
    fut_graph_scope(g, "%s", "");
    fut_value x = conv(g, images, "conv1", 64, 3, 1);
    x = fut_graph_norm_prelu(g, x, "bn1", eps, "prelu");
    for (int s = 0; s < STAGES; s++)
        for (int64_t i = 0; i < blocks[s]; i++) {
            fut_graph_scope(g, "layer%d.%lld", s + 1, (long long)i);
            x = block(g, x, (int64_t)64 << s, i == 0 ? 2 : 1);
        }
    fut_graph_scope(g, "%s", "");
    return fut_graph_norm_act(g, x, "bn2", eps, FUT_ACT_NONE, FUT_VALUE_NONE);
}

static fut_value head(fut_graph *g, fut_value features, int64_t embedding)
{
    return fut_graph_linear(g, fut_graph_flatten(g, features), "fc", embedding, true);
}

static fut_value build_18(fut_graph *graph, fut_value images)
{
    return build(graph, images, (const int64_t[STAGES]){2, 2, 2, 2});
}

static fut_value build_50(fut_graph *graph, fut_value images)
{
    return build(graph, images, (const int64_t[STAGES]){3, 4, 14, 3});
}

static fut_value build_100(fut_graph *graph, fut_value images)
{
    return build(graph, images, (const int64_t[STAGES]){3, 13, 30, 3});
}

const fut_backbone fut_backbone_iresnet18 = {
    .name = "iresnet18",
    .doc = "InsightFace's IResNet-18, 24.0 million parameters with 512 values at 112 pixels",
    .build = build_18,
    .head = head,
    .norm = "features",
    .norm_scale_frozen = true,
};
const fut_backbone fut_backbone_iresnet50 = {
    .name = "iresnet50",
    .doc = "InsightFace's IResNet-50, 43.6 million parameters with 512 values at 112 pixels",
    .build = build_50,
    .head = head,
    .norm = "features",
    .norm_scale_frozen = true,
};
const fut_backbone fut_backbone_iresnet100 = {
    .name = "iresnet100",
    .doc = "InsightFace's IResNet-100, 65.2 million parameters with 512 values at 112 pixels",
    .build = build_100,
    .head = head,
    .norm = "features",
    .norm_scale_frozen = true,
};
