#include "launch/replicas.h"

#include "core/base/hash.h"
#include "core/base/mem.h"
#include "dist/compare.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { PARTS = 5 };

/* A block that all ranks have alike; of no bytes: there is none. */
typedef struct part {
    const void *device;
    size_t bytes;
} part;

struct fut_replicas {
    fut_engine *engine;
    size_t bytes; /* of all parts */
    char *host;   /* pinned: one part behind the other */
    fut_event *copied;
    int64_t step; /* looked at; -1: none is on its way */
};

static void list_parts(const fut_engine *g, part parts_out[PARTS])
{
    const fut_row_memory *memory = &g->loss->memory;
    const size_t places = (size_t)memory->size * sizeof *memory->label;
    const part parts[PARTS] = {{fut_net_params(g->net), (size_t)fut_net_param_count(g->net) * sizeof(float)},
                               {fut_net_stats(g->net), (size_t)fut_net_stat_count(g->net) * sizeof(float)},
                               {memory->e, (size_t)(memory->size * memory->dim) * sizeof(float)},
                               {memory->label, places},
                               {memory->image, places}};
    memcpy(parts_out, parts, sizeof parts);
}

fut_status fut_replicas_create(fut_engine *engine, fut_replicas **replicas_out)
{
    fut_status st = FUT_OK;
    fut_replicas *r = NULL;
    part parts[PARTS];
    fut_backend *bk = engine->bk;
    if (fut_comm_size(engine->comm) == 1) return FUT_OK;
    FUT_TRY_GOTO(FUT_NEW(&r), out);
    r->engine = engine;
    r->step = -1;
    list_parts(engine, parts);
    for (int i = 0; i < PARTS; i++)
        r->bytes += parts[i].bytes;
    FUT_TRY_GOTO(bk->alloc_host(bk, r->bytes, (void **)&r->host), out);
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
    part parts[PARTS];
    char *to = r->host;
    list_parts(r->engine, parts);
    for (int i = 0; i < PARTS; i++) {
        if (parts[i].bytes > 0) FUT_TRY(bk->download(bk, to, parts[i].device, parts[i].bytes, NULL));
        to += parts[i].bytes;
    }
    FUT_TRY(bk->event_record(bk, r->copied, NULL));
    r->step = step;
    return FUT_OK;
}

/* Every rank's hash is known to differ somewhere: who is it? */
static fut_status name_odd_one(fut_replicas *r, uint64_t hash)
{
    fut_str differences = {0};
    fut_claim claim = {.name = "state"};
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
    FUT_TRY(fut_comm_wait(g->device_comm, g->bk, r->copied, "copy of the state"));
    uint64_t mine = fut_hash_xxh3(r->host, r->bytes);
    uint64_t first = mine;
    FUT_TRY(fut_comm_broadcast(g->comm, &first, 1, FUT_U64, 0, "hash of the state"));
    int64_t differ = first != mine;
    FUT_TRY(fut_comm_all_reduce_sum(g->comm, &differ, 1, FUT_I64, "hash of the state"));
    if (differ > 0) FUT_TRY(name_odd_one(r, mine));
    r->step = -1;
    return FUT_OK;
}
