#include "core/nn/plan_impl.h"

#include "core/base/mem.h"
#include "core/nn/buffers_impl.h"

#include <string.h>

/* Buffers are planned by index; places are filled in once their offsets are known. */
enum { NO_BUFFER = -1, CALLER_BUFFER = -2 };

typedef struct planner {
    fut_backend *bk;
    const fut_net_spec *spec;
    const fut_graph *graph;
    fut_plan *plan;
    fut_buffer *buffers;
    int buffer_count;
    int *value;    /* buffer of each value */
    int *late;     /* where backward finds it: there, or where it is made again, or NO_BUFFER */
    int *gradient; /* buffer of each value's gradient */
    struct node_buffers {
        int saved, scratch, late_scratch, dy, dx, dresidual;
        int sum_x, sum_residual; /* what dx and the gradient of the residual are added to, or NO_BUFFER */
        int again[FUT_PLAN_AGAIN_MAX], agains;
    } * node;
    int batch;
} planner;

static int forward_time(int node)
{
    return node + 1;
}

static int backward_time(const fut_graph *graph, int node)
{
    return 2 * graph->node_count - node;
}

fut_shape4 fut_plan_shape(const fut_graph *graph, fut_value value, int64_t n)
{
    fut_shape4 shape = graph->values[value].shape;
    shape.n = n;
    return shape;
}

fut_dtype fut_plan_dtype(const fut_graph *graph, const fut_net_spec *spec, fut_value value)
{
    return graph->values[value].real ? spec->real : spec->dtype;
}

static size_t value_bytes(const planner *p, fut_value value)
{
    fut_shape4 shape = fut_plan_shape(p->graph, value, p->plan->n);
    if (p->graph->values[value].plain) return (size_t)(shape.n * shape.c) * fut_dtype_size(p->spec->real);
    return p->bk->act_bytes(p->bk, shape, fut_plan_dtype(p->graph, p->spec, value));
}

static int new_buffer(planner *p, fut_region region, size_t bytes, int first, int last)
{
    p->buffers[p->buffer_count] = (fut_buffer){.region = (int)region, .bytes = bytes, .first = first, .last = last};
    return p->buffer_count++;
}

/* Where a value or gradient lies that need not last from forward to backward: in one block for all shards, which come one after the other,
 * or with its shard, where all shards go through the layers together. */
static fut_region transient_region(const planner *p)
{
    return p->plan->training && p->spec->batch_norm == FUT_BATCH_NORM_GLOBAL ? FUT_REGION_SLOT : FUT_REGION_SHARED;
}

static void keep_until(planner *p, int buffer, int time)
{
    if (buffer >= 0 && p->buffers[buffer].last < time) p->buffers[buffer].last = time;
}

/* Whether a node's backward reads `value`: a convolution, squeeze-excite and linear their input; norm_act its input and a residual inside
 * the activation; a max pool its input and its output. */
static bool backward_reads(const fut_node *node, fut_value value)
{
    switch (node->kind) {
    case FUT_NODE_CONV:
    case FUT_NODE_SQUEEZE_EXCITE:
    case FUT_NODE_LINEAR:
        return value == node->x;
    case FUT_NODE_NORM_ACT:
        return value == node->x || (value == node->residual && !node->norm_act.residual_after);
    case FUT_NODE_MAX_POOL:
        return value == node->x || value == node->y;
    case FUT_NODE_GLOBAL_POOL:
    case FUT_NODE_FLATTEN:
    case FUT_NODE_UNFLATTEN:
        break;
    }
    return false;
}

/* The node that makes a value: they stand in order, after the images. */
static int maker_of(fut_value value)
{
    return value - 1;
}

/* Is a value made again for the backward rather than kept? Not one with a residual, which would have to be there too. */
static bool is_made_again(const planner *p, fut_value value)
{
    if (!p->plan->training || value == 0) return false;
    const fut_op *op = p->plan->nodes[maker_of(value)].op;
    return op && op->ops->forward_again && p->graph->nodes[maker_of(value)].residual == FUT_VALUE_NONE;
}

static fut_conv_desc conv_desc(const planner *p, const fut_node *node)
{
    const fut_node_conv *c = &node->conv;
    return (fut_conv_desc){.x = fut_plan_shape(p->graph, node->x, p->plan->n),
                           .out_c = c->out_c,
                           .kh = c->kernel,
                           .kw = c->kernel,
                           .stride = c->stride,
                           .pad_top = c->pad_top,
                           .pad_left = c->pad_left,
                           .pad_bottom = c->pad_bottom,
                           .pad_right = c->pad_right,
                           .groups = c->groups,
                           .dtype = fut_plan_dtype(p->graph, p->spec, node->x),
                           .real = p->spec->real,
                           .need_dx = p->plan->training && node->x != 0,
                           .inference = !p->plan->training};
}

static fut_norm_act_desc norm_act_desc(const planner *p, const fut_node *node)
{
    return (fut_norm_act_desc){.x = fut_plan_shape(p->graph, node->x, p->plan->n),
                               .eps = node->norm_act.eps,
                               .act = node->norm_act.act,
                               .residual = node->residual != FUT_VALUE_NONE,
                               .residual_after = node->norm_act.residual_after,
                               .dtype = fut_plan_dtype(p->graph, p->spec, node->x),
                               .real = p->spec->real};
}

/* Does anybody but `reader` read a value? */
static bool has_other_reader(const fut_graph *graph, fut_value value, int reader)
{
    for (int i = 0; i < graph->node_count; i++)
        if (i != reader && (graph->nodes[i].x == value || graph->nodes[i].residual == value)) return true;
    return false;
}

/* In inference a batch norm is a scale and a shift, which a convolution's weights can hold: where the backend computes the two in one, the
 * batch norm's node does, and the value between them is never there. */
static fut_status fold_norms(planner *p)
{
    for (int i = 0; i < p->graph->node_count; i++) {
        const fut_node *node = &p->graph->nodes[i];
        fut_plan_node *planned = &p->plan->nodes[i];
        planned->folds = -1;
        if (p->plan->training || node->kind != FUT_NODE_NORM_ACT || node->x == 0 || has_other_reader(p->graph, node->x, i)) continue;
        int maker = maker_of(node->x);
        if (p->graph->nodes[maker].kind != FUT_NODE_CONV) continue;
        fut_conv_desc conv = conv_desc(p, &p->graph->nodes[maker]);
        fut_norm_act_desc norm = norm_act_desc(p, node);
        FUT_TRY(p->bk->conv_norm_act(p->bk, &conv, &norm, &planned->op));
        if (!planned->op) continue;
        planned->folds = maker;
        p->plan->nodes[maker].is_folded = true;
    }
    return FUT_OK;
}

/* What a node's op reads as x. */
static fut_value input_of(const planner *p, int index)
{
    int folds = p->plan->nodes[index].folds;
    return p->graph->nodes[folds >= 0 ? folds : index].x;
}

static fut_status plan_op(planner *p, int index, fut_op **op_out)
{
    const fut_node *node = &p->graph->nodes[index];
    fut_backend *bk = p->bk;
    fut_shape4 x = fut_plan_shape(p->graph, node->x, p->plan->n);
    fut_dtype dtype = fut_plan_dtype(p->graph, p->spec, node->x), real = p->spec->real;
    switch (node->kind) {
    case FUT_NODE_CONV: {
        fut_conv_desc desc = conv_desc(p, node);
        return bk->conv(bk, &desc, op_out);
    }
    case FUT_NODE_NORM_ACT: {
        fut_norm_act_desc desc = norm_act_desc(p, node);
        return bk->norm_act(bk, &desc, op_out);
    }
    case FUT_NODE_SQUEEZE_EXCITE: {
        fut_se_desc desc = {.x = x, .reduced = node->se.reduced, .act = node->se.act, .dtype = dtype, .real = real};
        return bk->squeeze_excite(bk, &desc, op_out);
    }
    case FUT_NODE_MAX_POOL: {
        const fut_node_max_pool *m = &node->max_pool;
        fut_max_pool_desc desc = {.x = x, .kernel = m->kernel, .stride = m->stride, .pad = m->pad, .dtype = dtype};
        return bk->max_pool(bk, &desc, op_out);
    }
    case FUT_NODE_GLOBAL_POOL:
        return bk->global_pool(bk, x, dtype, real, op_out);
    case FUT_NODE_LINEAR:
    case FUT_NODE_FLATTEN:
    case FUT_NODE_UNFLATTEN:
        break;
    }
    return FUT_OK;
}

/* What an op works with while its node runs, when other nodes' memory may be there. */
static int new_scratch(planner *p, size_t bytes, int time)
{
    return bytes > 0 ? new_buffer(p, FUT_REGION_SHARED, bytes, time, time) : NO_BUFFER;
}

/* Ops, and the buffers they ask for. */
static fut_status plan_ops(planner *p)
{
    int end = 2 * p->graph->node_count;
    for (int i = 0; i < p->graph->node_count; i++) {
        fut_op **op = &p->plan->nodes[i].op;
        bool is_planned = *op || p->plan->nodes[i].is_folded;
        if (!is_planned) FUT_TRY(plan_op(p, i, op));
        p->node[i].saved = p->node[i].scratch = p->node[i].late_scratch = NO_BUFFER;
        if (!*op) continue;
        p->plan->held_bytes += (*op)->held_bytes;
        p->node[i].scratch = new_scratch(p, (*op)->scratch_bytes, forward_time(i));
        if ((*op)->saved_bytes == 0) continue;
        /* Inference runs forward where an op has no forward_eval, so there must be room for what it would save. */
        fut_region region = p->plan->training ? FUT_REGION_SLOT : FUT_REGION_SHARED;
        int last = p->plan->training ? backward_time(p->graph, i) : forward_time(i);
        p->node[i].saved = new_buffer(p, region, (*op)->saved_bytes, forward_time(i), last);
    }
    size_t batch_bytes = (size_t)p->graph->stat_count * fut_dtype_size(p->spec->real);
    p->batch = p->plan->training ? new_buffer(p, FUT_REGION_SLOT, batch_bytes, 0, end) : NO_BUFFER;
    return FUT_OK;
}

/* A buffer for every value but the embeddings, alive from its node to its last reader. */
static void plan_values(planner *p)
{
    const fut_graph *graph = p->graph;
    int turn = graph->node_count; /* the last moment of forward */
    p->value[0] = new_buffer(p, transient_region(p), value_bytes(p, 0), 0, 0);
    for (int i = 0; i < graph->node_count; i++) {
        const fut_node *node = &graph->nodes[i];
        bool embeddings = i + 1 == graph->node_count;
        if (p->plan->nodes[i].is_folded) {
            p->value[node->y] = NO_BUFFER;
            continue;
        }
        p->value[node->y] =
            embeddings ? CALLER_BUFFER : new_buffer(p, transient_region(p), value_bytes(p, node->y), forward_time(i), forward_time(i));
        fut_value touched[3] = {input_of(p, i), node->residual, node->y};
        for (int k = 0; k < 3; k++) {
            if (touched[k] == FUT_VALUE_NONE) continue;
            bool crosses = p->plan->training && backward_reads(node, touched[k]) && !is_made_again(p, touched[k]);
            keep_until(p, p->value[touched[k]], crosses ? backward_time(graph, i) : forward_time(i));
        }
    }
    for (int v = 0; v < graph->value_count; v++)
        if (p->value[v] >= 0 && p->buffers[p->value[v]].last > turn) p->buffers[p->value[v]].region = FUT_REGION_SLOT;
}

/* `value` is there for the backward of node `reader`: kept, or made again by now. What it is made from is there: its maker's own backward,
 * which comes later, reads that. */
static void have_late(planner *p, fut_value value, int reader)
{
    int time = backward_time(p->graph, reader);
    struct node_buffers *b = &p->node[reader];
    if (p->late[value] == NO_BUFFER) {
        have_late(p, p->graph->nodes[maker_of(value)].x, reader);
        p->late[value] = new_buffer(p, transient_region(p), value_bytes(p, value), time, time);
        b->again[b->agains++] = maker_of(value);
    }
    if (p->late[value] != p->value[value]) keep_until(p, p->late[value], time);
}

static void plan_again(planner *p)
{
    const fut_graph *graph = p->graph;
    for (int v = 0; v < graph->value_count; v++)
        p->late[v] = is_made_again(p, v) ? NO_BUFFER : p->value[v];
    for (int i = graph->node_count - 1; i >= 0; i--) {
        const fut_node *node = &graph->nodes[i];
        fut_value touched[3] = {node->x, node->residual, node->y};
        for (int k = 0; k < 3; k++)
            if (touched[k] != FUT_VALUE_NONE && backward_reads(node, touched[k])) have_late(p, touched[k], i);
    }
}

static void plan_late_scratch(planner *p)
{
    for (int i = 0; i < p->graph->node_count; i++) {
        struct node_buffers *b = &p->node[i];
        size_t bytes = p->plan->nodes[i].op ? p->plan->nodes[i].op->scratch_bytes : 0;
        for (int k = 0; k < b->agains; k++) {
            size_t again = p->plan->nodes[b->again[k]].op->scratch_bytes;
            if (again > bytes) bytes = again;
        }
        b->late_scratch = new_scratch(p, bytes, backward_time(p->graph, i));
    }
}

/* The gradient of `value` gets a contribution at `time`. The first one is written in place; a later one goes to a buffer of its own and is
 * then added: *sum_out says to what. Returns the buffer to write. */
static int contribute(planner *p, fut_value value, int time, int *sum_out)
{
    int *gradient = &p->gradient[value];
    *sum_out = NO_BUFFER;
    if (*gradient != NO_BUFFER) {
        keep_until(p, *gradient, time);
        *sum_out = *gradient;
    }
    int written = new_buffer(p, transient_region(p), value_bytes(p, value), time, time);
    if (*gradient == NO_BUFFER) *gradient = written;
    return written;
}

/* Buffers of gradients, walking the graph backwards. */
static void plan_gradients(planner *p)
{
    const fut_graph *graph = p->graph;
    for (int v = 0; v < graph->value_count; v++)
        p->gradient[v] = NO_BUFFER;
    p->gradient[graph->nodes[graph->node_count - 1].y] = CALLER_BUFFER;
    for (int i = graph->node_count - 1; i >= 0; i--) {
        const fut_node *node = &graph->nodes[i];
        struct node_buffers *b = &p->node[i];
        int time = backward_time(graph, i);
        b->dx = b->dresidual = b->sum_x = b->sum_residual = NO_BUFFER;
        b->dy = p->gradient[node->y];
        keep_until(p, b->dy, time);
        if (node->x != 0) b->dx = contribute(p, node->x, time, &b->sum_x);
        if (node->residual == FUT_VALUE_NONE) continue;
        if (!node->norm_act.residual_after) {
            b->dresidual = contribute(p, node->residual, time, &b->sum_residual);
            continue;
        }
        /* The residual is added after the activation: its gradient is dy itself, which nobody else needs any more. */
        if (p->gradient[node->residual] == NO_BUFFER) {
            p->gradient[node->residual] = b->dy;
        } else {
            b->sum_residual = p->gradient[node->residual];
            keep_until(p, b->sum_residual, time);
        }
    }
}

static fut_place place_of(const planner *p, int buffer)
{
    if (buffer == CALLER_BUFFER) return (fut_place){FUT_REGION_CALLER, 0};
    if (buffer == NO_BUFFER) return (fut_place){FUT_REGION_NONE, 0};
    return (fut_place){(fut_region)p->buffers[buffer].region, p->buffers[buffer].offset};
}

static fut_plan_sum sum_of(const planner *p, fut_value value, int from, int to)
{
    if (to == NO_BUFFER) return (fut_plan_sum){.value = FUT_VALUE_NONE};
    return (fut_plan_sum){.value = value, .from = place_of(p, from), .to = place_of(p, to)};
}

static void fill_places(planner *p)
{
    fut_plan *plan = p->plan;
    plan->images = place_of(p, p->value[0]);
    plan->batch = place_of(p, p->batch);
    for (int i = 0; i < plan->node_count; i++) {
        const fut_node *node = &p->graph->nodes[i];
        const struct node_buffers *b = &p->node[i];
        fut_plan_node *out = &plan->nodes[i];
        out->x = place_of(p, p->value[input_of(p, i)]);
        out->residual = place_of(p, node->residual == FUT_VALUE_NONE ? NO_BUFFER : p->value[node->residual]);
        out->y = place_of(p, p->value[node->y]);
        out->saved = place_of(p, b->saved);
        out->scratch = place_of(p, b->scratch);
        if (!plan->training) continue;
        out->late_x = place_of(p, p->late[node->x]);
        out->late_residual = place_of(p, node->residual == FUT_VALUE_NONE ? NO_BUFFER : p->late[node->residual]);
        out->late_y = place_of(p, p->late[node->y]);
        out->late_scratch = place_of(p, b->late_scratch);
        out->agains = b->agains;
        memcpy(out->again, b->again, sizeof out->again);
        out->dy = place_of(p, b->dy);
        out->dx = place_of(p, b->dx);
        out->dresidual = place_of(p, b->dresidual);
        out->sum_x = sum_of(p, node->x, b->dx, b->sum_x);
        out->sum_residual = sum_of(p, node->residual, b->dresidual == NO_BUFFER ? b->dy : b->dresidual, b->sum_residual);
    }
}

fut_status fut_plan_create(fut_backend *bk, const fut_net_spec *spec, const fut_graph *graph, int64_t n, bool training, fut_plan **plan_out)
{
    fut_status st = FUT_OK;
    planner p = {.bk = bk, .spec = spec, .graph = graph};
    /* batch; values, early and late; saved, scratch, early and late, dx and dresidual of each node */
    int buffers_max = 1 + 2 * graph->value_count + 5 * graph->node_count;
    FUT_TRY_GOTO(FUT_NEW(&p.plan), out);
    FUT_TRY_GOTO(FUT_NEW_ARRAY(graph->node_count, &p.plan->nodes), out);
    FUT_TRY_GOTO(FUT_NEW_ARRAY(graph->node_count, &p.node), out);
    FUT_TRY_GOTO(FUT_NEW_ARRAY(graph->value_count, &p.value), out);
    FUT_TRY_GOTO(FUT_NEW_ARRAY(graph->value_count, &p.late), out);
    FUT_TRY_GOTO(FUT_NEW_ARRAY(graph->value_count, &p.gradient), out);
    FUT_TRY_GOTO(FUT_NEW_ARRAY(buffers_max, &p.buffers), out);
    p.plan->n = n;
    p.plan->training = training;
    p.plan->node_count = graph->node_count;
    FUT_TRY_GOTO(fold_norms(&p), out);
    FUT_TRY_GOTO(plan_ops(&p), out);
    plan_values(&p);
    if (training) {
        plan_again(&p);
        plan_late_scratch(&p);
        plan_gradients(&p);
    }
    FUT_TRY_GOTO(fut_buffers_place(p.buffers, p.buffer_count, FUT_REGIONS, p.plan->region_bytes), out);
    fill_places(&p);
    *plan_out = p.plan;
    p.plan = NULL;
out:
    fut_plan_destroy(&p.plan);
    fut_mem_free(p.node);
    fut_mem_free(p.value);
    fut_mem_free(p.late);
    fut_mem_free(p.gradient);
    fut_mem_free(p.buffers);
    return st;
}

void fut_plan_destroy(fut_plan **plan)
{
    if (!*plan) return;
    for (int i = 0; (*plan)->nodes && i < (*plan)->node_count; i++)
        fut_op_destroy(&(*plan)->nodes[i].op);
    fut_mem_free((*plan)->nodes);
    fut_mem_free(*plan);
    *plan = NULL;
}
