#include "core/optim/optim.h"

#include "core/base/mem.h"

#include <string.h>

#define FUT_OPTIM(name) extern const fut_opt_choice fut_optim_##name;
#include "core/optim/optimizers.def"
#undef FUT_OPTIM

const fut_opt_choice *const fut_optim_choices[] = {
#define FUT_OPTIM(name) &fut_optim_##name,
#include "core/optim/optimizers.def"
#undef FUT_OPTIM
    NULL,
};

static fut_status add_slot(fut_optim *optim, const char *name)
{
    fut_backend *bk = optim->bk;
    size_t bytes = (size_t)optim->count * fut_dtype_size(optim->real);
    FUT_TRY(bk->alloc(bk, bytes, &optim->slot[optim->slots]));
    optim->slot_name[optim->slots] = name;
    return bk->fill_zero(bk, optim->slot[optim->slots++], bytes, NULL);
}

fut_status fut_optim_create(fut_backend *bk, const fut_opt_variant *config, fut_dtype real, int64_t count, fut_optim **optim_out)
{
    fut_status st = FUT_OK;
    fut_optim *optim = NULL;
    FUT_TRY_GOTO(FUT_NEW(&optim), out);
    *optim = (fut_optim){.type = config->choice->payload, .config = config->config, .bk = bk, .real = real, .count = count};
    for (int i = 0; i < optim->type->slots; i++)
        FUT_TRY_GOTO(add_slot(optim, optim->type->slot[i].name), out);
    FUT_TRY_GOTO(bk->alloc(bk, sizeof *optim->control, (void **)&optim->control), out);
    FUT_TRY_GOTO(fut_optim_set_control(optim, &(fut_step_control){.scale = 1, .unscale = 1, .finite = 1}), out);
    *optim_out = optim;
    optim = NULL;
out:
    fut_optim_destroy(&optim);
    return st;
}

void fut_optim_destroy(fut_optim **optim_)
{
    fut_optim *optim = *optim_;
    if (optim == NULL) return;
    fut_backend *bk = optim->bk;
    for (int i = 0; i < FUT_OPTIM_SLOTS_MAX; i++)
        if (optim->slot[i] != NULL) bk->free(bk, optim->slot[i]);
    if (optim->control != NULL) bk->free(bk, optim->control);
    if (optim->center_row != NULL) bk->free(bk, optim->center_row);
    if (optim->groups != NULL && optim->groups->of != NULL) bk->free(bk, (void *)optim->groups->of);
    fut_mem_free(optim->groups);
    fut_mem_free(optim->frozen);
    fut_mem_free(optim);
    *optim_ = NULL;
}

/* ---- what differs from tensor to tensor ---- */

static bool all_alike(const fut_optim_plan *plan)
{
    for (int64_t i = 0; i < plan->tensors; i++)
        if (plan->lr[plan->tensor[i].group] != 1 || plan->weight_decay[plan->tensor[i].group] != 1) return false;
    return true;
}

static fut_status upload_new(fut_backend *bk, const void *host, size_t bytes, void **device_out)
{
    FUT_TRY(bk->alloc(bk, bytes, device_out));
    FUT_TRY(bk->upload(bk, *device_out, host, bytes, NULL));
    return bk->sync(bk, NULL);
}

static fut_status make_groups(fut_optim *optim, const fut_optim_plan *plan)
{
    uint8_t *of = NULL;
    void *device = NULL;
    if (all_alike(plan)) return FUT_OK;
    FUT_TRY(FUT_NEW(&optim->groups));
    memcpy(optim->groups->lr, plan->lr, sizeof plan->lr);
    memcpy(optim->groups->weight_decay, plan->weight_decay, sizeof plan->weight_decay);
    FUT_TRY(FUT_NEW_ARRAY(optim->count, &of));
    for (int64_t i = 0; i < plan->tensors; i++)
        memset(of + plan->tensor[i].offset, plan->tensor[i].group, (size_t)plan->tensor[i].count);
    fut_status st = upload_new(optim->bk, of, (size_t)optim->count, &device);
    optim->groups->of = device;
    fut_mem_free(of);
    return st;
}

/* Neighbours become one range. */
static fut_status find_frozen(fut_optim *optim, const fut_optim_plan *plan)
{
    FUT_TRY(FUT_NEW_ARRAY(plan->tensors, &optim->frozen));
    for (int64_t i = 0; i < plan->tensors; i++) {
        const fut_optim_tensor *tensor = &plan->tensor[i];
        fut_optim_range *last = optim->frozen_count > 0 ? &optim->frozen[optim->frozen_count - 1] : NULL;
        if (plan->lr[tensor->group] != 0) continue;
        if (last != NULL && last->first + last->count == tensor->offset)
            last->count += tensor->count;
        else
            optim->frozen[optim->frozen_count++] = (fut_optim_range){tensor->offset, tensor->count};
    }
    return FUT_OK;
}

static fut_status list_centered_rows(fut_optim *optim, const fut_optim_plan *plan)
{
    int64_t(*row)[2] = NULL;
    int64_t rows = 0;
    if (optim->type->centers_above == NULL) return FUT_OK;
    int above = optim->type->centers_above(optim->config);
    for (int64_t i = 0; i < plan->tensors; i++)
        if (plan->tensor[i].dims > above) rows += plan->tensor[i].rows;
    if (rows == 0) return FUT_OK;
    FUT_TRY(FUT_NEW_ARRAY(rows, &row));
    rows = 0;
    for (int64_t i = 0; i < plan->tensors; i++) {
        const fut_optim_tensor *tensor = &plan->tensor[i];
        int64_t length = tensor->count / tensor->rows;
        for (int64_t r = 0; tensor->dims > above && r < tensor->rows; r++, rows++) {
            row[rows][0] = tensor->offset + r * length;
            row[rows][1] = length;
        }
    }
    fut_status st = upload_new(optim->bk, row, (size_t)rows * sizeof *row, (void **)&optim->center_row);
    optim->center_rows = rows;
    fut_mem_free(row);
    return st;
}

fut_status fut_optim_arrange(fut_optim *optim, const fut_optim_plan *plan)
{
    FUT_TRY(make_groups(optim, plan));
    FUT_TRY(find_frozen(optim, plan));
    FUT_TRY(list_centered_rows(optim, plan));
    optim->ema = plan->ema;
    optim->evaluate_ema = plan->evaluate_ema;
    return plan->ema > 0 ? add_slot(optim, "ema") : FUT_OK;
}

fut_status fut_optim_begin(fut_optim *optim, const void *params)
{
    fut_backend *bk = optim->bk;
    size_t bytes = (size_t)optim->count * fut_dtype_size(optim->real);
    for (int i = 0; i < optim->slots; i++)
        if (i >= optim->type->slots || optim->type->slot[i].begins_at_params) FUT_TRY(bk->copy(bk, optim->slot[i], params, bytes, NULL));
    return FUT_OK;
}

/* ---- a step ---- */

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

fut_status fut_optim_check(fut_optim *optim, void *grads, const double *loss, int64_t loss_count)
{
    fut_backend *bk = optim->bk;
    size_t size = fut_dtype_size(optim->real);
    for (int64_t i = 0; i < optim->frozen_count; i++)
        FUT_TRY(bk->fill_zero(bk, (char *)grads + (size_t)optim->frozen[i].first * size, (size_t)optim->frozen[i].count * size, NULL));
    return bk->step_check(bk, optim->count, optim->real, grads, loss, loss_count, optim->control, NULL);
}

fut_status fut_optim_step(fut_optim *optim, const double *lr, void *params, void *grads)
{
    fut_backend *bk = optim->bk;
    if (optim->center_rows > 0) FUT_TRY(bk->center_rows(bk, optim->center_rows, optim->real, optim->center_row, grads, NULL));
    FUT_TRY(optim->type->step(optim, lr, params, grads));
    if (optim->ema == 0) return FUT_OK;
    return bk->lerp(bk, optim->count, optim->real, 1 - optim->ema, optim->control, params, optim->slot[optim->slots - 1], NULL);
}

bool fut_optim_has_average(const fut_optim *optim)
{
    return (optim->ema > 0 && optim->evaluate_ema) || optim->type->average != NULL;
}

fut_status fut_optim_average(fut_optim *optim, const void *params, void *average_out)
{
    fut_backend *bk = optim->bk;
    if (optim->type->average != NULL) return optim->type->average(optim, params, average_out);
    return bk->copy(bk, average_out, optim->slot[optim->slots - 1], (size_t)optim->count * fut_dtype_size(optim->real), NULL);
}
