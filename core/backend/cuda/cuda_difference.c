/* Weighed differences of rows, and what a bce loss's rows do to its line. */
#include "core/backend/cuda/cuda_impl.h"
#include "core/backend/cuda/kernels/kernels_rows.h"

fut_status fut_cuda_logit_params(fut_backend *bk, const fut_row_loss *loss, fut_dtype real, const double *sums, const double *total,
                                 void *dscale, void *dshift, fut_stream *s)
{
    FUT_TRY(fut_cuda_check_dtype("logit_params", FUT_F32, real));
    return FUT_CUDA(fut_cuda_launch_logit_params(loss, sums, total, dscale, dshift, fut_cuda_stream(bk, s)));
}

fut_status fut_cuda_difference_rows(fut_backend *bk, const fut_pair_rows *rows, fut_dtype real, const void *h, const void *r, const void *w,
                                    void *v, fut_stream *s)
{
    FUT_TRY(fut_cuda_check_dtype("difference_rows", FUT_F32, real));
    return FUT_CUDA(fut_cuda_launch_difference_rows(rows, h, r, w, v, fut_cuda_stream(bk, s)));
}

fut_status fut_cuda_difference_times(fut_backend *bk, const fut_pair_rows *rows, fut_dtype real, double scale, const void *g, const void *h,
                                     const void *r, const void *w, void *dh, fut_stream *s)
{
    FUT_TRY(fut_cuda_check_dtype("difference_times", FUT_F32, real));
    return FUT_CUDA(fut_cuda_launch_difference_times(rows, (float)scale, g, h, r, w, dh, fut_cuda_stream(bk, s)));
}

fut_status fut_cuda_difference_times_transposed(fut_backend *bk, const fut_pair_rows *rows, fut_dtype real, const void *g, const void *h,
                                                const void *r, const void *w, void *dr, fut_stream *s)
{
    FUT_TRY(fut_cuda_check_dtype("difference_times_transposed", FUT_F32, real));
    return FUT_CUDA(fut_cuda_launch_difference_times_transposed(rows, g, h, r, w, dr, fut_cuda_stream(bk, s)));
}

fut_status fut_cuda_difference_weights(fut_backend *bk, const fut_pair_rows *rows, fut_dtype real, const void *g, const void *h,
                                       const void *r, void *dw, fut_stream *s)
{
    FUT_TRY(fut_cuda_check_dtype("difference_weights", FUT_F32, real));
    return FUT_CUDA(fut_cuda_launch_difference_weights(rows, g, h, r, dw, fut_cuda_scratch(bk, s), fut_cuda_stream(bk, s)));
}
