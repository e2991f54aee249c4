#include "core/base/mem.h"
#include "launch/checkpoint.h"

#include <string.h>

/* A device pack into the state's memory of it. */
static fut_status take_pack(fut_backend *bk, const void *device, int64_t count, float **host)
{
    if (*host == NULL) FUT_TRY(FUT_NEW_ARRAY(count, host));
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

static void free_memory(fut_row_memory *memory)
{
    void *blocks[] = {memory->e, memory->label, memory->image, memory->entered};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        fut_mem_free(blocks[i]);
    *memory = (fut_row_memory){0};
}

static fut_status new_memory(int64_t size, int64_t dim, fut_row_memory *memory)
{
    float *e = NULL;
    memory->size = size;
    memory->dim = dim;
    FUT_TRY(FUT_NEW_ARRAY(size * dim, &e));
    memory->e = e;
    FUT_TRY(FUT_NEW_ARRAY(size, &memory->label));
    FUT_TRY(FUT_NEW_ARRAY(size, &memory->image));
    return FUT_NEW_ARRAY(1, &memory->entered);
}

static fut_status take_memory(fut_checkpoint_state *state, const fut_loss *loss)
{
    const fut_row_memory *from = &loss->memory;
    fut_backend *bk = loss->bk;
    fut_row_memory *to = &state->memory;
    size_t places = (size_t)from->size * sizeof *from->label;
    if (from->size == 0) return FUT_OK;
    if (to->entered == NULL) {
        free_memory(to);
        FUT_TRY(new_memory(from->size, from->dim, to));
    }
    state->memory_people = loss->classes;
    FUT_TRY(bk->download(bk, to->e, from->e, (size_t)(from->size * from->dim) * sizeof(float), NULL));
    FUT_TRY(bk->download(bk, to->label, from->label, places, NULL));
    FUT_TRY(bk->download(bk, to->image, from->image, places, NULL));
    return bk->download(bk, to->entered, from->entered, sizeof *from->entered, NULL);
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
    if (loss != NULL) FUT_TRY(take_memory(state, loss));
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
    free_memory(&state->memory);
    fut_sampler_state_fini(&state->sampler);
    *state = (fut_checkpoint_state){0};
}
