#include "core/base/mem.h"
#include "launch/checkpoint_impl.h"

#include <string.h>

static fut_status reserve_pack(int64_t count, float **host)
{
    return *host == NULL ? FUT_NEW_ARRAY(count, host) : FUT_OK;
}

fut_status fut_checkpoint_reserve(fut_checkpoint_state *state, const fut_net *net, bool averaged, const fut_optim *optim)
{
    int64_t params = fut_net_param_count(net);
    int64_t stats = fut_net_stat_count(net);
    FUT_TRY(reserve_pack(params, &state->params));
    FUT_TRY(reserve_pack(stats, &state->stats));
    if (averaged) FUT_TRY(reserve_pack(params, &state->held_params));
    if (averaged) FUT_TRY(reserve_pack(stats, &state->held_stats));
    for (int i = 0; i < optim->slots; i++)
        FUT_TRY(reserve_pack(optim->count, &state->slot[i]));
    return FUT_OK;
}

/* A device pack into the state's memory of it. */
static fut_status take_pack(fut_backend *bk, const void *device, int64_t count, float **host)
{
    FUT_TRY(reserve_pack(count, host));
    return bk->download(bk, *host, device, (size_t)count * sizeof(float), NULL);
}

static fut_status take_optim(fut_checkpoint_state *state, fut_optim *optim)
{
    for (int i = 0; i < optim->slots; i++) {
        FUT_TRY(take_pack(optim->bk, optim->slot[i], optim->count, &state->slot[i]));
        state->slot_name[i] = optim->slot_name[i];
    }
    state->slots = optim->slots;
    return fut_optim_get_control(optim, &state->control);
}

static fut_status take_sampler(fut_checkpoint_state *state, const fut_sampler_state *sampler)
{
    fut_sampler_state copy = *sampler;
    copy.people = NULL;
    FUT_TRY(FUT_NEW_ARRAY(sampler->n_people, &copy.people));
    if (sampler->n_people > 0) memcpy(copy.people, sampler->people, (size_t)sampler->n_people * sizeof *copy.people);
    fut_sampler_state_fini(&state->sampler);
    state->sampler = copy;
    return FUT_OK;
}

fut_status fut_checkpoint_take(fut_checkpoint_state *state, const fut_progress *progress, fut_net *net, const fut_checkpoint_held *held,
                               fut_optim *optim, const fut_loss *loss, const fut_sampler_state *sampler)
{
    fut_backend *bk = fut_net_backend(net);
    int64_t params = fut_net_param_count(net);
    int64_t stats = fut_net_stat_count(net);
    state->net = net;
    state->progress = *progress;
    state->steps_tracked = *fut_net_steps_tracked(net);
    state->averaged = held != NULL;
    FUT_TRY(take_pack(bk, fut_net_params(net), params, &state->params));
    FUT_TRY(take_pack(bk, fut_net_stats(net), stats, &state->stats));
    if (held != NULL) FUT_TRY(take_pack(bk, held->params, params, &state->held_params));
    if (held != NULL) FUT_TRY(take_pack(bk, held->stats, stats, &state->held_stats));
    FUT_TRY(take_optim(state, optim));
    if (loss != NULL) FUT_TRY(fut_checkpoint_take_memory(state, loss));
    FUT_TRY(take_sampler(state, sampler));
    return bk->sync(bk, NULL);
}

void fut_checkpoint_state_fini(fut_checkpoint_state *state)
{
    float *packs[] = {state->params, state->stats, state->held_params, state->held_stats};
    for (size_t i = 0; i < sizeof packs / sizeof *packs; i++)
        fut_mem_free(packs[i]);
    for (int i = 0; i < FUT_OPTIM_SLOTS_MAX; i++)
        fut_mem_free(state->slot[i]);
    fut_checkpoint_free_memory(&state->memory);
    fut_sampler_state_fini(&state->sampler);
    *state = (fut_checkpoint_state){0};
}
