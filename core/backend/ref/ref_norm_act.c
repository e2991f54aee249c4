/* Batch norm (Ioffe & Szegedy 2015, as torch.nn.BatchNorm2d), activation and residual:
 *
 *     u = (x - mean) * inv,  inv = 1 / sqrt(var + eps),  var biased, both over n, h, w
 *     z = gamma u + beta (+ r, when the residual is inside)      y = act(z) (+ r, when it comes after)
 *
 *     dz = dy act'(z)     dbeta = sum dz     dgamma = sum dz u     dx = gamma inv (dz - dbeta / m - u dgamma / m)
 *     prelu: act(z) = z > 0 ? z : slope z,  dslope = sum of dy z where z <= 0
 *
 * saved: mean [c], inv [c] in double. z is computed again in backward, from x and, where it is inside, the residual. */
#include "core/backend/norm_formulas.h"
#include "core/backend/ref/ref_impl.h"
#include "core/base/mem.h"

#include <math.h>

typedef struct ref_norm_act {
    fut_op op;
    fut_norm_act_desc desc;
} ref_norm_act;

/* Sums over a channel. */
typedef struct norm_gradients {
    double dbeta, dgamma, dslope;
} norm_gradients;

#define REF_BODY "core/backend/ref/ref_norm_act.inc"
#include "core/backend/ref/ref_twice.inc"

static const fut_op_ops ops_f32 = {
    .forward = norm_act_forward_f32,
    .forward_eval = norm_act_forward_eval_f32,
    .backward_data = norm_act_backward_f32,
    .forward_sums = norm_act_forward_sums_f32,
    .forward_joined = norm_act_forward_joined_f32,
    .backward_sums = norm_act_backward_sums_f32,
    .backward_joined = norm_act_backward_joined_f32,
    .destroy = fut_ref_op_free,
};
static const fut_op_ops ops_f64 = {
    .forward = norm_act_forward_f64,
    .forward_eval = norm_act_forward_eval_f64,
    .backward_data = norm_act_backward_f64,
    .forward_sums = norm_act_forward_sums_f64,
    .forward_joined = norm_act_forward_joined_f64,
    .backward_sums = norm_act_backward_sums_f64,
    .backward_joined = norm_act_backward_joined_f64,
    .destroy = fut_ref_op_free,
};

fut_status fut_ref_norm_act(fut_backend *bk, const fut_norm_act_desc *desc, fut_op **op_out)
{
    (void)bk;
    FUT_TRY(fut_ref_check_dtype("norm_act", desc->dtype, desc->real));
    FUT_CHECK(fut_ref_count(desc->x) > 0 && desc->eps > 0, FUT_ERR_SHAPE, "norm_act: sizes and eps must be positive");
    ref_norm_act *norm = NULL;
    FUT_TRY(FUT_NEW(&norm));
    *norm = (ref_norm_act){
        .op = {.ops = desc->real == FUT_F32 ? &ops_f32 : &ops_f64,
               .saved_bytes = 2 * (size_t)desc->x.c * sizeof(double),
               .impl = "ref:norm_act"},
        .desc = *desc,
    };
    *op_out = &norm->op;
    return FUT_OK;
}
