#include "core/nn/describe.h"

#include "core/nn/net_impl.h"

#include <stdio.h>
#include <string.h>

int fut_net_layer_count(const fut_net *net)
{
    return net->graph->node_count;
}

static const char *kind_name(const fut_node *node)
{
    static const char *const names[] = {
        [FUT_NODE_CONV] = "conv",         [FUT_NODE_NORM_ACT] = "norm",           [FUT_NODE_SQUEEZE_EXCITE] = "squeeze_excite",
        [FUT_NODE_MAX_POOL] = "max_pool", [FUT_NODE_GLOBAL_POOL] = "global_pool", [FUT_NODE_LINEAR] = "linear",
        [FUT_NODE_FLATTEN] = "flatten",   [FUT_NODE_UNFLATTEN] = "unflatten",
    };
    return node->kind == FUT_NODE_CONV && node->conv.groups > 1 ? "depthwise" : names[node->kind];
}

static void norm_detail(const fut_node *node, char *text, size_t bytes)
{
    static const char *const acts[] = {
        [FUT_ACT_NONE] = "", [FUT_ACT_RELU] = "relu", [FUT_ACT_RELU6] = "relu6", [FUT_ACT_SILU] = "silu", [FUT_ACT_PRELU] = "prelu"};
    const char *act = acts[node->norm_act.act];
    if (node->residual == FUT_VALUE_NONE)
        (void)snprintf(text, bytes, "%s", act);
    else if (act[0] == '\0')
        (void)snprintf(text, bytes, "+ residual");
    else
        (void)snprintf(text, bytes, node->norm_act.residual_after ? "%s, + residual" : "+ residual, %s", act);
}

static void fill_detail(const fut_node *node, char *text, size_t bytes)
{
    long long kernel = node->kind == FUT_NODE_CONV ? node->conv.kernel : node->max_pool.kernel;
    long long stride = node->kind == FUT_NODE_CONV ? node->conv.stride : node->max_pool.stride;
    text[0] = '\0';
    if (node->kind == FUT_NODE_NORM_ACT) norm_detail(node, text, bytes);
    if (node->kind == FUT_NODE_SQUEEZE_EXCITE) (void)snprintf(text, bytes, "%lld inside", (long long)node->se.reduced);
    if (node->kind != FUT_NODE_CONV && node->kind != FUT_NODE_MAX_POOL) return;
    if (stride == 1)
        (void)snprintf(text, bytes, "%lldx%lld", kernel, kernel);
    else
        (void)snprintf(text, bytes, "%lldx%lld/%lld", kernel, kernel, stride);
}

static int64_t macs_of(const fut_node *node, fut_shape4 x, fut_shape4 y)
{
    switch (node->kind) {
    case FUT_NODE_CONV:
        return y.c * y.h * y.w * (x.c / node->conv.groups) * node->conv.kernel * node->conv.kernel;
    case FUT_NODE_SQUEEZE_EXCITE:
        return 2 * x.c * node->se.reduced;
    case FUT_NODE_LINEAR:
        return x.c * y.c;
    default:
        return 0;
    }
}

void fut_net_set_probe(fut_net *net, const fut_net_probe *probe)
{
    net->probe = probe;
}

fut_status fut_net_layer_impl(fut_net *net, int i, int64_t n, const char **impl_out)
{
    fut_plan *plan = NULL;
    FUT_TRY(fut_net_find_plan(net, n, true, &plan));
    const fut_op *op = plan->nodes[i].op;
    *impl_out = op && op->impl ? op->impl : "";
    return FUT_OK;
}

void fut_net_layer_get(const fut_net *net, int i, fut_net_layer *layer_out)
{
    const fut_graph *graph = net->graph;
    const fut_node *node = &graph->nodes[i];
    fut_shape4 y = graph->values[node->y].shape;
    *layer_out = (fut_net_layer){.kind = kind_name(node), .out = {y.c, y.h, y.w}, .macs = macs_of(node, graph->values[node->x].shape, y)};
    if (node->kind == FUT_NODE_NORM_ACT) {
        layer_out->sums[0] = y.c * FUT_NORM_SUMS;
        layer_out->sums[1] = y.c * FUT_NORM_GRADIENT_SUMS;
    }
    fill_detail(node, layer_out->detail, sizeof layer_out->detail);
    for (int k = 0; k < node->params; k++)
        layer_out->params += graph->tensors[node->param[k]].count;
    if (node->params == 0) return;
    const char *tensor = graph->tensors[node->param[0]].name, *leaf = strrchr(tensor, '.');
    if (node->kind == FUT_NODE_SQUEEZE_EXCITE) /* "se.conv_reduce.weight" */
        while (leaf > tensor && *--leaf != '.') {
        }
    (void)snprintf(layer_out->name, sizeof layer_out->name, "%.*s", (int)(leaf - tensor), tensor);
}

void fut_net_layer_traffic(const fut_net *net, int i, int64_t n, fut_net_traffic *traffic_out)
{
    const fut_graph *graph = net->graph;
    const fut_node *node = &graph->nodes[i];
    fut_shape4 xs = graph->values[node->x].shape, ys = graph->values[node->y].shape;
    double act = (double)fut_dtype_size(net->spec.dtype), real = (double)fut_dtype_size(net->spec.real), images = (double)n;
    double x = images * (double)(xs.c * xs.h * xs.w) * (graph->values[node->x].plain ? real : act);
    double y = images * (double)(ys.c * ys.h * ys.w) * (graph->values[node->y].plain ? real : act);
    double residual = node->residual == FUT_VALUE_NONE ? 0 : y, flops = 2 * images * (double)macs_of(node, xs, ys), weights = 0;
    bool first = node->x == 0;
    for (int k = 0; k < node->params; k++)
        weights += (double)graph->tensors[node->param[k]].count;
    *traffic_out = (fut_net_traffic){.forward = x + y, .backward = x + y};
    switch (node->kind) {
    case FUT_NODE_CONV:
        *traffic_out = (fut_net_traffic){x + y + weights * act, (first ? 0 : x + y + weights * act) + x + y + weights * real, flops,
                                         first ? flops : 2 * flops};
        break;
    case FUT_NODE_NORM_ACT:
        *traffic_out = (fut_net_traffic){2 * x + y + residual, 3 * x + 2 * y + (node->norm_act.residual_after ? 0 : residual), 0, 0};
        break;
    case FUT_NODE_SQUEEZE_EXCITE:
        *traffic_out = (fut_net_traffic){2 * x + y, 2 * x + 2 * y, flops, 2 * flops};
        break;
    case FUT_NODE_LINEAR:
        *traffic_out = (fut_net_traffic){x + y + weights * real, 2 * (x + y + weights * real), flops, 2 * flops};
        break;
    default:
        break;
    }
}

fut_status fut_net_measure(const fut_net *net, int64_t n, bool training, fut_net_memory *memory_out)
{
    fut_plan *plan = NULL;
    FUT_CHECK(n > 0, FUT_ERR_SHAPE, "a plan for %lld images", (long long)n);
    FUT_TRY(fut_plan_create(net->bk, &net->spec, net->graph, n, training, &plan));
    *memory_out = (fut_net_memory){
        .params = (size_t)fut_net_leaf_count(net) * fut_dtype_size(net->spec.real),
        .slot = plan->region_bytes[FUT_REGION_SLOT],
        .shared = plan->region_bytes[FUT_REGION_SHARED],
        .held = plan->held_bytes,
    };
    fut_plan_destroy(&plan);
    return FUT_OK;
}
