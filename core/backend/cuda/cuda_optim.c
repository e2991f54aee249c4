/* Optimizers' passes over the parameter pack. */
#include "core/backend/cuda/cuda_impl.h"
#include "core/backend/cuda/kernels/kernels_optim.h"

fut_status fut_cuda_adam(fut_backend *bk, int64_t n, fut_dtype real, const fut_adam_args *args, const double *lr,
                         const fut_step_control *control, const fut_param_groups *groups, void *p, const void *g, void *m, void *v,
                         fut_stream *s)
{
    FUT_TRY(fut_cuda_check_dtype("adam", FUT_F32, real));
    if (n == 0) return FUT_OK;
    return FUT_CUDA(fut_cuda_launch_adam(n, args, lr, control, groups, p, g, m, v, fut_cuda_scratch(bk, s), fut_cuda_stream(bk, s)));
}

fut_status fut_cuda_sgd(fut_backend *bk, int64_t n, fut_dtype real, const fut_sgd_args *args, const double *lr,
                        const fut_step_control *control, const fut_param_groups *groups, void *p, const void *g, void *buffer,
                        fut_stream *s)
{
    FUT_TRY(fut_cuda_check_dtype("sgd", FUT_F32, real));
    if (n == 0) return FUT_OK;
    return FUT_CUDA(fut_cuda_launch_sgd(n, args, lr, control, groups, p, g, buffer, fut_cuda_scratch(bk, s), fut_cuda_stream(bk, s)));
}

fut_status fut_cuda_schedule_free(fut_backend *bk, int64_t n, fut_dtype real, const fut_schedule_free_args *args, const double *lr,
                                  fut_step_control *control, const fut_param_groups *groups, void *p, const void *g, void *z, void *v,
                                  fut_stream *s)
{
    FUT_TRY(fut_cuda_check_dtype("schedule_free", FUT_F32, real));
    if (n == 0) return FUT_OK;
    return FUT_CUDA(
        fut_cuda_launch_schedule_free(n, args, lr, control, groups, p, g, z, v, fut_cuda_scratch(bk, s), fut_cuda_stream(bk, s)));
}

fut_status fut_cuda_lookahead(fut_backend *bk, int64_t n, fut_dtype real, const fut_lookahead_args *args, const fut_step_control *control,
                              void *p, void *slow, fut_stream *s)
{
    FUT_TRY(fut_cuda_check_dtype("lookahead", FUT_F32, real));
    if (n == 0) return FUT_OK;
    return FUT_CUDA(fut_cuda_launch_lookahead(n, args, control, p, slow, fut_cuda_stream(bk, s)));
}

fut_status fut_cuda_center_rows(fut_backend *bk, int64_t rows, fut_dtype real, const int64_t *row, void *x, fut_stream *s)
{
    FUT_TRY(fut_cuda_check_dtype("center_rows", FUT_F32, real));
    if (rows == 0) return FUT_OK;
    return FUT_CUDA(fut_cuda_launch_center_rows(rows, row, x, fut_cuda_stream(bk, s)));
}

fut_status fut_cuda_lerp(fut_backend *bk, int64_t n, fut_dtype real, double weight, const fut_step_control *control, const void *x, void *y,
                         fut_stream *s)
{
    FUT_TRY(fut_cuda_check_dtype("lerp", FUT_F32, real));
    if (n == 0) return FUT_OK;
    return FUT_CUDA(fut_cuda_launch_lerp(n, (float)weight, control, x, y, fut_cuda_stream(bk, s)));
}
