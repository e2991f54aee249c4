/* Global mean pool: activation x [n, c, h, w] -> plain y [n, c], and back. */
#include "core/backend/cpu/cpu_impl.h"

#include "core/base/mem.h"

#include <string.h>

enum { MAX_LANES = 16 };

typedef struct cpu_pool {
    fut_op op;
    const fut_cpu *cpu;
    fut_shape4 x;
    fut_cpu_layout layout;
} cpu_pool;

/* Plane i's place in the plain array, and how many of its lanes are channels. */
static int64_t plain_at(const cpu_pool *pool, int64_t i, size_t *bytes_out)
{
    int64_t channel = i % pool->layout.blocks * pool->layout.lanes, rest = pool->x.c - channel;
    *bytes_out = (size_t)(rest < pool->layout.lanes ? rest : pool->layout.lanes) * sizeof(float);
    return i / pool->layout.blocks * pool->x.c + channel;
}

static fut_status pool_forward(fut_op *op, const fut_op_args *args)
{
    const cpu_pool *pool = (const cpu_pool *)op;
    const fut_cpu_layout *layout = &pool->layout;
#pragma omp parallel for num_threads(pool->cpu->threads) schedule(static)
    for (int64_t i = 0; i < layout->planes; i++) {
        float mean[MAX_LANES];
        size_t bytes;
        int64_t at = plain_at(pool, i, &bytes);
        pool->cpu->simd->plane_mean(fut_cpu_plane(args->x, layout, i), layout->pixels, layout->bf16, mean);
        memcpy((float *)args->y + at, mean, bytes);
    }
    return FUT_OK;
}

static fut_status pool_backward(fut_op *op, const fut_op_args *args)
{
    const cpu_pool *pool = (const cpu_pool *)op;
    const fut_cpu_layout *layout = &pool->layout;
#pragma omp parallel for num_threads(pool->cpu->threads) schedule(static)
    for (int64_t i = 0; i < layout->planes; i++) {
        float share[MAX_LANES] = {0};
        size_t bytes;
        int64_t at = plain_at(pool, i, &bytes);
        memcpy(share, (const float *)args->dy + at, bytes);
        for (int l = 0; l < MAX_LANES; l++)
            share[l] /= (float)layout->pixels;
        pool->cpu->simd->plane_affine(NULL, layout->pixels, layout->bf16, NULL, share, fut_cpu_plane_out(args->dx, layout, i));
    }
    return FUT_OK;
}

static const fut_op_ops pool_ops = {.forward = pool_forward, .backward_data = pool_backward, .destroy = fut_cpu_op_free};

fut_status fut_cpu_global_pool(fut_backend *bk, fut_shape4 x, fut_dtype dtype, fut_dtype real, fut_op **op_out)
{
    fut_cpu_layout layout;
    cpu_pool *pool = NULL;
    FUT_TRY(fut_cpu_check_dtype(bk, "global_pool", dtype, real));
    FUT_TRY(fut_cpu_layout_of(bk, "global_pool", x, dtype, &layout));
    FUT_TRY(FUT_NEW(&pool));
    *pool = (cpu_pool){.op = {.ops = &pool_ops, .impl = fut_cpu_of(bk)->simd->isa}, .cpu = fut_cpu_of(bk), .x = x, .layout = layout};
    *op_out = &pool->op;
    return FUT_OK;
}
