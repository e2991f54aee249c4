/* Immediate kernels on flat vectors: what decides about a step, the tree's additions. */
#include "core/backend/host.h"
#include "core/backend/ref/ref_impl.h"
#include "core/backend/step_formulas.h"

#include <math.h>

#define REF_BODY "core/backend/ref/ref_vector.inc"
#include "core/backend/ref/ref_twice.inc"

fut_status fut_ref_step_check(fut_backend *bk, int64_t n, fut_dtype real, const void *g, const double *loss, int64_t loss_count,
                              fut_step_control *control, fut_stream *s)
{
    (void)bk;
    (void)s;
    FUT_REF_RUN(step_check, real, n, g, loss, loss_count, control);
}

fut_status fut_ref_update_stats(fut_backend *bk, int64_t n, fut_dtype real, double momentum, int64_t shards,
                                const fut_step_control *control, const void *sum, void *running, fut_stream *s)
{
    (void)bk;
    (void)s;
    if (!control->finite) return FUT_OK;
    FUT_REF_RUN(update_stats, real, n, momentum, shards, sum, running);
}

fut_status fut_ref_scale_gradient(fut_backend *bk, int64_t n, fut_dtype real, const fut_step_control *control, void *x, fut_stream *s)
{
    (void)bk;
    (void)s;
    FUT_REF_RUN(scale_gradient, real, n, control->scale, x);
}

fut_status fut_ref_add(fut_backend *bk, int64_t n, fut_dtype dtype, const void *x, void *y, fut_stream *s)
{
    (void)bk;
    (void)s;
    FUT_REF_RUN(add, dtype, n, x, y);
}

fut_status fut_ref_tree_rows(fut_backend *bk, int64_t rows, int64_t n, double *in, double *out, fut_stream *s)
{
    (void)bk;
    (void)s;
    fut_host_tree_rows(rows, n, in, out);
    return FUT_OK;
}
