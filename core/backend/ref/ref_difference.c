/* Weighed differences of rows. */
#include "core/backend/ref/ref_impl.h"

#include <math.h>

#define REF_BODY "core/backend/ref/ref_difference.inc"
#include "core/backend/ref/ref_twice.inc"

fut_status fut_ref_difference_rows(fut_backend *bk, const fut_pair_rows *rows, fut_dtype real, const void *h, const void *r, const void *w,
                                   void *v, fut_stream *s)
{
    (void)bk;
    (void)s;
    FUT_REF_RUN(difference_rows, real, rows, h, r, w, v);
}

fut_status fut_ref_difference_times(fut_backend *bk, const fut_pair_rows *rows, fut_dtype real, double scale, const void *g, const void *h,
                                    const void *r, const void *w, void *dh, fut_stream *s)
{
    (void)bk;
    (void)s;
    FUT_REF_RUN(difference_times, real, rows, scale, g, h, r, w, dh);
}

fut_status fut_ref_difference_times_transposed(fut_backend *bk, const fut_pair_rows *rows, fut_dtype real, const void *g, const void *h,
                                               const void *r, const void *w, void *dr, fut_stream *s)
{
    (void)bk;
    (void)s;
    FUT_REF_RUN(difference_times_transposed, real, rows, g, h, r, w, dr);
}

fut_status fut_ref_difference_weights(fut_backend *bk, const fut_pair_rows *rows, fut_dtype real, const void *g, const void *h,
                                      const void *r, void *dw, fut_stream *s)
{
    (void)bk;
    (void)s;
    FUT_REF_RUN(difference_weights, real, rows, g, h, r, dw);
}
