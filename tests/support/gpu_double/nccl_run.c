/* A group's calls on one communicator: what they touch, what they send, what they make of the answers. Runs on the stream's worker. */
#include "nccl_double.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const nccl_function_names[] = {"ncclAllReduce", "ncclReduce", "ncclReduceScatter", "ncclBroadcast",
                                           "ncclAllGather", "ncclSend",   "ncclRecv"};

typedef struct planned {
    nccl_call call;
    const void *send;
    void *recv;
    uint64_t number, collectives, turn;
    int fate;
} planned;

struct nccl_batch {
    ncclComm_t comm;
    cudaStream_t stream;
    planned *calls;
    int n;
    bool launched, recorded;
    uint64_t replay;
};

size_t nccl_width(ncclDataType_t type)
{
    static const size_t widths[ncclNumTypes] = {
        [ncclInt8] = 1,   [ncclUint8] = 1,   [ncclInt32] = 4,   [ncclUint32] = 4,  [ncclInt64] = 8,
        [ncclUint64] = 8, [ncclFloat16] = 2, [ncclFloat32] = 4, [ncclFloat64] = 8, [ncclBfloat16] = 2};
    return (unsigned)type < ncclNumTypes ? widths[type] : 0;
}

/* ---- sums in the order of ranks ---- */

static float from_bf16(uint16_t bits)
{
    uint32_t wide = (uint32_t)bits << 16;
    float value;
    memcpy(&value, &wide, sizeof value);
    return value;
}

static uint16_t to_bf16(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    if (value != value) return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static float from_f16(uint16_t bits)
{
    uint32_t sign = (uint32_t)(bits & 0x8000) << 16;
    uint32_t rest = (uint32_t)(bits & 0x7fff) << 13;
    float value;
    memcpy(&value, &rest, sizeof value);
    value *= 0x1p112F; /* the exponents' bases differ by 112; denormals come out right */
    memcpy(&rest, &value, sizeof rest);
    if ((bits & 0x7c00) == 0x7c00) rest |= 0x7f800000;
    rest |= sign;
    memcpy(&value, &rest, sizeof value);
    return value;
}

/* Round to nearest even. */
static uint16_t to_f16(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
    bits &= 0x7fffffff;
    if (bits > 0x7f800000) return sign | 0x7e00;
    if (bits >= 0x47800000) return sign | 0x7c00; /* 2^16 and more */
    if (bits < 0x38800000) {                      /* denormal: adding 0.5 leaves the rounded multiple of 2^-24 in the low bits */
        float shifted;
        memcpy(&shifted, &bits, sizeof shifted);
        shifted += 0.5F;
        memcpy(&bits, &shifted, sizeof bits);
        return (uint16_t)(sign | (bits - 0x3f000000));
    }
    bits += 0xc8000fff + (bits >> 13 & 1);
    return (uint16_t)(sign | bits >> 13);
}

#define SUM_AS(element, wide, load, store)                                                                                                 \
    for (size_t i = 0; i < count; i++) {                                                                                                   \
        wide sum = load(((const element *)parts[0])[i]);                                                                                   \
        for (int r = 1; r < n; r++)                                                                                                        \
            sum = (wide)load(store((wide)(sum + load(((const element *)parts[r])[i]))));                                                   \
        ((element *)out)[i] = store(sum);                                                                                                  \
    }
#define AS_IT_IS(x) (x)

/* out may be one of parts. Integers wrap. */
static void sum_parts(const void *const *parts, int n, size_t count, ncclDataType_t type, void *out)
{
    switch (type) {
    case ncclFloat32:
        SUM_AS(float, float, AS_IT_IS, AS_IT_IS)
        break;
    case ncclFloat64:
        SUM_AS(double, double, AS_IT_IS, AS_IT_IS)
        break;
    case ncclBfloat16:
        SUM_AS(uint16_t, float, from_bf16, to_bf16)
        break;
    case ncclFloat16:
        SUM_AS(uint16_t, float, from_f16, to_f16)
        break;
    case ncclInt64:
    case ncclUint64:
        SUM_AS(uint64_t, uint64_t, AS_IT_IS, AS_IT_IS)
        break;
    case ncclInt32:
    case ncclUint32:
        SUM_AS(uint32_t, uint32_t, AS_IT_IS, AS_IT_IS)
        break;
    default:
        SUM_AS(uint8_t, uint8_t, AS_IT_IS, AS_IT_IS)
        break;
    }
}

/* ---- what a call touches and sends ---- */

static bool is_message(const nccl_call *call)
{
    return call->function == NCCL_SEND || call->function == NCCL_RECV;
}

static size_t bytes_read(const nccl_call *call, int rank, int size)
{
    size_t bytes = call->count * nccl_width(call->type);
    if (call->function == NCCL_RECV || (call->function == NCCL_BROADCAST && rank != call->root)) return 0;
    return call->function == NCCL_REDUCE_SCATTER ? bytes * (size_t)size : bytes;
}

static size_t bytes_written(const nccl_call *call, int rank, int size)
{
    size_t bytes = call->count * nccl_width(call->type);
    if (call->function == NCCL_SEND || (call->function == NCCL_REDUCE && rank != call->root)) return 0;
    return call->function == NCCL_ALL_GATHER ? bytes * (size_t)size : bytes;
}

/* Does `from` send elements to `to`, beside its arguments? */
static bool carries(const nccl_call *call, int from, int to)
{
    if (call->function == NCCL_REDUCE) return to == call->root;
    if (call->function == NCCL_BROADCAST) return from == call->root;
    return true;
}

static nccl_head head_of(const nccl_batch *batch, const planned *p, nccl_kind kind, size_t bytes)
{
    return (nccl_head){.kind = kind,
                       .call = p->call,
                       .number = p->number,
                       .replay = batch->replay,
                       .turn = p->turn,
                       .recorded = batch->recorded,
                       .collectives = p->collectives,
                       .bytes = bytes};
}

static bool post(const nccl_batch *batch, const planned *p)
{
    ncclComm_t comm = batch->comm;
    size_t bytes = p->call.count * nccl_width(p->call.type);
    const char *data = gpu_double_access(bytes_read(&p->call, comm->rank, comm->size) ? p->send : NULL);
    if (p->call.function == NCCL_SEND) return nccl_mesh_send(comm, p->call.root, head_of(batch, p, NCCL_LETTER_SENT, bytes), data);
    if (p->call.function == NCCL_RECV) return nccl_mesh_send(comm, p->call.root, head_of(batch, p, NCCL_LETTER_WANTED, 0), NULL);
    for (int i = 1; i < comm->size; i++) {
        int to = (comm->rank + i) % comm->size;
        size_t mine = carries(&p->call, comm->rank, to) ? bytes : 0;
        size_t skip = p->call.function == NCCL_REDUCE_SCATTER ? (size_t)to * bytes : 0;
        if (!nccl_mesh_send(comm, to, head_of(batch, p, NCCL_LETTER_COLLECTIVE, mine), mine ? data + skip : NULL)) return false;
    }
    return true;
}

/* ---- answers ---- */

static void describe(const nccl_call *call, bool recorded, char *text, size_t max)
{
    (void)snprintf(text, max, "%s%s(count %zu, type %d, op %d, root %d)", recorded ? "a recorded " : "",
                   nccl_function_names[call->function], call->count, (int)call->type, (int)call->op, is_message(call) ? -1 : call->root);
}

/* The peer's call is the counterpart of mine. */
static bool agree(const nccl_batch *batch, const planned *p, int peer, const nccl_letter *letter)
{
    const nccl_call *mine = &p->call;
    const nccl_call *theirs = &letter->head.call;
    bool same = mine->count == theirs->count && mine->type == theirs->type && batch->recorded == letter->head.recorded;
    if (!is_message(mine)) same = same && mine->function == theirs->function && mine->op == theirs->op && mine->root == theirs->root;
    if (same) return true;
    char a[128];
    char b[128];
    describe(mine, batch->recorded, a, sizeof a);
    describe(theirs, letter->head.recorded, b, sizeof b);
    nccl_fail(batch->comm, nccl_misuse(ncclInvalidUsage, "rank %d calls %s, rank %d calls %s", batch->comm->rank, a, peer, b),
              "rank %d and rank %d do not make the same call", batch->comm->rank, peer);
    return false;
}

static nccl_letter *take(const nccl_batch *batch, const planned *p, int peer, nccl_kind kind)
{
    nccl_head wanted = head_of(batch, p, kind, 0);
    nccl_letter *letter = nccl_mesh_take(batch->comm, peer, &wanted);
    if (letter && agree(batch, p, peer, letter)) return letter;
    nccl_letter_free(letter);
    return NULL;
}

static bool finish_message(const nccl_batch *batch, const planned *p)
{
    nccl_letter *letter = take(batch, p, p->call.root, p->call.function == NCCL_SEND ? NCCL_LETTER_WANTED : NCCL_LETTER_SENT);
    if (letter && p->call.function == NCCL_RECV) memcpy(gpu_double_access(p->recv), letter->payload, letter->head.bytes);
    nccl_letter_free(letter);
    return letter != NULL;
}

/* letters[r] came from rank r; mine is NULL. */
static void conclude(const nccl_batch *batch, const planned *p, nccl_letter **letters, const void **parts)
{
    ncclComm_t comm = batch->comm;
    const nccl_call *call = &p->call;
    size_t bytes = call->count * nccl_width(call->type);
    const char *send = gpu_double_access(bytes_read(call, comm->rank, comm->size) ? p->send : NULL);
    char *recv = gpu_double_access(bytes_written(call, comm->rank, comm->size) ? p->recv : NULL);
    for (int r = 0; r < comm->size; r++)
        parts[r] = r == comm->rank ? send : letters[r]->payload;
    if (!recv) return;
    if (call->function == NCCL_BROADCAST) {
        if (recv != parts[call->root]) memcpy(recv, parts[call->root], bytes);
    } else if (call->function == NCCL_ALL_GATHER) {
        for (int r = 0; r < comm->size; r++)
            if (recv + (size_t)r * bytes != parts[r]) memcpy(recv + (size_t)r * bytes, parts[r], bytes);
    } else {
        if (call->function == NCCL_REDUCE_SCATTER) parts[comm->rank] = send + (size_t)comm->rank * bytes;
        sum_parts(parts, comm->size, call->count, call->type, recv);
    }
}

static bool finish_collective(const nccl_batch *batch, const planned *p)
{
    int size = batch->comm->size;
    nccl_letter **letters = calloc((size_t)size, sizeof *letters);
    const void **parts = calloc((size_t)size, sizeof *parts);
    bool ok = letters && parts;
    for (int i = 1; i < size && ok; i++) {
        int from = (batch->comm->rank + i) % size;
        letters[from] = take(batch, p, from, NCCL_LETTER_COLLECTIVE);
        ok = letters[from] != NULL;
    }
    if (ok) conclude(batch, p, letters, parts);
    for (int r = 0; letters && r < size; r++)
        nccl_letter_free(letters[r]);
    free(letters);
    free(parts);
    return ok;
}

static void wait_for_abort(ncclComm_t comm)
{
    (void)pthread_mutex_lock(&comm->lock);
    while (!comm->aborted)
        (void)pthread_cond_wait(&comm->changed, &comm->lock);
    (void)pthread_mutex_unlock(&comm->lock);
}

static void take_turns(nccl_batch *batch)
{
    (void)pthread_mutex_lock(&batch->comm->lock);
    for (int i = 0; i < batch->n; i++)
        if (!is_message(&batch->calls[i].call)) batch->calls[i].turn = batch->comm->turns++;
    (void)pthread_mutex_unlock(&batch->comm->lock);
}

/* All calls of a group go on at once: everything is sent before anything is waited for. What cannot go on hangs until the abort. */
static void run(const nccl_batch *batch)
{
    bool ok = true;
    for (int i = 0; i < batch->n && ok; i++) {
        if (batch->calls[i].fate == NCCL_FATE_SEVER) nccl_mesh_sever(batch->comm);
        ok = batch->calls[i].fate == NCCL_FATE_NONE;
    }
    for (int i = 0; i < batch->n && ok; i++)
        ok = post(batch, &batch->calls[i]);
    if (!ok) wait_for_abort(batch->comm);
    for (int i = 0; i < batch->n && ok; i++)
        ok = is_message(&batch->calls[i].call) ? finish_message(batch, &batch->calls[i]) : finish_collective(batch, &batch->calls[i]);
}

static void run_batch(void *arg)
{
    nccl_batch *batch = arg;
    ncclComm_t comm = batch->comm;
    (void)pthread_mutex_lock(&comm->lock);
    bool go = !comm->aborted;
    comm->running += go;
    (void)pthread_mutex_unlock(&comm->lock);
    if (!go) return;
    take_turns(batch);
    run(batch);
    batch->replay++;
    (void)pthread_mutex_lock(&comm->lock);
    comm->running--;
    (void)pthread_cond_broadcast(&comm->changed);
    (void)pthread_mutex_unlock(&comm->lock);
}

/* ---- batches ---- */

ncclResult_t nccl_batch_create(ncclComm_t comm, cudaStream_t stream, nccl_batch **batch_out)
{
    nccl_batch *batch = calloc(1, sizeof *batch);
    if (!batch) return nccl_say(ncclSystemError, "out of memory");
    batch->comm = comm;
    batch->stream = stream;
    (void)pthread_mutex_lock(&comm->lock);
    comm->references++;
    (void)pthread_mutex_unlock(&comm->lock);
    *batch_out = batch;
    return ncclSuccess;
}

ncclComm_t nccl_batch_comm(const nccl_batch *batch)
{
    return batch->comm;
}

cudaStream_t nccl_batch_stream(const nccl_batch *batch)
{
    return batch->stream;
}

/* Append a value; the array's length is a power of two at least. */
static bool append(uint64_t **array, uint64_t n, uint64_t value)
{
    if ((n & (n - 1)) == 0) {
        uint64_t *grown = realloc(*array, (n ? 2 * n : 1) * sizeof *grown);
        if (!grown) return false;
        *array = grown;
    }
    (*array)[n] = value;
    return true;
}

ncclResult_t nccl_batch_add(nccl_batch *batch, const nccl_call *call, const void *send, void *recv, int fate)
{
    ncclComm_t comm = batch->comm;
    planned *grown = realloc(batch->calls, ((size_t)batch->n + 1) * sizeof *grown);
    if (!grown) return nccl_say(ncclSystemError, "out of memory");
    batch->calls = grown;
    planned *p = &batch->calls[batch->n++];
    *p = (planned){.call = *call, .send = send, .recv = recv, .fate = fate};
    nccl_peer *peer = &comm->peers[call->root];
    bool ok = true;
    (void)pthread_mutex_lock(&comm->lock);
    p->collectives = comm->collectives;
    if (call->function == NCCL_SEND) {
        ok = append(&peer->send_at, peer->sends, comm->collectives);
        p->number = peer->sends++;
    } else if (call->function == NCCL_RECV) {
        ok = append(&peer->receive_at, peer->receives, comm->collectives);
        p->number = peer->receives++;
    } else {
        p->number = comm->collectives++;
    }
    (void)pthread_mutex_unlock(&comm->lock);
    return ok ? ncclSuccess : nccl_say(ncclSystemError, "out of memory");
}

void nccl_batch_free(nccl_batch *batch)
{
    ncclComm_t comm = batch->comm;
    (void)pthread_mutex_lock(&comm->lock);
    if (batch->launched) (*(batch->recorded ? &comm->recorded : &comm->in_flight))--;
    (void)pthread_cond_broadcast(&comm->changed);
    (void)pthread_mutex_unlock(&comm->lock);
    free(batch->calls);
    free(batch);
    nccl_comm_release(comm);
}

static void free_batch(void *arg)
{
    nccl_batch_free(arg);
}

ncclResult_t nccl_batch_launch(nccl_batch *batch)
{
    ncclComm_t comm = batch->comm;
    int n = 0;
    const char *name = batch->n == 1 ? nccl_function_names[batch->calls[0].call.function] : "group of NCCL calls";
    gpu_double_range *ranges = calloc(2 * (size_t)batch->n, sizeof *ranges);
    if (!ranges) {
        nccl_batch_free(batch);
        return nccl_say(ncclSystemError, "out of memory");
    }
    for (int i = 0; i < batch->n; i++) {
        const planned *p = &batch->calls[i];
        ranges[n++] = (gpu_double_range){.ptr = p->send, .bytes = bytes_read(&p->call, comm->rank, comm->size), .what = "sendbuff"};
        ranges[n++] =
            (gpu_double_range){.ptr = p->recv, .bytes = bytes_written(&p->call, comm->rank, comm->size), .what = "recvbuff", .write = true};
    }
    batch->recorded = gpu_double_is_capturing(batch->stream);
    batch->launched = true;
    (void)pthread_mutex_lock(&comm->lock);
    (*(batch->recorded ? &comm->recorded : &comm->in_flight))++;
    (void)pthread_mutex_unlock(&comm->lock);
    cudaError_t error = gpu_double_enqueue(batch->stream, name, run_batch, batch, free_batch, ranges, n);
    free(ranges);
    return error == cudaSuccess ? ncclSuccess : nccl_say(ncclUnhandledCudaError, "Cuda failure '%s'", cudaGetErrorString(error));
}
