/* A net's life and memory; net_run.c runs it, net_init.c draws its first parameters. */
#include "core/nn/net_impl.h"

#include "core/base/mem.h"
#include "core/base/str.h"

#include <string.h>

/* Of the registry's names the one that `name` may have meant, or NULL. */
static fut_status nearest_backbone(const char *name, const char **nearest_out)
{
    const char **words = NULL;
    int64_t n = 0;
    while (fut_backbones[n])
        n++;
    FUT_TRY(FUT_NEW_ARRAY(n + 1, &words));
    for (int64_t i = 0; i < n; i++)
        words[i] = fut_backbones[i]->name;
    *nearest_out = fut_str_nearest(name, words);
    fut_mem_free(words);
    return FUT_OK;
}

fut_status fut_backbone_find(const char *name, const fut_backbone **backbone_out)
{
    fut_str known = {0};
    fut_status st = FUT_OK;
    const char *nearest = NULL;
    for (int i = 0; fut_backbones[i]; i++) {
        if (strcmp(fut_backbones[i]->name, name) == 0) {
            *backbone_out = fut_backbones[i];
            goto out;
        }
        FUT_TRY_GOTO(fut_str_printf(&known, "%s%s", i > 0 ? ", " : "", fut_backbones[i]->name), out);
    }
    FUT_TRY_GOTO(nearest_backbone(name, &nearest), out);
    if (nearest != NULL)
        st = FUT_FAIL(FUT_ERR_CONFIG, "there is no backbone \"%s\"; did you mean %s?", name, nearest);
    else
        st = FUT_FAIL(FUT_ERR_CONFIG, "there is no backbone \"%s\"; there are %s", name, fut_str_text(&known));
out:
    fut_str_fini(&known);
    return st;
}

static fut_status check_spec(const fut_net_spec *spec)
{
    FUT_CHECK(spec->embedding > 0, FUT_ERR_CONFIG, "embedding of %lld values, must be positive", (long long)spec->embedding);
    FUT_CHECK(spec->size > 0, FUT_ERR_CONFIG, "image size %lld, must be positive", (long long)spec->size);
    for (int c = 0; c < 3; c++)
        FUT_CHECK(spec->std[c] > 0, FUT_ERR_CONFIG, "deviation of channel %d is %g, must be positive", c, spec->std[c]);
    return FUT_OK;
}

static size_t real_bytes(const fut_net *net, int64_t count)
{
    return (size_t)count * fut_dtype_size(net->spec.real);
}

/* Backbone, embedding layer, batch norm. */
static void build(fut_graph *graph, const fut_backbone *backbone, const fut_net_spec *spec)
{
    static const double norm_eps = 1e-5; /* torch's */
    bool has_own = backbone->norm != NULL;
    fut_value features = backbone->build(graph, 0);
    fut_graph_scope(graph, "%s", "");
    fut_value e = backbone->head ? backbone->head(graph, features, spec->embedding)
                                 : fut_graph_linear(graph, fut_graph_global_pool(graph, features), "embedder", spec->embedding, true);
    if (spec->embedding_norm == FUT_EMBEDDING_NORM_NONE || (spec->embedding_norm == FUT_EMBEDDING_NORM_OWN && !has_own)) return;
    fut_graph_scope(graph, "%s", "");
    fut_graph_norm_1d(graph, e, has_own ? backbone->norm : "embedder_norm", norm_eps, backbone->norm_scale_frozen);
}

fut_status fut_net_create(fut_backend *bk, const fut_net_spec *spec, fut_net **net_out)
{
    fut_status st = FUT_OK;
    fut_net *net = NULL;
    const fut_backbone *backbone = NULL;
    FUT_TRY(fut_backbone_find(spec->backbone, &backbone));
    FUT_TRY(check_spec(spec));

    FUT_TRY_GOTO(FUT_NEW(&net), out);
    net->bk = bk;
    net->spec = *spec;
    net->spec.backbone = backbone->name;
    net->version = 1;
    FUT_TRY_GOTO(fut_graph_create(spec->size, &net->graph), out);
    build(net->graph, backbone, spec);
    fut_graph_loss_params(net->graph, &spec->loss);
    FUT_TRY_GOTO(fut_graph_status(net->graph), out);

    size_t param_bytes = real_bytes(net, net->graph->param_count), stat_bytes = real_bytes(net, net->graph->stat_count);
    FUT_TRY_GOTO(bk->alloc(bk, param_bytes, &net->params), out);
    FUT_TRY_GOTO(bk->alloc(bk, stat_bytes, &net->stats), out);
    FUT_TRY_GOTO(bk->fill_zero(bk, net->params, param_bytes, NULL), out);
    FUT_TRY_GOTO(bk->fill_zero(bk, net->stats, stat_bytes, NULL), out);
    *net_out = net;
    net = NULL;
out:
    fut_net_destroy(&net);
    return st;
}

void fut_net_destroy(fut_net **net_)
{
    fut_net *net = *net_;
    if (!net) return;
    while (net->plans) {
        fut_plan *plan = net->plans;
        net->plans = plan->next;
        fut_plan_destroy(&plan);
    }
    for (int i = 0; i < net->slot_count; i++)
        net->bk->free(net->bk, net->slots[i].memory);
    fut_mem_free(net->slots);
    net->bk->free(net->bk, net->shared);
    net->bk->free(net->bk, net->params);
    net->bk->free(net->bk, net->stats);
    fut_graph_destroy(&net->graph);
    fut_mem_free(net);
    *net_ = NULL;
}

const fut_net_spec *fut_net_get_spec(const fut_net *net)
{
    return &net->spec;
}

fut_backend *fut_net_backend(const fut_net *net)
{
    return net->bk;
}

int64_t fut_net_tensor_count(const fut_net *net)
{
    return net->graph->tensor_count - net->graph->loss_tensors;
}

int64_t fut_net_loss_tensor_count(const fut_net *net)
{
    return net->graph->loss_tensors;
}

int64_t fut_net_loss_param_count(const fut_net *net)
{
    return net->graph->loss_param_count;
}

const fut_net_tensor *fut_net_tensor_at(const fut_net *net, int64_t i)
{
    return &net->graph->tensors[i];
}

int64_t fut_net_param_count(const fut_net *net)
{
    return net->graph->param_count;
}

int64_t fut_net_stat_count(const fut_net *net)
{
    return net->graph->stat_count;
}

int64_t fut_net_leaf_count(const fut_net *net)
{
    return net->graph->param_count + net->graph->stat_count;
}

void *fut_net_params(fut_net *net)
{
    return net->params;
}

void *fut_net_stats(fut_net *net)
{
    return net->stats;
}

void *fut_net_loss_part(const fut_net *net, void *pack)
{
    return (char *)pack + real_bytes(net, net->graph->param_count - net->graph->loss_param_count);
}

void *fut_net_loss_params(fut_net *net)
{
    return fut_net_loss_part(net, net->params);
}

void fut_net_params_changed(fut_net *net)
{
    net->version++;
}

void fut_net_step_taken(fut_net *net)
{
    net->steps++;
    fut_net_params_changed(net);
}

int64_t fut_net_moves(const fut_net *net)
{
    return net->moves;
}

int64_t *fut_net_steps_tracked(fut_net *net)
{
    return &net->steps;
}

/* Replace a block that holds nothing by one of at least `bytes`. */
static fut_status grow(fut_net *net, size_t bytes, void **block, size_t *block_bytes)
{
    fut_backend *bk = net->bk;
    if (bytes <= *block_bytes) return FUT_OK;
    if (*block) bk->free(bk, *block);
    *block = NULL;
    *block_bytes = 0;
    net->moves++;
    FUT_TRY(bk->alloc(bk, bytes, block));
    *block_bytes = bytes;
    return FUT_OK;
}

fut_status fut_net_grow_slot(fut_net *net, fut_slot *slot, size_t bytes)
{
    return grow(net, bytes, &slot->memory, &slot->bytes);
}

/* Whether a device has room for a plan, before anything of it is allocated: its own memory is all there is. */
static fut_status check_room(const fut_net *net, const fut_plan *plan)
{
    const double gib = 1024.0 * 1024 * 1024;
    fut_backend_info info;
    size_t needed = plan->region_bytes[FUT_REGION_SHARED] > net->shared_bytes ? plan->region_bytes[FUT_REGION_SHARED] : 0;
    net->bk->info(net->bk, &info);
    for (int i = 0; plan->training && i < net->slot_count; i++)
        if (net->slots[i].bytes < plan->region_bytes[FUT_REGION_SLOT]) needed += plan->region_bytes[FUT_REGION_SLOT] - net->slots[i].bytes;
    if (!info.asynchronous || needed <= info.bytes_free) return FUT_OK;
    int64_t fits = (int64_t)((double)plan->n * (double)info.bytes_free / (double)needed);
    return FUT_FAIL(FUT_ERR_NO_MEMORY,
                    "%lld photos of %lld px a shard, %d shards on this GPU, need %.2f GiB besides the parameters; %s has %.2f GiB free of "
                    "%.2f. About %lld photos a shard fit: lower train.batch, spread the shards over more GPUs, or use precision: bf16",
                    (long long)plan->n, (long long)net->spec.size, net->slot_count > 0 ? net->slot_count : 1, (double)needed / gib,
                    info.device, (double)info.bytes_free / gib, (double)info.bytes_total / gib, (long long)fits);
}

fut_status fut_net_find_plan(fut_net *net, int64_t n, bool training, fut_plan **plan_out)
{
    for (fut_plan *plan = net->plans; plan; plan = plan->next) {
        if (plan->n == n && plan->training == training) {
            *plan_out = plan;
            return FUT_OK;
        }
    }
    FUT_CHECK(n > 0, FUT_ERR_SHAPE, "a plan for %lld images", (long long)n);
    fut_plan *plan = NULL;
    FUT_TRY(fut_plan_create(net->bk, &net->spec, net->graph, n, training, &plan));
    fut_status st = check_room(net, plan);
    if (st == FUT_OK) st = grow(net, plan->region_bytes[FUT_REGION_SHARED], &net->shared, &net->shared_bytes);
    if (st != FUT_OK) {
        fut_plan_destroy(&plan);
        return st;
    }
    plan->next = net->plans;
    net->plans = plan;
    *plan_out = plan;
    return FUT_OK;
}

fut_status fut_net_plan(fut_net *net, int64_t n, bool training)
{
    fut_plan *plan = NULL;
    return fut_net_find_plan(net, n, training, &plan);
}

fut_status fut_net_reserve(fut_net *net, int slots, int64_t max_n, bool training)
{
    fut_plan *plan = NULL;
    if (training && slots > net->slot_count) {
        FUT_TRY(fut_mem_grow((void **)&net->slots, (size_t)net->slot_count, (size_t)slots, sizeof *net->slots));
        net->slot_count = slots;
    }
    FUT_TRY(fut_net_find_plan(net, max_n, training, &plan));
    if (!training) return FUT_OK;
    FUT_TRY(check_room(net, plan));
    for (int i = 0; i < slots; i++) {
        if (net->slots[i].bytes >= plan->region_bytes[FUT_REGION_SLOT]) continue;
        net->slots[i].filled = NULL;
        FUT_TRY(fut_net_grow_slot(net, &net->slots[i], plan->region_bytes[FUT_REGION_SLOT]));
    }
    return FUT_OK;
}

void fut_net_memory_use(const fut_net *net, fut_net_memory *memory_out)
{
    *memory_out = (fut_net_memory){.params = real_bytes(net, fut_net_leaf_count(net)), .shared = net->shared_bytes};
    for (const fut_plan *plan = net->plans; plan; plan = plan->next)
        memory_out->held += plan->held_bytes;
    for (int i = 0; i < net->slot_count; i++)
        if (net->slots[i].bytes > memory_out->slot) memory_out->slot = net->slots[i].bytes;
}
