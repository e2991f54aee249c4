/* Kernels of row losses (core/backend/row_loss.h), as the rows of kernels.def. Launchers only enqueue; arrays are device memory, the
 * structs host memory, read before the call returns. `scratch` is FUT_CUDA_ROWS_SCRATCH bytes. */
#ifndef FUT_CORE_BACKEND_CUDA_KERNELS_ROWS_H
#define FUT_CORE_BACKEND_CUDA_KERNELS_ROWS_H

#include "core/backend/backend.h"

#include <cuda_runtime_api.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    FUT_CUDA_ROWS_BLOCKS = 1024 /* at most */,
    FUT_CUDA_ROWS_SLOTS = 16,
    FUT_CUDA_ROWS_SCRATCH = FUT_CUDA_ROWS_BLOCKS * FUT_CUDA_ROWS_SLOTS * 8
};

cudaError_t fut_cuda_launch_l2_rows(const fut_pair_rows *rows, const float *norm, const float *h, const float *ref_norm, const float *r,
                                    float *v, cudaStream_t stream);
cudaError_t fut_cuda_launch_select_pairs(const fut_pair_rows *rows, const fut_row_miner *miner, const float *v, uint8_t *kind,
                                         cudaStream_t stream);
cudaError_t fut_cuda_launch_draw_triplets(const fut_pair_rows *rows, const fut_row_miner *miner, const fut_step_control *control, float *v,
                                          uint8_t *kind, fut_row_draw *draw, cudaStream_t stream);
cudaError_t fut_cuda_launch_drawn_loss(const fut_pair_rows *rows, const fut_row_loss *loss, const float *v, const uint8_t *kind,
                                       const fut_row_draw *draw, float *g, double *sums, void *scratch, cudaStream_t stream);
cudaError_t fut_cuda_launch_row_loss(const fut_pair_rows *rows, const fut_row_loss *loss, const float *v, const uint8_t *kind, float *g,
                                     double *sums, void *scratch, cudaStream_t stream);
cudaError_t fut_cuda_launch_swap_loss(const fut_pair_rows *rows, const fut_row_loss *loss, const float *v, const uint8_t *kind, float *g,
                                      double *sums, void *scratch, cudaStream_t stream);
cudaError_t fut_cuda_launch_row_loss_weigh(const fut_pair_rows *rows, const fut_row_loss *loss, const uint8_t *kind, const double *total,
                                           float *g, cudaStream_t stream);

cudaError_t fut_cuda_launch_logit_params(const fut_row_loss *loss, const double *sums, const double *total, float *dscale, float *dshift,
                                         cudaStream_t stream);
cudaError_t fut_cuda_launch_difference_rows(const fut_pair_rows *rows, const float *h, const float *r, const float *w, float *v,
                                            cudaStream_t stream);
cudaError_t fut_cuda_launch_difference_times(const fut_pair_rows *rows, float scale, const float *g, const float *h, const float *r,
                                             const float *w, float *dh, cudaStream_t stream);
cudaError_t fut_cuda_launch_difference_times_transposed(const fut_pair_rows *rows, const float *g, const float *h, const float *r,
                                                        const float *w, float *dr, cudaStream_t stream);
cudaError_t fut_cuda_launch_difference_weights(const fut_pair_rows *rows, const float *g, const float *h, const float *r, float *dw,
                                               void *scratch, cudaStream_t stream);

#ifdef __cplusplus
}
#endif

#endif
