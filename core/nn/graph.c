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

fut_value fut_graph_conv(fut_graph *graph, fut_value x, const char *name, int64_t out_c, int64_t kernel, int64_t stride, int64_t groups)
{
    if (graph->status != FUT_OK) return FUT_VALUE_NONE;
    fut_shape4 in = graph->values[x].shape;
    int64_t pad_h = same_padding(in.h, kernel, stride), pad_w = same_padding(in.w, kernel, stride);
    fut_graph_value y = {.shape = {1, out_c, ceil_div(in.h, stride), ceil_div(in.w, stride)}};
    fut_node *node = add_node(graph, FUT_NODE_CONV, x, FUT_VALUE_NONE, y);
    if (!node) return FUT_VALUE_NONE;
    node->conv = (fut_node_conv){
        .out_c = out_c,
        .kernel = kernel,
        .stride = stride,
        .groups = groups,
        .pad_top = pad_h / 2,
        .pad_left = pad_w / 2,
        .pad_bottom = pad_h - pad_h / 2,
        .pad_right = pad_w - pad_w / 2,
    };
    int64_t dim[4] = {out_c, in.c / groups, kernel, kernel};
    node->params = 1;
    node->param[0] = add_tensor(graph, name, "weight", 4, dim, true, conv_init(out_c, kernel, groups));
    return value_of(graph, node);
}

fut_value fut_graph_norm_act(fut_graph *graph, fut_value x, const char *name, double eps, fut_act_kind act, fut_value residual)
{
    if (graph->status != FUT_OK) return FUT_VALUE_NONE;
    int64_t dim[1] = {graph->values[x].shape.c};
    fut_node *node = add_node(graph, FUT_NODE_NORM_ACT, x, residual, graph->values[x]);
    if (!node) return FUT_VALUE_NONE;
    node->norm_act = (fut_node_norm_act){.eps = eps, .act = act};
    node->params = 2;
    node->param[0] = add_tensor(graph, name, "weight", 1, dim, true, (fut_tensor_init){FUT_INIT_ONE, 0});
    node->param[1] = add_tensor(graph, name, "bias", 1, dim, true, (fut_tensor_init){FUT_INIT_ZERO, 0});
    node->stat[0] = add_tensor(graph, name, "running_mean", 1, dim, false, (fut_tensor_init){FUT_INIT_ZERO, 0});
    node->stat[1] = add_tensor(graph, name, "running_var", 1, dim, false, (fut_tensor_init){FUT_INIT_ONE, 0});
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
    fut_tensor_init zero = {FUT_INIT_ZERO, 0};
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

fut_value fut_graph_global_pool(fut_graph *graph, fut_value x)
{
    if (graph->status != FUT_OK) return FUT_VALUE_NONE;
    fut_graph_value y = {.shape = {1, graph->values[x].shape.c, 1, 1}, .plain = true};
    fut_node *node = add_node(graph, FUT_NODE_GLOBAL_POOL, x, FUT_VALUE_NONE, y);
    return node ? value_of(graph, node) : FUT_VALUE_NONE;
}

fut_value fut_graph_linear(fut_graph *graph, fut_value x, const char *name, int64_t out)
{
    if (graph->status != FUT_OK) return FUT_VALUE_NONE;
    int64_t in = graph->values[x].shape.c, dim[2] = {out, in};
    fut_graph_value y = {.shape = {1, out, 1, 1}, .plain = true};
    fut_node *node = add_node(graph, FUT_NODE_LINEAR, x, FUT_VALUE_NONE, y);
    if (!node) return FUT_VALUE_NONE;
    /* torch.nn.Linear: weight and bias uniform within 1 / sqrt(in). */
    fut_tensor_init init = {FUT_INIT_UNIFORM, 1 / sqrt((double)in)};
    node->params = 2;
    node->param[0] = add_tensor(graph, name, "weight", 2, dim, true, init);
    node->param[1] = add_tensor(graph, name, "bias", 1, dim, true, init);
    return value_of(graph, node);
}
