/* Open MPI. Every wait is a nonblocking call and a loop of MPI_Test with a deadline: a rank that is stopped or hung is never noticed by
 * mpirun, and a blocking call would wait for it for ever. */
#include "core/base/mem.h"
#include "dist/comm.h"

#include <mpi.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

enum { CHUNK = 1 << 28 }; /* MPI counts are int */

typedef struct comm_mpi {
    fut_comm base;
    MPI_Comm world;
    MPI_Request *requests;
    int room;
    int *part_counts; /* [size] */
} comm_mpi;

static fut_status mpi_failed(int code, const char *what)
{
    char text[MPI_MAX_ERROR_STRING] = "";
    int length = 0;
    (void)MPI_Error_string(code, text, &length);
    return FUT_FAIL(FUT_ERR_IO, "%s: MPI: %s", what, text);
}

#define FUT_MPI(call, what)                                                                                                                \
    do {                                                                                                                                   \
        int fut_mpi_code_ = (call);                                                                                                        \
        if (fut_mpi_code_ != MPI_SUCCESS) return mpi_failed(fut_mpi_code_, what);                                                          \
    } while (0)

static MPI_Datatype mpi_type(fut_dtype dtype)
{
    switch (dtype) {
    case FUT_I32:
        return MPI_INT32_T;
    case FUT_I64:
        return MPI_INT64_T;
    case FUT_U64:
        return MPI_UINT64_T;
    case FUT_F32:
        return MPI_FLOAT;
    case FUT_F64:
        return MPI_DOUBLE;
    case FUT_F16:
    case FUT_BF16:
        return MPI_UINT16_T;
    case FUT_U8:
    case FUT_DTYPE_COUNT:
        break;
    }
    return MPI_UINT8_T;
}

static fut_status wait_all(comm_mpi *c, int n, MPI_Request *requests, const char *what)
{
    fut_patience patience = {0};
    for (;;) {
        int done = 0;
        FUT_MPI(MPI_Testall(n, requests, &done, MPI_STATUSES_IGNORE), what);
        if (done) return FUT_OK;
        FUT_TRY(fut_comm_be_patient(&c->base, &patience, what));
    }
}

/* MPI has no 16-bit floats; mpi_type carries them as integers, which move but do not add. */
static fut_status check_addable(fut_dtype dtype, const char *what)
{
    FUT_CHECK(dtype != FUT_F16 && dtype != FUT_BF16, FUT_ERR_UNSUPPORTED, "%s: MPI cannot add %s", what, fut_dtype_name(dtype));
    return FUT_OK;
}

static int chunk_of(int64_t left)
{
    return (int)(left < CHUNK ? left : CHUNK);
}

static fut_status mpi_all_reduce_sum(fut_comm *comm, void *data, int64_t count, fut_dtype dtype, const char *what)
{
    comm_mpi *c = (comm_mpi *)comm;
    char *at = data;
    FUT_TRY(check_addable(dtype, what));
    for (int64_t left = count; left > 0;) {
        int n = chunk_of(left);
        MPI_Request request;
        FUT_MPI(MPI_Iallreduce(MPI_IN_PLACE, at, n, mpi_type(dtype), MPI_SUM, c->world, &request), what);
        FUT_TRY(wait_all(c, 1, &request, what));
        at += (size_t)n * fut_dtype_size(dtype);
        left -= n;
    }
    return FUT_OK;
}

static fut_status mpi_broadcast(fut_comm *comm, void *data, int64_t count, fut_dtype dtype, int root, const char *what)
{
    comm_mpi *c = (comm_mpi *)comm;
    char *at = data;
    for (int64_t left = count; left > 0;) {
        int n = chunk_of(left);
        MPI_Request request;
        FUT_MPI(MPI_Ibcast(at, n, mpi_type(dtype), root, c->world, &request), what);
        FUT_TRY(wait_all(c, 1, &request, what));
        at += (size_t)n * fut_dtype_size(dtype);
        left -= n;
    }
    return FUT_OK;
}

/* MPI's counts are int, and a part must not be cut: a longer one is an error rather than a loop. */
static fut_status mpi_reduce_scatter_sum(fut_comm *comm, const void *data, const int64_t *counts, void *part_out, fut_dtype dtype,
                                         const char *what)
{
    comm_mpi *c = (comm_mpi *)comm;
    MPI_Request request;
    FUT_TRY(check_addable(dtype, what));
    for (int r = 0; r < comm->size; r++) {
        FUT_CHECK(counts[r] <= CHUNK, FUT_ERR_INTERNAL, "%s: a part of %lld elements", what, (long long)counts[r]);
        c->part_counts[r] = (int)counts[r];
    }
    FUT_MPI(MPI_Ireduce_scatter(data, part_out, c->part_counts, mpi_type(dtype), MPI_SUM, c->world, &request), what);
    return wait_all(c, 1, &request, what);
}

static fut_status reserve_requests(comm_mpi *c, int n)
{
    if (n <= c->room) return FUT_OK;
    FUT_TRY(fut_mem_grow((void **)&c->requests, (size_t)c->room, (size_t)n, sizeof(MPI_Request)));
    c->room = n;
    return FUT_OK;
}

static fut_status start_messages(comm_mpi *c, const fut_message *messages, int n, bool sending, fut_dtype dtype, int first,
                                 const char *what)
{
    for (int i = 0; i < n; i++) {
        const fut_message *m = &messages[i];
        FUT_CHECK(m->peer != c->base.rank, FUT_ERR_INTERNAL, "%s: a message to oneself", what);
        FUT_CHECK(m->count <= CHUNK, FUT_ERR_INTERNAL, "%s: a message of %lld elements", what, (long long)m->count);
        MPI_Request *request = &c->requests[first + i];
        if (sending)
            FUT_MPI(MPI_Isend(m->data, (int)m->count, mpi_type(dtype), m->peer, 0, c->world, request), what);
        else
            FUT_MPI(MPI_Irecv(m->data, (int)m->count, mpi_type(dtype), m->peer, 0, c->world, request), what);
    }
    return FUT_OK;
}

static fut_status mpi_exchange(fut_comm *comm, const fut_message *send, int n_send, const fut_message *recv, int n_recv, fut_dtype dtype,
                               const char *what)
{
    comm_mpi *c = (comm_mpi *)comm;
    FUT_TRY(reserve_requests(c, n_send + n_recv));
    FUT_TRY(start_messages(c, recv, n_recv, false, dtype, 0, what));
    FUT_TRY(start_messages(c, send, n_send, true, dtype, n_recv, what));
    return wait_all(c, n_send + n_recv, c->requests, what);
}

/* By messages rather than MPI_Iallgatherv, whose displacements are int. */
static fut_status mpi_all_gatherv(fut_comm *comm, void *data, const int64_t *counts, const int64_t *offsets, fut_dtype dtype,
                                  const char *what)
{
    comm_mpi *c = (comm_mpi *)comm;
    size_t width = fut_dtype_size(dtype);
    int peers = comm->size - 1;
    FUT_TRY(reserve_requests(c, 2 * peers));
    fut_message mine = {.count = counts[comm->rank], .data = (char *)data + (size_t)offsets[comm->rank] * width};
    for (int i = 0; i < peers; i++) {
        int r = (comm->rank + 1 + i) % comm->size;
        fut_message theirs = {.peer = r, .count = counts[r], .data = (char *)data + (size_t)offsets[r] * width};
        mine.peer = r;
        FUT_TRY(start_messages(c, &theirs, 1, false, dtype, 2 * i, what));
        FUT_TRY(start_messages(c, &mine, 1, true, dtype, 2 * i + 1, what));
    }
    return wait_all(c, 2 * peers, c->requests, what);
}

static fut_status mpi_barrier(fut_comm *comm, const char *what)
{
    comm_mpi *c = (comm_mpi *)comm;
    MPI_Request request;
    FUT_MPI(MPI_Ibarrier(c->world, &request), what);
    return wait_all(c, 1, &request, what);
}

static fut_status mpi_poll(fut_comm *comm)
{
    comm_mpi *c = (comm_mpi *)comm;
    int arrived = 0;
    FUT_MPI(MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, c->world, &arrived, MPI_STATUS_IGNORE), "poll");
    return FUT_OK;
}

static void mpi_abort(fut_comm *comm, int exit_code)
{
    (void)comm;
    (void)MPI_Abort(MPI_COMM_WORLD, exit_code);
    _exit(exit_code);
}

static void mpi_destroy(fut_comm *comm)
{
    comm_mpi *c = (comm_mpi *)comm;
    fut_mem_free(c->requests);
    fut_mem_free(c->part_counts);
    (void)MPI_Comm_free(&c->world);
    (void)MPI_Finalize();
    fut_mem_free(c);
}

static const fut_comm_ops mpi_ops = {
    .name = "mpi",
    .all_reduce_sum = mpi_all_reduce_sum,
    .reduce_scatter_sum = mpi_reduce_scatter_sum,
    .broadcast = mpi_broadcast,
    .all_gatherv = mpi_all_gatherv,
    .exchange = mpi_exchange,
    .barrier = mpi_barrier,
    .poll = mpi_poll,
    .abort = mpi_abort,
    .destroy = mpi_destroy,
};

/* My place in the world and on my node. */
static fut_status find_place(comm_mpi *c)
{
    MPI_Comm node;
    FUT_MPI(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN), "starting MPI");
    FUT_MPI(MPI_Comm_dup(MPI_COMM_WORLD, &c->world), "starting MPI"); /* inherits the error handler */
    FUT_MPI(MPI_Comm_rank(c->world, &c->base.rank), "starting MPI");
    FUT_MPI(MPI_Comm_size(c->world, &c->base.size), "starting MPI");
    FUT_MPI(MPI_Comm_split_type(c->world, MPI_COMM_TYPE_SHARED, c->base.rank, MPI_INFO_NULL, &node), "ranks of a node");
    FUT_MPI(MPI_Comm_rank(node, &c->base.local_rank), "ranks of a node");
    FUT_MPI(MPI_Comm_size(node, &c->base.local_size), "ranks of a node");
    FUT_MPI(MPI_Comm_free(&node), "ranks of a node");
    return FUT_OK;
}

fut_status fut_comm_create_mpi(fut_comm **comm_out)
{
    fut_status st = FUT_OK;
    comm_mpi *c = NULL;
    int provided = 0;
    FUT_MPI(MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided), "starting MPI");
    FUT_CHECK(provided >= MPI_THREAD_FUNNELED, FUT_ERR_UNSUPPORTED, "this MPI cannot be used beside threads (level %d)", provided);
    FUT_TRY_GOTO(FUT_NEW(&c), out);
    c->base.ops = &mpi_ops;
    c->base.deadline = FUT_COMM_DEADLINE_S;
    FUT_TRY_GOTO(find_place(c), out);
    FUT_TRY_GOTO(FUT_NEW_ARRAY(c->base.size, &c->part_counts), out);
    *comm_out = &c->base;
    c = NULL;
out:
    fut_mem_free(c);
    return st;
}
