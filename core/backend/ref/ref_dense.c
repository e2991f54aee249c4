/* Immediate kernels on activations and dense layers: images, import and export, addition, linear, unit rows. */
#include "core/backend/ref/ref_impl.h"

#include <math.h>
#include <string.h>

#define REF_BODY "core/backend/ref/ref_dense.inc"
#include "core/backend/ref/ref_twice.inc"

fut_status fut_ref_images(fut_backend *bk, fut_shape4 shape, fut_dtype dtype, const uint8_t *rgb, const double mean[3], const double std[3],
                          void *act, fut_stream *s)
{
    (void)bk;
    (void)s;
    FUT_CHECK(shape.c == 3, FUT_ERR_SHAPE, "images: %lld channels, must be 3", (long long)shape.c);
    FUT_REF_RUN(images, dtype, shape, rgb, mean, std, act);
}

fut_status fut_ref_act_import(fut_backend *bk, fut_shape4 shape, fut_dtype dtype, fut_dtype real, const void *plain, void *act,
                              fut_stream *s)
{
    FUT_TRY(fut_ref_check_dtype("act_import", dtype, real));
    return bk->copy(bk, act, plain, bk->act_bytes(bk, shape, dtype), s);
}

fut_status fut_ref_act_export(fut_backend *bk, fut_shape4 shape, fut_dtype dtype, fut_dtype real, const void *act, void *plain,
                              fut_stream *s)
{
    FUT_TRY(fut_ref_check_dtype("act_export", dtype, real));
    return bk->copy(bk, plain, act, bk->act_bytes(bk, shape, dtype), s);
}

fut_status fut_ref_act_add(fut_backend *bk, fut_shape4 shape, fut_dtype dtype, const void *x, void *y, fut_stream *s)
{
    (void)bk;
    (void)s;
    FUT_REF_RUN(act_add, dtype, fut_ref_count(shape), x, y);
}

fut_status fut_ref_linear(fut_backend *bk, int64_t n, int64_t k, int64_t m, fut_dtype real, const void *x, const void *w, const void *b,
                          void *y, fut_stream *s)
{
    (void)bk;
    (void)s;
    FUT_REF_RUN(linear, real, n, k, m, x, w, b, y);
}

fut_status fut_ref_linear_backward(fut_backend *bk, int64_t n, int64_t k, int64_t m, fut_dtype real, const void *x, const void *w,
                                   const void *dy, void *dx, void *dw, void *db, fut_stream *s)
{
    (void)bk;
    (void)s;
    FUT_REF_RUN(linear_backward, real, n, k, m, x, w, dy, dx, dw, db);
}

fut_status fut_ref_normalize_rows(fut_backend *bk, int64_t n, int64_t d, fut_dtype real, const void *e, void *h, void *norm, fut_stream *s)
{
    (void)bk;
    (void)s;
    FUT_REF_RUN(normalize_rows, real, n, d, e, h, norm);
}

fut_status fut_ref_normalize_rows_backward(fut_backend *bk, int64_t n, int64_t d, fut_dtype real, const int64_t *row, const void *h,
                                           const void *norm, const void *dh, void *de, fut_stream *s)
{
    (void)bk;
    (void)s;
    FUT_REF_RUN(normalize_rows_backward, real, n, d, row, h, norm, dh, de);
}

fut_status fut_ref_scatter_rows(fut_backend *bk, int64_t n, int64_t d, fut_dtype real, const int64_t *row, const void *src, void *dst,
                                fut_stream *s)
{
    (void)bk;
    (void)s;
    FUT_REF_RUN(scatter_rows, real, n, d, row, src, dst);
}
