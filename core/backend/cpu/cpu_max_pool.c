/* Max pool: planes dealt to threads. saved: one byte an output, which pixel of its window it took. */
#include "core/backend/cpu/cpu_impl.h"

#include "core/base/mem.h"

typedef struct cpu_max_pool {
    fut_op op;
    const fut_cpu *cpu;
    fut_simd_pool pool;
    fut_cpu_layout x, y;
} cpu_max_pool;

/* The codes of plane i: a byte for every lane of every output. */
static uint8_t *code_of(const cpu_max_pool *pool, void *saved, int64_t i)
{
    return (uint8_t *)saved + i * pool->y.pixels * pool->y.lanes;
}

static fut_status max_pool_forward(fut_op *op, const fut_op_args *args)
{
    const cpu_max_pool *pool = (const cpu_max_pool *)op;
#pragma omp parallel for num_threads(pool->cpu->threads) schedule(static)
    for (int64_t i = 0; i < pool->x.planes; i++)
        pool->cpu->simd->plane_max_pool(&pool->pool, fut_cpu_plane(args->x, &pool->x, i), fut_cpu_plane_out(args->y, &pool->y, i),
                                        code_of(pool, args->saved, i));
    return FUT_OK;
}

static fut_status max_pool_backward(fut_op *op, const fut_op_args *args)
{
    const cpu_max_pool *pool = (const cpu_max_pool *)op;
#pragma omp parallel for num_threads(pool->cpu->threads) schedule(static)
    for (int64_t i = 0; i < pool->x.planes; i++)
        pool->cpu->simd->plane_max_pool_grad(&pool->pool, code_of(pool, args->saved, i), fut_cpu_plane(args->dy, &pool->y, i),
                                             fut_cpu_plane_out(args->dx, &pool->x, i));
    return FUT_OK;
}

static const fut_op_ops max_pool_ops = {.forward = max_pool_forward, .backward_data = max_pool_backward, .destroy = fut_cpu_op_free};

enum { KERNEL_MAX = 15 }; /* a place in a window is one byte */

fut_status fut_cpu_max_pool(fut_backend *bk, const fut_max_pool_desc *desc, fut_op **op_out)
{
    const fut_max_pool_desc *d = desc;
    cpu_max_pool *pool = NULL;
    fut_cpu_layout x, y;
    FUT_TRY(fut_cpu_check_dtype(bk, "max_pool", d->dtype, FUT_F32));
    FUT_TRY(fut_cpu_layout_of(bk, "max_pool", d->x, d->dtype, &x));
    FUT_CHECK(d->kernel > 0 && d->kernel <= KERNEL_MAX && d->stride > 0, FUT_ERR_UNSUPPORTED,
              "cpu backend, max_pool: windows of %lld every %lld, it has 1 to %d and a positive stride", (long long)d->kernel,
              (long long)d->stride, KERNEL_MAX);
    FUT_CHECK(d->pad >= 0 && 2 * d->pad <= d->kernel, FUT_ERR_SHAPE, "max_pool: padding %lld, at most half the kernel of %lld",
              (long long)d->pad, (long long)d->kernel);
    FUT_CHECK(d->x.h + 2 * d->pad >= d->kernel && d->x.w + 2 * d->pad >= d->kernel, FUT_ERR_SHAPE,
              "max_pool: a window of %lld does not fit %lld x %lld with padding %lld", (long long)d->kernel, (long long)d->x.h,
              (long long)d->x.w, (long long)d->pad);
    fut_simd_pool shape = {
        .h = d->x.h,
        .w = d->x.w,
        .out_h = (d->x.h + 2 * d->pad - d->kernel) / d->stride + 1,
        .out_w = (d->x.w + 2 * d->pad - d->kernel) / d->stride + 1,
        .kernel = d->kernel,
        .stride = d->stride,
        .pad = d->pad,
        .bf16 = d->dtype == FUT_BF16,
    };
    FUT_TRY(fut_cpu_layout_of(bk, "max_pool", (fut_shape4){d->x.n, d->x.c, shape.out_h, shape.out_w}, d->dtype, &y));
    FUT_TRY(FUT_NEW(&pool));
    *pool = (cpu_max_pool){
        .op = {.ops = &max_pool_ops, .saved_bytes = (size_t)(y.planes * y.pixels * y.lanes), .impl = fut_cpu_of(bk)->simd->isa},
        .cpu = fut_cpu_of(bk),
        .pool = shape,
        .x = x,
        .y = y,
    };
    *op_out = &pool->op;
    return FUT_OK;
}
