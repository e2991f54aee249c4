/* Vectors: additions of the tree, scaling, running statistics. */
#include "core/backend/cuda/kernels/kernels_vec.h"
#include "gpu_kernel.h"

namespace
{

constexpr int block = 256, pack = 4;

dim3 grid_of(int64_t threads)
{
    return dim3(static_cast<unsigned int>((threads + block - 1) / block));
}

FUT_DEVICE_FN int64_t thread_of_grid()
{
    return static_cast<int64_t>(blockIdx.x) * block + threadIdx.x;
}

template <typename T> bool packs_are_aligned(const T *x, const T *y)
{
    return (reinterpret_cast<uintptr_t>(x) | reinterpret_cast<uintptr_t>(y)) % alignof(fut_pack<T, pack>) == 0;
}

/* A thread adds `pack` elements; whole: 128 bits at a time. */
template <typename T, bool whole> FUT_KERNEL_FN void add(int64_t n, const T *x, T *y)
{
    const int64_t first = thread_of_grid() * pack;
    if (whole && first + pack <= n) {
        const fut_pack<T, pack> left = fut_load_pack<pack>(x + first);
        fut_pack<T, pack> right = fut_load_pack<pack>(const_cast<const T *>(y) + first);
        for (int k = 0; k < pack; k++)
            right.v[k] += left.v[k];
        fut_store_pack(y + first, right);
        return;
    }
    for (int64_t i = first; i < n && i < first + pack; i++)
        y[i] += x[i];
}

template <typename T> cudaError_t launch_add(int64_t n, const T *x, T *y, cudaStream_t stream)
{
    const dim3 grid = grid_of((n + pack - 1) / pack);
    if (packs_are_aligned<T>(x, y)) return FUT_LAUNCH((add<T, true>), grid, dim3(block), 0, stream, n, x, y);
    return FUT_LAUNCH((add<T, false>), grid, dim3(block), 0, stream, n, x, y);
}

/* A block has a column. Level by level: a node of 2 half rows is its left child plus its right one, in the left one's place. */
FUT_KERNEL_FN void tree_rows(int64_t rows, int64_t n, double *in, double *out)
{
    const int64_t column = blockIdx.x;
    for (int64_t half = 1; half < rows; half *= 2) {
        for (int64_t left = threadIdx.x * 2 * half; left + half < rows; left += 2 * half * block)
            in[left * n + column] += in[(left + half) * n + column];
        FUT_SYNC();
    }
    if (threadIdx.x == 0) out[column] = in[column];
}

FUT_KERNEL_FN void scale_gradient(int64_t n, const fut_step_control *control, float *x)
{
    const int64_t i = thread_of_grid();
    if (i < n) x[i] *= static_cast<float>(control->scale);
}

FUT_KERNEL_FN void update_stats(int64_t n, double keep, double take, const fut_step_control *control, const float *sum, float *running)
{
    const int64_t i = thread_of_grid();
    if (i < n && control->finite) running[i] = static_cast<float>(keep * running[i] + take * sum[i]);
}

} // namespace

cudaError_t fut_cuda_launch_add_f32(int64_t n, const float *x, float *y, cudaStream_t stream)
{
    return launch_add(n, x, y, stream);
}

cudaError_t fut_cuda_launch_add_f64(int64_t n, const double *x, double *y, cudaStream_t stream)
{
    return launch_add(n, x, y, stream);
}

cudaError_t fut_cuda_launch_tree_rows(int64_t rows, int64_t n, double *in, double *out, cudaStream_t stream)
{
    return FUT_LAUNCH_SYNC(tree_rows, dim3(static_cast<unsigned int>(n)), dim3(block), 0, stream, rows, n, in, out);
}

cudaError_t fut_cuda_launch_scale_gradient(int64_t n, const fut_step_control *control, float *x, cudaStream_t stream)
{
    return FUT_LAUNCH(scale_gradient, grid_of(n), dim3(block), 0, stream, n, control, x);
}

cudaError_t fut_cuda_launch_update_stats(int64_t n, double momentum, int64_t shards, const fut_step_control *control, const float *sum,
                                         float *running, cudaStream_t stream)
{
    return FUT_LAUNCH(update_stats, grid_of(n), dim3(block), 0, stream, n, 1 - momentum, momentum / static_cast<double>(shards), control,
                      sum, running);
}
