/* Optimizers: one pass over the whole parameter pack. An optimizer is one file with a fut_optim_type and one row in optimizers.def. */
#ifndef FUT_CORE_OPTIM_OPTIM_H
#define FUT_CORE_OPTIM_OPTIM_H

#include "core/backend/backend.h"
#include "core/base/opt.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { FUT_OPTIM_SLOTS_MAX = 3 };

typedef struct fut_optim fut_optim;

typedef struct fut_optim_type {
    int slots;                                  /* arrays of the parameters' size */
    const char *slot_name[FUT_OPTIM_SLOTS_MAX]; /* PyTorch's: "exp_avg" */
    double (*base_lr)(const void *config);
    fut_status (*step)(fut_optim *optim, const double *lr, void *params, const void *grads);
} fut_optim_type;

struct fut_optim {
    const fut_optim_type *type;
    const void *config; /* borrowed from the configuration */
    fut_backend *bk;
    fut_dtype real;
    int64_t count;                   /* parameters */
    fut_step_control *control;       /* device; part of the checkpoint */
    void *slot[FUT_OPTIM_SLOTS_MAX]; /* device [count]; part of the checkpoint */
};

/* NULL-terminated choices for `optimizer: {type: ...}`. */
extern const fut_opt_choice *const fut_optim_choices[];

/* Slots start at zero. Errors: FUT_ERR_NO_MEMORY. `config` is borrowed until destroy. */
fut_status fut_optim_create(fut_backend *bk, const fut_opt_variant *config, fut_dtype real, int64_t count,
                            fut_optim **optim_out) FUT_MUST_CHECK;
void fut_optim_destroy(fut_optim **optim);
double fut_optim_base_lr(const fut_optim *optim);
/* The control block as it is now, and to put one back (a resume, a loss scale). Both wait for the device. */
fut_status fut_optim_get_control(fut_optim *optim, fut_step_control *control_out) FUT_MUST_CHECK;
fut_status fut_optim_set_control(fut_optim *optim, const fut_step_control *control) FUT_MUST_CHECK;

/* Decide about a step: grads [count] device, the sum over shards; loss: f64 device [loss_count] that must be finite too, or NULL. */
fut_status fut_optim_check(fut_optim *optim, const void *grads, const double *loss, int64_t loss_count) FUT_MUST_CHECK;
/* Take the step that was decided about, or none where the gradient was not finite. lr: device. params, grads: [count] device; params are
 * updated in place. */
fut_status fut_optim_step(fut_optim *optim, const double *lr, void *params, const void *grads) FUT_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
