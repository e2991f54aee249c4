/* What every communicator must do, and the sums over shards by any number of ranks: bit for bit a plain recursion's. Runs on comm_self by
 * itself, on comm_mpi when mpirun started it (tests/e2e/comm.sh), and on comm_nccl where the backend under test is cuda. */
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

enum { SHARDS_MAX = 17, COUNT = 103, LONG = 7 * 64 * 8, HELD_MAX = 256, RANKS_MAX = 16 };

/* comm is under test and works on bk's memory; host carries what stays on the host, and is comm itself but for NCCL. */
typedef struct stage {
    fut_comm *host, *comm;
    fut_backend *bk;
    fut_event *passed;
    void *held[HELD_MAX]; /* bk's memory that a test put there */
    int n_held;
} stage;

static bool is_nccl(const stage *s)
{
    return s->comm != s->host;
}

/* A copy of host data in the communicator's memory, until the end of the test. */
static void *put(stage *s, const void *data, size_t bytes)
{
    void *device = NULL;
    assert_in_range(s->n_held, 0, HELD_MAX - 1);
    FUT_TEST_OK(s->bk->alloc(s->bk, bytes, &device));
    s->held[s->n_held++] = device;
    FUT_TEST_OK(s->bk->upload(s->bk, device, data, bytes, NULL));
    return device;
}

/* Back to the host, after all that was enqueued. */
static void get(stage *s, void *data, const void *device, size_t bytes)
{
    FUT_TEST_OK(s->bk->download(s->bk, data, device, bytes, NULL));
    FUT_TEST_OK(s->bk->event_record(s->bk, s->passed, NULL));
    FUT_TEST_OK(fut_comm_wait(s->comm, s->bk, s->passed, "test"));
}

static int end_test(void **state)
{
    stage *s = *state;
    while (s->n_held > 0)
        s->bk->free(s->bk, s->held[--s->n_held]);
    return 0;
}

/* ---- collectives --------------------------------------------------------------------------------------------------------------- */

static void sum(stage *s, void *data, int64_t count, fut_dtype dtype)
{
    size_t bytes = (size_t)count * fut_dtype_size(dtype);
    void *device = put(s, data, bytes);
    FUT_TEST_OK(fut_comm_all_reduce_sum(s->comm, device, count, dtype, "test"));
    get(s, data, device, bytes);
}

static void all_reduce_sums(void **state)
{
    stage *s = *state;
    int rank = fut_comm_rank(s->comm);
    int size = fut_comm_size(s->comm);
    int64_t whole[3] = {rank, 1, -rank};
    int32_t narrow[1] = {-1};
    uint8_t bytes[1] = {(uint8_t)rank};
    float f32[2] = {(float)rank, 0.5F};
    double f64[1] = {1 + rank};
    sum(s, whole, 3, FUT_I64);
    sum(s, narrow, 1, FUT_I32);
    sum(s, bytes, 1, FUT_U8);
    sum(s, f32, 2, FUT_F32);
    sum(s, f64, 1, FUT_F64);
    FUT_TEST_OK(fut_comm_all_reduce_sum(s->comm, NULL, 0, FUT_F64, "test"));
    assert_int_equal(whole[0], size * (size - 1) / 2);
    assert_int_equal(whole[1], size);
    assert_int_equal(whole[2], -size * (size - 1) / 2);
    assert_int_equal(narrow[0], -size);
    assert_int_equal(bytes[0], size * (size - 1) / 2);
    assert_true(f32[0] == (float)(size * (size - 1) / 2) && f32[1] == 0.5F * (float)size);
    assert_true(f64[0] == size * (size + 1) / 2.0);
}

/* 16-bit floats move unharmed; they are added as what they are, or not at all, but never as integers. */
static void half_floats_move_and_add_or_refuse(void **state)
{
    static const uint16_t f16_of[] = {0, 0x3C00, 0x4000, 0x4200, 0x4400, 0x4500, 0x4600, 0x4700, 0x4800};
    static const uint16_t bf16_of[] = {0, 0x3F80, 0x4000, 0x4040, 0x4080, 0x40A0, 0x40C0, 0x40E0, 0x4100};
    stage *s = *state;
    int size = fut_comm_size(s->comm);
    uint16_t half = fut_comm_rank(s->comm) == 0 ? 0x3C00 : 0; /* 1.0 */
    void *device = put(s, &half, sizeof half);
    FUT_TEST_OK(fut_comm_broadcast(s->comm, device, 1, FUT_F16, 0, "test"));
    get(s, &half, device, sizeof half);
    assert_int_equal(half, 0x3C00);
    if (size == 1) return;
    assert_in_range(size, 2, 8);
    if (is_nccl(s)) {
        uint16_t one = bf16_of[1];
        sum(s, &half, 1, FUT_F16);
        sum(s, &one, 1, FUT_BF16);
        assert_int_equal(half, f16_of[size]);
        assert_int_equal(one, bf16_of[size]);
        return;
    }
    int64_t counts[RANKS_MAX] = {1};
    uint16_t part = 0;
    FUT_TEST_FAILS(fut_comm_all_reduce_sum(s->comm, &half, 1, FUT_F16, "sum"), FUT_ERR_UNSUPPORTED, "sum: MPI cannot add f16");
    FUT_TEST_FAILS(fut_comm_reduce_scatter_sum(s->comm, &half, counts, &part, FUT_BF16, "sum"), FUT_ERR_UNSUPPORTED, "cannot add bf16");
}

static void check_reduce_scatter(stage *s, const int64_t *counts)
{
    int rank = fut_comm_rank(s->comm);
    int size = fut_comm_size(s->comm);
    int64_t data[1024];
    int64_t part[64];
    int64_t mine = 0;
    int64_t n = 0;
    for (int r = 0; r < size; n += counts[r++])
        if (r == rank) mine = n;
    for (int64_t i = 0; i < n; i++)
        data[i] = 1000 * rank + i;
    for (int64_t i = 0; i <= counts[rank]; i++)
        part[i] = -7;
    size_t part_bytes = (size_t)(counts[rank] + 1) * sizeof *part;
    const void *all = put(s, data, (size_t)n * sizeof *data);
    void *one = put(s, part, part_bytes);
    FUT_TEST_OK(fut_comm_reduce_scatter_sum(s->comm, all, counts, one, FUT_I64, "test"));
    get(s, part, one, part_bytes);
    for (int64_t i = 0; i < counts[rank]; i++)
        assert_int_equal(part[i], 1000 * (size * (size - 1) / 2) + size * (mine + i));
    assert_int_equal(part[counts[rank]], -7);
}

/* Parts of different lengths, one of them empty; and equal ones. */
static void reduce_scatter_gives_my_part(void **state)
{
    stage *s = *state;
    int size = fut_comm_size(s->comm);
    int64_t uneven[RANKS_MAX];
    int64_t even[RANKS_MAX];
    assert_in_range(size, 1, RANKS_MAX);
    for (int r = 0; r < size; r++) {
        uneven[r] = r == 1 ? 0 : 2 + r;
        even[r] = 5;
    }
    check_reduce_scatter(s, uneven);
    check_reduce_scatter(s, even);
}

static void broadcast_reaches_all(void **state)
{
    stage *s = *state;
    for (int root = 0; root < fut_comm_size(s->comm); root++) {
        unsigned char bytes[1001];
        memset(bytes, fut_comm_rank(s->comm) == root ? 'r' : 0, sizeof bytes);
        void *device = put(s, bytes, sizeof bytes);
        FUT_TEST_OK(fut_comm_broadcast(s->comm, device, sizeof bytes, FUT_U8, root, "test"));
        get(s, bytes, device, sizeof bytes);
        for (size_t i = 0; i < sizeof bytes; i++)
            assert_int_equal(bytes[i], 'r');
    }
    struct {
        double lr;
        int32_t save;
    } order = {.lr = fut_comm_rank(s->host) == 0 ? 0.25 : 0, .save = fut_comm_rank(s->host) == 0};
    FUT_TEST_OK(fut_order_broadcast(s->host, &order, sizeof order, "order"));
    assert_true(order.lr == 0.25 && order.save == 1);
}

static void check_all_gatherv(stage *s, const int64_t *counts, const int64_t *offsets, int64_t n)
{
    int rank = fut_comm_rank(s->comm);
    int32_t data[1024];
    assert_in_range(n, 1, 1024);
    for (int64_t i = 0; i < n; i++)
        data[i] = -7;
    for (int64_t i = 0; i < counts[rank]; i++)
        data[offsets[rank] + i] = (int32_t)(100 * rank + i);
    void *device = put(s, data, (size_t)n * sizeof *data);
    FUT_TEST_OK(fut_comm_all_gatherv(s->comm, device, counts, offsets, FUT_I32, "test"));
    get(s, data, device, (size_t)n * sizeof *data);
    for (int r = 0; r < fut_comm_size(s->comm); r++)
        for (int64_t i = 0; i < counts[r]; i++)
            assert_int_equal(data[offsets[r] + i], 100 * r + i);
    assert_int_equal(data[0], -7);
    assert_int_equal(data[n - 1], -7);
}

/* Parts of different lengths, some empty, with gaps between them that stay as they were; equal ones with gaps; equal ones side by side. */
static void all_gatherv_places_every_part(void **state)
{
    stage *s = *state;
    int size = fut_comm_size(s->comm);
    assert_in_range(size, 1, RANKS_MAX);
    for (int kind = 0; kind < 3; kind++) {
        int64_t counts[RANKS_MAX];
        int64_t offsets[RANKS_MAX];
        int64_t at = 1;
        for (int r = 0; r < size; r++) {
            counts[r] = kind > 0 ? 4 : r == 1 ? 0 : 3 + r;
            offsets[r] = at;
            at += counts[r] + (kind < 2 ? 1 : 0);
        }
        check_all_gatherv(s, counts, offsets, at + 1);
    }
}

/* Everyone sends two messages to everyone; between two ranks they arrive in order. An empty one is allowed. */
static void exchange_keeps_order(void **state)
{
    stage *s = *state;
    int rank = fut_comm_rank(s->comm);
    int size = fut_comm_size(s->comm);
    fut_message send[3 * RANKS_MAX];
    fut_message recv[3 * RANKS_MAX];
    int64_t in[3 * RANKS_MAX][3];
    int n = 0;
    for (int r = 0; r < size; r++)
        for (int k = 0; k < 3 && r != rank; k++, n++) {
            int64_t out[3] = {rank, r, k};
            memset(in[n], 0, sizeof in[n]);
            send[n] = (fut_message){.peer = r, .count = k == 1 ? 0 : 3, .data = put(s, out, sizeof out)};
            recv[n] = (fut_message){.peer = r, .count = k == 1 ? 0 : 3, .data = put(s, in[n], sizeof in[n])};
        }
    FUT_TEST_OK(fut_comm_exchange(s->comm, send, n, recv, n, FUT_I64, "test"));
    for (int i = 0; i < n; i++) {
        get(s, in[i], recv[i].data, sizeof in[i]);
        if (recv[i].count == 0) continue;
        assert_int_equal(in[i][0], recv[i].peer);
        assert_int_equal(in[i][1], rank);
        assert_int_equal(in[i][2], i % 3);
    }
    FUT_TEST_OK(fut_comm_barrier(s->comm, "test"));
}

/* A poll takes nothing away from messages under way, and never waits for a rank that does not poll. */
static void polling_disturbs_nothing(void **state)
{
    stage *s = *state;
    int rank = fut_comm_rank(s->comm);
    int size = fut_comm_size(s->comm);
    int32_t out = rank;
    int32_t in = -1;
    fut_message to = {.peer = (rank + 1) % size, .count = 1, .data = put(s, &out, sizeof out)};
    fut_message from = {.peer = (rank + size - 1) % size, .count = 1, .data = put(s, &in, sizeof in)};
    for (int i = 0; i < 100 * (rank + 1); i++)
        FUT_TEST_OK(fut_comm_poll(s->comm));
    if (size == 1) return;
    FUT_TEST_OK(fut_comm_exchange(s->comm, &to, 1, &from, 1, FUT_I32, "test"));
    get(s, &in, from.data, sizeof in);
    assert_int_equal(in, from.peer);
}

static void a_message_to_oneself_is_refused(void **state)
{
    stage *s = *state;
    int32_t word = 0;
    fut_message message = {.peer = fut_comm_rank(s->comm), .count = 1, .data = put(s, &word, sizeof word)};
    FUT_TEST_FAILS(fut_comm_exchange(s->comm, &message, 1, &message, 1, FUT_I32, "letter"), FUT_ERR_INTERNAL,
                   "letter: a message to oneself");
    FUT_TEST_OK(fut_comm_exchange(s->comm, NULL, 0, NULL, 0, FUT_I32, "letter"));
}

static void gather_rows_by_shard(void **state)
{
    stage *s = *state;
    enum { DIM = 3 };
    for (int shards = fut_comm_size(s->comm); shards <= SHARDS_MAX; shards++) {
        int64_t first[SHARDS_MAX + 1] = {0};
        float rows[2 * SHARDS_MAX * DIM + DIM] = {0};
        int64_t mine = 0;
        int64_t end = 0;
        for (int i = 0; i < shards; i++)
            first[i + 1] = first[i] + 1 + i % 2;
        fut_shard_range(fut_comm_rank(s->comm), fut_comm_size(s->comm), shards, &mine, &end);
        for (int64_t i = first[mine] * DIM; i < first[end] * DIM; i++)
            rows[i] = (float)(i + 1);
        void *device = put(s, rows, sizeof rows);
        FUT_TEST_OK(fut_gather_rows(s->comm, shards, first, DIM, FUT_F32, device, "rows"));
        get(s, rows, device, sizeof rows);
        for (int64_t i = 0; i < first[shards] * DIM; i++)
            assert_true(rows[i] == (float)(i + 1));
    }
}

/* ---- order on the device -------------------------------------------------------------------------------------------------------- */

/* A communicator of a device enqueues where it is told: what another stream computed before is there, what it computes after sees the sum.
 */
static void calls_keep_the_order_of_streams(void **state)
{
    stage *s = *state;
    enum { N = 4096 };
    fut_stream *side = NULL;
    fut_event *ready = NULL;
    float data[N];
    FUT_TEST_OK(s->bk->stream_create(s->bk, &side));
    FUT_TEST_OK(s->bk->event_create(s->bk, &ready));
    for (int i = 0; i < N; i++)
        data[i] = (float)(i % 7);
    float *sums = put(s, data, sizeof data);
    float *twice = put(s, data, sizeof data);
    for (int round = 0; round < 3; round++) {
        FUT_TEST_OK(s->bk->event_record(s->bk, ready, NULL));
        FUT_TEST_OK(s->bk->event_wait(s->bk, side, ready));
        fut_comm_set_stream(s->comm, side);
        FUT_TEST_OK(fut_comm_all_reduce_sum(s->comm, sums, N, FUT_F32, "test"));
        fut_comm_set_stream(s->comm, NULL);
        FUT_TEST_OK(s->bk->event_record(s->bk, ready, side));
        FUT_TEST_OK(s->bk->event_wait(s->bk, NULL, ready));
        FUT_TEST_OK(s->bk->copy(s->bk, twice, sums, sizeof data, NULL));
    }
    get(s, data, twice, sizeof data);
    float factor = (float)(fut_comm_size(s->comm) * fut_comm_size(s->comm) * fut_comm_size(s->comm));
    for (int i = 0; i < N; i++)
        assert_true(data[i] == (float)(i % 7) * factor);
    s->bk->event_destroy(s->bk, ready);
    s->bk->stream_destroy(s->bk, side);
}

/* Every kind of call, recorded once and replayed. */
static void calls_can_be_recorded(void **state)
{
    stage *s = *state;
    enum { N = 12, REPLAYS = 3 };
    fut_backend_info info;
    fut_recording *recording = NULL;
    int rank = fut_comm_rank(s->comm);
    int size = fut_comm_size(s->comm);
    int64_t counts[RANKS_MAX];
    int64_t offsets[RANKS_MAX];
    int64_t data[N * RANKS_MAX];
    int64_t neighbour = rank;
    s->bk->info(s->bk, &info);
    if (!info.asynchronous) skip();
    for (int r = 0; r < size; r++) {
        counts[r] = 1 + r % 2;
        offsets[r] = 2 * r;
    }
    for (int i = 0; i < N * size; i++)
        data[i] = 1;
    int64_t *sums = put(s, data, sizeof data);
    int64_t *rows = put(s, data, sizeof data);
    int64_t *part = put(s, data, sizeof data);
    fut_message send = {.peer = (rank + 1) % size, .count = 1, .data = put(s, &neighbour, sizeof neighbour)};
    fut_message recv = {.peer = (rank + size - 1) % size, .count = 1, .data = put(s, &neighbour, sizeof neighbour)};
    FUT_TEST_OK(fut_comm_barrier(s->comm, "test"));
    FUT_TEST_OK(s->bk->record_begin(s->bk, NULL));
    FUT_TEST_OK(fut_comm_all_reduce_sum(s->comm, sums, N, FUT_I64, "test"));
    FUT_TEST_OK(fut_comm_reduce_scatter_sum(s->comm, sums, counts, part, FUT_I64, "test"));
    FUT_TEST_OK(fut_comm_broadcast(s->comm, sums, N, FUT_I64, size - 1, "test"));
    FUT_TEST_OK(fut_comm_all_gatherv(s->comm, rows, counts, offsets, FUT_I64, "test"));
    if (size > 1) FUT_TEST_OK(fut_comm_exchange(s->comm, &send, 1, &recv, 1, FUT_I64, "test"));
    FUT_TEST_OK(s->bk->record_end(s->bk, NULL, &recording));
    get(s, data, sums, sizeof data);
    assert_int_equal(data[0], 1);
    int64_t power = 1;
    for (int i = 0; i < REPLAYS; i++, power *= size)
        FUT_TEST_OK(s->bk->replay(s->bk, recording, NULL));
    FUT_TEST_OK(fut_comm_all_reduce_sum(s->comm, sums, 1, FUT_I64, "test")); /* calls go on beside replays */
    get(s, data, sums, sizeof data);
    assert_int_equal(data[0], power * size);
    assert_int_equal(data[N - 1], power);
    get(s, data, part, sizeof data);
    assert_int_equal(data[0], power * size);
    get(s, &neighbour, recv.data, sizeof neighbour);
    if (size > 1) assert_int_equal(neighbour, recv.peer);
    s->bk->recording_destroy(s->bk, recording);
}

/* ---- agreement ----------------------------------------------------------------------------------------------------------------- */

static void agreement_spreads_the_first_failure(void **state)
{
    fut_comm *comm = ((stage *)*state)->host;
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

/* The leaves of my shards, each handed over in `pieces` from its end; two rounds, the second without overlap. */
static void check_tree(stage *s, int shards, int64_t count, fut_dtype dtype, size_t bucket_bytes, int pieces)
{
    fut_tree *tree = NULL;
    int64_t first = 0;
    int64_t end = 0;
    float leaf32[LONG];
    double leaf64[LONG];
    size_t bytes = (size_t)count * fut_dtype_size(dtype);
    fut_shard_range(fut_comm_rank(s->comm), fut_comm_size(s->comm), shards, &first, &end);
    FUT_TEST_OK(fut_tree_create(s->comm, s->bk, shards, count, dtype, bucket_bytes, &tree));
    for (int round = 0; round < 2; round++) {
        const void *sum = NULL;
        fut_tree_set_overlap(tree, round == 0);
        for (int shard = (int)first; shard < end; shard++) {
            void *leaf = NULL;
            for (int64_t i = 0; i < count; i++) {
                leaf64[i] = leaf_value(shard, i);
                leaf32[i] = (float)leaf64[i];
            }
            FUT_TEST_OK(fut_tree_begin_leaf(tree, shard, &leaf));
            FUT_TEST_OK(s->bk->upload(s->bk, leaf, dtype == FUT_F32 ? (void *)leaf32 : (void *)leaf64, bytes, NULL));
            for (int piece = pieces - 1; piece >= 0; piece--) {
                if ((piece + fut_comm_rank(s->comm)) % 3 == 2) (void)usleep(100); /* the ranks come in different orders */
                FUT_TEST_OK(fut_tree_leaf_ready(tree, count * piece / pieces, "test"));
            }
        }
        FUT_TEST_OK(fut_tree_finish(tree, &sum, "test"));
        get(s, dtype == FUT_F32 ? (void *)leaf32 : (void *)leaf64, sum, bytes);
        for (int64_t i = 0; i < count; i++) {
            if (dtype == FUT_F32)
                assert_true(leaf32[i] == tree_f32(levels(shards), 0, shards, i));
            else
                assert_true(leaf64[i] == tree_f64(levels(shards), 0, shards, i));
        }
    }
    fut_tree_destroy(&tree);
}

static void tree_is_the_recursion_bit_for_bit(void **state)
{
    stage *s = *state;
    for (int shards = fut_comm_size(s->comm); shards <= SHARDS_MAX; shards++) {
        check_tree(s, shards, COUNT, FUT_F32, 0, 1);
        check_tree(s, shards, COUNT, FUT_F32, 160, 4);
        check_tree(s, shards, COUNT, FUT_F64, 400, 3);
        check_tree(s, shards, 1, FUT_F32, 0, 1); /* fewer elements than ranks */
    }
}

/* More buckets than may be under way at once; none is lost, and all are told of. */
static void many_buckets_pass_in_order(void **state)
{
    stage *s = *state;
    int ranks = fut_comm_size(s->comm);
    int buckets = 0;
    fut_tree *tree = NULL;
    assert_in_range(ranks, 1, 8);
    for (int shards = ranks; shards <= ranks + 2; shards++)
        check_tree(s, shards, LONG, FUT_F32, 256, 9);
    FUT_TEST_OK(fut_tree_create(s->comm, s->bk, ranks, LONG, FUT_F32, 256, &tree));
    const fut_tree_span *span = fut_tree_spans(tree, &buckets);
    assert_int_equal(buckets, 56 / ranks + (56 % ranks > 0));
    assert_true(buckets > FUT_TREE_LANES);
    int64_t sum = 0;
    for (int b = 0; b < buckets; b++)
        sum += span[b].count;
    assert_int_equal(sum, LONG);
    fut_tree_destroy(&tree);
}

/* What another channel carries, and what waits, takes nothing away from a transfer, in whatever order they come; a full one is refused. */
static void transfers_keep_to_their_channels(void **state)
{
    stage *s = *state;
    enum { N = 1000 };
    int rank = fut_comm_rank(s->comm);
    int size = fut_comm_size(s->comm);
    int64_t out[2][N];
    int64_t in[3][N] = {{0}};
    fut_transfer *transfer[2] = {NULL, NULL};
    int next = (rank + 1) % size;
    int before = (rank + size - 1) % size;
    if (size == 1) return;
    for (int i = 0; i < N; i++) {
        out[0][i] = 1000000 * rank + i;
        out[1][i] = -out[0][i];
    }
    fut_message to[2];
    fut_message from[2];
    for (int k = 0; k < 2; k++) {
        int channel = 0;
        FUT_TEST_OK(fut_comm_take_channel(s->comm, &channel));
        FUT_TEST_OK(fut_transfer_create(s->comm, channel, 2, &transfer[k]));
        to[k] = (fut_message){.peer = next, .count = N, .data = put(s, out[k], sizeof out[k])};
        from[k] = (fut_message){.peer = before, .count = N, .data = put(s, in[k], sizeof in[k])};
    }
    bool swapped = !is_nccl(s) && rank % 2 == 1; /* one stream has one order */
    for (int i = 0; i < 2; i++) {
        int k = swapped ? 1 - i : i;
        FUT_TEST_OK(fut_comm_exchange_begin(s->comm, &to[k], 1, &from[k], 1, FUT_I64, transfer[k], "test"));
    }
    if (!is_nccl(s))
        FUT_TEST_FAILS(fut_comm_exchange_begin(s->comm, &to[0], 1, &from[0], 1, FUT_I64, transfer[0], "more"), FUT_ERR_INTERNAL,
                       "more: 2 messages begin in a transfer of 2, of which 2 are under way");
    fut_message third = {.peer = before, .count = N, .data = put(s, in[2], sizeof in[2])};
    FUT_TEST_OK(fut_comm_exchange(s->comm, &to[0], 1, &third, 1, FUT_I64, "test"));
    for (int k = 1; k >= 0; k--) {
        bool done = false;
        FUT_TEST_OK(fut_transfer_wait(s->comm, transfer[k], "test"));
        FUT_TEST_OK(fut_transfer_test(s->comm, transfer[k], &done, "test"));
        assert_true(done);
        get(s, in[k], from[k].data, sizeof in[k]);
        fut_transfer_destroy(s->comm, &transfer[k]);
    }
    get(s, in[2], third.data, sizeof in[2]);
    for (int i = 0; i < N; i++) {
        assert_int_equal(in[0][i], 1000000 * before + i);
        assert_int_equal(in[1][i], -in[0][i]);
        assert_int_equal(in[2][i], in[0][i]);
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
    fut_comm *comm = ((stage *)*state)->host;
    enum { N = 5, STRIDE = 8 };
    for (int shards = fut_comm_size(comm); shards <= SHARDS_MAX; shards++) {
        double rows[SHARDS_MAX][STRIDE];
        double sums[N];
        int64_t first = 0;
        int64_t end = 0;
        fut_shard_range(fut_comm_rank(comm), fut_comm_size(comm), shards, &first, &end);
        for (int64_t s = first; s < end; s++)
            for (int64_t i = 0; i < N; i++)
                rows[s - first][i] = leaf_value((int)s, i);
        FUT_TEST_OK(fut_tree_sum_f64(comm, shards, &rows[0][0], STRIDE, N, sums, "test"));
        for (int64_t i = 0; i < N; i++)
            assert_true(sums[i] == tree_f64(levels(shards), 0, shards, i));
    }
}

static void more_ranks_than_shards_is_refused(void **state)
{
    stage *s = *state;
    fut_tree *tree = NULL;
    FUT_TEST_FAILS(fut_tree_create(s->comm, s->bk, fut_comm_size(s->comm) - 1, 4, FUT_F32, 0, &tree), FUT_ERR_INTERNAL, "shards over");
}

/* ---- birth and death of a stage -------------------------------------------------------------------------------------------------- */

/* One GPU a rank, or all on the first one. */
static fut_status open_stage(stage *s, bool share)
{
    const char *name = fut_test_backend("ref");
    fut_backend_options options = {
        .threads = 1, .device = share ? 0 : s->host->local_rank, .ranks_on_node = share ? 1 : s->host->local_size};
    s->comm = s->host;
    FUT_TRY(fut_backend_create(name, &options, &s->bk));
    if (strcmp(name, "cuda") == 0) {
        fut_comm *nccl = NULL;
        FUT_TRY(fut_comm_create_nccl(s->host, s->bk, &nccl));
        s->comm = nccl;
    }
    return s->bk->event_create(s->bk, &s->passed);
}

static void close_stage(stage *s)
{
    if (s->comm != s->host) fut_comm_destroy(&s->comm);
    if (s->passed != NULL) s->bk->event_destroy(s->bk, s->passed);
    fut_backend_destroy(&s->bk);
}

#include "comm_misfortune.inc"

int main(int argc, char **argv)
{
    stage s = {0};
    if (fut_boot(&s.host) != FUT_OK) {
        (void)fprintf(stderr, "%s\n", fut_trail_message());
        return 1;
    }
    if (argc == 3) return run_with_misfortune(&s, argv[1], (int)strtol(argv[2], NULL, 10)); /* tests/e2e/comm_faults.sh */
    fut_comm_set_deadline(s.host, 20);
    if (open_stage(&s, false) != FUT_OK) {
        (void)fprintf(stderr, "%s\n", fut_trail_message());
        fut_comm_abort(s.host, 1);
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate_setup_teardown(all_reduce_sums, NULL, end_test, &s),
        cmocka_unit_test_prestate_setup_teardown(reduce_scatter_gives_my_part, NULL, end_test, &s),
        cmocka_unit_test_prestate_setup_teardown(half_floats_move_and_add_or_refuse, NULL, end_test, &s),
        cmocka_unit_test_prestate_setup_teardown(broadcast_reaches_all, NULL, end_test, &s),
        cmocka_unit_test_prestate_setup_teardown(all_gatherv_places_every_part, NULL, end_test, &s),
        cmocka_unit_test_prestate_setup_teardown(exchange_keeps_order, NULL, end_test, &s),
        cmocka_unit_test_prestate_setup_teardown(polling_disturbs_nothing, NULL, end_test, &s),
        cmocka_unit_test_prestate_setup_teardown(a_message_to_oneself_is_refused, NULL, end_test, &s),
        cmocka_unit_test_prestate_setup_teardown(gather_rows_by_shard, NULL, end_test, &s),
        cmocka_unit_test_prestate_setup_teardown(calls_keep_the_order_of_streams, NULL, end_test, &s),
        cmocka_unit_test_prestate_setup_teardown(calls_can_be_recorded, NULL, end_test, &s),
        cmocka_unit_test_prestate(agreement_spreads_the_first_failure, &s),
        cmocka_unit_test_prestate(tree_is_the_recursion_bit_for_bit, &s),
        cmocka_unit_test_prestate(many_buckets_pass_in_order, &s),
        cmocka_unit_test_prestate_setup_teardown(transfers_keep_to_their_channels, NULL, end_test, &s),
        cmocka_unit_test_prestate(order_of_adding_matters, &s),
        cmocka_unit_test_prestate(sum_f64_is_the_recursion_bit_for_bit, &s),
        cmocka_unit_test_prestate(more_ranks_than_shards_is_refused, &s),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    if (failed != 0) fut_comm_abort(s.comm, 1); /* the others may wait for this rank */
    close_stage(&s);
    fut_comm_destroy(&s.host);
    return failed != 0;
}
