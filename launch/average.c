#include "launch/average.h"

#include "core/base/mem.h"
#include "data/loader.h"

enum { BATCHES = 32 /* at most, for the statistics */, READ_AHEAD = 2 };

struct fut_average {
    fut_engine *engine;
    const fut_dataset *dataset;
    bool entered;
    fut_checkpoint_held held; /* device */

    /* for the statistics */
    int64_t batches, mine; /* photos of a batch in shards of this rank */
    int64_t *image;        /* [mine] ids */
    fut_loader *loader;
    uint8_t *rgb;              /* device [mine, size, size, 3] */
    float *embeddings;         /* device [largest shard, dim]; nobody reads them */
    fut_step_control *control; /* device; says that what is found is to be taken */
    fut_tree *tree;
};

static int64_t shard_size(const fut_engine *g, int shard)
{
    int64_t first = 0;
    int64_t end = 0;
    fut_shard_range(shard, g->shards, g->config->train.batch, &first, &end);
    return end - first;
}

static fut_status create_loader(fut_average *a)
{
    const fut_config *config = a->engine->config;
    fut_loader_config loader = {.threads = (int)config->data.threads,
                                .depth = READ_AHEAD,
                                .max_images = a->mine,
                                .height = config->data.size,
                                .width = config->data.size,
                                .bk = a->engine->bk};
    return fut_loader_create(a->dataset, &loader, &a->loader);
}

static fut_status build(fut_average *a)
{
    fut_engine *g = a->engine;
    fut_backend *bk = g->bk;
    int64_t size = g->config->data.size;
    int64_t n = 0;
    fut_step_control control = {.finite = 1};
    (void)fut_dataset_get_part(a->dataset, FUT_PART_TRAIN, &n);
    a->batches = (n + g->config->train.batch - 1) / g->config->train.batch;
    if (a->batches > BATCHES) a->batches = BATCHES;
    for (int s = g->my_first; s < g->my_end; s++)
        a->mine += shard_size(g, s);
    FUT_TRY(bk->alloc(bk, (size_t)fut_net_param_count(g->net) * sizeof(float), &a->held.params));
    FUT_TRY(bk->alloc(bk, (size_t)fut_net_stat_count(g->net) * sizeof(float), &a->held.stats));
    FUT_TRY(FUT_NEW_ARRAY(a->mine, &a->image));
    FUT_TRY(create_loader(a));
    FUT_TRY(bk->alloc(bk, (size_t)(a->mine * size * size * 3), (void **)&a->rgb));
    FUT_TRY(bk->alloc(bk, (size_t)(fut_engine_largest_shard(g) * g->dim) * sizeof(float), (void **)&a->embeddings));
    FUT_TRY(bk->alloc(bk, sizeof control, (void **)&a->control));
    FUT_TRY(bk->upload(bk, a->control, &control, sizeof control, NULL));
    FUT_TRY(bk->sync(bk, NULL));
    return fut_tree_create(g->device_comm, bk, g->shards, fut_net_stat_count(g->net), FUT_F32, 0, &a->tree);
}

fut_status fut_average_create(fut_engine *engine, const fut_dataset *dataset, fut_average **average_out)
{
    fut_average *a = NULL;
    *average_out = NULL;
    if (!fut_optim_has_average(engine->optim)) return FUT_OK;
    FUT_TRY(FUT_NEW(&a));
    *a = (fut_average){.engine = engine, .dataset = dataset};
    fut_status st = build(a);
    if (st != FUT_OK) fut_average_destroy(&a);
    *average_out = a;
    return st;
}

void fut_average_destroy(fut_average **average)
{
    fut_average *a = *average;
    if (a == NULL) return;
    fut_backend *bk = a->engine->bk;
    void *device[] = {a->held.params, a->held.stats, a->rgb, a->embeddings, a->control};
    for (size_t i = 0; i < sizeof device / sizeof *device; i++)
        if (device[i] != NULL) bk->free(bk, device[i]);
    fut_tree_destroy(&a->tree);
    fut_loader_destroy(&a->loader);
    fut_mem_free(a->image);
    fut_mem_free(a);
    *average = NULL;
}

/* ---- statistics ---- */

/* Photo `row` of a shard in a batch. The batches together go through the training photos once, or through evenly spread ones of them, and
 * each batch and shard has photos from everywhere, since neighbours are of one person. */
static int64_t photo_of(const fut_average *a, int64_t batch, int shard, int64_t row)
{
    int64_t n = 0;
    const int64_t *part = fut_dataset_get_part(a->dataset, FUT_PART_TRAIN, &n);
    int64_t place = (row * a->engine->shards + shard) * a->batches + batch;
    int64_t places = a->engine->config->train.batch * a->batches;
    return part[places <= n ? place * n / places : place % n];
}

static fut_status submit(fut_average *a, int64_t batch)
{
    const fut_engine *g = a->engine;
    int64_t n = 0;
    for (int s = g->my_first; s < g->my_end; s++)
        for (int64_t row = 0; row < shard_size(g, s); row++)
            a->image[n++] = photo_of(a, batch, s, row);
    fut_loader_request request = {.step = batch, .n = n, .image = a->image};
    return fut_loader_submit(a->loader, &request);
}

static fut_status read_batch(fut_average *a, int64_t batch)
{
    fut_backend *bk = a->engine->bk;
    int64_t size = a->engine->config->data.size;
    fut_loader_batch photos;
    if (batch + 1 < a->batches) FUT_TRY(submit(a, batch + 1));
    FUT_TRY(fut_loader_wait(a->loader, batch, &photos));
    fut_status st = bk->upload(bk, a->rgb, photos.rgb, (size_t)(photos.n * size * size * 3), NULL);
    if (st == FUT_OK) st = bk->sync(bk, NULL);
    fut_loader_release(a->loader);
    return st;
}

/* Forwards in lockstep leave every shard's statistics in its slot. */
static fut_status forward_lockstep(fut_average *a)
{
    fut_engine *g = a->engine;
    int64_t photo = g->config->data.size * g->config->data.size * 3;
    fut_net_shard *shards = fut_lockstep_shards(g->lockstep);
    const uint8_t *rgb = a->rgb;
    for (int s = g->my_first; s < g->my_end; s++) {
        int64_t n = shard_size(g, s);
        shards[s - g->my_first] = (fut_net_shard){.slot = s - g->my_first, .n = n, .rgb = rgb, .embeddings = a->embeddings};
        rgb += n * photo;
    }
    return fut_net_forward_lockstep(g->net, shards, g->my_end - g->my_first, g->config->train.batch, fut_lockstep_join(g->lockstep));
}

/* Statistics of one batch, the mean over its shards, join the mean over the batches before it. */
static fut_status take_batch(fut_average *a, int64_t batch)
{
    fut_engine *g = a->engine;
    int64_t photo = g->config->data.size * g->config->data.size * 3;
    const uint8_t *rgb = a->rgb;
    const void *sum = NULL;
    if (g->lockstep != NULL) FUT_TRY(forward_lockstep(a));
    for (int s = g->my_first; s < g->my_end; s++) {
        int slot = g->lockstep != NULL ? s - g->my_first : 0;
        int64_t n = shard_size(g, s);
        void *leaf = NULL;
        if (g->lockstep == NULL) FUT_TRY(fut_net_forward(g->net, slot, n, rgb, a->embeddings));
        FUT_TRY(fut_tree_begin_leaf(a->tree, s, &leaf));
        FUT_TRY(fut_net_take_batch_stats(g->net, slot, n, leaf));
        FUT_TRY(fut_tree_leaf_ready(a->tree, 0, "statistics"));
        rgb += n * photo;
    }
    FUT_TRY(fut_tree_finish(a->tree, &sum, "statistics"));
    return g->bk->update_stats(g->bk, fut_net_stat_count(g->net), FUT_F32, 1 / (double)(batch + 1), g->shards, a->control, sum,
                               fut_net_stats(g->net), NULL);
}

static fut_status estimate_statistics(fut_average *a)
{
    fut_engine *g = a->engine;
    if (fut_net_stat_count(g->net) == 0) return FUT_OK;
    FUT_TRY(fut_comm_agree(g->comm, submit(a, 0)));
    for (int64_t batch = 0; batch < a->batches; batch++) {
        FUT_TRY(fut_comm_agree(g->comm, read_batch(a, batch)));
        FUT_TRY(take_batch(a, batch));
    }
    fut_net_params_changed(g->net);
    return g->bk->sync(g->bk, NULL);
}

/* ---- there and back ---- */

fut_status fut_average_enter(fut_average *a)
{
    if (a == NULL || a->entered) return FUT_OK;
    fut_engine *g = a->engine;
    fut_backend *bk = g->bk;
    FUT_TRY(bk->copy(bk, a->held.params, fut_net_params(g->net), (size_t)fut_net_param_count(g->net) * sizeof(float), NULL));
    FUT_TRY(bk->copy(bk, a->held.stats, fut_net_stats(g->net), (size_t)fut_net_stat_count(g->net) * sizeof(float), NULL));
    FUT_TRY(fut_optim_average(g->optim, a->held.params, fut_net_params(g->net)));
    fut_net_params_changed(g->net);
    fut_engine_forget_recordings(g);
    a->entered = true;
    return estimate_statistics(a);
}

fut_status fut_average_leave(fut_average *a)
{
    if (a == NULL || !a->entered) return FUT_OK;
    fut_engine *g = a->engine;
    fut_backend *bk = g->bk;
    FUT_TRY(bk->copy(bk, fut_net_params(g->net), a->held.params, (size_t)fut_net_param_count(g->net) * sizeof(float), NULL));
    FUT_TRY(bk->copy(bk, fut_net_stats(g->net), a->held.stats, (size_t)fut_net_stat_count(g->net) * sizeof(float), NULL));
    fut_net_params_changed(g->net);
    a->entered = false;
    return FUT_OK;
}

const fut_checkpoint_held *fut_average_held(const fut_average *a)
{
    return a != NULL && a->entered ? &a->held : NULL;
}
