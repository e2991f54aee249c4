/* Every row of losses.def with its default options, in double on ref: the gradient of two shards' embeddings against central differences
 * of the loss of the whole batch. One image is in the batch twice. A loss that stops a gradient on purpose has no such check; its golden
 * values have one by its peer. */
#include "core/loss/loss.h"
#include "core/base/mem.h"
#include "tests/gradcheck/gradcheck.h"

enum { BATCH = 11, DIM = 5, FIRST = 6, SHARDS = 2 };

typedef struct batch {
    fut_loss *loss;
    double e[BATCH * DIM];
    double sums[FUT_LOSS_SUMS];
} batch;

static const int64_t label[BATCH] = {0, 0, 0, 1, 1, 2, 2, 2, 3, 3, 4};
static const int64_t image[BATCH] = {10, 11, 12, 13, 14, 15, 16, 15, 17, 18, 19};
/* Places in the batch, as they are dealt to the shards. */
static const int64_t dealt[BATCH] = {7, 2, 9, 0, 10, 4, 1, 8, 3, 6, 5};
static const int64_t shard_first[SHARDS + 1] = {0, FIRST, BATCH};

static double batch_loss(void *context)
{
    batch *b = context;
    fut_loss_report report;
    FUT_TEST_OK(fut_loss_begin(b->loss, BATCH, b->e, label, image));
    for (int k = 0; k < FUT_LOSS_SUMS; k++)
        b->sums[k] = 0;
    for (int s = 0; s < SHARDS; s++) {
        double sums[FUT_LOSS_SUMS] = {0};
        FUT_TEST_OK(fut_loss_rows(b->loss, shard_first[s + 1] - shard_first[s], dealt + shard_first[s], sums));
        for (int k = 0; k < FUT_LOSS_SUMS; k++)
            b->sums[k] += sums[k];
    }
    fut_loss_read(b->loss, b->sums, &report);
    return report.loss;
}

/* What both shards do to every embedding. */
static void spread(batch *b)
{
    double dh[BATCH * DIM], sum[BATCH * DIM] = {0};
    for (int s = 0; s < SHARDS; s++) {
        FUT_TEST_OK(fut_loss_spread(b->loss, shard_first[s + 1] - shard_first[s], dealt + shard_first[s], b->sums, dh));
        for (int k = 0; k < BATCH * DIM; k++)
            sum[k] += dh[k];
    }
    FUT_TEST_OK(fut_loss_take(b->loss, sum));
}

static void check_loss(fut_backend *bk, const fut_opt_choice *choice)
{
    batch b = {.loss = NULL};
    fut_opt_variant variant = {.choice = choice};
    double dealt_gradient[BATCH * DIM], gradient[BATCH * DIM];
    FUT_TEST_OK(fut_mem_alloc(1, choice->config_size, &variant.config));
    FUT_TEST_OK(fut_opt_defaults(choice->options, variant.config));
    FUT_TEST_OK(fut_loss_create(bk, &variant, NULL, FUT_F64, BATCH, BATCH, DIM, &b.loss));
    gradcheck_fill(b.e, BATCH * DIM, 1);
    batch_loss(&b);
    if (!fut_loss_is_symmetric(b.loss)) spread(&b);
    for (int s = 0; s < SHARDS; s++)
        FUT_TEST_OK(fut_loss_grad(b.loss, shard_first[s + 1] - shard_first[s], dealt + shard_first[s], b.sums,
                                  dealt_gradient + shard_first[s] * DIM, NULL));
    for (int64_t i = 0; i < BATCH; i++)
        for (int64_t k = 0; k < DIM; k++)
            gradient[dealt[i] * DIM + k] = dealt_gradient[i * DIM + k];
    gradcheck_variable e = {.name = "embeddings", .value = b.e, .gradient = gradient, .count = BATCH * DIM};
    gradcheck(choice->name, &e, batch_loss, &b);
    fut_loss_destroy(&b.loss);
    fut_opt_fini(choice->options, variant.config);
    fut_mem_free(variant.config);
}

static void every_loss(void **state)
{
    (void)state;
    fut_backend *bk = NULL;
    FUT_TEST_OK(fut_backend_create("ref", &(fut_backend_options){.threads = 1}, &bk));
    for (int i = 0; fut_loss_choices[i]; i++)
        if (!((const fut_loss_type *)fut_loss_choices[i]->payload)->stop_gradient) check_loss(bk, fut_loss_choices[i]);
    fut_backend_destroy(&bk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_loss)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
