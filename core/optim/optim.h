/* Optimizers: one pass over the whole parameter pack. An optimizer is one file with a fut_optim_type and one row in optimizers.def.
 *
 *     create -> [arrange] -> begin, or slots and control of a checkpoint -> (check, step) for every step
 *
 * What is trained and what is worth evaluating may differ: a schedule-free optimizer and an average of the weights have the second in
 * fut_optim_average. */
#ifndef FUT_CORE_OPTIM_OPTIM_H
#define FUT_CORE_OPTIM_OPTIM_H

#include "core/backend/backend.h"
#include "core/base/opt.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { FUT_OPTIM_SLOTS_MAX = 4 /* three of a type's and "ema" */ };

typedef struct fut_optim fut_optim;

/* Arrays of the parameters' size that a type keeps. */
typedef struct fut_optim_slot {
    const char *name;      /* PyTorch's: "exp_avg" */
    bool begins_at_params; /* else at zero */
} fut_optim_slot;

typedef struct fut_optim_type {
    int slots;
    fut_optim_slot slot[FUT_OPTIM_SLOTS_MAX - 1];
    double (*base_lr)(const void *config);
    double (*weight_decay)(const void *config); /* NULL where there is no average */
    fut_status (*step)(fut_optim *optim, const double *lr, void *params, void *grads);
    /* Gradients of tensors with more dimensions than this want their rows centred (Ranger). NULL: none do. */
    int (*centers_above)(const void *config);
    /* What is to be evaluated instead of params. NULL: params themselves. */
    fut_status (*average)(fut_optim *optim, const void *params, void *average_out);
    /* As fut_loss_type.lint; NULL: nothing can be wrong. */
    const char *(*lint)(const void *config, fut_str *text);
} fut_optim_type;

/* A tensor of the parameter pack. */
typedef struct fut_optim_tensor {
    int64_t offset, count;
    int64_t rows; /* its first dimension */
    int dims;
    int group;
} fut_optim_tensor;

/* What an update does beside its optimizer. */
typedef struct fut_optim_plan {
    const fut_optim_tensor *tensor; /* all of the pack, in its order */
    int64_t tensors;
    double lr[FUT_PARAM_GROUPS], weight_decay[FUT_PARAM_GROUPS]; /* factors of each group; lr 0: frozen, its gradient counts as 0 */
    double ema;                                                  /* decay of the weights' average a step; 0: there is none */
    bool evaluate_ema;
} fut_optim_plan;

/* Elements [first, first + count) of the pack. */
typedef struct fut_optim_range {
    int64_t first, count;
} fut_optim_range;

struct fut_optim {
    const fut_optim_type *type;
    const void *config; /* borrowed from the configuration */
    fut_backend *bk;
    fut_dtype real;
    int64_t count;             /* parameters */
    fut_step_control *control; /* device; part of the checkpoint */
    int slots;
    const char *slot_name[FUT_OPTIM_SLOTS_MAX];
    void *slot[FUT_OPTIM_SLOTS_MAX]; /* device [count]; part of the checkpoint */

    fut_param_groups *groups;          /* NULL: all are alike */
    fut_optim_range *frozen;           /* [frozen_count] */
    int64_t frozen_count, center_rows; /* rows of gradients that are centred */
    int64_t *center_row;               /* device [center_rows, 2]; see the kernel */
    double ema;                        /* of the last slot; 0: there is none */
    bool evaluate_ema;
};

/* NULL-terminated choices for `optimizer: {type: ...}`. */
extern const fut_opt_choice *const fut_optim_choices[];

/* Slots start at zero. Errors: FUT_ERR_NO_MEMORY. `config` is borrowed until destroy. */
fut_status fut_optim_create(fut_backend *bk, const fut_opt_variant *config, fut_dtype real, int64_t count,
                            fut_optim **optim_out) FUT_MUST_CHECK;
void fut_optim_destroy(fut_optim **optim);
/* Before the first step. plan is read before the call returns. Errors: FUT_ERR_NO_MEMORY. */
fut_status fut_optim_arrange(fut_optim *optim, const fut_optim_plan *plan) FUT_MUST_CHECK;
/* A new run starts from params: slots that are a second set of parameters begin there. */
fut_status fut_optim_begin(fut_optim *optim, const void *params) FUT_MUST_CHECK;
double fut_optim_base_lr(const fut_optim *optim);
/* The control block as it is now, and to put one back (a resume, a loss scale). Both wait for the device. */
fut_status fut_optim_get_control(fut_optim *optim, fut_step_control *control_out) FUT_MUST_CHECK;
fut_status fut_optim_set_control(fut_optim *optim, const fut_step_control *control) FUT_MUST_CHECK;

/* Decide about a step: grads [count] device, the sum over shards; loss: f64 device [loss_count] that must be finite too, or NULL. */
fut_status fut_optim_check(fut_optim *optim, void *grads, const double *loss, int64_t loss_count) FUT_MUST_CHECK;
/* Take the step that was decided about, or none where the gradient was not finite. lr: device. params, grads: [count] device; params are
 * updated in place, grads are used up. */
fut_status fut_optim_step(fut_optim *optim, const double *lr, void *params, void *grads) FUT_MUST_CHECK;

/* Is something else than the parameters to be evaluated? */
bool fut_optim_has_average(const fut_optim *optim);
/* Where it has: average_out [count] device. */
fut_status fut_optim_average(fut_optim *optim, const void *params, void *average_out) FUT_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
