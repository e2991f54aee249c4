/* Vectors: the tree's additions, and what decides about a step. */
#include "core/backend/cuda/cuda_impl.h"
#include "core/backend/cuda/kernels/kernels_vec.h"

fut_status fut_cuda_add(fut_backend *bk, int64_t n, fut_dtype dtype, const void *x, void *y, fut_stream *s)
{
    FUT_CHECK(dtype == FUT_F32 || dtype == FUT_F64, FUT_ERR_UNSUPPORTED, "cuda backend, add: vectors of %s; it has f32 and f64",
              fut_dtype_name(dtype));
    if (n == 0) return FUT_OK;
    if (dtype == FUT_F64) return FUT_CUDA(fut_cuda_launch_add_f64(n, x, y, fut_cuda_stream(bk, s)));
    return FUT_CUDA(fut_cuda_launch_add_f32(n, x, y, fut_cuda_stream(bk, s)));
}

fut_status fut_cuda_tree_rows(fut_backend *bk, int64_t rows, int64_t n, double *in, double *out, fut_stream *s)
{
    return FUT_CUDA(fut_cuda_launch_tree_rows(rows, n, in, out, fut_cuda_stream(bk, s)));
}

fut_status fut_cuda_scale_gradient(fut_backend *bk, int64_t n, fut_dtype real, const fut_step_control *control, void *x, fut_stream *s)
{
    FUT_TRY(fut_cuda_check_dtype("scale_gradient", FUT_F32, real));
    if (n == 0) return FUT_OK;
    return FUT_CUDA(fut_cuda_launch_scale_gradient(n, control, x, fut_cuda_stream(bk, s)));
}

fut_status fut_cuda_step_check(fut_backend *bk, int64_t n, fut_dtype real, const void *g, const double *loss, int64_t loss_count,
                               fut_step_control *control, fut_stream *s)
{
    FUT_TRY(fut_cuda_check_dtype("step_check", FUT_F32, real));
    return FUT_CUDA(
        fut_cuda_launch_step_check(n, g, loss, loss ? loss_count : 0, control, fut_cuda_scratch(bk, s), fut_cuda_stream(bk, s)));
}

fut_status fut_cuda_update_stats(fut_backend *bk, int64_t n, fut_dtype real, double momentum, int64_t shards,
                                 const fut_step_control *control, const void *sum, void *running, fut_stream *s)
{
    FUT_TRY(fut_cuda_check_dtype("update_stats", FUT_F32, real));
    if (n == 0) return FUT_OK;
    return FUT_CUDA(fut_cuda_launch_update_stats(n, momentum, shards, control, sum, running, fut_cuda_stream(bk, s)));
}
