/* Convolution and its two gradients: patches of x against the filter, block of output pixels by block, with f32 sums.
 *
 *     patches [pixels, R * S * C/groups] of x      forward       y       = patches filter^T
 *     filter  [K/groups, R * S * C/groups]         backward data patches = dy filter, added up in dx
 *     y       [pixels, K/groups]                   and filter    filter  = dy^T patches, added up over the blocks */
#include "cudnn_double.h"
#include "dnn_math.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#pragma GCC optimize("O3") /* -O2 leaves most loops of gcc 12 scalar */

enum { BLOCK = 512 }; /* output pixels */

typedef struct conv {
    const cudnn_operation *op;
    int64_t c, k, h, w, r, s, oh, ow; /* channels are a group's */
    int64_t groups, pixels, patch;
    uint64_t turn; /* where sums begin: in quarters of their length, or anywhere */
    bool turned_anywhere;
    float *x, *filter, *y; /* as f32, whole tensors; filter as [groups * k, r, s, c] */
} conv;

static dnn_number number_of(cudnnDataType_t type)
{
    return type == CUDNN_DATA_FLOAT ? DNN_F32 : type == CUDNN_DATA_HALF ? DNN_F16 : DNN_BF16;
}

static int64_t first_of(const conv *v, int64_t length)
{
    return (int64_t)(v->turned_anywhere ? (v->turn * 7919 + 1) % (uint64_t)length : (v->turn * (uint64_t)length / 4) % (uint64_t)length);
}

/* Where the patch of an output pixel begins in x: the image's first pixel, and row and column, which may lie in the padding. */
typedef struct corner {
    int64_t image, row, column;
} corner;

static corner corner_of(const conv *v, int64_t p)
{
    const cudnn_convolution *c = &v->op->convolution;
    return (corner){.image = p / (v->oh * v->ow) * v->h * v->w,
                    .row = p / v->ow % v->oh * c->strides[0] - c->pre[0],
                    .column = p % v->ow * c->strides[1] - c->pre[1]};
}

/* Where tap (r, s) lies in x, in pixels; -1: in the padding. */
static int64_t source_of(const conv *v, const corner *at, int64_t r, int64_t s)
{
    const int64_t y = at->row + r * v->op->convolution.dilations[0], x = at->column + s * v->op->convolution.dilations[1];
    return y < 0 || y >= v->h || x < 0 || x >= v->w ? -1 : at->image + y * v->w + x;
}

/* A patch is a pixel: x itself holds the patches. */
static bool is_pointwise(const conv *v)
{
    const cudnn_convolution *c = &v->op->convolution;
    return v->groups == 1 && v->r == 1 && v->s == 1 && c->strides[0] == 1 && c->strides[1] == 1 && v->h == v->oh && v->w == v->ow &&
           c->pre[0] == 0 && c->pre[1] == 0;
}

/* Copies the patches of count pixels from p on, or adds them back (to dx). */
static void move_patches(const conv *v, int64_t group, int64_t p, int64_t count, float *patches, bool back)
{
    for (int64_t i = 0; i < count; i++) {
        const corner at = corner_of(v, p + i);
        for (int64_t r = 0; r < v->r; r++)
            for (int64_t s = 0; s < v->s; s++) {
                float *patch = patches + i * v->patch + (r * v->s + s) * v->c;
                const int64_t source = source_of(v, &at, r, s);
                float *x = v->x + (source * v->groups + group) * v->c;
                if (source < 0 && !back)
                    memset(patch, 0, (size_t)v->c * sizeof(float));
                else if (!back)
                    memcpy(patch, x, (size_t)v->c * sizeof(float));
                else if (source >= 0)
                    for (int64_t c = 0; c < v->c; c++)
                        x[c] += patch[c];
            }
    }
}

/* [k, patch] to [patch, k] */
static void transpose(const float *from, int64_t k, int64_t patch, float *to)
{
    for (int64_t i = 0; i < k; i++)
        for (int64_t j = 0; j < patch; j++)
            to[j * k + i] = from[i * patch + j];
}

static void run_block(const conv *v, int64_t group, int64_t p, int64_t count, float *patches, const float *filter_t)
{
    float *filter = v->filter + group * v->k * v->patch, *y = v->y + (p * v->groups + group) * v->k;
    const int64_t y_row = v->groups * v->k;
    const bool in_place = is_pointwise(v);
    float *cols = in_place ? v->x + p * v->c : patches;
    switch (v->op->kind) {
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR:
        if (!in_place) move_patches(v, group, p, count, cols, false);
        dnn_multiply(count, v->k, v->patch, cols, v->patch, 1, filter_t, v->k, y, y_row, first_of(v, v->patch));
        break;
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR:
        if (!in_place) memset(cols, 0, (size_t)(count * v->patch) * sizeof(float));
        dnn_multiply(count, v->patch, v->k, y, y_row, 1, filter, v->patch, cols, v->patch, first_of(v, v->k));
        if (!in_place) move_patches(v, group, p, count, cols, true);
        break;
    default:
        if (!in_place) move_patches(v, group, p, count, cols, false);
        dnn_multiply(v->k, v->patch, count, y, 1, y_row, cols, v->patch, filter, v->patch, first_of(v, count));
    }
}

static void run_blocks(const conv *v)
{
    const int64_t blocks = (v->pixels + BLOCK - 1) / BLOCK, start = first_of(v, blocks);
    float *patches = dnn_alloc((size_t)(BLOCK * v->patch) * sizeof(float)),
          *filter_t = dnn_alloc((size_t)(v->k * v->patch) * sizeof(float));
    for (int64_t group = 0; group < v->groups; group++) {
        transpose(v->filter + group * v->k * v->patch, v->k, v->patch, filter_t);
        for (int64_t i = 0; i < blocks; i++) {
            const int64_t p = (start + i) % blocks * BLOCK;
            run_block(v, group, p, v->pixels - p < BLOCK ? v->pixels - p : BLOCK, patches, filter_t);
        }
    }
    free(patches);
    free(filter_t);
}

/* One channel in and out a group: the filter as [taps, channels], loops over channels innermost. */
static void run_depthwise(const conv *v)
{
    const int64_t taps = v->r * v->s, channels = v->groups, start = first_of(v, v->pixels), first = first_of(v, taps);
    float *filter = dnn_alloc((size_t)(taps * channels) * sizeof(float));
    transpose(v->filter, channels, taps, filter);
    for (int64_t i = 0; i < v->pixels; i++) {
        const int64_t p = (start + i) % v->pixels;
        const corner at = corner_of(v, p);
        float *y = v->y + p * channels;
        for (int64_t j = 0; j < taps; j++) {
            const int64_t t = (first + j) % taps, source = source_of(v, &at, t / v->s, t % v->s);
            if (source < 0) continue;
            float *x = v->x + source * channels, *f = filter + t * channels;
            if (v->op->kind == CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR)
                for (int64_t c = 0; c < channels; c++)
                    y[c] += x[c] * f[c];
            else if (v->op->kind == CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR)
                for (int64_t c = 0; c < channels; c++)
                    x[c] += y[c] * f[c];
            else
                for (int64_t c = 0; c < channels; c++)
                    f[c] += x[c] * y[c];
        }
    }
    transpose(filter, taps, channels, v->filter);
    free(filter);
}

static int64_t elements(const cudnn_tensor *t)
{
    return t->dims[0] * t->dims[1] * t->dims[2] * t->dims[3];
}

/* The tensor as f32; zeros if it is the output. */
static float *take(const cudnn_operation *o, const cudnn_tensor *t, const void *memory, bool tf32)
{
    const int64_t count = elements(t);
    float *values = dnn_alloc((size_t)count * sizeof(float));
    if (t == cudnn_output(o))
        memset(values, 0, (size_t)count * sizeof(float));
    else
        dnn_load(values, memory, number_of(t->type), count, tf32);
    return values;
}

/* memory = alpha values + beta memory */
static void give(const cudnn_operation *o, const cudnn_tensor *t, float *values, void *memory)
{
    const int64_t count = elements(t);
    const float alpha = (float)o->alpha, beta = (float)o->beta;
    for (int64_t i = 0; i < count && alpha != 1; i++)
        values[i] *= alpha;
    if (beta != 0) {
        float *old = dnn_alloc((size_t)count * sizeof(float));
        dnn_load(old, memory, number_of(t->type), count, false);
        for (int64_t i = 0; i < count; i++)
            values[i] += beta * old[i];
        free(old);
    }
    dnn_store(memory, values, number_of(t->type), count);
}

void cudnn_convolve(const cudnn_operation *o, const cudnn_arithmetic *arithmetic, void *x, void *w, void *y)
{
    static atomic_uint_fast64_t turns;
    conv v = {.op = o,
              .c = o->w.dims[1],
              .k = o->w.dims[0] / cudnn_groups(o),
              .h = o->x.dims[2],
              .w = o->x.dims[3],
              .r = o->w.dims[2],
              .s = o->w.dims[3],
              .oh = o->y.dims[2],
              .ow = o->y.dims[3],
              .groups = cudnn_groups(o),
              .pixels = o->y.dims[0] * o->y.dims[2] * o->y.dims[3],
              .patch = o->w.dims[2] * o->w.dims[3] * o->w.dims[1],
              .turned_anywhere = arithmetic->changing,
              .turn = arithmetic->changing ? atomic_fetch_add(&turns, 1) : (uint64_t)arithmetic->order};
    v.x = take(o, &o->x, x, arithmetic->tf32);
    v.filter = take(o, &o->w, w, arithmetic->tf32);
    v.y = take(o, &o->y, y, arithmetic->tf32);
    if (v.c == 1 && v.k == 1)
        run_depthwise(&v);
    else
        run_blocks(&v);
    const cudnn_tensor *out = cudnn_output(o);
    give(o, out, out == &o->x ? v.x : out == &o->w ? v.filter : v.y, out == &o->x ? x : out == &o->w ? w : y);
    free(v.x);
    free(v.filter);
    free(v.y);
}
