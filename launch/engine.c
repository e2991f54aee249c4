/* A step's work. Everything up to `enqueue` is enqueued, never waited for, so that it can be recorded and replayed. */
#include "launch/engine.h"

#include "dist/gather.h"

static int64_t shard_rows(const fut_inputs *in, int shard)
{
    return in->shard_first[shard + 1] - in->shard_first[shard];
}

/* Where a step's time went. On a device that works behind the host's back the laps would time the enqueueing, so only the wait is one. */
static void lap(const fut_engine *g, fut_step_timer *timer, fut_section section)
{
    if (!g->info.asynchronous) fut_step_timer_lap(timer, section);
}

static fut_status mark(fut_engine *g, fut_mark place)
{
    return g->marks[place] == NULL ? FUT_OK : g->bk->event_record(g->bk, g->marks[place], NULL);
}

/* Where a shard's activations are kept: shards that are recomputed share one slot. */
static int slot_of(const fut_engine *g, int shard)
{
    return fut_engine_recomputes(g) ? 0 : shard - g->my_first;
}

static float *de_of(const fut_engine *g, int shard)
{
    return g->lockstep == NULL ? g->de : g->de + (shard - g->my_first) * fut_engine_largest_shard(g) * g->dim;
}

static fut_net_shard shard_of(const fut_engine *g, const fut_inputs *in, int shard)
{
    int64_t photo = g->config->data.size * g->config->data.size * 3;
    int64_t first = in->shard_first[shard];
    return (fut_net_shard){.slot = slot_of(g, shard),
                           .n = shard_rows(in, shard),
                           .rgb = in->rgb + (first - in->shard_first[g->my_first]) * photo,
                           .embeddings = g->e_dealt + first * g->dim,
                           .d_embeddings = de_of(g, shard)};
}

static fut_status forward_shard(fut_engine *g, const fut_inputs *in, int shard)
{
    fut_net_shard s = shard_of(g, in, shard);
    return fut_net_forward(g->net, s.slot, s.n, s.rgb, s.embeddings);
}

/* The sums of a batch norm in lockstep: what waits for other ranks is not the section's around it. */
typedef struct timed_join {
    fut_engine *engine;
    fut_step_timer *timer;
    fut_section around;
} timed_join;

static fut_status join_leaf(void *context, int64_t count, int i, double **leaf_out)
{
    const fut_net_join *join = fut_lockstep_join(((const timed_join *)context)->engine->lockstep);
    return join->leaf(join->context, count, i, leaf_out);
}

static fut_status join_total(void *context, int64_t count, const double **total_out)
{
    const timed_join *timed = context;
    const fut_net_join *join = fut_lockstep_join(timed->engine->lockstep);
    lap(timed->engine, timed->timer, timed->around);
    FUT_TRY(join->total(join->context, count, total_out));
    lap(timed->engine, timed->timer, FUT_SECTION_REDUCE);
    return FUT_OK;
}

static fut_status forward_lockstep(fut_engine *g, const fut_inputs *in, fut_step_timer *timer)
{
    timed_join timed = {.engine = g, .timer = timer, .around = FUT_SECTION_FORWARD};
    fut_net_join join = {.leaf = join_leaf, .total = join_total, .context = &timed};
    fut_net_shard *shards = fut_lockstep_shards(g->lockstep);
    for (int s = g->my_first; s < g->my_end; s++)
        shards[s - g->my_first] = shard_of(g, in, s);
    return fut_net_forward_lockstep(g->net, shards, g->my_end - g->my_first, in->n, &join);
}

/* From the last shard to the first, whose activations are then there for the first backward, recomputed or not. */
static fut_status forward(fut_engine *g, const fut_inputs *in, fut_step_timer *timer)
{
    if (g->lockstep != NULL) return forward_lockstep(g, in, timer);
    for (int s = g->my_end - 1; s >= g->my_first; s--)
        FUT_TRY(forward_shard(g, in, s));
    return FUT_OK;
}

/* Embeddings of every shard to every rank, back in the sampler's order. */
static fut_status gather(fut_engine *g, const fut_inputs *in)
{
    FUT_TRY(fut_gather_rows(g->device_comm, g->shards, in->shard_first, g->dim, FUT_F32, g->e_dealt, "embeddings"));
    return g->bk->scatter_rows(g->bk, in->n, g->dim, FUT_F32, in->row, g->e_dealt, g->e, NULL);
}

/* The loss's sums over all shards. Whether a rank was asked to stop rides along, so that a signal to any of them reaches rank 0. */
static fut_status loss_sums(fut_engine *g, const fut_inputs *in, fut_step_timer *timer)
{
    fut_backend *bk = g->bk;
    int columns = FUT_LOSS_SUMS + 1;
    FUT_TRY(fut_loss_begin(g->loss, in->n, g->e, in->label, in->image));
    for (int s = g->my_first; s < g->my_end; s++) {
        double *row = g->loss_rows + (ptrdiff_t)s * columns;
        FUT_TRY(fut_loss_rows(g->loss, shard_rows(in, s), in->row + in->shard_first[s], row));
        FUT_TRY(bk->copy(bk, row + columns - 1, &g->scalars->stop, sizeof *row, NULL));
    }
    lap(g, timer, FUT_SECTION_LOSS);
    FUT_TRY(fut_gather_rows(g->device_comm, g->shards, NULL, columns, FUT_F64, g->loss_rows, "sums of the loss"));
    lap(g, timer, FUT_SECTION_REDUCE);
    return bk->tree_rows(bk, g->shards, columns, g->loss_rows, g->loss_total, NULL);
}

/* What every shard's rows do to every embedding, summed over shards. */
static fut_status spread_loss(fut_engine *g, const fut_inputs *in, fut_step_timer *timer)
{
    const void *sum = NULL;
    if (!fut_loss_spreads(g->loss)) return FUT_OK;
    for (int s = g->my_first; s < g->my_end; s++) {
        void *leaf = NULL;
        FUT_TRY(fut_tree_begin_leaf(g->loss_tree, s, &leaf));
        FUT_TRY(fut_loss_spread(g->loss, shard_rows(in, s), in->row + in->shard_first[s], g->loss_total, leaf));
        lap(g, timer, FUT_SECTION_LOSS);
        FUT_TRY(fut_tree_leaf_ready(g->loss_tree, 0, "gradients of the embeddings"));
        lap(g, timer, FUT_SECTION_REDUCE);
    }
    FUT_TRY(fut_tree_finish(g->loss_tree, &sum, "gradients of the embeddings"));
    lap(g, timer, FUT_SECTION_REDUCE);
    return fut_loss_take(g->loss, sum);
}

typedef struct backward_pass {
    fut_engine *engine;
    fut_step_timer *timer;
} backward_pass;

/* What waits for other ranks is not the backward's. */
static fut_status leaf_ready(void *context, int64_t first)
{
    const backward_pass *pass = context;
    lap(pass->engine, pass->timer, FUT_SECTION_BACKWARD);
    FUT_TRY(fut_tree_leaf_ready(pass->engine->tree, first, "gradients"));
    lap(pass->engine, pass->timer, FUT_SECTION_REDUCE);
    return FUT_OK;
}

/* Gradients of a shard's embeddings and of the loss's parameters, which are in the leaf, so that both meet f16 with the loss's scale. */
static fut_status loss_grad(fut_engine *g, const fut_inputs *in, int shard, void *leaf)
{
    fut_backend *bk = g->bk;
    int64_t n = shard_rows(in, shard);
    int64_t params = fut_net_loss_param_count(g->net);
    void *dparams = params > 0 ? fut_net_loss_part(g->net, leaf) : NULL;
    float *de = de_of(g, shard);
    FUT_TRY(fut_loss_grad(g->loss, n, in->row + in->shard_first[shard], g->loss_total, de, dparams));
    if (g->config->precision != FUT_PRECISION_F16) return FUT_OK;
    if (params > 0) FUT_TRY(bk->scale_gradient(bk, params, FUT_F32, g->optim->control, dparams, NULL));
    return bk->scale_gradient(bk, n * g->dim, FUT_F32, g->optim->control, de, NULL);
}

/* Gradient of every shard of mine, written into the tree, which sums it bucket by bucket while the backward goes on. */
static fut_status backward_in_turn(fut_engine *g, const fut_inputs *in, fut_step_timer *timer)
{
    backward_pass pass = {.engine = g, .timer = timer};
    fut_net_progress progress = {.ready = leaf_ready, .context = &pass};
    for (int s = g->my_first; s < g->my_end; s++) {
        void *leaf = NULL;
        FUT_TRY(fut_tree_begin_leaf(g->tree, s, &leaf));
        FUT_TRY(loss_grad(g, in, s, leaf));
        lap(g, timer, FUT_SECTION_LOSS);
        if (fut_engine_recomputes(g) && s > g->my_first) FUT_TRY(forward_shard(g, in, s)); /* the same embeddings again */
        lap(g, timer, FUT_SECTION_FORWARD);
        FUT_TRY(fut_net_backward(g->net, slot_of(g, s), shard_rows(in, s), g->de, leaf, &progress));
        lap(g, timer, FUT_SECTION_BACKWARD);
    }
    return FUT_OK;
}

/* The same, layer by layer: where every rank has one shard, it writes into the tree; else all write into leaves, which then go in turn. */
static fut_status backward_lockstep(fut_engine *g, const fut_inputs *in, fut_step_timer *timer)
{
    backward_pass pass = {.engine = g, .timer = timer};
    fut_net_progress progress = {.ready = leaf_ready, .context = &pass};
    timed_join timed = {.engine = g, .timer = timer, .around = FUT_SECTION_BACKWARD};
    fut_net_join join = {.leaf = join_leaf, .total = join_total, .context = &timed};
    fut_net_shard *shards = fut_lockstep_shards(g->lockstep);
    int mine = g->my_end - g->my_first;
    bool direct = g->leaves == NULL;
    int64_t leaf_count = fut_net_leaf_count(g->net);
    void *leaf = NULL;
    if (direct) FUT_TRY(fut_tree_begin_leaf(g->tree, g->my_first, &leaf));
    for (int k = 0; k < mine; k++) {
        shards[k] = shard_of(g, in, g->my_first + k);
        shards[k].leaf = direct ? leaf : g->leaves + k * leaf_count;
        FUT_TRY(loss_grad(g, in, g->my_first + k, shards[k].leaf));
    }
    lap(g, timer, FUT_SECTION_LOSS);
    FUT_TRY(fut_net_backward_lockstep(g->net, shards, mine, in->n, &join, direct ? &progress : NULL));
    for (int k = 0; k < mine && !direct; k++) {
        FUT_TRY(fut_tree_begin_leaf(g->tree, g->my_first + k, &leaf));
        FUT_TRY(g->bk->copy(g->bk, leaf, shards[k].leaf, (size_t)leaf_count * sizeof(float), NULL));
        FUT_TRY(leaf_ready(&pass, 0));
    }
    lap(g, timer, FUT_SECTION_BACKWARD);
    return FUT_OK;
}

static fut_status backward(fut_engine *g, const fut_inputs *in, const void **leaf_sum_out, fut_step_timer *timer)
{
    FUT_TRY(g->lockstep != NULL ? backward_lockstep(g, in, timer) : backward_in_turn(g, in, timer));
    FUT_TRY(mark(g, FUT_MARK_COMPUTED));
    FUT_TRY(fut_tree_finish(g->tree, leaf_sum_out, "gradients"));
    return mark(g, FUT_MARK_REDUCED);
}

/* leaf_sum: the tree's own memory until its next round. */
static fut_status update(fut_engine *g, void *leaf_sum)
{
    FUT_TRY(fut_optim_check(g->optim, leaf_sum, g->loss_total, FUT_LOSS_SUMS));
    FUT_TRY(fut_optim_step(g->optim, &g->scalars->lr, fut_net_params(g->net), leaf_sum));
    return fut_net_update_stats(g->net, leaf_sum, g->shards, g->optim->control);
}

/* From here on the step is about `phase`. */
static void enter(const fut_engine *g, fut_phase phase)
{
    fut_comm_phase(g->comm, phase, -1);
}

static fut_status work(fut_engine *g, const fut_inputs *in, fut_step_timer *timer)
{
    const void *leaf_sum = NULL;
    enter(g, FUT_PHASE_FORWARD);
    FUT_TRY(forward(g, in, timer));
    lap(g, timer, FUT_SECTION_FORWARD);
    enter(g, FUT_PHASE_GATHER);
    FUT_TRY(gather(g, in));
    lap(g, timer, FUT_SECTION_REDUCE);
    enter(g, FUT_PHASE_LOSS);
    FUT_TRY(loss_sums(g, in, timer));
    FUT_TRY(spread_loss(g, in, timer));
    lap(g, timer, FUT_SECTION_LOSS);
    enter(g, FUT_PHASE_BACKWARD);
    FUT_TRY(backward(g, in, &leaf_sum, timer));
    lap(g, timer, FUT_SECTION_REDUCE);
    enter(g, FUT_PHASE_UPDATE);
    FUT_TRY(update(g, (void *)leaf_sum));
    lap(g, timer, FUT_SECTION_OPTIMIZER);
    return FUT_OK;
}

void fut_engine_drop_recordings(void *engine)
{
    fut_engine *g = engine;
    for (int i = 0; i < FUT_FEED_PLACES; i++) {
        if (g->recordings[i] != NULL) g->bk->recording_destroy(g->bk, g->recordings[i]);
        g->recordings[i] = NULL;
    }
}

static fut_status record(fut_engine *g, const fut_inputs *in, fut_step_timer *timer)
{
    fut_backend *bk = g->bk;
    FUT_TRY(bk->record_begin(bk, NULL));
    fut_status st = work(g, in, timer);
    fut_status ended = bk->record_end(bk, NULL, &g->recordings[in->place]);
    return st != FUT_OK ? st : ended;
}

void fut_engine_forget_recordings(fut_engine *g)
{
    g->recorded_moves = -1;
}

/* Enqueue a step's work. A device runs a full batch's step once, which plans and allocates; then it records the step in each of the two
 * places of its inputs and replays that from then on: one call instead of hundreds. A short batch may move memory on some rank only: all
 * ranks begin anew after it. */
static fut_status enqueue(fut_engine *g, const fut_inputs *in, fut_step_timer *timer)
{
    bool full = in->n == g->config->train.batch;
    bool replays = g->info.asynchronous && full && g->marks[0] == NULL && g->recorded_moves == fut_net_moves(g->net);
    if (replays) {
        if (g->recordings[in->place] == NULL) FUT_TRY(record(g, in, timer));
        enter(g, FUT_PHASE_DEVICE);
        FUT_TRY(g->bk->replay(g->bk, g->recordings[in->place], NULL));
    } else {
        if (full) fut_engine_drop_recordings(g);
        FUT_TRY(work(g, in, timer));
        g->recorded_moves = full ? fut_net_moves(g->net) : -1;
    }
    fut_net_step_taken(g->net);
    return FUT_OK;
}

static fut_status upload_scalars(fut_engine *g, int64_t step, const fut_step_wish *wish)
{
    fut_step_scalars *scalars = &g->host_scalars[step % FUT_IN_FLIGHT];
    *scalars = (fut_step_scalars){.lr = wish->lr, .stop = wish->stop};
    return g->bk->upload(g->bk, g->scalars, scalars, sizeof *scalars, NULL);
}

static fut_status download_outcome(fut_engine *g, int64_t step)
{
    fut_backend *bk = g->bk;
    fut_step_outcome *to = &g->outcomes[step % FUT_IN_FLIGHT];
    size_t sums = (size_t)(FUT_LOSS_SUMS + 1) * sizeof(double);
    FUT_TRY(bk->download(bk, to->sums, g->loss_total, sums, NULL));
    FUT_TRY(bk->download(bk, &to->control, g->optim->control, sizeof to->control, NULL));
    return bk->event_record(bk, g->done[step % FUT_IN_FLIGHT], NULL);
}

fut_status fut_engine_step(fut_engine *g, int64_t step, const fut_inputs *in, const fut_step_wish *wish, fut_step_timer *timer)
{
    bool look = wish->look && g->vitals != NULL;
    FUT_TRY(mark(g, FUT_MARK_BEGIN));
    FUT_TRY(fut_inputs_wait(g->bk, in));
    FUT_TRY(mark(g, FUT_MARK_INPUTS));
    FUT_TRY(upload_scalars(g, step, wish));
    if (look) FUT_TRY(fut_vitals_before(g->vitals, fut_net_params(g->net)));
    FUT_TRY(enqueue(g, in, timer));
    if (look) FUT_TRY(fut_vitals_after(g->vitals, (int)(step % FUT_IN_FLIGHT), in, g->e, fut_net_params(g->net)));
    FUT_TRY(mark(g, FUT_MARK_END));
    return download_outcome(g, step);
}

fut_status fut_engine_outcome(fut_engine *g, int64_t step, const fut_step_outcome **outcome_out)
{
    FUT_TRY(fut_comm_wait(g->device_comm, g->bk, g->done[step % FUT_IN_FLIGHT], "a step's outcome"));
    *outcome_out = &g->outcomes[step % FUT_IN_FLIGHT];
    return FUT_OK;
}

fut_status fut_engine_mark(fut_engine *g)
{
    for (int i = 0; i < FUT_MARKS; i++)
        if (g->marks[i] == NULL) FUT_TRY(g->bk->event_create(g->bk, &g->marks[i]));
    return fut_tree_mark(g->tree);
}
