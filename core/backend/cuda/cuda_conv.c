/* Convolution. Filters at rest are OIHW f32; the passes want KRSC in the activations' dtype, so prepare copies them, and backward_params
 * copies the gradient back. */
#include "core/backend/cuda/cuda_conv.h"
#include "core/backend/cuda/kernels/kernels_conv.h"

#include "core/base/mem.h"

#include <stdio.h>

typedef struct cuda_conv {
    fut_op op;
    fut_backend *bk;
    fut_conv_desc desc;
    fut_cuda_pass *forward, *backward_data, *backward_filter; /* backward_data NULL if dx is not needed */
    void *filter;                                             /* KRSC */
    size_t gradient_at;                                       /* of the gradient KRSC, in scratch */
    char impl[128];
} cuda_conv;

static fut_status conv_prepare(fut_op *op, const fut_op_args *args)
{
    const cuda_conv *conv = (const cuda_conv *)op;
    const fut_conv_desc *d = &conv->desc;
    return FUT_CUDA(fut_cuda_launch_transpose(d->out_c, d->x.c, d->kh * d->kw, FUT_F32, args->param[0], d->dtype, conv->filter,
                                              fut_cuda_stream(conv->bk, args->stream)));
}

/* cuDNN takes what it reads and what it writes alike. */
static void *unconst(const void *p)
{
    return (void *)p;
}

static fut_status conv_forward(fut_op *op, const fut_op_args *args)
{
    const cuda_conv *conv = (const cuda_conv *)op;
    return fut_cuda_pass_run(conv->forward, unconst(args->x), conv->filter, args->y, args->scratch, args->stream);
}

static fut_status conv_backward_data(fut_op *op, const fut_op_args *args)
{
    const cuda_conv *conv = (const cuda_conv *)op;
    FUT_CHECK(conv->backward_data, FUT_ERR_INTERNAL, "conv: dx asked of a convolution planned without it");
    return fut_cuda_pass_run(conv->backward_data, args->dx, conv->filter, unconst(args->dy), args->scratch, args->stream);
}

static fut_status conv_backward_params(fut_op *op, const fut_op_args *args)
{
    const cuda_conv *conv = (const cuda_conv *)op;
    const fut_conv_desc *d = &conv->desc;
    void *gradient = (char *)args->scratch + conv->gradient_at;
    FUT_TRY(fut_cuda_pass_run(conv->backward_filter, unconst(args->x), gradient, unconst(args->dy), args->scratch, args->stream));
    return FUT_CUDA(fut_cuda_launch_transpose(d->out_c, d->kh * d->kw, d->x.c, d->dtype, gradient, FUT_F32, args->dparam[0],
                                              fut_cuda_stream(conv->bk, args->stream)));
}

static void conv_destroy(fut_op *op)
{
    cuda_conv *conv = (cuda_conv *)op;
    fut_cuda_pass_destroy(&conv->forward);
    fut_cuda_pass_destroy(&conv->backward_data);
    fut_cuda_pass_destroy(&conv->backward_filter);
    fut_cuda_free(conv->bk, conv->filter);
    fut_mem_free(conv);
}

static const fut_op_ops conv_ops = {
    .prepare = conv_prepare,
    .forward = conv_forward,
    .backward_data = conv_backward_data,
    .backward_params = conv_backward_params,
    .destroy = conv_destroy,
};

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* Scratch: what the largest pass wants; backward filter's gradient lies behind its own. */
static void plan_scratch(cuda_conv *conv)
{
    const fut_conv_desc *d = &conv->desc;
    size_t forward = fut_cuda_pass_scratch_bytes(conv->forward), filter = fut_cuda_pass_scratch_bytes(conv->backward_filter);
    size_t data = conv->backward_data ? fut_cuda_pass_scratch_bytes(conv->backward_data) : 0;
    size_t gradient = (size_t)(d->out_c * d->x.c * d->kh * d->kw) * fut_dtype_size(d->dtype);
    conv->gradient_at = fut_cuda_aligned(filter);
    conv->op.scratch_bytes = larger(conv->gradient_at + gradient, larger(forward, data));
    char data_engine[24] = "-";
    if (conv->backward_data) (void)snprintf(data_engine, sizeof data_engine, "%lld", (long long)fut_cuda_pass_engine(conv->backward_data));
    (void)snprintf(conv->impl, sizeof conv->impl, "cudnn engines %lld | %s | %lld (workspace %.1f MB)",
                   (long long)fut_cuda_pass_engine(conv->forward), data_engine, (long long)fut_cuda_pass_engine(conv->backward_filter),
                   (double)larger(filter, larger(forward, data)) / 1e6);
    conv->op.impl = conv->impl;
}

static fut_status dense_conv(fut_backend *bk, const fut_conv_desc *desc, fut_op **op_out)
{
    fut_status st = FUT_OK;
    cuda_conv *conv = NULL;
    FUT_TRY(FUT_NEW(&conv));
    conv->op.ops = &conv_ops;
    conv->bk = bk;
    conv->desc = *desc;
    FUT_TRY_GOTO(fut_cuda_pass_create(bk, FUT_CUDNN_FORWARD, desc, &conv->forward), out);
    if (desc->need_dx) FUT_TRY_GOTO(fut_cuda_pass_create(bk, FUT_CUDNN_BACKWARD_DATA, desc, &conv->backward_data), out);
    FUT_TRY_GOTO(fut_cuda_pass_create(bk, FUT_CUDNN_BACKWARD_FILTER, desc, &conv->backward_filter), out);
    size_t filter_bytes = (size_t)(desc->out_c * desc->x.c * desc->kh * desc->kw) * fut_dtype_size(desc->dtype);
    FUT_TRY_GOTO(fut_cuda_alloc(bk, filter_bytes, &conv->filter), out);
    conv->op.held_bytes = filter_bytes;
    plan_scratch(conv);
    *op_out = &conv->op;
    conv = NULL;
out:
    if (conv) conv_destroy(&conv->op);
    return st;
}

static fut_status check_desc(const fut_conv_desc *d)
{
    FUT_TRY(fut_cuda_check_dtype("conv", d->dtype, d->real));
    FUT_TRY(fut_cuda_check_shape("conv", d->x));
    return fut_conv_desc_check("cuda", d);
}

fut_status fut_cuda_conv(fut_backend *bk, const fut_conv_desc *desc, fut_op **op_out)
{
    FUT_TRY(check_desc(desc));
    return desc->groups == 1 ? dense_conv(bk, desc, op_out) : fut_cuda_depthwise_conv(bk, desc, op_out);
}

/* Not folded: the algorithms that were measured are of convolutions alone. */
fut_status fut_cuda_conv_norm_act(fut_backend *bk, const fut_conv_desc *conv, const fut_norm_act_desc *norm, fut_op **op_out)
{
    (void)bk, (void)conv, (void)norm;
    *op_out = NULL;
    return FUT_OK;
}
