/* Every row of losses.def with its default options, in double on ref: the gradient of two shards' embeddings against central differences
 * of the loss of the whole batch. One image is in the batch twice. Losses of pairs again with a memory, which is held fixed. A loss that
 * stops a gradient on purpose has no such check; its golden values have one by its peer. */
#include "core/loss/loss.h"
#include "core/base/mem.h"
#include "core/base/yaml.h"
#include "tests/gradcheck/gradcheck.h"

#include <string.h>

extern const fut_opt_choice fut_loss_bce;

enum { BATCH = 11, DIM = 5, CLASSES = 6, FIRST = 6, SHARDS = 2, PARAMS_MAX = 64, MEMORY = 2 * BATCH + 3 };

typedef struct batch {
    fut_loss *loss;
    double e[BATCH * DIM];
    double sums[FUT_LOSS_SUMS];
    double params[PARAMS_MAX];
    bool held; /* what the memory has, in the three next */
    double memory[MEMORY * DIM], unit[MEMORY * DIM], norm[MEMORY];
} batch;

static const int64_t label[BATCH] = {0, 0, 0, 1, 1, 2, 2, 2, 3, 3, 4};
static const int64_t image[BATCH] = {10, 11, 12, 13, 14, 15, 16, 15, 17, 18, 19};
/* Places in the batch, as they are dealt to the shards. */
static const int64_t dealt[BATCH] = {7, 2, 9, 0, 10, 4, 1, 8, 3, 6, 5};
static const int64_t shard_first[SHARDS + 1] = {0, FIRST, BATCH};

/* A batch of other embeddings before it, every other one of the same photo: the memory's first. */
static void begin_earlier(batch *b)
{
    int64_t earlier[BATCH];
    for (int i = 0; i < BATCH; i++)
        earlier[i] = i % 2 == 0 ? image[i] : image[i] + 100;
    gradcheck_fill(b->e, BATCH * DIM, 3);
    FUT_TEST_OK(fut_loss_begin(b->loss, BATCH, b->e, label, earlier));
}

/* The batch enters where it entered first, and the memory is as it was then. `ref` keeps device memory on the host. */
static void begin(batch *b)
{
    const fut_loss *l = b->loss;
    struct {
        double *kept;
        void *block;
        size_t bytes;
    } blocks[] = {
        {b->memory, l->memory.e, sizeof b->memory}, {b->unit, l->ref.unit, sizeof b->unit}, {b->norm, l->ref.norm, sizeof b->norm}};
    if (l->memory.size > 0) *l->memory.entered = BATCH;
    FUT_TEST_OK(fut_loss_begin(b->loss, BATCH, b->e, label, image));
    for (size_t i = 0; l->memory.size > 0 && i < sizeof blocks / sizeof *blocks; i++)
        memcpy(b->held ? blocks[i].block : blocks[i].kept, b->held ? blocks[i].kept : blocks[i].block, blocks[i].bytes);
    b->held = true;
}

static double batch_loss(void *context)
{
    batch *b = context;
    fut_loss_report report;
    begin(b);
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

/* The loss's parameters, each a little away from where it starts; returns how many. */
static int64_t begin_params(batch *b, const fut_opt_variant *variant)
{
    int64_t n = 0;
    const fut_params params = fut_loss_params(variant, CLASSES, DIM);
    assert_in_range(fut_params_count(&params), 0, PARAMS_MAX);
    gradcheck_fill(b->params, fut_params_count(&params), 2);
    for (int p = 0; p < params.n; p++)
        for (int64_t k = fut_param_count(&params.param[p]); k > 0; k--)
            b->params[n++] += params.param[p].init.scale;
    if (n > 0) fut_loss_bind_params(b->loss, b->params);
    return n;
}

/* The loss with its default options, but for these. */
static void check_loss(fut_backend *bk, const fut_opt_choice *choice, int64_t memory, const char *options)
{
    batch b = {.loss = NULL};
    fut_opt_variant variant = {.choice = choice};
    fut_yaml_node *root = NULL;
    double dealt_gradient[BATCH * DIM], gradient[BATCH * DIM], mine[PARAMS_MAX], of_params[PARAMS_MAX] = {0};
    fut_loss_sizes sizes = {.batch = BATCH, .rows = BATCH, .dim = DIM, .classes = CLASSES, .memory = memory};
    FUT_TEST_OK(fut_mem_alloc(1, choice->config_size, &variant.config));
    FUT_TEST_OK(fut_opt_defaults(choice->options, variant.config));
    FUT_TEST_OK(fut_yaml_parse_text("case", options, strlen(options), &root));
    FUT_TEST_OK(fut_opt_load(choice->options, variant.config, root));
    fut_yaml_destroy(&root);
    FUT_TEST_OK(fut_loss_create(bk, &variant, NULL, FUT_F64, &sizes, &b.loss));
    const int64_t params = begin_params(&b, &variant);
    if (memory > 0) begin_earlier(&b);
    gradcheck_fill(b.e, BATCH * DIM, 1);
    batch_loss(&b);
    if (fut_loss_spreads(b.loss)) spread(&b);
    for (int s = 0; s < SHARDS; s++) {
        FUT_TEST_OK(fut_loss_grad(b.loss, shard_first[s + 1] - shard_first[s], dealt + shard_first[s], b.sums,
                                  dealt_gradient + shard_first[s] * DIM, params > 0 ? mine : NULL));
        for (int64_t k = 0; k < params; k++)
            of_params[k] += mine[k];
    }
    for (int64_t i = 0; i < BATCH; i++)
        for (int64_t k = 0; k < DIM; k++)
            gradient[dealt[i] * DIM + k] = dealt_gradient[i * DIM + k];
    gradcheck_variable e = {.name = "embeddings", .value = b.e, .gradient = gradient, .count = BATCH * DIM};
    gradcheck(choice->name, &e, batch_loss, &b);
    gradcheck_variable p = {.name = "parameters", .value = b.params, .gradient = of_params, .count = params};
    if (params > 0) gradcheck(choice->name, &p, batch_loss, &b);
    fut_loss_destroy(&b.loss);
    fut_opt_fini(choice->options, variant.config);
    fut_mem_free(variant.config);
}

static void every_loss(void **state)
{
    (void)state;
    fut_backend *bk = NULL;
    FUT_TEST_OK(fut_backend_create("ref", &(fut_backend_options){.threads = 1}, &bk));
    for (int i = 0; fut_loss_choices[i]; i++) {
        const fut_loss_type *type = fut_loss_choices[i]->payload;
        if (!type->stop_gradient) check_loss(bk, fut_loss_choices[i], 0, "");
        if (!type->stop_gradient && !type->of_classes) check_loss(bk, fut_loss_choices[i], MEMORY, "");
    }
    for (int64_t memory = 0; memory <= MEMORY; memory += MEMORY) {
        check_loss(bk, &fut_loss_bce, memory, "{pairs: all, distance: l2}");
        check_loss(bk, &fut_loss_bce, memory, "{pairs: all, distance: dot}");
        check_loss(bk, &fut_loss_bce, memory, "{head: difference}");
        check_loss(bk, &fut_loss_bce, memory, "{head: difference, distance: dot, pairs: all}");
    }
    fut_backend_destroy(&bk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_loss)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
