/* Verification metrics against scikit-learn and insightface's fold protocol: make_metric.py writes the values. */
#include "core/metric/metric.h"
#include "core/base/file.h"
#include "core/base/mem.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define FOLDER FUT_TEST_SOURCE_DIR "/tests/golden/metric/"
enum { MAX_FILE = 1 << 22 };

static const double CLOSE = 1e-9;

static cJSON *read_json(const char *path)
{
    fut_str text = {0};
    assert_int_equal(fut_file_read(path, MAX_FILE, &text), FUT_OK);
    cJSON *json = cJSON_ParseWithLength(text.data, text.length);
    assert_non_null(json);
    fut_str_fini(&text);
    return json;
}

static double number(const cJSON *object, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    assert_true(cJSON_IsNumber(item));
    return item->valuedouble;
}

static double number_at(const cJSON *array, int i)
{
    const cJSON *item = cJSON_GetArrayItem(array, i);
    assert_true(cJSON_IsNumber(item));
    return item->valuedouble;
}

#define assert_close(a, b, tolerance, what)                                                                                                \
    do {                                                                                                                                   \
        if (!(fabs((a) - (b)) <= (tolerance))) fail_msg("%s: %.17g, golden %.17g", (what), (double)(a), (double)(b));                      \
    } while (0)

typedef struct pairs {
    float *score;
    uint8_t *same;
    int64_t n;
} pairs;

static uint64_t splitmix64(uint64_t seed, int64_t i)
{
    uint64_t z = seed + (uint64_t)(i + 1) * 0x9E3779B97F4A7C15U;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
    return z ^ (z >> 31);
}

static float uniform(uint64_t seed, int64_t i)
{
    return (float)(splitmix64(seed, i) >> 40) * 0x1p-24F;
}

/* make_metric.py: drawn. */
static void draw_pairs(const cJSON *draw, pairs *p)
{
    uint64_t seed = (uint64_t)number_at(draw, 0);
    uint64_t one_in = (uint64_t)number_at(draw, 2);
    float levels = (float)number_at(draw, 3);
    for (int64_t i = 0; i < p->n; i++) {
        float a = uniform(seed + 1, i);
        float b = uniform(seed + 2, i);
        p->same[i] = splitmix64(seed, i) % one_in == 0;
        p->score[i] = p->same[i] ? fmaxf(a, b) : a * b;
        if (levels > 0) p->score[i] = floorf(p->score[i] * levels) / levels;
    }
}

static pairs make_pairs(const cJSON *set)
{
    const cJSON *draw = cJSON_GetObjectItemCaseSensitive(set, "draw");
    const cJSON *score = cJSON_GetObjectItemCaseSensitive(set, "score");
    const cJSON *same = cJSON_GetObjectItemCaseSensitive(set, "same");
    pairs p = {.n = draw != NULL ? (int64_t)number_at(draw, 1) : cJSON_GetArraySize(score)};
    assert_int_equal(FUT_NEW_ARRAY(p.n, &p.score), FUT_OK);
    assert_int_equal(FUT_NEW_ARRAY(p.n, &p.same), FUT_OK);
    if (draw != NULL) {
        draw_pairs(draw, &p);
    } else {
        for (int i = 0; i < p.n; i++) {
            p.score[i] = (float)number_at(score, i);
            p.same[i] = (uint8_t)number_at(same, i);
        }
    }
    return p;
}

/* What a threshold does, by counting. */
static void count_at(const pairs *p, double threshold, double *far_out, double *tar_out)
{
    int64_t accepted[2] = {0, 0};
    int64_t total[2] = {0, 0};
    for (int64_t i = 0; i < p->n; i++) {
        accepted[p->same[i]] += (double)p->score[i] >= threshold;
        total[p->same[i]]++;
    }
    *far_out = (double)accepted[0] / (double)total[0];
    *tar_out = (double)accepted[1] / (double)total[1];
}

static void check_point(const pairs *p, const fut_operating_point *point, const char *name)
{
    double far = 0;
    double tar = 0;
    count_at(p, point->threshold, &far, &tar);
    assert_close(point->far, far, 0, name);
    assert_close(point->tar, tar, 0, name);
}

/* The drawn curve passes within `tolerance` of (far, tar). */
static bool is_on_curve(const fut_verification *v, double far, double tar, double tolerance)
{
    for (int64_t i = 0; i + 1 < v->n_roc; i++) {
        const fut_roc_point *a = &v->roc[i];
        const fut_roc_point *b = &v->roc[i + 1];
        if (far < a->far - tolerance || far > b->far + tolerance || tar < a->tar - tolerance || tar > b->tar + tolerance) continue;
        double run = b->far - a->far;
        double rise = b->tar - a->tar;
        if (fabs(rise * (far - a->far) - run * (tar - a->tar)) <= tolerance * (hypot(run, rise) + tolerance)) return true;
    }
    return false;
}

static void check_values(const cJSON *set, const fut_verification *v, const char *name)
{
    assert_true(v->is_defined);
    assert_string_equal(fut_verification_why_undefined(v), "");
    assert_close(v->auc, number(set, "auc"), CLOSE, name);
    assert_close(v->eer, number(set, "eer"), CLOSE, name);
    assert_close(fabs(v->at_eer.far - (1 - v->at_eer.tar)), number(set, "imbalance"), CLOSE, name);
    assert_close(v->at_best.accuracy, number(set, "accuracy"), CLOSE, name);
    assert_close(v->mean_same, number(set, "mean_same"), CLOSE, name);
    assert_close(v->mean_different, number(set, "mean_different"), CLOSE, name);
    const cJSON *tar = cJSON_GetObjectItemCaseSensitive(set, "tar");
    for (int i = 0; i < FUT_METRIC_FARS; i++)
        assert_close(v->tar[i].at.tar, number_at(tar, i), CLOSE, name);

    const cJSON *point = NULL;
    double tolerance = v->n_same + v->n_different < 64 ? CLOSE : 1.0 / 512;
    cJSON_ArrayForEach(point, cJSON_GetObjectItemCaseSensitive(set, "roc"))
    {
        double far = number_at(point, 0);
        if (!is_on_curve(v, far, number_at(point, 1), tolerance)) fail_msg("%s: (%g, %g) is off the curve", name, far, number_at(point, 1));
    }
}

static void check_folds(const cJSON *golden, const fut_folds *folds, const char *name)
{
    assert_int_equal(folds->n, 10);
    assert_true(folds->has_val);
    for (int i = 0; i < folds->n; i++) {
        assert_close(folds->accuracy[i], number_at(cJSON_GetObjectItemCaseSensitive(golden, "accuracy"), i), CLOSE, name);
        assert_close(folds->threshold[i], number_at(cJSON_GetObjectItemCaseSensitive(golden, "threshold"), i), CLOSE, name);
    }
    assert_close(folds->accuracy_mean, number(golden, "accuracy_mean"), CLOSE, name);
    assert_close(folds->accuracy_std, number(golden, "accuracy_std"), CLOSE, name);
    assert_close(folds->val_mean, number(golden, "val_mean"), CLOSE, name);
    assert_close(folds->val_std, number(golden, "val_std"), CLOSE, name);
    assert_close(folds->val_far_mean, number(golden, "val_far_mean"), CLOSE, name);
}

static void test_pairs(void **state)
{
    (void)state;
    cJSON *sets = read_json(FOLDER "pairs.json");
    const cJSON *set = NULL;
    cJSON_ArrayForEach(set, sets)
    {
        const char *name = cJSON_GetObjectItemCaseSensitive(set, "name")->valuestring;
        const cJSON *folds = cJSON_GetObjectItemCaseSensitive(set, "folds");
        fut_metric_options options = {.n_folds = folds != NULL ? 10 : 0};
        pairs p = make_pairs(set);
        fut_verification v = {0};
        assert_int_equal(fut_metric_pairs(p.score, p.same, p.n, &options, &v), FUT_OK);
        check_values(set, &v, name);
        if (folds != NULL) check_folds(folds, &v.folds, name);

        check_point(&p, &v.at_eer, name);
        check_point(&p, &v.at_best, name);
        for (int i = 0; i < FUT_METRIC_FARS; i++) {
            check_point(&p, &v.tar[i].at, name);
            assert_true(v.tar[i].at.far <= v.tar[i].target);
        }
        assert_true(v.roc[0].far == 0 && v.roc[0].tar == 0 && v.roc[v.n_roc - 1].far == 1 && v.roc[v.n_roc - 1].tar == 1);
        for (int64_t i = 0; i < v.n_roc; i++) {
            fut_operating_point point = {.threshold = v.roc[i].threshold, .far = v.roc[i].far, .tar = v.roc[i].tar};
            check_point(&p, &point, name);
        }
        fut_verification_fini(&v);
        fut_mem_free(p.score);
        fut_mem_free(p.same);
    }
    cJSON_Delete(sets);
}

static void check_hardest(const cJSON *golden, const fut_hard_pair *pair, int64_t n, const char *name)
{
    assert_int_equal(n, cJSON_GetArraySize(golden));
    for (int i = 0; i < n; i++) {
        const cJSON *expected = cJSON_GetArrayItem(golden, i);
        if (pair[i].a != (int64_t)number_at(expected, 0) || pair[i].b != (int64_t)number_at(expected, 1))
            fail_msg("%s: hardest pair %d is (%lld, %lld)", name, i, (long long)pair[i].a, (long long)pair[i].b);
        assert_close((double)pair[i].score, number_at(expected, 2), 0, name);
    }
}

static void test_embeddings(void **state)
{
    (void)state;
    cJSON *groups = read_json(FOLDER "embeddings.json");
    const cJSON *group = NULL;
    cJSON_ArrayForEach(group, groups)
    {
        const char *name = cJSON_GetObjectItemCaseSensitive(group, "name")->valuestring;
        const cJSON *labels = cJSON_GetObjectItemCaseSensitive(group, "label");
        int64_t n = cJSON_GetArraySize(labels);
        int64_t dim = (int64_t)number(group, "dim");
        int64_t from = (int64_t)number(group, "from_row");
        char path[512];
        fut_str bytes = {0};
        float *embedding = NULL;
        int64_t *label = NULL;
        (void)snprintf(path, sizeof path, FOLDER "%s.f32", name);
        assert_int_equal(fut_file_read(path, MAX_FILE, &bytes), FUT_OK);
        assert_int_equal(bytes.length, (size_t)(n * dim) * sizeof(float));
        assert_int_equal(FUT_NEW_ARRAY(n * dim, &embedding), FUT_OK);
        assert_int_equal(FUT_NEW_ARRAY(n, &label), FUT_OK);
        memcpy(embedding, bytes.data, bytes.length);
        for (int i = 0; i < n; i++)
            label[i] = (int64_t)number_at(labels, i);

        fut_metric_set query = {.embedding = embedding + from * dim, .label = label + from, .n = n - from};
        fut_metric_set reference = {.embedding = embedding, .label = label, .n = from};
        fut_metric_options options = {.n_hardest = 12};
        fut_verification v = {0};
        assert_int_equal(fut_metric_embeddings(&query, from > 0 ? &reference : NULL, dim, &options, &v), FUT_OK);
        check_values(group, &v, name);
        check_hardest(cJSON_GetObjectItemCaseSensitive(group, "hard_same"), v.hard_same, v.n_hard_same, name);
        check_hardest(cJSON_GetObjectItemCaseSensitive(group, "hard_different"), v.hard_different, v.n_hard_different, name);
        fut_verification_fini(&v);
        fut_mem_free(embedding);
        fut_mem_free(label);
        fut_str_fini(&bytes);
    }
    cJSON_Delete(groups);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pairs),
        cmocka_unit_test(test_embeddings),
    };
    return cmocka_run_group_tests_name("metric", tests, NULL, NULL);
}
