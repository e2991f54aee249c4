/* NCCL between the GPUs of the ranks. The communicator is nonblocking: a call that is not done at once says ncclInProgress and is asked
 * again until the deadline, so that no rank is ever caught inside NCCL. Calls enqueue on a stream of the backend and may be recorded. */
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "dist/nccl/placement.h"

#include <nccl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    GUARD_S = 10, /* ncclCommAbort and ncclCommDestroy have hung for others */
    GRACE_S = 3,  /* for a rank that failed to end the job with its own reason */
    NAP_US = 1000
};

/* A call that gives a communicator up, as its own thread reads it. */
typedef struct last_call {
    ncclResult_t (*call)(ncclComm_t);
    ncclComm_t nccl;
} last_call;

typedef struct comm_nccl {
    fut_comm base;
    fut_comm *host; /* borrowed */
    fut_backend *bk;
    ncclComm_t nccl;    /* NULL: not begun, or given up after an error */
    bool leaving;       /* the work is done */
    char last_what[64]; /* the operation enqueued last, for errors that come later */
    char hostname[64];
    float *word; /* of the device, for the barrier */
    fut_event *passed;
    last_call *last; /* allocated at birth: the end must not need memory */
} comm_nccl;

/* ---- an end that cannot hang ---------------------------------------------------------------------------------------------------- */

static bool is_error(ncclResult_t code)
{
    return code != ncclSuccess && code != ncclInProgress;
}

static void *make_last_call(void *arg)
{
    const last_call *last = arg;
    return (void *)(intptr_t)last->call(last->nccl);
}

/* The call that gives up c->nccl, on a thread of its own, waited for GUARD_S and no longer; the thread and what it reads are left behind
 * then. */
static void give_up(comm_nccl *c, ncclResult_t (*call)(ncclComm_t), const char *name)
{
    pthread_t thread;
    struct timespec until;
    void *code = NULL;
    if (c->nccl == NULL) return;
    *c->last = (last_call){.call = call, .nccl = c->nccl};
    c->nccl = NULL;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += GUARD_S;
    if (pthread_create(&thread, NULL, make_last_call, c->last) != 0) return;
    if (c->base.give_up != NULL) c->base.give_up(c->base.give_up_context);
    fut_watchdog_enter(c->base.watchdog, name, FUT_FLIGHT_NOBODY, 0, 2 * GUARD_S);
    int late = pthread_clockjoin_np(thread, &code, CLOCK_MONOTONIC, &until);
    fut_watchdog_leave(c->base.watchdog);
    if (late != 0) {
        FUT_WARN("rank %d of %d on host %s: %s did not return in %d s", c->base.rank, c->base.size, c->hostname, name, GUARD_S);
        c->last = NULL;
        return;
    }
    if (is_error((ncclResult_t)(intptr_t)code))
        FUT_WARN("rank %d of %d on host %s: %s: NCCL: %s", c->base.rank, c->base.size, c->hostname, name,
                 ncclGetErrorString((ncclResult_t)(intptr_t)code));
}

/* ---- errors and waiting -------------------------------------------------------------------------------------------------------- */

/* A wrong argument is ours and comes again; all else may be gone after a restart. */
static fut_status status_of(ncclResult_t code)
{
    return code == ncclInvalidArgument || code == ncclInvalidUsage ? FUT_ERR_INTERNAL : FUT_ERR_IO;
}

/* Another rank is gone. If it lives, it is about to end the job, and its reason and exit code are what the user needs, not this rank's. */
static void leave_the_word_to_others(comm_nccl *c)
{
    double until = fut_clock_now() + GRACE_S;
    FUT_WARN("%s", fut_trail_message());
    fut_watchdog_enter(c->base.watchdog, "another rank's last word", FUT_FLIGHT_NOBODY, 0, 2 * GRACE_S);
    while (fut_clock_now() < until && fut_comm_poll(c->host) == FUT_OK)
        (void)usleep(NAP_US);
    fut_watchdog_leave(c->base.watchdog);
}

/* NCCL is given up at once: until then the device waits for ranks that may never come, and whoever frees its memory waits with it. */
static fut_status nccl_failed(comm_nccl *c, ncclResult_t code, const char *what)
{
    const char *detail = ncclGetLastError(c->nccl);
    bool more = detail != NULL && detail[0] != '\0';
    fut_status st = FUT_FAIL(status_of(code), "rank %d of %d on host %s: %s: NCCL: %s%s%s", c->base.rank, c->base.size, c->hostname, what,
                             ncclGetErrorString(code), more ? ": " : "", more ? detail : "");
    give_up(c, ncclCommAbort, "ncclCommAbort");
    if (code == ncclRemoteError && !c->leaving) leave_the_word_to_others(c);
    return st;
}

static fut_status check_alive(const comm_nccl *c, const char *what)
{
    FUT_CHECK(c->nccl != NULL, FUT_ERR_IO, "rank %d of %d on host %s: %s: NCCL failed before, in '%s'", c->base.rank, c->base.size,
              c->hostname, what, c->last_what);
    return FUT_OK;
}

/* A call that returned `code` is done, with its error or without. */
static fut_status settle(comm_nccl *c, ncclResult_t code, const char *what)
{
    fut_patience patience = {.peer = FUT_FLIGHT_NOBODY};
    while (code == ncclInProgress) {
        ncclResult_t asked = ncclCommGetAsyncError(c->nccl, &code);
        if (asked != ncclSuccess) code = asked;
        if (code != ncclInProgress) break;
        FUT_TRY(fut_comm_poll(c->host));
        FUT_TRY(fut_comm_be_patient(&c->base, &patience, what));
    }
    return code == ncclSuccess ? FUT_OK : nccl_failed(c, code, what);
}

/* Before every operation. */
static fut_status begin(comm_nccl *c, const char *what)
{
    FUT_TRY(check_alive(c, what));
    (void)snprintf(c->last_what, sizeof c->last_what, "%s", what);
    return FUT_OK;
}

/* After the calls of a group, which gave `code`: a group that was begun must be ended in any case. */
static fut_status end_group(comm_nccl *c, ncclResult_t code, const char *what)
{
    ncclResult_t end = ncclGroupEnd();
    return settle(c, code == ncclSuccess || code == ncclInProgress ? end : code, what);
}

static fut_status nccl_type(fut_dtype dtype, ncclDataType_t *type_out, const char *what)
{
    static const ncclDataType_t types[FUT_DTYPE_COUNT] = {
        [FUT_U8] = ncclUint8,    [FUT_I32] = ncclInt32,     [FUT_I64] = ncclInt64,   [FUT_U64] = ncclUint64,
        [FUT_F16] = ncclFloat16, [FUT_BF16] = ncclBfloat16, [FUT_F32] = ncclFloat32, [FUT_F64] = ncclFloat64,
    };
    FUT_CHECK((unsigned)dtype < FUT_DTYPE_COUNT, FUT_ERR_INTERNAL, "%s: no dtype %d", what, (int)dtype);
    *type_out = types[dtype];
    return FUT_OK;
}

static cudaStream_t stream_of(const comm_nccl *c)
{
    return c->bk->stream_native(c->bk, c->base.stream);
}

/* ---- operations ----------------------------------------------------------------------------------------------------------------- */

static fut_status nccl_all_reduce_sum(fut_comm *comm, void *data, int64_t count, fut_dtype dtype, const char *what)
{
    comm_nccl *c = (comm_nccl *)comm;
    ncclDataType_t type = ncclUint8;
    FUT_TRY(begin(c, what));
    FUT_TRY(nccl_type(dtype, &type, what));
    if (count == 0) return FUT_OK;
    return settle(c, ncclAllReduce(data, data, (size_t)count, type, ncclSum, c->nccl, stream_of(c)), what);
}

static fut_status nccl_broadcast(fut_comm *comm, void *data, int64_t count, fut_dtype dtype, int root, const char *what)
{
    comm_nccl *c = (comm_nccl *)comm;
    ncclDataType_t type = ncclUint8;
    FUT_TRY(begin(c, what));
    FUT_TRY(nccl_type(dtype, &type, what));
    if (count == 0) return FUT_OK;
    return settle(c, ncclBroadcast(data, data, (size_t)count, type, root, c->nccl, stream_of(c)), what);
}

static bool all_equal(const int64_t *counts, int n)
{
    for (int i = 1; i < n; i++)
        if (counts[i] != counts[0]) return false;
    return true;
}

/* NCCL's own call knows equal parts only; unequal ones are reductions, each to its owner, that run as one. */
static fut_status nccl_reduce_scatter_sum(fut_comm *comm, const void *data, const int64_t *counts, void *part_out, fut_dtype dtype,
                                          const char *what)
{
    comm_nccl *c = (comm_nccl *)comm;
    const char *part = data;
    ncclResult_t code = ncclSuccess;
    ncclDataType_t type = ncclUint8;
    FUT_TRY(begin(c, what));
    FUT_TRY(nccl_type(dtype, &type, what));
    if (all_equal(counts, comm->size)) {
        if (counts[0] == 0) return FUT_OK;
        return settle(c, ncclReduceScatter(data, part_out, (size_t)counts[0], type, ncclSum, c->nccl, stream_of(c)), what);
    }
    FUT_TRY(settle(c, ncclGroupStart(), what));
    for (int r = 0; r < comm->size && !is_error(code); r++) {
        void *mine = r == comm->rank ? part_out : NULL;
        if (counts[r] > 0) code = ncclReduce(part, mine, (size_t)counts[r], type, ncclSum, r, c->nccl, stream_of(c));
        part += (size_t)counts[r] * fut_dtype_size(dtype);
    }
    return end_group(c, code, what);
}

/* Likewise: equal parts side by side, or broadcasts from every owner that run as one. */
static fut_status nccl_all_gatherv(fut_comm *comm, void *data, const int64_t *counts, const int64_t *offsets, fut_dtype dtype,
                                   const char *what)
{
    comm_nccl *c = (comm_nccl *)comm;
    size_t width = fut_dtype_size(dtype);
    bool side_by_side = all_equal(counts, comm->size);
    ncclResult_t code = ncclSuccess;
    ncclDataType_t type = ncclUint8;
    FUT_TRY(begin(c, what));
    FUT_TRY(nccl_type(dtype, &type, what));
    for (int r = 1; r < comm->size; r++)
        side_by_side = side_by_side && offsets[r] == offsets[0] + r * counts[0];
    if (side_by_side) {
        char *first = (char *)data + (size_t)offsets[0] * width;
        const char *mine = (char *)data + (size_t)offsets[comm->rank] * width;
        if (counts[0] == 0) return FUT_OK;
        return settle(c, ncclAllGather(mine, first, (size_t)counts[0], type, c->nccl, stream_of(c)), what);
    }
    FUT_TRY(settle(c, ncclGroupStart(), what));
    for (int r = 0; r < comm->size && !is_error(code); r++) {
        char *part = (char *)data + (size_t)offsets[r] * width;
        if (counts[r] > 0) code = ncclBroadcast(part, part, (size_t)counts[r], type, r, c->nccl, stream_of(c));
    }
    return end_group(c, code, what);
}

/* Both sides of an empty message know that it is empty: it is not sent. */
static fut_status nccl_exchange(fut_comm *comm, const fut_message *send, int n_send, const fut_message *recv, int n_recv, fut_dtype dtype,
                                fut_transfer *transfer, const char *what)
{
    (void)transfer; /* no call waits */
    comm_nccl *c = (comm_nccl *)comm;
    ncclResult_t code = ncclSuccess;
    ncclDataType_t type = ncclUint8;
    FUT_TRY(begin(c, what));
    FUT_TRY(nccl_type(dtype, &type, what));
    for (int i = 0; i < n_send + n_recv; i++)
        FUT_CHECK((i < n_send ? send[i] : recv[i - n_send]).peer != comm->rank, FUT_ERR_INTERNAL, "%s: a message to oneself", what);
    if (n_send + n_recv == 0) return FUT_OK;
    FUT_TRY(settle(c, ncclGroupStart(), what));
    for (int i = 0; i < n_send && !is_error(code); i++)
        if (send[i].count > 0) code = ncclSend(send[i].data, (size_t)send[i].count, type, send[i].peer, c->nccl, stream_of(c));
    for (int i = 0; i < n_recv && !is_error(code); i++)
        if (recv[i].count > 0) code = ncclRecv(recv[i].data, (size_t)recv[i].count, type, recv[i].peer, c->nccl, stream_of(c));
    return end_group(c, code, what);
}

/* The host waits here until every rank's stream has come to this place. */
static fut_status nccl_barrier(fut_comm *comm, const char *what)
{
    comm_nccl *c = (comm_nccl *)comm;
    FUT_TRY(nccl_all_reduce_sum(comm, c->word, 1, FUT_F32, what));
    FUT_TRY(c->bk->event_record(c->bk, c->passed, comm->stream));
    return fut_comm_wait(comm, c->bk, c->passed, what);
}

static fut_status nccl_poll(fut_comm *comm)
{
    comm_nccl *c = (comm_nccl *)comm;
    ncclResult_t code = ncclSuccess;
    FUT_TRY(check_alive(c, "poll"));
    FUT_TRY(fut_comm_poll(c->host));
    ncclResult_t asked = ncclCommGetAsyncError(c->nccl, &code);
    if (asked != ncclSuccess) code = asked;
    if (!is_error(code)) return FUT_OK;
    char what[sizeof c->last_what + 32];
    (void)snprintf(what, sizeof what, "'%s' or one before it", c->last_what);
    return nccl_failed(c, code, what);
}

static void nccl_roll_call(fut_comm *comm)
{
    fut_comm *host = ((comm_nccl *)comm)->host;
    if (host->ops->roll_call != NULL) host->ops->roll_call(host);
}

static void nccl_abort(fut_comm *comm, int exit_code)
{
    comm_nccl *c = (comm_nccl *)comm;
    give_up(c, ncclCommAbort, "ncclCommAbort");
    fut_comm_abort(c->host, exit_code);
}

/* In order while all is well: finalize lets every rank's last operation end. With an error on its way up, of NCCL or another, the other
 * ranks will not come to it. */
static void nccl_destroy(fut_comm *comm)
{
    comm_nccl *c = (comm_nccl *)comm;
    bool well = c->nccl != NULL && fut_trail_message()[0] == '\0';
    c->leaving = true;
    if (well && settle(c, ncclCommFinalize(c->nccl), "end of NCCL") != FUT_OK) {
        FUT_WARN("%s", fut_trail_message());
        fut_trail_clear();
    }
    give_up(c, well ? ncclCommDestroy : ncclCommAbort, well ? "ncclCommDestroy" : "ncclCommAbort");
    if (c->passed != NULL) c->bk->event_destroy(c->bk, c->passed);
    if (c->word != NULL) c->bk->free(c->bk, c->word);
    fut_mem_free(c->last);
    fut_mem_free(c);
}

static const fut_comm_ops nccl_ops = {
    .name = "nccl",
    .all_reduce_sum = nccl_all_reduce_sum,
    .reduce_scatter_sum = nccl_reduce_scatter_sum,
    .broadcast = nccl_broadcast,
    .all_gatherv = nccl_all_gatherv,
    .exchange = nccl_exchange,
    .barrier = nccl_barrier,
    .poll = nccl_poll,
    .roll_call = nccl_roll_call,
    .abort = nccl_abort,
    .destroy = nccl_destroy,
};

/* ---- birth ---------------------------------------------------------------------------------------------------------------------- */

/* The unique id from rank 0 to all. A failure of rank 0 is everyone's. */
static fut_status share_id(comm_nccl *c, ncclUniqueId *id)
{
    fut_status st = FUT_OK;
    if (c->base.rank == 0) st = settle(c, ncclGetUniqueId(id), "unique id");
    FUT_TRY(fut_comm_agree(c->host, st));
    return fut_comm_broadcast(c->host, id, (int64_t)sizeof *id, FUT_U8, 0, "unique id of NCCL");
}

/* A rank whose call fails at once tells the others, who would wait for it in vain; one that fails later ends the job. */
static fut_status connect_ranks(comm_nccl *c, ncclUniqueId id)
{
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    fut_status st = FUT_OK;
    config.blocking = 0;
    ncclResult_t code = ncclCommInitRankConfig(&c->nccl, c->base.size, id, c->base.rank, &config);
    if (is_error(code)) st = nccl_failed(c, code, "start of NCCL");
    if (st == FUT_OK && c->nccl == NULL) st = FUT_FAIL(FUT_ERR_INTERNAL, "start of NCCL: no communicator");
    FUT_TRY(fut_comm_agree(c->host, st));
    return settle(c, code, "start of NCCL");
}

static void say_version(const comm_nccl *c)
{
    int version = 0;
    if (ncclGetVersion(&version) == ncclSuccess)
        FUT_INFO("NCCL %d.%d.%d, %d rank%s", version / 10000, version / 100 % 100, version % 100, c->base.size,
                 c->base.size == 1 ? "" : "s");
}

fut_status fut_nccl_module_create(fut_comm *host, fut_backend *bk, fut_comm **comm_out) FUT_MUST_CHECK;

/* What the module exports. bk has made its GPU this thread's. */
__attribute__((visibility("default"))) fut_status fut_nccl_module_create(fut_comm *host, fut_backend *bk, fut_comm **comm_out)
{
    fut_status st = FUT_OK;
    comm_nccl *c = NULL;
    ncclUniqueId id;
    memset(&id, 0, sizeof id);
    FUT_TRY(fut_nccl_check_placement(host, bk));
    FUT_TRY(FUT_NEW(&c));
    c->base = *host;
    c->base.ops = &nccl_ops;
    c->base.stream = NULL;
    c->base.agreed = FUT_OK;
    c->host = host;
    c->bk = bk;
    (void)gethostname(c->hostname, sizeof c->hostname - 1);
    st = FUT_NEW(&c->last);
    if (st == FUT_OK) st = bk->alloc(bk, sizeof *c->word, (void **)&c->word);
    if (st == FUT_OK) st = bk->fill_zero(bk, c->word, sizeof *c->word, NULL);
    if (st == FUT_OK) st = bk->event_create(bk, &c->passed);
    FUT_TRY_GOTO(fut_comm_agree(host, st), out);
    FUT_TRY_GOTO(share_id(c, &id), out);
    FUT_TRY_GOTO(connect_ranks(c, id), out);
    /* The first operation connects the GPUs: better here, under this name, than inside the first step. */
    FUT_TRY_GOTO(nccl_barrier(&c->base, "first contact of the GPUs"), out);
    say_version(c);
    *comm_out = &c->base;
    c = NULL;
out:
    if (c != NULL) nccl_destroy(&c->base);
    return st;
}
