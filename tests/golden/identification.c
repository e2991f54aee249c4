/* Retrieval metrics against pytorch-metric-learning's AccuracyCalculator: make_identification.py writes the values. */
#include "core/metric/identification.h"
#include "core/base/file.h"
#include "core/base/mem.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define CASES FUT_TEST_SOURCE_DIR "/tests/golden/identification/cases.json"
enum { MAX_FILE = 1 << 20, ROWS_MAX = 200, DIM = 12 };

static double number(const cJSON *object, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    assert_true(cJSON_IsNumber(item));
    return item->valuedouble;
}

static void check(const cJSON *golden, const char *key, double value)
{
    const char *name = cJSON_GetObjectItemCaseSensitive(golden, "name")->valuestring;
    double expected = number(golden, key);
    if (!(fabs(value - expected) <= 1e-12)) fail_msg("%s: %s is %.17g, golden %.17g", name, key, value, expected);
}

static void check_case(const cJSON *golden)
{
    static float embedding[ROWS_MAX][DIM];
    static int64_t label[ROWS_MAX];
    int64_t n = 0;
    int64_t n_query = (int64_t)number(golden, "n_query");
    double unit = number(golden, "unit");
    const cJSON *row = NULL;
    cJSON_ArrayForEach(row, cJSON_GetObjectItemCaseSensitive(golden, "coordinate"))
    {
        const cJSON *value = NULL;
        int d = 0;
        assert_true(n < ROWS_MAX && cJSON_GetArraySize(row) == DIM);
        cJSON_ArrayForEach(value, row) embedding[n][d++] = (float)(value->valuedouble / unit);
        n++;
    }
    const cJSON *item = NULL;
    int64_t i = 0;
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(golden, "label")) label[i++] = (int64_t)item->valuedouble;
    assert_int_equal(i, n);

    fut_metric_set query = {.embedding = embedding[0], .label = label, .n = n_query};
    fut_metric_set reference = {.embedding = embedding[n_query % ROWS_MAX], .label = label + n_query, .n = n - n_query};
    fut_identification id = {0};
    assert_int_equal(fut_metric_identification(&query, n_query < n ? &reference : NULL, DIM, &id), FUT_OK);
    check(golden, "precision_at_1", id.retrieval.precision_at_1);
    check(golden, "r_precision", id.retrieval.r_precision);
    check(golden, "mean_average_precision_at_r", id.retrieval.map_at_r);
    check(golden, "mean_average_precision", id.retrieval.map);
}

static void test_retrieval(void **state)
{
    (void)state;
    fut_str text = {0};
    assert_int_equal(fut_file_read(CASES, MAX_FILE, &text), FUT_OK);
    cJSON *cases = cJSON_ParseWithLength(text.data, text.length);
    assert_non_null(cases);
    assert_true(cJSON_GetArraySize(cases) >= 10);
    const cJSON *golden = NULL;
    cJSON_ArrayForEach(golden, cases) check_case(golden);
    cJSON_Delete(cases);
    fut_str_fini(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_retrieval)};
    return cmocka_run_group_tests_name("identification", tests, NULL, NULL);
}
