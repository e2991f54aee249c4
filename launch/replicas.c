#include "launch/replicas.h"

#include "core/base/hash.h"
#include "core/base/mem.h"
#include "dist/compare.h"

#include <inttypes.h>
#include <stdio.h>

struct fut_replicas {
    fut_engine *engine;
    size_t param_bytes, stat_bytes;
    char *host; /* pinned: parameters, then statistics */
    fut_event *copied;
    int64_t step; /* looked at; -1: none is on its way */
};

fut_status fut_replicas_create(fut_engine *engine, fut_replicas **replicas_out)
{
    fut_status st = FUT_OK;
    fut_replicas *r = NULL;
    fut_backend *bk = engine->bk;
    if (fut_comm_size(engine->comm) == 1) return FUT_OK;
    FUT_TRY_GOTO(FUT_NEW(&r), out);
    r->engine = engine;
    r->step = -1;
    r->param_bytes = (size_t)fut_net_param_count(engine->net) * sizeof(float);
    r->stat_bytes = (size_t)fut_net_stat_count(engine->net) * sizeof(float);
    FUT_TRY_GOTO(bk->alloc_host(bk, r->param_bytes + r->stat_bytes, (void **)&r->host), out);
    FUT_TRY_GOTO(bk->event_create(bk, &r->copied), out);
    *replicas_out = r;
    r = NULL;
out:
    fut_replicas_destroy(&r);
    return st;
}

void fut_replicas_destroy(fut_replicas **replicas)
{
    fut_replicas *r = *replicas;
    if (r == NULL) return;
    fut_backend *bk = r->engine->bk;
    if (r->copied != NULL) bk->event_destroy(bk, r->copied);
    if (r->host != NULL) bk->free_host(bk, r->host);
    fut_mem_free(r);
    *replicas = NULL;
}

fut_status fut_replicas_look(fut_replicas *r, int64_t step)
{
    if (r == NULL) return FUT_OK;
    fut_backend *bk = r->engine->bk;
    FUT_TRY(bk->download(bk, r->host, fut_net_params(r->engine->net), r->param_bytes, NULL));
    FUT_TRY(bk->download(bk, r->host + r->param_bytes, fut_net_stats(r->engine->net), r->stat_bytes, NULL));
    FUT_TRY(bk->event_record(bk, r->copied, NULL));
    r->step = step;
    return FUT_OK;
}

/* Every rank's hash is known to differ somewhere: who is it? */
static fut_status name_odd_one(fut_replicas *r, uint64_t hash)
{
    fut_str differences = {0};
    fut_claim claim = {.name = "parameters"};
    fut_comm *comm = r->engine->comm;
    (void)snprintf(claim.value, sizeof claim.value, "%016" PRIx64, hash);
    fut_status st = fut_comm_compare(comm, &claim, 1, &differences);
    if (st == FUT_OK && comm->rank == 0)
        st = FUT_FAIL(FUT_ERR_REPLICAS,
                      "step %" PRId64 ": the ranks have parted: %s. Memory, a processor or messages fail there; no checkpoint was written "
                      "since all were the same: go on from the last one without that host",
                      r->step, fut_str_text(&differences));
    fut_str_fini(&differences);
    return fut_comm_agree(comm, st);
}

/* The hash of rank 0 to all, then how many have another: the cost of two small collectives while all is well. */
fut_status fut_replicas_compare(fut_replicas *r)
{
    if (r == NULL || r->step < 0) return FUT_OK;
    fut_engine *g = r->engine;
    FUT_TRY(fut_comm_wait(g->device_comm, g->bk, r->copied, "copy of the parameters"));
    uint64_t mine = fut_hash_xxh3(r->host, r->param_bytes + r->stat_bytes);
    uint64_t first = mine;
    FUT_TRY(fut_comm_broadcast(g->comm, &first, 1, FUT_U64, 0, "hash of the parameters"));
    int64_t differ = first != mine;
    FUT_TRY(fut_comm_all_reduce_sum(g->comm, &differ, 1, FUT_I64, "hash of the parameters"));
    if (differ > 0) FUT_TRY(name_odd_one(r, mine));
    r->step = -1;
    return FUT_OK;
}
