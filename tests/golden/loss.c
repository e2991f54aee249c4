/* Every loss and miner against pytorch-metric-learning (make_loss.py): value, pairs and gradient, on ref in f64 and f32 and on cpu; dealt
 * to 1, 2 and 3 shards, where the tree must give the same sums and, of a symmetric loss, every row the same bits of gradient. */
#include "core/loss/loss.h"
#include "core/base/mem.h"
#include "core/base/yaml.h"
#include "core/miner/miner.h"
#include "dist/comm.h"
#include "dist/reduce.h"
#include "tests/support/device.h"
#include "tests/support/support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GOLDEN FUT_TEST_SOURCE_DIR "/tests/golden/loss/"
enum { BATCH_MAX = 37, REFS_MAX = 37, DIM_MAX = 24, SHARDS_MAX = 3, VALUES_MAX = BATCH_MAX * DIM_MAX };

typedef struct golden {
    char name[64], config[256], kinds[BATCH_MAX][BATCH_MAX + 1]; /* of each photo's pairs, as characters; "-" not told */
    int64_t n, dim;
    double loss, active_pos, active_neg, count_pos, count_neg; /* active_pos -1: no counts */
    int64_t label[BATCH_MAX], image[BATCH_MAX];
    double e[VALUES_MAX], de[VALUES_MAX];
    int64_t refs; /* classes; 0: the batch is compared with itself */
    double w[VALUES_MAX], dw[VALUES_MAX];
} golden;

static void read_values(FILE *f, int64_t dim, double *x, double *dx)
{
    for (int64_t k = 0; k < 2 * dim; k++)
        assert_int_equal(fscanf(f, "%lf", k < dim ? &x[k] : &dx[k - dim]), 1);
}

/* The case after `f`'s place; false at the end. */
static bool read_case(FILE *f, golden *g)
{
    long long n, dim;
    int matched = 0;
    if (fscanf(f, " case %63s %lld %lld %255[^\n]", g->name, &n, &dim, g->config) != 4) return false;
    assert_true(n <= BATCH_MAX && dim <= DIM_MAX);
    g->n = n;
    g->dim = dim;
    assert_int_equal(fscanf(f, "%lf %lf %lf %lf %lf", &g->loss, &g->active_pos, &g->active_neg, &g->count_pos, &g->count_neg), 5);
    for (int64_t i = 0; i < g->n; i++) {
        long long label, image;
        assert_int_equal(fscanf(f, "%lld %lld %37s", &label, &image, g->kinds[i]), 3);
        g->label[i] = label;
        g->image[i] = image;
        read_values(f, g->dim, &g->e[i * g->dim], &g->de[i * g->dim]);
    }
    for (g->refs = 0; fscanf(f, " ref %*d %*d%n", &matched), matched > 0; g->refs++, matched = 0) {
        assert_true(g->refs < REFS_MAX);
        read_values(f, g->dim, &g->w[g->refs * g->dim], &g->dw[g->refs * g->dim]);
    }
    return true;
}

typedef struct oracle {
    const char *backend;
    fut_dtype real;
    double tolerance; /* of the loss, and of a row's gradient relative to its norm */
} oracle;

/* A case's configuration. */
typedef struct loss_config {
    fut_opt_variant loss, miner;
} loss_config;

static const fut_opt config_table[] = {FUT_OPT_VARIANT(loss_config, loss, "contrastive", fut_loss_choices, ""),
                                       FUT_OPT_VARIANT(loss_config, miner, "none", fut_miner_choices, ""), FUT_OPT_END};

static void configure(const golden *g, loss_config *config)
{
    fut_yaml_node *root = NULL;
    FUT_TEST_OK(fut_opt_defaults(config_table, config));
    FUT_TEST_OK(fut_yaml_parse_text("case", g->config, strlen(g->config), &root));
    FUT_TEST_OK(fut_opt_load(config_table, config, root));
    fut_yaml_destroy(&root);
}

static void convert(fut_dtype real, void *to, const double *from, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (real == FUT_F64)
            ((double *)to)[i] = from[i];
        else
            ((float *)to)[i] = (float)from[i];
}

/* The choice of the pairs of the n rows in memory is the peer's, pair for pair. */
static void check_kinds(fut_backend *bk, const golden *g, const fut_loss *loss, int64_t n)
{
    uint8_t kind[BATCH_MAX * BATCH_MAX];
    int64_t row[BATCH_MAX];
    fut_test_from_device(bk, kind, loss->kind, (size_t)(n * g->n));
    fut_test_from_device(bk, row, loss->computed, (size_t)n * sizeof *row);
    for (int64_t i = 0; i < n * g->n; i++)
        if (g->kinds[row[i / g->n]][i % g->n] != '0' + kind[i])
            fail_msg("%s: the pair %lld, %lld is %d, the peer's %c", g->name, (long long)row[i / g->n], (long long)(i % g->n), kind[i],
                     g->kinds[row[i / g->n]][i % g->n]);
}

/* What the shards do to every embedding, summed over them. */
static void spread(fut_backend *bk, fut_comm *comm, fut_loss *loss, int shards, const int64_t *rows, const double *total)
{
    fut_tree *tree = NULL;
    const void *sum = NULL;
    FUT_TEST_OK(fut_tree_create(comm, bk, shards, loss->batch * loss->dim, loss->real, 0, &tree));
    for (int s = 0; s < shards; s++) {
        void *leaf = NULL;
        int64_t first, end;
        fut_shard_range(s, shards, loss->batch, &first, &end);
        FUT_TEST_OK(fut_tree_begin_leaf(tree, s, &leaf));
        FUT_TEST_OK(fut_loss_spread(loss, end - first, rows + first, total, leaf));
        FUT_TEST_OK(fut_tree_leaf_ready(tree, 0, "gradients"));
    }
    FUT_TEST_OK(fut_tree_finish(tree, &sum, "gradients"));
    FUT_TEST_OK(fut_loss_take(loss, sum));
    FUT_TEST_OK(bk->sync(bk, NULL));
    fut_tree_destroy(&tree);
}

/* sum += a shard's summand, in dtype `real`. */
static void add_summand(fut_dtype real, const void *summand, int64_t n, void *sum)
{
    for (int64_t i = 0; i < n; i++)
        if (real == FUT_F64)
            ((double *)sum)[i] += ((const double *)summand)[i];
        else
            ((float *)sum)[i] += ((const float *)summand)[i];
}

/* The loss of one batch dealt to `shards`; gradients, of the embeddings in the batch's order and of the weights, as bits of dtype `real`.
 */
static void run(fut_backend *bk, const oracle *o, const golden *g, int shards, double *sums, fut_loss_report *report, void *gradient,
                void *of_weights, bool *symmetric)
{
    loss_config config = {0};
    fut_row_miner miner;
    fut_loss *loss = NULL;
    fut_comm *comm = NULL;
    double e[VALUES_MAX], de[VALUES_MAX], w[VALUES_MAX], dw[VALUES_MAX], mine[SHARDS_MAX][FUT_LOSS_SUMS];
    fut_loss_sizes sizes = {.batch = g->n, .rows = g->n, .dim = g->dim, .classes = g->refs};
    int64_t row[BATCH_MAX], first[SHARDS_MAX], end[SHARDS_MAX];
    size_t ids = (size_t)g->n * sizeof(int64_t);
    size_t row_bytes = (size_t)g->dim * fut_dtype_size(o->real);
    int64_t stride = g->n % 5 ? 5 : 1; /* a permutation, so that a shard's rows lie all over the batch */
    for (int64_t i = 0; i < g->n; i++)
        row[i] = i * stride % g->n;
    configure(g, &config);
    size_t weights = (size_t)(g->refs * g->dim) * fut_dtype_size(o->real);
    convert(o->real, e, g->e, g->n * g->dim);
    convert(o->real, w, g->w, g->refs * g->dim);
    memset(of_weights, 0, weights);
    void *device[] = {fut_test_device(bk, e, (size_t)g->n * row_bytes),
                      fut_test_device(bk, g->label, ids),
                      fut_test_device(bk, g->image, ids),
                      fut_test_device(bk, row, ids),
                      fut_test_device(bk, NULL, sizeof mine[0]),
                      fut_test_device(bk, NULL, (size_t)g->n * row_bytes),
                      fut_test_device(bk, w, weights + 1), /* may be none */
                      fut_test_device(bk, NULL, weights + 1)};
    const int64_t *rows = device[3];
    FUT_TEST_OK(fut_comm_create_self(&comm));
    FUT_TEST_OK(fut_miner_describe(&config.miner, &miner));
    FUT_TEST_OK(fut_loss_create(bk, &config.loss, &miner, o->real, &sizes, &loss));
    if (g->refs > 0) fut_loss_bind_params(loss, device[6]);
    FUT_TEST_OK(fut_loss_begin(loss, g->n, device[0], device[1], device[2]));
    for (int s = 0; s < shards; s++) {
        fut_shard_range(s, shards, g->n, &first[s], &end[s]);
        FUT_TEST_OK(fut_loss_rows(loss, end[s] - first[s], rows + first[s], device[4]));
        fut_test_from_device(bk, mine[s], device[4], sizeof mine[s]);
        if (g->kinds[0][0] != '-') check_kinds(bk, g, loss, end[s] - first[s]);
    }
    FUT_TEST_OK(fut_tree_sum_f64(comm, shards, mine[0], FUT_LOSS_SUMS, FUT_LOSS_SUMS, sums, "sums"));
    fut_test_to_device(bk, device[4], sums, sizeof mine[0]);
    if (fut_loss_spreads(loss)) spread(bk, comm, loss, shards, rows, device[4]);
    for (int s = 0; s < shards; s++) {
        FUT_TEST_OK(fut_loss_grad(loss, end[s] - first[s], rows + first[s], device[4], device[5], g->refs > 0 ? device[7] : NULL));
        if (g->refs > 0) fut_test_from_device(bk, dw, device[7], weights);
        add_summand(o->real, dw, g->refs * g->dim, of_weights);
        fut_test_from_device(bk, de, device[5], (size_t)(end[s] - first[s]) * row_bytes);
        for (int64_t i = first[s]; i < end[s]; i++)
            memcpy((char *)gradient + (size_t)row[i] * row_bytes, (const char *)de + (size_t)(i - first[s]) * row_bytes, row_bytes);
    }
    fut_loss_read(loss, sums, report);
    *symmetric = !fut_loss_spreads(loss);
    for (size_t i = 0; i < sizeof device / sizeof *device; i++)
        bk->free(bk, device[i]);
    fut_loss_destroy(&loss);
    fut_comm_destroy(&comm);
    fut_opt_fini(config_table, &config);
}

/* Largest error of a row's gradient, relative to its norm; of a row that should be zero, relative to the gradient's scale 2 / length. */
static double rows_error(const oracle *o, const golden *g, int64_t n, const double *e, const double *de, const void *gradient)
{
    double worst = 0;
    for (int64_t i = 0; i < n; i++) {
        double difference = 0, norm = 0, length = 0;
        for (int64_t k = i * g->dim; k < (i + 1) * g->dim; k++) {
            double got = o->real == FUT_F64 ? ((const double *)gradient)[k] : ((const float *)gradient)[k];
            difference += (got - de[k]) * (got - de[k]);
            norm += de[k] * de[k];
            length += e[k] * e[k];
        }
        double scale = fmax(sqrt(norm), 0.01 / fmax(sqrt(length), 1e-12));
        double error = sqrt(difference) / scale;
        if (!(error <= worst)) worst = error;
    }
    return worst;
}

static double gradient_error(const oracle *o, const golden *g, const void *gradient, const void *of_weights)
{
    return fmax(rows_error(o, g, g->n, g->e, g->de, gradient), rows_error(o, g, g->refs, g->w, g->dw, of_weights));
}

static void check_case(fut_backend *bk, const oracle *o, const golden *g)
{
    double sums[FUT_LOSS_SUMS], one[FUT_LOSS_SUMS], gradient[VALUES_MAX], whole[VALUES_MAX], weights[VALUES_MAX];
    fut_loss_report report;
    bool symmetric;
    run(bk, o, g, 1, one, &report, whole, weights, &symmetric);
    double error = gradient_error(o, g, whole, weights), loss_error = fabs(report.loss - g->loss) / fmax(g->loss, 0.01);
    if (error > 0.1 * o->tolerance || loss_error > 0.1 * o->tolerance)
        print_message("%s %s %s: loss %.9g off by %.1e, gradient by %.1e\n", o->backend, fut_dtype_name(o->real), g->name, report.loss,
                      loss_error, error);
    if (g->active_pos >= 0) {
        assert_true(report.active_pos == g->active_pos && report.active_neg == g->active_neg);
        assert_true(report.count_pos == g->count_pos && report.count_neg == g->count_neg);
    }
    assert_true(loss_error <= o->tolerance);
    assert_true(error <= o->tolerance);
    for (int shards = 2; shards <= SHARDS_MAX && shards <= g->n; shards++) {
        run(bk, o, g, shards, sums, &report, gradient, weights, &symmetric);
        FUT_TEST_CLOSE_F64(sums, one, FUT_LOSS_SUMS, 1e-13, 1e-13);
        if (symmetric) assert_memory_equal(gradient, whole, (size_t)(g->n * g->dim) * fut_dtype_size(o->real));
        assert_true(gradient_error(o, g, gradient, weights) <= o->tolerance);
    }
}

static void check(const char *path, int cases_at_least, const oracle *o)
{
    static golden g;
    fut_backend *bk = NULL;
    int cases = 0;
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "#%*[^\n]"), 0);
    FUT_TEST_OK(fut_backend_create(o->backend, &(fut_backend_options){.threads = 1}, &bk));
    for (; read_case(f, &g); cases++)
        check_case(bk, o, &g);
    assert_true(feof(f));
    assert_true(cases >= cases_at_least);
    fut_backend_destroy(&bk);
    fclose(f);
}

/* Exponents up to 50 times a similarity (and 80 times its square) make f32's last bit of it that much larger. */
static void on(const char *backend, fut_dtype real)
{
    check(GOLDEN "contrastive.txt", 20, &(oracle){backend, real, real == FUT_F64 ? 1e-11 : 2e-6});
    check(GOLDEN "rows.txt", 200, &(oracle){backend, real, real == FUT_F64 ? 1e-9 : 1e-4});
    check(GOLDEN "classes.txt", 30, &(oracle){backend, real, real == FUT_F64 ? 1e-9 : 1e-4});
    check(GOLDEN "miners.txt", 100, &(oracle){backend, real, real == FUT_F64 ? 1e-9 : 1e-4});
}

static void on_ref_f64(void **state)
{
    (void)state;
    on("ref", FUT_F64);
}

static void on_ref_f32(void **state)
{
    (void)state;
    on("ref", FUT_F32);
}

static void on_the_backend(void **state)
{
    (void)state;
    on(fut_test_backend("cpu"), FUT_F32);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(on_ref_f64), cmocka_unit_test(on_ref_f32), cmocka_unit_test(on_the_backend)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
