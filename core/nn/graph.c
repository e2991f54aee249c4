#include "core/nn/graph_impl.h"

#include "core/base/mem.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { GROWTH = 64 };

fut_status fut_graph_create(int64_t size, fut_graph **graph_out)
{
    fut_status st = FUT_OK;
    fut_graph *graph = NULL;
    FUT_TRY_GOTO(FUT_NEW(&graph), out);
    FUT_TRY_GOTO(FUT_NEW_ARRAY(GROWTH, &graph->values), out);
    graph->values[0].shape = (fut_shape4){1, 3, size, size};
    graph->value_count = 1;
    *graph_out = graph;
    graph = NULL;
out:
    fut_graph_destroy(&graph);
    return st;
}

void fut_graph_destroy(fut_graph **graph)
{
    if (!*graph) return;
    for (int i = 0; i < (*graph)->tensor_count; i++)
        fut_mem_free((char *)(*graph)->tensors[i].name);
    fut_mem_free((*graph)->nodes);
    fut_mem_free((*graph)->values);
    fut_mem_free((*graph)->tensors);
    fut_mem_free((*graph)->inits);
    fut_mem_free(*graph);
    *graph = NULL;
}

fut_status fut_graph_status(const fut_graph *graph)
{
    return graph->status;
}

void fut_graph_scope(fut_graph *graph, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(graph->scope, sizeof graph->scope, fmt, args);
    va_end(args);
}

int64_t fut_graph_channels(const fut_graph *graph, fut_value x)
{
    return graph->status == FUT_OK ? graph->values[x].shape.c : 0;
}

int64_t fut_graph_side(const fut_graph *graph, fut_value x)
{
    return graph->status == FUT_OK ? graph->values[x].shape.h : 0;
}

/* Make room for one more element of an array that holds `count`. */
static fut_status make_room(void **array, int count, size_t size)
{
    if (count % GROWTH != 0) return FUT_OK;
    return fut_mem_grow(array, (size_t)count, (size_t)count + GROWTH, size);
}

static fut_status tensor_name(const fut_graph *graph, const char *layer, const char *leaf, const char **name_out)
{
    char text[3 * FUT_GRAPH_NAME_MAX];
    int length = snprintf(text, sizeof text, "%s%s%s.%s", graph->scope, graph->scope[0] ? "." : "", layer, leaf);
    FUT_CHECK(length > 0 && length < FUT_GRAPH_NAME_MAX, FUT_ERR_INTERNAL, "tensor name %s is longer than %d bytes", text,
              FUT_GRAPH_NAME_MAX);
    char *copy = NULL;
    FUT_TRY(FUT_NEW_ARRAY(length + 1, &copy));
    memcpy(copy, text, (size_t)length);
    *name_out = copy;
    return FUT_OK;
}

/* Register a tensor at the end of its pack; its index, or -1 after an error. */
static int add_tensor(fut_graph *graph, const char *layer, const char *leaf, int rank, const int64_t *dim, bool trainable,
                      fut_tensor_init init)
{
    if (graph->status != FUT_OK) return -1;
    fut_status st = FUT_OK;
    int index = graph->tensor_count;
    FUT_TRY_GOTO(make_room((void **)&graph->tensors, index, sizeof *graph->tensors), out);
    FUT_TRY_GOTO(make_room((void **)&graph->inits, index, sizeof *graph->inits), out);
    fut_net_tensor *tensor = &graph->tensors[index];
    *tensor = (fut_net_tensor){.rank = rank, .count = 1, .trainable = trainable};
    FUT_TRY_GOTO(tensor_name(graph, layer, leaf, &tensor->name), out);
    for (int i = 0; i < rank; i++) {
        tensor->dim[i] = dim[i];
        tensor->count *= dim[i];
    }
    int64_t *pack_count = trainable ? &graph->param_count : &graph->stat_count;
    tensor->offset = *pack_count;
    *pack_count += tensor->count;
    graph->inits[index] = init;
    graph->tensor_count++;
out:
    graph->status = st;
    return st == FUT_OK ? index : -1;
}

/* Append a node and the value it makes; the node, or NULL after an error. */
static fut_node *add_node(fut_graph *graph, fut_node_kind kind, fut_value x, fut_value residual, fut_graph_value y)
{
    if (graph->status != FUT_OK) return NULL;
    fut_status st = FUT_OK;
    fut_node *node = NULL;
    FUT_TRY_GOTO(make_room((void **)&graph->nodes, graph->node_count, sizeof *graph->nodes), out);
    FUT_TRY_GOTO(make_room((void **)&graph->values, graph->value_count, sizeof *graph->values), out);
    node = &graph->nodes[graph->node_count++];
    *node = (fut_node){.kind = kind, .x = x, .residual = residual, .y = graph->value_count};
    graph->values[graph->value_count++] = y;
out:
    graph->status = st;
    return node;
}

static fut_value value_of(const fut_graph *graph, const fut_node *node)
{
    return graph->status == FUT_OK ? node->y : FUT_VALUE_NONE;
}

static int64_t ceil_div(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

static int64_t same_padding(int64_t size, int64_t kernel, int64_t stride)
{
    int64_t total = (ceil_div(size, stride) - 1) * stride + kernel - size;
    return total > 0 ? total : 0;
}

/* timm's _init_weight_goog: normal with variance 2 / fan_out. */
static fut_tensor_init conv_init(int64_t out_c, int64_t kernel, int64_t groups)
{
    int64_t fan_out = kernel * kernel * out_c / groups;
    return (fut_tensor_init){FUT_INIT_NORMAL, sqrt(2.0 / (double)fan_out)};
}

static fut_value add_conv(fut_graph *graph, fut_value x, const char *name, const fut_node_conv *conv)
{
    fut_shape4 in = graph->values[x].shape;
    int64_t padded_h = in.h + conv->pad_top + conv->pad_bottom, padded_w = in.w + conv->pad_left + conv->pad_right;
    if (padded_h < conv->kernel || padded_w < conv->kernel) {
        graph->status = FUT_FAIL(FUT_ERR_CONFIG, "layer %s of %lld x %lld sees %lld x %lld pixels: the images are too small", name,
                                 (long long)conv->kernel, (long long)conv->kernel, (long long)padded_h, (long long)padded_w);
        return FUT_VALUE_NONE;
    }
    fut_shape4 out = {1, conv->out_c, (padded_h - conv->kernel) / conv->stride + 1, (padded_w - conv->kernel) / conv->stride + 1};
    fut_node *node = add_node(graph, FUT_NODE_CONV, x, FUT_VALUE_NONE, (fut_graph_value){.shape = out});
    if (!node) return FUT_VALUE_NONE;
    node->conv = *conv;
    int64_t dim[4] = {conv->out_c, in.c / conv->groups, conv->kernel, conv->kernel};
    node->params = 1;
    node->param[0] = add_tensor(graph, name, "weight", 4, dim, true, conv_init(conv->out_c, conv->kernel, conv->groups));
    return value_of(graph, node);
}

fut_value fut_graph_conv(fut_graph *graph, fut_value x, const char *name, int64_t out_c, int64_t kernel, int64_t stride, int64_t groups)
{
    if (graph->status != FUT_OK) return FUT_VALUE_NONE;
    fut_shape4 in = graph->values[x].shape;
    int64_t pad_h = same_padding(in.h, kernel, stride), pad_w = same_padding(in.w, kernel, stride);
    fut_node_conv conv = {
        .out_c = out_c,
        .kernel = kernel,
        .stride = stride,
        .groups = groups,
        .pad_top = pad_h / 2,
        .pad_left = pad_w / 2,
        .pad_bottom = pad_h - pad_h / 2,
        .pad_right = pad_w - pad_w / 2,
    };
    return add_conv(graph, x, name, &conv);
}

fut_value fut_graph_conv_padded(fut_graph *graph, fut_value x, const char *name, int64_t out_c, int64_t kernel, int64_t stride, int64_t pad,
                                int64_t groups)
{
    if (graph->status != FUT_OK) return FUT_VALUE_NONE;
    fut_node_conv conv = {
        .out_c = out_c,
        .kernel = kernel,
        .stride = stride,
        .groups = groups,
        .pad_top = pad,
        .pad_left = pad,
        .pad_bottom = pad,
        .pad_right = pad,
    };
    return add_conv(graph, x, name, &conv);
}

/* A batch norm with its tensors; the node, or NULL after an error. */
static fut_node *add_norm(fut_graph *graph, fut_value x, const char *name, double eps, fut_act_kind act, fut_value residual)
{
    if (graph->status != FUT_OK) return NULL;
    static const fut_tensor_init one = {FUT_INIT_CONSTANT, 1}, zero = {FUT_INIT_CONSTANT, 0};
    int64_t dim[1] = {graph->values[x].shape.c};
    fut_node *node = add_node(graph, FUT_NODE_NORM_ACT, x, residual, graph->values[x]);
    if (!node) return NULL;
    node->norm_act = (fut_node_norm_act){.eps = eps, .act = act, .residual_after = true};
    node->params = 2;
    node->param[0] = add_tensor(graph, name, "weight", 1, dim, true, one);
    node->param[1] = add_tensor(graph, name, "bias", 1, dim, true, zero);
    node->stat[0] = add_tensor(graph, name, "running_mean", 1, dim, false, zero);
    node->stat[1] = add_tensor(graph, name, "running_var", 1, dim, false, one);
    return graph->status == FUT_OK ? node : NULL;
}

fut_value fut_graph_norm_act(fut_graph *graph, fut_value x, const char *name, double eps, fut_act_kind act, fut_value residual)
{
    fut_node *node = add_norm(graph, x, name, eps, act, residual);
    return node ? node->y : FUT_VALUE_NONE;
}

fut_value fut_graph_norm_add_act(fut_graph *graph, fut_value x, const char *name, double eps, fut_act_kind act, fut_value residual)
{
    fut_node *node = add_norm(graph, x, name, eps, act, residual);
    if (!node) return FUT_VALUE_NONE;
    node->norm_act.residual_after = false;
    return node->y;
}

fut_value fut_graph_norm_prelu(fut_graph *graph, fut_value x, const char *name, double eps, const char *prelu_name)
{
    fut_node *node = add_norm(graph, x, name, eps, FUT_ACT_PRELU, FUT_VALUE_NONE);
    if (!node) return FUT_VALUE_NONE;
    int64_t dim[1] = {graph->values[x].shape.c};
    node->params = 3;
    node->param[2] = add_tensor(graph, prelu_name, "weight", 1, dim, true, (fut_tensor_init){FUT_INIT_CONSTANT, 0.25});
    return value_of(graph, node);
}

fut_value fut_graph_squeeze_excite(fut_graph *graph, fut_value x, const char *name, int64_t reduced, fut_act_kind act)
{
    if (graph->status != FUT_OK) return FUT_VALUE_NONE;
    int64_t channels = graph->values[x].shape.c;
    fut_node *node = add_node(graph, FUT_NODE_SQUEEZE_EXCITE, x, FUT_VALUE_NONE, graph->values[x]);
    if (!node) return FUT_VALUE_NONE;
    node->se = (fut_node_se){.reduced = reduced, .act = act};
    int64_t reduce_dim[4] = {reduced, channels, 1, 1}, expand_dim[4] = {channels, reduced, 1, 1};
    fut_tensor_init zero = {FUT_INIT_CONSTANT, 0};
    char reduce[FUT_GRAPH_NAME_MAX], expand[FUT_GRAPH_NAME_MAX];
    (void)snprintf(reduce, sizeof reduce, "%s.conv_reduce", name);
    (void)snprintf(expand, sizeof expand, "%s.conv_expand", name);
    node->params = 4;
    node->param[0] = add_tensor(graph, reduce, "weight", 4, reduce_dim, true, conv_init(reduced, 1, 1));
    node->param[1] = add_tensor(graph, reduce, "bias", 1, reduce_dim, true, zero);
    node->param[2] = add_tensor(graph, expand, "weight", 4, expand_dim, true, conv_init(channels, 1, 1));
    node->param[3] = add_tensor(graph, expand, "bias", 1, expand_dim, true, zero);
    return value_of(graph, node);
}

fut_value fut_graph_max_pool(fut_graph *graph, fut_value x, int64_t kernel, int64_t stride, int64_t pad)
{
    if (graph->status != FUT_OK) return FUT_VALUE_NONE;
    fut_graph_value y = graph->values[x];
    y.shape.h = (y.shape.h + 2 * pad - kernel) / stride + 1;
    y.shape.w = (y.shape.w + 2 * pad - kernel) / stride + 1;
    fut_node *node = add_node(graph, FUT_NODE_MAX_POOL, x, FUT_VALUE_NONE, y);
    if (!node) return FUT_VALUE_NONE;
    node->max_pool = (fut_node_max_pool){.kernel = kernel, .stride = stride, .pad = pad};
    return value_of(graph, node);
}

/* A node without tensors. */
static fut_value add_reshape(fut_graph *graph, fut_node_kind kind, fut_value x, fut_graph_value y)
{
    fut_node *node = add_node(graph, kind, x, FUT_VALUE_NONE, y);
    return node ? value_of(graph, node) : FUT_VALUE_NONE;
}

fut_value fut_graph_global_pool(fut_graph *graph, fut_value x)
{
    if (graph->status != FUT_OK) return FUT_VALUE_NONE;
    fut_graph_value y = {.shape = {1, graph->values[x].shape.c, 1, 1}, .plain = true};
    return add_reshape(graph, FUT_NODE_GLOBAL_POOL, x, y);
}

fut_value fut_graph_flatten(fut_graph *graph, fut_value x)
{
    if (graph->status != FUT_OK) return FUT_VALUE_NONE;
    fut_shape4 in = graph->values[x].shape;
    fut_graph_value y = {.shape = {1, in.c * in.h * in.w, 1, 1}, .plain = true};
    return add_reshape(graph, FUT_NODE_FLATTEN, x, y);
}

fut_value fut_graph_linear(fut_graph *graph, fut_value x, const char *name, int64_t out, bool with_bias)
{
    if (graph->status != FUT_OK) return FUT_VALUE_NONE;
    int64_t in = graph->values[x].shape.c, dim[2] = {out, in};
    fut_graph_value y = {.shape = {1, out, 1, 1}, .plain = true};
    fut_node *node = add_node(graph, FUT_NODE_LINEAR, x, FUT_VALUE_NONE, y);
    if (!node) return FUT_VALUE_NONE;
    /* torch.nn.Linear: weight and bias uniform within 1 / sqrt(in). */
    fut_tensor_init init = {FUT_INIT_UNIFORM, 1 / sqrt((double)in)};
    node->params = 1;
    node->param[0] = add_tensor(graph, name, "weight", 2, dim, true, init);
    if (with_bias) node->param[node->params++] = add_tensor(graph, name, "bias", 1, dim, true, init);
    return value_of(graph, node);
}

fut_value fut_graph_norm_1d(fut_graph *graph, fut_value x, const char *name, double eps, bool scale_frozen)
{
    if (graph->status != FUT_OK) return FUT_VALUE_NONE;
    fut_graph_value act = {.shape = graph->values[x].shape, .real = true};
    fut_value in = add_reshape(graph, FUT_NODE_UNFLATTEN, x, act);
    fut_node *node = add_norm(graph, in, name, eps, FUT_ACT_NONE, FUT_VALUE_NONE);
    if (!node) return FUT_VALUE_NONE;
    graph->tensors[node->param[0]].frozen = scale_frozen;
    return fut_graph_flatten(graph, node->y);
}

void fut_graph_loss_params(fut_graph *graph, const fut_params *params)
{
    fut_graph_scope(graph, "%s", "");
    for (int i = 0; i < params->n; i++) {
        const fut_param *param = &params->param[i];
        int tensor = add_tensor(graph, "loss", param->name, param->rank, param->dim, true, param->init);
        if (tensor < 0) return;
        graph->tensors[tensor].of_loss = true;
        graph->tensors[tensor].no_decay = param->no_decay;
        graph->loss_tensors++;
        graph->loss_param_count += graph->tensors[tensor].count;
    }
}

void fut_graph_start(fut_graph *graph, fut_value y, fut_tensor_init init)
{
    if (graph->status != FUT_OK) return;
    const fut_node *maker = &graph->nodes[y - 1]; /* every node makes one value, in order, after the images */
    graph->inits[maker->param[0]] = init;
}
