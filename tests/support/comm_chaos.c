#include "tests/support/comm_chaos.h"

#include "core/base/mem.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

const char *const fut_chaos_names[] = {"none", "delay", "drop", "die", "stop", "corrupt", "disagree", NULL};

typedef struct comm_chaos {
    fut_comm base;
    fut_comm *inner;
    fut_chaos chaos;
    bool done;
} comm_chaos;

/* What to do with this operation; NONE: let it pass. */
static fut_chaos_kind strike(comm_chaos *c, const char *what)
{
    fut_whereabouts where;
    c->inner->deadline = c->base.deadline;
    if (c->done || c->base.rank != c->chaos.rank || strcmp(what, c->chaos.operation) != 0) return FUT_CHAOS_NONE;
    fut_watchdog_whereabouts(c->base.watchdog, &where);
    if (where.step < c->chaos.step || c->chaos.skip-- > 0) return FUT_CHAOS_NONE;
    c->done = true;
    (void)fprintf(stderr, "chaos: %s '%s' of rank %d in step %lld\n", fut_chaos_names[c->chaos.kind], what, c->base.rank,
                  (long long)where.step);
    if (c->chaos.kind == FUT_CHAOS_DELAY) (void)usleep((useconds_t)(c->chaos.seconds * 1e6));
    if (c->chaos.kind == FUT_CHAOS_DIE) (void)raise(SIGKILL);
    if (c->chaos.kind == FUT_CHAOS_STOP) (void)raise(SIGSTOP);
    return c->chaos.kind;
}

/* What is to be corrupted must have come. */
static fut_status corrupt(fut_comm *inner, fut_chaos_kind kind, void *received, fut_transfer *transfer, const char *what)
{
    if (kind != FUT_CHAOS_CORRUPT) return FUT_OK;
    if (transfer != NULL) FUT_TRY(inner->ops->transfer_wait(inner, transfer, what));
    ((unsigned char *)received)[2] ^= 0x10;
    return FUT_OK;
}

/* The operation of the inner communicator, or what happens instead of it; `received` is where this rank's first foreign byte came. */
#define CHAOS_PASS(comm, what, received, transfer, call)                                                                                   \
    do {                                                                                                                                   \
        comm_chaos *c = (comm_chaos *)(comm);                                                                                              \
        fut_comm *inner = c->inner;                                                                                                        \
        fut_chaos_kind kind = strike(c, what);                                                                                             \
        if (kind == FUT_CHAOS_DROP) return FUT_OK;                                                                                         \
        if (kind == FUT_CHAOS_DISAGREE) return inner->ops->barrier(inner, what);                                                           \
        fut_status st = call;                                                                                                              \
        return st != FUT_OK ? st : corrupt(inner, kind, received, transfer, what);                                                         \
    } while (0)

static fut_status chaos_all_reduce_sum(fut_comm *comm, void *data, int64_t count, fut_dtype dtype, const char *what)
{
    CHAOS_PASS(comm, what, data, NULL, inner->ops->all_reduce_sum(inner, data, count, dtype, what));
}

static fut_status chaos_reduce_scatter_sum(fut_comm *comm, const void *data, const int64_t *counts, void *part_out, fut_dtype dtype,
                                           const char *what)
{
    CHAOS_PASS(comm, what, part_out, NULL, inner->ops->reduce_scatter_sum(inner, data, counts, part_out, dtype, what));
}

static fut_status chaos_broadcast(fut_comm *comm, void *data, int64_t count, fut_dtype dtype, int root, const char *what)
{
    CHAOS_PASS(comm, what, data, NULL, inner->ops->broadcast(inner, data, count, dtype, root, what));
}

static fut_status chaos_all_gatherv(fut_comm *comm, void *data, const int64_t *counts, const int64_t *offsets, fut_dtype dtype,
                                    const char *what)
{
    char *foreign = (char *)data + (size_t)offsets[comm->rank == 0 ? comm->size - 1 : 0] * fut_dtype_size(dtype);
    CHAOS_PASS(comm, what, foreign, NULL, inner->ops->all_gatherv(inner, data, counts, offsets, dtype, what));
}

static fut_status chaos_exchange(fut_comm *comm, const fut_message *send, int n_send, const fut_message *recv, int n_recv, fut_dtype dtype,
                                 fut_transfer *transfer, const char *what)
{
    float nothing = 0;
    void *received = n_recv > 0 ? recv[0].data : &nothing;
    CHAOS_PASS(comm, what, received, transfer, inner->ops->exchange(inner, send, n_send, recv, n_recv, dtype, transfer, what));
}

static fut_status chaos_barrier(fut_comm *comm, const char *what)
{
    float nothing = 0;
    CHAOS_PASS(comm, what, &nothing, NULL, inner->ops->barrier(inner, what));
}

static fut_status chaos_transfer_create(fut_comm *comm, int channel, int messages, fut_transfer **transfer_out)
{
    return fut_transfer_create(((comm_chaos *)comm)->inner, channel, messages, transfer_out);
}

static void chaos_transfer_destroy(fut_comm *comm, fut_transfer *transfer)
{
    fut_transfer_destroy(((comm_chaos *)comm)->inner, &transfer);
}

static fut_status chaos_transfer_test(fut_comm *comm, fut_transfer *transfer, bool *done_out, const char *what)
{
    return fut_transfer_test(((comm_chaos *)comm)->inner, transfer, done_out, what);
}

static fut_status chaos_transfer_wait(fut_comm *comm, fut_transfer *transfer, const char *what)
{
    fut_comm *inner = ((comm_chaos *)comm)->inner;
    return inner->ops->transfer_wait(inner, transfer, what);
}

static fut_status chaos_poll(fut_comm *comm)
{
    return fut_comm_poll(((comm_chaos *)comm)->inner);
}

static void chaos_roll_call(fut_comm *comm)
{
    fut_comm *inner = ((comm_chaos *)comm)->inner;
    if (inner->ops->roll_call != NULL) inner->ops->roll_call(inner);
}

static void chaos_abort(fut_comm *comm, int exit_code)
{
    fut_comm_abort(((comm_chaos *)comm)->inner, exit_code);
}

static void chaos_destroy(fut_comm *comm)
{
    fut_comm_destroy(&((comm_chaos *)comm)->inner);
    fut_mem_free(comm);
}

static const fut_comm_ops chaos_ops = {
    .name = "chaos",
    .all_reduce_sum = chaos_all_reduce_sum,
    .reduce_scatter_sum = chaos_reduce_scatter_sum,
    .broadcast = chaos_broadcast,
    .all_gatherv = chaos_all_gatherv,
    .exchange = chaos_exchange,
    .transfer_create = chaos_transfer_create,
    .transfer_destroy = chaos_transfer_destroy,
    .transfer_test = chaos_transfer_test,
    .transfer_wait = chaos_transfer_wait,
    .barrier = chaos_barrier,
    .poll = chaos_poll,
    .roll_call = chaos_roll_call,
    .abort = chaos_abort,
    .destroy = chaos_destroy,
};

fut_status fut_comm_create_chaos(fut_comm *inner, const fut_chaos *chaos, fut_comm **comm_out)
{
    comm_chaos *c = NULL;
    FUT_TRY(FUT_NEW(&c));
    c->base = *inner;
    c->base.ops = &chaos_ops;
    c->inner = inner;
    c->chaos = *chaos;
    *comm_out = &c->base;
    return FUT_OK;
}
