/* Global mean pool: activation x [n, c, h, w] -> plain y [n, c]. */
#include "core/backend/ref/ref_impl.h"
#include "core/base/mem.h"

typedef struct ref_pool {
    fut_op op;
    fut_shape4 x;
} ref_pool;

#define REF_BODY "core/backend/ref/ref_global_pool.inc"
#include "core/backend/ref/ref_twice.inc"

static const fut_op_ops ops_f32 = {.forward = pool_forward_f32, .backward_data = pool_backward_f32, .destroy = fut_ref_op_free};
static const fut_op_ops ops_f64 = {.forward = pool_forward_f64, .backward_data = pool_backward_f64, .destroy = fut_ref_op_free};

fut_status fut_ref_global_pool(fut_backend *bk, fut_shape4 x, fut_dtype dtype, fut_dtype real, fut_op **op_out)
{
    (void)bk;
    FUT_TRY(fut_ref_check_dtype("global_pool", dtype, real));
    FUT_CHECK(fut_ref_count(x) > 0, FUT_ERR_SHAPE, "global_pool: sizes must be positive");
    ref_pool *pool = NULL;
    FUT_TRY(FUT_NEW(&pool));
    *pool = (ref_pool){.op = {.ops = real == FUT_F32 ? &ops_f32 : &ops_f64, .impl = "ref:global_pool"}, .x = x};
    *op_out = &pool->op;
    return FUT_OK;
}
