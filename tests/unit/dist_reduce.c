/* The tree's shape against a plain recursion, and its arguments; tests/conformance/comm.c runs it over many ranks. */
#include "core/base/mem.h"
#include "dist/gather.h"
#include "dist/reduce.h"
#include "tests/support/support.h"

static void ranges_share_out_everything(void **state)
{
    (void)state;
    for (int64_t parts = 1; parts <= 9; parts++)
        for (int64_t n = 0; n <= 40; n++) {
            int64_t expected_first = 0;
            int64_t last_size = n;
            for (int64_t p = 0; p < parts; p++) {
                int64_t first = -1;
                int64_t end = -1;
                fut_shard_range(p, parts, n, &first, &end);
                assert_int_equal(first, expected_first);
                assert_in_range(end - first, n / parts, n / parts + 1);
                assert_true(end - first <= last_size);
                last_size = end - first;
                expected_first = end;
            }
            assert_int_equal(expected_first, n);
        }
}

static void refuses_what_it_cannot_do(void **state)
{
    (void)state;
    fut_comm *comm = NULL;
    fut_tree *tree = NULL;
    FUT_TEST_OK(fut_comm_create_self(&comm));
    FUT_TEST_FAILS(fut_tree_create(comm, 0, 4, FUT_F32, &tree), FUT_ERR_INTERNAL, "0 shards over 1 ranks");
    FUT_TEST_FAILS(fut_tree_create(comm, FUT_SHARDS_MAX + 1, 4, FUT_F32, &tree), FUT_ERR_INTERNAL, "1025 shards");
    FUT_TEST_FAILS(fut_tree_create(comm, 4, 4, FUT_I64, &tree), FUT_ERR_INTERNAL, "i64");
    assert_null(tree);
    float leaf[4] = {1, 2, 3, 4};
    float sum[4];
    FUT_TEST_OK(fut_tree_create(comm, 2, 4, FUT_F32, &tree));
    FUT_TEST_OK(fut_tree_add(tree, 0, leaf));
    FUT_TEST_FAILS(fut_tree_add(tree, 0, leaf), FUT_ERR_INTERNAL, "shard 0 was added out of turn: 1 of [0, 2) is next");
    FUT_TEST_FAILS(fut_tree_finish(tree, sum, "gradients"), FUT_ERR_INTERNAL, "gradients: shard 1 of rank 0 was not added");
    FUT_TEST_OK(fut_tree_add(tree, 1, leaf));
    FUT_TEST_FAILS(fut_tree_add(tree, 2, leaf), FUT_ERR_INTERNAL, "out of turn");
    FUT_TEST_OK(fut_tree_finish(tree, sum, "gradients"));
    assert_true(sum[3] == 8);
    FUT_TEST_FAILS(fut_tree_sum_f64(comm, 1, &(double){1}, 1, 0, &(double){0}, "losses"), FUT_ERR_INTERNAL, "losses: 0 sums of 1 shards");
    FUT_TEST_FAILS(fut_gather_rows(comm, 0, &(int64_t){0}, 1, leaf, "rows"), FUT_ERR_INTERNAL, "rows: 0 shards over 1 ranks");
    fut_tree_destroy(&tree);
    fut_comm_destroy(&comm);
}

static void adding_and_finishing_allocates_nothing(void **state)
{
    (void)state;
    enum { SHARDS = 11, COUNT = 100 };
    fut_comm *comm = NULL;
    fut_tree *tree = NULL;
    float leaf[COUNT] = {1};
    float sum[COUNT];
    FUT_TEST_OK(fut_comm_create_self(&comm));
    FUT_TEST_OK(fut_tree_create(comm, SHARDS, COUNT, FUT_F32, &tree));
    int64_t before = fut_mem_count();
    for (int round = 0; round < 3; round++) {
        for (int s = 0; s < SHARDS; s++)
            FUT_TEST_OK(fut_tree_add(tree, s, leaf));
        FUT_TEST_OK(fut_tree_finish(tree, sum, "gradients"));
        assert_true(sum[0] == SHARDS);
    }
    assert_int_equal(fut_mem_count(), before);
    fut_tree_destroy(&tree);
    fut_comm_destroy(&comm);
}

/* Every allocation of its making may fail. */
static void survives_any_failed_allocation(void **state)
{
    (void)state;
    fut_comm *comm = NULL;
    FUT_TEST_OK(fut_comm_create_self(&comm));
    int64_t held = fut_mem_bytes();
    fut_status st = FUT_ERR_NO_MEMORY;
    int failures = 0;
    for (int64_t n = 1; st != FUT_OK; n++) {
        fut_tree *tree = NULL;
        fut_mem_fail_after(n);
        st = fut_tree_create(comm, 7, 1000, FUT_F64, &tree);
        fut_mem_fail_after(0);
        fut_tree_destroy(&tree);
        assert_int_equal(fut_mem_bytes(), held);
        if (st != FUT_OK) {
            assert_int_equal(st, FUT_ERR_NO_MEMORY);
            fut_trail_clear();
            failures++;
        }
    }
    assert_true(failures >= 5);
    fut_comm_destroy(&comm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_share_out_everything),
        cmocka_unit_test(refuses_what_it_cannot_do),
        cmocka_unit_test(adding_and_finishing_allocates_nothing),
        cmocka_unit_test(survives_any_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
