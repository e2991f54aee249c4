/* Optimizers' passes over the parameter pack: see core/optim for the formulas. */
#include "core/backend/host_optim.h"
#include "core/backend/ref/ref_impl.h"

#include <math.h>

#define REF_BODY "core/backend/ref/ref_optim.inc"
#include "core/backend/ref/ref_twice.inc"

fut_status fut_ref_adam(fut_backend *bk, int64_t n, fut_dtype real, const fut_adam_args *args, const double *lr,
                        const fut_step_control *control, const fut_param_groups *groups, void *p, const void *g, void *m, void *v,
                        fut_stream *s)
{
    (void)bk;
    (void)s;
    if (!control->finite) return FUT_OK;
    FUT_REF_RUN(adam, real, n, args, *lr, control, groups, p, g, m, v);
}

fut_status fut_ref_sgd(fut_backend *bk, int64_t n, fut_dtype real, const fut_sgd_args *args, const double *lr,
                       const fut_step_control *control, const fut_param_groups *groups, void *p, const void *g, void *buffer, fut_stream *s)
{
    (void)bk;
    (void)s;
    if (!control->finite) return FUT_OK;
    FUT_REF_RUN(sgd, real, n, args, *lr, control, groups, p, g, buffer);
}

fut_status fut_ref_schedule_free(fut_backend *bk, int64_t n, fut_dtype real, const fut_schedule_free_args *args, const double *lr,
                                 fut_step_control *control, const fut_param_groups *groups, void *p, const void *g, void *z, void *v,
                                 fut_stream *s)
{
    (void)bk;
    (void)s;
    if (!control->finite) return FUT_OK;
    FUT_REF_RUN(schedule_free, real, n, args, *lr, control, groups, p, g, z, v);
}

fut_status fut_ref_lookahead(fut_backend *bk, int64_t n, fut_dtype real, const fut_lookahead_args *args, const fut_step_control *control,
                             void *p, void *slow, fut_stream *s)
{
    (void)bk;
    (void)s;
    if (!control->finite || control->steps % args->every != 0) return FUT_OK;
    FUT_REF_RUN(lookahead, real, n, args->lazy && control->steps == args->every ? 1 : args->alpha, p, slow);
}

fut_status fut_ref_center_rows(fut_backend *bk, int64_t rows, fut_dtype real, const int64_t *row, void *x, fut_stream *s)
{
    (void)bk;
    (void)s;
    FUT_REF_RUN(center_rows, real, rows, row, x);
}

fut_status fut_ref_lerp(fut_backend *bk, int64_t n, fut_dtype real, double weight, const fut_step_control *control, const void *x, void *y,
                        fut_stream *s)
{
    (void)bk;
    (void)s;
    if (control != NULL && !control->finite) return FUT_OK;
    FUT_REF_RUN(lerp, real, n, weight, x, y);
}
