/* The communication of one step as dist/ does it, on simulated ranks: every source of dist/ that it uses is the product's, only MPI is
 * SimGrid's. tests/bench/simgrid/run.sh builds it with smpicc, runs it under smpirun and sets it beside `futago plan`.
 *
 *     schedule LEAF PHOTOS DIM BUCKET_BYTES MEMORY_GB_S LAUNCH_US RANKS_A_NODE NODE_GB_S NODE_US NODE_MESSAGE_US
 *              BETWEEN_GB_S BETWEEN_US BETWEEN_MESSAGE_US
 *
 * A rank's time a message, a kernel's, and its memory's are simulated here, latencies and links by SimGrid, which shares a link among the
 * messages that are on it.
 *
 * Ranks are threads of one process here and share its globals: what is a rank's own is indexed by it. Memory is never looked at, so all of
 * it is one arena, and adding takes simulated time only. Prints an object: milliseconds of each operation, and whether every rank sent what
 * dist/cost.h says. */
#include "core/loss/loss.h"
#include "dist/comm_mpi_impl.h"
#include "dist/cost.h"
#include "dist/gather.h"
#include "dist/order.h"
#include "dist/reduce.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

enum { RANKS_MAX = 1024, SUMS = FUT_LOSS_SUMS + 1, ORDER_BYTES = 32 };

typedef struct settings {
    int64_t leaf, photos, dim, bucket;
    int ranks_a_node;
    double message[2], latency[2], network[2]; /* seconds and bytes a second: inside a node, between nodes */
    double bandwidth, launch;
} settings;

typedef enum operation { ORDER, GATHER, LOSS_SUMS, GRADIENTS, SPREAD, OPERATIONS } operation;
static const char *const names[OPERATIONS] = {"order", "gather", "loss_sums", "sum", "spread"};

static settings set;
static char *arena;
static size_t arena_bytes;
static double owed[RANKS_MAX]; /* seconds of simulated work not slept yet */
static fut_traffic counted[RANKS_MAX];
static fut_traffic startup[RANKS_MAX]; /* first contact and an agreement */
static fut_traffic step[RANKS_MAX];
static double begun[OPERATIONS][RANKS_MAX], ended[OPERATIONS][RANKS_MAX];
static int wrong;

/* ---- MPI between dist/ and SimGrid ---------------------------------------------------------------------------------------------- */

static int me(void)
{
    int rank = 0;
    (void)PMPI_Comm_rank(MPI_COMM_WORLD, &rank);
    return rank;
}

static void sleep_owed(int rank)
{
    struct timespec time = {.tv_sec = (time_t)owed[rank]};
    time.tv_nsec = (long)((owed[rank] - (double)time.tv_sec) * 1e9 + 0.5);
    owed[rank] = 0;
    if (time.tv_sec > 0 || time.tv_nsec > 0) (void)nanosleep(&time, NULL);
}

/* What SimGrid lacks: levels of threads, of which there are none here, and a copy of a communicator that does not wait. */
int MPI_Init_thread(int *argc, char ***argv, int required, int *provided)
{
    (void)argc, (void)argv;
    *provided = required;
    return PMPI_Init(NULL, NULL);
}

int MPI_Comm_idup(MPI_Comm comm, MPI_Comm *copy, MPI_Request *request)
{
    *request = MPI_REQUEST_NULL;
    return PMPI_Comm_dup(comm, copy);
}

int MPI_Isend(const void *data, int count, MPI_Datatype type, int peer, int tag, MPI_Comm comm, MPI_Request *request)
{
    int rank = me();
    int bytes = 0;
    (void)PMPI_Type_size(type, &bytes);
    counted[rank].messages++;
    counted[rank].bytes += (int64_t)count * bytes;
    owed[rank] += set.message[rank / set.ranks_a_node != peer / set.ranks_a_node];
    sleep_owed(rank);
    return PMPI_Isend(data, count, type, peer, tag, comm, request);
}

/* From rank 0, in a binomial tree as Open MPI does it; SimGrid's own is another. */
int MPI_Ibcast(void *data, int count, MPI_Datatype type, int root, MPI_Comm comm, MPI_Request *request)
{
    enum { TAG = 1 };
    int rank = me();
    int size = 0;
    int distance = 1;
    (void)root;
    (void)PMPI_Comm_size(comm, &size);
    while (distance < size && rank % (2 * distance) == 0)
        distance *= 2;
    if (rank > 0) {
        int code = PMPI_Recv(data, count, type, rank - distance, TAG, comm, MPI_STATUS_IGNORE);
        if (code != MPI_SUCCESS) return code;
    }
    *request = MPI_REQUEST_NULL;
    for (distance /= 2; distance > 0; distance /= 2) {
        MPI_Request sent = MPI_REQUEST_NULL;
        if (rank + distance >= size) continue;
        int code = MPI_Isend(data, count, type, rank + distance, TAG, comm, &sent);
        if (code == MPI_SUCCESS) code = PMPI_Wait(&sent, MPI_STATUS_IGNORE);
        if (code != MPI_SUCCESS) return code;
    }
    return MPI_SUCCESS;
}

/* A rank that looks a thousand times learns no more than one that waits, and costs the simulation a thousand times as much; SimGrid's
 * Waitall takes time with the square of the requests, its Wait does not. */
int MPI_Testall(int count, MPI_Request *requests, int *done, MPI_Status *statuses)
{
    (void)statuses;
    int rank = me();
    sleep_owed(rank);
    *done = 1;
    for (int i = 0; i < count; i++) {
        int code = PMPI_Wait(&requests[i], MPI_STATUS_IGNORE);
        if (code != MPI_SUCCESS) return code;
    }
    return MPI_SUCCESS;
}

/* ---- a backend whose work takes time and does nothing ---------------------------------------------------------------------------- */

static fut_status sim_alloc(fut_backend *bk, size_t bytes, void **ptr_out)
{
    (void)bk;
    FUT_CHECK(bytes <= arena_bytes, FUT_ERR_NO_MEMORY, "%zu bytes in an arena of %zu", bytes, arena_bytes);
    *ptr_out = arena;
    return FUT_OK;
}

static void sim_free(fut_backend *bk, void *ptr)
{
    (void)bk, (void)ptr;
}

static fut_status sim_copy(fut_backend *bk, void *dst, const void *src, size_t bytes, fut_stream *s)
{
    (void)bk, (void)dst, (void)src, (void)bytes, (void)s;
    return FUT_OK;
}

static fut_status sim_add(fut_backend *bk, int64_t n, fut_dtype dtype, const void *x, void *y, fut_stream *s)
{
    (void)bk, (void)x, (void)y, (void)s;
    owed[me()] += set.launch + 3.0 * (double)n * (double)fut_dtype_size(dtype) / set.bandwidth;
    return FUT_OK;
}

static fut_status sim_stream_create(fut_backend *bk, fut_stream **s_out)
{
    (void)bk;
    *s_out = NULL;
    return FUT_OK;
}

static void sim_stream_destroy(fut_backend *bk, fut_stream *s)
{
    (void)bk, (void)s;
}

static fut_status sim_event_create(fut_backend *bk, fut_event **e_out)
{
    (void)bk;
    *e_out = NULL;
    return FUT_OK;
}

static void sim_event_destroy(fut_backend *bk, fut_event *e)
{
    (void)bk, (void)e;
}

static fut_status sim_event_record(fut_backend *bk, fut_event *e, fut_stream *s)
{
    (void)bk, (void)e, (void)s;
    return FUT_OK;
}

static fut_status sim_event_wait(fut_backend *bk, fut_stream *s, fut_event *e)
{
    (void)bk, (void)s, (void)e;
    return FUT_OK;
}

static fut_backend sim = {.name = "simulated",
                          .alloc = sim_alloc,
                          .free = sim_free,
                          .copy = sim_copy,
                          .add = sim_add,
                          .stream_create = sim_stream_create,
                          .stream_destroy = sim_stream_destroy,
                          .event_create = sim_event_create,
                          .event_destroy = sim_event_destroy,
                          .event_record = sim_event_record,
                          .event_wait = sim_event_wait};

/* ---- the step -------------------------------------------------------------------------------------------------------------------- */

/* All ranks at once, at the next whole hundredth of a second: they leave a barrier one after the other. */
static void begin(operation op, int rank)
{
    (void)PMPI_Barrier(MPI_COMM_WORLD);
    double now = PMPI_Wtime();
    owed[rank] = ceil(100 * now) / 100 - now;
    sleep_owed(rank);
    counted[rank] = (fut_traffic){0};
    begun[op][rank] = PMPI_Wtime();
}

static void end(operation op, const fut_cost_place *at, fut_traffic want)
{
    sleep_owed(at->rank);
    ended[op][at->rank] = PMPI_Wtime();
    step[at->rank].messages += counted[at->rank].messages;
    step[at->rank].bytes += counted[at->rank].bytes;
    if (counted[at->rank].messages == want.messages && counted[at->rank].bytes == want.bytes) return;
    wrong++;
    (void)fprintf(stderr, "%s: rank %d of %d sent %lld messages, %lld bytes; the formula says %lld, %lld\n", names[op], at->rank, at->ranks,
                  (long long)counted[at->rank].messages, (long long)counted[at->rank].bytes, (long long)want.messages,
                  (long long)want.bytes);
}

static fut_status sum_vector(fut_comm *comm, operation op, const fut_cost_place *at, int64_t count, int64_t bucket)
{
    fut_tree *tree = NULL;
    void *leaf = NULL;
    const void *sum = NULL;
    FUT_TRY(fut_tree_create(comm, &sim, at->shards, count, FUT_F32, (size_t)bucket, &tree));
    FUT_TRY(fut_tree_begin_leaf(tree, at->rank, &leaf));
    begin(op, at->rank);
    FUT_TRY(fut_tree_leaf_ready(tree, 0, "gradients"));
    FUT_TRY(fut_tree_finish(tree, &sum, "gradients"));
    end(op, at, fut_cost_tree(at, count, FUT_F32, bucket));
    fut_tree_destroy(&tree);
    return FUT_OK;
}

static fut_status take_step(fut_comm *comm)
{
    int rank = fut_comm_rank(comm);
    int ranks = fut_comm_size(comm);
    fut_cost_place at = {.rank = rank, .ranks = ranks, .shards = ranks};
    int64_t first[RANKS_MAX + 1];
    char order[ORDER_BYTES] = {0};
    int64_t batch = set.photos * ranks;
    for (int s = 0; s <= ranks; s++)
        first[s] = s * set.photos;
    begin(ORDER, rank);
    FUT_TRY(fut_order_broadcast(comm, order, sizeof order, "order"));
    end(ORDER, &at, rank == 0 ? fut_cost_order(ranks, sizeof order) : counted[rank]); /* the formula is of the busiest rank */
    begin(GATHER, rank);
    FUT_TRY(fut_gather_rows(comm, ranks, first, set.dim, FUT_F32, arena, "embeddings"));
    end(GATHER, &at, fut_cost_gather(&at, batch, set.dim, FUT_F32));
    begin(LOSS_SUMS, rank);
    FUT_TRY(fut_gather_rows(comm, ranks, NULL, SUMS, FUT_F64, arena, "sums of the loss"));
    end(LOSS_SUMS, &at, fut_cost_gather(&at, ranks, SUMS, FUT_F64));
    FUT_TRY(sum_vector(comm, GRADIENTS, &at, set.leaf, set.bucket));
    return sum_vector(comm, SPREAD, &at, batch * set.dim, 0);
}

/* What dist/cost.h says, in seconds; links of the whole node as in a network file of futago plan. */
static void predict(int ranks, double seconds_out[OPERATIONS])
{
    fut_network n = {.ranks_a_node = set.ranks_a_node,
                     .node = {.bandwidth = set.network[0], .latency = set.latency[0], .message = set.message[0]},
                     .between = {.bandwidth = set.network[1], .latency = set.latency[1], .message = set.message[1]}};
    int64_t bucket = fut_tree_bucket(ranks, set.leaf, FUT_F32, (size_t)set.bucket);
    double embeddings = (double)(set.photos * set.dim) * 4;
    seconds_out[ORDER] = fut_cost_broadcast(&n, ranks, ORDER_BYTES);
    seconds_out[GATHER] = fut_cost_gather_seconds(&n, ranks, embeddings).seconds;
    seconds_out[LOSS_SUMS] = fut_cost_gather_seconds(&n, ranks, SUMS * 8).seconds;
    seconds_out[SPREAD] = fut_cost_bucket(&n, ranks, embeddings * ranks, set.bandwidth, set.launch).seconds;
    seconds_out[GRADIENTS] = 0;
    for (int64_t first = 0; first < set.leaf; first += bucket) {
        int64_t length = first + bucket < set.leaf ? bucket : set.leaf - first;
        seconds_out[GRADIENTS] += fut_cost_bucket(&n, ranks, (double)length * 4, set.bandwidth, set.launch).seconds;
    }
}

static double latest(const double *seconds, int ranks)
{
    double last = seconds[0];
    for (int r = 1; r < ranks; r++)
        if (seconds[r] > last) last = seconds[r];
    return last;
}

static int64_t most(const fut_traffic *of, int ranks)
{
    int64_t messages = 0;
    for (int r = 0; r < ranks; r++)
        if (of[r].messages > messages) messages = of[r].messages;
    return messages;
}

static void print(int ranks)
{
    double said[OPERATIONS];
    predict(ranks, said);
    (void)printf("{\"ranks\":%d", ranks);
    for (int op = 0; op < OPERATIONS; op++)
        (void)printf(",\"%s_ms\":%.6g,\"%s_said_ms\":%.6g", names[op], 1e3 * (latest(ended[op], ranks) - latest(begun[op], ranks)),
                     names[op], 1e3 * said[op]);
    (void)printf(",\"step_messages_rank0\":%lld,\"step_messages_most\":%lld,\"step_bytes_rank0\":%lld", (long long)step[0].messages,
                 (long long)most(step, ranks), (long long)step[0].bytes);
    (void)printf(",\"startup_messages_rank0\":%lld,\"startup_messages_most\":%lld,\"counts_as_formulas\":%s}\n",
                 (long long)startup[0].messages, (long long)most(startup, ranks), wrong == 0 ? "true" : "false");
}

static fut_status run(void)
{
    fut_comm *comm = NULL;
    FUT_TRY(fut_comm_create_mpi(NULL, &comm));
    int rank = fut_comm_rank(comm);
    int ranks = fut_comm_size(comm);
    FUT_TRY(fut_comm_agree(comm, FUT_OK));
    startup[rank] = counted[rank];
    FUT_TRY(take_step(comm));
    (void)PMPI_Barrier(MPI_COMM_WORLD);
    if (rank == 0) print(ranks);
    fut_comm_destroy(&comm);
    return wrong == 0 ? FUT_OK : FUT_FAIL(FUT_ERR_INTERNAL, "%d operations sent something else than the formulas say", wrong);
}

static void read_settings(char **argv)
{
    set = (settings){.leaf = atoll(argv[1]),
                     .photos = atoll(argv[2]),
                     .dim = atoll(argv[3]),
                     .bucket = atoll(argv[4]),
                     .bandwidth = 1e9 * atof(argv[5]),
                     .launch = 1e-6 * atof(argv[6]),
                     .ranks_a_node = atoi(argv[7]),
                     .network = {1e9 * atof(argv[8]), 1e9 * atof(argv[11])},
                     .latency = {1e-6 * atof(argv[9]), 1e-6 * atof(argv[12])},
                     .message = {1e-6 * atof(argv[10]), 1e-6 * atof(argv[13])}};
    if (arena != NULL) return;
    size_t largest =
        (size_t)set.leaf > (size_t)(RANKS_MAX * set.photos * set.dim) ? (size_t)set.leaf : (size_t)(RANKS_MAX * set.photos * set.dim);
    arena_bytes = 2 * sizeof(float) * (largest + 64 * RANKS_MAX);
    arena = mmap(NULL, arena_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

int main(int argc, char **argv)
{
    if (argc != 14) {
        (void)fprintf(stderr, "usage: see the first comment of schedule.c\n");
        return 64;
    }
    read_settings(argv);
    fut_status st = run();
    if (st != FUT_OK) (void)fprintf(stderr, "schedule: %s\n", fut_trail_message());
    return st == FUT_OK ? 0 : 1;
}
