/* Squeeze and excite (Hu et al. 2018, as timm's SqueezeExcite):
 *
 *     p = mean_hw x    a = W1 p + b1    h = act(a)    g = sigmoid(W2 h + b2)    y = x g
 *     dg = sum_hw dy x    de = dg g (1 - g)    da = act'(a) W2^T de    dp = W1^T da    dx = dy g + dp / hw
 *
 * One thread does all of an image, which stays in its cache between the means and the scaling; dW1 and dW2 are sums over images at the end.
 * saved, per image: p [channels], a [reduced], g [channels], f32, channels with padding lanes (zero, in g too). */
#include "core/backend/cpu/cpu_impl.h"

#include "core/base/mem.h"

#include <string.h>

typedef struct cpu_se {
    fut_op op;
    const fut_cpu *cpu;
    fut_se_desc desc;
    fut_cpu_layout layout;
    int64_t channels; /* with padding lanes */
} cpu_se;

typedef struct se_saved {
    float *p, *a, *g;
} se_saved;

static int64_t saved_stride(const cpu_se *se)
{
    return 2 * se->channels + se->desc.reduced;
}

static se_saved saved_of(const cpu_se *se, void *saved, int64_t n)
{
    float *p = (float *)saved + n * saved_stride(se);
    return (se_saved){p, p + se->channels, p + se->channels + se->desc.reduced};
}

/* Slices of scratch; per image, with its strides beside it. */
typedef struct se_scratch {
    float *de, *dp;        /* [n, channels] */
    float *da, *h, *slope; /* [n, reduced] */
} se_scratch;

static se_scratch cut_scratch(const cpu_se *se, void *scratch)
{
    int64_t wide = se->desc.x.n * se->channels, narrow = se->desc.x.n * se->desc.reduced;
    float *de = scratch, *dp = de + wide, *da = dp + wide;
    return (se_scratch){de, dp, da, da + narrow, da + 2 * narrow};
}

static void forward_image(const cpu_se *se, const fut_op_args *args, int64_t n)
{
    const fut_cpu_layout *layout = &se->layout;
    const fut_simd *simd = se->cpu->simd;
    int64_t channels = se->desc.x.c, reduced = se->desc.reduced;
    se_saved saved = saved_of(se, args->saved, n);
    float *h = cut_scratch(se, args->scratch).h + n * reduced;
    for (int64_t b = 0; b < layout->blocks; b++)
        simd->plane_mean(fut_cpu_plane(args->x, layout, n * layout->blocks + b), layout->pixels, layout->bf16, saved.p + b * layout->lanes);
    simd->matvec(reduced, channels, args->param[0], saved.p, args->param[1], saved.a);
    simd->act(reduced, se->desc.act, saved.a, h, NULL);
    simd->matvec(channels, reduced, args->param[2], h, args->param[3], saved.g);
    simd->sigmoid(channels, saved.g, saved.g);
    memset(saved.g + channels, 0, (size_t)(se->channels - channels) * sizeof(float));
    for (int64_t b = 0; b < layout->blocks; b++)
        simd->plane_affine(fut_cpu_plane(args->x, layout, n * layout->blocks + b), layout->pixels, layout->bf16,
                           saved.g + b * layout->lanes, NULL, fut_cpu_plane_out(args->y, layout, n * layout->blocks + b));
}

static fut_status se_forward(fut_op *op, const fut_op_args *args)
{
    const cpu_se *se = (const cpu_se *)op;
#pragma omp parallel for num_threads(se->cpu->threads) schedule(static)
    for (int64_t n = 0; n < se->desc.x.n; n++)
        forward_image(se, args, n);
    return FUT_OK;
}

static fut_status se_forward_again(fut_op *op, const fut_op_args *args)
{
    const cpu_se *se = (const cpu_se *)op;
    const fut_cpu_layout *layout = &se->layout;
#pragma omp parallel for num_threads(se->cpu->threads) schedule(static)
    for (int64_t i = 0; i < layout->planes; i++) {
        const float *g = saved_of(se, args->saved, i / layout->blocks).g + i % layout->blocks * layout->lanes;
        se->cpu->simd->plane_affine(fut_cpu_plane(args->x, layout, i), layout->pixels, layout->bf16, g, NULL,
                                    fut_cpu_plane_out(args->y, layout, i));
    }
    return FUT_OK;
}

/* An evaluation keeps nothing: what training saves goes to scratch. */
static fut_status se_forward_eval(fut_op *op, const fut_op_args *args)
{
    const cpu_se *se = (const cpu_se *)op;
    se_scratch cut = cut_scratch(se, args->scratch);
    fut_op_args eval = *args;
    eval.saved = cut.slope + se->desc.x.n * se->desc.reduced;
    return se_forward(op, &eval);
}

static void backward_image(const cpu_se *se, const fut_op_args *args, int64_t n)
{
    const fut_cpu_layout *layout = &se->layout;
    const fut_simd *simd = se->cpu->simd;
    int64_t channels = se->desc.x.c, reduced = se->desc.reduced;
    se_saved saved = saved_of(se, args->saved, n);
    se_scratch cut = cut_scratch(se, args->scratch);
    float *de = cut.de + n * se->channels, *dp = cut.dp + n * se->channels, *da = cut.da + n * reduced, *slope = cut.slope + n * reduced;
    for (int64_t b = 0; b < layout->blocks; b++) {
        int64_t i = n * layout->blocks + b;
        simd->plane_dot(fut_cpu_plane(args->x, layout, i), fut_cpu_plane(args->dy, layout, i), layout->pixels, layout->bf16,
                        de + b * layout->lanes);
    }
    for (int64_t c = 0; c < se->channels; c++)
        de[c] *= saved.g[c] * (1 - saved.g[c]);
    simd->act(reduced, se->desc.act, saved.a, cut.h + n * reduced, slope);
    simd->matvec_transposed(channels, reduced, args->param[2], de, 1, da);
    for (int64_t j = 0; j < reduced; j++)
        da[j] *= slope[j];
    memset(dp + channels, 0, (size_t)(se->channels - channels) * sizeof(float));
    simd->matvec_transposed(reduced, channels, args->param[0], da, 1 / (float)layout->pixels, dp);
    for (int64_t b = 0; b < layout->blocks; b++) {
        int64_t i = n * layout->blocks + b;
        simd->plane_affine(fut_cpu_plane(args->dy, layout, i), layout->pixels, layout->bf16, saved.g + b * layout->lanes,
                           dp + b * layout->lanes, fut_cpu_plane_out(args->dx, layout, i));
    }
}

static fut_status se_backward(fut_op *op, const fut_op_args *args)
{
    const cpu_se *se = (const cpu_se *)op;
    int64_t images = se->desc.x.n, channels = se->desc.x.c, reduced = se->desc.reduced;
    se_scratch cut = cut_scratch(se, args->scratch);
#pragma omp parallel for num_threads(se->cpu->threads) schedule(static)
    for (int64_t n = 0; n < images; n++)
        backward_image(se, args, n);
    fut_simd_matmul dw1 = {.rows = reduced,
                           .cols = channels,
                           .k = images,
                           .a = cut.da,
                           .a_row = 1,
                           .a_col = reduced,
                           .b = saved_of(se, args->saved, 0).p,
                           .b_row = saved_stride(se),
                           .b_col = 1,
                           .c = args->dparam[0],
                           .c_row = channels,
                           .alpha = 1};
    fut_cpu_matmul(se->cpu, &dw1);
    fut_cpu_sum_rows(images, reduced, reduced, cut.da, args->dparam[1]);
    fut_simd_matmul dw2 = {.rows = channels,
                           .cols = reduced,
                           .k = images,
                           .a = cut.de,
                           .a_row = 1,
                           .a_col = se->channels,
                           .b = cut.h,
                           .b_row = reduced,
                           .b_col = 1,
                           .c = args->dparam[2],
                           .c_row = reduced,
                           .alpha = 1};
    fut_cpu_matmul(se->cpu, &dw2);
    fut_cpu_sum_rows(images, channels, se->channels, cut.de, args->dparam[3]);
    return FUT_OK;
}

static const fut_op_ops se_ops = {
    .forward = se_forward,
    .forward_eval = se_forward_eval,
    .forward_again = se_forward_again,
    .backward_data = se_backward,
    .destroy = fut_cpu_op_free,
};

fut_status fut_cpu_squeeze_excite(fut_backend *bk, const fut_se_desc *desc, fut_op **op_out)
{
    fut_cpu_layout layout;
    cpu_se *se = NULL;
    FUT_TRY(fut_cpu_check_dtype(bk, "squeeze_excite", desc->dtype, desc->real));
    FUT_TRY(fut_cpu_layout_of(bk, "squeeze_excite", desc->x, desc->dtype, &layout));
    FUT_CHECK(desc->act != FUT_ACT_PRELU, FUT_ERR_UNSUPPORTED, "squeeze_excite: prelu has a parameter that this kernel has no place for");
    FUT_CHECK(desc->reduced > 0, FUT_ERR_SHAPE, "squeeze_excite: %lld reduced channels, must be positive", (long long)desc->reduced);
    FUT_TRY(FUT_NEW(&se));
    *se = (cpu_se){.op = {.ops = &se_ops, .impl = fut_cpu_of(bk)->simd->isa},
                   .cpu = fut_cpu_of(bk),
                   .desc = *desc,
                   .layout = layout,
                   .channels = layout.blocks * layout.lanes};
    se->op.saved_bytes = (size_t)(desc->x.n * saved_stride(se)) * sizeof(float);
    se->op.scratch_bytes = (size_t)(desc->x.n * (2 * se->channels + 3 * desc->reduced)) * sizeof(float) + se->op.saved_bytes;
    *op_out = &se->op;
    return FUT_OK;
}
