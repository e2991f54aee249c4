/* Losses with a memory against pytorch-metric-learning's CrossBatchMemory (make_xbm.py): values and gradients of batches one after the
 * other that go round the ring, with and without a miner. On ref in f64 and on a backend in f32; dealt to 1 and 3 shards, where every
 * photo's gradient has the same bits. */
#include "core/base/yaml.h"
#include "core/loss/loss.h"
#include "core/miner/miner.h"
#include "tests/support/device.h"
#include "tests/support/support.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define CASES FUT_TEST_SOURCE_DIR "/tests/golden/xbm/cases.txt"
enum { BATCH_MAX = 8, DIM_MAX = 4, VALUES_MAX = BATCH_MAX * DIM_MAX };

typedef struct golden_batch {
    int64_t n, label[BATCH_MAX], image[BATCH_MAX];
    double loss, e[VALUES_MAX], de[VALUES_MAX];
} golden_batch;

static int64_t read_integer(FILE *f)
{
    long long value;
    assert_int_equal(fscanf(f, "%lld", &value), 1);
    return value;
}

static void read_numbers(FILE *f, double *to, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        assert_int_equal(fscanf(f, "%lf", &to[i]), 1);
}

static void read_batch(FILE *f, int64_t dim, golden_batch *b)
{
    assert_int_equal(fscanf(f, " step"), 0);
    b->n = read_integer(f);
    assert_in_range(b->n, 1, BATCH_MAX);
    read_numbers(f, &b->loss, 1);
    for (int64_t i = 0; i < b->n; i++) {
        b->label[i] = read_integer(f);
        b->image[i] = read_integer(f);
        read_numbers(f, b->e + i * dim, dim);
        read_numbers(f, b->de + i * dim, dim);
    }
}

/* One way to compute a case. */
typedef struct computation {
    fut_backend *bk;
    fut_dtype real;
    int shards;
    fut_loss *loss;
    int64_t dim;
} computation;

/* The batch's loss, and the bits of its gradient in the batch's order. */
static double step(const computation *c, const golden_batch *b, void *gradient)
{
    fut_backend *bk = c->bk;
    const size_t ids = (size_t)b->n * sizeof(int64_t), row_bytes = (size_t)c->dim * fut_dtype_size(c->real);
    double total[FUT_LOSS_SUMS] = {0}, mine[FUT_LOSS_SUMS], of_shard[VALUES_MAX];
    float narrow[VALUES_MAX];
    int64_t row[BATCH_MAX];
    fut_loss_report report;
    for (int64_t i = 0; i < b->n; i++) {
        row[i] = i * 3 % b->n; /* a permutation */
        for (int64_t k = i * c->dim; k < (i + 1) * c->dim; k++)
            narrow[k] = (float)b->e[k];
    }
    void *device[] = {fut_test_device(bk, c->real == FUT_F64 ? (const void *)b->e : narrow, (size_t)b->n * row_bytes),
                      fut_test_device(bk, b->label, ids),
                      fut_test_device(bk, b->image, ids),
                      fut_test_device(bk, row, ids),
                      fut_test_device(bk, NULL, sizeof mine),
                      fut_test_device(bk, NULL, (size_t)b->n * row_bytes)};
    const int64_t *rows = device[3];
    FUT_TEST_OK(fut_loss_begin(c->loss, b->n, device[0], device[1], device[2]));
    for (int s = 0; s < c->shards; s++) {
        const int64_t first = b->n * s / c->shards, end = b->n * (s + 1) / c->shards;
        FUT_TEST_OK(fut_loss_rows(c->loss, end - first, rows + first, device[4]));
        fut_test_from_device(bk, mine, device[4], sizeof mine);
        for (int k = 0; k < FUT_LOSS_SUMS; k++)
            total[k] += mine[k];
    }
    fut_test_to_device(bk, device[4], total, sizeof total);
    for (int s = 0; s < c->shards; s++) {
        const int64_t first = b->n * s / c->shards, end = b->n * (s + 1) / c->shards;
        FUT_TEST_OK(fut_loss_grad(c->loss, end - first, rows + first, device[4], device[5], NULL));
        fut_test_from_device(bk, of_shard, device[5], (size_t)(end - first) * row_bytes);
        for (int64_t i = first; i < end; i++)
            memcpy((char *)gradient + (size_t)row[i] * row_bytes, (const char *)of_shard + (size_t)(i - first) * row_bytes, row_bytes);
    }
    fut_loss_read(c->loss, total, &report);
    for (size_t i = 0; i < sizeof device / sizeof *device; i++)
        bk->free(bk, device[i]);
    return report.loss;
}

typedef struct loss_config {
    fut_opt_variant loss, miner;
} loss_config;

static const fut_opt config_table[] = {FUT_OPT_VARIANT(loss_config, loss, "contrastive", fut_loss_choices, ""),
                                       FUT_OPT_VARIANT(loss_config, miner, "none", fut_miner_choices, ""), FUT_OPT_END};

static void create_loss(const char *text, int64_t memory, computation *c)
{
    loss_config config = {0};
    fut_yaml_node *root = NULL;
    fut_row_miner miner;
    FUT_TEST_OK(fut_opt_defaults(config_table, &config));
    FUT_TEST_OK(fut_yaml_parse_text("case", text, strlen(text), &root));
    FUT_TEST_OK(fut_opt_load(config_table, &config, root));
    fut_yaml_destroy(&root);
    FUT_TEST_OK(fut_miner_describe(&config.miner, &miner));
    FUT_TEST_OK(fut_loss_create(c->bk, &config.loss, &miner, c->real,
                                &(fut_loss_sizes){.batch = BATCH_MAX, .rows = BATCH_MAX, .dim = c->dim, .memory = memory}, &c->loss));
    assert_false(fut_loss_spreads(c->loss));
    fut_opt_fini(config_table, &config);
}

static void check_gradient(const char *name, const computation *c, const golden_batch *b, const void *gradient, double tolerance)
{
    for (int64_t i = 0; i < b->n; i++) {
        double difference = 0, norm = 0;
        for (int64_t k = i * c->dim; k < (i + 1) * c->dim; k++) {
            const double got = c->real == FUT_F64 ? ((const double *)gradient)[k] : ((const float *)gradient)[k];
            difference += (got - b->de[k]) * (got - b->de[k]);
            norm += b->de[k] * b->de[k];
        }
        if (!(sqrt(difference) <= tolerance * fmax(sqrt(norm), 0.01)))
            fail_msg("%s: the gradient of photo %lld is off by %g of %g", name, (long long)i, sqrt(difference), sqrt(norm));
    }
}

/* The case after `f`'s place, on 1 and 3 shards; false at the end. */
static bool check_case(FILE *f, fut_backend *bk, fut_dtype real)
{
    const double tolerance = real == FUT_F64 ? 1e-10 : 1e-4;
    char name[128], text[256];
    long long memory, dim, steps;
    if (fscanf(f, " case %127s %lld %lld %lld %255[^\n]", name, &memory, &dim, &steps, text) != 5) return false;
    assert_in_range(dim, 1, DIM_MAX);
    computation one = {.bk = bk, .real = real, .shards = 1, .dim = dim}, three = {.bk = bk, .real = real, .shards = 3, .dim = dim};
    create_loss(text, memory, &one);
    create_loss(text, memory, &three);
    for (long long i = 0; i < steps; i++) {
        golden_batch b;
        double gradient[VALUES_MAX] = {0}, dealt[VALUES_MAX] = {0};
        read_batch(f, dim, &b);
        const double value = step(&one, &b, gradient), of_three = step(&three, &b, dealt);
        if (!(fabs(value - b.loss) <= tolerance * fmax(b.loss, 0.01)))
            fail_msg("%s, step %lld: the loss is %.12g, the peer's %.12g", name, i, value, b.loss);
        check_gradient(name, &one, &b, gradient, tolerance);
        assert_true(fabs(of_three - value) <= 1e-13 * value);
        assert_memory_equal(dealt, gradient, (size_t)(b.n * dim) * fut_dtype_size(real));
    }
    fut_loss_destroy(&one.loss);
    fut_loss_destroy(&three.loss);
    return true;
}

static void on(const char *backend, fut_dtype real)
{
    fut_backend *bk = NULL;
    int cases = 0;
    FILE *f = fopen(CASES, "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "#%*[^\n]"), 0);
    FUT_TEST_OK(fut_backend_create(backend, &(fut_backend_options){.threads = 1}, &bk));
    while (check_case(f, bk, real))
        cases++;
    assert_true(feof(f));
    assert_true(cases >= 19);
    fut_backend_destroy(&bk);
    fclose(f);
}

static void on_ref_f64(void **state)
{
    (void)state;
    on("ref", FUT_F64);
}

static void on_the_backend(void **state)
{
    (void)state;
    on(fut_test_backend("cpu"), FUT_F32);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(on_ref_f64), cmocka_unit_test(on_the_backend)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
