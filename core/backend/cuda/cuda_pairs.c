/* Rows of embeddings and products of them. */
#include "core/backend/cuda/cuda_impl.h"
#include "core/backend/cuda/kernels/kernels_vec.h"

fut_status fut_cuda_normalize_rows(fut_backend *bk, int64_t n, int64_t d, fut_dtype real, const void *e, void *h, void *norm, fut_stream *s)
{
    FUT_TRY(fut_cuda_check_dtype("normalize_rows", FUT_F32, real));
    return FUT_CUDA(fut_cuda_launch_normalize_rows(n, d, e, h, norm, fut_cuda_stream(bk, s)));
}

fut_status fut_cuda_normalize_rows_backward(fut_backend *bk, int64_t n, int64_t d, fut_dtype real, const int64_t *row, const void *h,
                                            const void *norm, const void *dh, void *de, fut_stream *s)
{
    FUT_TRY(fut_cuda_check_dtype("normalize_rows_backward", FUT_F32, real));
    return FUT_CUDA(fut_cuda_launch_normalize_rows_backward(n, d, row, h, norm, dh, de, fut_cuda_stream(bk, s)));
}

fut_status fut_cuda_scatter_rows(fut_backend *bk, int64_t n, int64_t d, fut_dtype real, const int64_t *row, const void *src, void *dst,
                                 fut_stream *s)
{
    FUT_TRY(fut_cuda_check_dtype("scatter_rows", FUT_F32, real));
    return FUT_CUDA(fut_cuda_launch_scatter_rows(n, d, row, src, dst, fut_cuda_stream(bk, s)));
}

fut_status fut_cuda_gather_rows(fut_backend *bk, int64_t n, int64_t d, fut_dtype real, const int64_t *row, const void *src, void *dst,
                                fut_stream *s)
{
    FUT_TRY(fut_cuda_check_dtype("gather_rows", FUT_F32, real));
    return FUT_CUDA(fut_cuda_launch_gather_rows(n, d, row, src, dst, fut_cuda_stream(bk, s)));
}

fut_status fut_cuda_add_rows(fut_backend *bk, int64_t n, int64_t d, fut_dtype real, const int64_t *row, const void *src, void *dst,
                             fut_stream *s)
{
    FUT_TRY(fut_cuda_check_dtype("add_rows", FUT_F32, real));
    return FUT_CUDA(fut_cuda_launch_add_rows(n, d, row, src, dst, fut_cuda_stream(bk, s)));
}

fut_status fut_cuda_remember_rows(fut_backend *bk, int64_t n, fut_dtype real, const fut_row_memory *memory, const void *e,
                                  const int64_t *label, const int64_t *image, fut_stream *s)
{
    FUT_TRY(fut_cuda_check_dtype("remember_rows", FUT_F32, real));
    return FUT_CUDA(fut_cuda_launch_remember_rows(n, memory, e, label, image, fut_cuda_stream(bk, s)));
}

fut_status fut_cuda_similarity_rows(fut_backend *bk, const fut_pair_rows *rows, fut_dtype real, const void *h, const void *r, void *sim,
                                    fut_stream *s)
{
    FUT_TRY(fut_cuda_check_dtype("similarity_rows", FUT_F32, real));
    return FUT_CUDA(fut_cuda_launch_similarity_rows(rows, h, r, sim, fut_cuda_stream(bk, s)));
}

fut_status fut_cuda_rows_times(fut_backend *bk, const fut_pair_rows *rows, fut_dtype real, double scale, const void *g, const void *r,
                               void *dh, fut_stream *s)
{
    FUT_TRY(fut_cuda_check_dtype("rows_times", FUT_F32, real));
    return FUT_CUDA(fut_cuda_launch_rows_times(rows, (float)scale, g, r, dh, fut_cuda_stream(bk, s)));
}

fut_status fut_cuda_rows_times_transposed(fut_backend *bk, const fut_pair_rows *rows, fut_dtype real, const void *g, const void *h_rows,
                                          void *dr, fut_stream *s)
{
    FUT_TRY(fut_cuda_check_dtype("rows_times_transposed", FUT_F32, real));
    return FUT_CUDA(fut_cuda_launch_rows_times_transposed(rows, g, h_rows, dr, fut_cuda_stream(bk, s)));
}

fut_status fut_cuda_add_transposed(fut_backend *bk, int64_t n, fut_dtype real, void *g, fut_stream *s)
{
    FUT_TRY(fut_cuda_check_dtype("add_transposed", FUT_F32, real));
    return FUT_CUDA(fut_cuda_launch_add_transposed(n, g, fut_cuda_stream(bk, s)));
}
