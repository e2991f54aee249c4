/* Squeeze and excite (Hu et al. 2018, as timm's SqueezeExcite):
 *
 *     p = mean_hw x    a = W1 p + b1    h = act(a)    g = sigmoid(W2 h + b2)    y = x g
 *     dg = sum_hw dy x    de = dg g (1 - g)    da = act'(a) W2^T de    dp = W1^T da    dx = dy g + dp / hw
 *     dW2 = de^T h    dW1 = da^T p    (over images)
 *
 * Memory: forward reads x twice and writes y; backward reads x and dy, then dy, and writes dx. What is between the passes is small.
 * saved: p [n, channels], a [n, reduced], g [n, channels], f32. */
#include "core/backend/cuda/cuda_impl.h"
#include "core/backend/cuda/cuda_slabs.h"

#include "core/base/mem.h"

typedef struct cuda_se {
    fut_op op;
    fut_backend *bk;
    fut_se_desc desc;
    fut_cuda_slabs slabs;
} cuda_se;

/* Slices of scratch. */
typedef struct se_scratch {
    float *sums;    /* [n, slabs, channels] */
    float *de, *dp; /* [n, channels] */
    float *da, *h;  /* [n, reduced] */
    float *saved;   /* an evaluation's */
} se_scratch;

static int64_t wide(const cuda_se *se)
{
    return se->desc.x.n * se->desc.x.c;
}

static int64_t narrow(const cuda_se *se)
{
    return se->desc.x.n * se->desc.reduced;
}

static se_scratch cut_scratch(const cuda_se *se, void *scratch)
{
    float *sums = scratch, *de = sums + fut_cuda_slabs_floats(&se->slabs), *dp = de + wide(se), *da = dp + wide(se), *h = da + narrow(se);
    return (se_scratch){.sums = sums, .de = de, .dp = dp, .da = da, .h = h, .saved = h + narrow(se)};
}

static fut_cuda_excite excite_of(const cuda_se *se, const fut_op_args *args, float *saved)
{
    return (fut_cuda_excite){
        .images = se->desc.x.n,
        .channels = (int)se->desc.x.c,
        .reduced = (int)se->desc.reduced,
        .slabs = (int)se->slabs.slabs,
        .act = se->desc.act,
        .w1 = args->param[0],
        .b1 = args->param[1],
        .w2 = args->param[2],
        .b2 = args->param[3],
        .p = saved,
        .g = saved + wide(se),
        .a = saved + 2 * wide(se),
    };
}

static float per_pixel(const cuda_se *se)
{
    return (float)(1 / (double)se->slabs.rows);
}

static fut_status forward_saving(const cuda_se *se, const fut_op_args *args, float *saved)
{
    cudaStream_t stream = fut_cuda_stream(se->bk, args->stream);
    float *sums = cut_scratch(se, args->scratch).sums;
    fut_cuda_excite excite = excite_of(se, args, saved);
    FUT_CUDA_TRY(fut_cuda_launch_row_sums(&se->slabs, se->desc.dtype, per_pixel(se), args->x, NULL, sums, stream));
    FUT_CUDA_TRY(fut_cuda_launch_excite(&excite, sums, stream));
    return FUT_CUDA(fut_cuda_launch_row_affine(&se->slabs, se->desc.dtype, args->x, excite.g, 0, NULL, args->y, stream));
}

static fut_status se_forward(fut_op *op, const fut_op_args *args)
{
    return forward_saving((const cuda_se *)op, args, args->saved);
}

static fut_status se_forward_eval(fut_op *op, const fut_op_args *args)
{
    const cuda_se *se = (const cuda_se *)op;
    return forward_saving(se, args, cut_scratch(se, args->scratch).saved);
}

static fut_status se_backward(fut_op *op, const fut_op_args *args)
{
    const cuda_se *se = (const cuda_se *)op;
    int64_t images = se->desc.x.n, channels = se->desc.x.c, reduced = se->desc.reduced;
    cudaStream_t stream = fut_cuda_stream(se->bk, args->stream);
    se_scratch cut = cut_scratch(se, args->scratch);
    fut_cuda_excite excite = excite_of(se, args, args->saved);
    FUT_CUDA_TRY(fut_cuda_launch_row_sums(&se->slabs, se->desc.dtype, 1, args->x, args->dy, cut.sums, stream));
    FUT_CUDA_TRY(fut_cuda_launch_excite_backward(&excite, cut.sums, cut.de, cut.da, cut.h, cut.dp, stream));
    FUT_CUDA_TRY(fut_cuda_launch_row_affine(&se->slabs, se->desc.dtype, args->dy, excite.g, per_pixel(se), cut.dp, args->dx, stream));
    FUT_CUDA_TRY(fut_cuda_launch_outer_sums(images, reduced, channels, cut.da, excite.p, args->dparam[0], args->dparam[1], stream));
    return FUT_CUDA(fut_cuda_launch_outer_sums(images, channels, reduced, cut.de, cut.h, args->dparam[2], args->dparam[3], stream));
}

static const fut_op_ops se_ops = {
    .forward = se_forward,
    .forward_eval = se_forward_eval,
    .backward_data = se_backward,
    .destroy = fut_cuda_op_free,
};

fut_status fut_cuda_squeeze_excite(fut_backend *bk, const fut_se_desc *desc, fut_op **op_out)
{
    cuda_se *se = NULL;
    FUT_TRY(fut_cuda_check_dtype("squeeze_excite", desc->dtype, desc->real));
    FUT_TRY(fut_cuda_check_shape("squeeze_excite", desc->x));
    FUT_CHECK(desc->reduced > 0, FUT_ERR_SHAPE, "squeeze_excite: %lld reduced channels, must be positive", (long long)desc->reduced);
    FUT_CHECK(desc->act != FUT_ACT_PRELU, FUT_ERR_UNSUPPORTED,
              "squeeze_excite: PRELU has a slope to learn, which this layer has no place for");
    FUT_CHECK(desc->x.c + desc->reduced <= FUT_CUDA_EXCITE_MAX, FUT_ERR_UNSUPPORTED,
              "cuda backend, squeeze_excite: %lld channels and %lld reduced ones, together at most %d fit in a block's shared memory",
              (long long)desc->x.c, (long long)desc->reduced, FUT_CUDA_EXCITE_MAX);
    FUT_TRY(FUT_NEW(&se));
    *se = (cuda_se){
        .op = {.ops = &se_ops, .impl = "cuda:squeeze_excite"},
        .bk = bk,
        .desc = *desc,
        .slabs = fut_cuda_slabs_of(desc->x.n, desc->x.h * desc->x.w, desc->x.c),
    };
    int64_t saved = 2 * wide(se) + narrow(se);
    se->op.saved_bytes = (size_t)saved * sizeof(float);
    se->op.scratch_bytes = (size_t)(fut_cuda_slabs_floats(&se->slabs) + 2 * wide(se) + 2 * narrow(se) + saved) * sizeof(float);
    *op_out = &se->op;
    return FUT_OK;
}
