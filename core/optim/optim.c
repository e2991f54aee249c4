#include "core/optim/optim.h"

#include "core/base/mem.h"

#define FUT_OPTIM(name) extern const fut_opt_choice fut_optim_##name;
#include "core/optim/optimizers.def"
#undef FUT_OPTIM

const fut_opt_choice *const fut_optim_choices[] = {
#define FUT_OPTIM(name) &fut_optim_##name,
#include "core/optim/optimizers.def"
#undef FUT_OPTIM
    NULL,
};

fut_status fut_optim_create(fut_backend *bk, const fut_opt_variant *config, fut_dtype real, int64_t count, fut_optim **optim_out)
{
    fut_status st = FUT_OK;
    fut_optim *optim = NULL;
    size_t bytes = (size_t)count * fut_dtype_size(real);
    FUT_TRY_GOTO(FUT_NEW(&optim), out);
    *optim = (fut_optim){.type = config->choice->payload, .config = config->config, .bk = bk, .real = real, .count = count};
    for (int i = 0; i < optim->type->slots; i++) {
        FUT_TRY_GOTO(bk->alloc(bk, bytes, &optim->slot[i]), out);
        FUT_TRY_GOTO(bk->fill_zero(bk, optim->slot[i], bytes, NULL), out);
    }
    FUT_TRY_GOTO(bk->alloc(bk, sizeof *optim->control, (void **)&optim->control), out);
    FUT_TRY_GOTO(fut_optim_set_control(optim, &(fut_step_control){.scale = 1, .unscale = 1, .finite = 1}), out);
    *optim_out = optim;
    optim = NULL;
out:
    fut_optim_destroy(&optim);
    return st;
}

void fut_optim_destroy(fut_optim **optim)
{
    if (*optim == NULL) return;
    for (int i = 0; i < FUT_OPTIM_SLOTS_MAX; i++)
        if ((*optim)->slot[i] != NULL) (*optim)->bk->free((*optim)->bk, (*optim)->slot[i]);
    if ((*optim)->control != NULL) (*optim)->bk->free((*optim)->bk, (*optim)->control);
    fut_mem_free(*optim);
    *optim = NULL;
}

double fut_optim_base_lr(const fut_optim *optim)
{
    return optim->type->base_lr(optim->config);
}

fut_status fut_optim_get_control(fut_optim *optim, fut_step_control *control_out)
{
    fut_backend *bk = optim->bk;
    FUT_TRY(bk->download(bk, control_out, optim->control, sizeof *control_out, NULL));
    return bk->sync(bk, NULL);
}

fut_status fut_optim_set_control(fut_optim *optim, const fut_step_control *control)
{
    fut_backend *bk = optim->bk;
    FUT_TRY(bk->upload(bk, optim->control, control, sizeof *control, NULL));
    return bk->sync(bk, NULL);
}

fut_status fut_optim_check(fut_optim *optim, const void *grads, const double *loss, int64_t loss_count)
{
    fut_backend *bk = optim->bk;
    return bk->step_check(bk, optim->count, optim->real, grads, loss, loss_count, optim->control, NULL);
}

fut_status fut_optim_step(fut_optim *optim, const double *lr, void *params, const void *grads)
{
    return optim->type->step(optim, lr, params, grads);
}
