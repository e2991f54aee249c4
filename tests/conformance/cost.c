/* The messages and bytes of dist/cost.h are those that MPI is given: every MPI_Isend of this program is counted. Alone by itself, over
 * ranks by tests/e2e/plan.sh. */
#include "dist/cost.h"
#include "core/base/mem.h"
#include "dist/boot.h"
#include "dist/gather.h"
#include "dist/reduce.h"
#include "tests/support/support.h"

#include <mpi.h>
#include <string.h>

static fut_traffic counted;

/* In place of MPI's, which the PMPI name still reaches. */
int MPI_Isend(const void *data, int count, MPI_Datatype type, int peer, int tag, MPI_Comm comm, MPI_Request *request)
{
    int bytes = 0;
    (void)MPI_Type_size(type, &bytes);
    counted.messages++;
    counted.bytes += (int64_t)count * bytes;
    return PMPI_Isend(data, count, type, peer, tag, comm, request);
}

static const int shards_a_rank[] = {1, 2, 3, 5};

static fut_cost_place place_of(const fut_comm *comm, int shards)
{
    return (fut_cost_place){.rank = fut_comm_rank(comm), .ranks = fut_comm_size(comm), .shards = shards};
}

static void check_counted(const fut_traffic *want)
{
    assert_int_equal(counted.messages, want->messages);
    assert_int_equal(counted.bytes, want->bytes);
}

static void gathers_send_what_they_should(void **state)
{
    fut_comm *comm = *state;
    enum { ROWS = 103, DIM = 7 };
    float rows[ROWS * DIM] = {0};
    for (size_t i = 0; i < sizeof shards_a_rank / sizeof *shards_a_rank; i++) {
        int shards = shards_a_rank[i] * fut_comm_size(comm);
        int64_t first[ROWS + 1];
        int64_t end = 0;
        fut_cost_place at = place_of(comm, shards);
        for (int s = 0; s < shards; s++)
            fut_shard_range(s, shards, ROWS, &first[s], &end);
        first[shards] = ROWS;
        fut_traffic want = fut_cost_gather(&at, ROWS, DIM, FUT_F32);
        counted = (fut_traffic){0};
        FUT_TEST_OK(fut_gather_rows(comm, shards, first, DIM, FUT_F32, rows, "rows"));
        check_counted(&want);
    }
}

static void sum_one_round(fut_tree *tree, const fut_cost_place *at)
{
    int64_t first = 0;
    int64_t end = 0;
    const void *sum = NULL;
    fut_shard_range(at->rank, at->ranks, at->shards, &first, &end);
    for (int64_t s = first; s < end; s++) {
        void *leaf = NULL;
        FUT_TEST_OK(fut_tree_begin_leaf(tree, (int)s, &leaf));
        FUT_TEST_OK(fut_tree_leaf_ready(tree, 0, "tree"));
    }
    FUT_TEST_OK(fut_tree_finish(tree, &sum, "tree"));
}

static void trees_send_what_they_should(void **state)
{
    static const int64_t buckets[] = {0, 512, 4096, 1 << 20};
    fut_comm *comm = *state;
    fut_backend *bk = NULL;
    enum { COUNT = 5003 };
    FUT_TEST_OK(fut_backend_create("ref", &(fut_backend_options){.threads = 1}, &bk));
    for (size_t i = 0; i < sizeof shards_a_rank / sizeof *shards_a_rank; i++)
        for (size_t b = 0; b < sizeof buckets / sizeof *buckets; b++) {
            fut_tree *tree = NULL;
            fut_cost_place at = place_of(comm, shards_a_rank[i] * fut_comm_size(comm) - (int)i / 2);
            if (at.shards < at.ranks) continue;
            fut_traffic want = fut_cost_tree(&at, COUNT, FUT_F32, buckets[b]);
            FUT_TEST_OK(fut_tree_create(comm, bk, at.shards, COUNT, FUT_F32, (size_t)buckets[b], &tree));
            counted = (fut_traffic){0};
            sum_one_round(tree, &at);
            check_counted(&want);
            fut_tree_destroy(&tree);
        }
    fut_backend_destroy(&bk);
}

static void check_traffic(fut_traffic got, int64_t messages, int64_t bytes)
{
    assert_int_equal(got.messages, messages);
    assert_int_equal(got.bytes, bytes);
}

/* By hand: four ranks of a shard each; six, which are three pairs; five, which are none; and a thousand, whose rank 0 sends as few. */
static void formulas_count_what_they_are_documented_to(void **state)
{
    (void)state;
    fut_cost_place four = {.rank = 1, .ranks = 4, .shards = 4};
    fut_cost_place six = {.rank = 5, .ranks = 6, .shards = 6};
    fut_cost_place five = {.rank = 4, .ranks = 5, .shards = 5};
    fut_cost_place thousand = {.rank = 0, .ranks = 1024, .shards = 1024};
    check_traffic(fut_cost_gather(&four, 32, 16, FUT_F32), 2, 3 * 8 * 16 * 4);
    check_traffic(fut_cost_gather(&six, 6, 1, FUT_U8), 1 + 2 + 2, 5); /* of rank 5; of 5 and 0; of 5 and 0 */
    check_traffic(fut_cost_gather(&thousand, 32 * 1024, 1, FUT_U8), 10, 1023 * 32);
    check_traffic(fut_cost_tree(&four, 1024, FUT_F32, 0), 2 * 2, 2 * (512 + 256) * 4);
    check_traffic(fut_cost_tree(&six, 1200, FUT_F32, 0), 2 + 2 * 2, (1200 + 2 * 400) * 4);
    check_traffic(fut_cost_tree(&five, 1000, FUT_F32, 0), 2 * 4, 2 * 800 * 4);
    check_traffic(fut_cost_tree(&thousand, 1 << 20, FUT_F32, 0), 20, 2 * 1023 * 1024 * 4);
    assert_int_equal(fut_cost_order(1, 32).messages, 0);
    assert_int_equal(fut_cost_order(1024, 32).messages, 10);
    assert_int_equal(fut_cost_order(5, 32).messages, 3);
}

static void check_seconds(fut_cost got, double seconds, fut_cost_bound bound)
{
    FUT_TEST_CLOSE_F64(&got.seconds, &seconds, 1, 1e-12, 0);
    assert_int_equal(got.bound, bound);
}

/* By hand: nodes of two ranks, 1 GB/s inside and 0.1 between; what bounds each. */
static void formulas_take_as_long_as_they_are_documented_to(void **state)
{
    (void)state;
    fut_network pairs = {.ranks_a_node = 2,
                         .node = {.bandwidth = 1e9, .latency = 1e-6, .message = 0},
                         .between = {.bandwidth = 1e8, .latency = 1e-5, .message = 1e-6}};
    double far = 1e-5 + 1e-6;
    check_seconds(fut_cost_gather_seconds(&pairs, 1, 1e6), 0, FUT_COST_LATENCY);
    check_seconds(fut_cost_gather_seconds(&pairs, 2, 1e6), 1e-6 + 1e6 / 1e9, FUT_COST_NODE);
    check_seconds(fut_cost_gather_seconds(&pairs, 4, 1e6), 1e-6 + 1e6 / 1e9 + far + 2 * 2e6 / 1e8, FUT_COST_BETWEEN);
    check_seconds(fut_cost_gather_seconds(&pairs, 3, 1e6), 2 * far + 1e6 / 1e8 + 2 * 1e6 / 1e8, FUT_COST_BETWEEN);
    check_seconds(fut_cost_gather_seconds(&pairs, 16, 0), 1e-6 + 3 * far, FUT_COST_LATENCY);
    /* halves inside, quarters between, each there and back, an addition after each */
    check_seconds(fut_cost_bucket(&pairs, 4, 4e6, 1e10, 1e-6),
                  2 * (1e-6 + 2e6 / 1e9) + 2 * (far + 2 * 1e6 / 1e8) + 2 * 1e-6 + 3 * (2e6 + 1e6) / 1e10, FUT_COST_BETWEEN);
    /* three pairs: a third of a half to each of the two others */
    check_seconds(fut_cost_bucket(&pairs, 6, 6e6, 1e10, 1),
                  2 * (1e-6 + 3e6 / 1e9) + 2 * (1e-5 + 2e-6 + 2 * 2e6 / 1e8) + 3 + 3 * (3e6 + 2e6) / 1e10, FUT_COST_MEMORY);
    double seconds[] = {fut_cost_broadcast(&pairs, 1, 1), fut_cost_broadcast(&pairs, 8, 100)};
    double want[] = {0, 1e-6 + 100 / 1e9 + 2 * (far + 100 / 1e8)};
    FUT_TEST_CLOSE_F64(seconds, want, 2, 1e-12, 0);
}

int main(void)
{
    fut_comm *comm = NULL;
    if (fut_boot(&comm) != FUT_OK) return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(gathers_send_what_they_should, comm),
        cmocka_unit_test_prestate(trees_send_what_they_should, comm),
        cmocka_unit_test(formulas_count_what_they_are_documented_to),
        cmocka_unit_test(formulas_take_as_long_as_they_are_documented_to),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    return fut_boot_finish(&comm, failed == 0 ? FUT_OK : FUT_FAIL(FUT_ERR_INTERNAL, "%d failed", failed)) == FUT_OK ? 0 : 1;
}
