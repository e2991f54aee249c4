/* A communicator: the ranks of a run and what they can do together. comm_self is one rank alone, comm_mpi is Open MPI, comm_nccl is NCCL;
 * size 1 is not special.
 *
 * Elements and dtype, never bytes. Memory is the host's, except comm_nccl's, which is its backend's: its calls enqueue on the stream set by
 * fut_comm_set_stream and return, and only fut_comm_wait and the barrier wait. `what` names the operation in messages. No call waits
 * without a deadline: when it passes, the ranks call the roll, each says what it waits for, the lowest names those that do not answer, and
 * the whole job ends with exit code 74 (FUT_ERR_HANG). Every call but rank, size, poll and abort is collective unless it says otherwise.
 * One thread a rank. */
#ifndef FUT_DIST_COMM_H
#define FUT_DIST_COMM_H

#include "core/backend/backend.h"
#include "core/base/status.h"
#include "core/tensor/dtype.h"
#include "dist/watchdog.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fut_comm fut_comm;

/* Messages that move while the caller does something else; see fut_comm_exchange_begin. */
typedef struct fut_transfer fut_transfer;

/* One message of an exchange: `count` elements to or from `peer`. */
typedef struct fut_message {
    int peer;
    int64_t count;
    void *data; /* sent from, or received into */
} fut_message;

/* What an implementation provides. */
typedef struct fut_comm_ops {
    const char *name;
    fut_status (*all_reduce_sum)(fut_comm *comm, void *data, int64_t count, fut_dtype dtype, const char *what);
    fut_status (*reduce_scatter_sum)(fut_comm *comm, const void *data, const int64_t *counts, void *part_out, fut_dtype dtype,
                                     const char *what);
    fut_status (*broadcast)(fut_comm *comm, void *data, int64_t count, fut_dtype dtype, int root, const char *what);
    fut_status (*all_gatherv)(fut_comm *comm, void *data, const int64_t *counts, const int64_t *offsets, fut_dtype dtype, const char *what);
    /* transfer: do not wait, it is waited for later; NULL: wait. */
    fut_status (*exchange)(fut_comm *comm, const fut_message *send, int n_send, const fut_message *recv, int n_recv, fut_dtype dtype,
                           fut_transfer *transfer, const char *what);
    /* All NULL where no call waits, which needs no transfers. */
    fut_status (*transfer_create)(fut_comm *comm, int channel, int messages, fut_transfer **transfer_out);
    void (*transfer_destroy)(fut_comm *comm, fut_transfer *transfer);
    fut_status (*transfer_test)(fut_comm *comm, fut_transfer *transfer, bool *done_out, const char *what);
    fut_status (*transfer_wait)(fut_comm *comm, fut_transfer *transfer, const char *what);
    fut_status (*barrier)(fut_comm *comm, const char *what);
    fut_status (*poll)(fut_comm *comm);
    void (*roll_call)(fut_comm *comm); /* who is missing? says so and ends the job; NULL: there is nobody else */
    void (*abort)(fut_comm *comm, int exit_code);
    void (*destroy)(fut_comm *comm);
} fut_comm_ops;

/* Implementations embed this as their first member. */
struct fut_comm {
    const fut_comm_ops *ops;
    int rank, size;
    int local_rank, local_size; /* among the ranks of this node */
    int channels;               /* taken so far; 0 is that of all calls that wait */
    double deadline;            /* seconds; how long one wait may take; 0: what the watchdog makes of what it saw */
    fut_watchdog *watchdog;     /* borrowed; NULL: nothing is recorded */
    fut_stream *stream;         /* where a device's communicator enqueues; NULL: the backend's own */
    void (*give_up)(void *);    /* destroys recordings that hold work of a device's communicator: NCCL's abort waits until they are gone */
    void *give_up_context;
    fut_status agreed; /* the error that all ranks returned from their last fut_comm_agree; FUT_OK: none */
};

fut_status fut_comm_create_self(fut_comm **comm_out) FUT_MUST_CHECK;
/* MPI_Init_thread(FUNNELED) and a duplicate of MPI_COMM_WORLD. destroy finalizes MPI. Both wait for every rank inside MPI, where only the
 * watchdog's thread can end the wait. Errors: FUT_ERR_IO with MPI's text. */
fut_status fut_comm_create_mpi(fut_watchdog *watchdog, fut_comm **comm_out) FUT_MUST_CHECK;
/* NCCL between the GPUs of the ranks of `host`, which carries the unique id and stays the caller's; each rank's GPU is bk's. Loads the
 * module futago_nccl. host and bk outlive it. Its calls may be recorded (fut_backend.record_begin), the barrier may not. Collective over
 * host. Errors: FUT_ERR_UNSUPPORTED (no module or no NCCL, with the loader's text), FUT_ERR_CONFIG (two ranks on one GPU, GPUs of different
 * models: which), FUT_ERR_IO with NCCL's text. After an error only abort and destroy are left; destroy is collective, except while
 * the error trail holds an error. */
fut_status fut_comm_create_nccl(fut_comm *host, fut_backend *bk, fut_comm **comm_out) FUT_MUST_CHECK;
void fut_comm_destroy(fut_comm **comm);

int fut_comm_rank(const fut_comm *comm);
int fut_comm_size(const fut_comm *comm);
/* 0: automatic (dist/watchdog.h), which a new communicator has. */
void fut_comm_set_deadline(fut_comm *comm, double seconds);
/* What this rank is about from here on, for messages and the flight recorder; step < 0: as before. Not collective. */
void fut_comm_phase(fut_comm *comm, fut_phase phase, int64_t step);
/* Later calls enqueue on s; a communicator of the host does not mind. Not collective. */
void fut_comm_set_stream(fut_comm *comm, fut_stream *s);
/* A device's communicator that is given up after an error calls this once: its recordings must go. Not collective. */
void fut_comm_on_give_up(fut_comm *comm, void (*give_up)(void *), void *context);
/* Wait until the device has passed e, with the communicator's deadline: looks at the event and at the communicator's health in turn, never
 * blocks inside either. Past the deadline it ends the job like every call here. Not collective. */
fut_status fut_comm_wait(fut_comm *comm, fut_backend *bk, fut_event *e, const char *what) FUT_MUST_CHECK;

/* data [count], in place, summed in an order that the library chooses. Errors: FUT_ERR_UNSUPPORTED, where it cannot add f16 or bf16. */
fut_status fut_comm_all_reduce_sum(fut_comm *comm, void *data, int64_t count, fut_dtype dtype, const char *what) FUT_MUST_CHECK;
/* data holds the parts of all ranks one after the other, rank r's of counts[r] elements; part_out [counts[rank]] becomes my part of the sum
 * over ranks. The order of the additions is the library's: sums that must not depend on the number of ranks use dist/reduce.h. */
fut_status fut_comm_reduce_scatter_sum(fut_comm *comm, const void *data, const int64_t *counts, void *part_out, fut_dtype dtype,
                                       const char *what) FUT_MUST_CHECK;
fut_status fut_comm_broadcast(fut_comm *comm, void *data, int64_t count, fut_dtype dtype, int root, const char *what) FUT_MUST_CHECK;
/* data holds every rank's part: rank r's counts[r] elements from offsets[r]; mine is there before the call, all of them after. */
fut_status fut_comm_all_gatherv(fut_comm *comm, void *data, const int64_t *counts, const int64_t *offsets, fut_dtype dtype,
                                const char *what) FUT_MUST_CHECK;
/* Start all sends and receives, wait for all. Between two ranks messages match in order. A message to oneself is not allowed. */
fut_status fut_comm_exchange(fut_comm *comm, const fut_message *send, int n_send, const fut_message *recv, int n_recv, fut_dtype dtype,
                             const char *what) FUT_MUST_CHECK;

/* The last one without the wait: begin starts the messages, whose memory is theirs until test says that they are done, which never waits,
 * or wait returns. A transfer carries one such call at a time, of at most `messages` sends and receives, and then may begin
 * another. Messages match in the order of their beginnings within a channel, so the ranks begin a channel's calls in one
 * order; channels know nothing of each other. A communicator whose calls never wait has no transfers: NULL, which all of these take, and
 * which is done as soon as it has begun. begin, test and wait allocate nothing. */
/* A channel of its own; the ranks ask for theirs in one order. Not collective. Errors: FUT_ERR_INTERNAL (there are no more). */
fut_status fut_comm_take_channel(fut_comm *comm, int *channel_out) FUT_MUST_CHECK;
fut_status fut_transfer_create(fut_comm *comm, int channel, int messages, fut_transfer **transfer_out) FUT_MUST_CHECK;
/* Nothing of it may be under way, unless the process ends. */
void fut_transfer_destroy(fut_comm *comm, fut_transfer **transfer);
fut_status fut_comm_exchange_begin(fut_comm *comm, const fut_message *send, int n_send, const fut_message *recv, int n_recv,
                                   fut_dtype dtype, fut_transfer *transfer, const char *what) FUT_MUST_CHECK;
fut_status fut_transfer_test(fut_comm *comm, fut_transfer *transfer, bool *done_out, const char *what) FUT_MUST_CHECK;
fut_status fut_transfer_wait(fut_comm *comm, fut_transfer *transfer, const char *what) FUT_MUST_CHECK;

fut_status fut_comm_barrier(fut_comm *comm, const char *what) FUT_MUST_CHECK;
/* Let messages move during a long computation, and report an error that came meanwhile. Never waits. */
fut_status fut_comm_poll(fut_comm *comm) FUT_MUST_CHECK;
/* End every rank now with this exit code. Does not return under MPI; on one rank alone it returns. Not collective. */
void fut_comm_abort(fut_comm *comm, int exit_code);

/* How implementations and fut_comm_wait look again and again at something that must come: often at first, then with naps between, not past
 * the deadline. Start from {.peer = FUT_FLIGHT_NOBODY}. Errors: FUT_ERR_HANG, where fut_comm_abort returns. */
typedef struct fut_patience {
    int64_t looks;
    double started, looked;
    bool ask; /* the wait has taken long: find out for whom before the next look */
    int peer; /* for whom, where the caller knows, else FUT_FLIGHT_NOBODY */
} fut_patience;
fut_status fut_comm_be_patient(fut_comm *comm, fut_patience *patience, const char *what) FUT_MUST_CHECK;

/* Agreement at a phase boundary, over a communicator of the host: FUT_OK where every rank brings FUT_OK, else the error of the lowest rank
 * that failed, with its message, so that every rank returns the same error with the same trail. ceil(log2 W) messages of one number a
 * rank; only after a failure one broadcast more. */
fut_status fut_comm_agree(fut_comm *comm, fut_status st) FUT_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
