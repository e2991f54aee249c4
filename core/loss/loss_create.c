/* What a loss's configuration says, with which miner and memory it goes, and what it has on the device. */
#include "core/base/mem.h"
#include "core/loss/loss.h"
#include "core/loss/memory.h"

#include <math.h>

enum { REDUCER_MEAN, REDUCER_SUM, REDUCER_AVG_NON_ZERO, REDUCER_THRESHOLD };
const char *const fut_loss_reducer_names[] = {"mean", "sum", "avg_non_zero", "threshold", NULL};

static fut_row_loss describe(const fut_loss_type *type, const void *config)
{
    const fut_loss_common *common = config; /* every config begins with it */
    fut_row_loss row = {.sign = common->distance == FUT_DISTANCE_L2 ? 1 : -1,
                        .l2 = common->distance == FUT_DISTANCE_L2,
                        .triplet_above = -INFINITY,
                        .triplet_up_to = INFINITY,
                        .low = -INFINITY,
                        .high = INFINITY,
                        .mean = common->reducer != REDUCER_SUM};
    if (common->reducer == REDUCER_AVG_NON_ZERO) row.low = 0;
    if (common->reducer == REDUCER_THRESHOLD) {
        row.low = common->low;
        row.high = common->high;
    }
    type->describe(config, &row);
    return row;
}

fut_status fut_loss_check_miner(const fut_opt_variant *config, const fut_row_miner *miner)
{
    const fut_loss_common *common = config->config;
    const fut_row_loss row = describe(config->choice->payload, common);
    FUT_CHECK(
        miner->kind != FUT_MINER_DISTANCE_WEIGHTED || !row.swap, FUT_ERR_CONFIG,
        "loss triplet with swap: true for the miner distance_weighted: swap would replace the negative's distance that was drawn for. "
        "Use swap: false");
    FUT_CHECK(!fut_loss_is_of_classes(config) || (miner->kind == FUT_MINER_ALL_PAIRS && !miner->of_triplets), FUT_ERR_CONFIG,
              "a miner for the loss %s: miners choose pairs of photos, and this loss compares each photo with the classes. Use miner: none",
              config->choice->name);
    if (!miner->of_triplets) return FUT_OK;
    FUT_CHECK(
        row.kind == FUT_ROW_TRIPLET, FUT_ERR_CONFIG,
        "a miner of triplets for the loss %s, which has pairs: use loss triplet, or miner batch_hard, pair_margin or multi_similarity",
        config->choice->name);
    FUT_CHECK((int)miner->distance == common->distance, FUT_ERR_CONFIG,
              "the miner's distance is %s and the loss's is %s: a miner of triplets needs the loss's own",
              fut_loss_distance_names[miner->distance], fut_loss_distance_names[common->distance]);
    return FUT_OK;
}

fut_status fut_loss_check_memory(const fut_opt_variant *config, int64_t memory, int64_t batch)
{
    if (memory == 0) return FUT_OK;
    FUT_CHECK(
        !fut_loss_is_of_classes(config), FUT_ERR_CONFIG,
        "memory.size %lld for the loss %s: a memory is of photos, and this loss compares each photo with the classes. Use memory.size: 0",
        (long long)memory, config->choice->name);
    FUT_CHECK(
        !describe(config->choice->payload, config->config).swap, FUT_ERR_CONFIG,
        "memory.size %lld for the loss triplet with swap: true: swap looks at a positive's distance to the negative, and in a memory both "
        "are of batches gone by. Use swap: false, or memory.size: 0",
        (long long)memory);
    FUT_CHECK(
        memory >= batch, FUT_ERR_CONFIG,
        "memory.size %lld is smaller than train.batch %lld: a batch enters the memory before it is compared with it, and would push its "
        "own photos out. Use a memory.size of several batches, such as %lld, or 0 for none",
        (long long)memory, (long long)batch, (long long)(8 * batch));
    return FUT_OK;
}

/* Places 0, 1, ... of the batch, on the device: the rows where all of the batch are at hand. */
static fut_status create_places(fut_loss *loss)
{
    int64_t *host = NULL;
    size_t bytes = (size_t)loss->max_batch * sizeof *host;
    if (!loss->spreads) return FUT_OK;
    FUT_TRY(loss->bk->alloc(loss->bk, bytes, (void **)&loss->places));
    FUT_TRY(FUT_NEW_ARRAY(loss->max_batch, &host));
    for (int64_t i = 0; i < loss->max_batch; i++)
        host[i] = i;
    fut_status st = loss->bk->upload(loss->bk, loss->places, host, bytes, NULL);
    if (st == FUT_OK) st = loss->bk->sync(loss->bk, NULL);
    fut_mem_free(host);
    return st;
}

/* What a gradient of more than the rows needs. */
static fut_status create_spread(fut_loss *loss)
{
    fut_backend *bk = loss->bk;
    size_t width = fut_dtype_size(loss->real);
    if (!loss->spreads && !loss->of_classes) return FUT_OK;
    FUT_TRY(bk->alloc(bk, (size_t)(loss->max_rows * loss->dim) * width, &loss->dh_rows));
    return loss->spreads ? bk->alloc(bk, (size_t)(loss->max_batch * loss->dim) * width, &loss->de) : FUT_OK;
}

/* What is compared with, of unit length. */
static fut_status create_units(fut_loss *loss)
{
    fut_loss_references *ref = &loss->ref;
    size_t width = fut_dtype_size(loss->real);
    FUT_TRY(loss->bk->alloc(loss->bk, (size_t)(ref->count * loss->dim) * width, &ref->unit));
    return loss->bk->alloc(loss->bk, (size_t)ref->count * width, &ref->norm);
}

static fut_status create_memory(fut_loss *loss)
{
    const fut_row_memory *memory = &loss->memory;
    FUT_TRY(fut_loss_memory_init(loss->bk, loss->ref.count, loss->dim, loss->real, &loss->memory));
    loss->ref.raw = memory->e;
    loss->ref.label = memory->label;
    loss->ref.image = memory->image;
    return create_units(loss);
}

/* Classes 0, 1, ..., which are of no photo. */
static fut_status create_classes(fut_loss *loss)
{
    fut_loss_references *ref = &loss->ref;
    fut_backend *bk = loss->bk;
    size_t bytes = (size_t)ref->count * sizeof *ref->label;
    int64_t *host = NULL;
    fut_status st = FUT_OK;
    FUT_TRY(create_units(loss));
    FUT_TRY(bk->alloc(bk, bytes, (void **)&ref->label));
    FUT_TRY(bk->alloc(bk, bytes, (void **)&ref->image));
    FUT_TRY(FUT_NEW_ARRAY(2 * ref->count, &host));
    for (int64_t i = 0; i < ref->count; i++) {
        host[i] = i;
        host[ref->count + i] = -1;
    }
    FUT_TRY_GOTO(bk->upload(bk, ref->label, host, bytes, NULL), out);
    FUT_TRY_GOTO(bk->upload(bk, ref->image, host + ref->count, bytes, NULL), out);
    FUT_TRY_GOTO(bk->sync(bk, NULL), out);
out:
    fut_mem_free(host);
    return st;
}

/* 0: the batch. */
static int64_t reference_count(const fut_loss_type *type, const fut_loss_sizes *sizes)
{
    return type->of_classes ? sizes->classes : sizes->memory;
}

fut_status fut_loss_create(fut_backend *bk, const fut_opt_variant *config, const fut_row_miner *miner, fut_dtype real,
                           const fut_loss_sizes *sizes, fut_loss **loss_out)
{
    fut_status st = FUT_OK;
    fut_loss *loss = NULL;
    const fut_loss_type *type = config->choice->payload;
    size_t width = fut_dtype_size(real);
    static const fut_row_miner all_pairs = {.kind = FUT_MINER_ALL_PAIRS};
    if (miner == NULL) miner = &all_pairs;
    FUT_TRY_GOTO(fut_loss_check_miner(config, miner), out);
    FUT_TRY_GOTO(fut_loss_check_memory(config, sizes->memory, sizes->batch), out);
    FUT_CHECK_GOTO(!type->of_classes || sizes->classes >= 2, FUT_ERR_CONFIG, out,
                   "the loss %s tells classes apart, and people that are trained on are %lld: it needs at least 2", config->choice->name,
                   (long long)sizes->classes);
    FUT_TRY_GOTO(FUT_NEW(&loss), out);
    *loss = (fut_loss){.row = describe(type, config->config),
                       .miner = *miner,
                       .of_classes = type->of_classes,
                       .spreads = fut_loss_type_spreads(type, miner, sizes->memory),
                       .ref = {.count = reference_count(type, sizes)},
                       .classes = sizes->classes,
                       .distance = (fut_distance)((const fut_loss_common *)config->config)->distance,
                       .bk = bk,
                       .real = real,
                       .max_batch = sizes->batch,
                       .max_rows = sizes->rows,
                       .max_refs = sizes->batch,
                       .dim = sizes->dim};
    if (loss->ref.count > 0) loss->max_refs = loss->ref.count;
    if (miner->of_triplets) {
        loss->row.triplet_above = miner->triplet_above;
        loss->row.triplet_up_to = miner->triplet_up_to;
    }
    FUT_TRY_GOTO(bk->alloc(bk, (size_t)(sizes->batch * sizes->dim) * width, &loss->unit), out);
    FUT_TRY_GOTO(bk->alloc(bk, (size_t)sizes->batch * width, &loss->norm), out);
    size_t row_pairs = (size_t)(sizes->rows * loss->max_refs);
    size_t pairs = loss->row.swap ? (size_t)(sizes->batch * sizes->batch) : row_pairs;
    FUT_TRY_GOTO(bk->alloc(bk, pairs * width, &loss->v), out);
    FUT_TRY_GOTO(bk->alloc(bk, pairs * width, &loss->g), out);
    FUT_TRY_GOTO(bk->alloc(bk, row_pairs, (void **)&loss->kind), out);
    if (miner->kind == FUT_MINER_DISTANCE_WEIGHTED) FUT_TRY_GOTO(bk->alloc(bk, row_pairs * sizeof *loss->draw, (void **)&loss->draw), out);
    if (type->of_classes) FUT_TRY_GOTO(create_classes(loss), out);
    if (sizes->memory > 0) FUT_TRY_GOTO(create_memory(loss), out);
    FUT_TRY_GOTO(create_places(loss), out);
    FUT_TRY_GOTO(bk->alloc(bk, FUT_LOSS_SUMS * sizeof(double), (void **)&loss->sums), out);
    FUT_TRY_GOTO(create_spread(loss), out);
    *loss_out = loss;
    loss = NULL;
out:
    fut_loss_destroy(&loss);
    return st;
}

void fut_loss_destroy(fut_loss **loss)
{
    fut_loss *l = *loss;
    if (l == NULL) return;
    fut_backend *bk = l->bk;
    if (l->memory.size > 0) l->ref.label = l->ref.image = NULL; /* the memory's */
    fut_loss_memory_fini(bk, &l->memory);
    void *blocks[] = {l->unit, l->norm,   l->v,        l->g,        l->kind,      l->sums,      l->dh_rows,
                      l->de,   l->places, l->ref.unit, l->ref.norm, l->ref.label, l->ref.image, l->draw};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        if (blocks[i] != NULL) bk->free(bk, blocks[i]);
    fut_mem_free(l);
    *loss = NULL;
}
