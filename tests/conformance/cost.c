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

/* By hand: four ranks of a shard each, and the bottlenecks of three networks. */
static void formulas_say_what_they_are_documented_to(void **state)
{
    (void)state;
    fut_cost_place at = {.rank = 1, .ranks = 4, .shards = 4};
    fut_traffic gather = fut_cost_gather(&at, 32, 16, FUT_F32);
    fut_traffic tree = fut_cost_tree(&at, 1024, FUT_F32, 0);
    assert_int_equal(gather.messages, 3);
    assert_int_equal(gather.bytes, 3 * 8 * 16 * 4);
    assert_int_equal(tree.messages, 2 * 3);
    assert_int_equal(tree.bytes, 2 * 3 * 256 * 4);
    assert_int_equal(fut_cost_order(1, 32).messages, 0);
    assert_int_equal(fut_cost_order(1024, 32).messages, 10);
    assert_int_equal(fut_cost_order(5, 32).messages, 3);

    fut_network two_nodes = {.ranks_a_node = 2,
                             .node = {.bandwidth = 1e9, .latency = 1e-6, .message = 0},
                             .between = {.bandwidth = 1e8, .latency = 1e-5, .message = 1e-6}};
    fut_cost cost = fut_cost_all_to_all(&two_nodes, 4, 1, 1e6);
    assert_int_equal(cost.bound, FUT_COST_BETWEEN);
    FUT_TEST_CLOSE_F64(&cost.seconds, (&(double){2 * 2 * 1e6 / 1e8 + 1e-5}), 1, 1e-12, 0);
    cost = fut_cost_all_to_all(&two_nodes, 2, 1, 1e6);
    assert_int_equal(cost.bound, FUT_COST_NODE);
    FUT_TEST_CLOSE_F64(&cost.seconds, (&(double){1e6 / 1e9 + 1e-6}), 1, 1e-12, 0);
    cost = fut_cost_all_to_all(&two_nodes, 100, 3, 0);
    assert_int_equal(cost.bound, FUT_COST_MESSAGES);
    FUT_TEST_CLOSE_F64(&cost.seconds, (&(double){3 * 98 * 1e-6 + 1e-5}), 1, 1e-12, 0);
    double seconds[] = {fut_cost_all_to_all(&two_nodes, 1, 1, 1e6).seconds, fut_cost_broadcast(&two_nodes, 1, 1),
                        fut_cost_broadcast(&two_nodes, 8, 100)};
    double want[] = {0, 0, 1e-6 + 100 / 1e9 + 2 * (1e-5 + 1e-6 + 100 / 1e8)};
    FUT_TEST_CLOSE_F64(seconds, want, 3, 1e-12, 0);
}

int main(void)
{
    fut_comm *comm = NULL;
    if (fut_boot(&comm) != FUT_OK) return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(gathers_send_what_they_should, comm),
        cmocka_unit_test_prestate(trees_send_what_they_should, comm),
        cmocka_unit_test_prestate(formulas_say_what_they_are_documented_to, comm),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    return fut_boot_finish(&comm, failed == 0 ? FUT_OK : FUT_FAIL(FUT_ERR_INTERNAL, "%d failed", failed)) == FUT_OK ? 0 : 1;
}
