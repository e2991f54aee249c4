#include "dist/nccl/placement.h"

#include "core/base/mem.h"
#include "core/base/str.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Where one rank is; as it crosses the network. */
typedef struct place {
    char host[64];
    char model[128];
    char uuid[64];
} place;

/* The places of all ranks into all_out [size]. */
static fut_status gather_places(fut_comm *host, fut_backend *bk, place *all_out)
{
    fut_status st = FUT_OK;
    fut_backend_info info;
    int64_t *counts = NULL;
    place *mine = &all_out[host->rank];
    bk->info(bk, &info);
    (void)gethostname(mine->host, sizeof mine->host - 1);
    (void)snprintf(mine->model, sizeof mine->model, "%s", info.model);
    (void)snprintf(mine->uuid, sizeof mine->uuid, "%s", info.uuid);
    FUT_TRY(FUT_NEW_ARRAY(2 * host->size, &counts));
    int64_t *offsets = counts + host->size;
    for (int r = 0; r < host->size; r++) {
        counts[r] = (int64_t)sizeof(place);
        offsets[r] = r * (int64_t)sizeof(place);
    }
    st = fut_comm_all_gatherv(host, all_out, counts, offsets, FUT_U8, "places of the GPUs");
    fut_mem_free(counts);
    return st;
}

/* A uuid names one GPU in the world; "" means that sharing is harmless. */
static fut_status check_not_shared(const place *all, int size)
{
    for (int b = 1; b < size; b++)
        for (int a = 0; a < b; a++)
            FUT_CHECK(all[a].uuid[0] == '\0' || strcmp(all[a].uuid, all[b].uuid) != 0, FUT_ERR_CONFIG,
                      "rank %d and rank %d on host %s share one GPU (%s, %s): start no more ranks on a host than it has GPUs, and let each "
                      "rank see all of them, or only its own, through CUDA_VISIBLE_DEVICES",
                      a, b, all[b].host, all[b].model, all[b].uuid);
    return FUT_OK;
}

static int first_of_model(const place *all, int rank)
{
    int first = 0;
    while (strcmp(all[first].model, all[rank].model) != 0)
        first++;
    return first;
}

static fut_status check_one_model(const place *all, int size)
{
    char text[1024] = "";
    size_t used = 0;
    int models = 0;
    for (int first = 0; first < size; first++) {
        int ranks = 0;
        if (first_of_model(all, first) != first) continue;
        for (int r = first; r < size; r++)
            ranks += first_of_model(all, r) == first;
        models++;
        if (used < sizeof text)
            used += (size_t)snprintf(text + used, sizeof text - used, "%s%s on %d rank%s, first rank %d on host %s", models > 1 ? "; " : "",
                                     all[first].model, ranks, ranks == 1 ? "" : "s", first, all[first].host);
    }
    FUT_CHECK(
        models == 1, FUT_ERR_CONFIG,
        "GPUs of different models (%s): algorithms and speed would differ from rank to rank; start ranks on GPUs of one model, by the "
        "list of hosts or CUDA_VISIBLE_DEVICES",
        text);
    return FUT_OK;
}

fut_status fut_nccl_check_placement(fut_comm *host, fut_backend *bk)
{
    fut_status st = FUT_OK;
    place *all = NULL;
    FUT_TRY(FUT_NEW_ARRAY(host->size, &all));
    FUT_TRY_GOTO(gather_places(host, bk, all), out);
    st = check_not_shared(all, host->size);
    if (st == FUT_OK) st = check_one_model(all, host->size);
    st = fut_comm_agree(host, st);
out:
    fut_mem_free(all);
    return st;
}
