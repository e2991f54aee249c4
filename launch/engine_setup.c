/* Birth and death of the engine. */
#include "launch/engine.h"

#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/miner/miner.h"
#include "core/nn/describe.h"
#include "dist/order.h"
#include "launch/update.h"

#include <stdio.h>
#include <string.h>

static const double gib = 1024.0 * 1024 * 1024;

/* The dynamic loss scale of f16: torch.amp.GradScaler's defaults. */
static const double first_loss_scale = 65536;
enum { LOSS_SCALE_GROWTH_EVERY = 2000 };

int64_t fut_engine_largest_shard(const fut_engine *g)
{
    return (g->config->train.batch + g->shards - 1) / g->shards;
}

/* One number of threads for all shards, since a shard's bits depend on it: rank 0's. Collective. */
static fut_status decide_threads(fut_engine *g, int asked)
{
    int32_t threads = asked > 0 ? asked : fut_model_threads(g->comm, g->shards);
    FUT_TRY(fut_order_broadcast(g->comm, &threads, sizeof threads, "threads of a shard"));
    g->threads = threads;
    return FUT_OK;
}

static fut_status create_model(fut_engine *g, const fut_engine_options *options)
{
    fut_model_place place = fut_model_place_of(g->comm);
    int cores = place.threads;
    place.threads = g->threads;
    fut_params params = fut_loss_params(&g->config->loss, options->classes, g->config->model.embedding);
    FUT_TRY(fut_model_create(g->config, &place, options->mean, options->std, &params, &g->bk, &g->net));
    g->bk->info(g->bk, &g->info);
    if (options->threads == 0 && !g->info.asynchronous && g->info.threads < cores && g->shards > fut_comm_size(g->comm))
        FUT_INFO("%d of the %d cores a rank has are used: %d shards have them in common, so that any number of ranks gives the same bits. "
                 "More ranks use more; so does train.threads",
                 g->info.threads, cores, g->shards);
    g->bytes_free_before = g->info.bytes_free;
    g->host_bytes_before = fut_mem_bytes();
    if (!g->info.asynchronous && place.ranks_on_node > 1) g->bytes_free_before /= (size_t)place.ranks_on_node;
    return FUT_OK;
}

/* One backend on all ranks ("auto" may find different machines), and a communicator between its devices. Collective. */
static fut_status connect_devices(fut_engine *g)
{
    fut_status st = FUT_OK;
    char name[32] = {0};
    (void)snprintf(name, sizeof name, "%s", g->bk->name);
    FUT_TRY(fut_order_broadcast(g->comm, name, sizeof name, "name of the backend"));
    if (strcmp(name, g->bk->name) != 0)
        st = FUT_FAIL(FUT_ERR_CONFIG, "this rank's backend is %s, rank 0's is %s: name one backend for all in `backend:`", g->bk->name,
                      name);
    FUT_TRY(fut_comm_agree(g->comm, st));
    g->device_comm = g->comm;
    if (g->info.asynchronous && fut_comm_size(g->comm) > 1) {
        FUT_TRY(fut_comm_create_nccl(g->comm, g->bk, &g->device_comm));
        fut_comm_set_deadline(g->device_comm, g->config->train.deadline);
        fut_comm_on_give_up(g->device_comm, fut_engine_drop_recordings, g);
    }
    return FUT_OK;
}

/* Rank 0's choices of algorithms to all. */
static fut_status share_tuning(fut_engine *g, const fut_str *text)
{
    int64_t bytes = (int64_t)text->length;
    char *buffer = NULL;
    FUT_TRY(fut_comm_broadcast(g->comm, &bytes, 1, FUT_I64, 0, "length of the tuning"));
    if (bytes == 0 || fut_comm_size(g->comm) == 1) return FUT_OK;
    fut_status st = FUT_NEW_ARRAY(bytes + 1, &buffer);
    if (st == FUT_OK && fut_comm_rank(g->comm) == 0) memcpy(buffer, text->data, (size_t)bytes);
    st = fut_comm_agree(g->comm, st);
    if (st == FUT_OK) st = fut_comm_broadcast(g->comm, buffer, bytes, FUT_U8, 0, "tuning");
    if (st == FUT_OK && fut_comm_rank(g->comm) != 0) st = g->bk->tuning_set(g->bk, buffer);
    fut_mem_free(buffer);
    return fut_comm_agree(g->comm, st);
}

/* ---- memory -------------------------------------------------------------------------------------------------------------------- */

/* Bytes that this rank may still take. The host's were read when no rank had taken much; what is lent out without being counted, such as a
 * library's own memory, has a twentieth. */
static double room_left(const fut_engine *g)
{
    fut_backend_info now;
    if (!g->info.asynchronous) return 0.95 * (double)g->bytes_free_before - (double)(fut_mem_bytes() - g->host_bytes_before);
    g->bk->info(g->bk, &now);
    return (double)now.bytes_free;
}

static double activations(const fut_net_memory *memory, int slots)
{
    return (double)memory->slot * slots + (double)(memory->shared + memory->held);
}

/* Shards of n photos do not fit, `slots` at once: say how many would, and what else helps. */
static fut_status say_what_fits(const fut_engine *g, int64_t n, int slots, const fut_net_memory *memory, double room)
{
    char remedy[160];
    double needed = activations(memory, slots);
    if (room < 0) room = 0;
    double fits = (double)n * room / needed;
    if (g->lockstep != NULL)
        (void)snprintf(remedy, sizeof remedy, "use model.batch_norm: shard, which can keep one shard's at a time");
    else if (slots == 1)
        (void)snprintf(remedy, sizeof remedy, "use more train.shards (now %d): train.recompute keeps one shard's at a time", g->shards);
    else if (activations(memory, 1) <= room)
        (void)snprintf(remedy, sizeof remedy, "use train.recompute: true, which keeps one shard's at a time, %.2f GiB",
                       activations(memory, 1) / gib);
    else
        (void)snprintf(remedy, sizeof remedy, "use train.recompute: true and more train.shards (now %d)", g->shards);
    fut_trail_clear();
    return FUT_FAIL(
        FUT_ERR_NO_MEMORY,
        "activations of %d shard%s of %lld photos of %lld px need %.2f GiB besides the parameters; %s has %.2f GiB free of %.2f "
        "for this rank. About %lld photos a shard fit: %s; or more machines, a lower train.batch, or precision: bf16",
        slots, slots == 1 ? "" : "s", (long long)n, (long long)g->config->data.size, needed / gib, g->info.device, room / gib,
        (double)g->info.bytes_total / gib, (long long)(fits < (double)n ? fits : (double)(n - 1)), remedy);
}

/* Planning shards of n photos itself ran out of the device's memory, which measuring algorithms needs too. */
static fut_status say_what_could_be_planned(const fut_engine *g, int64_t n)
{
    fut_net_memory memory = {0};
    int64_t planned = n / 2;
    while (planned > 1 && fut_net_measure(g->net, planned, true, &memory) != FUT_OK)
        planned /= 2;
    double times = (double)n / (double)(planned > 0 ? planned : 1);
    memory.slot = (size_t)(times * (double)memory.slot);
    memory.shared = (size_t)(times * (double)memory.shared);
    return say_what_fits(g, n, g->slots > 0 ? g->slots : 1, &memory, room_left(g));
}

/* How many shards' activations are kept at once: decided before any of them has memory, and then not again. */
static fut_status decide_slots(fut_engine *g)
{
    int64_t n = fut_engine_largest_shard(g);
    int mine = g->my_end - g->my_first;
    int recompute = g->config->train.recompute;
    fut_net_memory memory;
    if (g->slots > 0) return FUT_OK;
    fut_status st = fut_net_measure(g->net, n, true, &memory);
    if (st == FUT_ERR_NO_MEMORY && g->info.asynchronous) return say_what_could_be_planned(g, n);
    FUT_TRY(st);
    double room = room_left(g);
    bool all_fit = activations(&memory, mine) <= room;
    bool recomputes = recompute == FUT_RECOMPUTE_ALWAYS || (recompute == FUT_RECOMPUTE_AUTO && !all_fit);
    int slots = recomputes && g->lockstep == NULL ? 1 : mine;
    if (activations(&memory, slots) > room) return say_what_fits(g, n, slots, &memory, room);
    g->slots = slots;
    if (fut_engine_recomputes(g))
        FUT_INFO("activations of %d shards would take %.3g GiB of %.3g free: one shard's are kept at a time, %.3g GiB, and forwards run "
                 "twice (train.recompute)",
                 mine, activations(&memory, mine) / gib, room / gib, activations(&memory, 1) / gib);
    return FUT_OK;
}

bool fut_engine_recomputes(const fut_engine *g)
{
    return g->slots < g->my_end - g->my_first;
}

/* Plans for every size, then room for the largest: what is measured for a plan needs memory that the slots would take. The host measures
 * nothing and makes its plans when they are needed. */
static fut_status make_plans(fut_engine *g, const fut_engine_sizes *sizes)
{
    FUT_TRY(decide_slots(g));
    for (int i = 0; g->info.asynchronous && i < sizes->batches; i++) {
        int64_t larger = (sizes->batch[i] + g->shards - 1) / g->shards;
        int64_t smaller = sizes->batch[i] / g->shards;
        if (sizes->batch[i] == 0) continue;
        fut_status st = fut_net_plan(g->net, larger, true);
        if (st == FUT_ERR_NO_MEMORY) return say_what_could_be_planned(g, larger);
        FUT_TRY(st);
        FUT_TRY(fut_net_plan(g->net, smaller, true));
    }
    for (int i = 0; g->info.asynchronous && i < sizes->evaluations; i++)
        if (sizes->evaluation[i] > 0) FUT_TRY(fut_net_plan(g->net, sizes->evaluation[i], false));
    return fut_net_reserve(g->net, g->slots, fut_engine_largest_shard(g), true);
}

fut_status fut_engine_plan(fut_engine *g, const fut_engine_sizes *sizes, const char *tuned, const char *library, fut_str *tuning_out)
{
    fut_status st = FUT_OK;
    if (fut_comm_rank(g->comm) == 0) {
        bool known = tuned != NULL && tuned[0] != '\0' && strcmp(library, g->info.library) == 0;
        if (known) st = g->bk->tuning_set(g->bk, tuned);
        if (st == FUT_OK) st = make_plans(g, sizes);
        if (st == FUT_OK) st = g->bk->tuning_get(g->bk, tuning_out);
    }
    FUT_TRY(fut_comm_agree(g->comm, st));
    FUT_TRY(share_tuning(g, tuning_out));
    return fut_comm_agree(g->comm, make_plans(g, sizes));
}

static fut_status begin_control(fut_engine *g)
{
    fut_step_control control = {.scale = 1, .unscale = 1, .clip_norm = g->config->update.clip_norm, .finite = 1};
    if (g->config->precision == FUT_PRECISION_F16) {
        control.scale = first_loss_scale;
        control.growth_every = LOSS_SCALE_GROWTH_EVERY;
    }
    return fut_optim_set_control(g->optim, &control);
}

static fut_status create_step_memory(fut_engine *g, const fut_engine_options *options)
{
    const fut_config *config = g->config;
    fut_backend *bk = g->bk;
    int64_t batch = config->train.batch;
    size_t bucket_bytes = (size_t)g->bucket << 10;
    g->dim = config->model.embedding;
    fut_row_miner miner;
    FUT_TRY(fut_miner_describe(&config->miner, &miner));
    fut_loss_sizes sizes = {
        .batch = batch, .rows = fut_engine_largest_shard(g), .dim = g->dim, .classes = options->classes, .memory = config->memory.size};
    FUT_TRY(fut_loss_create(bk, &config->loss, &miner, FUT_F32, &sizes, &g->loss));
    if (fut_net_loss_param_count(g->net) > 0) fut_loss_bind_params(g->loss, fut_net_loss_params(g->net));
    FUT_TRY(fut_optim_create(bk, &config->optimizer, FUT_F32, fut_net_param_count(g->net), &g->optim));
    fut_loss_seed(g->loss, (uint64_t)config->seed, g->optim->control);
    FUT_TRY(fut_update_arrange(config, g->net, g->optim));
    FUT_TRY(begin_control(g));
    FUT_TRY(fut_tree_create(g->device_comm, bk, g->shards, fut_net_leaf_count(g->net), FUT_F32, bucket_bytes, &g->tree));
    fut_tree_set_overlap(g->tree, config->train.overlap);
    if (fut_loss_spreads(g->loss)) FUT_TRY(fut_tree_create(g->device_comm, bk, g->shards, batch * g->dim, FUT_F32, 0, &g->loss_tree));
    size_t columns = (size_t)FUT_LOSS_SUMS + 1;
    int at_once = 1; /* shards that go through the backward together */
    if (config->model.batch_norm == FUT_BATCH_NORM_GLOBAL) {
        at_once = g->my_end - g->my_first;
        FUT_TRY(fut_lockstep_create(g->net, g->device_comm, g->shards, g->my_first, g->my_end, &g->lockstep));
    }
    /* Buckets are summed between the layers' sums, which all ranks must do in one order: where all have one shard. */
    if (g->lockstep != NULL && g->shards > fut_comm_size(g->comm)) {
        size_t reals = (size_t)fut_net_leaf_count(g->net) * (size_t)at_once;
        FUT_TRY(bk->alloc(bk, reals * sizeof(float), (void **)&g->leaves));
    }
    FUT_TRY(bk->alloc(bk, (size_t)(batch * g->dim) * sizeof(float), (void **)&g->e_dealt));
    FUT_TRY(bk->alloc(bk, (size_t)(batch * g->dim) * sizeof(float), (void **)&g->e));
    FUT_TRY(bk->alloc(bk, (size_t)(at_once * fut_engine_largest_shard(g) * g->dim) * sizeof(float), (void **)&g->de));
    FUT_TRY(bk->alloc(bk, (size_t)g->shards * columns * sizeof(double), (void **)&g->loss_rows));
    FUT_TRY(bk->alloc(bk, columns * sizeof(double), (void **)&g->loss_total));
    FUT_TRY(bk->alloc(bk, sizeof *g->scalars, (void **)&g->scalars));
    FUT_TRY(bk->alloc_host(bk, FUT_IN_FLIGHT * sizeof *g->host_scalars, (void **)&g->host_scalars));
    FUT_TRY(bk->alloc_host(bk, FUT_IN_FLIGHT * sizeof *g->outcomes, (void **)&g->outcomes));
    for (int i = 0; i < FUT_IN_FLIGHT; i++)
        FUT_TRY(bk->event_create(bk, &g->done[i]));
    if (!options->vitals || fut_comm_rank(g->comm) != 0) return FUT_OK;
    return fut_vitals_create(bk, FUT_IN_FLIGHT, batch, g->dim, fut_net_param_count(g->net), &g->vitals);
}

static fut_status build(fut_engine *g, const fut_engine_options *options)
{
    FUT_TRY(decide_threads(g, options->threads));
    FUT_TRY(fut_comm_agree(g->comm, create_model(g, options)));
    FUT_TRY(connect_devices(g));
    FUT_TRY(fut_engine_choose_bucket(g, options->bucket));
    return fut_comm_agree(g->comm, create_step_memory(g, options));
}

fut_status fut_engine_create(const fut_config *config, fut_comm *comm, const fut_engine_options *options, fut_engine **engine_out)
{
    fut_engine *g = NULL;
    int64_t first = 0;
    int64_t end = 0;
    FUT_TRY(fut_comm_agree(comm, FUT_NEW(&g)));
    fut_shard_range(fut_comm_rank(comm), fut_comm_size(comm), options->shards, &first, &end);
    *g = (fut_engine){.config = config,
                      .comm = comm,
                      .device_comm = comm,
                      .shards = options->shards,
                      .my_first = (int)first,
                      .my_end = (int)end,
                      .recorded_moves = -1};
    fut_status st = build(g, options);
    if (st != FUT_OK) fut_engine_destroy(&g);
    *engine_out = g;
    return st;
}

static void free_step_memory(fut_engine *g)
{
    fut_backend *bk = g->bk;
    void *device[] = {g->e_dealt, g->e, g->de, g->leaves, g->loss_rows, g->loss_total, g->scalars};
    void *host[] = {g->host_scalars, g->outcomes};
    for (size_t i = 0; i < sizeof device / sizeof *device; i++)
        if (device[i] != NULL) bk->free(bk, device[i]);
    for (size_t i = 0; i < sizeof host / sizeof *host; i++)
        if (host[i] != NULL) bk->free_host(bk, host[i]);
    for (int i = 0; i < FUT_IN_FLIGHT; i++)
        if (g->done[i] != NULL) bk->event_destroy(bk, g->done[i]);
    for (int i = 0; i < FUT_MARKS; i++)
        if (g->marks[i] != NULL) bk->event_destroy(bk, g->marks[i]);
}

void fut_engine_destroy(fut_engine **engine)
{
    fut_engine *g = *engine;
    if (g == NULL) return;
    /* Recordings hold work of the communicator, whose work holds memory. */
    fut_engine_drop_recordings(g);
    if (g->device_comm != g->comm) fut_comm_destroy(&g->device_comm);
    fut_vitals_destroy(&g->vitals);
    if (g->bk != NULL) free_step_memory(g);
    fut_tree_destroy(&g->tree);
    fut_tree_destroy(&g->loss_tree);
    fut_lockstep_destroy(&g->lockstep);
    fut_optim_destroy(&g->optim);
    fut_loss_destroy(&g->loss);
    fut_net_destroy(&g->net);
    fut_backend_destroy(&g->bk);
    fut_mem_free(g);
    *engine = NULL;
}

static fut_status share_memory(fut_comm *devices, const fut_row_memory *memory)
{
    static const char what[] = "memory of the loss";
    if (memory->size == 0) return FUT_OK;
    FUT_TRY(fut_comm_broadcast(devices, memory->e, memory->size * memory->dim, FUT_F32, 0, what));
    FUT_TRY(fut_comm_broadcast(devices, memory->label, memory->size, FUT_I64, 0, what));
    FUT_TRY(fut_comm_broadcast(devices, memory->image, memory->size, FUT_I64, 0, what));
    return fut_comm_broadcast(devices, memory->entered, 1, FUT_I64, 0, what);
}

fut_status fut_engine_share_state(fut_engine *g)
{
    fut_step_control control = {0};
    fut_comm *devices = g->device_comm;
    FUT_TRY(fut_comm_broadcast(devices, fut_net_params(g->net), fut_net_param_count(g->net), FUT_F32, 0, "parameters"));
    FUT_TRY(fut_comm_broadcast(devices, fut_net_stats(g->net), fut_net_stat_count(g->net), FUT_F32, 0, "statistics"));
    for (int i = 0; i < g->optim->slots; i++)
        FUT_TRY(fut_comm_broadcast(devices, g->optim->slot[i], g->optim->count, FUT_F32, 0, "optimizer"));
    FUT_TRY(share_memory(devices, &g->loss->memory));
    FUT_TRY(fut_comm_broadcast(g->comm, fut_net_steps_tracked(g->net), 1, FUT_I64, 0, "statistics"));
    FUT_TRY(fut_comm_barrier(devices, "state of the run")); /* its wait has a deadline, the next one's has none */
    FUT_TRY(fut_comm_agree(g->comm, fut_optim_get_control(g->optim, &control)));
    FUT_TRY(fut_order_broadcast(g->comm, &control, sizeof control, "optimizer"));
    FUT_TRY(fut_comm_agree(g->comm, fut_optim_set_control(g->optim, &control)));
    fut_net_params_changed(g->net);
    return FUT_OK;
}
