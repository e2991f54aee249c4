/* The miner distance_weighted against pytorch-metric-learning (make_distance_weighted.py): every row's weights, how many triplets an anchor
 * gets, that draws over many steps come as the weights say, and the losses of the triplets that the peer drew, with their derivative by
 * every distance. On ref in f64 and on a backend in f32. */
#include "core/backend/backend.h"
#include "core/base/rng.h"
#include "tests/support/device.h"
#include "tests/support/support.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define CASES FUT_TEST_SOURCE_DIR "/tests/golden/distance_weighted/cases.txt"
enum { PHOTOS_MAX = 16, PAIRS_MAX = PHOTOS_MAX * PHOTOS_MAX, LOSSES = 4, STEPS = 3000 };

/* The losses of make_distance_weighted.py, in its order, with the peer's reducers; v is the distance, not of unit rows. */
static const fut_row_loss losses[LOSSES] = {
    {.kind = FUT_ROW_TRIPLET,
     .sign = 1,
     .margin = .3,
     .triplet_above = -INFINITY,
     .triplet_up_to = INFINITY,
     .high = INFINITY,
     .mean = true},
    {.kind = FUT_ROW_TRIPLET,
     .sign = 1,
     .margin = .3,
     .smooth = true,
     .triplet_above = -INFINITY,
     .triplet_up_to = INFINITY,
     .high = INFINITY,
     .mean = true},
    {.kind = FUT_ROW_CONTRASTIVE, .sign = 1, .pos_margin = .1, .neg_margin = 1.2, .high = INFINITY, .mean = true},
    {.kind = FUT_ROW_NTXENT, .sign = 1, .temperature = .3, .low = -INFINITY, .high = INFINITY, .mean = true},
};

typedef struct golden {
    char name[64];
    int64_t n, dim, draws[PHOTOS_MAX], label[PHOTOS_MAX], image[PHOTOS_MAX], place[PHOTOS_MAX];
    fut_row_miner miner;
    double v[PAIRS_MAX], weight[PAIRS_MAX];
    fut_row_draw draw[PAIRS_MAX]; /* the peer's, as a kernel writes them */
    uint8_t kind[PAIRS_MAX];      /* of the peer's draws */
    double value[LOSSES], dv[LOSSES][PAIRS_MAX];
} golden;

static void read_numbers(FILE *f, double *to, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        assert_int_equal(fscanf(f, "%lf", &to[i]), 1);
}

static void read_integers(FILE *f, int64_t *to, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        long long value;
        assert_int_equal(fscanf(f, "%lld", &value), 1);
        to[i] = value;
    }
}

static void read_draws(FILE *f, golden *g)
{
    int64_t count, at[3], used[PHOTOS_MAX] = {0};
    memset(g->draw, -1, sizeof g->draw);
    memset(g->kind, FUT_PAIR_LEFT_OUT, sizeof g->kind);
    for (read_integers(f, &count, 1); count > 0; count--) {
        read_integers(f, at, 3);
        int64_t row = at[0] * g->n;
        g->draw[row + used[at[0]]++] = (fut_row_draw){(int32_t)at[1], (int32_t)at[2]};
        g->kind[row + at[1]] = FUT_PAIR_POSITIVE;
        g->kind[row + at[2]] = FUT_PAIR_NEGATIVE;
    }
}

/* The case after `f`'s place; false at the end. */
static bool read_case(FILE *f, golden *g)
{
    long long n, dim;
    *g = (golden){.miner = {.kind = FUT_MINER_DISTANCE_WEIGHTED, .sign = 1}};
    if (fscanf(f, " case %63s %lld %lld %lf %lf", g->name, &n, &dim, &g->miner.cutoff, &g->miner.nonzero_loss_cutoff) != 5) return false;
    assert_true(n <= PHOTOS_MAX);
    g->n = n;
    g->dim = dim;
    g->miner.key = fut_philox_key(7, FUT_RNG_MINER).key;
    for (int64_t i = 0; i < n; i++)
        g->image[i] = g->place[i] = i;
    read_integers(f, g->label, n);
    read_numbers(f, g->v, n * n);
    read_numbers(f, g->weight, n * n);
    read_integers(f, g->draws, n);
    read_draws(f, g);
    for (int l = 0; l < LOSSES; l++) {
        assert_int_equal(fscanf(f, " {%*[^}]}"), 0);
        read_numbers(f, &g->value[l], 1);
        read_numbers(f, g->dv[l], n * n);
    }
    return true;
}

/* A case on a backend. */
typedef struct bench {
    fut_backend *bk;
    fut_dtype real;
    fut_pair_rows rows;
    void *v, *g;
    uint8_t *kind;
    fut_row_draw *draw;
    fut_step_control *control;
    double *sums;
} bench;

static void put(bench *b, void *device, const double *host, int64_t n)
{
    float narrow[PAIRS_MAX];
    for (int64_t i = 0; i < n; i++)
        narrow[i] = (float)host[i];
    const void *from = b->real == FUT_F64 ? (const void *)host : narrow;
    fut_test_to_device(b->bk, device, from, (size_t)n * fut_dtype_size(b->real));
}

static void take(bench *b, double *host, const void *device, int64_t n)
{
    float narrow[PAIRS_MAX];
    fut_test_from_device(b->bk, b->real == FUT_F64 ? (void *)host : narrow, device, (size_t)n * fut_dtype_size(b->real));
    for (int64_t i = 0; b->real == FUT_F32 && i < n; i++)
        host[i] = narrow[i];
}

static bench begin(fut_backend *bk, fut_dtype real, const golden *g)
{
    size_t ids = (size_t)g->n * sizeof(int64_t);
    bench b = {.bk = bk,
               .real = real,
               .rows = {g->n, g->n, g->dim, fut_test_device(bk, g->place, ids), fut_test_device(bk, g->label, ids),
                        fut_test_device(bk, g->image, ids)},
               .v = fut_test_device(bk, NULL, sizeof g->v),
               .g = fut_test_device(bk, NULL, sizeof g->v),
               .kind = fut_test_device(bk, NULL, sizeof g->kind),
               .draw = fut_test_device(bk, NULL, sizeof g->draw),
               .control = fut_test_device(bk, NULL, sizeof(fut_step_control)),
               .sums = fut_test_device(bk, NULL, FUT_ROW_SUMS * sizeof(double))};
    return b;
}

static void end(bench *b)
{
    void *blocks[] = {(void *)b->rows.row, (void *)b->rows.label, (void *)b->rows.image, b->v, b->g, b->kind, b->draw, b->control, b->sums};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        b->bk->free(b->bk, blocks[i]);
}

/* What is drawn at a step; weights into weight_out. */
static void draw(bench *b, const golden *g, int64_t step, double *weight_out, fut_row_draw *draw_out, uint8_t *kind_out)
{
    const fut_step_control control = {.steps = step};
    put(b, b->v, g->v, g->n * g->n);
    fut_test_to_device(b->bk, b->control, &control, sizeof control);
    FUT_TEST_OK(b->bk->draw_triplets(b->bk, &b->rows, &g->miner, b->real, b->control, b->v, b->kind, b->draw, NULL));
    take(b, weight_out, b->v, g->n * g->n);
    fut_test_from_device(b->bk, draw_out, b->draw, (size_t)(g->n * g->n) * sizeof *draw_out);
    fut_test_from_device(b->bk, kind_out, b->kind, (size_t)(g->n * g->n));
}

static void check_weights(const golden *g, double *weight, double tolerance)
{
    for (int64_t i = 0; i < g->n; i++) {
        double sum = 0;
        for (int64_t j = i * g->n; j < (i + 1) * g->n; j++)
            sum += weight[j];
        for (int64_t j = i * g->n; j < (i + 1) * g->n; j++) {
            weight[j] = sum > 0 ? weight[j] / sum : 0;
            if (fabs(weight[j] - g->weight[j]) > tolerance)
                fail_msg("%s: weight %lld of photo %lld is %.12g, the peer's %.12g", g->name, (long long)(j % g->n), (long long)i,
                         weight[j], g->weight[j]);
        }
    }
}

/* Counts the draws of one step; they are as many as the peer's, of the right people, and kind marks them and nothing else. */
static void count_draws(const golden *g, const fut_row_draw *drawn, const uint8_t *kind, int64_t *count)
{
    for (int64_t i = 0; i < g->n; i++) {
        const fut_row_draw *mine = drawn + i * g->n;
        uint8_t want[PHOTOS_MAX] = {FUT_PAIR_LEFT_OUT};
        for (int64_t t = 0; t < g->draws[i]; t++) {
            assert_in_range(mine[t].pos, 0, g->n - 1);
            assert_in_range(mine[t].neg, 0, g->n - 1);
            assert_true(mine[t].pos != i && g->label[mine[t].pos] == g->label[i] && g->label[mine[t].neg] != g->label[i]);
            want[mine[t].pos] = FUT_PAIR_POSITIVE;
            want[mine[t].neg] = FUT_PAIR_NEGATIVE;
            count[i * g->n + mine[t].pos]++;
            count[i * g->n + mine[t].neg]++;
        }
        assert_int_equal(mine[g->draws[i]].pos, -1);
        assert_memory_equal(kind + i * g->n, want, (size_t)g->n);
    }
}

/* Pearson's statistic of an anchor's negatives, or positives, stays within five deviations of its mean. */
static void check_frequencies(const golden *g, int64_t i, bool positive, const int64_t *count)
{
    const double draws = (double)(g->draws[i] * STEPS);
    double statistic = 0, freedom = -1;
    int64_t positives = 0;
    for (int64_t j = 0; j < g->n; j++)
        positives += j != i && g->label[j] == g->label[i];
    for (int64_t j = 0; j < g->n; j++) {
        const bool same = g->label[j] == g->label[i];
        if (same != positive || j == i) continue;
        const double expected = draws * (positive ? 1 / (double)positives : g->weight[i * g->n + j]);
        if (expected == 0) assert_int_equal(count[j], 0);
        if (expected < 5) continue;
        statistic += ((double)count[j] - expected) * ((double)count[j] - expected) / expected;
        freedom += 1;
    }
    if (freedom > 0 && statistic > freedom + 5 * sqrt(2 * freedom))
        fail_msg("%s: the %s of photo %lld are off: %.1f with %.0f degrees of freedom", g->name, positive ? "positives" : "negatives",
                 (long long)i, statistic, freedom);
}

static void check_losses(bench *b, const golden *g, double tolerance)
{
    put(b, b->v, g->v, g->n * g->n);
    fut_test_to_device(b->bk, b->kind, g->kind, sizeof g->kind);
    fut_test_to_device(b->bk, b->draw, g->draw, (size_t)(g->n * g->n) * sizeof *g->draw);
    for (int l = 0; l < LOSSES; l++) {
        double sums[FUT_ROW_SUMS], dv[PAIRS_MAX];
        FUT_TEST_OK(b->bk->drawn_loss(b->bk, &b->rows, &losses[l], b->real, b->v, b->kind, b->draw, b->g, b->sums, NULL));
        FUT_TEST_OK(b->bk->row_loss_weigh(b->bk, &b->rows, &losses[l], b->real, b->kind, b->sums, b->g, NULL));
        fut_test_from_device(b->bk, sums, b->sums, sizeof sums);
        take(b, dv, b->g, g->n * g->n);
        double value = (sums[FUT_ROW_KEPT] > 0 ? sums[FUT_ROW_LOSS] / sums[FUT_ROW_KEPT] : 0) +
                       (sums[FUT_ROW_KEPT_NEG] > 0 ? sums[FUT_ROW_LOSS_NEG] / sums[FUT_ROW_KEPT_NEG] : 0);
        FUT_TEST_CLOSE_F64(&value, &g->value[l], 1, tolerance, tolerance);
        FUT_TEST_CLOSE_F64(dv, g->dv[l], g->n * g->n, tolerance, tolerance);
    }
}

static void check_case(fut_backend *bk, fut_dtype real, const golden *g)
{
    const double tolerance = real == FUT_F64 ? 1e-10 : 2e-5;
    static double weight[PAIRS_MAX];
    static fut_row_draw drawn[PAIRS_MAX], again[PAIRS_MAX];
    uint8_t kind[PAIRS_MAX];
    int64_t count[PAIRS_MAX] = {0};
    bench b = begin(bk, real, g);
    for (int64_t step = 0; step < (real == FUT_F64 ? STEPS : 3); step++) {
        draw(&b, g, step, weight, drawn, kind);
        if (step == 0) check_weights(g, weight, tolerance);
        count_draws(g, drawn, kind, count);
    }
    for (int64_t i = 0; real == FUT_F64 && i < g->n; i++) {
        check_frequencies(g, i, true, count + i * g->n);
        check_frequencies(g, i, false, count + i * g->n);
    }
    draw(&b, g, (real == FUT_F64 ? STEPS : 3) - 1, weight, again, kind);
    for (int64_t i = 0; i < g->n; i++)
        assert_memory_equal(again + i * g->n, drawn + i * g->n, (size_t)(g->draws[i] + 1) * sizeof *drawn);
    check_losses(&b, g, tolerance);
    end(&b);
}

static void on(const char *backend, fut_dtype real)
{
    static golden g;
    fut_backend *bk = NULL;
    int cases = 0;
    FILE *f = fopen(CASES, "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "#%*[^\n]"), 0);
    FUT_TEST_OK(fut_backend_create(backend, &(fut_backend_options){.threads = 1}, &bk));
    for (; read_case(f, &g); cases++)
        check_case(bk, real, &g);
    assert_true(feof(f));
    assert_int_equal(cases, 10);
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
