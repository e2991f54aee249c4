/* Immediate kernels on activations: images in, import and export of plain NCHW, addition. */
#include "core/backend/cuda/cuda_impl.h"
#include "core/backend/cuda/kernels/kernels_act.h"

fut_status fut_cuda_images(fut_backend *bk, fut_shape4 shape, fut_dtype dtype, const uint8_t *rgb, const double mean[3],
                           const double std[3], void *act, fut_stream *s)
{
    fut_cuda_normalize normalize;
    FUT_TRY(fut_cuda_check_dtype("images", dtype, FUT_F32));
    FUT_TRY(fut_cuda_check_shape("images", shape));
    FUT_CHECK(shape.c == 3, FUT_ERR_SHAPE, "images: %lld channels, must be 3", (long long)shape.c);
    for (int c = 0; c < 3; c++) {
        normalize.factor[c] = (float)(1 / (255 * std[c]));
        normalize.term[c] = (float)(-mean[c] / std[c]);
    }
    return FUT_CUDA(fut_cuda_launch_images(fut_cuda_count(shape), dtype, &normalize, rgb, act, fut_cuda_stream(bk, s)));
}

fut_status fut_cuda_act_import(fut_backend *bk, fut_shape4 shape, fut_dtype dtype, fut_dtype real, const void *plain, void *act,
                               fut_stream *s)
{
    FUT_TRY(fut_cuda_check_dtype("act_import", dtype, real));
    FUT_TRY(fut_cuda_check_shape("act_import", shape));
    return FUT_CUDA(fut_cuda_launch_act_import(shape, dtype, plain, act, fut_cuda_stream(bk, s)));
}

fut_status fut_cuda_act_export(fut_backend *bk, fut_shape4 shape, fut_dtype dtype, fut_dtype real, const void *act, void *plain,
                               fut_stream *s)
{
    FUT_TRY(fut_cuda_check_dtype("act_export", dtype, real));
    FUT_TRY(fut_cuda_check_shape("act_export", shape));
    return FUT_CUDA(fut_cuda_launch_act_export(shape, dtype, act, plain, fut_cuda_stream(bk, s)));
}

fut_status fut_cuda_act_add(fut_backend *bk, fut_shape4 shape, fut_dtype dtype, const void *x, void *y, fut_stream *s)
{
    FUT_TRY(fut_cuda_check_dtype("act_add", dtype, FUT_F32));
    FUT_TRY(fut_cuda_check_shape("act_add", shape));
    return FUT_CUDA(fut_cuda_launch_act_add(fut_cuda_count(shape), dtype, x, y, fut_cuda_stream(bk, s)));
}
