/* Forward and backward: a walk over the plan's nodes. Nothing is allocated once the plan is there. */
#include "core/nn/net_impl.h"

/* Batch norm's step towards the new statistics: torch.nn.BatchNorm2d's default, which timm keeps for every network. */
static const double stats_momentum = 0.1;

/* One walk's pointers. */
typedef struct walk {
    fut_net *net;
    const fut_plan *plan;
    void *slot;   /* NULL in inference */
    void *caller; /* embeddings, or their gradient */
    void *leaf;   /* backward only */
} walk;

static void *resolve(const walk *w, fut_place place)
{
    switch (place.region) {
    case FUT_REGION_SLOT:
        return (char *)w->slot + place.offset;
    case FUT_REGION_SHARED:
        return (char *)w->net->shared + place.offset;
    case FUT_REGION_CALLER:
        return w->caller;
    case FUT_REGIONS:
    case FUT_REGION_NONE:
        break;
    }
    return NULL;
}

/* The place of a tensor in a pack of reals. */
static void *in_pack(const fut_net *net, void *pack, int tensor)
{
    return (char *)pack + (size_t)net->graph->tensors[tensor].offset * fut_dtype_size(net->spec.real);
}

/* Parameters and running statistics of a node's op: those of a convolution that is folded into it stand first. */
static void bind_params(const fut_net *net, const fut_plan *plan, int node, fut_op_args *args)
{
    const int nodes[2] = {plan->nodes[node].folds, node};
    int count = 0;
    for (int k = 0; k < 2; k++) {
        if (nodes[k] < 0) continue;
        const fut_node *n = &net->graph->nodes[nodes[k]];
        for (int i = 0; i < n->params; i++)
            args->param[count++] = in_pack(net, net->params, n->param[i]);
    }
    const fut_node *n = &net->graph->nodes[node];
    for (int i = 0; n->kind == FUT_NODE_NORM_ACT && i < 2; i++)
        args->running[i] = in_pack(net, net->stats, n->stat[i]);
}

static void bind_node(const walk *w, int node, fut_op_args *args)
{
    const fut_net *net = w->net;
    const fut_node *n = &net->graph->nodes[node];
    const fut_plan_node *p = &w->plan->nodes[node];
    *args = (fut_op_args){
        .x = resolve(w, w->leaf ? p->late_x : p->x),
        .residual = resolve(w, w->leaf ? p->late_residual : p->residual),
        .y = resolve(w, w->leaf ? p->late_y : p->y),
        .saved = resolve(w, p->saved),
        .scratch = resolve(w, w->leaf ? p->late_scratch : p->scratch),
    };
    bind_params(net, w->plan, node, args);
    if (w->leaf) {
        args->dy = resolve(w, p->dy);
        args->dx = resolve(w, p->dx);
        args->dresidual = resolve(w, p->dresidual);
        for (int i = 0; i < n->params; i++)
            args->dparam[i] = in_pack(net, w->leaf, n->param[i]);
    }
    for (int i = 0; w->slot && n->kind == FUT_NODE_NORM_ACT && i < 2; i++)
        args->batch[i] = in_pack(net, resolve(w, w->plan->batch), n->stat[i]);
}

static void begin_pass(const fut_net *net)
{
    if (net->probe) net->probe->begin(net->probe->context);
}

static void end_pass(const fut_net *net, int node, fut_net_pass pass)
{
    if (net->probe) net->probe->end(net->probe->context, node, pass);
}

static fut_status run_pass(const fut_net *net, fut_op *op, int node, fut_net_pass pass, fut_status (*run)(fut_op *, const fut_op_args *),
                           const fut_op_args *args)
{
    begin_pass(net);
    fut_status st = run(op, args);
    end_pass(net, node, pass);
    return st;
}

/* Parameters or statistics changed since the plan's ops last saw them: let each op copy them into its own layout. */
static fut_status prepare(fut_net *net, fut_plan *plan)
{
    if (plan->prepared == net->version) return FUT_OK;
    for (int i = 0; i < plan->node_count; i++) {
        fut_op *op = plan->nodes[i].op;
        if (!op || !op->ops->prepare) continue;
        fut_op_args args = {0};
        bind_params(net, plan, i, &args);
        FUT_TRY(run_pass(net, op, i, FUT_NET_PREPARE, op->ops->prepare, &args));
    }
    plan->prepared = net->version;
    return FUT_OK;
}

/* The nodes without an op. */
static fut_status immediate_forward(const walk *w, int node, const fut_op_args *args)
{
    fut_backend *bk = w->net->bk;
    const fut_graph *graph = w->net->graph;
    const fut_net_spec *spec = &w->net->spec;
    const fut_node *n = &graph->nodes[node];
    fut_shape4 x = fut_plan_shape(graph, n->x, w->plan->n), y = fut_plan_shape(graph, n->y, w->plan->n);
    switch (n->kind) {
    case FUT_NODE_FLATTEN:
        return bk->act_export(bk, x, fut_plan_dtype(graph, spec, n->x), spec->real, args->x, args->y, NULL);
    case FUT_NODE_UNFLATTEN:
        return bk->act_import(bk, y, fut_plan_dtype(graph, spec, n->y), spec->real, args->x, args->y, NULL);
    default:
        return bk->linear(bk, x.n, x.c, y.c, spec->real, args->x, args->param[0], args->param[1], args->y, NULL);
    }
}

static fut_status immediate_backward(const walk *w, int node, const fut_op_args *args)
{
    fut_backend *bk = w->net->bk;
    const fut_graph *graph = w->net->graph;
    const fut_net_spec *spec = &w->net->spec;
    const fut_node *n = &graph->nodes[node];
    fut_shape4 x = fut_plan_shape(graph, n->x, w->plan->n), y = fut_plan_shape(graph, n->y, w->plan->n);
    switch (n->kind) {
    case FUT_NODE_FLATTEN:
        return bk->act_import(bk, x, fut_plan_dtype(graph, spec, n->x), spec->real, args->dy, args->dx, NULL);
    case FUT_NODE_UNFLATTEN:
        return bk->act_export(bk, y, fut_plan_dtype(graph, spec, n->y), spec->real, args->dy, args->dx, NULL);
    default:
        return bk->linear_backward(bk, x.n, x.c, y.c, spec->real, args->x, args->param[0], args->dy, args->dx, args->dparam[0],
                                   args->dparam[1], NULL);
    }
}

/* A frozen parameter's gradient is 0. */
static fut_status clear_frozen(const walk *w, int node, const fut_op_args *args)
{
    const fut_graph *graph = w->net->graph;
    const fut_node *n = &graph->nodes[node];
    for (int i = 0; i < n->params; i++) {
        const fut_net_tensor *tensor = &graph->tensors[n->param[i]];
        size_t bytes = (size_t)tensor->count * fut_dtype_size(w->net->spec.real);
        if (tensor->frozen) FUT_TRY(w->net->bk->fill_zero(w->net->bk, args->dparam[i], bytes, NULL));
    }
    return FUT_OK;
}

static fut_status begin_forward(const walk *w, const uint8_t *rgb)
{
    const fut_net *net = w->net;
    fut_shape4 shape = fut_plan_shape(net->graph, 0, w->plan->n);
    return net->bk->images(net->bk, shape, net->spec.dtype, rgb, net->spec.mean, net->spec.std, resolve(w, w->plan->images), NULL);
}

static fut_status forward_node(const walk *w, int node)
{
    fut_op *op = w->plan->nodes[node].op;
    fut_op_args args;
    if (w->plan->nodes[node].is_folded) return FUT_OK;
    bind_node(w, node, &args);
    bool eval = op && !w->plan->training && op->ops->forward_eval;
    begin_pass(w->net);
    FUT_TRY(!op ? immediate_forward(w, node, &args) : eval ? op->ops->forward_eval(op, &args) : op->ops->forward(op, &args));
    end_pass(w->net, node, FUT_NET_FORWARD);
    return FUT_OK;
}

static fut_status walk_forward(const walk *w, const uint8_t *rgb)
{
    FUT_TRY(begin_forward(w, rgb));
    for (int i = 0; i < w->plan->node_count; i++)
        FUT_TRY(forward_node(w, i));
    return FUT_OK;
}

static fut_status add(const walk *w, const fut_plan_sum *sum)
{
    if (sum->value == FUT_VALUE_NONE) return FUT_OK;
    fut_backend *bk = w->net->bk;
    fut_shape4 shape = fut_plan_shape(w->net->graph, sum->value, w->plan->n);
    fut_dtype dtype = fut_plan_dtype(w->net->graph, &w->net->spec, sum->value);
    return bk->act_add(bk, shape, dtype, resolve(w, sum->from), resolve(w, sum->to), NULL);
}

/* End of the parameters of nodes before `node`, whose gradients are still to come: the leaf is complete from there on. */
static int64_t unfinished_end(const fut_graph *graph, int node)
{
    int64_t end = 0;
    for (int i = 0; i < node; i++)
        for (int k = 0; k < graph->nodes[i].params; k++) {
            const fut_net_tensor *tensor = &graph->tensors[graph->nodes[i].param[k]];
            if (tensor->offset + tensor->count > end) end = tensor->offset + tensor->count;
        }
    return end;
}

/* Values that a node's backward reads and that were not kept. */
static fut_status make_again(const walk *w, int node)
{
    const fut_plan_node *reader = &w->plan->nodes[node];
    for (int k = 0; k < reader->agains; k++) {
        fut_op *op = w->plan->nodes[reader->again[k]].op;
        fut_op_args args;
        bind_node(w, reader->again[k], &args);
        args.scratch = resolve(w, reader->late_scratch);
        FUT_TRY(run_pass(w->net, op, reader->again[k], FUT_NET_AGAIN, op->ops->forward_again, &args));
    }
    return FUT_OK;
}

/* What follows a node's own backward: gradients that are not wanted, and those that come from two places. */
static fut_status finish_backward(const walk *w, int node, const fut_op_args *args)
{
    const fut_plan_node *p = &w->plan->nodes[node];
    FUT_TRY(clear_frozen(w, node, args));
    FUT_TRY(add(w, &p->sum_x));
    return add(w, &p->sum_residual);
}

static fut_status backward_node(const walk *w, int node)
{
    fut_op *op = w->plan->nodes[node].op;
    fut_op_args args;
    FUT_TRY(make_again(w, node));
    bind_node(w, node, &args);
    if (!op) {
        begin_pass(w->net);
        FUT_TRY(immediate_backward(w, node, &args));
        end_pass(w->net, node, FUT_NET_BACKWARD_DATA);
    } else {
        if (args.dx) FUT_TRY(run_pass(w->net, op, node, FUT_NET_BACKWARD_DATA, op->ops->backward_data, &args));
        if (op->ops->backward_params) FUT_TRY(run_pass(w->net, op, node, FUT_NET_BACKWARD_PARAMS, op->ops->backward_params, &args));
    }
    return finish_backward(w, node, &args);
}

static fut_status tell_progress(const fut_net *net, int node, const fut_net_progress *progress)
{
    return progress ? progress->ready(progress->context, unfinished_end(net->graph, node)) : FUT_OK;
}

static fut_status walk_backward(const walk *w, const fut_net_progress *progress)
{
    for (int i = w->plan->node_count - 1; i >= 0; i--) {
        FUT_TRY(backward_node(w, i));
        FUT_TRY(tell_progress(w->net, i, progress));
    }
    return FUT_OK;
}

static fut_status find_slot(fut_net *net, int slot, fut_slot **slot_out)
{
    FUT_CHECK(slot >= 0 && slot < net->slot_count, FUT_ERR_INTERNAL, "slot %d of %d; fut_net_reserve makes room for more", slot,
              net->slot_count);
    *slot_out = &net->slots[slot];
    return FUT_OK;
}

/* The walk of a shard through its forward or, with a leaf, its backward. */
static fut_status shard_walk(fut_net *net, const fut_net_shard *shard, bool backward, walk *walk_out)
{
    fut_slot *slot = NULL;
    fut_plan *plan = NULL;
    FUT_TRY(find_slot(net, shard->slot, &slot));
    FUT_TRY(fut_net_find_plan(net, shard->n, true, &plan));
    *walk_out = (walk){.net = net, .plan = plan, .slot = slot->memory, .caller = shard->embeddings};
    if (!backward) return FUT_OK;
    walk_out->caller = (void *)shard->d_embeddings; /* only read, like every dy */
    walk_out->leaf = shard->leaf;
    return FUT_OK;
}

/* Empty a shard's slot, make it large enough, and get the parameters into the layers. */
static fut_status open_slot(fut_net *net, const fut_net_shard *shard)
{
    fut_slot *slot = NULL;
    fut_plan *plan = NULL;
    FUT_TRY(find_slot(net, shard->slot, &slot));
    FUT_TRY(fut_net_find_plan(net, shard->n, true, &plan));
    slot->filled = NULL;
    FUT_TRY(fut_net_grow_slot(net, slot, plan->region_bytes[FUT_REGION_SLOT]));
    return prepare(net, plan);
}

/* The shard's forward is in its slot. */
static void fill_slot(fut_net *net, const fut_net_shard *shard, const fut_plan *plan)
{
    net->slots[shard->slot].filled = plan;
    net->slots[shard->slot].version = net->version;
}

fut_status fut_net_forward(fut_net *net, int slot, int64_t n, const uint8_t *rgb, void *embeddings_out)
{
    fut_net_shard shard = {.slot = slot, .n = n, .rgb = rgb, .embeddings = embeddings_out};
    walk w;
    FUT_TRY(open_slot(net, &shard));
    FUT_TRY(shard_walk(net, &shard, false, &w));
    FUT_TRY(walk_forward(&w, rgb));
    fill_slot(net, &shard, w.plan);
    return FUT_OK;
}

fut_status fut_net_forward_eval(fut_net *net, int64_t n, const uint8_t *rgb, void *embeddings_out)
{
    fut_plan *plan = NULL;
    FUT_TRY(fut_net_find_plan(net, n, false, &plan));
    FUT_TRY(prepare(net, plan));
    walk w = {.net = net, .plan = plan, .caller = embeddings_out};
    return walk_forward(&w, rgb);
}

/* Use up the forward that a shard's slot holds. */
static fut_status take_forward(fut_net *net, const fut_net_shard *shard)
{
    fut_slot *slot = NULL;
    FUT_TRY(find_slot(net, shard->slot, &slot));
    const fut_plan *plan = slot->filled;
    FUT_CHECK(plan && plan->n == shard->n, FUT_ERR_INTERNAL, "backward of %lld images in slot %d, which holds the forward of %lld",
              (long long)shard->n, shard->slot, (long long)(plan ? plan->n : 0));
    FUT_CHECK(slot->version == net->version, FUT_ERR_INTERNAL, "parameters changed between the forward and the backward of slot %d",
              shard->slot);
    slot->filled = NULL;
    return FUT_OK;
}

static fut_status copy_batch_stats(const walk *w, void *stats_out)
{
    const fut_net *net = w->net;
    size_t bytes = (size_t)net->graph->stat_count * fut_dtype_size(net->spec.real);
    return net->bk->copy(net->bk, stats_out, resolve(w, w->plan->batch), bytes, NULL);
}

/* A shard's walk back, its statistics already in the leaf. */
static fut_status begin_backward(fut_net *net, const fut_net_shard *shard, walk *walk_out)
{
    FUT_TRY(take_forward(net, shard));
    FUT_TRY(shard_walk(net, shard, true, walk_out));
    return copy_batch_stats(walk_out, (char *)shard->leaf + (size_t)fut_net_param_count(net) * fut_dtype_size(net->spec.real));
}

fut_status fut_net_backward(fut_net *net, int slot, int64_t n, const void *d_embeddings, void *leaf_out, const fut_net_progress *progress)
{
    fut_net_shard shard = {.slot = slot, .n = n, .d_embeddings = d_embeddings, .leaf = leaf_out};
    walk w;
    FUT_TRY(begin_backward(net, &shard, &w));
    return walk_backward(&w, progress);
}

fut_status fut_net_take_batch_stats(fut_net *net, int slot, int64_t n, void *stats_out)
{
    fut_net_shard shard = {.slot = slot, .n = n};
    walk w;
    FUT_TRY(take_forward(net, &shard));
    FUT_TRY(shard_walk(net, &shard, false, &w));
    return copy_batch_stats(&w, stats_out);
}

/* ---- several shards, layer by layer ---------------------------------------------------------------------------------------------- */

/* The shards of a lockstep and the direction they go in. */
typedef struct lockstep {
    fut_net *net;
    const fut_net_shard *shards;
    int count;
    int64_t images; /* of all shards, of all ranks */
    const fut_net_join *join;
    bool backward;
} lockstep;

/* Half of a batch norm of every shard: up to its sums, or from the sums of all shards on. */
static fut_status norm_half(const lockstep *l, int node, int64_t count, const double *total)
{
    for (int k = 0; k < l->count; k++) {
        walk w;
        fut_op_args args;
        FUT_TRY(shard_walk(l->net, &l->shards[k], l->backward, &w));
        fut_op *op = w.plan->nodes[node].op;
        bind_node(&w, node, &args);
        args.images = l->images;
        if (!total) {
            if (l->backward) FUT_TRY(make_again(&w, node));
            FUT_TRY(l->join->leaf(l->join->context, count, k, &args.sums));
            FUT_TRY((l->backward ? op->ops->backward_sums : op->ops->forward_sums)(op, &args));
            continue;
        }
        args.sums = (double *)total; /* only read */
        FUT_TRY((l->backward ? op->ops->backward_joined : op->ops->forward_joined)(op, &args));
        if (l->backward) FUT_TRY(finish_backward(&w, node, &args));
    }
    return FUT_OK;
}

static fut_status lockstep_node(const lockstep *l, int node)
{
    const fut_graph *graph = l->net->graph;
    if (graph->nodes[node].kind == FUT_NODE_NORM_ACT) {
        int64_t count = graph->values[graph->nodes[node].x].shape.c * (l->backward ? FUT_NORM_GRADIENT_SUMS : FUT_NORM_SUMS);
        const double *total = NULL;
        FUT_TRY(norm_half(l, node, count, NULL));
        FUT_TRY(l->join->total(l->join->context, count, &total));
        return norm_half(l, node, count, total);
    }
    for (int k = 0; k < l->count; k++) {
        walk w;
        FUT_TRY(shard_walk(l->net, &l->shards[k], l->backward, &w));
        FUT_TRY(l->backward ? backward_node(&w, node) : forward_node(&w, node));
    }
    return FUT_OK;
}

fut_status fut_net_forward_lockstep(fut_net *net, const fut_net_shard *shards, int count, int64_t images, const fut_net_join *join)
{
    lockstep l = {.net = net, .shards = shards, .count = count, .images = images, .join = join};
    walk w;
    for (int k = 0; k < count; k++) {
        FUT_TRY(open_slot(net, &shards[k]));
        FUT_TRY(shard_walk(net, &shards[k], false, &w));
        FUT_TRY(begin_forward(&w, shards[k].rgb));
    }
    for (int i = 0; i < net->graph->node_count; i++)
        FUT_TRY(lockstep_node(&l, i));
    for (int k = 0; k < count; k++) {
        FUT_TRY(shard_walk(net, &shards[k], false, &w));
        fill_slot(net, &shards[k], w.plan);
    }
    return FUT_OK;
}

fut_status fut_net_backward_lockstep(fut_net *net, const fut_net_shard *shards, int count, int64_t images, const fut_net_join *join,
                                     const fut_net_progress *progress)
{
    lockstep l = {.net = net, .shards = shards, .count = count, .images = images, .join = join, .backward = true};
    walk w;
    for (int k = 0; k < count; k++)
        FUT_TRY(begin_backward(net, &shards[k], &w));
    for (int i = net->graph->node_count - 1; i >= 0; i--) {
        FUT_TRY(lockstep_node(&l, i));
        FUT_TRY(tell_progress(net, i, progress));
    }
    return FUT_OK;
}

fut_status fut_net_update_stats(fut_net *net, const void *leaf_sum, int shards, const fut_step_control *control)
{
    FUT_CHECK(shards > 0, FUT_ERR_INTERNAL, "statistics of %d shards", shards);
    const void *sum = (const char *)leaf_sum + (size_t)net->graph->param_count * fut_dtype_size(net->spec.real);
    fut_net_params_changed(net);
    return net->bk->update_stats(net->bk, net->graph->stat_count, net->spec.real, stats_momentum, shards, control, sum, net->stats, NULL);
}
