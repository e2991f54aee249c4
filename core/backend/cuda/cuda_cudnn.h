/* One pass of a dense convolution through cuDNN's graph API: which engines could run it, and one of them made ready to run.
 *
 * Activations are NHWC, filters KRSC, sums f32. */
#ifndef FUT_CORE_BACKEND_CUDA_CUDNN_H
#define FUT_CORE_BACKEND_CUDA_CUDNN_H

#include "core/backend/cuda/cuda_tuning.h"

typedef enum fut_cudnn_kind { FUT_CUDNN_FORWARD, FUT_CUDNN_BACKWARD_DATA, FUT_CUDNN_BACKWARD_FILTER } fut_cudnn_kind;

typedef struct fut_cudnn_problem {
    fut_cudnn_kind kind;
    fut_shape4 x, y;
    int64_t kh, kw, stride;
    int64_t pad_top, pad_left, pad_bottom, pad_right;
    fut_dtype dtype; /* of all three tensors: f32, bf16, f16 */
} fut_cudnn_problem;

/* Which engines may be taken, by what cuDNN notes of them. */
typedef struct fut_cudnn_rules {
    bool tf32;          /* f32 may pass through tensor cores, which round it to TF32 */
    bool deterministic; /* the same bits every time */
} fut_cudnn_rules;

/* At most max engines that cuDNN's heuristics propose and the rules allow, best first; not every one of them will make a plan.
 * Errors: FUT_ERR_UNSUPPORTED and others of cuDNN. */
fut_status fut_cudnn_engines(cudnnHandle_t handle, const fut_cudnn_problem *problem, fut_cudnn_rules rules, int max,
                             fut_cuda_choice *choices_out, int *count_out) FUT_MUST_CHECK;

/* A pass with its engine. Errors: FUT_ERR_UNSUPPORTED where the engine does not take the problem. */
typedef struct fut_cudnn_plan fut_cudnn_plan;
fut_status fut_cudnn_plan_create(cudnnHandle_t handle, const fut_cudnn_problem *problem, const fut_cuda_choice *choice,
                                 fut_cudnn_plan **plan_out) FUT_MUST_CHECK;
void fut_cudnn_plan_destroy(fut_cudnn_plan **plan);
size_t fut_cudnn_plan_workspace_bytes(const fut_cudnn_plan *plan);

/* Enqueue on the stream of handle. x, w, y: the pass writes y, x (backward data) or w (backward filter) and reads the others.
 * workspace: fut_cudnn_plan_workspace_bytes of it. Allocates on the host only where a pointer is not the last call's. */
fut_status fut_cudnn_plan_run(fut_cudnn_plan *plan, cudnnHandle_t handle, const void *x, const void *w, const void *y,
                              void *workspace) FUT_MUST_CHECK;

#endif
