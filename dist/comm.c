#include "dist/comm.h"

#include "core/base/clock.h"
#include "core/base/log.h"

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

void fut_comm_phase(fut_comm *comm, fut_phase phase, int64_t step)
{
    fut_watchdog_phase(comm->watchdog, phase, step);
}

/* ---- waiting -------------------------------------------------------------------------------------------------------------------- */

enum { LOOKS_AWAKE = 2000, NAP_US = 50, NAPS_A_SIGN = 64 };
static const double long_wait_s = 0.25;

static double allowed(const fut_comm *comm)
{
    return comm->deadline > 0 ? comm->deadline : fut_watchdog_allowed(comm->watchdog);
}

/* Past the deadline nothing can be saved here: a peer may be stopped inside a library call. */
static fut_status give_up(fut_comm *comm, const char *what)
{
    double seconds = allowed(comm);
    const char *culprit = comm->size > 1 ? "another rank is stopped, hung or gone" : "the device does not answer";
    fut_whereabouts where;
    char whom[64] = "";
    fut_watchdog_whereabouts(comm->watchdog, &where);
    if (where.peer >= 0) (void)snprintf(whom, sizeof whom, ", for rank %d", where.peer);
    FUT_ERROR("rank %d of %d waited %.0f s for '%s': %s; in '%s' of step %lld%s; ending the job", comm->rank, comm->size, seconds, what,
              culprit, fut_phase_names[where.phase], (long long)where.step, whom);
    fut_watchdog_give_up(comm->watchdog, FUT_FLIGHT_NOBODY, 0);
    if (comm->ops->roll_call != NULL) comm->ops->roll_call(comm);
    fut_comm_abort(comm, fut_status_exit_code(FUT_ERR_HANG));
    return FUT_FAIL(FUT_ERR_HANG, "%s: waited %.0f s: %s", what, seconds, culprit);
}

fut_status fut_comm_be_patient(fut_comm *comm, fut_patience *patience, const char *what)
{
    if (patience->looks++ < LOOKS_AWAKE) return FUT_OK;
    double now = fut_clock_now();
    if (patience->started == 0)
        patience->started = now;
    else if (now - patience->looked > FUT_STOPPED_S)
        patience->started += now - patience->looked;
    patience->looked = now;
    if (now - patience->started > allowed(comm)) return give_up(comm, what);
    if (patience->looks % NAPS_A_SIGN == 0) fut_watchdog_look(comm->watchdog, patience->peer);
    patience->ask = patience->looks % NAPS_A_SIGN == NAPS_A_SIGN - 1 && now - patience->started > long_wait_s;
    (void)usleep(NAP_US);
    return FUT_OK;
}

/* ---- operations, each noted before and after ------------------------------------------------------------------------------------ */

static void enter(const fut_comm *comm, const char *what, int peer, int64_t bytes)
{
    fut_watchdog_enter(comm->watchdog, what, peer, bytes, comm->deadline);
}

static fut_status leave(const fut_comm *comm, fut_status st)
{
    fut_watchdog_leave(comm->watchdog);
    return st;
}

static int64_t bytes_of(int64_t count, fut_dtype dtype)
{
    return count * (int64_t)fut_dtype_size(dtype);
}

fut_status fut_comm_wait(fut_comm *comm, fut_backend *bk, fut_event *e, const char *what)
{
    fut_patience patience = {.peer = FUT_FLIGHT_NOBODY};
    fut_status st = FUT_OK;
    bool done = false;
    enter(comm, what, FUT_FLIGHT_NOBODY, 0);
    do {
        st = bk->event_done(bk, e, &done);
        if (st == FUT_OK && !done) st = fut_comm_poll(comm);
        if (st == FUT_OK && !done) st = fut_comm_be_patient(comm, &patience, what);
    } while (st == FUT_OK && !done);
    return leave(comm, st);
}

fut_status fut_comm_all_reduce_sum(fut_comm *comm, void *data, int64_t count, fut_dtype dtype, const char *what)
{
    enter(comm, what, FUT_FLIGHT_NOBODY, bytes_of(count, dtype));
    return leave(comm, comm->ops->all_reduce_sum(comm, data, count, dtype, what));
}

fut_status fut_comm_reduce_scatter_sum(fut_comm *comm, const void *data, const int64_t *counts, void *part_out, fut_dtype dtype,
                                       const char *what)
{
    enter(comm, what, FUT_FLIGHT_NOBODY, bytes_of(counts[comm->rank], dtype));
    return leave(comm, comm->ops->reduce_scatter_sum(comm, data, counts, part_out, dtype, what));
}

fut_status fut_comm_broadcast(fut_comm *comm, void *data, int64_t count, fut_dtype dtype, int root, const char *what)
{
    enter(comm, what, root == comm->rank ? FUT_FLIGHT_NOBODY : root, bytes_of(count, dtype));
    return leave(comm, comm->ops->broadcast(comm, data, count, dtype, root, what));
}

fut_status fut_comm_all_gatherv(fut_comm *comm, void *data, const int64_t *counts, const int64_t *offsets, fut_dtype dtype,
                                const char *what)
{
    enter(comm, what, FUT_FLIGHT_NOBODY, bytes_of(counts[comm->rank], dtype));
    return leave(comm, comm->ops->all_gatherv(comm, data, counts, offsets, dtype, what));
}

static int64_t bytes_of_messages(const fut_message *messages, int n, fut_dtype dtype)
{
    int64_t count = 0;
    for (int i = 0; i < n; i++)
        count += messages[i].count;
    return bytes_of(count, dtype);
}

fut_status fut_comm_exchange(fut_comm *comm, const fut_message *send, int n_send, const fut_message *recv, int n_recv, fut_dtype dtype,
                             const char *what)
{
    enter(comm, what, FUT_FLIGHT_NOBODY, bytes_of_messages(send, n_send, dtype));
    return leave(comm, comm->ops->exchange(comm, send, n_send, recv, n_recv, dtype, NULL, what));
}

fut_status fut_comm_barrier(fut_comm *comm, const char *what)
{
    enter(comm, what, FUT_FLIGHT_NOBODY, 0);
    return leave(comm, comm->ops->barrier(comm, what));
}

fut_status fut_comm_poll(fut_comm *comm)
{
    return comm->ops->poll(comm);
}

void fut_comm_abort(fut_comm *comm, int exit_code)
{
    comm->ops->abort(comm, exit_code);
}

/* ---- transfers ------------------------------------------------------------------------------------------------------------------ */

enum { CHANNELS_MAX = 32767 }; /* MPI promises so many tags */

fut_status fut_comm_take_channel(fut_comm *comm, int *channel_out)
{
    FUT_CHECK(comm->channels < CHANNELS_MAX, FUT_ERR_INTERNAL, "%d channels were taken", comm->channels);
    *channel_out = ++comm->channels;
    return FUT_OK;
}

fut_status fut_transfer_create(fut_comm *comm, int channel, int messages, fut_transfer **transfer_out)
{
    *transfer_out = NULL;
    return comm->ops->transfer_create == NULL ? FUT_OK : comm->ops->transfer_create(comm, channel, messages, transfer_out);
}

void fut_transfer_destroy(fut_comm *comm, fut_transfer **transfer)
{
    if (*transfer != NULL) comm->ops->transfer_destroy(comm, *transfer);
    *transfer = NULL;
}

static void enter_begin(const fut_comm *comm, const char *what, int64_t bytes)
{
    fut_watchdog_enter_begin(comm->watchdog, what, bytes, comm->deadline);
}

fut_status fut_comm_exchange_begin(fut_comm *comm, const fut_message *send, int n_send, const fut_message *recv, int n_recv,
                                   fut_dtype dtype, fut_transfer *transfer, const char *what)
{
    enter_begin(comm, what, bytes_of_messages(send, n_send, dtype));
    return leave(comm, comm->ops->exchange(comm, send, n_send, recv, n_recv, dtype, transfer, what));
}

fut_status fut_transfer_test(fut_comm *comm, fut_transfer *transfer, bool *done_out, const char *what)
{
    *done_out = true;
    return transfer == NULL ? FUT_OK : comm->ops->transfer_test(comm, transfer, done_out, what);
}

fut_status fut_transfer_wait(fut_comm *comm, fut_transfer *transfer, const char *what)
{
    if (transfer == NULL) return FUT_OK;
    enter(comm, what, FUT_FLIGHT_NOBODY, 0);
    return leave(comm, comm->ops->transfer_wait(comm, transfer, what));
}

/* ---- agreement ------------------------------------------------------------------------------------------------------------------ */

enum { AGREE_TEXT_MAX = 2048 };

/* What the rank that speaks for all says. */
typedef struct verdict {
    int32_t status;
    char message[AGREE_TEXT_MAX];
} verdict;

/* The lowest rank that failed, or the size where none did. In every round a rank knows of twice as many ranks; that it hears of some of
 * them twice does no harm to the least. */
static fut_status find_speaker(fut_comm *comm, fut_status st, int64_t *speaker_out)
{
    int size = comm->size;
    int64_t lowest = st == FUT_OK ? size : comm->rank;
    for (int distance = 1; distance < size; distance *= 2) {
        int64_t mine = lowest;
        int64_t theirs = size;
        fut_message send = {.peer = (comm->rank + distance) % size, .count = 1, .data = &mine};
        fut_message recv = {.peer = (comm->rank + size - distance) % size, .count = 1, .data = &theirs};
        FUT_TRY(fut_comm_exchange(comm, &send, 1, &recv, 1, FUT_I64, "agreement"));
        if (theirs < lowest) lowest = theirs;
    }
    *speaker_out = lowest;
    return FUT_OK;
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
    int64_t speaker = 0;
    comm->agreed = FUT_OK;
    if (comm->size > 1) {
        FUT_TRY(find_speaker(comm, st, &speaker));
        if (speaker < comm->size) FUT_TRY(adopt_error(comm, (int)speaker, st, &agreed));
    }
    comm->agreed = agreed;
    return agreed;
}
