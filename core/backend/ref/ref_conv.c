/* Convolution: direct sums over taps.
 *
 *     y[n, o, oy, ox] = sum_{i, ky, kx} weight[o, i, ky, kx] * x[n, i, oy * stride - pad_top + ky, ox * stride - pad_left + kx]
 *
 * with taps outside the image being zero. A tap (o, i, ky, kx) touches a rectangle of outputs; all three passes walk that rectangle. */
#include "core/backend/ref/ref_impl.h"
#include "core/base/mem.h"

typedef struct ref_conv {
    fut_op op;
    fut_conv_desc desc;
    int64_t out_h, out_w;
    int64_t group_in, group_out; /* channels of one group */
} ref_conv;

typedef struct span {
    int64_t first, last; /* [first, last) */
} span;

/* Outputs o of [0, out) whose input o * stride + shift lies in [0, in). */
static span span_inside(int64_t out, int64_t in, int64_t stride, int64_t shift)
{
    int64_t first = shift < 0 ? (-shift + stride - 1) / stride : 0;
    int64_t last = in - shift > 0 ? (in - shift - 1) / stride + 1 : 0;
    if (last > out) last = out;
    return (span){first, last > first ? last : first};
}

#define REF_BODY "core/backend/ref/ref_conv.inc"
#include "core/backend/ref/ref_twice.inc"

static const fut_op_ops ops_f32 = {
    .forward = conv_forward_f32,
    .backward_data = conv_backward_data_f32,
    .backward_params = conv_backward_params_f32,
    .destroy = fut_ref_op_free,
};
static const fut_op_ops ops_f64 = {
    .forward = conv_forward_f64,
    .backward_data = conv_backward_data_f64,
    .backward_params = conv_backward_params_f64,
    .destroy = fut_ref_op_free,
};

fut_status fut_ref_conv(fut_backend *bk, const fut_conv_desc *desc, fut_op **op_out)
{
    (void)bk;
    const fut_conv_desc *d = desc;
    FUT_TRY(fut_ref_check_dtype("conv", d->dtype, d->real));
    FUT_CHECK(d->x.n > 0 && d->x.c > 0 && d->x.h > 0 && d->x.w > 0 && d->out_c > 0 && d->kh > 0 && d->kw > 0 && d->stride > 0 &&
                  d->pad_top >= 0 && d->pad_left >= 0 && d->pad_bottom >= 0 && d->pad_right >= 0,
              FUT_ERR_SHAPE, "conv: sizes must be positive and padding not negative");
    FUT_CHECK(d->groups > 0 && d->x.c % d->groups == 0 && d->out_c % d->groups == 0, FUT_ERR_SHAPE,
              "conv: %lld groups do not divide %lld input and %lld output channels", (long long)d->groups, (long long)d->x.c,
              (long long)d->out_c);
    int64_t padded_h = d->x.h + d->pad_top + d->pad_bottom, padded_w = d->x.w + d->pad_left + d->pad_right;
    FUT_CHECK(padded_h >= d->kh && padded_w >= d->kw, FUT_ERR_SHAPE,
              "conv: a %lld x %lld kernel does not fit a padded image of %lld x %lld", (long long)d->kh, (long long)d->kw,
              (long long)padded_h, (long long)padded_w);

    ref_conv *conv = NULL;
    FUT_TRY(FUT_NEW(&conv));
    *conv = (ref_conv){
        .op = {.ops = d->real == FUT_F32 ? &ops_f32 : &ops_f64, .impl = "ref:direct"},
        .desc = *d,
        .out_h = (padded_h - d->kh) / d->stride + 1,
        .out_w = (padded_w - d->kw) / d->stride + 1,
        .group_in = d->x.c / d->groups,
        .group_out = d->out_c / d->groups,
    };
    if (d->kh == 1 && d->kw == 1 && d->stride == 1 && padded_h == d->x.h && padded_w == d->x.w) {
        /* A pointwise convolution does not know rows: one long row makes long inner loops. */
        conv->desc.x.w = conv->out_w = d->x.h * d->x.w;
        conv->desc.x.h = conv->out_h = 1;
    }
    int64_t out_plane = conv->out_h * conv->out_w, in_plane = d->x.h * d->x.w;
    conv->op.scratch_bytes = (size_t)(out_plane > in_plane ? out_plane : in_plane) * sizeof(double);
    *op_out = &conv->op;
    return FUT_OK;
}

/* The oracle folds nothing: what does is compared with its two kernels. */
fut_status fut_ref_conv_norm_act(fut_backend *bk, const fut_conv_desc *conv, const fut_norm_act_desc *norm, fut_op **op_out)
{
    (void)bk, (void)conv, (void)norm;
    *op_out = NULL;
    return FUT_OK;
}
