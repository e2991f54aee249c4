/* The loss bce against torch's autograd (make_bce.py): value, gradients of the embeddings and of the loss's own parameters, of every head,
 * distance and choice of pairs, with and without a miner; dealt to 1, 2 and 3 shards. On ref in f64 and on a backend in f32. */
#include "core/base/yaml.h"
#include "core/loss/loss.h"
#include "core/miner/miner.h"
#include "tests/support/device.h"
#include "tests/support/support.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define CASES FUT_TEST_SOURCE_DIR "/tests/golden/bce/cases.txt"
enum { BATCH_MAX = 20, VALUES_MAX = BATCH_MAX * 6, PARAMS_MAX = 8, SHARDS_MAX = 3 };

typedef struct golden {
    char name[96], config[256];
    int64_t n, dim, params, label[BATCH_MAX], image[BATCH_MAX];
    double loss, param[PARAMS_MAX], dparam[PARAMS_MAX], e[VALUES_MAX], de[VALUES_MAX];
} golden;

static void read_numbers(FILE *f, double *to, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        assert_int_equal(fscanf(f, "%lf", &to[i]), 1);
}

/* The case after `f`'s place; false at the end. */
static bool read_case(FILE *f, golden *g)
{
    long long n, dim, params;
    if (fscanf(f, " case %95s %lld %lld %lld %255[^\n]", g->name, &n, &dim, &params, g->config) != 5) return false;
    assert_true(n <= BATCH_MAX && n * dim <= VALUES_MAX && params <= PARAMS_MAX);
    g->n = n;
    g->dim = dim;
    g->params = params;
    read_numbers(f, &g->loss, 1);
    read_numbers(f, g->param, params);
    read_numbers(f, g->dparam, params);
    for (int64_t i = 0; i < n; i++) {
        long long label, image;
        assert_int_equal(fscanf(f, "%lld %lld", &label, &image), 2);
        g->label[i] = label;
        g->image[i] = image;
        read_numbers(f, g->e + i * dim, dim);
        read_numbers(f, g->de + i * dim, dim);
    }
    return true;
}

typedef struct loss_config {
    fut_opt_variant loss, miner;
} loss_config;

static const fut_opt config_table[] = {FUT_OPT_VARIANT(loss_config, loss, "bce", fut_loss_choices, ""),
                                       FUT_OPT_VARIANT(loss_config, miner, "none", fut_miner_choices, ""), FUT_OPT_END};

/* Where numbers of the host are f64 and the device's `real`. */
typedef struct device {
    fut_backend *bk;
    fut_dtype real;
} device;

static void *put(const device *d, const double *from, int64_t n)
{
    float narrow[VALUES_MAX];
    for (int64_t i = 0; i < n; i++)
        narrow[i] = (float)from[i];
    return fut_test_device(d->bk, d->real == FUT_F64 ? (const void *)from : narrow, (size_t)n * fut_dtype_size(d->real));
}

static void take(const device *d, const void *from, double *to, int64_t n)
{
    float narrow[VALUES_MAX];
    fut_test_from_device(d->bk, d->real == FUT_F64 ? (void *)to : narrow, from, (size_t)n * fut_dtype_size(d->real));
    for (int64_t i = 0; d->real == FUT_F32 && i < n; i++)
        to[i] = narrow[i];
}

/* What a run has on the device. */
typedef struct run {
    void *e, *param, *dparam, *de, *dh, *dh_sum;
    int64_t *label, *image, *row;
    double *sums, *total;
} run;

static run begin(const device *d, const golden *g, const int64_t *row)
{
    const double zero[VALUES_MAX] = {0};
    const size_t ids = (size_t)g->n * sizeof(int64_t), sums = FUT_LOSS_SUMS * sizeof(double);
    return (run){.e = put(d, g->e, g->n * g->dim),
                 .param = put(d, g->param, g->params),
                 .dparam = put(d, zero, g->params),
                 .de = put(d, zero, g->n * g->dim),
                 .dh = put(d, zero, g->n * g->dim),
                 .dh_sum = put(d, zero, g->n * g->dim),
                 .label = fut_test_device(d->bk, g->label, ids),
                 .image = fut_test_device(d->bk, g->image, ids),
                 .row = fut_test_device(d->bk, row, ids),
                 .sums = fut_test_device(d->bk, NULL, sums),
                 .total = fut_test_device(d->bk, NULL, sums)};
}

static void end(const device *d, run *r)
{
    void *blocks[] = {r->e, r->param, r->dparam, r->de, r->dh, r->dh_sum, r->label, r->image, r->row, r->sums, r->total};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        d->bk->free(d->bk, blocks[i]);
}

/* Sums of all shards, on the device; returns the loss. */
static double forward(const device *d, const golden *g, fut_loss *loss, run *r, int shards)
{
    double total[FUT_LOSS_SUMS] = {0}, mine[FUT_LOSS_SUMS];
    fut_loss_report report;
    FUT_TEST_OK(fut_loss_begin(loss, g->n, r->e, r->label, r->image));
    for (int s = 0; s < shards; s++) {
        int64_t first = g->n * s / shards, last = g->n * (s + 1) / shards;
        FUT_TEST_OK(fut_loss_rows(loss, last - first, r->row + first, r->sums));
        fut_test_from_device(d->bk, mine, r->sums, sizeof mine);
        for (int k = 0; k < FUT_LOSS_SUMS; k++)
            total[k] += mine[k];
    }
    fut_test_to_device(d->bk, r->total, total, sizeof total);
    fut_loss_read(loss, total, &report);
    return report.loss;
}

/* Adds up on the host what each shard makes of `from`. */
static void add_up(const device *d, const void *from, int64_t n, double *sum)
{
    double mine[VALUES_MAX];
    take(d, from, mine, n);
    for (int64_t k = 0; k < n; k++)
        sum[k] += mine[k];
}

static void backward(const device *d, const golden *g, fut_loss *loss, run *r, int shards, const int64_t *row, double *de, double *dparam)
{
    double dh[VALUES_MAX] = {0}, mine[VALUES_MAX];
    for (int s = 0; s < shards && fut_loss_spreads(loss); s++) {
        int64_t first = g->n * s / shards, last = g->n * (s + 1) / shards;
        FUT_TEST_OK(fut_loss_spread(loss, last - first, r->row + first, r->total, r->dh));
        add_up(d, r->dh, g->n * g->dim, dh);
    }
    if (fut_loss_spreads(loss)) {
        d->bk->free(d->bk, r->dh_sum);
        r->dh_sum = put(d, dh, g->n * g->dim);
        FUT_TEST_OK(fut_loss_take(loss, r->dh_sum));
    }
    for (int s = 0; s < shards; s++) {
        int64_t first = g->n * s / shards, last = g->n * (s + 1) / shards;
        FUT_TEST_OK(fut_loss_grad(loss, last - first, r->row + first, r->total, r->de, r->dparam));
        take(d, r->de, mine, (last - first) * g->dim);
        for (int64_t i = first; i < last; i++)
            memcpy(de + row[i] * g->dim, mine + (i - first) * g->dim, (size_t)g->dim * sizeof *de);
        add_up(d, r->dparam, g->params, dparam);
    }
}

static void check_case(const device *d, const golden *g, int shards)
{
    const double tolerance = d->real == FUT_F64 ? 1e-10 : 1e-5;
    double de[VALUES_MAX], dparam[PARAMS_MAX] = {0};
    int64_t row[BATCH_MAX];
    loss_config config = {0};
    fut_row_miner miner;
    fut_loss *loss = NULL;
    fut_yaml_node *root = NULL;
    for (int64_t i = 0; i < g->n; i++)
        row[i] = (i * (g->n % 7 ? 7 : 1)) % g->n; /* a permutation */
    FUT_TEST_OK(fut_opt_defaults(config_table, &config));
    FUT_TEST_OK(fut_yaml_parse_text("case", g->config, strlen(g->config), &root));
    FUT_TEST_OK(fut_opt_load(config_table, &config, root));
    fut_yaml_destroy(&root);
    const fut_params params = fut_loss_params(&config.loss, 1, g->dim);
    assert_int_equal(fut_params_count(&params), g->params);
    run r = begin(d, g, row);
    FUT_TEST_OK(fut_miner_describe(&config.miner, &miner));
    FUT_TEST_OK(
        fut_loss_create(d->bk, &config.loss, &miner, d->real, &(fut_loss_sizes){.batch = g->n, .rows = g->n, .dim = g->dim}, &loss));
    fut_loss_bind_params(loss, r.param);
    const double value = forward(d, g, loss, &r, shards);
    backward(d, g, loss, &r, shards, row, de, dparam);
    if (fabs(value - g->loss) > tolerance) fail_msg("%s: the loss is %.15g, torch's %.15g", g->name, value, g->loss);
    for (int64_t k = 0; k < g->params; k++)
        if (!(fabs(dparam[k] - g->dparam[k]) <= tolerance))
            fail_msg("%s on %d shards: gradient %lld of the parameters is %.12g, torch's %.12g", g->name, shards, (long long)k, dparam[k],
                     g->dparam[k]);
    for (int64_t k = 0; k < g->n * g->dim; k++)
        if (!(fabs(de[k] - g->de[k]) <= tolerance))
            fail_msg("%s on %d shards: gradient %lld of photo %lld is %.12g, torch's %.12g", g->name, shards, (long long)(k % g->dim),
                     (long long)(k / g->dim), de[k], g->de[k]);
    end(d, &r);
    fut_loss_destroy(&loss);
    fut_opt_fini(config_table, &config);
}

static void on(const char *backend, fut_dtype real)
{
    static golden g;
    device d = {.real = real};
    int cases = 0;
    FILE *f = fopen(CASES, "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "#%*[^\n]"), 0);
    FUT_TEST_OK(fut_backend_create(backend, &(fut_backend_options){.threads = 1}, &d.bk));
    for (; read_case(f, &g); cases++)
        for (int shards = 1; shards <= SHARDS_MAX; shards++)
            check_case(&d, &g, shards);
    assert_true(feof(f));
    assert_true(cases >= 60);
    fut_backend_destroy(&d.bk);
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
