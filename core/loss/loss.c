#include "core/loss/loss.h"

#include "core/backend/row_formulas.h"
#include "core/base/rng.h"

#define FUT_LOSS(name) extern const fut_opt_choice fut_loss_##name;
#include "core/loss/losses.def"
#undef FUT_LOSS

const fut_opt_choice *const fut_loss_choices[] = {
#define FUT_LOSS(name) &fut_loss_##name,
#include "core/loss/losses.def"
#undef FUT_LOSS
    NULL,
};

const char *const fut_loss_distance_names[] = {"cosine", "l2", "dot", NULL};

void fut_loss_class_weights(const void *config, int64_t classes, int64_t dim, fut_params *params_out)
{
    (void)config;
    *params_out = (fut_params){.n = 1, .param = {{.name = "W", .rank = 2, .dim = {classes, dim}, .init = {FUT_INIT_NORMAL, 1}}}};
}

bool fut_loss_is_of_classes(const fut_opt_variant *config)
{
    return ((const fut_loss_type *)config->choice->payload)->of_classes;
}

fut_params fut_loss_params(const fut_opt_variant *config, int64_t classes, int64_t dim)
{
    const fut_loss_type *type = config->choice->payload;
    fut_params params = {.n = 0};
    if (type->params != NULL) type->params(config->config, classes, dim, &params);
    return params;
}

bool fut_loss_tells_probability(const fut_opt_variant *config)
{
    return ((const fut_loss_type *)config->choice->payload)->logit != NULL;
}

double fut_loss_probability(const fut_opt_variant *config, const float *params, int64_t dim, const float *a, const float *b)
{
    const fut_loss_type *type = config->choice->payload;
    return fut_row_sigmoid(type->logit(config->config, params, dim, a, b));
}

void fut_loss_seed(fut_loss *loss, uint64_t seed, const fut_step_control *control)
{
    loss->miner.key = fut_philox_key(seed, FUT_RNG_MINER).key;
    loss->control = control;
}

bool fut_loss_type_spreads(const fut_loss_type *type, const fut_row_miner *miner, int64_t memory)
{
    const bool both_act = miner->kind == FUT_MINER_ALL_PAIRS || miner->kind == FUT_MINER_PAIR_MARGIN;
    return !type->of_classes && memory == 0 && !(type->symmetric && both_act);
}

bool fut_loss_spreads(const fut_loss *loss)
{
    return loss->spreads;
}

/* Elements before b: w's, or a. */
static int64_t line_length(const fut_loss *loss)
{
    return loss->row.difference ? loss->dim : 1;
}

void fut_loss_bind_params(fut_loss *loss, const void *params)
{
    loss->params = params;
    if (loss->of_classes) loss->ref.raw = params; /* W alone */
    if (loss->row.kind != FUT_ROW_BCE) return;
    loss->row.logit_scale = loss->row.difference ? NULL : params;
    loss->row.logit_shift = (const char *)params + (size_t)line_length(loss) * fut_dtype_size(loss->real);
}

/* [batch, dim]: unit, or the embeddings as they are. */
static const void *rows_compared(const fut_loss *loss, fut_distance distance)
{
    return distance == FUT_DISTANCE_DOT ? loss->e : loss->unit;
}

/* [references, dim]: unit, or as they are. */
static const void *refs_compared(const fut_loss *loss, fut_distance distance)
{
    if (loss->ref.count == 0) return rows_compared(loss, distance);
    return distance == FUT_DISTANCE_DOT ? loss->ref.raw : loss->ref.unit;
}

fut_status fut_loss_begin(fut_loss *loss, int64_t batch, const void *e, const int64_t *label, const int64_t *image)
{
    fut_backend *bk = loss->bk;
    const fut_loss_references *ref = &loss->ref;
    FUT_CHECK(batch <= loss->max_batch, FUT_ERR_SHAPE, "a batch of %lld, planned for %lld", (long long)batch, (long long)loss->max_batch);
    loss->batch = batch;
    loss->label = label;
    loss->image = image;
    loss->e = e;
    loss->computed = NULL;
    loss->h = rows_compared(loss, loss->distance);
    FUT_TRY(bk->normalize_rows(bk, batch, loss->dim, loss->real, e, loss->unit, loss->norm, NULL));
    if (loss->memory.size > 0) FUT_TRY(bk->remember_rows(bk, batch, loss->real, &loss->memory, e, label, image, NULL));
    if (ref->count == 0) return FUT_OK;
    return bk->normalize_rows(bk, ref->count, loss->dim, loss->real, ref->raw, ref->unit, ref->norm, NULL);
}

/* A loss that spreads takes the rows of a shard that has the whole batch in the batch's order. */
static fut_status pair_rows(const fut_loss *loss, int64_t n, const int64_t *row, fut_pair_rows *rows_out)
{
    FUT_CHECK(n <= loss->max_rows, FUT_ERR_SHAPE, "a shard of %lld rows, planned for %lld", (long long)n, (long long)loss->max_rows);
    *rows_out = (fut_pair_rows){.n = n,
                                .refs = loss->ref.count > 0 ? loss->ref.count : loss->batch,
                                .dim = loss->dim,
                                .row = loss->spreads && n == loss->batch ? loss->places : row,
                                .label = loss->label,
                                .image = loss->image,
                                .ref_label = loss->ref.label,
                                .ref_image = loss->ref.image};
    return FUT_OK;
}

/* v of the rows, by a distance. */
static fut_status compare(fut_loss *loss, const fut_pair_rows *rows, fut_distance distance, void *v)
{
    fut_backend *bk = loss->bk;
    const void *h = rows_compared(loss, distance), *r = refs_compared(loss, distance);
    const void *ref_norm = loss->ref.count > 0 ? loss->ref.norm : loss->norm;
    FUT_TRY(bk->similarity_rows(bk, rows, loss->real, h, r, v, NULL));
    return distance == FUT_DISTANCE_L2 ? bk->l2_rows(bk, rows, loss->real, loss->norm, h, ref_norm, r, v, NULL) : FUT_OK;
}

/* The rows whose values the loss reads and whose g it writes: the shard's, or with swap all of the batch. */
static fut_pair_rows rows_valued(const fut_loss *loss, const fut_pair_rows *rows)
{
    fut_pair_rows valued = *rows;
    if (loss->row.swap) {
        valued.n = loss->batch;
        valued.row = loss->places;
    }
    return valued;
}

/* What the miner measures of the rows: v where it measures as the loss does, else it goes where g will be, as does what drawing uses up. */
static fut_status measure_pairs(fut_loss *loss, const fut_pair_rows *rows, const fut_pair_rows *valued, void **measured_out)
{
    fut_backend *bk = loss->bk;
    const bool alike = loss->miner.distance == loss->distance && !loss->row.difference && valued->row == rows->row;
    *measured_out = alike && loss->draw == NULL ? loss->v : loss->g;
    if (!alike) return compare(loss, rows, loss->miner.distance, loss->g);
    return loss->draw == NULL ? FUT_OK : bk->copy(bk, loss->g, loss->v, (size_t)(rows->n * rows->refs) * fut_dtype_size(loss->real), NULL);
}

/* kind of the rows, whose v is known. */
static fut_status select_pairs(fut_loss *loss, const fut_pair_rows *rows, const fut_pair_rows *valued)
{
    void *measured = NULL;
    if (loss->miner.kind != FUT_MINER_ALL_PAIRS) FUT_TRY(measure_pairs(loss, rows, valued, &measured));
    if (loss->draw != NULL)
        return loss->bk->draw_triplets(loss->bk, rows, &loss->miner, loss->real, loss->control, measured, loss->kind, loss->draw, NULL);
    return loss->bk->select_pairs(loss->bk, rows, &loss->miner, loss->real, measured, loss->kind, NULL);
}

/* Losses of pairs or triplets take what was drawn as often as it was drawn; those of rows look at which pairs there are. */
static bool takes_draws(const fut_loss *loss)
{
    const fut_row_loss_kind kind = loss->row.kind;
    return loss->draw != NULL && (kind == FUT_ROW_TRIPLET || kind == FUT_ROW_CONTRASTIVE || kind == FUT_ROW_NTXENT || kind == FUT_ROW_BCE);
}

/* kind, v, g and sums of the rows. */
static fut_status compute_rows(fut_loss *loss, const fut_pair_rows *rows, double *sums)
{
    fut_backend *bk = loss->bk;
    fut_pair_rows valued = rows_valued(loss, rows);
    if (loss->row.difference)
        FUT_TRY(bk->difference_rows(bk, &valued, loss->real, loss->h, refs_compared(loss, loss->distance), loss->params, loss->v, NULL));
    else
        FUT_TRY(compare(loss, &valued, loss->distance, loss->v));
    FUT_TRY(select_pairs(loss, rows, &valued));
    if (loss->row.swap) return bk->swap_loss(bk, rows, &loss->row, loss->real, loss->v, loss->kind, loss->g, sums, NULL);
    if (takes_draws(loss)) return bk->drawn_loss(bk, rows, &loss->row, loss->real, loss->v, loss->kind, loss->draw, loss->g, sums, NULL);
    return bk->row_loss(bk, rows, &loss->row, loss->real, loss->v, loss->kind, loss->g, sums, NULL);
}

/* g of the rows valued, weighed. Where a rank has several shards it is computed again, which is cheaper than keeping every shard's. */
static fut_status weigh_rows(fut_loss *loss, const fut_pair_rows *rows, const double *total)
{
    fut_pair_rows valued = rows_valued(loss, rows);
    const uint8_t *kind = loss->row.swap ? NULL : loss->kind;
    if (loss->computed != rows->row) FUT_TRY(compute_rows(loss, rows, loss->sums));
    loss->computed = NULL;
    return loss->bk->row_loss_weigh(loss->bk, &valued, &loss->row, loss->real, kind, total, loss->g, NULL);
}

fut_status fut_loss_rows(fut_loss *loss, int64_t n, const int64_t *row, double *sums)
{
    fut_pair_rows rows;
    FUT_TRY(pair_rows(loss, n, row, &rows));
    FUT_TRY(compute_rows(loss, &rows, sums));
    loss->computed = rows.row;
    return loss->params == NULL ? FUT_OK : loss->bk->copy(loss->bk, loss->sums, sums, FUT_LOSS_SUMS * sizeof *sums, NULL);
}

/* s_ij = h_i . h_j is a function of both: dh_j += g_ij h_i for every j, and dh_i += g_ij h_j. */
static fut_status spread_rows(fut_loss *loss, const fut_pair_rows *rows, void *dh_out)
{
    fut_backend *bk = loss->bk;
    if (loss->row.difference) {
        FUT_TRY(bk->difference_times_transposed(bk, rows, loss->real, loss->g, loss->h, loss->h, loss->params, dh_out, NULL));
        FUT_TRY(bk->difference_times(bk, rows, loss->real, 1, loss->g, loss->h, loss->h, loss->params, loss->dh_rows, NULL));
    } else {
        FUT_TRY(bk->gather_rows(bk, rows->n, loss->dim, loss->real, rows->row, loss->h, loss->dh_rows, NULL));
        FUT_TRY(bk->rows_times_transposed(bk, rows, loss->real, loss->g, loss->dh_rows, dh_out, NULL));
        FUT_TRY(bk->rows_times(bk, rows, loss->real, 1, loss->g, loss->h, loss->dh_rows, NULL));
    }
    return bk->add_rows(bk, rows->n, loss->dim, loss->real, rows->row, loss->dh_rows, dh_out, NULL);
}

/* The same of all rows, in the batch's order: dh = (g + g^T) h, one product. */
static fut_status spread_batch(fut_loss *loss, const fut_pair_rows *rows, void *dh_out)
{
    fut_backend *bk = loss->bk;
    FUT_TRY(bk->add_transposed(bk, loss->batch, loss->real, loss->g, NULL));
    if (loss->row.difference) return bk->difference_times(bk, rows, loss->real, 1, loss->g, loss->h, loss->h, loss->params, dh_out, NULL);
    return bk->rows_times(bk, rows, loss->real, 1, loss->g, loss->h, dh_out, NULL);
}

fut_status fut_loss_spread(fut_loss *loss, int64_t n, const int64_t *row, const double *total, void *dh_out)
{
    fut_pair_rows rows;
    FUT_TRY(pair_rows(loss, n, row, &rows));
    FUT_TRY(weigh_rows(loss, &rows, total));
    const fut_pair_rows valued = rows_valued(loss, &rows);
    return valued.row == loss->places ? spread_batch(loss, &valued, dh_out) : spread_rows(loss, &valued, dh_out);
}

fut_status fut_loss_take(fut_loss *loss, const void *dh)
{
    fut_backend *bk = loss->bk;
    size_t bytes = (size_t)(loss->batch * loss->dim) * fut_dtype_size(loss->real);
    if (loss->distance == FUT_DISTANCE_DOT) return bk->copy(bk, loss->de, dh, bytes, NULL);
    return bk->normalize_rows_backward(bk, loss->batch, loss->dim, loss->real, NULL, loss->h, loss->norm, dh, loss->de, NULL);
}

/* s_ij = h_i . r_j: dr_j += g_ij h_i, and from there to the weights as they are. */
static fut_status class_grads(fut_loss *loss, const fut_pair_rows *rows, void *dw_out)
{
    fut_backend *bk = loss->bk;
    const fut_loss_references *ref = &loss->ref;
    FUT_TRY(bk->gather_rows(bk, rows->n, loss->dim, loss->real, rows->row, loss->h, loss->dh_rows, NULL));
    FUT_TRY(bk->rows_times_transposed(bk, rows, loss->real, loss->g, loss->dh_rows, dw_out, NULL));
    return bk->normalize_rows_backward(bk, ref->count, loss->dim, loss->real, NULL, ref->unit, ref->norm, dw_out, dw_out, NULL);
}

/* Of the loss's parameters, from the weighed g of the rows, whose sums stand in memory. */
static fut_status params_grad(fut_loss *loss, const fut_pair_rows *rows, const double *total, void *dparams)
{
    fut_backend *bk = loss->bk;
    if (loss->of_classes) return class_grads(loss, rows, dparams);
    void *shift = (char *)dparams + (size_t)line_length(loss) * fut_dtype_size(loss->real);
    if (loss->row.difference)
        FUT_TRY(bk->difference_weights(bk, rows, loss->real, loss->g, loss->h, refs_compared(loss, loss->distance), dparams, NULL));
    return bk->logit_params(bk, &loss->row, loss->real, loss->sums, total, loss->row.difference ? NULL : dparams, shift, NULL);
}

/* Of a batch's pair both rows are the loss's, and what it is to one it is to the other; other references are at one end alone. */
fut_status fut_loss_grad(fut_loss *loss, int64_t n, const int64_t *row, const double *total, void *de_out, void *dparams_out)
{
    fut_backend *bk = loss->bk;
    fut_pair_rows rows;
    FUT_CHECK((dparams_out == NULL) == (loss->params == NULL), FUT_ERR_INTERNAL, "a loss %s parameters, %s gradient of them",
              loss->params == NULL ? "without" : "with", dparams_out == NULL ? "no" : "a");
    if (loss->spreads) FUT_TRY(bk->gather_rows(bk, n, loss->dim, loss->real, row, loss->de, de_out, NULL));
    if (loss->spreads && dparams_out == NULL) return FUT_OK;
    FUT_TRY(pair_rows(loss, n, row, &rows));
    FUT_TRY(weigh_rows(loss, &rows, total));
    if (dparams_out != NULL) FUT_TRY(params_grad(loss, &rows, total, dparams_out));
    if (loss->spreads) return FUT_OK;
    const void *refs = refs_compared(loss, loss->distance);
    const double ends = loss->ref.count > 0 ? 1 : 2;
    if (loss->row.difference)
        FUT_TRY(bk->difference_times(bk, &rows, loss->real, ends, loss->g, loss->h, refs, loss->params, de_out, NULL));
    else
        FUT_TRY(bk->rows_times(bk, &rows, loss->real, ends, loss->g, refs, de_out, NULL));
    if (loss->distance == FUT_DISTANCE_DOT) return FUT_OK;
    return bk->normalize_rows_backward(bk, n, loss->dim, loss->real, row, loss->h, loss->norm, de_out, de_out, NULL);
}

static double ratio(double sum, double count)
{
    return count > 0 ? sum / count : 0;
}

void fut_loss_read(const fut_loss *loss, const double *total, fut_loss_report *report_out)
{
    const fut_row_loss *row = &loss->row;
    *report_out = (fut_loss_report){
        .loss = total[FUT_ROW_LOSS] * fut_row_weight(row, total, FUT_ROW_KEPT) +
                total[FUT_ROW_LOSS_NEG] * fut_row_weight(row, total, fut_row_kept_neg(row)),
        .active_pos = total[FUT_ROW_ACTIVE_POS],
        .active_neg = total[FUT_ROW_ACTIVE_NEG],
        .count_pos = total[FUT_ROW_COUNT_POS],
        .count_neg = total[FUT_ROW_COUNT_NEG],
        .mean_pos = ratio(total[FUT_ROW_VALUE_POS], total[FUT_ROW_COUNT_POS]),
        .mean_neg = ratio(total[FUT_ROW_VALUE_NEG], total[FUT_ROW_COUNT_NEG]),
    };
}
