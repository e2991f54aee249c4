/* Kernels on activations: batch norm with activation, pooling, squeeze-and-excite, images, layouts. Launchers only enqueue.
 *
 * An activation is NHWC, rows of `channels` elements, its start aligned to 16 bytes. `real` arrays are f32. A sum has two levels, slabs of
 * rows in f32 and all slabs in f64, both in an order that depends on the shape alone. */
#ifndef FUT_CORE_BACKEND_CUDA_KERNELS_ACT_H
#define FUT_CORE_BACKEND_CUDA_KERNELS_ACT_H

#include "core/backend/backend.h"

#include <cuda_runtime_api.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How blocks divide an activation: images of `rows` rows, an image in slabs, a slab's channels over `groups` blocks.
 *
 *              columns threads side by side, `pack` channels each
 *     lanes    [....][....][....]   row first
 *     threads  [....][....][....]   row first + 1        then the rows `lanes` further down, to the end of the slab
 *
 * fut_cuda_slabs_of (cuda_slabs.h) makes one. */
typedef struct fut_cuda_slabs {
    int64_t images, rows; /* rows of one image; a kernel that sums over the batch sees one image */
    int64_t channels;
    int64_t slabs, slab_rows; /* of an image; its last slab may be shorter */
    int groups, columns, lanes;
    int pack; /* FUT_CUDA_PACK, or 1 where the channels are no multiple of that */
} fut_cuda_slabs;

/* Channels a thread: 8 would be one 128-bit access in 16 bits, but what batch norm keeps of 8 channels does not fit in registers. */
enum { FUT_CUDA_PACK = 4, FUT_CUDA_BLOCK = 256 /* threads of a block of slabs, at most */, FUT_CUDA_NORM_SUMS = 3 };

/* Batch norm, as f32 arrays [channels]. */
typedef struct fut_cuda_norm {
    const float *mean;
    const float *inv, *mean_low;       /* of a batch: 1 / sqrt(variance + eps), and what rounding took from the mean */
    const float *variance;             /* where inv is NULL */
    const float *gamma, *beta, *slope; /* slope: PRELU only */
    int64_t count;                     /* values a channel that the batch's statistics are of */
    double eps;
    fut_act_kind act;
    bool residual_after;
} fut_cuda_norm;

/* partial [slabs, 3, channels]: a value of each slab, its mean apart from that, and its sum of squares around the mean. */
cudaError_t fut_cuda_launch_norm_stats(const fut_cuda_slabs *s, fut_dtype dtype, const void *x, float *partial, cudaStream_t stream);
/* All slabs together (Chan, Golub & LeVeque 1979): mean, what its rounding left, inv and the unbiased variance,
 * [channels] each. */
cudaError_t fut_cuda_launch_norm_stats_join(const fut_cuda_slabs *s, double eps, const float *partial, float *mean, float *mean_low,
                                            float *inv, float *batch_mean, float *batch_variance, cudaStream_t stream);
/* The same in two halves, over several shards: what all slabs together add to the shards' sums (norm_formulas.h), f64
 * [FUT_NORM_SUMS, channels]; and from the sums of all shards, over `count` values a channel. */
cudaError_t fut_cuda_launch_norm_stats_sums(const fut_cuda_slabs *s, const float *partial, double *sums, cudaStream_t stream);
cudaError_t fut_cuda_launch_norm_stats_take(int64_t channels, int64_t count, double eps, const double *sums, float *mean, float *mean_low,
                                            float *inv, float *batch_mean, float *batch_variance, cudaStream_t stream);
/* y = act((x - mean) inv gamma + beta (+ r)) (+ r); r may be NULL. */
cudaError_t fut_cuda_launch_norm_apply(const fut_cuda_slabs *s, fut_dtype dtype, const fut_cuda_norm *norm, const void *x, const void *r,
                                       void *y, cudaStream_t stream);
/* partial [slabs, 2 or 3, channels]: sums of dz, dz (x - mean) and, for PRELU, dy z where z < 0. r: the residual inside, or NULL. */
cudaError_t fut_cuda_launch_norm_sums(const fut_cuda_slabs *s, fut_dtype dtype, const fut_cuda_norm *norm, const void *x, const void *r,
                                      const void *dy, float *partial, cudaStream_t stream);
/* sums: NULL, or f64 [FUT_NORM_GRADIENT_SUMS, channels], dbeta and dgamma once more. */
cudaError_t fut_cuda_launch_norm_sums_join(const fut_cuda_slabs *s, const fut_cuda_norm *norm, const float *partial, float *dgamma,
                                           float *dbeta, float *dslope, double *sums, cudaStream_t stream);
/* to = from, rounded. */
cudaError_t fut_cuda_launch_round(int64_t count, const double *from, float *to, cudaStream_t stream);
/* dx from dgamma and dbeta; dr (or NULL): the residual's gradient. dx may be dy. */
cudaError_t fut_cuda_launch_norm_grad(const fut_cuda_slabs *s, fut_dtype dtype, const fut_cuda_norm *norm, const float *dgamma,
                                      const float *dbeta, const void *x, const void *r, const void *dy, void *dx, void *dr,
                                      cudaStream_t stream);

/* sums [images, slabs, channels] = scale * sum of x (times dy, unless NULL) over a slab's rows. */
cudaError_t fut_cuda_launch_row_sums(const fut_cuda_slabs *s, fut_dtype dtype, float scale, const void *x, const void *dy, float *sums,
                                     cudaStream_t stream);
/* y [images, channels] = sums, the slabs of an image added. */
cudaError_t fut_cuda_launch_row_sums_join(const fut_cuda_slabs *s, const float *sums, float *y, cudaStream_t stream);
/* y = x * gate + scale * offset, gate and offset [images, channels]; x and gate NULL: y = scale * offset; offset NULL: y = x * gate. */
cudaError_t fut_cuda_launch_row_affine(const fut_cuda_slabs *s, fut_dtype dtype, const void *x, const float *gate, float scale,
                                       const float *offset, void *y, cudaStream_t stream);

/* One block an image. channels + reduced is at most FUT_CUDA_EXCITE_MAX. */
enum { FUT_CUDA_EXCITE_MAX = 11000 };
typedef struct fut_cuda_excite {
    int64_t images;
    int channels, reduced, slabs;
    fut_act_kind act;
    const float *w1, *b1, *w2, *b2; /* [reduced, channels], [channels, reduced] */
    float *p, *a, *g;               /* saved: [images, channels], [images, reduced], [images, channels] */
} fut_cuda_excite;
/* sums [images, slabs, channels] -> p their total, a = W1 p + b1, g = sigmoid(W2 act(a) + b2). */
cudaError_t fut_cuda_launch_excite(const fut_cuda_excite *e, const float *sums, cudaStream_t stream);
/* sums: of dy x -> de [images, channels], da, h = act(a) [images, reduced], dp [images, channels]. */
cudaError_t fut_cuda_launch_excite_backward(const fut_cuda_excite *e, const float *sums, float *de, float *da, float *h, float *dp,
                                            cudaStream_t stream);
/* dw [rows, cols] = sum over images of left [images, rows]^T right [images, cols]; db [rows] = sum of left. */
cudaError_t fut_cuda_launch_outer_sums(int64_t images, int64_t rows, int64_t cols, const float *left, const float *right, float *dw,
                                       float *db, cudaStream_t stream);

/* Windows of kernel x kernel; `s` divides the output in forward and the input in backward.
 * at: of each output the place of its largest input in its window, row-major. */
typedef struct fut_cuda_windows {
    int h, w, out_h, out_w, kernel, stride, pad;
} fut_cuda_windows;
enum { FUT_CUDA_WINDOW_MAX = 16 }; /* kernel, so that a place fits in a byte */
cudaError_t fut_cuda_launch_max_pool(const fut_cuda_slabs *s, fut_dtype dtype, const fut_cuda_windows *windows, const void *x, void *y,
                                     uint8_t *at, cudaStream_t stream);
cudaError_t fut_cuda_launch_max_pool_backward(const fut_cuda_slabs *s, fut_dtype dtype, const fut_cuda_windows *windows, const void *dy,
                                              const uint8_t *at, void *dx, cudaStream_t stream);

/* count values of rgb, channels innermost: act = value * factor[c] + term[c]. */
typedef struct fut_cuda_normalize {
    float factor[3], term[3];
} fut_cuda_normalize;
cudaError_t fut_cuda_launch_images(int64_t count, fut_dtype dtype, const fut_cuda_normalize *normalize, const uint8_t *rgb, void *act,
                                   cudaStream_t stream);
/* Plain NCHW f32 <-> activation. */
cudaError_t fut_cuda_launch_act_import(fut_shape4 shape, fut_dtype dtype, const float *plain, void *act, cudaStream_t stream);
cudaError_t fut_cuda_launch_act_export(fut_shape4 shape, fut_dtype dtype, const void *act, float *plain, cudaStream_t stream);
/* y += x. */
cudaError_t fut_cuda_launch_act_add(int64_t count, fut_dtype dtype, const void *x, void *y, cudaStream_t stream);

#ifdef __cplusplus
}
#endif

#endif
