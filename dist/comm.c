#include "dist/comm.h"

#include "core/base/mem.h"

#include <stdio.h>
#include <string.h>

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

fut_status fut_comm_all_reduce_sum(fut_comm *comm, void *data, int64_t count, fut_dtype dtype, const char *what)
{
    return comm->ops->all_reduce_sum(comm, data, count, dtype, what);
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

void fut_comm_abort(fut_comm *comm, int exit_code)
{
    comm->ops->abort(comm, exit_code);
}

enum { AGREE_TEXT_MAX = 2048 };

/* What a rank says at an agreement. */
typedef struct verdict {
    int32_t status;
    char message[AGREE_TEXT_MAX];
} verdict;

fut_status fut_comm_agree(fut_comm *comm, fut_status st)
{
    fut_status result = FUT_OK;
    int64_t *failed = NULL; /* status of every rank */
    int64_t *counts = NULL;
    int64_t *offsets = NULL;
    comm->agreed = st;
    if (comm->size == 1) return st;
    FUT_TRY(FUT_NEW_ARRAY(3 * comm->size, &failed));
    counts = failed + comm->size;
    offsets = counts + comm->size;
    for (int r = 0; r < comm->size; r++) {
        counts[r] = 1;
        offsets[r] = r;
    }
    failed[comm->rank] = st;
    result = fut_comm_all_gatherv(comm, failed, counts, offsets, FUT_I64, "agreement");
    int speaker = 0;
    while (result == FUT_OK && speaker < comm->size && failed[speaker] == FUT_OK)
        speaker++;
    if (result == FUT_OK && speaker < comm->size) {
        verdict v = {.status = (int32_t)st};
        (void)snprintf(v.message, sizeof v.message, "%s", fut_trail_message());
        result = fut_comm_broadcast(comm, &v, (int64_t)sizeof v, FUT_U8, speaker, "agreement");
        if (result == FUT_OK) {
            result = (fut_status)v.status;
            if (st == FUT_OK || speaker != comm->rank) {
                fut_trail_clear();
                (void)FUT_FAIL(result, "%s", v.message);
                if (speaker != 0) fut_trail_context("rank %d", speaker);
            }
        }
    }
    fut_mem_free(failed);
    comm->agreed = result;
    return result;
}
