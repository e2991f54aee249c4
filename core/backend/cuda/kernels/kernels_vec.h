/* Kernels on plain arrays: rows, pairs, the optimizer's vectors, sums. Launchers only enqueue; all arrays are device memory, f32 unless
 * they say otherwise. A sum's order depends on sizes alone, so that the same call has the same bits. `scratch` is FUT_CUDA_VEC_SCRATCH
 * bytes. */
#ifndef FUT_CORE_BACKEND_CUDA_KERNELS_VEC_H
#define FUT_CORE_BACKEND_CUDA_KERNELS_VEC_H

#include "core/backend/backend.h"

#include <cuda_runtime_api.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { FUT_CUDA_PARTIALS = 1024 /* blocks of a first pass, at most */, FUT_CUDA_VEC_SCRATCH = FUT_CUDA_PARTIALS * 64 };

/* linear.cu. sum [cols] = sum over rows of x [rows, cols]. */
cudaError_t fut_cuda_launch_sum_rows(int64_t rows, int64_t cols, const float *x, float *sum, cudaStream_t stream);

/* rows.cu. As the rows of kernels.def; row may be NULL, de may be dh. */
cudaError_t fut_cuda_launch_normalize_rows(int64_t n, int64_t d, const float *e, float *h, float *norm, cudaStream_t stream);
cudaError_t fut_cuda_launch_normalize_rows_backward(int64_t n, int64_t d, const int64_t *row, const float *h, const float *norm,
                                                    const float *dh, float *de, cudaStream_t stream);
cudaError_t fut_cuda_launch_scatter_rows(int64_t n, int64_t d, const int64_t *row, const float *src, float *dst, cudaStream_t stream);
cudaError_t fut_cuda_launch_gather_rows(int64_t n, int64_t d, const int64_t *row, const float *src, float *dst, cudaStream_t stream);
cudaError_t fut_cuda_launch_add_rows(int64_t n, int64_t d, const int64_t *row, const float *src, float *dst, cudaStream_t stream);
cudaError_t fut_cuda_launch_add_transposed(int64_t n, float *g, cudaStream_t stream);

/* memory: host memory, read before the call returns. */
cudaError_t fut_cuda_launch_remember_rows(int64_t n, const fut_row_memory *memory, const float *e, const int64_t *label,
                                          const int64_t *image, cudaStream_t stream);

/* products.cu. The struct is host memory, read before the call returns. */
cudaError_t fut_cuda_launch_similarity_rows(const fut_pair_rows *rows, const float *h, const float *r, float *sim, cudaStream_t stream);
cudaError_t fut_cuda_launch_rows_times(const fut_pair_rows *rows, float scale, const float *g, const float *r, float *dh,
                                       cudaStream_t stream);
cudaError_t fut_cuda_launch_rows_times_transposed(const fut_pair_rows *rows, const float *g, const float *h_rows, float *dr,
                                                  cudaStream_t stream);

/* vector.cu, step.cu: n > 0, but step_check may have none. */
cudaError_t fut_cuda_launch_add_f32(int64_t n, const float *x, float *y, cudaStream_t stream);
cudaError_t fut_cuda_launch_add_f64(int64_t n, const double *x, double *y, cudaStream_t stream);
cudaError_t fut_cuda_launch_tree_rows(int64_t rows, int64_t n, double *in, double *out, cudaStream_t stream);
cudaError_t fut_cuda_launch_scale_gradient(int64_t n, const fut_step_control *control, float *x, cudaStream_t stream);
cudaError_t fut_cuda_launch_update_stats(int64_t n, double momentum, int64_t shards, const fut_step_control *control, const float *sum,
                                         float *running, cudaStream_t stream);
cudaError_t fut_cuda_launch_step_check(int64_t n, const float *g, const double *loss, int64_t loss_count, fut_step_control *control,
                                       void *scratch, cudaStream_t stream);

#ifdef __cplusplus
}
#endif

#endif
