/* Identification metrics against an oracle that sorts whole rankings, on random and on nasty photos. Values of a peer are in
 * tests/golden/identification.c. */
#include "core/metric/identification.h"
#include "core/base/mem.h"
#include "core/base/rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ROWS_MAX = 600, DIM = 12 };

/* Coordinates are multiples of 1/16: dot products are exact, so that ties are ties. */
typedef struct faces {
    float embedding[ROWS_MAX][DIM];
    int64_t label[ROWS_MAX];
    int64_t n;
} faces;

typedef enum nasty { RANDOM, TIES, DUPLICATES, COLLAPSED, ONE_PHOTO_EACH, ONE_PERSON, UNEVEN, ZEROS, NASTY_COUNT } nasty;

static void draw(faces *f, nasty kind, int64_t n, uint64_t seed)
{
    fut_philox p = fut_philox_key(seed, FUT_RNG_TEST);
    memset(f, 0, sizeof *f);
    f->n = n;
    for (int64_t i = 0; i < n; i++) {
        double u = fut_philox_uniform(p, 0, (uint64_t)i);
        int64_t people = n / 6 + 1;
        f->label[i] = kind == ONE_PHOTO_EACH ? 1000 - i
                      : kind == ONE_PERSON   ? 7
                      : kind == UNEVEN       ? (int64_t)(u * u * u * (double)people * 3) - 5
                                             : (int64_t)(u * (double)people) * 11;
        for (int d = 0; d < DIM; d++) {
            double person = fut_philox_normal(p, (uint64_t)(5000 + f->label[i]), (uint64_t)d);
            double moment = fut_philox_normal(p, (uint64_t)(1000000 + i), (uint64_t)d);
            double x = kind == TIES ? fut_philox_uniform(p, (uint64_t)(9 + i), (uint64_t)d) * 3 - 1.5 : person + moment;
            f->embedding[i][d] = (float)fmin(fmax(floor(x * 2), -4), 4) / 16;
        }
        if (kind == DUPLICATES && i % 3 == 1) memcpy(f->embedding[i], f->embedding[i - 1], sizeof f->embedding[i]);
        if (kind == COLLAPSED) memcpy(f->embedding[i], f->embedding[0], sizeof f->embedding[i]);
        if (kind == ZEROS && i % 4 == 0) memset(f->embedding[i], 0, sizeof f->embedding[i]);
    }
}

/* ---- the oracle ---------------------------------------------------------------------------------------------------------------- */

typedef struct photo {
    float score;
    int64_t row, label;
} photo;

static int by_rank(const void *a, const void *b)
{
    const photo *x = a;
    const photo *y = b;
    if (x->score != y->score) return x->score > y->score ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

/* The ranking of rows `to` for one row, itself left out; returns its length. */
static int64_t ranking(const faces *f, int64_t from, const faces *g, const int64_t *to, int64_t n_to, photo *out)
{
    int64_t n = 0;
    for (int64_t k = 0; k < n_to; k++) {
        if (f == g && to[k] == from) continue;
        float score = fut_metric_score(f->embedding[from], g->embedding[to[k]], DIM);
        out[n++] = (photo){.score = score, .row = k, .label = g->label[to[k]]};
    }
    qsort(out, (size_t)n, sizeof *out, by_rank);
    return n;
}

static void oracle_row(const photo *order, int64_t n, int64_t label, fut_retrieval *sum, fut_closed_set *closed)
{
    int64_t r = 0;
    int64_t hits = 0;
    int64_t people = 0;
    double at_r = 0;
    double all = 0;
    for (int64_t i = 0; i < n; i++)
        r += order[i].label == label;
    if (r == 0) {
        sum->n_lone++;
        return;
    }
    sum->n_queries++;
    for (int64_t i = 0; i < n; i++) {
        bool is_hit = order[i].label == label;
        bool is_new = true;
        for (int64_t j = 0; j < i; j++)
            is_new = is_new && order[j].label != order[i].label;
        people += is_new;
        if (is_hit && is_new)
            for (int64_t k = people; k <= FUT_CMC_RANKS; k++)
                closed->cmc[k - 1] += 1;
        hits += is_hit;
        if (is_hit) all += (double)hits / (double)(i + 1);
        if (is_hit && i < r) at_r += (double)hits / (double)(i + 1);
        if (is_hit && i < r) sum->r_precision += 1 / (double)r;
        if (is_hit && i < 1) sum->precision_at_1 += 1;
        if (is_hit && i < 5) sum->precision_at_5 += 1.0 / 5;
        if (is_hit && i < 10) sum->precision_at_10 += 1.0 / 10;
    }
    sum->map_at_r += at_r / (double)r;
    sum->map += all / (double)r;
}

static void assert_near(double a, double b)
{
    if (!(fabs(a - b) < 1e-12)) fail_msg("%.17g, the oracle says %.17g", a, b);
}

static void check_closed(const fut_closed_set *closed, const fut_closed_set *oracle, int64_t n_probes)
{
    assert_int_equal(closed->n_probes, n_probes);
    for (int k = 0; k < FUT_CMC_RANKS; k++)
        assert_near(closed->cmc[k] * (double)n_probes, oracle->cmc[k]);
}

static void check_leave_one_out(const faces *f, const faces *g, const fut_identification *id)
{
    static photo order[ROWS_MAX];
    static int64_t every[ROWS_MAX];
    fut_retrieval sum = {0};
    fut_closed_set closed = {0};
    for (int64_t k = 0; k < g->n; k++)
        every[k] = k;
    for (int64_t i = 0; i < f->n; i++)
        oracle_row(order, ranking(f, i, g, every, g->n, order), f->label[i], &sum, &closed);
    const fut_retrieval *r = &id->retrieval;
    double n = sum.n_queries > 0 ? (double)sum.n_queries : 1;
    assert_int_equal(r->n_queries, sum.n_queries);
    assert_int_equal(r->n_lone, sum.n_lone);
    assert_near(r->precision_at_1, sum.precision_at_1 / n);
    assert_near(r->precision_at_5, sum.precision_at_5 / n);
    assert_near(r->precision_at_10, sum.precision_at_10 / n);
    assert_near(r->r_precision, sum.r_precision / n);
    assert_near(r->map_at_r, sum.map_at_r / n);
    assert_near(r->map, sum.map / n);
    check_closed(&id->leave_one_out, &closed, sum.n_queries);
    assert_near(r->precision_at_1, id->leave_one_out.cmc[0]); /* the first photo is the first person's */
}

/* Rows of f in which a label stands before row i. */
static int64_t earlier(const faces *f, int64_t i)
{
    int64_t n = 0;
    for (int64_t j = 0; j < i; j++)
        n += f->label[j] == f->label[i];
    return n;
}

static int64_t count_label(const faces *f, int64_t label)
{
    int64_t n = 0;
    for (int64_t j = 0; j < f->n; j++)
        n += f->label[j] == label;
    return n;
}

static void check_one_enrolled(const faces *f, const fut_identification *id)
{
    static photo order[ROWS_MAX];
    static int64_t gallery[ROWS_MAX];
    int64_t n_gallery = 0;
    fut_retrieval sum = {0};
    fut_closed_set closed = {0};
    for (int64_t i = 0; i < f->n; i++)
        if (earlier(f, i) == 0) gallery[n_gallery++] = i;
    for (int64_t i = 0; i < f->n; i++)
        if (earlier(f, i) > 0) oracle_row(order, ranking(f, i, f, gallery, n_gallery, order), f->label[i], &sum, &closed);
    assert_int_equal(id->one_enrolled.n_gallery, n_gallery);
    assert_int_equal(id->one_enrolled.n_people, n_gallery);
    check_closed(&id->one_enrolled, &closed, f->n - n_gallery);
}

/* Is the label enrolled in the open set: how many labels below it could be too. */
static bool is_enrolled(const faces *f, const faces *g, int64_t label)
{
    int64_t needed = f == g ? 2 : 1;
    int64_t before = 0;
    if (count_label(f, label) == 0 || count_label(g, label) < needed) return false;
    for (int64_t j = 0; j < f->n; j++)
        before += f->label[j] < label && earlier(f, j) == 0 && count_label(g, f->label[j]) >= needed;
    return before % 2 == 0;
}

static void check_open_set(const faces *f, const faces *g, const fut_open_set *open)
{
    static photo order[ROWS_MAX];
    static int64_t gallery[ROWS_MAX];
    static struct {
        float score;
        bool is_mated, is_right;
    } top[ROWS_MAX];
    int64_t n_gallery = 0;
    int64_t n = 0;
    int64_t n_mated = 0;
    for (int64_t j = 0; j < g->n; j++)
        if (is_enrolled(f, g, g->label[j]) && (f != g || earlier(g, j) == 0)) gallery[n_gallery++] = j;
    for (int64_t i = 0; i < f->n && n_gallery > 0; i++) {
        bool is_mated = is_enrolled(f, g, f->label[i]);
        if (f == g && is_mated && earlier(f, i) == 0) continue; /* in the gallery */
        (void)ranking(f, i, g, gallery, n_gallery, order);
        top[n].score = order[0].score;
        top[n].is_mated = is_mated;
        top[n++].is_right = order[0].label == f->label[i];
        n_mated += is_mated;
    }
    assert_int_equal(open->n_gallery, n_gallery);
    assert_int_equal(open->n_mated, n_mated);
    assert_int_equal(open->n_nonmated, n - n_mated);
    assert_int_equal(open->is_defined, n_mated > 0 && n > n_mated);
    for (int t = 0; t < FUT_OPEN_SET_FPIRS && open->is_defined; t++) {
        const fut_fnir_at_fpir *at = &open->at[t];
        int64_t alarms = 0;
        int64_t found = 0;
        for (int64_t i = 0; i < n; i++) {
            bool is_accepted = (double)top[i].score >= at->threshold;
            alarms += is_accepted && !top[i].is_mated;
            found += is_accepted && top[i].is_mated && top[i].is_right;
        }
        assert_near(at->fpir, (double)alarms / (double)(n - n_mated));
        assert_near(at->fnir, 1 - (double)found / (double)n_mated);
        assert_true(at->fpir <= at->target);
        /* No lower threshold keeps to the target: the scores just below it break it. */
        float next = -INFINITY;
        for (int64_t i = 0; i < n; i++)
            if ((double)top[i].score < at->threshold && !(top[i].is_mated && !top[i].is_right)) next = fmaxf(next, top[i].score);
        alarms = 0;
        for (int64_t i = 0; i < n; i++)
            alarms += !top[i].is_mated && top[i].score >= next;
        assert_true((double)alarms / (double)(n - n_mated) > at->target);
        assert_int_equal(at->is_resolved, (double)(n - n_mated) * at->target >= 1 - 1e-9);
    }
}

static fut_metric_set set_of(const faces *f)
{
    return (fut_metric_set){.embedding = f->embedding[0], .label = f->label, .n = f->n};
}

static void check(const faces *f, const faces *g)
{
    fut_identification id;
    fut_metric_set query = set_of(f);
    fut_metric_set reference = set_of(g);
    memset(&id, 0x5a, sizeof id);
    assert_int_equal(fut_metric_identification(&query, f == g ? NULL : &reference, DIM, &id), FUT_OK);
    check_leave_one_out(f, g, &id);
    check_open_set(f, g, &id.open_set);
    if (f == g)
        check_one_enrolled(f, &id);
    else
        assert_int_equal(id.one_enrolled.n_probes, 0);
}

static void test_equals_the_oracle(void **state)
{
    (void)state;
    static const int64_t sizes[] = {0, 1, 2, 3, 5, 17, 127, 129, 257, 300};
    static faces f;
    for (int kind = 0; kind < NASTY_COUNT; kind++)
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            draw(&f, (nasty)kind, sizes[i], (uint64_t)(kind + 1));
            check(&f, &f);
        }
}

static void test_equals_the_oracle_with_a_reference(void **state)
{
    (void)state;
    static const int64_t sizes[][2] = {{0, 5}, {5, 0}, {1, 1}, {40, 131}, {131, 40}, {257, 64}, {64, 600}};
    static faces f;
    static faces g;
    for (int kind = 0; kind < NASTY_COUNT; kind++)
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            draw(&f, (nasty)kind, sizes[i][0], 21);
            draw(&g, (nasty)kind, sizes[i][1], 22);
            check(&f, &g);
        }
}

/* By hand: two people, two photos each, and a stranger. */
static void test_by_hand(void **state)
{
    (void)state;
    static const float embedding[][2] = {{1, 0}, {0, 1}, {0.75F, 0.5F}, {0.25F, 0.75F}, {0.5F, 0.5F}};
    static const int64_t label[] = {1, 2, 1, 2, 3};
    fut_metric_set set = {.embedding = embedding[0], .label = label, .n = 5};
    fut_identification id = {0};
    assert_int_equal(fut_metric_identification(&set, NULL, 2, &id), FUT_OK);
    assert_int_equal(id.retrieval.n_queries, 4);
    assert_int_equal(id.retrieval.n_lone, 1);
    /* 0: 2 first. 1: 3 first. 2: 0 (.75), 4 (.625). 3: 1 (.75) before 2 (.5625). */
    assert_true(id.retrieval.precision_at_1 == 1 && id.retrieval.map == 1 && id.retrieval.precision_at_5 == 0.2);
    /* One enrolled: 0, 1 and 4 are the gallery; 2 and 3 find theirs. */
    assert_int_equal(id.one_enrolled.n_gallery, 3);
    assert_true(id.one_enrolled.n_probes == 2 && id.one_enrolled.cmc[0] == 1);
    /* Open set: person 1 is enrolled with row 0; mated: 2 (.75); non-mated: 1 (0), 3 (.25), 4 (.5). */
    assert_true(id.open_set.n_mated == 1 && id.open_set.n_nonmated == 3 && id.open_set.n_gallery == 1);
    assert_true(id.open_set.at[0].fnir == 0 && id.open_set.at[0].fpir == 0 && id.open_set.at[0].threshold == 0.625);
    assert_false(id.open_set.at[0].is_resolved);
}

static void test_refuses(void **state)
{
    (void)state;
    static faces f;
    fut_identification id = {.retrieval.n_queries = 42};
    draw(&f, RANDOM, 20, 1);
    fut_metric_set set = set_of(&f);
    fut_trail_clear();
    assert_int_equal(fut_metric_identification(&set, NULL, 0, &id), FUT_ERR_SHAPE);
    fut_trail_clear();
    f.embedding[7][3] = NAN;
    assert_int_equal(fut_metric_identification(&set, NULL, DIM, &id), FUT_ERR_NUMERIC);
    assert_string_equal(fut_trail_message(), "embedding 7 of 20 has length nan, must be 1");
    fut_trail_clear();
    assert_int_equal(id.retrieval.n_queries, 42);
}

static void test_exhausted_memory(void **state)
{
    (void)state;
    static faces f;
    fut_identification id = {0};
    fut_status st = FUT_ERR_NO_MEMORY;
    int64_t before = fut_mem_bytes();
    int64_t failures = 0;
    draw(&f, RANDOM, 100, 2);
    fut_metric_set set = set_of(&f);
    for (; st == FUT_ERR_NO_MEMORY; failures++) {
        fut_trail_clear();
        fut_mem_fail_after(failures + 1);
        st = fut_metric_identification(&set, NULL, DIM, &id);
        assert_int_equal(fut_mem_bytes(), before);
    }
    fut_mem_fail_after(0);
    assert_int_equal(st, FUT_OK);
    assert_true(failures > 15);
}

/* No N x N matrix: memory grows with N, not with its square. */
static void test_memory_is_linear(void **state)
{
    (void)state;
    enum { N = 4000 };
    fut_identification id = {0};
    float *embedding = NULL;
    int64_t *label = NULL;
    assert_int_equal(FUT_NEW_ARRAY(N * DIM, &embedding), FUT_OK);
    assert_int_equal(FUT_NEW_ARRAY(N, &label), FUT_OK);
    fut_philox p = fut_philox_key(3, FUT_RNG_TEST);
    for (int64_t i = 0; i < N; i++) {
        label[i] = i / 4;
        for (int64_t d = 0; d < DIM; d++)
            embedding[i * DIM + d] = (float)(fut_philox_uniform(p, (uint64_t)i, (uint64_t)d) - 0.5) / 2;
    }
    fut_metric_set set = {.embedding = embedding, .label = label, .n = N};
    int64_t before = fut_mem_peak();
    assert_int_equal(fut_metric_identification(&set, NULL, DIM, &id), FUT_OK);
    int64_t used = fut_mem_peak() - before;
    assert_true(used < (int64_t)N * 256 * 4 + (int64_t)N * 100 + (1 << 20));
    assert_int_equal(id.retrieval.n_queries, N);
    fut_mem_free(embedding);
    fut_mem_free(label);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equals_the_oracle), cmocka_unit_test(test_equals_the_oracle_with_a_reference),
        cmocka_unit_test(test_by_hand),           cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_exhausted_memory),  cmocka_unit_test(test_memory_is_linear),
    };
    return cmocka_run_group_tests_name("identification", tests, NULL, NULL);
}
