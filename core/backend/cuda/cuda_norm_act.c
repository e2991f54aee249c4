/* Batch norm, activation and residual. Each way is a pass that sums, a small kernel that joins the slabs' sums, and a pass that writes:
 *
 *     forward    reads x, then x (and r), writes y
 *     backward   reads x, dy (and r where it is inside), then the same again, writes dx (and dr)
 *
 * z is computed again from x in backward. saved: mean, what its rounding left, inv, [channels] f32 each. */
#include "core/backend/cuda/cuda_impl.h"
#include "core/backend/cuda/cuda_slabs.h"

#include "core/base/mem.h"

typedef struct cuda_norm_act {
    fut_op op;
    fut_backend *bk;
    fut_norm_act_desc desc;
    fut_cuda_slabs slabs;
} cuda_norm_act;

static fut_cuda_norm norm_of(const cuda_norm_act *norm, const fut_op_args *args)
{
    return (fut_cuda_norm){
        .gamma = args->param[0],
        .beta = args->param[1],
        .slope = args->param[2],
        .count = norm->slabs.rows,
        .eps = norm->desc.eps,
        .act = norm->desc.act,
        .residual_after = norm->desc.residual_after,
    };
}

typedef struct norm_saved {
    float *mean, *low, *inv;
} norm_saved;

static norm_saved cut_saved(const cuda_norm_act *norm, void *saved)
{
    float *mean = saved, *low = mean + norm->slabs.channels;
    return (norm_saved){.mean = mean, .low = low, .inv = low + norm->slabs.channels};
}

/* With the statistics that forward saved. */
static fut_cuda_norm batch_of(const cuda_norm_act *norm, const fut_op_args *args)
{
    norm_saved saved = cut_saved(norm, args->saved);
    fut_cuda_norm batch = norm_of(norm, args);
    batch.mean = saved.mean;
    batch.mean_low = saved.low;
    batch.inv = saved.inv;
    return batch;
}

static const void *residual_of(const cuda_norm_act *norm, const fut_op_args *args)
{
    return norm->desc.residual ? args->residual : NULL;
}

static fut_status apply(const cuda_norm_act *norm, const fut_op_args *args, cudaStream_t stream)
{
    fut_cuda_norm batch = batch_of(norm, args);
    return FUT_CUDA(fut_cuda_launch_norm_apply(&norm->slabs, norm->desc.dtype, &batch, args->x, residual_of(norm, args), args->y, stream));
}

static fut_status norm_act_forward(fut_op *op, const fut_op_args *args)
{
    const cuda_norm_act *norm = (const cuda_norm_act *)op;
    const fut_cuda_slabs *slabs = &norm->slabs;
    cudaStream_t stream = fut_cuda_stream(norm->bk, args->stream);
    norm_saved saved = cut_saved(norm, args->saved);
    FUT_CHECK(slabs->rows > 1, FUT_ERR_SHAPE,
              "batch norm over a single value a channel has no variance; train on at least two images a shard");
    FUT_CUDA_TRY(fut_cuda_launch_norm_stats(slabs, norm->desc.dtype, args->x, args->scratch, stream));
    FUT_CUDA_TRY(fut_cuda_launch_norm_stats_join(slabs, norm->desc.eps, args->scratch, saved.mean, saved.low, saved.inv, args->batch[0],
                                                 args->batch[1], stream));
    return apply(norm, args, stream);
}

static fut_status norm_act_forward_sums(fut_op *op, const fut_op_args *args)
{
    const cuda_norm_act *norm = (const cuda_norm_act *)op;
    cudaStream_t stream = fut_cuda_stream(norm->bk, args->stream);
    FUT_CUDA_TRY(fut_cuda_launch_norm_stats(&norm->slabs, norm->desc.dtype, args->x, args->scratch, stream));
    return FUT_CUDA(fut_cuda_launch_norm_stats_sums(&norm->slabs, args->scratch, args->sums, stream));
}

/* Values a channel of all shards. */
static int64_t count_of_all(const cuda_norm_act *norm, const fut_op_args *args)
{
    return args->images * norm->desc.x.h * norm->desc.x.w;
}

static fut_status norm_act_forward_joined(fut_op *op, const fut_op_args *args)
{
    const cuda_norm_act *norm = (const cuda_norm_act *)op;
    cudaStream_t stream = fut_cuda_stream(norm->bk, args->stream);
    norm_saved saved = cut_saved(norm, args->saved);
    FUT_CUDA_TRY(fut_cuda_launch_norm_stats_take(norm->slabs.channels, count_of_all(norm, args), norm->desc.eps, args->sums, saved.mean,
                                                 saved.low, saved.inv, args->batch[0], args->batch[1], stream));
    return apply(norm, args, stream);
}

static fut_status norm_act_forward_eval(fut_op *op, const fut_op_args *args)
{
    const cuda_norm_act *norm = (const cuda_norm_act *)op;
    fut_cuda_norm running = norm_of(norm, args);
    running.mean = args->running[0];
    running.variance = args->running[1];
    return FUT_CUDA(fut_cuda_launch_norm_apply(&norm->slabs, norm->desc.dtype, &running, args->x, residual_of(norm, args), args->y,
                                               fut_cuda_stream(norm->bk, args->stream)));
}

/* The residual that z is made of. Without an activation the derivative does not ask for z. */
static const void *residual_inside(const cuda_norm_act *norm, const fut_op_args *args)
{
    return norm->desc.residual && !norm->desc.residual_after && norm->desc.act != FUT_ACT_NONE ? args->residual : NULL;
}

/* dparam of this batch; sums: dbeta and dgamma once more, in f64, or NULL. */
static fut_status sum_gradients(const cuda_norm_act *norm, const fut_op_args *args, double *sums, cudaStream_t stream)
{
    fut_cuda_norm batch = batch_of(norm, args);
    FUT_CUDA_TRY(fut_cuda_launch_norm_sums(&norm->slabs, norm->desc.dtype, &batch, args->x, residual_inside(norm, args), args->dy,
                                           args->scratch, stream));
    return FUT_CUDA(fut_cuda_launch_norm_sums_join(&norm->slabs, &batch, args->scratch, args->dparam[0], args->dparam[1], args->dparam[2],
                                                   sums, stream));
}

static fut_status norm_act_backward(fut_op *op, const fut_op_args *args)
{
    const cuda_norm_act *norm = (const cuda_norm_act *)op;
    cudaStream_t stream = fut_cuda_stream(norm->bk, args->stream);
    fut_cuda_norm batch = batch_of(norm, args);
    FUT_TRY(sum_gradients(norm, args, NULL, stream));
    return FUT_CUDA(fut_cuda_launch_norm_grad(&norm->slabs, norm->desc.dtype, &batch, args->dparam[0], args->dparam[1], args->x,
                                              residual_inside(norm, args), args->dy, args->dx, args->dresidual, stream));
}

static fut_status norm_act_backward_sums(fut_op *op, const fut_op_args *args)
{
    const cuda_norm_act *norm = (const cuda_norm_act *)op;
    return sum_gradients(norm, args, args->sums, fut_cuda_stream(norm->bk, args->stream));
}

static fut_status norm_act_backward_joined(fut_op *op, const fut_op_args *args)
{
    const cuda_norm_act *norm = (const cuda_norm_act *)op;
    cudaStream_t stream = fut_cuda_stream(norm->bk, args->stream);
    fut_cuda_norm batch = batch_of(norm, args);
    float *dbeta = args->scratch, *dgamma = dbeta + norm->slabs.channels;
    batch.count = count_of_all(norm, args);
    FUT_CUDA_TRY(fut_cuda_launch_round(FUT_NORM_GRADIENT_SUMS * norm->slabs.channels, args->sums, dbeta, stream));
    return FUT_CUDA(fut_cuda_launch_norm_grad(&norm->slabs, norm->desc.dtype, &batch, dgamma, dbeta, args->x, residual_inside(norm, args),
                                              args->dy, args->dx, args->dresidual, stream));
}

static const fut_op_ops norm_act_ops = {
    .forward = norm_act_forward,
    .forward_eval = norm_act_forward_eval,
    .backward_data = norm_act_backward,
    .forward_sums = norm_act_forward_sums,
    .forward_joined = norm_act_forward_joined,
    .backward_sums = norm_act_backward_sums,
    .backward_joined = norm_act_backward_joined,
    .destroy = fut_cuda_op_free,
};

fut_status fut_cuda_norm_act(fut_backend *bk, const fut_norm_act_desc *desc, fut_op **op_out)
{
    cuda_norm_act *norm = NULL;
    FUT_TRY(fut_cuda_check_dtype("norm_act", desc->dtype, desc->real));
    FUT_TRY(fut_cuda_check_shape("norm_act", desc->x));
    FUT_CHECK(desc->eps > 0, FUT_ERR_SHAPE, "norm_act: eps is %g, must be positive", desc->eps);
    FUT_TRY(FUT_NEW(&norm));
    *norm = (cuda_norm_act){
        .op = {.ops = &norm_act_ops, .saved_bytes = 3 * (size_t)desc->x.c * sizeof(float), .impl = "cuda:norm_act"},
        .bk = bk,
        .desc = *desc,
        .slabs = fut_cuda_slabs_of(1, desc->x.n * desc->x.h * desc->x.w, desc->x.c),
    };
    norm->op.scratch_bytes = (size_t)(FUT_CUDA_NORM_SUMS * fut_cuda_slabs_floats(&norm->slabs)) * sizeof(float);
    *op_out = &norm->op;
    return FUT_OK;
}
