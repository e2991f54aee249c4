/* NCCL's entry points: birth and death of a communicator, groups, what is wrong with a call. */
#include "nccl_double.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const uint32_t comm_magic = 0x434f4d4dU;
enum { CONFIG_MAGIC = (int)0xcafebeef, TEXT_MAX = 400, BATCHES_MAX = 16 };

/* ---- errors ---- */

static pthread_mutex_t text_lock = PTHREAD_MUTEX_INITIALIZER;
static char last_text[TEXT_MAX];
static atomic_int living;

static void keep_text(const char *format, va_list args)
{
    (void)pthread_mutex_lock(&text_lock);
    (void)vsnprintf(last_text, sizeof last_text, format, args);
    (void)pthread_mutex_unlock(&text_lock);
}

ncclResult_t nccl_say(ncclResult_t code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    keep_text(format, args);
    va_end(args);
    return code;
}

ncclResult_t nccl_misuse(ncclResult_t code, const char *format, ...)
{
    char text[TEXT_MAX];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    gpu_double_misuse("NCCL: %s", text);
    return nccl_say(code, "%s", text);
}

/* The first error stays. */
void nccl_fail(ncclComm_t comm, ncclResult_t code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)pthread_mutex_lock(&comm->lock);
    if (comm->state == ncclSuccess || comm->state == ncclInProgress) {
        comm->state = code;
        keep_text(format, args);
    }
    (void)pthread_cond_broadcast(&comm->changed);
    (void)pthread_mutex_unlock(&comm->lock);
    va_end(args);
}

const char *ncclGetErrorString(ncclResult_t result)
{
    static const char *const texts[ncclNumResults] = {
        "no error",
        "unhandled cuda error (run with NCCL_DEBUG=INFO for details)",
        "unhandled system error (run with NCCL_DEBUG=INFO for details)",
        "internal error - please report this issue to the NCCL developers",
        "invalid argument (run with NCCL_DEBUG=WARN for details)",
        "invalid usage (run with NCCL_DEBUG=WARN for details)",
        "remote process exited or there was a network error",
        "NCCL operation in progress",
    };
    return (unsigned)result < ncclNumResults ? texts[result] : "unknown result code";
}

const char *ncclGetLastError(ncclComm_t comm)
{
    static _Thread_local char copy[TEXT_MAX];
    (void)comm;
    (void)pthread_mutex_lock(&text_lock);
    (void)snprintf(copy, sizeof copy, "%s", last_text);
    (void)pthread_mutex_unlock(&text_lock);
    return copy;
}

#define ENTER(name)                                                                                                                        \
    do {                                                                                                                                   \
        int injected;                                                                                                                      \
        if (gpu_double_enter(name, &injected)) return nccl_say((ncclResult_t)injected, "injected failure of %s", name);                    \
    } while (0)

static bool is_comm(ncclComm_t comm)
{
    return comm && comm->magic == comm_magic;
}

#define CHECK_COMM(comm, name)                                                                                                             \
    do {                                                                                                                                   \
        if (!is_comm(comm)) return nccl_misuse(ncclInvalidArgument, "%s: not a communicator", name);                                       \
    } while (0)

/* GPU_DOUBLE_STALL and GPU_DOUBLE_SEVER: "entry:n[@rank]". */
static bool is_fated(const char *variable, const char *entry)
{
    const char *wish = getenv(variable);
    const char *rank = getenv("OMPI_COMM_WORLD_RANK");
    size_t length = strlen(entry);
    if (!wish || strncmp(wish, entry, length) != 0 || wish[length] != ':') return false;
    const char *at = strchr(wish, '@');
    if (at && strcmp(at + 1, rank ? rank : "0") != 0) return false;
    return strtoull(wish + length + 1, NULL, 10) == gpu_double_calls(entry);
}

/* ---- birth ---- */

ncclResult_t ncclGetVersion(int *version)
{
    ENTER("ncclGetVersion");
    *version = NCCL_VERSION_CODE;
    return ncclSuccess;
}

ncclResult_t ncclGetUniqueId(ncclUniqueId *uniqueId)
{
    ENTER("ncclGetUniqueId");
    return nccl_mesh_open_id(uniqueId);
}

/* How often a nonblocking communicator says ncclInProgress before the truth. */
static int looks(void)
{
    static atomic_uint drawn;
    const char *seed = getenv("GPU_DOUBLE_SEED");
    unsigned mixed = (atomic_fetch_add(&drawn, 1) + (unsigned)(seed ? strtoul(seed, NULL, 10) : 1)) * 2654435761U;
    return 1 + (int)(mixed >> 28 & 3);
}

static ncclComm_t create_comm(int nranks, int rank, const ncclUniqueId *id, int device)
{
    ncclComm_t comm = calloc(1, sizeof *comm);
    if (!comm) return NULL;
    comm->peers = calloc((size_t)nranks, sizeof *comm->peers);
    if (!comm->peers) {
        free(comm);
        return NULL;
    }
    comm->magic = comm_magic;
    (void)pthread_mutex_init(&comm->lock, NULL);
    (void)pthread_cond_init(&comm->changed, NULL);
    comm->references = 1;
    comm->rank = rank;
    comm->size = nranks;
    comm->device = device;
    comm->looks_left = looks();
    comm->id = *id;
    for (int r = 0; r < nranks; r++) {
        comm->peers[r].fd = -1;
        (void)pthread_mutex_init(&comm->peers[r].writing, NULL);
    }
    return comm;
}

/* The last holder frees. */
void nccl_comm_release(ncclComm_t comm)
{
    (void)pthread_mutex_lock(&comm->lock);
    bool last = --comm->references == 0;
    (void)pthread_mutex_unlock(&comm->lock);
    if (!last) return;
    for (int r = 0; r < comm->size; r++) {
        while (comm->peers[r].inbox) {
            nccl_letter *letter = comm->peers[r].inbox;
            comm->peers[r].inbox = letter->next;
            nccl_letter_free(letter);
        }
        free(comm->peers[r].send_at);
        free(comm->peers[r].receive_at);
        (void)pthread_mutex_destroy(&comm->peers[r].writing);
    }
    (void)pthread_cond_destroy(&comm->changed);
    (void)pthread_mutex_destroy(&comm->lock);
    free(comm->peers);
    comm->magic = 0;
    free(comm);
}

ncclResult_t ncclCommInitRankConfig(ncclComm_t *comm, int nranks, ncclUniqueId commId, int rank, ncclConfig_t *config)
{
    int device = 0;
    ENTER("ncclCommInitRankConfig");
    if (!comm || nranks < 1 || rank < 0 || rank >= nranks)
        return nccl_misuse(ncclInvalidArgument, "ncclCommInitRankConfig: rank %d of %d", rank, nranks);
    if (config && (config->size != sizeof *config || config->magic != (unsigned)CONFIG_MAGIC))
        return nccl_misuse(ncclInvalidArgument, "ncclCommInitRankConfig: config was not made by NCCL_CONFIG_INITIALIZER");
    if (!config || config->blocking != 0)
        return nccl_misuse(ncclInvalidUsage, "ncclCommInitRankConfig: the double has only communicators with blocking = 0");
    cudaError_t error = cudaGetDevice(&device);
    if (error != cudaSuccess) return nccl_say(ncclUnhandledCudaError, "Cuda failure '%s'", cudaGetErrorString(error));
    ncclComm_t c = create_comm(nranks, rank, &commId, device);
    if (!c) return nccl_say(ncclSystemError, "out of memory");
    ncclResult_t started = nccl_mesh_start(c);
    if (started != ncclSuccess) {
        nccl_comm_release(c);
        return started;
    }
    atomic_fetch_add(&living, 1);
    *comm = c;
    return ncclInProgress;
}

/* ---- death ---- */

/* Take leave of all once nothing of this rank is under way; done when all have taken leave. Called with the lock held. */
static bool leave(ncclComm_t comm, bool *say_bye_out)
{
    *say_bye_out = comm->in_flight == 0 && !comm->said_bye;
    if (*say_bye_out) comm->said_bye = true;
    for (int r = 0; r < comm->size; r++)
        if (r != comm->rank && !comm->peers[r].said_bye) return false;
    return comm->in_flight == 0;
}

static void advance_leaving(ncclComm_t comm)
{
    bool say_bye = false;
    (void)pthread_mutex_lock(&comm->lock);
    if (comm->finalizing && comm->state == ncclInProgress && comm->looks_left == 0 && leave(comm, &say_bye)) {
        comm->state = ncclSuccess;
        comm->finalized = true;
    }
    (void)pthread_mutex_unlock(&comm->lock);
    for (int r = 0; r < comm->size && say_bye; r++)
        if (r != comm->rank) (void)nccl_mesh_send(comm, r, (nccl_head){.kind = NCCL_LETTER_BYE}, NULL);
}

ncclResult_t ncclCommFinalize(ncclComm_t comm)
{
    ENTER("ncclCommFinalize");
    CHECK_COMM(comm, "ncclCommFinalize");
    (void)pthread_mutex_lock(&comm->lock);
    int recorded = comm->recorded;
    ncclResult_t state = comm->state;
    bool again = comm->finalizing;
    if (state == ncclSuccess && !again) {
        comm->finalizing = true;
        comm->state = ncclInProgress;
        comm->looks_left = looks();
    }
    (void)pthread_mutex_unlock(&comm->lock);
    if (state != ncclSuccess) return state;
    if (again) return nccl_misuse(ncclInvalidArgument, "ncclCommFinalize: twice");
    if (recorded > 0)
        return nccl_misuse(ncclInvalidUsage, "ncclCommFinalize: %d recorded operations of it still live in graphs; destroy those first",
                           recorded);
    return ncclInProgress;
}

/* Whatever is under way ends unfinished. */
static void bury(ncclComm_t comm)
{
    (void)pthread_mutex_lock(&comm->lock);
    comm->aborted = true;
    nccl_batch *waiting = comm->waiting;
    comm->waiting = NULL;
    (void)pthread_cond_broadcast(&comm->changed);
    while (comm->running > 0)
        (void)pthread_cond_wait(&comm->changed, &comm->lock);
    (void)pthread_mutex_unlock(&comm->lock);
    if (waiting) nccl_batch_free(waiting);
    nccl_mesh_stop(comm);
    atomic_fetch_sub(&living, 1);
    nccl_comm_release(comm);
}

ncclResult_t ncclCommAbort(ncclComm_t comm)
{
    ENTER("ncclCommAbort");
    CHECK_COMM(comm, "ncclCommAbort");
    bury(comm);
    return ncclSuccess;
}

ncclResult_t ncclCommDestroy(ncclComm_t comm)
{
    ENTER("ncclCommDestroy");
    CHECK_COMM(comm, "ncclCommDestroy");
    (void)pthread_mutex_lock(&comm->lock);
    bool orderly = comm->finalized || (comm->state != ncclSuccess && comm->state != ncclInProgress);
    (void)pthread_mutex_unlock(&comm->lock);
    if (!orderly) return nccl_misuse(ncclInvalidUsage, "ncclCommDestroy: before ncclCommFinalize was done");
    bury(comm);
    return ncclSuccess;
}

/* ---- progress ---- */

ncclResult_t ncclCommGetAsyncError(ncclComm_t comm, ncclResult_t *asyncError)
{
    nccl_batch *launch = NULL;
    ENTER("ncclCommGetAsyncError");
    CHECK_COMM(comm, "ncclCommGetAsyncError");
    (void)pthread_mutex_lock(&comm->lock);
    if (comm->looks_left > 0) {
        comm->looks_left--;
        *asyncError = comm->state == ncclSuccess ? ncclInProgress : comm->state;
        (void)pthread_mutex_unlock(&comm->lock);
        return ncclSuccess;
    }
    if (comm->state == ncclInProgress && comm->waiting) {
        launch = comm->waiting;
        comm->waiting = NULL;
    }
    (void)pthread_mutex_unlock(&comm->lock);
    ncclResult_t launched = launch ? nccl_batch_launch(launch) : ncclSuccess;
    advance_leaving(comm);
    (void)pthread_mutex_lock(&comm->lock);
    if (launch && comm->state == ncclInProgress) comm->state = launched;
    *asyncError = comm->state;
    (void)pthread_mutex_unlock(&comm->lock);
    return ncclSuccess;
}

/* ---- groups ---- */

static _Thread_local struct {
    int depth;
    ncclResult_t error; /* of a call inside */
    nccl_batch *batches[BATCHES_MAX];
    int n;
} group;

ncclResult_t ncclGroupStart(void)
{
    ENTER("ncclGroupStart");
    group.depth++;
    return ncclSuccess;
}

/* One group's calls on one communicator go to its stream, or wait there for the next look. */
static ncclResult_t close_batch(nccl_batch *batch)
{
    ncclComm_t comm = nccl_batch_comm(batch);
    (void)pthread_mutex_lock(&comm->lock);
    comm->waiting = batch;
    comm->looks_left = looks();
    if (comm->state == ncclSuccess) comm->state = ncclInProgress;
    (void)pthread_mutex_unlock(&comm->lock);
    return ncclInProgress;
}

static ncclResult_t close_group(void)
{
    ncclResult_t result = group.error;
    for (int i = 0; i < group.n; i++) {
        if (group.error != ncclSuccess) {
            nccl_batch_free(group.batches[i]);
            continue;
        }
        result = close_batch(group.batches[i]);
    }
    group.n = 0;
    group.error = ncclSuccess;
    return result;
}

ncclResult_t ncclGroupEnd(void)
{
    ENTER("ncclGroupEnd");
    if (group.depth == 0) return nccl_misuse(ncclInvalidUsage, "ncclGroupEnd: not in a group call");
    return --group.depth == 0 ? close_group() : ncclSuccess;
}

static ncclResult_t find_batch(ncclComm_t comm, cudaStream_t stream, nccl_batch **batch_out)
{
    for (int i = 0; i < group.n; i++) {
        *batch_out = group.batches[i];
        if (nccl_batch_comm(*batch_out) != comm) continue;
        if (nccl_batch_stream(*batch_out) != stream) return nccl_misuse(ncclInvalidUsage, "the double has no groups on two streams");
        return ncclSuccess;
    }
    if (group.n == BATCHES_MAX) return nccl_misuse(ncclInvalidUsage, "the double has no groups on %d communicators", BATCHES_MAX);
    ncclResult_t made = nccl_batch_create(comm, stream, batch_out);
    if (made == ncclSuccess) group.batches[group.n++] = *batch_out;
    return made;
}

static ncclResult_t check_call(ncclComm_t comm, const nccl_call *call, const void *send, const void *recv, cudaStream_t stream)
{
    const char *name = nccl_function_names[call->function];
    CHECK_COMM(comm, name);
    (void)pthread_mutex_lock(&comm->lock);
    ncclResult_t state = comm->state;
    bool over = comm->finalizing;
    (void)pthread_mutex_unlock(&comm->lock);
    if (over) return nccl_misuse(ncclInvalidArgument, "%s: after ncclCommFinalize", name);
    if (state == ncclInProgress)
        return nccl_misuse(ncclInvalidArgument, "%s: Attempt to use communicator before the previous operation returned ncclSuccess", name);
    if (state != ncclSuccess) return state;
    if (gpu_double_stream_device(stream) != comm->device) return nccl_misuse(ncclInvalidArgument, "%s: stream of another device", name);
    if (nccl_width(call->type) == 0) return nccl_misuse(ncclInvalidArgument, "%s: type %d", name, (int)call->type);
    if (call->op != ncclSum) return nccl_misuse(ncclInvalidArgument, "%s: the double has only ncclSum", name);
    if (call->root < 0 || call->root >= comm->size)
        return nccl_misuse(ncclInvalidArgument, "%s: rank %d of %d", name, call->root, comm->size);
    bool message = call->function == NCCL_SEND || call->function == NCCL_RECV;
    if (message && call->root == comm->rank) return nccl_misuse(ncclInvalidUsage, "%s: the double has no messages to oneself", name);
    const char *part =
        (const char *)(call->function == NCCL_ALL_GATHER ? recv : send) + (size_t)comm->rank * call->count * nccl_width(call->type);
    const char *inside = call->function == NCCL_ALL_GATHER ? send : recv;
    const char *begin = part - (size_t)comm->rank * call->count * nccl_width(call->type);
    bool scattered = call->function == NCCL_ALL_GATHER || call->function == NCCL_REDUCE_SCATTER;
    if (scattered && inside >= begin && inside < begin + (size_t)comm->size * call->count * nccl_width(call->type) && inside != part)
        return nccl_misuse(ncclInvalidArgument, "%s: the two buffers overlap, but not as in place", name);
    return ncclSuccess;
}

/* Every operation: a group of one where there is none. */
static ncclResult_t submit(ncclComm_t comm, nccl_call call, const void *send, void *recv, cudaStream_t stream)
{
    const char *name = nccl_function_names[call.function];
    nccl_batch *batch = NULL;
    ENTER(name);
    int fate = is_fated("GPU_DOUBLE_STALL", name) ? NCCL_FATE_STALL : is_fated("GPU_DOUBLE_SEVER", name) ? NCCL_FATE_SEVER : NCCL_FATE_NONE;
    ncclResult_t result = check_call(comm, &call, send, recv, stream);
    if (result == ncclSuccess) result = find_batch(comm, stream, &batch);
    if (result == ncclSuccess) result = nccl_batch_add(batch, &call, send, recv, fate);
    if (result != ncclSuccess) group.error = result;
    if (group.depth > 0) return result;
    return close_group();
}

ncclResult_t ncclAllReduce(const void *sendbuff, void *recvbuff, size_t count, ncclDataType_t datatype, ncclRedOp_t op, ncclComm_t comm,
                           cudaStream_t stream)
{
    return submit(comm, (nccl_call){NCCL_ALL_REDUCE, datatype, op, 0, count}, sendbuff, recvbuff, stream);
}

ncclResult_t ncclReduce(const void *sendbuff, void *recvbuff, size_t count, ncclDataType_t datatype, ncclRedOp_t op, int root,
                        ncclComm_t comm, cudaStream_t stream)
{
    return submit(comm, (nccl_call){NCCL_REDUCE, datatype, op, root, count}, sendbuff, recvbuff, stream);
}

ncclResult_t ncclReduceScatter(const void *sendbuff, void *recvbuff, size_t recvcount, ncclDataType_t datatype, ncclRedOp_t op,
                               ncclComm_t comm, cudaStream_t stream)
{
    return submit(comm, (nccl_call){NCCL_REDUCE_SCATTER, datatype, op, 0, recvcount}, sendbuff, recvbuff, stream);
}

ncclResult_t ncclBroadcast(const void *sendbuff, void *recvbuff, size_t count, ncclDataType_t datatype, int root, ncclComm_t comm,
                           cudaStream_t stream)
{
    return submit(comm, (nccl_call){NCCL_BROADCAST, datatype, ncclSum, root, count}, sendbuff, recvbuff, stream);
}

ncclResult_t ncclAllGather(const void *sendbuff, void *recvbuff, size_t sendcount, ncclDataType_t datatype, ncclComm_t comm,
                           cudaStream_t stream)
{
    return submit(comm, (nccl_call){NCCL_ALL_GATHER, datatype, ncclSum, 0, sendcount}, sendbuff, recvbuff, stream);
}

ncclResult_t ncclSend(const void *sendbuff, size_t count, ncclDataType_t datatype, int peer, ncclComm_t comm, cudaStream_t stream)
{
    return submit(comm, (nccl_call){NCCL_SEND, datatype, ncclSum, peer, count}, sendbuff, NULL, stream);
}

ncclResult_t ncclRecv(void *recvbuff, size_t count, ncclDataType_t datatype, int peer, ncclComm_t comm, cudaStream_t stream)
{
    return submit(comm, (nccl_call){NCCL_RECV, datatype, ncclSum, peer, count}, NULL, recvbuff, stream);
}

/* ---- the end of the process ---- */

__attribute__((destructor)) static void report_leaks(void)
{
    const char *wish = getenv("GPU_DOUBLE_LEAKS");
    int n = atomic_load(&living);
    if (!wish || wish[0] == '0' || n == 0) return;
    (void)fprintf(stderr, "gpu double: NCCL: %d communicator%s never destroyed\n", n, n == 1 ? " was" : "s were");
    if (wish[0] == '2') _exit(99);
}
