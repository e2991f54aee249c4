/* Immediate kernels on flat vectors: the optimizer's step, sums and combinations. */
#include "core/backend/ref/ref_impl.h"

#include <math.h>

#define REF_BODY "core/backend/ref/ref_vector.inc"
#include "core/backend/ref/ref_twice.inc"

fut_status fut_ref_adam(fut_backend *bk, int64_t n, fut_dtype real, const fut_adam_args *args, bool decoupled, void *p, const void *g,
                        void *m, void *v, fut_stream *s)
{
    (void)bk;
    (void)s;
    FUT_REF_RUN(adam, real, n, args, decoupled, p, g, m, v);
}

fut_status fut_ref_sum_squares(fut_backend *bk, int64_t n, fut_dtype real, const void *x, double *sum_out, bool *finite_out, fut_stream *s)
{
    (void)bk;
    (void)s;
    FUT_REF_RUN(sum_squares, real, n, x, sum_out, finite_out);
}

fut_status fut_ref_axpby(fut_backend *bk, int64_t n, fut_dtype real, double a, const void *x, double b, void *y, fut_stream *s)
{
    (void)bk;
    (void)s;
    FUT_REF_RUN(axpby, real, n, a, x, b, y);
}
