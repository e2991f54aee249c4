/* data/split: the identity split, fractions, refusals. Equality with scikit-learn is tests/golden/split.c. */
#include "data/split.h"
#include "core/base/mem.h"
#include "tests/support/support.h"

#include <string.h>

enum { PEOPLE = 50, N = PEOPLE * 4 };

static void fill(int32_t labels[N])
{
    for (int i = 0; i < N; i++)
        labels[i] = i / 4;
}

static void nobody_is_in_two_parts(void **state)
{
    (void)state;
    int32_t labels[N];
    const double fractions[] = {0.8, 0.1, 0.1};
    fill(labels);
    for (uint32_t seed = 0; seed < 20; seed++) {
        fut_split split = {0};
        int part_of[PEOPLE];
        int64_t total = 0;
        memset(part_of, -1, sizeof part_of);
        FUT_TEST_OK(fut_split_identity(labels, N, PEOPLE, fractions, seed, &split));
        assert_int_equal(split.n[FUT_PART_TEST], 5 * 4);
        assert_int_equal(split.n[FUT_PART_VAL], 5 * 4);
        for (int part = 0; part < FUT_PART_COUNT; part++)
            for (int64_t i = 0; i < split.n[part]; i++, total++) {
                int32_t label = labels[split.index[part][i]];
                assert_true(part_of[label] == -1 || part_of[label] == part);
                part_of[label] = part;
                assert_true(i == 0 || split.index[part][i] > split.index[part][i - 1]);
            }
        assert_int_equal(total, N);
        fut_split_fini(&split);
    }
}

static void seeds_matter_and_repeat(void **state)
{
    (void)state;
    int32_t labels[N];
    const double fractions[] = {0.8, 0.1, 0.1};
    fut_split a = {0}, b = {0}, c = {0};
    fill(labels);
    FUT_TEST_OK(fut_split_identity(labels, N, PEOPLE, fractions, 1, &a));
    FUT_TEST_OK(fut_split_identity(labels, N, PEOPLE, fractions, 1, &b));
    FUT_TEST_OK(fut_split_identity(labels, N, PEOPLE, fractions, 2, &c));
    assert_memory_equal(a.index[FUT_PART_TEST], b.index[FUT_PART_TEST], 20 * sizeof(int64_t));
    assert_memory_not_equal(a.index[FUT_PART_TEST], c.index[FUT_PART_TEST], 20 * sizeof(int64_t));
    fut_split_fini(&a);
    fut_split_fini(&b);
    fut_split_fini(&c);
}

static void small_and_empty_parts(void **state)
{
    (void)state;
    const int32_t labels[] = {0, 0, 1, 1, 2, 2};
    const double even[] = {0.8, 0.1, 0.1};
    const double no_val[] = {0.5, 0, 0.5};
    const double all[] = {1, 0, 0};
    fut_split split = {0};
    FUT_TEST_OK(fut_split_identity(labels, 6, 3, even, 0, &split));
    for (int part = 0; part < FUT_PART_COUNT; part++)
        assert_int_equal(split.n[part], 2);
    fut_split_fini(&split);
    FUT_TEST_OK(fut_split_identity(labels, 6, 3, no_val, 0, &split));
    assert_int_equal(split.n[FUT_PART_VAL], 0);
    assert_int_equal(split.n[FUT_PART_TEST], 4);
    fut_split_fini(&split);
    FUT_TEST_OK(fut_split_identity(labels, 6, 3, all, 0, &split));
    assert_int_equal(split.n[FUT_PART_TRAIN], 6);
    fut_split_fini(&split);
    FUT_TEST_FAILS(fut_split_identity(labels, 4, 2, even, 0, &split), FUT_ERR_DATA, "2 people are too few");
}

static void bad_fractions(void **state)
{
    (void)state;
    const int32_t labels[] = {0, 0, 1, 1};
    const double short_sum[] = {0.8, 0.1, 0.05};
    const double zero_val[] = {0.8, 0, 0.2};
    const double negative[] = {1.2, -0.1, -0.1};
    fut_split split = {0};
    fut_split_report report = {0};
    FUT_TEST_FAILS(fut_split_stratified(labels, 4, short_sum, 0, &split, &report), FUT_ERR_CONFIG, "add up to 0.95");
    FUT_TEST_FAILS(fut_split_stratified(labels, 4, zero_val, 0, &split, &report), FUT_ERR_CONFIG, "the val fraction is 0");
    FUT_TEST_FAILS(fut_split_stratified(labels, 4, negative, 0, &split, &report), FUT_ERR_CONFIG, "the train fraction is 1.2");
    FUT_TEST_FAILS(fut_split_identity(labels, 4, 2, negative, 0, &split), FUT_ERR_CONFIG, "the train fraction is 1.2");
}

static void refusals_name_labels(void **state)
{
    (void)state;
    int32_t labels[N + 2];
    const double fractions[] = {0.8, 0.1, 0.1};
    fut_split split = {0};
    fut_split_report report = {0};
    fill(labels);
    labels[N] = 70;
    labels[N + 1] = 60;
    FUT_TEST_OK(fut_split_stratified(labels, N + 2, fractions, 0, &split, &report));
    assert_int_equal(report.refusal, FUT_SPLIT_FEW_IMAGES);
    assert_int_equal(report.call, 1);
    assert_int_equal(report.n_few, 2);
    assert_int_equal(report.few[0], 60);
    assert_int_equal(report.few[1], 70);
    assert_int_equal(report.n_classes, PEOPLE + 2);
    assert_null(split.index[FUT_PART_TRAIN]);
    fut_split_report_fini(&report);
    /* Four photos a person leave fewer than one a person for val and test. */
    FUT_TEST_OK(fut_split_stratified(labels, N, fractions, 0, &split, &report));
    assert_int_equal(report.refusal, FUT_SPLIT_TEST_SMALL);
    assert_int_equal(report.n_second, 40);
    fut_split_report_fini(&report);
    assert_int_equal(fut_mem_bytes(), 0);
}

static void survives_every_failed_allocation(void **state)
{
    (void)state;
    int32_t labels[100];
    const double fractions[] = {0.8, 0.1, 0.1};
    for (int i = 0; i < 100; i++)
        labels[i] = i / 20;
    fut_status st = FUT_ERR_NO_MEMORY;
    int64_t tried = 0;
    for (int64_t k = 1; st != FUT_OK; k++, tried++) {
        fut_split split = {0};
        fut_split_report report = {0};
        fut_mem_fail_after(k);
        st = fut_split_stratified(labels, 100, fractions, 0, &split, &report);
        fut_mem_fail_after(0);
        fut_trail_clear();
        fut_split_report_fini(&report);
        fut_split_fini(&split);
        assert_int_equal(fut_mem_bytes(), 0);
    }
    assert_true(tried > 15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_is_in_two_parts), cmocka_unit_test(seeds_matter_and_repeat),
        cmocka_unit_test(small_and_empty_parts),  cmocka_unit_test(bad_fractions),
        cmocka_unit_test(refusals_name_labels),   cmocka_unit_test(survives_every_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
