/* Verification metrics: degenerate input, tiling, refusals, exhausted memory. Values against peers are in tests/golden/metric.c. */
#include "core/metric/metric.h"
#include "core/base/mem.h"
#include "core/base/rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { ROWS_MAX = 300, DIM = 24, PEOPLE = 7 };

typedef struct faces {
    float embedding[ROWS_MAX][DIM];
    int64_t label[ROWS_MAX];
} faces;

static void draw_faces(faces *f)
{
    fut_philox p = fut_philox_key(3, FUT_RNG_TEST);
    for (int64_t i = 0; i < ROWS_MAX; i++) {
        double length2 = 0;
        f->label[i] = (int64_t)(fut_philox_uniform(p, 0, (uint64_t)i) * PEOPLE);
        for (int d = 0; d < DIM; d++) {
            double person = fut_philox_normal(p, (uint64_t)(1 + f->label[i]), (uint64_t)d);
            f->embedding[i][d] = (float)(person + 1.5 * fut_philox_normal(p, (uint64_t)(1000 + i), (uint64_t)d));
            length2 += (double)f->embedding[i][d] * (double)f->embedding[i][d];
        }
        for (int d = 0; d < DIM; d++)
            f->embedding[i][d] /= (float)sqrt(length2);
    }
}

static void assert_all_zero_but_counts(const fut_verification *v)
{
    assert_false(v->is_defined);
    assert_true(v->auc == 0 && v->eer == 0 && v->at_eer.threshold == 0 && v->at_best.accuracy == 0 && v->tar[0].at.tar == 0);
    assert_int_equal(v->n_roc, 0);
}

static void test_one_kind_of_pairs_is_not_an_error(void **state)
{
    (void)state;
    const float score[] = {0.25F, 0.75F, 0.5F};
    const uint8_t all_same[] = {1, 1, 1};
    const uint8_t none_same[] = {0, 0, 0};
    fut_metric_options options = {.n_hardest = 2, .n_folds = 3};
    fut_verification v = {0};

    assert_int_equal(fut_metric_pairs(score, none_same, 3, &options, &v), FUT_OK);
    assert_all_zero_but_counts(&v);
    assert_string_equal(fut_verification_why_undefined(&v), "no two photos of one person");
    assert_int_equal(v.n_different, 3);
    assert_true(v.mean_different == 0.5 && v.mean_same == 0);
    assert_int_equal(v.n_hard_same, 0);
    assert_int_equal(v.n_hard_different, 2);
    assert_int_equal(v.hard_different[0].a, 1);
    assert_int_equal(v.hard_different[1].a, 2);
    assert_int_equal(v.folds.n, 3);
    assert_false(v.folds.has_val);
    fut_verification_fini(&v);

    assert_int_equal(fut_metric_pairs(score, all_same, 3, &options, &v), FUT_OK);
    assert_all_zero_but_counts(&v);
    assert_string_equal(fut_verification_why_undefined(&v), "no two photos of different people");
    assert_int_equal(v.hard_same[0].a, 0);
    assert_int_equal(v.hard_same[0].b, -1);
    fut_verification_fini(&v);

    assert_int_equal(fut_metric_pairs(NULL, NULL, 0, &options, &v), FUT_OK);
    assert_all_zero_but_counts(&v);
    assert_string_equal(fut_verification_why_undefined(&v), "no pairs");
    assert_int_equal(v.folds.n, 0);
    fut_verification_fini(&v);
    fut_verification_fini(&v); /* twice is fine */
}

static void test_thresholds_stand_between_scores(void **state)
{
    (void)state;
    const float score[] = {0.75F, 0.5F, 0.25F, 0.0F};
    const uint8_t same[] = {1, 1, 0, 0};
    fut_verification v = {0};
    assert_int_equal(fut_metric_pairs(score, same, 4, NULL, &v), FUT_OK);
    assert_true(v.eer == 0 && v.auc == 1);
    assert_true(v.at_eer.threshold == 0.375 && v.at_best.threshold == 0.375 && v.tar[5].at.threshold == 0.375);
    assert_true(v.at_best.accuracy == 1 && v.tar[5].at.tar == 1);
    assert_false(v.tar[0].is_resolved); /* two different pairs cannot show a FAR of 1e-1 */
    fut_verification_fini(&v);

    /* Inside a gap: half of the different pairs score above the one same pair that is accepted last. */
    const float crossed[] = {0.875F, 0.125F, 0.75F, 0.5F, 0.25F, 0.0F};
    const uint8_t crossed_same[] = {1, 1, 0, 0, 0, 0};
    assert_int_equal(fut_metric_pairs(crossed, crossed_same, 6, NULL, &v), FUT_OK);
    assert_true(v.eer == 0.5 && v.at_eer.far == 0.5 && v.at_eer.tar == 0.5);
    assert_true(v.at_eer.threshold == 0.375);
    fut_verification_fini(&v);

    /* Every threshold that accepts anything is worse than accepting nothing: just above the highest score. */
    const float inverted[] = {0.125F, 0.25F, 0.5F};
    const uint8_t inverted_same[] = {1, 0, 0};
    assert_int_equal(fut_metric_pairs(inverted, inverted_same, 3, NULL, &v), FUT_OK);
    assert_true(v.at_best.threshold > 0.5 && v.at_best.threshold < 0.5000001 && v.at_best.tar == 0);
    assert_true(v.auc == 0 && v.eer == 1);
    fut_verification_fini(&v);
}

static void test_equals_at_a_boundary(void **state)
{
    (void)state;
    /* Two thresholds of the same accuracy: the higher one. */
    const float score[] = {0.75F, 0.5F, 0.25F, 0.0F};
    const uint8_t same[] = {1, 0, 1, 0};
    fut_verification v = {0};
    assert_int_equal(fut_metric_pairs(score, same, 4, NULL, &v), FUT_OK);
    assert_true(v.at_best.threshold == 0.625 && v.at_best.tar == 0.5 && v.at_best.accuracy == 0.75);
    fut_verification_fini(&v);

    /* One false accept in ten does not exceed a FAR of 1e-1. */
    const float many[] = {0.875F, 0.75F, 0.5F, 0.25F, 0.25F, 0.25F, 0.25F, 0.25F, 0.25F, 0.25F, 0.25F, 0.25F};
    const uint8_t many_same[] = {1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    assert_int_equal(fut_metric_pairs(many, many_same, 12, NULL, &v), FUT_OK);
    assert_true(v.tar[0].is_resolved && v.tar[0].at.tar == 1 && v.tar[0].at.far == 0.1 && v.tar[0].at.threshold == 0.375);
    assert_true(!v.tar[1].is_resolved && v.tar[1].at.tar == 0.5 && v.tar[1].at.far == 0);
    fut_verification_fini(&v);
}

static void test_drawn_curve_is_thin_and_whole(void **state)
{
    (void)state;
    enum { PAIRS = 20000 };
    static float score[PAIRS];
    static uint8_t same[PAIRS];
    for (int i = 0; i < PAIRS; i++) {
        score[i] = 1 - (float)i / PAIRS;
        same[i] = i % 2 == 1;
    }
    fut_verification v = {0};
    assert_int_equal(fut_metric_pairs(score, same, PAIRS, NULL, &v), FUT_OK);
    assert_true(v.n_roc > 512 && v.n_roc < 1500);
    assert_true(v.roc[0].far == 0 && v.roc[0].tar == 0 && v.roc[v.n_roc - 1].far == 1 && v.roc[v.n_roc - 1].tar == 1);
    for (int64_t i = 1; i < v.n_roc; i++) {
        assert_true(v.roc[i].far >= v.roc[i - 1].far && v.roc[i].tar >= v.roc[i - 1].tar);
        assert_true(v.roc[i].threshold < v.roc[i - 1].threshold);
        assert_true(v.roc[i].far - v.roc[i - 1].far < 1.0 / 256);
    }
    fut_verification_fini(&v);
}

static void assert_same_numbers(const fut_verification *a, const fut_verification *b)
{
    assert_int_equal(a->n_same, b->n_same);
    assert_int_equal(a->n_different, b->n_different);
    assert_int_equal(a->is_defined, b->is_defined);
    assert_true(a->auc == b->auc && a->eer == b->eer);
    assert_memory_equal(&a->at_eer, &b->at_eer, sizeof a->at_eer);
    assert_memory_equal(&a->at_best, &b->at_best, sizeof a->at_best);
    assert_true(fabs(a->mean_same - b->mean_same) < 1e-12 && fabs(a->mean_different - b->mean_different) < 1e-12);
    assert_memory_equal(a->histogram_same, b->histogram_same, sizeof a->histogram_same);
    assert_memory_equal(a->histogram_different, b->histogram_different, sizeof a->histogram_different);
    assert_int_equal(a->n_roc, b->n_roc);
    if (a->n_roc > 0) assert_memory_equal(a->roc, b->roc, (size_t)a->n_roc * sizeof *a->roc);
    assert_int_equal(a->n_hard_same, b->n_hard_same);
    assert_int_equal(a->n_hard_different, b->n_hard_different);
}

/* Threads that share the pairs give the numbers that one gives, to the last bit. */
static void check_threads(const fut_metric_set *query, const fut_metric_set *reference, const fut_verification *one)
{
    fut_metric_options options = {.n_hardest = 5, .threads = 3};
    fut_verification shared = {0};
    assert_int_equal(fut_metric_embeddings(query, reference, DIM, &options, &shared), FUT_OK);
    assert_same_numbers(&shared, one);
    assert_true(shared.mean_same == one->mean_same && shared.mean_different == one->mean_different);
    for (int64_t i = 0; i < one->n_hard_different; i++)
        assert_true(shared.hard_different[i].a == one->hard_different[i].a && shared.hard_different[i].b == one->hard_different[i].b);
    fut_verification_fini(&shared);
}

/* Tiles of every shape give the scores that one pair at a time gives. */
static void check_tiling(const faces *f, int64_t n_query, int64_t n_reference)
{
    static float score[ROWS_MAX * ROWS_MAX];
    static uint8_t same[ROWS_MAX * ROWS_MAX];
    static int64_t row[ROWS_MAX * ROWS_MAX][2];
    int64_t n = 0;
    for (int64_t i = 0; i < n_query; i++) {
        int64_t from = n_reference > 0 ? n_query : i + 1;
        for (int64_t j = from; j < n_query + n_reference; j++, n++) {
            score[n] = fut_metric_score(f->embedding[i], f->embedding[j], DIM);
            same[n] = f->label[i] == f->label[j];
            row[n][0] = i;
            row[n][1] = n_reference > 0 ? j - n_query : j;
        }
    }
    fut_metric_options options = {.n_hardest = 5};
    fut_metric_set query = {.embedding = f->embedding[0], .label = f->label, .n = n_query};
    fut_metric_set reference = {.embedding = f->embedding[n_query % ROWS_MAX], .label = f->label + n_query, .n = n_reference};
    fut_verification tiled = {0};
    fut_verification listed = {0};
    assert_int_equal(fut_metric_embeddings(&query, n_reference > 0 ? &reference : NULL, DIM, &options, &tiled), FUT_OK);
    assert_int_equal(fut_metric_pairs(score, same, n, &options, &listed), FUT_OK);
    assert_int_equal(tiled.n_same + tiled.n_different, n);
    assert_same_numbers(&tiled, &listed);
    check_threads(&query, n_reference > 0 ? &reference : NULL, &tiled);
    for (int64_t i = 0; i < tiled.n_hard_different; i++) {
        int64_t place = listed.hard_different[i].a;
        assert_int_equal(tiled.hard_different[i].a, row[place][0]);
        assert_int_equal(tiled.hard_different[i].b, row[place][1]);
    }
    fut_verification_fini(&tiled);
    fut_verification_fini(&listed);
}

static void test_tiles_equal_single_pairs(void **state)
{
    (void)state;
    static const int64_t sizes[] = {0, 1, 2, 3, 4, 5, 15, 16, 17, 127, 128, 129, 131, 256, 257, 300};
    static faces f;
    draw_faces(&f);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        check_tiling(&f, sizes[i], 0);
    check_tiling(&f, 1, 299);
    check_tiling(&f, 299, 1);
    check_tiling(&f, 130, 129);
    check_tiling(&f, 3, 17);
}

static void test_hardest_do_not_depend_on_order(void **state)
{
    (void)state;
    enum { N = 200 };
    float score[N];
    uint8_t same[N];
    for (int i = 0; i < N; i++) {
        score[i] = (float)(i * 37 % 10) / 16; /* many ties */
        same[i] = i % 2 == 0;
    }
    fut_metric_options options = {.n_hardest = 15};
    fut_verification v = {0};
    assert_int_equal(fut_metric_pairs(score, same, N, &options, &v), FUT_OK);
    for (int64_t i = 0; i < 15; i++) {
        assert_true(v.hard_same[i].score == 0);
        assert_int_equal(v.hard_same[i].a, 10 * i);
        if (i == 0) continue;
        assert_true(v.hard_different[i - 1].score >= v.hard_different[i].score);
        assert_true(v.hard_different[i - 1].a < v.hard_different[i].a);
    }
    fut_verification_fini(&v);
}

static void test_refuses(void **state)
{
    (void)state;
    const uint8_t same[] = {1, 0};
    fut_verification v = {.eer = 42};
    fut_trail_clear();
    assert_int_equal(fut_metric_pairs((const float[]){0.5F, NAN}, same, 2, NULL, &v), FUT_ERR_NUMERIC);
    assert_string_equal(fut_trail_message(), "the score of pair 1 of 2 is nan");
    fut_trail_clear();
    assert_int_equal(fut_metric_pairs((const float[]){INFINITY, 0}, same, 2, NULL, &v), FUT_ERR_NUMERIC);
    fut_trail_clear();
    assert_int_equal(fut_metric_pairs((const float[]){1, 0}, same, 2, &(fut_metric_options){.n_folds = 1}, &v), FUT_ERR_SHAPE);
    fut_trail_clear();

    static faces f;
    draw_faces(&f);
    fut_metric_set query = {.embedding = f.embedding[0], .label = f.label, .n = 10};
    f.embedding[7][3] = NAN;
    assert_int_equal(fut_metric_embeddings(&query, NULL, DIM, NULL, &v), FUT_ERR_NUMERIC);
    assert_string_equal(fut_trail_message(), "embedding 7 of 10 has length nan, must be 1");
    fut_trail_clear();
    f.embedding[7][3] = 3;
    assert_int_equal(fut_metric_embeddings(&query, NULL, DIM, NULL, &v), FUT_ERR_NUMERIC);
    fut_trail_clear();
    assert_true(v.eer == 42); /* untouched */
}

/* A network that has collapsed gives one embedding to everybody. */
static void test_collapsed_embeddings(void **state)
{
    (void)state;
    enum { N = 40 };
    static float embedding[N][DIM];
    int64_t label[N];
    for (int i = 0; i < N; i++) {
        embedding[i][0] = 1;
        label[i] = i % 10;
    }
    fut_metric_set query = {.embedding = embedding[0], .label = label, .n = N};
    fut_verification v = {0};
    assert_int_equal(fut_metric_embeddings(&query, NULL, DIM, NULL, &v), FUT_OK);
    assert_true(v.auc == 0.5 && v.eer == 0.5 && v.tar[0].at.tar == 0);
    assert_int_equal(v.histogram_same[FUT_METRIC_BINS - 1], v.n_same);
    fut_verification_fini(&v);
}

static void test_exhausted_memory(void **state)
{
    (void)state;
    static faces f;
    draw_faces(&f);
    fut_metric_set query = {.embedding = f.embedding[0], .label = f.label, .n = 100};
    fut_metric_set reference = {.embedding = f.embedding[100], .label = f.label + 100, .n = 100};
    fut_metric_options options = {.n_hardest = 4};
    fut_verification v = {0};
    int64_t before = fut_mem_bytes();
    fut_status st = FUT_ERR_NO_MEMORY;
    int64_t failures = 0;
    while (st == FUT_ERR_NO_MEMORY) {
        assert_null(v.roc);
        fut_trail_clear();
        fut_mem_fail_after(failures + 1);
        st = fut_metric_embeddings(&query, &reference, DIM, &options, &v);
        assert_int_equal(fut_mem_bytes() == before, st != FUT_OK);
        failures++;
    }
    fut_mem_fail_after(0);
    assert_int_equal(st, FUT_OK);
    assert_true(failures > 10);
    fut_verification_fini(&v);
    assert_int_equal(fut_mem_bytes(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_kind_of_pairs_is_not_an_error),
        cmocka_unit_test(test_thresholds_stand_between_scores),
        cmocka_unit_test(test_equals_at_a_boundary),
        cmocka_unit_test(test_drawn_curve_is_thin_and_whole),
        cmocka_unit_test(test_tiles_equal_single_pairs),
        cmocka_unit_test(test_hardest_do_not_depend_on_order),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_collapsed_embeddings),
        cmocka_unit_test(test_exhausted_memory),
    };
    return cmocka_run_group_tests_name("metric", tests, NULL, NULL);
}
