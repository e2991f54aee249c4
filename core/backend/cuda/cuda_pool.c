/* Global mean pool and max pool. Each reads its input once and writes its output once; max pool also keeps one byte an output, the place of
 * the largest input in its window, so that its backward only reads dy and these. */
#include "core/backend/cuda/cuda_impl.h"
#include "core/backend/cuda/cuda_slabs.h"

#include "core/base/mem.h"

/* ---- global_pool ---- */

typedef struct cuda_global_pool {
    fut_op op;
    fut_backend *bk;
    fut_dtype dtype;
    fut_cuda_slabs slabs;
} cuda_global_pool;

static fut_status global_pool_forward(fut_op *op, const fut_op_args *args)
{
    const cuda_global_pool *pool = (const cuda_global_pool *)op;
    const fut_cuda_slabs *slabs = &pool->slabs;
    cudaStream_t stream = fut_cuda_stream(pool->bk, args->stream);
    float scale = (float)(1 / (double)slabs->rows), *sums = slabs->slabs == 1 ? args->y : args->scratch;
    FUT_CUDA_TRY(fut_cuda_launch_row_sums(slabs, pool->dtype, scale, args->x, NULL, sums, stream));
    if (slabs->slabs == 1) return FUT_OK;
    return FUT_CUDA(fut_cuda_launch_row_sums_join(slabs, sums, args->y, stream));
}

static fut_status global_pool_backward(fut_op *op, const fut_op_args *args)
{
    const cuda_global_pool *pool = (const cuda_global_pool *)op;
    float scale = (float)(1 / (double)pool->slabs.rows);
    return FUT_CUDA(fut_cuda_launch_row_affine(&pool->slabs, pool->dtype, NULL, NULL, scale, args->dy, args->dx,
                                               fut_cuda_stream(pool->bk, args->stream)));
}

static const fut_op_ops global_pool_ops = {
    .forward = global_pool_forward,
    .backward_data = global_pool_backward,
    .destroy = fut_cuda_op_free,
};

fut_status fut_cuda_global_pool(fut_backend *bk, fut_shape4 x, fut_dtype dtype, fut_dtype real, fut_op **op_out)
{
    cuda_global_pool *pool = NULL;
    FUT_TRY(fut_cuda_check_dtype("global_pool", dtype, real));
    FUT_TRY(fut_cuda_check_shape("global_pool", x));
    FUT_TRY(FUT_NEW(&pool));
    *pool = (cuda_global_pool){
        .op = {.ops = &global_pool_ops, .impl = "cuda:global_pool"},
        .bk = bk,
        .dtype = dtype,
        .slabs = fut_cuda_slabs_of(x.n, x.h * x.w, x.c),
    };
    if (pool->slabs.slabs > 1) pool->op.scratch_bytes = (size_t)fut_cuda_slabs_floats(&pool->slabs) * sizeof(float);
    *op_out = &pool->op;
    return FUT_OK;
}

/* ---- max_pool ---- */

typedef struct cuda_max_pool {
    fut_op op;
    fut_backend *bk;
    fut_dtype dtype;
    fut_cuda_windows windows;
    fut_cuda_slabs in, out;
} cuda_max_pool;

static fut_status max_pool_saving(const cuda_max_pool *pool, const fut_op_args *args, uint8_t *at)
{
    return FUT_CUDA(
        fut_cuda_launch_max_pool(&pool->out, pool->dtype, &pool->windows, args->x, args->y, at, fut_cuda_stream(pool->bk, args->stream)));
}

static fut_status max_pool_forward(fut_op *op, const fut_op_args *args)
{
    return max_pool_saving((const cuda_max_pool *)op, args, args->saved);
}

static fut_status max_pool_forward_eval(fut_op *op, const fut_op_args *args)
{
    return max_pool_saving((const cuda_max_pool *)op, args, NULL);
}

static fut_status max_pool_backward(fut_op *op, const fut_op_args *args)
{
    const cuda_max_pool *pool = (const cuda_max_pool *)op;
    return FUT_CUDA(fut_cuda_launch_max_pool_backward(&pool->in, pool->dtype, &pool->windows, args->dy, args->saved, args->dx,
                                                      fut_cuda_stream(pool->bk, args->stream)));
}

static const fut_op_ops max_pool_ops = {
    .forward = max_pool_forward,
    .forward_eval = max_pool_forward_eval,
    .backward_data = max_pool_backward,
    .destroy = fut_cuda_op_free,
};

fut_status fut_cuda_max_pool(fut_backend *bk, const fut_max_pool_desc *desc, fut_op **op_out)
{
    cuda_max_pool *pool = NULL;
    const fut_shape4 *x = &desc->x;
    FUT_TRY(fut_cuda_check_dtype("max_pool", desc->dtype, FUT_F32));
    FUT_TRY(fut_cuda_check_shape("max_pool", desc->x));
    FUT_CHECK(desc->kernel > 0 && desc->stride > 0, FUT_ERR_SHAPE, "max_pool: sizes must be positive");
    FUT_CHECK(desc->pad >= 0 && 2 * desc->pad <= desc->kernel, FUT_ERR_SHAPE, "max_pool: padding %lld, at most half the kernel of %lld",
              (long long)desc->pad, (long long)desc->kernel);
    FUT_CHECK(x->h + 2 * desc->pad >= desc->kernel && x->w + 2 * desc->pad >= desc->kernel, FUT_ERR_SHAPE,
              "max_pool: a window of %lld does not fit %lld x %lld with padding %lld", (long long)desc->kernel, (long long)x->h,
              (long long)x->w, (long long)desc->pad);
    FUT_CHECK(desc->kernel <= FUT_CUDA_WINDOW_MAX, FUT_ERR_UNSUPPORTED, "cuda backend, max_pool: a window of %lld, at most %d",
              (long long)desc->kernel, FUT_CUDA_WINDOW_MAX);
    int64_t out_h = (x->h + 2 * desc->pad - desc->kernel) / desc->stride + 1,
            out_w = (x->w + 2 * desc->pad - desc->kernel) / desc->stride + 1;
    FUT_TRY(FUT_NEW(&pool));
    *pool = (cuda_max_pool){
        .op = {.ops = &max_pool_ops, .saved_bytes = (size_t)(x->n * out_h * out_w * x->c), .impl = "cuda:max_pool"},
        .bk = bk,
        .dtype = desc->dtype,
        .windows = {.h = (int)x->h,
                    .w = (int)x->w,
                    .out_h = (int)out_h,
                    .out_w = (int)out_w,
                    .kernel = (int)desc->kernel,
                    .stride = (int)desc->stride,
                    .pad = (int)desc->pad},
        .in = fut_cuda_slabs_of(x->n, x->h * x->w, x->c),
        .out = fut_cuda_slabs_of(x->n, out_h * out_w, x->c),
    };
    *op_out = &pool->op;
    return FUT_OK;
}
