/* The contrastive loss against pytorch-metric-learning (make_loss.py): value, pairs and gradient, on ref in f64 and f32 and on cpu; dealt
 * to 1, 2 and 3 shards, where the tree must give the same sums and every row the same bits of gradient. */
#include "core/loss/loss.h"
#include "core/base/mem.h"
#include "core/base/yaml.h"
#include "dist/comm.h"
#include "dist/reduce.h"
#include "tests/support/device.h"
#include "tests/support/support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GOLDEN FUT_TEST_SOURCE_DIR "/tests/golden/loss/contrastive.txt"
enum { BATCH_MAX = 37, DIM_MAX = 24, SHARDS_MAX = 3, VALUES_MAX = BATCH_MAX * DIM_MAX };

typedef struct golden {
    char name[64];
    int64_t n, dim;
    double pos_margin, neg_margin;
    double loss, active_pos, active_neg, count_pos, count_neg;
    int64_t label[BATCH_MAX], image[BATCH_MAX];
    double e[VALUES_MAX], de[VALUES_MAX];
} golden;

/* The case after `f`'s place; false at the end. */
static bool read_case(FILE *f, golden *g)
{
    long long n, dim;
    if (fscanf(f, " case %63s %lld %lld %lf %lf", g->name, &n, &dim, &g->pos_margin, &g->neg_margin) != 5) return false;
    assert_true(n <= BATCH_MAX && dim <= DIM_MAX);
    g->n = n;
    g->dim = dim;
    assert_int_equal(fscanf(f, "%lf %lf %lf %lf %lf", &g->loss, &g->active_pos, &g->active_neg, &g->count_pos, &g->count_neg), 5);
    for (int64_t i = 0; i < g->n; i++) {
        long long label, image;
        assert_int_equal(fscanf(f, "%lld %lld", &label, &image), 2);
        g->label[i] = label;
        g->image[i] = image;
        for (int64_t k = 0; k < 2 * g->dim; k++)
            assert_int_equal(fscanf(f, "%lf", k < g->dim ? &g->e[i * g->dim + k] : &g->de[i * g->dim + k - g->dim]), 1);
    }
    return true;
}

typedef struct oracle {
    const char *backend;
    fut_dtype real;
    double tolerance; /* of the loss, and of a row's gradient relative to its norm */
} oracle;

/* `loss: {...}` with the margins of a case, as a configuration has it. */
typedef struct loss_config {
    fut_opt_variant loss;
} loss_config;

static const fut_opt config_table[] = {FUT_OPT_VARIANT(loss_config, loss, "contrastive", fut_loss_choices, ""), FUT_OPT_END};

static void configure(const golden *g, loss_config *config)
{
    char text[128];
    fut_yaml_node *root = NULL;
    snprintf(text, sizeof text, "loss: {type: contrastive, pos_margin: %.17g, neg_margin: %.17g}", g->pos_margin, g->neg_margin);
    FUT_TEST_OK(fut_opt_defaults(config_table, config));
    FUT_TEST_OK(fut_yaml_parse_text("case", text, strlen(text), &root));
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

/* The loss of one batch dealt to `shards`; gradient in the batch's order, as bits of dtype `real`. */
static void run(fut_backend *bk, const oracle *o, const golden *g, int shards, double *sums, fut_loss_report *report, void *gradient)
{
    loss_config config = {0};
    fut_loss *loss = NULL;
    fut_comm *comm = NULL;
    double e[VALUES_MAX], de[VALUES_MAX], mine[SHARDS_MAX][FUT_PAIR_SUMS];
    int64_t row[BATCH_MAX], first[SHARDS_MAX], end[SHARDS_MAX];
    size_t ids = (size_t)g->n * sizeof(int64_t);
    size_t row_bytes = (size_t)g->dim * fut_dtype_size(o->real);
    int64_t stride = g->n % 5 ? 5 : 1; /* a permutation, so that a shard's rows lie all over the batch */
    for (int64_t i = 0; i < g->n; i++)
        row[i] = i * stride % g->n;
    configure(g, &config);
    convert(o->real, e, g->e, g->n * g->dim);
    void *device[] = {fut_test_device(bk, e, (size_t)g->n * row_bytes),
                      fut_test_device(bk, g->label, ids),
                      fut_test_device(bk, g->image, ids),
                      fut_test_device(bk, row, ids),
                      fut_test_device(bk, NULL, sizeof mine[0]),
                      fut_test_device(bk, NULL, (size_t)g->n * row_bytes)};
    const int64_t *rows = device[3];
    FUT_TEST_OK(fut_comm_create_self(&comm));
    FUT_TEST_OK(fut_loss_create(bk, &config.loss, o->real, g->n, g->n, g->dim, &loss));
    assert_int_equal(loss->type->sums, FUT_PAIR_SUMS);
    FUT_TEST_OK(fut_loss_begin(loss, g->n, device[0], device[1], device[2]));
    for (int s = 0; s < shards; s++) {
        fut_shard_range(s, shards, g->n, &first[s], &end[s]);
        FUT_TEST_OK(fut_loss_rows(loss, end[s] - first[s], rows + first[s], device[4]));
        fut_test_from_device(bk, mine[s], device[4], sizeof mine[s]);
    }
    FUT_TEST_OK(fut_tree_sum_f64(comm, shards, mine[0], FUT_PAIR_SUMS, FUT_PAIR_SUMS, sums, "sums"));
    fut_test_to_device(bk, device[4], sums, sizeof mine[0]);
    for (int s = 0; s < shards; s++) {
        FUT_TEST_OK(fut_loss_grad(loss, end[s] - first[s], rows + first[s], device[4], device[5]));
        fut_test_from_device(bk, de, device[5], (size_t)(end[s] - first[s]) * row_bytes);
        for (int64_t i = first[s]; i < end[s]; i++)
            memcpy((char *)gradient + (size_t)row[i] * row_bytes, (const char *)de + (size_t)(i - first[s]) * row_bytes, row_bytes);
    }
    loss->type->report(sums, report);
    for (size_t i = 0; i < sizeof device / sizeof *device; i++)
        bk->free(bk, device[i]);
    fut_loss_destroy(&loss);
    fut_comm_destroy(&comm);
    fut_opt_fini(config_table, &config);
}

/* Largest error of a row's gradient, relative to its norm; of a row that should be zero, relative to the gradient's scale 2 / length. */
static double gradient_error(const oracle *o, const golden *g, const void *gradient)
{
    double worst = 0;
    for (int64_t i = 0; i < g->n; i++) {
        double difference = 0, norm = 0, length = 0;
        for (int64_t k = i * g->dim; k < (i + 1) * g->dim; k++) {
            double got = o->real == FUT_F64 ? ((const double *)gradient)[k] : ((const float *)gradient)[k];
            difference += (got - g->de[k]) * (got - g->de[k]);
            norm += g->de[k] * g->de[k];
            length += g->e[k] * g->e[k];
        }
        double scale = fmax(sqrt(norm), 0.01 / fmax(sqrt(length), 1e-12));
        double error = sqrt(difference) / scale;
        if (!(error <= worst)) worst = error;
    }
    return worst;
}

static void check_case(fut_backend *bk, const oracle *o, const golden *g)
{
    double sums[FUT_PAIR_SUMS], one[FUT_PAIR_SUMS], gradient[VALUES_MAX], whole[VALUES_MAX];
    fut_loss_report report;
    run(bk, o, g, 1, one, &report, whole);
    double error = gradient_error(o, g, whole), loss_error = fabs(report.loss - g->loss) / fmax(g->loss, 0.01);
    print_message("%s %s %s: loss %.9g off by %.1e, gradient by %.1e\n", o->backend, fut_dtype_name(o->real), g->name, report.loss,
                  loss_error, error);
    assert_true(report.active_pos == g->active_pos && report.active_neg == g->active_neg);
    assert_true(report.count_pos == g->count_pos && report.count_neg == g->count_neg);
    assert_true(loss_error <= o->tolerance);
    assert_true(error <= o->tolerance);
    for (int shards = 2; shards <= SHARDS_MAX && shards <= g->n; shards++) {
        run(bk, o, g, shards, sums, &report, gradient);
        FUT_TEST_CLOSE_F64(sums, one, FUT_PAIR_SUMS, 1e-13, 1e-13);
        assert_memory_equal(gradient, whole, (size_t)(g->n * g->dim) * fut_dtype_size(o->real));
    }
}

static void check(const oracle *o)
{
    static golden g;
    fut_backend *bk = NULL;
    int cases = 0;
    FILE *f = fopen(GOLDEN, "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "#%*[^\n]"), 0);
    FUT_TEST_OK(fut_backend_create(o->backend, &(fut_backend_options){.threads = 1}, &bk));
    for (; read_case(f, &g); cases++)
        check_case(bk, o, &g);
    assert_true(feof(f));
    assert_true(cases >= 20);
    fut_backend_destroy(&bk);
    fclose(f);
}

static void on_ref_f64(void **state)
{
    (void)state;
    check(&(oracle){"ref", FUT_F64, 1e-11});
}

static void on_ref_f32(void **state)
{
    (void)state;
    check(&(oracle){"ref", FUT_F32, 2e-6});
}

static void on_the_backend(void **state)
{
    (void)state;
    check(&(oracle){fut_test_backend("cpu"), FUT_F32, 2e-6});
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(on_ref_f64), cmocka_unit_test(on_ref_f32), cmocka_unit_test(on_the_backend)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
