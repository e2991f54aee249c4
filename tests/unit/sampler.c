/* data/sampler: ids, people left out, refusals, and a state that goes on where it was. */
#include "data/sampler.h"
#include "core/base/mem.h"
#include "tests/support/support.h"

#include <string.h>

/* Person 5 has 4 images, 2 has 1, 9 has 2. */
static const int32_t labels[] = {5, 2, 5, 9, 5, 9, 5};
static const int64_t images[] = {100, 7, 55, 8, 9, 60, 3};
enum { N = 7 };

static fut_sampler *create(int64_t m, int64_t batch, int64_t length, int64_t min_images)
{
    const fut_sampler_config config = {.m = m, .batch = batch, .length = length, .min_images = min_images, .seed = 3};
    fut_sampler *sampler = NULL;
    FUT_TEST_OK(fut_sampler_create(&config, images, labels, N, &sampler));
    return sampler;
}

static int32_t label_of(int64_t image)
{
    for (int i = 0; i < N; i++)
        if (images[i] == image) return labels[i];
    fail_msg("image %lld is not one of the given", (long long)image);
    return -1;
}

static void m_of_each_person(void **state)
{
    (void)state;
    fut_sampler *sampler = create(2, 0, 6, 0);
    int64_t ids[6];
    int64_t n = 0;
    bool last = false;
    fut_sampler_counts counts = fut_sampler_get_counts(sampler);
    assert_int_equal(counts.n_people, 3);
    assert_int_equal(counts.n_left_out, 0);
    assert_int_equal(counts.n_repeating, 1);
    assert_int_equal(counts.n_single, 1);
    for (int pass = 0; pass < 50; pass++) {
        fut_sampler_next(sampler, 6, ids, &n, &last);
        assert_int_equal(n, 6);
        assert_true(last);
        assert_int_equal(fut_sampler_pass(sampler), pass);
        int seen = 0;
        for (int i = 0; i < 6; i += 2) {
            int32_t label = label_of(ids[i]);
            assert_int_equal(label, label_of(ids[i + 1]));
            assert_int_equal(ids[i] == ids[i + 1], label == 2);
            seen |= label == 5 ? 1 : label == 2 ? 2 : 4;
        }
        assert_int_equal(seen, 7);
    }
    fut_sampler_destroy(&sampler);
}

static void people_with_few_images_are_left_out(void **state)
{
    (void)state;
    fut_sampler *sampler = create(2, 0, 100, 2);
    int64_t id = 0;
    int64_t n = 0;
    bool last = false;
    assert_int_equal(fut_sampler_get_counts(sampler).n_left_out, 1);
    assert_int_equal(fut_sampler_get_counts(sampler).n_people, 2);
    for (int i = 0; i < 300; i++) {
        fut_sampler_next(sampler, 1, &id, &n, &last);
        assert_int_not_equal(label_of(id), 2);
    }
    fut_sampler_destroy(&sampler);
}

static void refusals(void **state)
{
    (void)state;
    fut_sampler *sampler = NULL;
    fut_sampler_config config = {.m = 2, .batch = 5, .length = 100};
    FUT_TEST_FAILS(fut_sampler_create(&config, images, labels, N, &sampler), FUT_ERR_CONFIG, "batch 5 is not a multiple of m 2");
    config.batch = 8;
    FUT_TEST_FAILS(fut_sampler_create(&config, images, labels, N, &sampler), FUT_ERR_CONFIG, "batch 8 needs 4 people");
    config.batch = 4;
    config.length = 3;
    FUT_TEST_FAILS(fut_sampler_create(&config, images, labels, N, &sampler), FUT_ERR_CONFIG, "larger than length 3");
    config.length = 100;
    config.min_images = 5;
    FUT_TEST_FAILS(fut_sampler_create(&config, images, labels, N, &sampler), FUT_ERR_CONFIG, "none of the 3 people");
    config.min_images = 0;
    config.m = 0;
    FUT_TEST_FAILS(fut_sampler_create(&config, images, labels, N, &sampler), FUT_ERR_CONFIG, "must be positive");
    config.m = INT64_MAX / 2;
    FUT_TEST_FAILS(fut_sampler_create(&config, images, labels, N, &sampler), FUT_ERR_CONFIG, "more than a pass can hold");
    assert_null(sampler);
}

static void goes_on_from_a_state(void **state)
{
    (void)state;
    for (int steps = 0; steps < 40; steps++) {
        fut_sampler *a = create(2, 0, 20, 0);
        fut_sampler *b = create(2, 0, 20, 0);
        fut_sampler_state saved;
        int64_t ids[5], again[5];
        int64_t n = 0, n_again = 0;
        bool last = false, last_again = false;
        for (int i = 0; i < steps; i++)
            fut_sampler_next(a, 5, ids, &n, &last);
        FUT_TEST_OK(fut_sampler_get_state(a, &saved));
        FUT_TEST_OK(fut_sampler_set_state(b, &saved));
        for (int i = 0; i < 20; i++) {
            fut_sampler_next(a, 5, ids, &n, &last);
            fut_sampler_next(b, 5, again, &n_again, &last_again);
            assert_int_equal(n, n_again);
            assert_int_equal(last, last_again);
            assert_memory_equal(ids, again, (size_t)n * sizeof *ids);
            assert_int_equal(fut_sampler_pass(a), fut_sampler_pass(b));
            assert_int_equal(fut_sampler_position(a), fut_sampler_position(b));
        }
        fut_sampler_state_fini(&saved);
        fut_sampler_destroy(&a);
        fut_sampler_destroy(&b);
    }
}

static void foreign_states_are_refused(void **state)
{
    (void)state;
    fut_sampler *sampler = create(2, 0, 20, 0);
    fut_sampler *other = create(2, 0, 20, 2);
    fut_sampler_state saved;
    FUT_TEST_OK(fut_sampler_get_state(other, &saved));
    FUT_TEST_FAILS(fut_sampler_set_state(sampler, &saved), FUT_ERR_DATA, "holds 2 people");
    fut_sampler_state_fini(&saved);
    FUT_TEST_OK(fut_sampler_get_state(sampler, &saved));
    saved.people[0] = saved.people[1];
    FUT_TEST_FAILS(fut_sampler_set_state(sampler, &saved), FUT_ERR_DATA, "no permutation");
    saved.people[0] = 99;
    FUT_TEST_FAILS(fut_sampler_set_state(sampler, &saved), FUT_ERR_DATA, "no permutation");
    saved.position = 1000;
    FUT_TEST_FAILS(fut_sampler_set_state(sampler, &saved), FUT_ERR_DATA, "position 1000");
    saved.position = 0;
    saved.mt_position = 625;
    FUT_TEST_FAILS(fut_sampler_set_state(sampler, &saved), FUT_ERR_DATA, "word 625");
    fut_sampler_state_fini(&saved);
    fut_sampler_destroy(&sampler);
    fut_sampler_destroy(&other);
}

static void batches_allocate_nothing(void **state)
{
    (void)state;
    fut_sampler *sampler = create(2, 0, 20, 0);
    int64_t ids[7];
    int64_t n = 0;
    bool last = false;
    int64_t before = fut_mem_count();
    for (int i = 0; i < 100; i++)
        fut_sampler_next(sampler, 7, ids, &n, &last);
    assert_int_equal(fut_mem_count(), before);
    fut_sampler_destroy(&sampler);
    assert_int_equal(fut_mem_bytes(), 0);
}

static void survives_every_failed_allocation(void **state)
{
    (void)state;
    const fut_sampler_config config = {.m = 2, .length = 20};
    fut_status st = FUT_ERR_NO_MEMORY;
    for (int64_t k = 1; st != FUT_OK; k++) {
        fut_sampler *sampler = NULL;
        fut_mem_fail_after(k);
        st = fut_sampler_create(&config, images, labels, N, &sampler);
        fut_mem_fail_after(0);
        fut_trail_clear();
        if (st != FUT_OK) assert_int_equal(st, FUT_ERR_NO_MEMORY);
        fut_sampler_destroy(&sampler);
        assert_int_equal(fut_mem_bytes(), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(m_of_each_person),
        cmocka_unit_test(people_with_few_images_are_left_out),
        cmocka_unit_test(refusals),
        cmocka_unit_test(goes_on_from_a_state),
        cmocka_unit_test(foreign_states_are_refused),
        cmocka_unit_test(batches_allocate_nothing),
        cmocka_unit_test(survives_every_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
