#include "dist/comm.h"

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/mem.h"

#include <stdio.h>
#include <unistd.h>

void fut_comm_destroy(fut_comm **comm)
{
    if (*comm == NULL) return;
    (*comm)->ops->destroy(*comm);
    *comm = NULL;
}

int fut_comm_rank(const fut_comm *comm)
{
    return comm->rank;
}

int fut_comm_size(const fut_comm *comm)
{
    return comm->size;
}

void fut_comm_set_deadline(fut_comm *comm, double seconds)
{
    comm->deadline = seconds;
}

void fut_comm_on_give_up(fut_comm *comm, void (*give_up)(void *), void *context)
{
    comm->give_up = give_up;
    comm->give_up_context = context;
}

void fut_comm_set_stream(fut_comm *comm, fut_stream *s)
{
    comm->stream = s;
}

enum { LOOKS_AWAKE = 2000, NAP_US = 50 };

/* Past the deadline nothing can be saved here: a peer may be stopped inside a library call. */
fut_status fut_comm_be_patient(fut_comm *comm, fut_patience *patience, const char *what)
{
    if (patience->looks++ < LOOKS_AWAKE) return FUT_OK;
    double now = fut_clock_now();
    if (patience->started == 0) patience->started = now;
    if (now - patience->started > comm->deadline) {
        const char *culprit = comm->size > 1 ? "another rank is stopped, hung or gone" : "the device does not answer";
        FUT_ERROR("rank %d of %d waited %.0f s for '%s': %s; ending the job", comm->rank, comm->size, comm->deadline, what, culprit);
        fut_comm_abort(comm, fut_status_exit_code(FUT_ERR_HANG));
        return FUT_FAIL(FUT_ERR_HANG, "%s: waited %.0f s: %s", what, comm->deadline, culprit);
    }
    (void)usleep(NAP_US);
    return FUT_OK;
}

fut_status fut_comm_wait(fut_comm *comm, fut_backend *bk, fut_event *e, const char *what)
{
    fut_patience patience = {0};
    for (;;) {
        bool done = false;
        FUT_TRY(bk->event_done(bk, e, &done));
        if (done) return FUT_OK;
        FUT_TRY(fut_comm_poll(comm));
        FUT_TRY(fut_comm_be_patient(comm, &patience, what));
    }
}

fut_status fut_comm_all_reduce_sum(fut_comm *comm, void *data, int64_t count, fut_dtype dtype, const char *what)
{
    return comm->ops->all_reduce_sum(comm, data, count, dtype, what);
}

fut_status fut_comm_reduce_scatter_sum(fut_comm *comm, const void *data, const int64_t *counts, void *part_out, fut_dtype dtype,
                                       const char *what)
{
    return comm->ops->reduce_scatter_sum(comm, data, counts, part_out, dtype, what);
}

fut_status fut_comm_broadcast(fut_comm *comm, void *data, int64_t count, fut_dtype dtype, int root, const char *what)
{
    return comm->ops->broadcast(comm, data, count, dtype, root, what);
}

fut_status fut_comm_all_gatherv(fut_comm *comm, void *data, const int64_t *counts, const int64_t *offsets, fut_dtype dtype,
                                const char *what)
{
    return comm->ops->all_gatherv(comm, data, counts, offsets, dtype, what);
}

fut_status fut_comm_exchange(fut_comm *comm, const fut_message *send, int n_send, const fut_message *recv, int n_recv, fut_dtype dtype,
                             const char *what)
{
    return comm->ops->exchange(comm, send, n_send, recv, n_recv, dtype, what);
}

fut_status fut_comm_barrier(fut_comm *comm, const char *what)
{
    return comm->ops->barrier(comm, what);
}

fut_status fut_comm_poll(fut_comm *comm)
{
    return comm->ops->poll(comm);
}

void fut_comm_abort(fut_comm *comm, int exit_code)
{
    comm->ops->abort(comm, exit_code);
}

enum { AGREE_TEXT_MAX = 2048 };

/* What the rank that speaks for all says. */
typedef struct verdict {
    int32_t status;
    char message[AGREE_TEXT_MAX];
} verdict;

/* The status of every rank into all_out [size]. */
static fut_status gather_statuses(fut_comm *comm, fut_status st, int64_t *all_out)
{
    fut_status result = FUT_OK;
    int64_t *counts = NULL;
    FUT_TRY(FUT_NEW_ARRAY(2 * comm->size, &counts));
    int64_t *offsets = counts + comm->size;
    for (int r = 0; r < comm->size; r++) {
        counts[r] = 1;
        offsets[r] = r;
    }
    all_out[comm->rank] = st;
    result = fut_comm_all_gatherv(comm, all_out, counts, offsets, FUT_I64, "agreement");
    fut_mem_free(counts);
    return result;
}

/* The error of rank `speaker`, with its message, on every rank. */
static fut_status adopt_error(fut_comm *comm, int speaker, fut_status st, fut_status *agreed_out)
{
    verdict v = {.status = (int32_t)st};
    (void)snprintf(v.message, sizeof v.message, "%s", fut_trail_message());
    FUT_TRY(fut_comm_broadcast(comm, &v, (int64_t)sizeof v, FUT_U8, speaker, "agreement"));
    if (speaker != comm->rank) {
        fut_trail_clear();
        (void)FUT_FAIL(v.status, "%s", v.message);
    }
    if (speaker != 0) fut_trail_context("rank %d", speaker);
    *agreed_out = (fut_status)v.status;
    return FUT_OK;
}

fut_status fut_comm_agree(fut_comm *comm, fut_status st)
{
    fut_status agreed = st;
    fut_status result = FUT_OK;
    int64_t *all = NULL;
    int speaker = 0;
    comm->agreed = FUT_OK;
    if (comm->size > 1) {
        FUT_TRY(FUT_NEW_ARRAY(comm->size, &all));
        result = gather_statuses(comm, st, all);
        while (result == FUT_OK && speaker < comm->size && all[speaker] == FUT_OK)
            speaker++;
        if (result == FUT_OK && speaker < comm->size) result = adopt_error(comm, speaker, st, &agreed);
        fut_mem_free(all);
        FUT_TRY(result);
    }
    comm->agreed = agreed;
    return agreed;
}
