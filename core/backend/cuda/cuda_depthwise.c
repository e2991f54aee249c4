/* Depthwise convolution by kernels of this project. Filters lie [kh, kw, c] and stay f32: they are small, and read once a tile. */
#include "core/backend/cuda/cuda_conv.h"
#include "core/backend/cuda/kernels/kernels_conv.h"

#include "core/base/mem.h"

#include <limits.h>

typedef struct cuda_depthwise {
    fut_op op;
    fut_backend *bk;
    fut_dtype dtype;
    fut_cuda_depthwise shape;
    void *filter; /* [kh, kw, c] f32 */
} cuda_depthwise;

static fut_status depthwise_prepare(fut_op *op, const fut_op_args *args)
{
    const cuda_depthwise *conv = (const cuda_depthwise *)op;
    const fut_cuda_depthwise *s = &conv->shape;
    return FUT_CUDA(fut_cuda_launch_transpose(1, s->c, s->kh * s->kw, FUT_F32, args->param[0], FUT_F32, conv->filter,
                                              fut_cuda_stream(conv->bk, args->stream)));
}

static fut_status depthwise_forward(fut_op *op, const fut_op_args *args)
{
    const cuda_depthwise *conv = (const cuda_depthwise *)op;
    return FUT_CUDA(
        fut_cuda_launch_depthwise(&conv->shape, conv->dtype, args->x, conv->filter, args->y, fut_cuda_stream(conv->bk, args->stream)));
}

static fut_status depthwise_backward_data(fut_op *op, const fut_op_args *args)
{
    const cuda_depthwise *conv = (const cuda_depthwise *)op;
    return FUT_CUDA(fut_cuda_launch_depthwise_data(&conv->shape, conv->dtype, args->dy, conv->filter, args->dx,
                                                   fut_cuda_stream(conv->bk, args->stream)));
}

static fut_status depthwise_backward_params(fut_op *op, const fut_op_args *args)
{
    const cuda_depthwise *conv = (const cuda_depthwise *)op;
    return FUT_CUDA(fut_cuda_launch_depthwise_filter(&conv->shape, conv->dtype, args->x, args->dy, args->scratch, args->dparam[0],
                                                     fut_cuda_stream(conv->bk, args->stream)));
}

static void depthwise_destroy(fut_op *op)
{
    cuda_depthwise *conv = (cuda_depthwise *)op;
    fut_cuda_free(conv->bk, conv->filter);
    fut_mem_free(conv);
}

static const fut_op_ops depthwise_ops = {
    .prepare = depthwise_prepare,
    .forward = depthwise_forward,
    .backward_data = depthwise_backward_data,
    .backward_params = depthwise_backward_params,
    .destroy = depthwise_destroy,
};

fut_status fut_cuda_depthwise_conv(fut_backend *bk, const fut_conv_desc *d, fut_op **op_out)
{
    fut_status st = FUT_OK;
    cuda_depthwise *conv = NULL;
    fut_shape4 y = fut_cuda_conv_out(d);
    FUT_CHECK((d->x.h + d->pad_top + d->pad_bottom) * d->x.n <= INT_MAX && (d->x.w + d->pad_left + d->pad_right) * d->x.c <= INT_MAX,
              FUT_ERR_UNSUPPORTED, "cuda backend, depthwise conv: an input of %lldx%lldx%lldx%lld is too large", (long long)d->x.n,
              (long long)d->x.c, (long long)d->x.h, (long long)d->x.w);
    FUT_TRY(FUT_NEW(&conv));
    *conv = (cuda_depthwise){
        .op = {.ops = &depthwise_ops, .impl = "cuda:depthwise"},
        .bk = bk,
        .dtype = d->dtype,
        .shape = {.n = (int)d->x.n,
                  .c = (int)d->x.c,
                  .h = (int)d->x.h,
                  .w = (int)d->x.w,
                  .out_h = (int)y.h,
                  .out_w = (int)y.w,
                  .kh = (int)d->kh,
                  .kw = (int)d->kw,
                  .stride = (int)d->stride,
                  .top = (int)d->pad_top,
                  .left = (int)d->pad_left},
    };
    conv->op.scratch_bytes = (size_t)fut_cuda_depthwise_partials(&conv->shape) * sizeof(float);
    FUT_TRY_GOTO(fut_cuda_alloc(bk, (size_t)(d->x.c * d->kh * d->kw) * sizeof(float), &conv->filter), out);
    *op_out = &conv->op;
    conv = NULL;
out:
    if (conv) depthwise_destroy(&conv->op);
    return st;
}
