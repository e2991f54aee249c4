#include "launch/metric_team.h"

static fut_status agree(void *context, fut_status st)
{
    return fut_comm_agree(context, st);
}

static fut_status broadcast(void *context, void *block, size_t bytes)
{
    return fut_comm_broadcast(context, block, (int64_t)bytes, FUT_U8, 0, "evaluation");
}

static fut_status collect(void *context, const void *mine, void *theirs, size_t bytes, void (*merge)(void *, const void *), void *into)
{
    fut_comm *comm = context;
    fut_message message = {.peer = 0, .count = (int64_t)bytes, .data = (void *)(uintptr_t)mine};
    if (fut_comm_rank(comm) != 0) return fut_comm_exchange(comm, &message, 1, NULL, 0, FUT_U8, "scores of an evaluation");
    for (int rank = 1; rank < fut_comm_size(comm); rank++) {
        message = (fut_message){.peer = rank, .count = (int64_t)bytes, .data = theirs};
        FUT_TRY(fut_comm_exchange(comm, NULL, 0, &message, 1, FUT_U8, "scores of an evaluation"));
        merge(into, theirs);
    }
    return FUT_OK;
}

fut_metric_team fut_metric_team_of(fut_comm *comm)
{
    return (fut_metric_team){.rank = fut_comm_rank(comm),
                             .ranks = fut_comm_size(comm),
                             .agree = agree,
                             .broadcast = broadcast,
                             .collect = collect,
                             .context = comm};
}
