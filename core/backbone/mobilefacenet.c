/* MobileFaceNet (Chen et al. 2018), a face network of a million parameters: the layers and the names of InsightFace's arcface_torch
 * (backbones/mobilefacenet.py) at scale 1, the paper's width. (arcface_torch's own "mbf" has scale 2.)
 *
 *     images -> conv 3x3/2 -> depthwise 3x3 -> widened 3x3/2 -> 4 residual -> widened /2 -> 6 residual -> widened /2 -> 2 residual
 *            -> conv 1x1 (512) -> features
 *     features -> depthwise over the whole map (GDC) -> flatten -> linear -> batch norm -> embeddings
 *
 *     widened   conv 1x1 (mid), depthwise 3x3/s, conv 1x1; every convolution with a batch norm, and a prelu but for the last
 *
 * Starts as arcface_torch's: normal with variance 2 / fan_out, of all groups together; slopes 0.25.
 *
 * The last depthwise convolution is as large as the map it sees, ceil(size / 16): 7 x 7 for the 112 pixels that it was made for. Its
 * weights therefore load at the size they were trained for. */
#include "core/backbone/backbone.h"

#include <math.h>
#include <stdio.h>

static const double eps = 1e-5;

/* The convolution of scope.0. */
static fut_value conv(fut_graph *g, fut_value x, int64_t out_c, int64_t kernel, int64_t stride, int64_t pad, bool depthwise)
{
    fut_value y = fut_graph_conv_padded(g, x, "0", out_c, kernel, stride, pad, depthwise ? out_c : 1);
    fut_graph_start(g, y, (fut_tensor_init){FUT_INIT_NORMAL, sqrt(2.0 / (double)(out_c * kernel * kernel))});
    return y;
}

/* conv, batch norm and prelu of scope.0, .1 and .2. */
static fut_value conv_block(fut_graph *g, fut_value x, int64_t out_c, int64_t kernel, int64_t stride, bool depthwise)
{
    x = conv(g, x, out_c, kernel, stride, kernel / 2, depthwise);
    return fut_graph_norm_prelu(g, x, "1", eps, "2");
}

/* Widen to `mid` channels, filter each, narrow to out_c; + x where residual. Layers are `at`.layers.<part>.layers.<0..2>. */
static fut_value widened(fut_graph *g, fut_value in, const char *at, int64_t mid, int64_t out_c, int64_t stride, bool residual)
{
    fut_graph_scope(g, "%s.layers.0.layers", at);
    fut_value x = conv_block(g, in, mid, 1, 1, false);
    fut_graph_scope(g, "%s.layers.1.layers", at);
    x = conv_block(g, x, mid, 3, stride, true);
    fut_graph_scope(g, "%s.layers.2.layers", at);
    x = conv(g, x, out_c, 1, 1, 0, false);
    return fut_graph_norm_act(g, x, "1", eps, FUT_ACT_NONE, residual ? in : FUT_VALUE_NONE);
}

/* One widened block of stride 2, then `repeats` residual ones: layers.<2 i + 2> and layers.<2 i + 3>. */
typedef struct stage {
    int64_t down_mid, out_c, repeats, mid;
} stage;
static const stage stages[] = {{128, 64, 4, 128}, {256, 128, 6, 256}, {512, 128, 2, 256}};
enum { STAGES = sizeof stages / sizeof *stages, NAME_BYTES = 64 };

static fut_value build(fut_graph *g, fut_value images)
{
    fut_graph_scope(g, "layers.0.layers");
    fut_value x = conv_block(g, images, 64, 3, 2, false);
    fut_graph_scope(g, "layers.1.layers");
    x = conv_block(g, x, 64, 3, 1, true);
    for (int s = 0; s < STAGES; s++) {
        char at[NAME_BYTES];
        (void)snprintf(at, sizeof at, "layers.%d", 2 * s + 2);
        x = widened(g, x, at, stages[s].down_mid, stages[s].out_c, 2, false);
        for (int64_t i = 0; i < stages[s].repeats; i++) {
            (void)snprintf(at, sizeof at, "layers.%d.layers.%lld", 2 * s + 3, (long long)i);
            x = widened(g, x, at, stages[s].mid, stages[s].out_c, 1, true);
        }
    }
    fut_graph_scope(g, "conv_sep.layers");
    return conv_block(g, x, 512, 1, 1, false);
}

static fut_value head(fut_graph *g, fut_value features, int64_t embedding)
{
    fut_graph_scope(g, "features.layers.0.layers");
    fut_value x = conv(g, features, fut_graph_channels(g, features), fut_graph_side(g, features), 1, 0, true);
    x = fut_graph_norm_act(g, x, "1", eps, FUT_ACT_NONE, FUT_VALUE_NONE);
    fut_graph_scope(g, "features.layers");
    x = fut_graph_linear(g, fut_graph_flatten(g, x), "2", embedding, false);
    fut_graph_start(g, x, (fut_tensor_init){FUT_INIT_NORMAL, sqrt(2.0 / (double)embedding)});
    return x;
}

const fut_backbone fut_backbone_mobilefacenet = {
    .name = "mobilefacenet",
    .doc = "MobileFaceNet, 1.2 million parameters with 512 values at 112 pixels",
    .build = build,
    .head = head,
    .norm = "features.layers.3",
};
