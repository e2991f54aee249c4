/* Batch norm, activation and residual. Memory is what it costs, so it makes two passes each way: sums, then the result.
 *
 *     z = scale x + shift (+ r)     scale = gamma inv, shift = beta - mean scale, inv = 1 / sqrt(var + eps)
 *     dx = gamma inv (dz - dbeta / m - u dgamma / m),  u = (x - mean) inv,  written as  dz_coef dz + x_coef x + offset
 *
 * prelu's dslope is the sum of dy z where z <= 0.
 *
 * saved: mean, inv [channels] f32; nothing of the size of x: backward computes z again.
 * Sums of a plane are f64 and added in the order of images, whatever thread made them. */
#include "core/backend/cpu/cpu_impl.h"
#include "core/backend/norm_formulas.h"

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
    float *scale, *shift, *slope, *dz_coef, *x_coef, *offset; /* [channels] */
    double *sums[3];                                          /* [planes, lanes] each: dz, dz (x - mean), prelu's slope */
} norm_scratch;
enum { SUMS = 3, COEFFICIENTS = 6, MAX_LANES = 16 };

static norm_scratch cut_scratch(const cpu_norm_act *norm, void *scratch)
{
    int64_t sums = norm->layout.planes * norm->layout.lanes;
    double *first = scratch;
    float *coefficient = (float *)(first + SUMS * sums);
    return (norm_scratch){
        .sums = {first, first + sums, first + 2 * sums},
        .scale = coefficient,
        .shift = coefficient + norm->channels,
        .slope = coefficient + 2 * norm->channels,
        .dz_coef = coefficient + 3 * norm->channels,
        .x_coef = coefficient + 4 * norm->channels,
        .offset = coefficient + 5 * norm->channels,
    };
}

typedef struct norm_walk norm_walk;
typedef void plane_fn(const norm_walk *walk, int64_t plane, int64_t next);
typedef void block_fn(const norm_walk *walk, int64_t block);

/* One way through memory: `first` on every plane, `join` on every block of channels, `second` on every plane; first and second may be NULL.
 * next is the plane that the thread comes to after it, which is fetched meanwhile. */
struct norm_walk {
    const cpu_norm_act *norm;
    const fut_op_args *args;
    norm_scratch cut;
    const float *mean, *inv; /* [channels], statistics that z is made of */
    bool dz_kept;            /* first leaves dz in dx for second */
    plane_fn *first;
    block_fn *join;
    plane_fn *second;
};

/* A thread that does all images of a block finds many planes in its cache when it comes back; it comes back to the last one first. */
static void run_blocks(const norm_walk *walk)
{
    int64_t blocks = walk->norm->layout.blocks, images = walk->norm->desc.x.n;
#pragma omp parallel for num_threads(walk->norm->cpu->threads) schedule(static)
    for (int64_t b = 0; b < blocks; b++) {
        for (int64_t n = 0; n < images; n++)
            walk->first(walk, n * blocks + b, n + 1 < images ? (n + 1) * blocks + b : n * blocks + b);
        walk->join(walk, b);
        for (int64_t n = images - 1; n >= 0; n--)
            walk->second(walk, n * blocks + b, n > 0 ? (n - 1) * blocks + b : b + 1 < blocks ? b + 1 : b);
    }
}

static void run_planes(const norm_walk *walk)
{
    int64_t blocks = walk->norm->layout.blocks, planes = walk->norm->layout.planes;
#pragma omp parallel num_threads(walk->norm->cpu->threads)
    {
#pragma omp for schedule(static)
        for (int64_t i = 0; i < planes; i++)
            if (walk->first) walk->first(walk, i, i + 1 < planes ? i + 1 : i);
#pragma omp for schedule(static)
        for (int64_t b = 0; b < blocks; b++)
            walk->join(walk, b);
#pragma omp for schedule(static)
        for (int64_t i = 0; i < planes; i++)
            if (walk->second) walk->second(walk, i, i + 1 < planes ? i + 1 : i);
    }
}

/* Both make the same bits; whole blocks where they keep the threads equally busy and a plane is visited twice. */
static void run_walk(const norm_walk *walk)
{
    int64_t blocks = walk->norm->layout.blocks, threads = walk->norm->cpu->threads;
    if (walk->first && walk->second && (blocks % threads == 0 || blocks >= 8 * threads))
        run_blocks(walk);
    else
        run_planes(walk);
}

/* What the planes of a block share. */
static fut_simd_norm block_norm(const norm_walk *walk, int64_t plane, int64_t next)
{
    const cpu_norm_act *norm = walk->norm;
    int64_t at = plane % norm->layout.blocks * norm->layout.lanes;
    return (fut_simd_norm){
        .act = norm->desc.act,
        .residual = norm->desc.residual,
        .residual_after = norm->desc.residual_after,
        .bf16 = norm->layout.bf16,
        .scale = walk->cut.scale + at,
        .shift = walk->cut.shift + at,
        .slope = walk->cut.slope + at,
        .mean = walk->mean + at,
        .dz_coef = walk->cut.dz_coef + at,
        .x_coef = walk->cut.x_coef + at,
        .offset = walk->cut.offset + at,
        .next = (next - plane) * (int64_t)norm->layout.plane_bytes,
    };
}

/* scale, shift and slope of a block's channels; zero in padding lanes, which keeps them zero in y. */
static void fold_block(const norm_walk *walk, int64_t b)
{
    const cpu_norm_act *norm = walk->norm;
    const float *gamma = walk->args->param[0], *beta = walk->args->param[1];
    const float *slope = norm->desc.act == FUT_ACT_PRELU ? walk->args->param[2] : NULL;
    for (int64_t c = b * norm->layout.lanes; c < (b + 1) * norm->layout.lanes; c++) {
        bool real = c < norm->desc.x.c;
        double scale = real ? (double)gamma[c] * (double)walk->inv[c] : 0;
        walk->cut.scale[c] = (float)scale;
        walk->cut.shift[c] = real ? (float)((double)beta[c] - (double)walk->mean[c] * scale) : 0;
        walk->cut.slope[c] = real && slope ? slope[c] : 0;
    }
}

static void apply_plane(const norm_walk *walk, int64_t i, int64_t next)
{
    const fut_cpu_layout *layout = &walk->norm->layout;
    const fut_op_args *args = walk->args;
    const void *residual = walk->norm->desc.residual ? args->residual : NULL;
    fut_simd_norm block = block_norm(walk, i, next);
    walk->norm->cpu->simd->plane_norm_act(&block, fut_cpu_plane(args->x, layout, i), fut_cpu_plane(residual, layout, i),
                                          fut_cpu_plane_out(args->y, layout, i), layout->pixels);
}

static void stats_plane(const norm_walk *walk, int64_t i, int64_t next)
{
    const fut_cpu_layout *layout = &walk->norm->layout;
    fut_simd_norm block = block_norm(walk, i, next);
    walk->norm->cpu->simd->plane_stats(&block, fut_cpu_plane(walk->args->x, layout, i), layout->pixels,
                                       walk->cut.sums[0] + i * layout->lanes, walk->cut.sums[1] + i * layout->lanes);
}

typedef struct block_stats {
    double mean[MAX_LANES], squares[MAX_LANES]; /* squares: sum around the mean */
} block_stats;

/* Statistics of the batch from those of its planes, all of one size (Chan, Golub & LeVeque 1979). */
static block_stats join_planes(const norm_walk *walk, int64_t b)
{
    const cpu_norm_act *norm = walk->norm;
    int64_t images = norm->desc.x.n, lanes = norm->layout.lanes, first = b * lanes;
    double pixels = (double)norm->layout.pixels;
    const double *plane_mean = walk->cut.sums[0] + first, *plane_squares = walk->cut.sums[1] + first;
    block_stats s = {0};
    for (int64_t n = 0; n < images; n++)
        for (int64_t l = 0; l < lanes; l++)
            s.mean[l] += plane_mean[n * norm->channels + l] / (double)images;
    for (int64_t n = 0; n < images; n++)
        for (int64_t l = 0; l < lanes; l++) {
            double apart = plane_mean[n * norm->channels + l] - s.mean[l];
            s.squares[l] += plane_squares[n * norm->channels + l] + pixels * apart * apart;
        }
    return s;
}

/* Save a block's statistics, over `count` values, and fold them. */
static void take_stats(const norm_walk *walk, int64_t b, double count, const block_stats *s)
{
    const cpu_norm_act *norm = walk->norm;
    int64_t lanes = norm->layout.lanes, first = b * lanes;
    float *mean_out = walk->args->saved, *inv_out = mean_out + norm->channels;
    for (int64_t l = 0; l < lanes; l++) {
        mean_out[first + l] = (float)s->mean[l];
        inv_out[first + l] = (float)(1 / sqrt(s->squares[l] / count + norm->desc.eps));
        if (first + l >= norm->desc.x.c) continue;
        ((float *)walk->args->batch[0])[first + l] = (float)s->mean[l];
        ((float *)walk->args->batch[1])[first + l] = (float)(s->squares[l] / (count - 1));
    }
    fold_block(walk, b);
}

static double values_of(const norm_walk *walk, int64_t images)
{
    return (double)images * (double)walk->norm->layout.pixels;
}

static void join_stats(const norm_walk *walk, int64_t b)
{
    block_stats s = join_planes(walk, b);
    take_stats(walk, b, values_of(walk, walk->norm->desc.x.n), &s);
}

/* The two halves of join_stats, over several shards. */
static void give_sums(const norm_walk *walk, int64_t b)
{
    const cpu_norm_act *norm = walk->norm;
    int64_t lanes = norm->layout.lanes, first = b * lanes;
    block_stats s = join_planes(walk, b);
    for (int64_t l = 0; l < lanes && first + l < norm->desc.x.c; l++)
        fut_norm_shard_sums(values_of(walk, norm->desc.x.n), s.mean[l], s.squares[l], norm->desc.x.c, first + l, walk->args->sums);
}

static void take_sums(const norm_walk *walk, int64_t b)
{
    const cpu_norm_act *norm = walk->norm;
    int64_t lanes = norm->layout.lanes, first = b * lanes;
    double count = values_of(walk, walk->args->images);
    block_stats s = {0};
    for (int64_t l = 0; l < lanes && first + l < norm->desc.x.c; l++)
        fut_norm_join_sums(count, norm->desc.x.c, first + l, walk->args->sums, &s.mean[l], &s.squares[l]);
    take_stats(walk, b, count, &s);
}

/* A walk with the statistics that forward saves. */
static norm_walk begin_walk(fut_op *op, const fut_op_args *args)
{
    const cpu_norm_act *norm = (const cpu_norm_act *)op;
    const float *mean = args->saved;
    return (norm_walk){.norm = norm, .args = args, .cut = cut_scratch(norm, args->scratch), .mean = mean, .inv = mean + norm->channels};
}

static fut_status run_forward(fut_op *op, const fut_op_args *args, plane_fn *first, block_fn *join, plane_fn *second)
{
    norm_walk walk = begin_walk(op, args);
    walk.first = first;
    walk.join = join;
    walk.second = second;
    run_walk(&walk);
    return FUT_OK;
}

static fut_status norm_act_forward(fut_op *op, const fut_op_args *args)
{
    const cpu_norm_act *norm = (const cpu_norm_act *)op;
    FUT_CHECK(norm->desc.x.n * norm->layout.pixels > 1, FUT_ERR_SHAPE,
              "batch norm over a single value a channel has no variance; train on at least two images a shard");
    return run_forward(op, args, stats_plane, join_stats, apply_plane);
}

static fut_status norm_act_forward_sums(fut_op *op, const fut_op_args *args)
{
    return run_forward(op, args, stats_plane, give_sums, NULL);
}

static fut_status norm_act_forward_joined(fut_op *op, const fut_op_args *args)
{
    return run_forward(op, args, NULL, take_sums, apply_plane);
}

static fut_status norm_act_forward_eval(fut_op *op, const fut_op_args *args)
{
    const cpu_norm_act *norm = (const cpu_norm_act *)op;
    norm_scratch cut = cut_scratch(norm, args->scratch);
    const float *variance = args->running[1];
    float *inv = cut.dz_coef; /* a backward's slice, free here */
    for (int64_t c = 0; c < norm->desc.x.c; c++)
        inv[c] = (float)(1 / sqrt((double)variance[c] + norm->desc.eps));
    norm_walk walk = {
        .norm = norm,
        .args = args,
        .cut = cut,
        .mean = args->running[0],
        .inv = inv,
        .join = fold_block,
        .second = apply_plane,
    };
    run_walk(&walk);
    return FUT_OK;
}

static fut_status norm_act_forward_again(fut_op *op, const fut_op_args *args)
{
    return run_forward(op, args, NULL, fold_block, apply_plane);
}

static const void *residual_inside(const norm_walk *walk)
{
    return walk->norm->desc.residual && !walk->norm->desc.residual_after ? walk->args->residual : NULL;
}

static void sums_plane(const norm_walk *walk, int64_t i, int64_t next)
{
    const fut_cpu_layout *layout = &walk->norm->layout;
    const fut_op_args *args = walk->args;
    fut_simd_norm block = block_norm(walk, i, next);
    void *dz = walk->dz_kept ? fut_cpu_plane_out(args->dx, layout, i) : NULL;
    walk->norm->cpu->simd->plane_norm_act_sums(&block, fut_cpu_plane(args->x, layout, i), fut_cpu_plane(residual_inside(walk), layout, i),
                                               fut_cpu_plane(args->dy, layout, i), dz, layout->pixels,
                                               walk->cut.sums[0] + i * layout->lanes, walk->cut.sums[1] + i * layout->lanes,
                                               walk->cut.sums[2] + i * layout->lanes);
}

/* dslope, from the planes' sums. */
static void join_slope(const norm_walk *walk, int64_t b)
{
    const cpu_norm_act *norm = walk->norm;
    for (int64_t c = b * norm->layout.lanes; c < (b + 1) * norm->layout.lanes && c < norm->desc.x.c; c++) {
        double sum = 0;
        for (int64_t n = 0; n < norm->desc.x.n; n++)
            sum += walk->cut.sums[2][n * norm->channels + c];
        ((float *)walk->args->dparam[2])[c] = (float)sum;
    }
}

typedef struct block_gradients {
    double dbeta[MAX_LANES], dgamma[MAX_LANES];
} block_gradients;

/* Gradients of the parameters, from the planes' sums of dz and dz (x - mean). */
static block_gradients join_gradients(const norm_walk *walk, int64_t b)
{
    const cpu_norm_act *norm = walk->norm;
    int64_t images = norm->desc.x.n, lanes = norm->layout.lanes, first = b * lanes;
    block_gradients g = {0};
    for (int64_t n = 0; n < images; n++)
        for (int64_t l = 0; l < lanes; l++) {
            g.dbeta[l] += walk->cut.sums[0][n * norm->channels + first + l];
            g.dgamma[l] += walk->cut.sums[1][n * norm->channels + first + l];
        }
    for (int64_t l = 0; l < lanes; l++) {
        g.dgamma[l] *= (double)walk->inv[first + l];
        if (first + l >= norm->desc.x.c) continue;
        ((float *)walk->args->dparam[0])[first + l] = (float)g.dgamma[l];
        ((float *)walk->args->dparam[1])[first + l] = (float)g.dbeta[l];
    }
    if (norm->desc.act == FUT_ACT_PRELU) join_slope(walk, b);
    return g;
}

/* The coefficients of dx. */
static void fold_gradients(const norm_walk *walk, int64_t b, double count, const block_gradients *g)
{
    int64_t lanes = walk->norm->layout.lanes;
    for (int64_t l = 0; l < lanes; l++) {
        int64_t c = b * lanes + l;
        double scale = (double)walk->cut.scale[c]; /* 0 in padding lanes, which keeps dx zero there */
        double x_coef = -scale * (double)walk->inv[c] * g->dgamma[l] / count;
        walk->cut.dz_coef[c] = (float)scale;
        walk->cut.x_coef[c] = (float)x_coef;
        walk->cut.offset[c] = (float)(-scale * g->dbeta[l] / count - x_coef * (double)walk->mean[c]);
    }
}

static void join_and_fold(const norm_walk *walk, int64_t b)
{
    block_gradients g = join_gradients(walk, b);
    fold_gradients(walk, b, values_of(walk, walk->norm->desc.x.n), &g);
}

/* The two halves of join_and_fold, over several shards. */
static void give_gradient_sums(const norm_walk *walk, int64_t b)
{
    const cpu_norm_act *norm = walk->norm;
    int64_t lanes = norm->layout.lanes, first = b * lanes;
    block_gradients g = join_gradients(walk, b);
    for (int64_t l = 0; l < lanes && first + l < norm->desc.x.c; l++) {
        walk->args->sums[first + l] = g.dbeta[l];
        walk->args->sums[norm->desc.x.c + first + l] = g.dgamma[l];
    }
}

static void take_gradient_sums(const norm_walk *walk, int64_t b)
{
    const cpu_norm_act *norm = walk->norm;
    int64_t lanes = norm->layout.lanes, first = b * lanes;
    block_gradients g = {0};
    for (int64_t l = 0; l < lanes && first + l < norm->desc.x.c; l++) {
        g.dbeta[l] = walk->args->sums[first + l];
        g.dgamma[l] = walk->args->sums[norm->desc.x.c + first + l];
    }
    fold_gradients(walk, b, values_of(walk, walk->args->images), &g);
}

static void grad_plane(const norm_walk *walk, int64_t i, int64_t next)
{
    const fut_cpu_layout *layout = &walk->norm->layout;
    const fut_op_args *args = walk->args;
    const void *x = fut_cpu_plane(args->x, layout, i);
    void *dx = fut_cpu_plane_out(args->dx, layout, i);
    fut_simd_norm block = block_norm(walk, i, next);
    if (walk->dz_kept) {
        block.act = FUT_ACT_NONE;
        block.residual = false;
        walk->norm->cpu->simd->plane_norm_act_grad(&block, x, NULL, dx, dx, NULL, layout->pixels);
        return;
    }
    walk->norm->cpu->simd->plane_norm_act_grad(&block, x, fut_cpu_plane(residual_inside(walk), layout, i),
                                               fut_cpu_plane(args->dy, layout, i), dx, fut_cpu_plane_out(args->dresidual, layout, i),
                                               layout->pixels);
}

static fut_status run_backward(fut_op *op, const fut_op_args *args, plane_fn *first, block_fn *join, plane_fn *second)
{
    norm_walk walk = begin_walk(op, args);
    const fut_norm_act_desc *desc = &walk.norm->desc;
    walk.first = first;
    walk.join = join;
    walk.second = second;
    walk.dz_kept = desc->act == FUT_ACT_SILU && !(desc->residual && args->dresidual); /* an exponential costs more than a pass */
    for (int64_t b = 0; b < walk.norm->layout.blocks; b++)
        fold_block(&walk, b);
    run_walk(&walk);
    return FUT_OK;
}

static fut_status norm_act_backward(fut_op *op, const fut_op_args *args)
{
    return run_backward(op, args, sums_plane, join_and_fold, grad_plane);
}

static fut_status norm_act_backward_sums(fut_op *op, const fut_op_args *args)
{
    return run_backward(op, args, sums_plane, give_gradient_sums, NULL);
}

static fut_status norm_act_backward_joined(fut_op *op, const fut_op_args *args)
{
    return run_backward(op, args, NULL, take_gradient_sums, grad_plane);
}

static const fut_op_ops norm_act_ops = {
    .forward = norm_act_forward,
    .forward_eval = norm_act_forward_eval,
    .forward_again = norm_act_forward_again,
    .backward_data = norm_act_backward,
    .forward_sums = norm_act_forward_sums,
    .forward_joined = norm_act_forward_joined,
    .backward_sums = norm_act_backward_sums,
    .backward_joined = norm_act_backward_joined,
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
                   SUMS * (size_t)(layout.planes * layout.lanes) * sizeof(double) + COEFFICIENTS * (size_t)channels * sizeof(float),
               .impl = fut_cpu_of(bk)->simd->isa},
        .cpu = fut_cpu_of(bk),
        .desc = *desc,
        .layout = layout,
        .channels = channels,
    };
    *op_out = &norm->op;
    return FUT_OK;
}
