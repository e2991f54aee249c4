#include "dist/compare.h"

#include "core/base/mem.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { TOLD_MAX = 8 };

/* What a rank says, as it crosses the network. */
typedef struct testimony {
    char host[FUT_FLIGHT_HOST_MAX];
    struct {
        char value[FUT_CLAIM_TEXT], comment[FUT_CLAIM_TEXT];
    } claim[FUT_CLAIMS_MAX];
} testimony;

static bool same(const testimony *a, const testimony *b, int claim)
{
    return strcmp(a->claim[claim].value, b->claim[claim].value) == 0;
}

static int count_like(const testimony *all, int size, int rank, int claim)
{
    int count = 0;
    for (int r = 0; r < size; r++)
        count += same(&all[r], &all[rank], claim);
    return count;
}

/* The first of the ranks that more than half agree with; -1: there is none. */
static int find_majority(const testimony *all, int size, int claim)
{
    for (int r = 0; r < size; r++)
        if (2 * count_like(all, size, r, claim) > size) return r;
    return -1;
}

static fut_status tell_rank(const testimony *all, int rank, int right, const char *name, int claim, fut_str *out)
{
    const char *comment = all[rank].claim[claim].comment;
    FUT_TRY(fut_str_printf(out, "%srank %d on host %s: %s %s", out->length > 0 ? "; " : "", rank, all[rank].host, name,
                           all[rank].claim[claim].value));
    if (right >= 0) FUT_TRY(fut_str_printf(out, " instead of %s", all[right].claim[claim].value));
    return comment[0] != '\0' ? fut_str_printf(out, ", %s", comment) : FUT_OK;
}

static fut_status tell_claim(const testimony *all, int size, const char *name, int claim, fut_str *out)
{
    int right = find_majority(all, size, claim);
    int told = 0;
    if (count_like(all, size, 0, claim) == size) return FUT_OK;
    for (int r = 0; r < size; r++) {
        if (right >= 0 && same(&all[r], &all[right], claim)) continue;
        if (++told <= TOLD_MAX) FUT_TRY(tell_rank(all, r, right, name, claim, out));
    }
    return told > TOLD_MAX ? fut_str_printf(out, "; and %d more ranks", told - TOLD_MAX) : FUT_OK;
}

static fut_status collect(fut_comm *comm, testimony *mine, testimony *all)
{
    fut_status st = FUT_OK;
    fut_message *messages = NULL;
    fut_message to_first = {.peer = 0, .count = (int64_t)sizeof *mine, .data = mine};
    if (comm->rank != 0) return fut_comm_exchange(comm, &to_first, 1, NULL, 0, FUT_U8, "comparison");
    FUT_TRY(FUT_NEW_ARRAY(comm->size, &messages));
    all[0] = *mine;
    for (int r = 1; r < comm->size; r++)
        messages[r - 1] = (fut_message){.peer = r, .count = (int64_t)sizeof *mine, .data = &all[r]};
    st = fut_comm_exchange(comm, NULL, 0, messages, comm->size - 1, FUT_U8, "comparison");
    fut_mem_free(messages);
    return st;
}

fut_status fut_comm_compare(fut_comm *comm, const fut_claim *claims, int n, fut_str *differences_out)
{
    fut_status st = FUT_OK;
    testimony *all = NULL;
    testimony mine;
    memset(&mine, 0, sizeof mine);
    if (comm->size == 1) return FUT_OK;
    FUT_CHECK(n <= FUT_CLAIMS_MAX, FUT_ERR_INTERNAL, "%d claims", n);
    (void)gethostname(mine.host, sizeof mine.host - 1);
    for (int i = 0; i < n; i++) {
        (void)snprintf(mine.claim[i].value, FUT_CLAIM_TEXT, "%s", claims[i].value);
        (void)snprintf(mine.claim[i].comment, FUT_CLAIM_TEXT, "%s", claims[i].comment);
    }
    if (comm->rank == 0) FUT_TRY_GOTO(FUT_NEW_ARRAY(comm->size, &all), out);
    FUT_TRY_GOTO(collect(comm, &mine, all), out);
    for (int i = 0; i < n && comm->rank == 0; i++)
        FUT_TRY_GOTO(tell_claim(all, comm->size, claims[i].name, i, differences_out), out);
out:
    fut_mem_free(all);
    return st;
}
