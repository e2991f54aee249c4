/* The decision about a step: is the gradient finite and how long. */
#include "core/backend/cuda/kernels/kernels_vec.h"
#include "core/backend/cuda/kernels/vector_packs.cuh"
#include "gpu_kernel.h"

#define FUT_FORMULA_FN FUT_DEVICE_FN
#include "core/backend/step_formulas.h"

namespace
{

constexpr int64_t most_blocks = FUT_CUDA_PARTIALS;

/* First pass. A thread's packs are a grid apart; the order does not depend on how they are loaded. */
template <bool whole> FUT_KERNEL_FN void sum_squares(int64_t n, const float *g, double *partial)
{
    FUT_SHARED(double, scratch, 32);
    const int64_t thread = static_cast<int64_t>(blockIdx.x) * block + threadIdx.x, threads = static_cast<int64_t>(gridDim.x) * block;
    double sum = 0;
    for (int64_t first = thread * pack; first < n; first += threads * pack) {
        const fut_pack<float, pack> values = load<whole>(n, first, g);
        for (int k = 0; k < pack; k++)
            sum += static_cast<double>(values.v[k]) * static_cast<double>(values.v[k]);
    }
    sum = fut_block_sum<double>(sum, scratch);
    if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

/* Second pass, one block. The squares of finite f32 cannot overflow f64, so the sum is finite just where every element is. */
FUT_KERNEL_FN void decide_step(int64_t blocks, const double *partial, const double *loss, int64_t loss_count, fut_step_control *control)
{
    FUT_SHARED(double, scratch, 32);
    double sum = 0;
    for (int64_t at = threadIdx.x; at < blocks; at += block)
        sum += partial[at];
    sum = fut_block_sum<double>(sum, scratch);
    if (threadIdx.x > 0) return;
    bool finite = isfinite(sum);
    for (int64_t i = 0; i < loss_count; i++)
        finite = finite && isfinite(loss[i]);
    fut_step_decide(sum, finite, control);
}

} // namespace

cudaError_t fut_cuda_launch_step_check(int64_t n, const float *g, const double *loss, int64_t loss_count, fut_step_control *control,
                                       void *scratch, cudaStream_t stream)
{
    double *const partial = static_cast<double *>(scratch);
    const int64_t wanted = n / (block * pack) + 1, blocks = wanted < most_blocks ? wanted : most_blocks;
    const dim3 grid(static_cast<unsigned int>(blocks));
    const cudaError_t error = is_aligned(g) ? FUT_LAUNCH_SYNC((sum_squares<true>), grid, dim3(block), 0, stream, n, g, partial)
                                            : FUT_LAUNCH_SYNC((sum_squares<false>), grid, dim3(block), 0, stream, n, g, partial);
    if (error != cudaSuccess) return error;
    return FUT_LAUNCH_SYNC(decide_step, dim3(1), dim3(block), 0, stream, blocks, partial, loss, loss_count, control);
}
