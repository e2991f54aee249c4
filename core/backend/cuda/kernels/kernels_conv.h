/* Kernels around convolutions: depthwise ones, filters between their layouts, and images with padding laid around them. Launchers only
 * enqueue. Activations are NHWC with their start aligned to 16 bytes, plain arrays f32; sums are f32 in an order that depends on the shape
 * alone. */
#ifndef FUT_CORE_BACKEND_CUDA_KERNELS_CONV_H
#define FUT_CORE_BACKEND_CUDA_KERNELS_CONV_H

#include "core/backend/backend.h"

#include <cuda_runtime_api.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Every channel has its own filter: y[n, oy, ox, c] = sum over ky, kx of weight[ky, kx, c] x[n, oy stride - top + ky, ox stride - left +
 * kx, c]. */
typedef struct fut_cuda_depthwise {
    int n, c, h, w, out_h, out_w, kh, kw, stride, top, left;
} fut_cuda_depthwise;

/* weight [kh, kw, c] f32 for both. */
cudaError_t fut_cuda_launch_depthwise(const fut_cuda_depthwise *d, fut_dtype dtype, const void *x, const float *weight, void *y,
                                      cudaStream_t stream);
cudaError_t fut_cuda_launch_depthwise_data(const fut_cuda_depthwise *d, fut_dtype dtype, const void *dy, const float *weight, void *dx,
                                           cudaStream_t stream);
/* dweight [c, kh, kw], by way of partial: fut_cuda_depthwise_partials floats. */
int64_t fut_cuda_depthwise_partials(const fut_cuda_depthwise *d);
cudaError_t fut_cuda_launch_depthwise_filter(const fut_cuda_depthwise *d, fut_dtype dtype, const void *x, const void *dy, float *partial,
                                             float *dweight, cudaStream_t stream);

/* dst [batch, cols, rows] = src [batch, rows, cols], each matrix transposed. One of the two is f32. */
cudaError_t fut_cuda_launch_transpose(int64_t batch, int64_t rows, int64_t cols, fut_dtype from, const void *src, fut_dtype to, void *dst,
                                      cudaStream_t stream);

/* dst[n, i, j, c] = src[n, i + top, j + left, c], 0 outside: padding laid around an image (top < 0) or cut off again. Same n and c. */
cudaError_t fut_cuda_launch_window(fut_shape4 from, fut_shape4 to, int64_t top, int64_t left, fut_dtype dtype, const void *src, void *dst,
                                   cudaStream_t stream);

#ifdef __cplusplus
}
#endif

#endif
