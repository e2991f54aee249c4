/* What every communicator must do, and the sums over shards by any number of ranks: bit for bit a plain recursion's. Runs on comm_self by
 * itself and on comm_mpi when mpirun started it (tests/e2e/comm.sh). */
#include "dist/boot.h"
#include "dist/gather.h"
#include "dist/order.h"
#include "dist/reduce.h"
#include "tests/support/support.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SHARDS_MAX = 17, COUNT = 103 };

static fut_comm *comm_of(void **state)
{
    return *state;
}

/* ---- collectives --------------------------------------------------------------------------------------------------------------- */

static void all_reduce_sums(void **state)
{
    fut_comm *comm = comm_of(state);
    int rank = fut_comm_rank(comm);
    int size = fut_comm_size(comm);
    int64_t whole[3] = {rank, 1, 0};
    float f32[2] = {(float)rank, 0.5F};
    double f64[1] = {1 + rank};
    FUT_TEST_OK(fut_comm_all_reduce_sum(comm, whole, 3, FUT_I64, "test"));
    FUT_TEST_OK(fut_comm_all_reduce_sum(comm, f32, 2, FUT_F32, "test"));
    FUT_TEST_OK(fut_comm_all_reduce_sum(comm, f64, 1, FUT_F64, "test"));
    FUT_TEST_OK(fut_comm_all_reduce_sum(comm, f64, 0, FUT_F64, "test"));
    assert_int_equal(whole[0], size * (size - 1) / 2);
    assert_int_equal(whole[1], size);
    assert_int_equal(whole[2], 0);
    assert_true(f32[1] == 0.5F * (float)size);
    assert_true(f64[0] == size * (size + 1) / 2.0);
}

/* 16-bit floats move unharmed; they are not added as if they were integers. */
static void half_floats_move_but_do_not_add(void **state)
{
    fut_comm *comm = comm_of(state);
    uint16_t half = fut_comm_rank(comm) == 0 ? 0x3C00 : 0; /* 1.0 */
    FUT_TEST_OK(fut_comm_broadcast(comm, &half, 1, FUT_F16, 0, "test"));
    assert_int_equal(half, 0x3C00);
    if (fut_comm_size(comm) == 1) return;
    int64_t counts[64] = {1};
    uint16_t part = 0;
    FUT_TEST_FAILS(fut_comm_all_reduce_sum(comm, &half, 1, FUT_F16, "sum"), FUT_ERR_UNSUPPORTED, "sum: MPI cannot add f16");
    FUT_TEST_FAILS(fut_comm_reduce_scatter_sum(comm, &half, counts, &part, FUT_BF16, "sum"), FUT_ERR_UNSUPPORTED, "cannot add bf16");
}

/* Parts of different lengths, one of them empty. */
static void reduce_scatter_gives_my_part(void **state)
{
    fut_comm *comm = comm_of(state);
    int rank = fut_comm_rank(comm);
    int size = fut_comm_size(comm);
    int64_t counts[64];
    int64_t data[1024];
    int64_t part[64];
    int64_t mine = 0;
    int64_t n = 0;
    assert_in_range(size, 1, 16);
    for (int r = 0; r < size; r++) {
        if (r == rank) mine = n;
        counts[r] = r == 1 ? 0 : 2 + r;
        n += counts[r];
    }
    for (int64_t i = 0; i < n; i++)
        data[i] = 1000 * rank + i;
    part[counts[rank]] = -7;
    FUT_TEST_OK(fut_comm_reduce_scatter_sum(comm, data, counts, part, FUT_I64, "test"));
    for (int64_t i = 0; i < counts[rank]; i++)
        assert_int_equal(part[i], 1000 * (size * (size - 1) / 2) + size * (mine + i));
    assert_int_equal(part[counts[rank]], -7);
}

static void broadcast_reaches_all(void **state)
{
    fut_comm *comm = comm_of(state);
    for (int root = 0; root < fut_comm_size(comm); root++) {
        unsigned char bytes[1001];
        memset(bytes, fut_comm_rank(comm) == root ? 'r' : 0, sizeof bytes);
        FUT_TEST_OK(fut_comm_broadcast(comm, bytes, sizeof bytes, FUT_U8, root, "test"));
        for (size_t i = 0; i < sizeof bytes; i++)
            assert_int_equal(bytes[i], 'r');
    }
    struct {
        double lr;
        int32_t save;
    } order = {.lr = fut_comm_rank(comm) == 0 ? 0.25 : 0, .save = fut_comm_rank(comm) == 0};
    FUT_TEST_OK(fut_order_broadcast(comm, &order, sizeof order, "order"));
    assert_true(order.lr == 0.25 && order.save == 1);
}

/* Parts of different lengths, some empty, with gaps between them that stay as they were. */
static void all_gatherv_places_every_part(void **state)
{
    fut_comm *comm = comm_of(state);
    int size = fut_comm_size(comm);
    int64_t counts[64];
    int64_t offsets[64];
    int32_t data[1024];
    int64_t at = 1;
    assert_in_range(size, 1, 16);
    for (int r = 0; r < size; r++) {
        counts[r] = r == 1 ? 0 : 3 + r;
        offsets[r] = at;
        at += counts[r] + 1;
    }
    for (int64_t i = 0; i < at; i++)
        data[i] = -7;
    for (int64_t i = 0; i < counts[fut_comm_rank(comm)]; i++)
        data[offsets[fut_comm_rank(comm)] + i] = (int32_t)(100 * fut_comm_rank(comm) + i);
    FUT_TEST_OK(fut_comm_all_gatherv(comm, data, counts, offsets, FUT_I32, "test"));
    for (int r = 0; r < size; r++) {
        for (int64_t i = 0; i < counts[r]; i++)
            assert_int_equal(data[offsets[r] + i], 100 * r + i);
        assert_int_equal(data[offsets[r] - 1], -7);
    }
}

/* Everyone sends two messages to everyone; between two ranks they arrive in order. */
static void exchange_keeps_order(void **state)
{
    fut_comm *comm = comm_of(state);
    int rank = fut_comm_rank(comm);
    int size = fut_comm_size(comm);
    fut_message send[64];
    fut_message recv[64];
    int64_t out[64][3];
    int64_t in[64][3];
    int n = 0;
    for (int r = 0; r < size; r++)
        for (int k = 0; k < 2 && r != rank; k++, n++) {
            out[n][0] = rank;
            out[n][1] = r;
            out[n][2] = k;
            send[n] = (fut_message){.peer = r, .count = 3, .data = out[n]};
            recv[n] = (fut_message){.peer = r, .count = 3, .data = in[n]};
        }
    FUT_TEST_OK(fut_comm_exchange(comm, send, n, recv, n, FUT_I64, "test"));
    for (int i = 0; i < n; i++) {
        assert_int_equal(in[i][0], recv[i].peer);
        assert_int_equal(in[i][1], rank);
        assert_int_equal(in[i][2], i % 2);
    }
    FUT_TEST_OK(fut_comm_barrier(comm, "test"));
}

/* A poll takes nothing away from messages under way, and never waits for a rank that does not poll. */
static void polling_disturbs_nothing(void **state)
{
    fut_comm *comm = comm_of(state);
    int rank = fut_comm_rank(comm);
    int size = fut_comm_size(comm);
    int32_t out = rank;
    int32_t in = -1;
    fut_message to = {.peer = (rank + 1) % size, .count = 1, .data = &out};
    fut_message from = {.peer = (rank + size - 1) % size, .count = 1, .data = &in};
    for (int i = 0; i < 100 * (rank + 1); i++)
        FUT_TEST_OK(fut_comm_poll(comm));
    if (size == 1) return;
    FUT_TEST_OK(fut_comm_exchange(comm, &to, 1, &from, 1, FUT_I32, "test"));
    assert_int_equal(in, from.peer);
}

static void a_message_to_oneself_is_refused(void **state)
{
    fut_comm *comm = comm_of(state);
    int32_t word = 0;
    fut_message message = {.peer = fut_comm_rank(comm), .count = 1, .data = &word};
    FUT_TEST_FAILS(fut_comm_exchange(comm, &message, 1, &message, 1, FUT_I32, "letter"), FUT_ERR_INTERNAL, "letter: a message to oneself");
}

static void gather_rows_by_shard(void **state)
{
    fut_comm *comm = comm_of(state);
    enum { DIM = 3 };
    for (int shards = fut_comm_size(comm); shards <= SHARDS_MAX; shards++) {
        int64_t first[SHARDS_MAX + 1] = {0};
        float rows[2 * SHARDS_MAX * DIM + DIM] = {0};
        int64_t mine = 0;
        int64_t end = 0;
        for (int s = 0; s < shards; s++)
            first[s + 1] = first[s] + 1 + s % 2;
        fut_shard_range(fut_comm_rank(comm), fut_comm_size(comm), shards, &mine, &end);
        for (int64_t i = first[mine] * DIM; i < first[end] * DIM; i++)
            rows[i] = (float)(i + 1);
        FUT_TEST_OK(fut_gather_rows(comm, shards, first, DIM, rows, "rows"));
        for (int64_t i = 0; i < first[shards] * DIM; i++)
            assert_true(rows[i] == (float)(i + 1));
    }
}

/* ---- agreement ----------------------------------------------------------------------------------------------------------------- */

static void agreement_spreads_the_first_failure(void **state)
{
    fut_comm *comm = comm_of(state);
    int rank = fut_comm_rank(comm);
    int last = fut_comm_size(comm) - 1;
    FUT_TEST_OK(fut_comm_agree(comm, FUT_OK));
    fut_status st = rank == last ? FUT_FAIL(FUT_ERR_DATA, "photo 7 is damaged") : FUT_OK;
    FUT_TEST_FAILS(fut_comm_agree(comm, st), FUT_ERR_DATA, "photo 7 is damaged");
    /* All fail, each in its own way: rank 0 speaks. */
    st = rank == 0 ? FUT_FAIL(FUT_ERR_CONFIG, "rank zero's reason") : FUT_FAIL(FUT_ERR_IO, "another reason");
    FUT_TEST_FAILS(fut_comm_agree(comm, st), FUT_ERR_CONFIG, "rank zero's reason");
    FUT_TEST_OK(fut_comm_agree(comm, FUT_OK));
}

/* ---- sums over shards ---------------------------------------------------------------------------------------------------------- */

/* Values whose sum depends on the order of adding. */
static double leaf_value(int shard, int64_t i)
{
    uint64_t mixed = ((uint64_t)shard + 1) * 0x9E3779B97F4A7C15U + (uint64_t)i * 0xBF58476D1CE4E5B9U;
    mixed ^= mixed >> 31;
    mixed *= 0x94D049BB133111EBU;
    mixed ^= mixed >> 29;
    double value = (double)(uint32_t)mixed / 4294967296.0 - 0.5;
    return i % 3 == 0 ? value * 1e6 : value;
}

/* The definition: a node's sum is its left half's plus its right half's; a node without a right half is its left half. */
static float tree_f32(int level, int index, int shards, int64_t i)
{
    if (level == 0) return (float)leaf_value(index, i);
    float left = tree_f32(level - 1, 2 * index, shards, i);
    bool has_right = ((2 * index + 1) << (level - 1)) < shards;
    return has_right ? left + tree_f32(level - 1, 2 * index + 1, shards, i) : left;
}

static double tree_f64(int level, int index, int shards, int64_t i)
{
    if (level == 0) return leaf_value(index, i);
    double left = tree_f64(level - 1, 2 * index, shards, i);
    bool has_right = ((2 * index + 1) << (level - 1)) < shards;
    return has_right ? left + tree_f64(level - 1, 2 * index + 1, shards, i) : left;
}

static int levels(int shards)
{
    int level = 0;
    while ((1 << level) < shards)
        level++;
    return level;
}

static void check_tree(fut_comm *comm, int shards, int64_t count, fut_dtype dtype)
{
    fut_tree *tree = NULL;
    int64_t first = 0;
    int64_t end = 0;
    float leaf32[COUNT];
    double leaf64[COUNT];
    float sum32[COUNT];
    double sum64[COUNT];
    fut_shard_range(fut_comm_rank(comm), fut_comm_size(comm), shards, &first, &end);
    FUT_TEST_OK(fut_tree_create(comm, shards, count, dtype, &tree));
    for (int round = 0; round < 2; round++) {
        for (int s = (int)first; s < end; s++) {
            for (int64_t i = 0; i < count; i++) {
                leaf64[i] = leaf_value(s, i);
                leaf32[i] = (float)leaf64[i];
            }
            FUT_TEST_OK(fut_tree_add(tree, s, dtype == FUT_F32 ? (void *)leaf32 : (void *)leaf64));
        }
        FUT_TEST_OK(fut_tree_finish(tree, dtype == FUT_F32 ? (void *)sum32 : (void *)sum64, "test"));
        for (int64_t i = 0; i < count; i++) {
            if (dtype == FUT_F32)
                assert_true(sum32[i] == tree_f32(levels(shards), 0, shards, i));
            else
                assert_true(sum64[i] == tree_f64(levels(shards), 0, shards, i));
        }
    }
    fut_tree_destroy(&tree);
}

static void tree_is_the_recursion_bit_for_bit(void **state)
{
    fut_comm *comm = comm_of(state);
    for (int shards = fut_comm_size(comm); shards <= SHARDS_MAX; shards++) {
        check_tree(comm, shards, COUNT, FUT_F32);
        check_tree(comm, shards, COUNT, FUT_F64);
        check_tree(comm, shards, 1, FUT_F32); /* fewer elements than ranks */
    }
}

/* The comparison above tells orders apart: adding in a row gives other bits. */
static void order_of_adding_matters(void **state)
{
    (void)state;
    int differ = 0;
    for (int64_t i = 0; i < COUNT; i++) {
        float row = 0;
        for (int s = 0; s < SHARDS_MAX; s++)
            row += (float)leaf_value(s, i);
        differ += row != tree_f32(levels(SHARDS_MAX), 0, SHARDS_MAX, i);
    }
    assert_true(differ > COUNT / 4);
}

static void sum_f64_is_the_recursion_bit_for_bit(void **state)
{
    fut_comm *comm = comm_of(state);
    enum { N = 5, STRIDE = 8 };
    for (int shards = fut_comm_size(comm); shards <= SHARDS_MAX; shards++) {
        double rows[SHARDS_MAX][STRIDE];
        double sum[N];
        int64_t first = 0;
        int64_t end = 0;
        fut_shard_range(fut_comm_rank(comm), fut_comm_size(comm), shards, &first, &end);
        for (int64_t s = first; s < end; s++)
            for (int64_t i = 0; i < N; i++)
                rows[s - first][i] = leaf_value((int)s, i);
        FUT_TEST_OK(fut_tree_sum_f64(comm, shards, &rows[0][0], STRIDE, N, sum, "test"));
        for (int64_t i = 0; i < N; i++)
            assert_true(sum[i] == tree_f64(levels(shards), 0, shards, i));
    }
}

static void more_ranks_than_shards_is_refused(void **state)
{
    fut_comm *comm = comm_of(state);
    fut_tree *tree = NULL;
    FUT_TEST_FAILS(fut_tree_create(comm, fut_comm_size(comm) - 1, 4, FUT_F32, &tree), FUT_ERR_INTERNAL, "shards over");
}

/* ---- a run that meets misfortune (tests/e2e/comm_faults.sh) ---------------------------------------------------------------------- */

enum { STEPS = 20, MISFORTUNE_STEP = 5, DEADLINE_S = 1 };

/* What happens to rank `victim`: "stop" and "kill" in the middle, "fail" alone, "agree" on an error, or "late": stopped when all work is
 * done. */
static int run_with_misfortune(fut_comm *comm, const char *what, int victim)
{
    fut_status st = FUT_OK;
    bool mine = fut_comm_rank(comm) == victim;
    fut_comm_set_deadline(comm, DEADLINE_S);
    (void)fprintf(stderr, "pid %d\n", (int)getpid());
    for (int step = 0; step < STEPS && st == FUT_OK; step++) {
        bool now = mine && step == MISFORTUNE_STEP;
        if (now && strcmp(what, "stop") == 0) (void)raise(SIGSTOP);
        if (now && strcmp(what, "kill") == 0) (void)raise(SIGKILL);
        if (now && strcmp(what, "fail") == 0)
            st = FUT_FAIL(FUT_ERR_NO_MEMORY, "no memory for step %d", step);
        else
            st = fut_comm_barrier(comm, "step");
        if (step == MISFORTUNE_STEP && strcmp(what, "agree") == 0)
            st = fut_comm_agree(comm, mine ? FUT_FAIL(FUT_ERR_PREEMPTED, "stopped on request") : FUT_OK);
    }
    if (mine && strcmp(what, "late") == 0) (void)raise(SIGSTOP);
    st = fut_boot_finish(&comm, st);
    if (st != FUT_OK) (void)fprintf(stderr, "last words: %s\n", fut_trail_message());
    return fut_status_exit_code(st);
}

int main(int argc, char **argv)
{
    fut_comm *comm = NULL;
    if (fut_boot(&comm) != FUT_OK) {
        (void)fprintf(stderr, "%s\n", fut_trail_message());
        return 1;
    }
    if (argc == 3) return run_with_misfortune(comm, argv[1], (int)strtol(argv[2], NULL, 10));
    fut_comm_set_deadline(comm, 20);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(all_reduce_sums, comm),
        cmocka_unit_test_prestate(reduce_scatter_gives_my_part, comm),
        cmocka_unit_test_prestate(half_floats_move_but_do_not_add, comm),
        cmocka_unit_test_prestate(broadcast_reaches_all, comm),
        cmocka_unit_test_prestate(all_gatherv_places_every_part, comm),
        cmocka_unit_test_prestate(exchange_keeps_order, comm),
        cmocka_unit_test_prestate(polling_disturbs_nothing, comm),
        cmocka_unit_test_prestate(a_message_to_oneself_is_refused, comm),
        cmocka_unit_test_prestate(gather_rows_by_shard, comm),
        cmocka_unit_test_prestate(agreement_spreads_the_first_failure, comm),
        cmocka_unit_test_prestate(tree_is_the_recursion_bit_for_bit, comm),
        cmocka_unit_test_prestate(order_of_adding_matters, comm),
        cmocka_unit_test_prestate(sum_f64_is_the_recursion_bit_for_bit, comm),
        cmocka_unit_test_prestate(more_ranks_than_shards_is_refused, comm),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    if (failed != 0) fut_comm_abort(comm, 1); /* the others may wait for this rank */
    fut_comm_destroy(&comm);
    return failed != 0;
}
