/* The graph of a network: what a backbone writes down once, for one image size and any number of images.
 *
 *   conv -> norm_act -> conv -> norm_act(+residual) -> ...          nodes, in the order they run
 *      value 1     value 2                                          values: what flows between them
 *
 * A backbone calls the functions below in the order of the forward pass; the packs have this order too: each layer registers
 * its tensors under scope + name ("blocks.3.0" + "conv_pw" + ".weight").
 *
 * Errors are sticky: the first one (memory, a shape that cannot be) is kept in the graph, later calls do nothing and return a value that
 * must not be looked at; fut_graph_status tells. So a backbone reads like the network it describes. */
#ifndef FUT_CORE_NN_GRAPH_H
#define FUT_CORE_NN_GRAPH_H

#include "core/backend/backend.h"
#include "core/tensor/param.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fut_graph fut_graph;
typedef int fut_value; /* index of a value; FUT_VALUE_NONE where a layer has no residual */
enum { FUT_VALUE_NONE = -1 };

/* A backbone: a row of core/backbone/backbones.def. */
typedef struct fut_backbone {
    const char *name; /* timm's, or of whom the file says */
    const char *doc;
    /* Returns the last feature map. */
    fut_value (*build)(fut_graph *graph, fut_value images);
    /* From the last feature map to the embeddings [n, embedding]. NULL: global mean pool and a linear layer "embedder". */
    fut_value (*head)(fut_graph *graph, fut_value features, int64_t embedding);
    /* The batch norm on the embeddings that belongs to the network, by name; NULL: none does. */
    const char *norm;
    bool norm_scale_frozen; /* its weight stays as it is loaded, or 1 */
} fut_backbone;

/* All backbones, NULL-terminated; defined by core/backbone. */
extern const fut_backbone *const fut_backbones[];
/* Errors: FUT_ERR_CONFIG for an unknown name (the nearest, or all that there are). */
fut_status fut_backbone_find(const char *name, const fut_backbone **backbone_out) FUT_MUST_CHECK;

/* Names of the layers that follow start with "<scope>."; "" for none. */
void fut_graph_scope(fut_graph *graph, const char *fmt, ...) FUT_PRINTF(2, 3);
/* Channels of a value. */
int64_t fut_graph_channels(const fut_graph *graph, fut_value x);

/* Height (and width: images are square) of a value. */
int64_t fut_graph_side(const fut_graph *graph, fut_value x);

/* Convolution without bias, kernel x kernel, padded as TensorFlow's SAME: the output has ceil(size / stride) rows, of the padding
 * total = max((ceil(size / stride) - 1) stride + kernel - size, 0), total / 2 comes before (timm: layers/padding.py).
 * groups: 1, or the number of channels (depthwise). Tensors: weight, which starts normal with variance 2 / fan_out of a group. */
fut_value fut_graph_conv(fut_graph *graph, fut_value x, const char *name, int64_t out_c, int64_t kernel, int64_t stride, int64_t groups);
/* The same with `pad` zeros on every side, as torch.nn.Conv2d. */
fut_value fut_graph_conv_padded(fut_graph *graph, fut_value x, const char *name, int64_t out_c, int64_t kernel, int64_t stride, int64_t pad,
                                int64_t groups);
/* y = act(bn(x)), and + residual after the activation if there is one. Tensors: weight, bias, running_mean, running_var. */
fut_value fut_graph_norm_act(fut_graph *graph, fut_value x, const char *name, double eps, fut_act_kind act, fut_value residual);
/* y = act(bn(x) + residual). Tensors: the same. */
fut_value fut_graph_norm_add_act(fut_graph *graph, fut_value x, const char *name, double eps, fut_act_kind act, fut_value residual);
/* y = prelu(bn(x)). Tensors: the same of `name`, and prelu_name's weight, a slope a channel that starts at 0.25. */
fut_value fut_graph_norm_prelu(fut_graph *graph, fut_value x, const char *name, double eps, const char *prelu_name);
/* Largest of each window, as torch.nn.MaxPool2d. */
fut_value fut_graph_max_pool(fut_graph *graph, fut_value x, int64_t kernel, int64_t stride, int64_t pad);
/* timm's SqueezeExcite. Tensors: conv_reduce.{weight, bias}, conv_expand.{weight, bias}. */
fut_value fut_graph_squeeze_excite(fut_graph *graph, fut_value x, const char *name, int64_t reduced, fut_act_kind act);
/* Mean over height and width: [n, c]. */
fut_value fut_graph_global_pool(fut_graph *graph, fut_value x);
/* [n, c, h, w] -> [n, c h w], in the order of torch.flatten. */
fut_value fut_graph_flatten(fut_graph *graph, fut_value x);
/* [n, c] -> [n, out]. Tensors: weight and, with_bias, bias; both start as torch.nn.Linear's. */
fut_value fut_graph_linear(fut_graph *graph, fut_value x, const char *name, int64_t out, bool with_bias);
/* Batch norm of [n, c] over n, as torch.nn.BatchNorm1d: computed in the parameters' dtype, whatever the activations have.
 * scale_frozen: its weight is never trained. */
fut_value fut_graph_norm_1d(fut_graph *graph, fut_value x, const char *name, double eps, bool scale_frozen);

/* The weight of the layer that made y, which has one, starts so instead. */
void fut_graph_start(fut_graph *graph, fut_value y, fut_tensor_init init);
/* Tensors that no layer has: the loss's, named "loss.<name>". The last that a graph is given. */
void fut_graph_loss_params(fut_graph *graph, const fut_params *params);

fut_status fut_graph_status(const fut_graph *graph) FUT_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
