/* Max pool (torch.nn.MaxPool2d): the largest of each window; of equal values the first in row-major order, of a NaN the last; padding never
 * wins.
 *
 * saved: [n, c, out_h, out_w] int32, where in its plane of x each output came from. */
#include "core/backend/ref/ref_impl.h"
#include "core/base/mem.h"

#include <math.h>

typedef struct ref_max_pool {
    fut_op op;
    fut_max_pool_desc desc;
    int64_t out_h, out_w;
} ref_max_pool;

#define REF_BODY "core/backend/ref/ref_max_pool.inc"
#include "core/backend/ref/ref_twice.inc"

static const fut_op_ops ops_f32 = {.forward = max_pool_forward_f32, .backward_data = max_pool_backward_f32, .destroy = fut_ref_op_free};
static const fut_op_ops ops_f64 = {.forward = max_pool_forward_f64, .backward_data = max_pool_backward_f64, .destroy = fut_ref_op_free};

fut_status fut_ref_max_pool(fut_backend *bk, const fut_max_pool_desc *desc, fut_op **op_out)
{
    (void)bk;
    const fut_max_pool_desc *d = desc;
    FUT_TRY(fut_ref_check_dtype("max_pool", d->dtype, d->dtype));
    FUT_CHECK(fut_ref_count(d->x) > 0 && d->kernel > 0 && d->stride > 0, FUT_ERR_SHAPE, "max_pool: sizes must be positive");
    FUT_CHECK(d->pad >= 0 && 2 * d->pad <= d->kernel, FUT_ERR_SHAPE, "max_pool: padding %lld, at most half the kernel of %lld",
              (long long)d->pad, (long long)d->kernel);
    FUT_CHECK(d->x.h + 2 * d->pad >= d->kernel && d->x.w + 2 * d->pad >= d->kernel, FUT_ERR_SHAPE,
              "max_pool: a window of %lld does not fit %lld x %lld with padding %lld", (long long)d->kernel, (long long)d->x.h,
              (long long)d->x.w, (long long)d->pad);
    ref_max_pool *pool = NULL;
    FUT_TRY(FUT_NEW(&pool));
    *pool = (ref_max_pool){
        .op = {.ops = d->dtype == FUT_F32 ? &ops_f32 : &ops_f64, .impl = "ref:max_pool"},
        .desc = *d,
        .out_h = (d->x.h + 2 * d->pad - d->kernel) / d->stride + 1,
        .out_w = (d->x.w + 2 * d->pad - d->kernel) / d->stride + 1,
    };
    pool->op.saved_bytes = (size_t)(d->x.n * d->x.c * pool->out_h * pool->out_w) * sizeof(int32_t);
    *op_out = &pool->op;
    return FUT_OK;
}
