/* Squeeze and excite (Hu et al. 2018, as timm's SqueezeExcite):
 *
 *     p = mean_hw x    a = W1 p + b1    h = act(a)    g = sigmoid(W2 h + b2)    y = x g
 *
 *     dg = sum_hw dy x    de = dg g (1 - g)    dW2 = de h^T    da = act'(a) W2^T de    dW1 = da p^T    dp = W1^T da
 *     dx = dy g + dp / hw
 *
 * saved: per image p [c], a [reduced], g [c] in double. */
#include "core/backend/ref/ref_impl.h"
#include "core/base/mem.h"

typedef struct ref_se {
    fut_op op;
    fut_se_desc desc;
} ref_se;

#define REF_BODY "core/backend/ref/ref_squeeze_excite.inc"
#include "core/backend/ref/ref_twice.inc"

static const fut_op_ops ops_f32 = {.forward = se_forward_f32, .backward_data = se_backward_f32, .destroy = fut_ref_op_free};
static const fut_op_ops ops_f64 = {.forward = se_forward_f64, .backward_data = se_backward_f64, .destroy = fut_ref_op_free};

fut_status fut_ref_squeeze_excite(fut_backend *bk, const fut_se_desc *desc, fut_op **op_out)
{
    (void)bk;
    FUT_TRY(fut_ref_check_dtype("squeeze_excite", desc->dtype, desc->real));
    FUT_CHECK(fut_ref_count(desc->x) > 0 && desc->reduced > 0, FUT_ERR_SHAPE, "squeeze_excite: sizes must be positive");
    FUT_CHECK(desc->act != FUT_ACT_PRELU, FUT_ERR_UNSUPPORTED, "squeeze_excite: prelu has a parameter that this kernel has no place for");
    ref_se *se = NULL;
    FUT_TRY(FUT_NEW(&se));
    *se = (ref_se){
        .op = {.ops = desc->real == FUT_F32 ? &ops_f32 : &ops_f64,
               .saved_bytes = (size_t)(desc->x.n * (2 * desc->x.c + desc->reduced)) * sizeof(double),
               .scratch_bytes = (size_t)(2 * desc->x.n * (desc->x.c + desc->reduced)) * sizeof(double),
               .impl = "ref:squeeze_excite"},
        .desc = *desc,
    };
    *op_out = &se->op;
    return FUT_OK;
}
