/* Health of embeddings against numpy: make_health.py writes the values. */
#include "core/metric/health.h"
#include "core/base/file.h"
#include "core/base/mem.h"
#include "tests/support/support.h"

#include <cjson/cJSON.h>
#include <math.h>

#define CASES FUT_TEST_SOURCE_DIR "/tests/golden/health/cases.json"
enum { MAX_FILE = 1 << 20 };

static float uniform(uint64_t seed, int64_t i)
{
    uint64_t z = seed + (uint64_t)(i + 1) * 0x9E3779B97F4A7C15U;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
    z ^= z >> 31;
    return (float)(z >> 52) * 0x1p-12F - 0.5F;
}

static int64_t integer(const cJSON *object, const char *key)
{
    return (int64_t)cJSON_GetObjectItem(object, key)->valuedouble;
}

/* A batch as make_health.py's draw() gives it. */
typedef struct batch {
    float *e;
    int64_t *label, *image;
    double *work;
} batch;

static void draw(const cJSON *row, int64_t n, int64_t dim, batch *b)
{
    int64_t people = integer(row, "people");
    int64_t photos = n / people > 1 ? n / people : 1;
    FUT_TEST_OK(FUT_NEW_ARRAY(n * dim, &b->e));
    FUT_TEST_OK(FUT_NEW_ARRAY(n, &b->label));
    FUT_TEST_OK(FUT_NEW_ARRAY(n, &b->image));
    FUT_TEST_OK(FUT_NEW_ARRAY(fut_health_work(n, dim), &b->work));
    for (int64_t i = 0; i < n * dim; i++)
        b->e[i] = (i % dim < integer(row, "directions") ? uniform((uint64_t)integer(row, "seed"), i) : 0) +
                  (float)cJSON_GetObjectItem(row, "common")->valuedouble;
    for (int64_t i = 0; i < n; i++) {
        b->label[i] = i / photos;
        b->image[i] = i;
    }
    b->image[n / 2] = b->image[0];
    b->label[n / 2] = b->label[0];
}

static void check_spread(const cJSON *row, const char *name, const fut_spread *got)
{
    const cJSON *want = cJSON_GetObjectItem(row, name);
    const cJSON *mean = cJSON_GetArrayItem(want, 1);
    assert_int_equal(got->n, cJSON_GetArrayItem(want, 0)->valuedouble);
    if (got->n == 0) {
        assert_true(cJSON_IsNull(mean) && isnan(got->mean) && isnan(got->std));
        return;
    }
    FUT_TEST_CLOSE_F64(&got->mean, &mean->valuedouble, 1, 1e-12, 1e-14);
    FUT_TEST_CLOSE_F64(&got->std, &cJSON_GetArrayItem(want, 2)->valuedouble, 1, 1e-7, 1e-12);
}

static void numpy_measures_the_same(void **state)
{
    (void)state;
    fut_str text = {0};
    FUT_TEST_OK(fut_file_read(CASES, MAX_FILE, &text));
    cJSON *cases = cJSON_ParseWithLength(text.data, text.length);
    const cJSON *row = NULL;
    assert_true(cJSON_GetArraySize(cases) > 4);
    cJSON_ArrayForEach(row, cases)
    {
        batch b = {0};
        fut_health health;
        int64_t n = integer(row, "n");
        int64_t dim = integer(row, "dim");
        draw(row, n, dim, &b);
        fut_health_measure(b.e, b.label, b.image, n, dim, b.work, &health);
        check_spread(row, "positive", &health.positive);
        check_spread(row, "negative", &health.negative);
        check_spread(row, "norm", &health.norm);
        FUT_TEST_CLOSE_F64(&health.effective_rank, &cJSON_GetObjectItem(row, "effective_rank")->valuedouble, 1, 1e-6, 0);
        void *blocks[] = {b.e, b.label, b.image, b.work};
        for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
            fut_mem_free(blocks[i]);
    }
    cJSON_Delete(cases);
    fut_str_fini(&text);
}

/* One point is 1, right angles are their number, nothing is 0; what is not finite is said to be no number, and soon. */
static void ranks_that_are_known(void **state)
{
    (void)state;
    enum { N = 6, DIM = 8 };
    float e[N * DIM] = {0};
    int64_t label[N] = {0, 0, 1, 1, 2, 2};
    int64_t image[N] = {0, 1, 2, 3, 4, 5};
    double work[N * (DIM + N + 4)];
    fut_health health;
    assert_int_equal(fut_health_work(N, DIM), N * (DIM + N + 4));
    fut_health_measure(e, label, image, N, DIM, work, &health);
    assert_true(health.effective_rank == 0 && health.norm.mean == 0 && health.positive.mean == 0);
    for (int i = 0; i < N; i++)
        e[i * DIM + i] = (float)(i + 1);
    fut_health_measure(e, label, image, N, DIM, work, &health);
    assert_true(fabs(health.effective_rank - N) < 1e-12);
    for (int i = 0; i < N * DIM; i++)
        e[i] = (float)(1 + i % DIM);
    fut_health_measure(e, label, image, N, DIM, work, &health);
    assert_true(fabs(health.effective_rank - 1) < 1e-6 && fabs(health.negative.mean - 1) < 1e-12 && health.negative.std < 1e-12);
    e[3] = NAN;
    fut_health_measure(e, label, image, N, DIM, work, &health);
    assert_true(isnan(health.effective_rank) && isnan(health.norm.mean));
}

/* Every batch is looked at from its first to its last row, in rows that do not overlap. */
static void runs_cover_a_batch(void **state)
{
    (void)state;
    for (int64_t n = 1; n < 5000; n = n * 3 / 2 + 1) {
        fut_health_run runs[FUT_HEALTH_RUNS];
        int count = fut_health_choose(n, runs);
        int64_t rows = 0;
        for (int i = 0; i < count; i++) {
            assert_true(runs[i].first >= (i > 0 ? runs[i - 1].first + runs[i - 1].count : 0));
            rows += runs[i].count;
        }
        assert_int_equal(rows, n < FUT_HEALTH_ROWS ? n : FUT_HEALTH_ROWS);
        assert_int_equal(runs[0].first, 0);
        assert_int_equal(runs[count - 1].first + runs[count - 1].count, n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numpy_measures_the_same),
        cmocka_unit_test(ranks_that_are_known),
        cmocka_unit_test(runs_cover_a_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
