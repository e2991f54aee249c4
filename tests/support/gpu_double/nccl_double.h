/* NCCL of the GPU double: communicators between processes of one machine.
 *
 *     ncclAllReduce ──▶ batch (one group's calls on one communicator) ──▶ stream's worker: nccl_run.c
 *                                                                              │ letters            ▲ letters
 *                                                                              ▼                    │
 *     one Unix socket between every two ranks ◀────────────────────────── nccl_mesh.c: a thread reads all sockets
 *
 * A unique id names sockets of the abstract name space, so that nothing is left behind, however a process ends. Sums are added in the order
 * of ranks. Stricter than NCCL, or fixed where it is free:
 *   - Only nonblocking communicators (NCCL's others cannot be aborted safely). One really says ncclInProgress a few times, and a call is
 *     on its stream only once ncclCommGetAsyncError has said that it is done: a caller that does not ask loses the operation, one that
 *     records an event too early is found by the order check.
 *   - Every collective carries its arguments to every rank: different function, count, type, operation or root is a misuse on both sides.
 *     So is a send that meets a receive of another length, and one that stands before a collective here and after it there.
 *   - Whether an operation is recorded must be the same on all ranks (NCCL's own rule): a rank that replays where another one calls is a
 *     misuse on both sides.
 *   - A send is done when the receiver has asked for it, never earlier.
 *   - Finalize while recorded graphs still hold operations is a misuse; NCCL would wait for ever.
 *   - A process that ends without having finalized is ncclRemoteError on its peers, at once; their operations hang until aborted, as in
 *     NCCL.
 * Not here: groups on two streams, messages to oneself, operations other than ncclSum.
 *
 * Environment, beside gpu_double.h's:
 *   GPU_DOUBLE_STALL=entry:n[@rank]   the n-th call of entry (ncclAllReduce, ...) never completes on its stream
 *   GPU_DOUBLE_SEVER=entry:n[@rank]   at that call the rank's connections close, as when its network dies, and it stalls */
#ifndef GPU_DOUBLE_NCCL_DOUBLE_H
#define GPU_DOUBLE_NCCL_DOUBLE_H

#include "gpu_double.h"
#include <nccl.h>

#include <pthread.h>

/* ---- one call ---- */

typedef enum nccl_function {
    NCCL_ALL_REDUCE,
    NCCL_REDUCE,
    NCCL_REDUCE_SCATTER,
    NCCL_BROADCAST,
    NCCL_ALL_GATHER,
    NCCL_SEND,
    NCCL_RECV
} nccl_function;
extern const char *const nccl_function_names[];

/* What ranks compare. */
typedef struct nccl_call {
    nccl_function function;
    ncclDataType_t type;
    ncclRedOp_t op;
    int root; /* or the peer of a message */
    size_t count;
} nccl_call;

size_t nccl_width(ncclDataType_t type); /* bytes of an element, 0: no type that the double knows */

/* ---- letters between two ranks ---- */

typedef enum nccl_kind { NCCL_LETTER_COLLECTIVE, NCCL_LETTER_SENT, NCCL_LETTER_WANTED, NCCL_LETTER_BYE } nccl_kind;

typedef struct nccl_head {
    uint32_t magic;
    nccl_kind kind;
    nccl_call call;
    uint64_t number; /* which collective of the communicator, or which message of this direction between the two */
    uint64_t replay; /* of a recorded call */
    uint64_t turn;   /* which collective that the sender's device came to */
    bool recorded;
    uint64_t collectives; /* the sender enqueued so many before */
    uint64_t bytes;       /* of the payload behind the head */
} nccl_head;

typedef struct nccl_letter {
    struct nccl_letter *next;
    nccl_head head;
    void *payload;
} nccl_letter;

typedef struct nccl_peer {
    int fd; /* -1: none */
    bool said_bye;
    nccl_letter *inbox; /* oldest first */
    pthread_mutex_t writing;
    uint64_t sends, receives;       /* enqueued so far */
    uint64_t *send_at, *receive_at; /* of each: how many collectives came before */
} nccl_peer;

typedef struct nccl_batch nccl_batch;

/* lock guards everything but the peers' writing side. */
struct ncclComm {
    uint32_t magic;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int references; /* the handle, and every batch */
    int rank, size, device;
    ncclUniqueId id;
    ncclResult_t state; /* what ncclCommGetAsyncError says; an error stays */
    int looks_left;     /* answers of ncclInProgress before the truth */
    bool connected, finalizing, said_bye, finalized, aborted;
    int in_flight, recorded, running; /* batches enqueued, held by graphs, on a stream right now */
    uint64_t collectives;             /* enqueued so far */
    uint64_t turns;                   /* collectives that the device came to so far */
    nccl_batch *waiting;              /* called, not yet on its stream */
    pthread_t thread;
    nccl_peer *peers; /* [size] */
};

/* nccl_mesh.c */
ncclResult_t nccl_mesh_open_id(ncclUniqueId *id_out);
ncclResult_t nccl_mesh_start(ncclComm_t comm); /* a thread that connects, then reads until comm->aborted */
void nccl_mesh_stop(ncclComm_t comm);          /* joins it and closes all; aborted is set */
void nccl_mesh_sever(ncclComm_t comm);         /* closes both ends of everything, from a stream */
bool nccl_mesh_send(ncclComm_t comm, int peer, nccl_head head, const void *payload); /* false: aborted, or the peer is gone */
/* The letter of the kind, number and replay of `wanted` from peer, to be freed by nccl_letter_free; waits for it. NULL: aborted, or a
 * misuse was found instead. */
nccl_letter *nccl_mesh_take(ncclComm_t comm, int peer, const nccl_head *wanted);
void nccl_letter_free(nccl_letter *letter);

/* nccl_run.c */
ncclResult_t nccl_batch_create(ncclComm_t comm, cudaStream_t stream, nccl_batch **batch_out);
ncclResult_t nccl_batch_add(nccl_batch *batch, const nccl_call *call, const void *send, void *recv, int fate);
ncclResult_t nccl_batch_launch(nccl_batch *batch); /* onto its stream; it belongs to the stream then */
void nccl_batch_free(nccl_batch *batch);
ncclComm_t nccl_batch_comm(const nccl_batch *batch);
cudaStream_t nccl_batch_stream(const nccl_batch *batch);
enum { NCCL_FATE_NONE, NCCL_FATE_STALL, NCCL_FATE_SEVER };

/* nccl.c */
ncclResult_t nccl_say(ncclResult_t code, const char *format, ...) __attribute__((format(printf, 2, 3)));    /* for ncclGetLastError */
ncclResult_t nccl_misuse(ncclResult_t code, const char *format, ...) __attribute__((format(printf, 2, 3))); /* and gpu_double_misuse */
void nccl_fail(ncclComm_t comm, ncclResult_t code, const char *format, ...) __attribute__((format(printf, 3, 4))); /* asynchronously */
void nccl_comm_release(ncclComm_t comm);

#endif
