/* ResNet (He et al. 2015) as timm's resnet18, 34, 50 and 101, and torchvision's: tensors have the same names in both, and both put a
 * bottleneck's stride in its 3 x 3 convolution ("v1.5").
 *
 *     images -> conv1 7x7/2, bn1, relu -> max pool 3x3/2 -> layer1 .. layer4 -> features
 *
 *     basic        conv1 3x3/s, bn1, relu, conv2 3x3, bn2                            + shortcut, relu
 *     bottleneck   conv1 1x1, bn1, relu, conv2 3x3/s, bn2, relu, conv3 1x1 (4x), bn3 + shortcut, relu
 *
 * The shortcut is the input, or downsample.0 (conv 1x1/s) and downsample.1 (its norm) where the shape changes. Its tensors come before the
 * block's last norm, as they run; timm lists them after it. Starts as timm's: the last norm of every block at scale 0 (zero_init_last), so
 * that a block is the identity at first. */
#include "core/backbone/backbone.h"

enum { STAGES = 4 };
static const double eps = 1e-5;

typedef struct resnet {
    bool bottleneck;
    int64_t blocks[STAGES];
} resnet;

/* What is added to the block's own path: `out_c` channels, at the block's stride. */
static fut_value shortcut(fut_graph *g, fut_value in, int64_t out_c, int64_t stride)
{
    if (stride == 1 && fut_graph_channels(g, in) == out_c) return in;
    fut_value x = fut_graph_conv_padded(g, in, "downsample.0", out_c, 1, stride, 0, 1);
    return fut_graph_norm_act(g, x, "downsample.1", eps, FUT_ACT_NONE, FUT_VALUE_NONE);
}

static fut_value conv_bn_relu(fut_graph *g, fut_value x, const char *conv, const char *bn, int64_t out_c, int64_t kernel, int64_t stride)
{
    x = fut_graph_conv_padded(g, x, conv, out_c, kernel, stride, kernel / 2, 1);
    return fut_graph_norm_act(g, x, bn, eps, FUT_ACT_RELU, FUT_VALUE_NONE);
}

static fut_value add_shortcut(fut_graph *g, fut_value x, const char *bn, fut_value in, int64_t stride)
{
    fut_value y = fut_graph_norm_add_act(g, x, bn, eps, FUT_ACT_RELU, shortcut(g, in, fut_graph_channels(g, x), stride));
    fut_graph_start(g, y, (fut_tensor_init){FUT_INIT_CONSTANT, 0});
    return y;
}

static fut_value basic_block(fut_graph *g, fut_value in, int64_t width, int64_t stride)
{
    fut_value x = conv_bn_relu(g, in, "conv1", "bn1", width, 3, stride);
    x = fut_graph_conv_padded(g, x, "conv2", width, 3, 1, 1, 1);
    return add_shortcut(g, x, "bn2", in, stride);
}

static fut_value bottleneck_block(fut_graph *g, fut_value in, int64_t width, int64_t stride)
{
    fut_value x = conv_bn_relu(g, in, "conv1", "bn1", width, 1, 1);
    x = conv_bn_relu(g, x, "conv2", "bn2", width, 3, stride);
    x = fut_graph_conv_padded(g, x, "conv3", 4 * width, 1, 1, 0, 1);
    return add_shortcut(g, x, "bn3", in, stride);
}

static fut_value build(fut_graph *g, fut_value images, const resnet *net)
{
    fut_graph_scope(g, "%s", "");
    fut_value x = conv_bn_relu(g, images, "conv1", "bn1", 64, 7, 2);
    x = fut_graph_max_pool(g, x, 3, 2, 1);
    for (int s = 0; s < STAGES; s++)
        for (int64_t i = 0; i < net->blocks[s]; i++) {
            int64_t width = (int64_t)64 << s, stride = s > 0 && i == 0 ? 2 : 1;
            fut_graph_scope(g, "layer%d.%lld", s + 1, (long long)i);
            x = net->bottleneck ? bottleneck_block(g, x, width, stride) : basic_block(g, x, width, stride);
        }
    return x;
}

static fut_value build_18(fut_graph *graph, fut_value images)
{
    return build(graph, images, &(resnet){false, {2, 2, 2, 2}});
}

static fut_value build_34(fut_graph *graph, fut_value images)
{
    return build(graph, images, &(resnet){false, {3, 4, 6, 3}});
}

static fut_value build_50(fut_graph *graph, fut_value images)
{
    return build(graph, images, &(resnet){true, {3, 4, 6, 3}});
}

static fut_value build_101(fut_graph *graph, fut_value images)
{
    return build(graph, images, &(resnet){true, {3, 4, 23, 3}});
}

const fut_backbone fut_backbone_resnet18 = {.name = "resnet18", .doc = "ResNet-18, 11.2 million parameters", .build = build_18};
const fut_backbone fut_backbone_resnet34 = {.name = "resnet34", .doc = "ResNet-34, 21.3 million parameters", .build = build_34};
const fut_backbone fut_backbone_resnet50 = {.name = "resnet50", .doc = "ResNet-50, 23.5 million parameters", .build = build_50};
const fut_backbone fut_backbone_resnet101 = {.name = "resnet101", .doc = "ResNet-101, 42.5 million parameters", .build = build_101};
