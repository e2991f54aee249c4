/* A convolution with its batch norm, activation and residual, for inference:
 *
 *     scale = gamma / sqrt(var + eps)    weight' = scale weight    bias = beta - scale mean    y = act(conv(x, weight') + bias (+ r)) (+ r)
 *
 * which oneDNN computes in one pass over memory. */
#include "core/backend/cpu/cpu_impl.h"

#include "core/base/mem.h"

#include <math.h>

typedef struct cpu_conv_norm {
    fut_op op;
    fut_cpu_conv_pass pass;
    double eps;
    int64_t out_c, taps; /* taps: weights of an output channel */
    float *folded;       /* [out_c, taps], OIHW */
    float *bias;         /* [out_c] */
    void *weights;       /* `folded` in kernel layout; NULL where the pass reads OIHW */
} cpu_conv_norm;

static fut_status conv_norm_prepare(fut_op *op, const fut_op_args *args)
{
    cpu_conv_norm *c = (cpu_conv_norm *)op;
    const float *weight = args->param[0], *gamma = args->param[1], *beta = args->param[2];
    const float *mean = args->running[0], *variance = args->running[1];
    for (int64_t o = 0; o < c->out_c; o++) {
        double scale = (double)gamma[o] / sqrt((double)variance[o] + c->eps);
        c->bias[o] = (float)((double)beta[o] - (double)mean[o] * scale);
        for (int64_t i = o * c->taps; i < (o + 1) * c->taps; i++)
            c->folded[i] = (float)(scale * (double)weight[i]);
    }
    return c->weights ? fut_dnnl_conv_copy_weights(c->pass.part, c->folded, c->weights) : FUT_OK;
}

static fut_status conv_norm_forward(fut_op *op, const fut_op_args *args)
{
    const cpu_conv_norm *c = (const cpu_conv_norm *)op;
    const fut_dnnl_tail_args tail = {.bias = c->bias, .slope = args->param[3], .residual = args->residual};
    return fut_cpu_conv_pass_run(&c->pass, args->x, c->weights ? c->weights : c->folded, &tail, args->y, args->scratch);
}

static void conv_norm_destroy(fut_op *op)
{
    cpu_conv_norm *c = (cpu_conv_norm *)op;
    fut_cpu_conv_pass_destroy(&c->pass);
    fut_mem_free(c->folded);
    fut_mem_free(c->bias);
    fut_mem_free(c->weights);
    fut_mem_free(c);
}

static const fut_op_ops conv_norm_ops = {
    .prepare = conv_norm_prepare,
    .forward_eval = conv_norm_forward,
    .destroy = conv_norm_destroy,
};

static fut_status alloc_weights(cpu_conv_norm *c)
{
    FUT_TRY(FUT_NEW_ARRAY(c->out_c * c->taps, &c->folded));
    FUT_TRY(FUT_NEW_ARRAY(c->out_c, &c->bias));
    return fut_dnnl_conv_weights_plain(c->pass.part) ? FUT_OK : fut_mem_alloc(fut_dnnl_conv_weight_bytes(c->pass.part), 1, &c->weights);
}

fut_status fut_cpu_conv_norm_act(fut_backend *bk, const fut_conv_desc *conv, const fut_norm_act_desc *norm, fut_op **op_out)
{
    fut_status st = FUT_OK;
    const fut_dnnl_tail tail = {.act = norm->act, .residual = norm->residual, .residual_after = norm->residual_after};
    cpu_conv_norm *c = NULL;
    *op_out = NULL;
    FUT_TRY(fut_cpu_check_dtype(bk, "conv_norm_act", conv->dtype, conv->real));
    FUT_TRY(fut_conv_desc_check("cpu", conv));
    FUT_TRY(FUT_NEW(&c));
    *c = (cpu_conv_norm){
        .op = {.ops = &conv_norm_ops},
        .eps = norm->eps,
        .out_c = conv->out_c,
        .taps = conv->x.c / conv->groups * conv->kh * conv->kw,
    };
    FUT_TRY_GOTO(fut_cpu_conv_pass_create(fut_cpu_of(bk), FUT_DNNL_FORWARD, conv, &tail, &c->pass), out);
    if (!c->pass.part) goto out;
    FUT_TRY_GOTO(alloc_weights(c), out);
    c->op.scratch_bytes = c->pass.scratch_bytes;
    c->op.impl = fut_dnnl_conv_impl(c->pass.part);
    *op_out = &c->op;
    c = NULL;
out:
    if (c) conv_norm_destroy(&c->op);
    return st;
}
