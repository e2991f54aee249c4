/* One rank alone: every collective in place is done already. */
#include "core/base/mem.h"
#include "dist/comm.h"

#include <string.h>

static fut_status self_all_reduce_sum(fut_comm *comm, void *data, int64_t count, fut_dtype dtype, const char *what)
{
    (void)comm, (void)data, (void)count, (void)dtype, (void)what;
    return FUT_OK;
}

static fut_status self_reduce_scatter_sum(fut_comm *comm, const void *data, const int64_t *counts, void *part_out, fut_dtype dtype,
                                          const char *what)
{
    (void)comm, (void)what;
    memcpy(part_out, data, (size_t)counts[0] * fut_dtype_size(dtype));
    return FUT_OK;
}

static fut_status self_broadcast(fut_comm *comm, void *data, int64_t count, fut_dtype dtype, int root, const char *what)
{
    (void)comm, (void)data, (void)count, (void)dtype, (void)root, (void)what;
    return FUT_OK;
}

static fut_status self_all_gatherv(fut_comm *comm, void *data, const int64_t *counts, const int64_t *offsets, fut_dtype dtype,
                                   const char *what)
{
    (void)comm, (void)data, (void)counts, (void)offsets, (void)dtype, (void)what;
    return FUT_OK;
}

static fut_status self_exchange(fut_comm *comm, const fut_message *send, int n_send, const fut_message *recv, int n_recv, fut_dtype dtype,
                                fut_transfer *transfer, const char *what)
{
    (void)comm, (void)send, (void)recv, (void)dtype, (void)transfer;
    FUT_CHECK(n_send == 0 && n_recv == 0, FUT_ERR_INTERNAL, "%s: a message to oneself", what);
    return FUT_OK;
}

static fut_status self_barrier(fut_comm *comm, const char *what)
{
    (void)comm, (void)what;
    return FUT_OK;
}

static fut_status self_poll(fut_comm *comm)
{
    (void)comm;
    return FUT_OK;
}

static void self_abort(fut_comm *comm, int exit_code)
{
    (void)comm, (void)exit_code;
}

static void self_destroy(fut_comm *comm)
{
    fut_mem_free(comm);
}

static const fut_comm_ops self_ops = {
    .name = "self",
    .all_reduce_sum = self_all_reduce_sum,
    .reduce_scatter_sum = self_reduce_scatter_sum,
    .broadcast = self_broadcast,
    .all_gatherv = self_all_gatherv,
    .exchange = self_exchange,
    .barrier = self_barrier,
    .poll = self_poll,
    .abort = self_abort,
    .destroy = self_destroy,
};

fut_status fut_comm_create_self(fut_comm **comm_out)
{
    fut_comm *comm = NULL;
    FUT_TRY(FUT_NEW(&comm));
    *comm = (fut_comm){.ops = &self_ops, .size = 1, .local_size = 1};
    *comm_out = comm;
    return FUT_OK;
}
