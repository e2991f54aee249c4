#include "core/loss/loss.h"

#include "core/base/mem.h"

#define FUT_LOSS(name) extern const fut_opt_choice fut_loss_##name;
#include "core/loss/losses.def"
#undef FUT_LOSS

const fut_opt_choice *const fut_loss_choices[] = {
#define FUT_LOSS(name) &fut_loss_##name,
#include "core/loss/losses.def"
#undef FUT_LOSS
    NULL,
};

fut_status fut_loss_create(fut_backend *bk, const fut_opt_variant *config, fut_dtype real, int64_t max_batch, int64_t max_rows, int64_t dim,
                           fut_loss **loss_out)
{
    fut_status st = FUT_OK;
    fut_loss *loss = NULL;
    size_t width = fut_dtype_size(real);
    FUT_TRY_GOTO(FUT_NEW(&loss), out);
    *loss = (fut_loss){.type = config->choice->payload,
                       .config = config->config,
                       .bk = bk,
                       .real = real,
                       .max_batch = max_batch,
                       .max_rows = max_rows,
                       .dim = dim};
    FUT_TRY_GOTO(bk->alloc(bk, (size_t)(max_batch * dim) * width, &loss->h), out);
    FUT_TRY_GOTO(bk->alloc(bk, (size_t)max_batch * width, &loss->norm), out);
    FUT_TRY_GOTO(bk->alloc(bk, (size_t)(max_rows * max_batch) * width, &loss->sim), out);
    *loss_out = loss;
    loss = NULL;
out:
    fut_loss_destroy(&loss);
    return st;
}

void fut_loss_destroy(fut_loss **loss)
{
    if (*loss == NULL) return;
    fut_backend *bk = (*loss)->bk;
    void *blocks[] = {(*loss)->h, (*loss)->norm, (*loss)->sim};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        if (blocks[i] != NULL) bk->free(bk, blocks[i]);
    fut_mem_free(*loss);
    *loss = NULL;
}

fut_status fut_loss_begin(fut_loss *loss, int64_t batch, const void *e, const int64_t *label, const int64_t *image)
{
    FUT_CHECK(batch <= loss->max_batch, FUT_ERR_SHAPE, "a batch of %lld, planned for %lld", (long long)batch, (long long)loss->max_batch);
    loss->batch = batch;
    loss->label = label;
    loss->image = image;
    return loss->bk->normalize_rows(loss->bk, batch, loss->dim, loss->real, e, loss->h, loss->norm, NULL);
}

static fut_status pair_rows(const fut_loss *loss, int64_t n, const int64_t *row, fut_pair_rows *rows_out)
{
    FUT_CHECK(n <= loss->max_rows, FUT_ERR_SHAPE, "a shard of %lld rows, planned for %lld", (long long)n, (long long)loss->max_rows);
    *rows_out = (fut_pair_rows){.n = n, .batch = loss->batch, .dim = loss->dim, .row = row, .label = loss->label, .image = loss->image};
    return FUT_OK;
}

fut_status fut_loss_rows(fut_loss *loss, int64_t n, const int64_t *row, double *sums)
{
    fut_pair_rows rows;
    FUT_TRY(pair_rows(loss, n, row, &rows));
    return loss->type->rows(loss, &rows, sums);
}

fut_status fut_loss_grad(fut_loss *loss, int64_t n, const int64_t *row, const double *sums, void *de_out)
{
    fut_backend *bk = loss->bk;
    fut_pair_rows rows;
    FUT_TRY(pair_rows(loss, n, row, &rows));
    FUT_TRY(loss->type->grad(loss, &rows, sums, de_out)); /* d loss / d h, then through the normalisation in place */
    return bk->normalize_rows_backward(bk, n, loss->dim, loss->real, row, loss->h, loss->norm, de_out, de_out, NULL);
}
