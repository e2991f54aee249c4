/* Passes of optimizers over the parameter pack, as the rows of kernels.def. Launchers only enqueue; n > 0; all arrays are device memory but
 * args and groups (not groups->of), which are read before the call returns. `scratch` is FUT_CUDA_VEC_SCRATCH bytes. */
#ifndef FUT_CORE_BACKEND_CUDA_KERNELS_OPTIM_H
#define FUT_CORE_BACKEND_CUDA_KERNELS_OPTIM_H

#include "core/backend/backend.h"

#include <cuda_runtime_api.h>

#ifdef __cplusplus
extern "C" {
#endif

cudaError_t fut_cuda_launch_adam(int64_t n, const fut_adam_args *args, const double *lr, const fut_step_control *control,
                                 const fut_param_groups *groups, float *p, const float *g, float *m, float *v, void *scratch,
                                 cudaStream_t stream);
cudaError_t fut_cuda_launch_sgd(int64_t n, const fut_sgd_args *args, const double *lr, const fut_step_control *control,
                                const fut_param_groups *groups, float *p, const float *g, float *buffer, void *scratch,
                                cudaStream_t stream);
cudaError_t fut_cuda_launch_schedule_free(int64_t n, const fut_schedule_free_args *args, const double *lr, fut_step_control *control,
                                          const fut_param_groups *groups, float *p, const float *g, float *z, float *v, void *scratch,
                                          cudaStream_t stream);
cudaError_t fut_cuda_launch_lookahead(int64_t n, const fut_lookahead_args *args, const fut_step_control *control, float *p, float *slow,
                                      cudaStream_t stream);
cudaError_t fut_cuda_launch_center_rows(int64_t rows, const int64_t *row, float *x, cudaStream_t stream);
cudaError_t fut_cuda_launch_lerp(int64_t n, float weight, const fut_step_control *control, const float *x, float *y, cudaStream_t stream);

#ifdef __cplusplus
}
#endif

#endif
