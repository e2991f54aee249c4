/* Batch norm, activation and residual. Memory is what it costs, so it makes two passes each way: sums, then the result.
 *
 *     z = scale x + shift (+ r)     scale = gamma inv, shift = beta - mean scale, inv = 1 / sqrt(var + eps)
 *     dx = gamma inv (dz - dbeta / m - u dgamma / m),  u = (x - mean) inv,  written as  dz_coef dz + x_coef x + offset
 *
 * saved: mean, inv [channels] f32; nothing of the size of x: backward computes z again.
 * Sums of a plane are f64 and added in the order of images, whatever thread made them. */
#include "core/backend/cpu/cpu_impl.h"

#include "core/base/mem.h"

#include <math.h>

typedef struct cpu_norm_act {
    fut_op op;
    const fut_cpu *cpu;
    fut_norm_act_desc desc;
    fut_cpu_layout layout;
    int64_t channels; /* with padding lanes */
} cpu_norm_act;

/* Slices of scratch. */
typedef struct norm_scratch {
    float *scale, *shift, *dz_coef, *x_coef, *offset; /* [channels] */
    double *sums[2];                                  /* [planes, lanes] each */
} norm_scratch;
enum { COEFFICIENTS = 5 };

static norm_scratch cut_scratch(const cpu_norm_act *norm, void *scratch)
{
    int64_t sums = norm->layout.planes * norm->layout.lanes;
    double *first = scratch;
    float *coefficient = (float *)(first + 2 * sums);
    return (norm_scratch){
        .sums = {first, first + sums},
        .scale = coefficient,
        .shift = coefficient + norm->channels,
        .dz_coef = coefficient + 2 * norm->channels,
        .x_coef = coefficient + 3 * norm->channels,
        .offset = coefficient + 4 * norm->channels,
    };
}

/* What the planes of channel block b share. */
static fut_simd_norm block_norm(const cpu_norm_act *norm, const norm_scratch *cut, const float *mean, int64_t b)
{
    int64_t at = b * norm->layout.lanes;
    return (fut_simd_norm){
        .act = norm->desc.act,
        .residual = norm->desc.residual,
        .residual_after = norm->desc.residual_after,
        .bf16 = norm->layout.bf16,
        .scale = cut->scale + at,
        .shift = cut->shift + at,
        .mean = mean ? mean + at : NULL,
        .dz_coef = cut->dz_coef + at,
        .x_coef = cut->x_coef + at,
        .offset = cut->offset + at,
    };
}

/* scale and shift of each channel; zero in padding lanes, which keeps them zero in y. */
static void fold_coefficients(const cpu_norm_act *norm, const norm_scratch *cut, const fut_op_args *args, const float *mean,
                              const float *inv)
{
    const float *gamma = args->param[0], *beta = args->param[1];
    for (int64_t c = 0; c < norm->channels; c++) {
        bool real = c < norm->desc.x.c;
        double scale = real ? (double)gamma[c] * (double)inv[c] : 0;
        cut->scale[c] = (float)scale;
        cut->shift[c] = real ? (float)((double)beta[c] - (double)mean[c] * scale) : 0;
    }
}

static void apply(const cpu_norm_act *norm, const norm_scratch *cut, const fut_op_args *args)
{
    const fut_cpu_layout *layout = &norm->layout;
    const void *residual = norm->desc.residual ? args->residual : NULL;
#pragma omp parallel for num_threads(norm->cpu->threads) schedule(static)
    for (int64_t i = 0; i < layout->planes; i++) {
        fut_simd_norm block = block_norm(norm, cut, NULL, i % layout->blocks);
        norm->cpu->simd->plane_norm_act(&block, fut_cpu_plane(args->x, layout, i), fut_cpu_plane(residual, layout, i),
                                        fut_cpu_plane_out(args->y, layout, i), layout->pixels);
    }
}

/* Statistics of the batch from those of its planes, all of one size (Chan, Golub & LeVeque 1979). */
static void join_stats(const cpu_norm_act *norm, const norm_scratch *cut, const fut_op_args *args)
{
    float *mean_out = args->saved, *inv_out = mean_out + norm->channels;
    int64_t images = norm->desc.x.n, stride = norm->channels;
    double pixels = (double)norm->layout.pixels, count = (double)images * pixels;
    for (int64_t c = 0; c < norm->channels; c++) {
        double mean = 0, squares = 0;
        for (int64_t n = 0; n < images; n++)
            mean += cut->sums[0][n * stride + c];
        mean /= (double)images;
        for (int64_t n = 0; n < images; n++) {
            double apart = cut->sums[0][n * stride + c] - mean;
            squares += cut->sums[1][n * stride + c] + pixels * apart * apart;
        }
        mean_out[c] = (float)mean;
        inv_out[c] = (float)(1 / sqrt(squares / count + norm->desc.eps));
        if (c >= norm->desc.x.c) continue;
        ((float *)args->batch[0])[c] = (float)mean;
        ((float *)args->batch[1])[c] = (float)(squares / (count - 1));
    }
}

static fut_status norm_act_forward(fut_op *op, const fut_op_args *args)
{
    const cpu_norm_act *norm = (const cpu_norm_act *)op;
    const fut_cpu_layout *layout = &norm->layout;
    FUT_CHECK(norm->desc.x.n * layout->pixels > 1, FUT_ERR_SHAPE,
              "batch norm over a single value a channel has no variance; train on at least two images a shard");
    norm_scratch cut = cut_scratch(norm, args->scratch);
#pragma omp parallel for num_threads(norm->cpu->threads) schedule(static)
    for (int64_t i = 0; i < layout->planes; i++)
        norm->cpu->simd->plane_stats(fut_cpu_plane(args->x, layout, i), layout->pixels, layout->bf16, cut.sums[0] + i * layout->lanes,
                                     cut.sums[1] + i * layout->lanes);
    join_stats(norm, &cut, args);
    const float *mean = args->saved;
    fold_coefficients(norm, &cut, args, mean, mean + norm->channels);
    apply(norm, &cut, args);
    return FUT_OK;
}

static fut_status norm_act_forward_eval(fut_op *op, const fut_op_args *args)
{
    const cpu_norm_act *norm = (const cpu_norm_act *)op;
    norm_scratch cut = cut_scratch(norm, args->scratch);
    const float *variance = args->running[1];
    float *inv = cut.dz_coef; /* a backward's slice, free here */
    for (int64_t c = 0; c < norm->desc.x.c; c++)
        inv[c] = (float)(1 / sqrt((double)variance[c] + norm->desc.eps));
    fold_coefficients(norm, &cut, args, args->running[0], inv);
    apply(norm, &cut, args);
    return FUT_OK;
}

/* dgamma, dbeta and the coefficients of dx, from the planes' sums of dz and dz (x - mean). */
static void join_gradients(const cpu_norm_act *norm, const norm_scratch *cut, const fut_op_args *args)
{
    const float *mean = args->saved, *inv = mean + norm->channels;
    int64_t images = norm->desc.x.n, stride = norm->channels;
    double count = (double)(images * norm->layout.pixels);
    for (int64_t c = 0; c < norm->channels; c++) {
        double dz = 0, dzx = 0;
        for (int64_t n = 0; n < images; n++) {
            dz += cut->sums[0][n * stride + c];
            dzx += cut->sums[1][n * stride + c];
        }
        double dgamma = dzx * (double)inv[c], scale = (double)cut->scale[c]; /* 0 in padding lanes, which keeps dx zero there */
        double x_coef = -scale * (double)inv[c] * dgamma / count;
        cut->dz_coef[c] = (float)scale;
        cut->x_coef[c] = (float)x_coef;
        cut->offset[c] = (float)(-scale * dz / count - x_coef * (double)mean[c]);
        if (c >= norm->desc.x.c) continue;
        ((float *)args->dparam[0])[c] = (float)dgamma;
        ((float *)args->dparam[1])[c] = (float)dz;
    }
}

static fut_status norm_act_backward(fut_op *op, const fut_op_args *args)
{
    const cpu_norm_act *norm = (const cpu_norm_act *)op;
    const fut_cpu_layout *layout = &norm->layout;
    const fut_simd *simd = norm->cpu->simd;
    const float *mean = args->saved;
    norm_scratch cut = cut_scratch(norm, args->scratch);
    const void *residual = norm->desc.residual && !norm->desc.residual_after ? args->residual : NULL;
    fold_coefficients(norm, &cut, args, mean, mean + norm->channels);
#pragma omp parallel for num_threads(norm->cpu->threads) schedule(static)
    for (int64_t i = 0; i < layout->planes; i++) {
        fut_simd_norm block = block_norm(norm, &cut, mean, i % layout->blocks);
        simd->plane_norm_act_sums(&block, fut_cpu_plane(args->x, layout, i), fut_cpu_plane(residual, layout, i),
                                  fut_cpu_plane(args->dy, layout, i), layout->pixels, cut.sums[0] + i * layout->lanes,
                                  cut.sums[1] + i * layout->lanes);
    }
    join_gradients(norm, &cut, args);
#pragma omp parallel for num_threads(norm->cpu->threads) schedule(static)
    for (int64_t i = 0; i < layout->planes; i++) {
        fut_simd_norm block = block_norm(norm, &cut, mean, i % layout->blocks);
        simd->plane_norm_act_grad(&block, fut_cpu_plane(args->x, layout, i), fut_cpu_plane(residual, layout, i),
                                  fut_cpu_plane(args->dy, layout, i), fut_cpu_plane_out(args->dx, layout, i),
                                  fut_cpu_plane_out(args->dresidual, layout, i), layout->pixels);
    }
    return FUT_OK;
}

static const fut_op_ops norm_act_ops = {
    .forward = norm_act_forward,
    .forward_eval = norm_act_forward_eval,
    .backward_data = norm_act_backward,
    .destroy = fut_cpu_op_free,
};

fut_status fut_cpu_norm_act(fut_backend *bk, const fut_norm_act_desc *desc, fut_op **op_out)
{
    fut_cpu_layout layout;
    cpu_norm_act *norm = NULL;
    FUT_TRY(fut_cpu_check_dtype(bk, "norm_act", desc->dtype, desc->real));
    FUT_TRY(fut_cpu_layout_of(bk, "norm_act", desc->x, desc->dtype, &layout));
    FUT_CHECK(desc->eps > 0, FUT_ERR_SHAPE, "norm_act: eps is %g, must be positive", desc->eps);
    FUT_TRY(FUT_NEW(&norm));
    int64_t channels = layout.blocks * layout.lanes;
    *norm = (cpu_norm_act){
        .op = {.ops = &norm_act_ops,
               .saved_bytes = 2 * (size_t)channels * sizeof(float),
               .scratch_bytes =
                   2 * (size_t)(layout.planes * layout.lanes) * sizeof(double) + COEFFICIENTS * (size_t)channels * sizeof(float),
               .impl = fut_cpu_of(bk)->simd->isa},
        .cpu = fut_cpu_of(bk),
        .desc = *desc,
        .layout = layout,
        .channels = channels,
    };
    *op_out = &norm->op;
    return FUT_OK;
}
