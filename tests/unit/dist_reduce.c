/* The tree's shape against a plain recursion, and its arguments; tests/conformance/comm.c runs it over many ranks. */
#include "core/base/mem.h"
#include "dist/gather.h"
#include "dist/reduce.h"
#include "tests/support/support.h"

#include <string.h>

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

/* One rank alone, on the reference backend. */
typedef struct alone {
    fut_comm *comm;
    fut_backend *bk;
} alone;

static void alone_init(alone *a)
{
    FUT_TEST_OK(fut_comm_create_self(&a->comm));
    FUT_TEST_OK(fut_backend_create("ref", &(fut_backend_options){.threads = 1}, &a->bk));
}

static void alone_fini(alone *a)
{
    fut_backend_destroy(&a->bk);
    fut_comm_destroy(&a->comm);
}

static void refuses_what_it_cannot_do(void **state)
{
    (void)state;
    alone a;
    fut_tree *tree = NULL;
    void *leaf = NULL;
    const void *sum = NULL;
    alone_init(&a);
    FUT_TEST_FAILS(fut_tree_create(a.comm, a.bk, 0, 4, FUT_F32, 0, &tree), FUT_ERR_INTERNAL, "0 shards over 1 ranks");
    FUT_TEST_FAILS(fut_tree_create(a.comm, a.bk, FUT_SHARDS_MAX + 1, 4, FUT_F32, 0, &tree), FUT_ERR_INTERNAL, "1025 shards");
    FUT_TEST_FAILS(fut_tree_create(a.comm, a.bk, 4, 4, FUT_I64, 0, &tree), FUT_ERR_INTERNAL, "i64");
    assert_null(tree);
    FUT_TEST_OK(fut_tree_create(a.comm, a.bk, 2, 4, FUT_F32, 0, &tree));
    for (int shard = 0; shard < 2; shard++) {
        FUT_TEST_OK(fut_tree_begin_leaf(tree, shard, &leaf));
        for (int i = 0; i < 4; i++)
            ((float *)leaf)[i] = (float)(i + 1);
        if (shard == 0) FUT_TEST_FAILS(fut_tree_finish(tree, &sum, "gradients"), FUT_ERR_INTERNAL, "gradients: shard 1 of rank 0");
        FUT_TEST_FAILS(fut_tree_begin_leaf(tree, 0, &leaf), FUT_ERR_INTERNAL, "shard 0 was added out of turn");
        if (shard == 1) FUT_TEST_FAILS(fut_tree_finish(tree, &sum, "gradients"), FUT_ERR_INTERNAL, "is not complete");
        FUT_TEST_OK(fut_tree_leaf_ready(tree, 0, "gradients"));
    }
    FUT_TEST_FAILS(fut_tree_begin_leaf(tree, 2, &leaf), FUT_ERR_INTERNAL, "out of turn");
    FUT_TEST_OK(fut_tree_finish(tree, &sum, "gradients"));
    assert_true(((const float *)sum)[3] == 8);
    FUT_TEST_FAILS(fut_tree_sum_f64(a.comm, 1, &(double){1}, 1, 0, &(double){0}, "losses"), FUT_ERR_INTERNAL, "losses: 0 sums of 1 shards");
    FUT_TEST_FAILS(fut_gather_rows(a.comm, 0, &(int64_t){0}, 1, FUT_F32, leaf, "rows"), FUT_ERR_INTERNAL, "rows: 0 shards over 1 ranks");
    fut_tree_destroy(&tree);
    alone_fini(&a);
}

/* A round of leaves of ones-plus-noise, handed over in pieces; the sum's bits. */
static void sum_round(fut_tree *tree, int shards, int64_t count, int64_t piece, float *sum_out)
{
    const void *sum = NULL;
    for (int s = 0; s < shards; s++) {
        float *leaf = NULL;
        FUT_TEST_OK(fut_tree_begin_leaf(tree, s, (void **)&leaf));
        for (int64_t i = 0; i < count; i++)
            leaf[i] = 1 + (float)((i * 37 + s * 11) % 101) * 1e-5F;
        for (int64_t first = count - piece; first > 0; first -= piece)
            FUT_TEST_OK(fut_tree_leaf_ready(tree, first, "gradients"));
        FUT_TEST_OK(fut_tree_leaf_ready(tree, 0, "gradients"));
    }
    FUT_TEST_OK(fut_tree_finish(tree, &sum, "gradients"));
    memcpy(sum_out, sum, (size_t)count * sizeof *sum_out);
}

static void buckets_and_pieces_do_not_change_the_bits(void **state)
{
    (void)state;
    enum { SHARDS = 11, COUNT = 1000 };
    static float want[COUNT];
    static float got[COUNT];
    alone a;
    alone_init(&a);
    for (size_t bucket = 0; bucket <= 1000; bucket += 250) {
        fut_tree *tree = NULL;
        FUT_TEST_OK(fut_tree_create(a.comm, a.bk, SHARDS, COUNT, FUT_F32, bucket * sizeof(float), &tree));
        sum_round(tree, SHARDS, COUNT, bucket == 0 ? COUNT : 1 + (int64_t)bucket / 3, bucket == 0 ? want : got);
        if (bucket > 0) assert_memory_equal(got, want, sizeof got);
        fut_tree_destroy(&tree);
    }
    alone_fini(&a);
}

static void adding_and_finishing_allocates_nothing(void **state)
{
    (void)state;
    enum { SHARDS = 11, COUNT = 100 };
    static float sum[COUNT];
    alone a;
    fut_tree *tree = NULL;
    alone_init(&a);
    FUT_TEST_OK(fut_tree_create(a.comm, a.bk, SHARDS, COUNT, FUT_F32, 64, &tree));
    int64_t before = fut_mem_count();
    for (int round = 0; round < 3; round++)
        sum_round(tree, SHARDS, COUNT, 10, sum);
    assert_true(sum[0] >= SHARDS);
    assert_int_equal(fut_mem_count(), before);
    fut_tree_destroy(&tree);
    alone_fini(&a);
}

/* Every allocation of its making may fail. */
static void survives_any_failed_allocation(void **state)
{
    (void)state;
    alone a;
    alone_init(&a);
    int64_t held = fut_mem_bytes();
    fut_status st = FUT_ERR_NO_MEMORY;
    int failures = 0;
    for (int64_t n = 1; st != FUT_OK; n++) {
        fut_tree *tree = NULL;
        fut_mem_fail_after(n);
        st = fut_tree_create(a.comm, a.bk, 7, 1000, FUT_F64, 512, &tree);
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
    alone_fini(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_share_out_everything),
        cmocka_unit_test(refuses_what_it_cannot_do),
        cmocka_unit_test(buckets_and_pieces_do_not_change_the_bits),
        cmocka_unit_test(adding_and_finishing_allocates_nothing),
        cmocka_unit_test(survives_any_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
