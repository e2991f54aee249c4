/* Open MPI. Every wait is a nonblocking call and a loop of MPI_Test with a deadline: a rank that is stopped or hung is never noticed by
 * mpirun, and a blocking call would wait for it for ever. */
#include "core/base/mem.h"
#include "dist/comm_mpi_impl.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    CHUNK = 1 << 28, /* MPI counts are int */
    LOOKS_A_ROLL = 64
};

fut_status fut_mpi_failed(int code, const char *what)
{
    char text[MPI_MAX_ERROR_STRING] = "";
    int length = 0;
    (void)MPI_Error_string(code, text, &length);
    return FUT_FAIL(FUT_ERR_IO, "%s: MPI: %s", what, text);
}

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

/* The first of the requests that is still open. */
static int peer_of_open(int n, MPI_Request *requests, const int *peers)
{
    for (int i = 0; i < n; i++) {
        int done = 0;
        if (MPI_Test(&requests[i], &done, MPI_STATUS_IGNORE) == MPI_SUCCESS && !done) return peers[i];
    }
    return FUT_FLIGHT_NOBODY;
}

static fut_status test_all(int n, MPI_Request *requests, bool *done_out, const char *what)
{
    int done = 0;
    int code = MPI_Testall(n, requests, &done, MPI_STATUSES_IGNORE);
    FUT_CHECK(code != MPI_ERR_IN_STATUS, FUT_ERR_IO, "%s: a message came that does not fit: one was lost, or the ranks do not do the same",
              what);
    FUT_MPI(code, what);
    *done_out = done != 0;
    return FUT_OK;
}

/* peers: of the requests; NULL where they are with everybody. */
static fut_status wait_all(comm_mpi *c, int n, MPI_Request *requests, const int *peers, const char *what)
{
    fut_patience patience = {.peer = FUT_FLIGHT_NOBODY};
    for (;;) {
        bool done = false;
        FUT_TRY(test_all(n, requests, &done, what));
        if (done) return FUT_OK;
        if (patience.looks % LOOKS_A_ROLL == LOOKS_A_ROLL - 1) FUT_TRY(fut_mpi_answer_roll(c));
        if (patience.ask && peers != NULL) patience.peer = peer_of_open(n, requests, peers);
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
        FUT_TRY(wait_all(c, 1, &request, NULL, what));
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
        FUT_TRY(wait_all(c, 1, &request, root == comm->rank ? NULL : &root, what));
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
    return wait_all(c, 1, &request, NULL, what);
}

/* ---- messages: of a transfer that waits later, or of the communicator's own, that waits at once ---------------------------------- */

static fut_status transfer_reserve(fut_transfer *t, int n)
{
    if (n <= t->room) return FUT_OK;
    FUT_TRY(fut_mem_grow((void **)&t->requests, (size_t)t->room, (size_t)n, sizeof(MPI_Request)));
    FUT_TRY(fut_mem_grow((void **)&t->peers, (size_t)t->room, (size_t)n, sizeof *t->peers));
    t->room = n;
    return FUT_OK;
}

static void transfer_fini(fut_transfer *t)
{
    fut_mem_free(t->requests);
    fut_mem_free(t->peers);
}

static fut_status mpi_transfer_create(fut_comm *comm, int channel, int messages, fut_transfer **transfer_out)
{
    fut_status st = FUT_OK;
    fut_transfer *t = NULL;
    (void)comm;
    FUT_TRY(FUT_NEW(&t));
    t->channel = channel;
    st = transfer_reserve(t, messages);
    if (st == FUT_OK) {
        *transfer_out = t;
        return FUT_OK;
    }
    transfer_fini(t);
    fut_mem_free(t);
    return st;
}

static void mpi_transfer_destroy(fut_comm *comm, fut_transfer *t)
{
    (void)comm;
    transfer_fini(t);
    fut_mem_free(t);
}

static fut_status mpi_transfer_test(fut_comm *comm, fut_transfer *t, bool *done_out, const char *what)
{
    (void)comm;
    FUT_TRY(test_all(t->n, t->requests, done_out, what));
    if (*done_out) t->n = 0;
    return FUT_OK;
}

static fut_status mpi_transfer_wait(fut_comm *comm, fut_transfer *t, const char *what)
{
    FUT_TRY(wait_all((comm_mpi *)comm, t->n, t->requests, t->peers, what));
    t->n = 0;
    return FUT_OK;
}

/* The transfer that is to carry n messages: the one given, or the communicator's own. */
static fut_status open_transfer(comm_mpi *c, fut_transfer *given, int n, fut_transfer **transfer_out, const char *what)
{
    *transfer_out = given != NULL ? given : &c->own;
    if (given == NULL) c->own.n = 0; /* after an error some may be left */
    FUT_CHECK(given == NULL || (given->n == 0 && n <= given->room), FUT_ERR_INTERNAL,
              "%s: %d messages begin in a transfer of %d, of which %d are under way", what, n, given->room, given->n);
    return transfer_reserve(*transfer_out, n);
}

static fut_status close_transfer(comm_mpi *c, const fut_transfer *given, const char *what)
{
    return given != NULL ? FUT_OK : mpi_transfer_wait(&c->base, &c->own, what);
}

static fut_status start_message(comm_mpi *c, fut_transfer *t, const fut_message *m, bool sending, fut_dtype dtype, const char *what)
{
    FUT_CHECK(m->peer != c->base.rank, FUT_ERR_INTERNAL, "%s: a message to oneself", what);
    FUT_CHECK(m->count <= CHUNK, FUT_ERR_INTERNAL, "%s: a message of %lld elements", what, (long long)m->count);
    MPI_Request *request = &t->requests[t->n];
    if (sending)
        FUT_MPI(MPI_Isend(m->data, (int)m->count, mpi_type(dtype), m->peer, t->channel, c->world, request), what);
    else
        FUT_MPI(MPI_Irecv(m->data, (int)m->count, mpi_type(dtype), m->peer, t->channel, c->world, request), what);
    t->peers[t->n++] = m->peer;
    return FUT_OK;
}

static fut_status mpi_exchange(fut_comm *comm, const fut_message *send, int n_send, const fut_message *recv, int n_recv, fut_dtype dtype,
                               fut_transfer *transfer, const char *what)
{
    comm_mpi *c = (comm_mpi *)comm;
    fut_transfer *t = NULL;
    FUT_TRY(open_transfer(c, transfer, n_send + n_recv, &t, what));
    for (int i = 0; i < n_recv; i++)
        FUT_TRY(start_message(c, t, &recv[i], false, dtype, what));
    for (int i = 0; i < n_send; i++)
        FUT_TRY(start_message(c, t, &send[i], true, dtype, what));
    return close_transfer(c, transfer, what);
}

/* Parts of ranks, as of an all-gather. */
typedef struct parts {
    char *data;
    const int64_t *counts, *offsets;
    fut_dtype dtype;
} parts;

/* The parts of n ranks from `first` on, past the last rank from 0 again: one message for all that lie side by side. */
static fut_status start_parts(comm_mpi *c, const parts *p, int first, int n, int peer, bool sending, const char *what)
{
    int size = c->base.size;
    for (int i = 0; i < n;) {
        int r = (first + i) % size;
        fut_message m = {.peer = peer, .count = p->counts[r], .data = p->data + (size_t)p->offsets[r] * fut_dtype_size(p->dtype)};
        for (i++; i < n; i++) {
            int next = (first + i) % size;
            if (p->offsets[next] != p->offsets[r] + m.count || m.count + p->counts[next] > CHUNK) break;
            m.count += p->counts[next];
        }
        FUT_TRY(start_message(c, &c->own, &m, sending, p->dtype, what));
    }
    return FUT_OK;
}

/* Every round a rank has the parts of twice as many ranks. Ranks in a number that is a power of two pair up, the nearest first, so that the
 * first rounds stay inside a node; others pass on what they have to the rank so far below. By messages rather than MPI_Iallgatherv, whose
 * displacements are int. */
static fut_status mpi_all_gatherv(fut_comm *comm, void *data, const int64_t *counts, const int64_t *offsets, fut_dtype dtype,
                                  const char *what)
{
    comm_mpi *c = (comm_mpi *)comm;
    parts p = {.data = data, .counts = counts, .offsets = offsets, .dtype = dtype};
    int rank = comm->rank;
    int size = comm->size;
    bool in_pairs = (size & (size - 1)) == 0;
    for (int have = 1; have < size; have *= 2) {
        int to = in_pairs ? rank ^ have : (rank + size - have) % size;
        int from = in_pairs ? rank ^ have : (rank + have) % size;
        int n = have < size - have ? have : size - have;
        fut_transfer *own = NULL;
        FUT_TRY(open_transfer(c, NULL, 2 * size, &own, what));
        FUT_TRY(start_parts(c, &p, in_pairs ? from / have * have : from, n, from, false, what));
        FUT_TRY(start_parts(c, &p, in_pairs ? rank / have * have : rank, n, to, true, what));
        FUT_TRY(close_transfer(c, NULL, what));
    }
    return FUT_OK;
}

static fut_status mpi_barrier(fut_comm *comm, const char *what)
{
    comm_mpi *c = (comm_mpi *)comm;
    MPI_Request request;
    FUT_MPI(MPI_Ibarrier(c->world, &request), what);
    return wait_all(c, 1, &request, NULL, what);
}

static fut_status mpi_poll(fut_comm *comm)
{
    comm_mpi *c = (comm_mpi *)comm;
    int arrived = 0;
    FUT_MPI(MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, c->world, &arrived, MPI_STATUS_IGNORE), "poll");
    return fut_mpi_answer_roll(c);
}

static void mpi_abort(fut_comm *comm, int exit_code)
{
    (void)comm;
    (void)MPI_Abort(MPI_COMM_WORLD, exit_code);
    _exit(exit_code);
}

static void mpi_roll_call(fut_comm *comm)
{
    fut_mpi_call_roll((comm_mpi *)comm, true);
}

static void free_memory(comm_mpi *c)
{
    transfer_fini(&c->own);
    fut_mem_free(c->part_counts);
    fut_mem_free(c->places);
    fut_mem_free(c->answers);
    fut_mem_free(c->roll_requests);
    fut_mem_free(c);
}

static void mpi_destroy(fut_comm *comm)
{
    comm_mpi *c = (comm_mpi *)comm;
    fut_watchdog *watchdog = comm->watchdog;
    fut_watchdog_enter(watchdog, "end of MPI", FUT_FLIGHT_NOBODY, 0, comm->deadline);
    (void)MPI_Comm_free(&c->roll);
    (void)MPI_Comm_free(&c->world);
    (void)MPI_Finalize();
    fut_watchdog_leave(watchdog);
    free_memory(c);
}

static const fut_comm_ops mpi_ops = {
    .name = "mpi",
    .all_reduce_sum = mpi_all_reduce_sum,
    .reduce_scatter_sum = mpi_reduce_scatter_sum,
    .broadcast = mpi_broadcast,
    .all_gatherv = mpi_all_gatherv,
    .exchange = mpi_exchange,
    .transfer_create = mpi_transfer_create,
    .transfer_destroy = mpi_transfer_destroy,
    .transfer_test = mpi_transfer_test,
    .transfer_wait = mpi_transfer_wait,
    .barrier = mpi_barrier,
    .poll = mpi_poll,
    .roll_call = mpi_roll_call,
    .abort = mpi_abort,
    .destroy = mpi_destroy,
};

/* Where this rank is. Processes of one machine share its boot id, in containers too, whose host names may differ. */
static void find_place(place *out)
{
    memset(out, 0, sizeof *out);
    (void)gethostname(out->host, sizeof out->host - 1);
    memcpy(out->node, out->host, sizeof out->node - 1);
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (fd < 0) return;
    if (read(fd, out->node, sizeof out->node - 1) < 0) out->node[0] = '\0';
    (void)close(fd);
}

static fut_status gather_places(comm_mpi *c)
{
    int64_t *counts = NULL;
    FUT_TRY(FUT_NEW_ARRAY(2 * c->base.size, &counts));
    int64_t *offsets = counts + c->base.size;
    for (int r = 0; r < c->base.size; r++) {
        counts[r] = sizeof(place);
        offsets[r] = r * (int64_t)sizeof(place);
    }
    fut_status st = mpi_all_gatherv(&c->base, c->places, counts, offsets, FUT_U8, "places of ranks");
    fut_mem_free(counts);
    return st;
}

/* Places of all ranks; my place among those of my node. */
static fut_status exchange_places(comm_mpi *c)
{
    place *mine = &c->places[c->base.rank];
    find_place(mine);
    FUT_TRY(gather_places(c));
    for (int r = 0; r < c->base.size; r++) {
        if (strcmp(c->places[r].node, mine->node) != 0) continue;
        c->base.local_rank += r < c->base.rank;
        c->base.local_size++;
    }
    return FUT_OK;
}

static fut_status enter_world(comm_mpi *c)
{
    MPI_Request request;
    FUT_MPI(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN), "starting MPI");
    FUT_MPI(MPI_Comm_rank(MPI_COMM_WORLD, &c->base.rank), "starting MPI");
    FUT_MPI(MPI_Comm_size(MPI_COMM_WORLD, &c->base.size), "starting MPI");
    FUT_TRY(FUT_NEW_ARRAY(c->base.size, &c->part_counts));
    FUT_TRY(FUT_NEW_ARRAY(c->base.size, &c->places));
    FUT_TRY(FUT_NEW_ARRAY(c->base.size, &c->answers));
    FUT_TRY(FUT_NEW_ARRAY(c->base.size, &c->roll_requests));
    MPI_Comm roll = MPI_COMM_NULL;
    FUT_MPI(MPI_Comm_idup(MPI_COMM_WORLD, &c->world, &request), "starting MPI"); /* inherits the error handler */
    FUT_TRY(wait_all(c, 1, &request, NULL, "first contact of the ranks"));
    FUT_MPI(MPI_Comm_idup(MPI_COMM_WORLD, &roll, &request), "starting MPI");
    FUT_TRY(wait_all(c, 1, &request, NULL, "first contact of the ranks"));
    c->roll = roll;
    return exchange_places(c);
}

static fut_status init_mpi(fut_watchdog *watchdog)
{
    int provided = 0;
    fut_watchdog_enter(watchdog, "start of MPI", FUT_FLIGHT_NOBODY, 0, fut_watchdog_start_deadline());
    int code = MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided);
    fut_watchdog_leave(watchdog);
    FUT_MPI(code, "starting MPI");
    FUT_CHECK(provided >= MPI_THREAD_FUNNELED, FUT_ERR_UNSUPPORTED, "this MPI cannot be used beside threads (level %d)", provided);
    return FUT_OK;
}

fut_status fut_comm_create_mpi(fut_watchdog *watchdog, fut_comm **comm_out)
{
    fut_status st = FUT_OK;
    comm_mpi *c = NULL;
    FUT_TRY(init_mpi(watchdog));
    FUT_TRY_GOTO(FUT_NEW(&c), out);
    *c = (comm_mpi){.base = {.ops = &mpi_ops, .deadline = fut_watchdog_start_deadline(), .watchdog = watchdog}, .roll = MPI_COMM_NULL};
    fut_watchdog_enter(watchdog, "first contact of the ranks", FUT_FLIGHT_NOBODY, 0, c->base.deadline);
    st = enter_world(c);
    fut_watchdog_leave(watchdog);
    if (st != FUT_OK) goto out;
    *comm_out = &c->base;
    c = NULL;
out:
    if (c != NULL) free_memory(c);
    return st;
}
