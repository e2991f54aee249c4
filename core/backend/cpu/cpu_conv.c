/* Convolution: three oneDNN passes, with weights kept in the layouts they like. */
#include "core/backend/cpu/cpu_impl.h"

#include "core/base/mem.h"

#include <stdio.h>

typedef struct cpu_conv {
    fut_op op;
    const fut_cpu *cpu;
    fut_cpu_conv_pass forward, backward_data,
        backward_weights; /* backward_data has no part if dx is not needed, and in inference neither has one */
    bool own_gradient;    /* then backward_weights has none, and this computes it: */
    fut_cpu_depthwise depthwise;
    void *forward_weights, *backward_data_weights; /* in kernel layout; NULL where the pass reads OIHW */
    bool shared_weights;                           /* both are one copy, owned as forward_weights */
    size_t gradient_at;                            /* of the blocked weight gradient, in scratch */
    char impl[128];
} cpu_conv;

static fut_status conv_prepare(fut_op *op, const fut_op_args *args)
{
    cpu_conv *conv = (cpu_conv *)op;
    if (conv->forward_weights) FUT_TRY(fut_dnnl_conv_copy_weights(conv->forward.part, args->param[0], conv->forward_weights));
    if (conv->backward_data_weights && !conv->shared_weights)
        FUT_TRY(fut_dnnl_conv_copy_weights(conv->backward_data.part, args->param[0], conv->backward_data_weights));
    return FUT_OK;
}

static fut_status conv_forward(fut_op *op, const fut_op_args *args)
{
    cpu_conv *conv = (cpu_conv *)op;
    const void *weights = conv->forward_weights ? conv->forward_weights : args->param[0];
    return fut_cpu_conv_pass_run(&conv->forward, args->x, weights, NULL, args->y, args->scratch);
}

static fut_status conv_backward_data(fut_op *op, const fut_op_args *args)
{
    cpu_conv *conv = (cpu_conv *)op;
    const void *weights = conv->backward_data_weights ? conv->backward_data_weights : args->param[0];
    FUT_CHECK(conv->backward_data.part, FUT_ERR_INTERNAL, "conv: dx asked of a convolution planned without it");
    return fut_cpu_conv_pass_run(&conv->backward_data, args->dx, weights, NULL, args->dy, args->scratch);
}

static fut_status conv_backward_params(fut_op *op, const fut_op_args *args)
{
    cpu_conv *conv = (cpu_conv *)op;
    if (conv->own_gradient) {
        fut_cpu_depthwise_run(conv->cpu, &conv->depthwise, args->x, args->dy, args->dparam[0], args->scratch);
        return FUT_OK;
    }
    if (fut_dnnl_conv_weights_plain(conv->backward_weights.part))
        return fut_cpu_conv_pass_run(&conv->backward_weights, args->x, args->dparam[0], NULL, args->dy, args->scratch);
    void *blocked = (char *)args->scratch + conv->gradient_at;
    FUT_TRY(fut_cpu_conv_pass_run(&conv->backward_weights, args->x, blocked, NULL, args->dy, args->scratch));
    return fut_dnnl_conv_copy_weights(conv->backward_weights.part, blocked, args->dparam[0]);
}

static void conv_destroy(fut_op *op)
{
    cpu_conv *conv = (cpu_conv *)op;
    if (!conv->shared_weights) fut_mem_free(conv->backward_data_weights);
    fut_mem_free(conv->forward_weights);
    fut_cpu_conv_pass_destroy(&conv->forward);
    fut_cpu_conv_pass_destroy(&conv->backward_data);
    fut_cpu_conv_pass_destroy(&conv->backward_weights);
    fut_mem_free(conv);
}

static const fut_op_ops conv_ops = {
    .prepare = conv_prepare,
    .forward = conv_forward,
    .backward_data = conv_backward_data,
    .backward_params = conv_backward_params,
    .destroy = conv_destroy,
};

static fut_status alloc_weights(cpu_conv *conv, const fut_dnnl_conv *pass, void **weights_out)
{
    if (fut_dnnl_conv_weights_plain(pass)) return FUT_OK;
    conv->op.held_bytes += fut_dnnl_conv_weight_bytes(pass);
    return fut_mem_alloc(fut_dnnl_conv_weight_bytes(pass), 1, weights_out);
}

static fut_status plan_weights(cpu_conv *conv)
{
    FUT_TRY(alloc_weights(conv, conv->forward.part, &conv->forward_weights));
    if (!conv->backward_data.part) return FUT_OK;
    conv->shared_weights = conv->forward_weights && fut_dnnl_conv_same_weights(conv->forward.part, conv->backward_data.part);
    if (!conv->shared_weights) return alloc_weights(conv, conv->backward_data.part, &conv->backward_data_weights);
    conv->backward_data_weights = conv->forward_weights;
    return FUT_OK;
}

/* What backward_params wants, and where in it the blocked gradient lies. */
static size_t gradient_scratch(cpu_conv *conv)
{
    if (conv->own_gradient) return fut_cpu_depthwise_scratch_bytes(&conv->depthwise);
    if (!conv->backward_weights.part) return 0;
    size_t bytes = conv->backward_weights.scratch_bytes;
    if (fut_dnnl_conv_weights_plain(conv->backward_weights.part)) return bytes;
    conv->gradient_at = fut_cpu_aligned(bytes);
    return conv->gradient_at + fut_dnnl_conv_weight_bytes(conv->backward_weights.part);
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static void plan_scratch(cpu_conv *conv)
{
    conv->op.scratch_bytes = larger(gradient_scratch(conv), conv->forward.scratch_bytes);
    conv->op.scratch_bytes = larger(conv->op.scratch_bytes, conv->backward_data.scratch_bytes);
}

static fut_status plan_gradient(fut_backend *bk, const fut_conv_desc *desc, cpu_conv *conv)
{
    if (desc->inference) return FUT_OK;
    conv->own_gradient = fut_cpu_depthwise_has(desc);
    if (conv->own_gradient) return fut_cpu_depthwise_init(bk, desc, &conv->depthwise);
    return fut_cpu_conv_pass_create(conv->cpu, FUT_DNNL_BACKWARD_WEIGHTS, desc, NULL, &conv->backward_weights);
}

static fut_status check_desc(const fut_backend *bk, const fut_conv_desc *d)
{
    FUT_TRY(fut_cpu_check_dtype(bk, "conv", d->dtype, d->real));
    return fut_conv_desc_check("cpu", d);
}

fut_status fut_cpu_conv(fut_backend *bk, const fut_conv_desc *desc, fut_op **op_out)
{
    fut_status st = FUT_OK;
    const fut_cpu *cpu = fut_cpu_of(bk);
    cpu_conv *conv = NULL;
    FUT_TRY(check_desc(bk, desc));
    FUT_TRY(FUT_NEW(&conv));
    conv->op.ops = &conv_ops;
    conv->cpu = cpu;
    FUT_TRY_GOTO(fut_cpu_conv_pass_create(cpu, FUT_DNNL_FORWARD, desc, NULL, &conv->forward), out);
    if (desc->need_dx) FUT_TRY_GOTO(fut_cpu_conv_pass_create(cpu, FUT_DNNL_BACKWARD_DATA, desc, NULL, &conv->backward_data), out);
    FUT_TRY_GOTO(plan_gradient(bk, desc, conv), out);
    FUT_TRY_GOTO(plan_weights(conv), out);
    plan_scratch(conv);
    (void)snprintf(conv->impl, sizeof conv->impl, "%s | %s | %s", fut_dnnl_conv_impl(conv->forward.part),
                   conv->backward_data.part ? fut_dnnl_conv_impl(conv->backward_data.part) : "-",
                   conv->own_gradient            ? cpu->simd->isa
                   : conv->backward_weights.part ? fut_dnnl_conv_impl(conv->backward_weights.part)
                                                 : "-");
    conv->op.impl = conv->impl;
    *op_out = &conv->op;
    conv = NULL;
out:
    if (conv) conv_destroy(&conv->op);
    return st;
}
