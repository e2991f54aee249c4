/* The bias gradient of a linear layer. */
#include "core/backend/cuda/kernels/kernels_vec.h"
#include "gpu_kernel.h"

namespace
{

constexpr int columns = 32, groups = 8;

/* A block takes `columns` columns; its group g adds rows g, g + groups, ...; then the groups are added in order. */
FUT_KERNEL_FN void sum_rows(int64_t rows, int64_t cols, const float *x, float *sum)
{
    FUT_SHARED(float, partial, columns *groups);
    const int column = static_cast<int>(threadIdx.x), group = static_cast<int>(threadIdx.y);
    const int64_t at = static_cast<int64_t>(blockIdx.x) * columns + column;
    float total = 0;
    if (at < cols)
        for (int64_t row = group; row < rows; row += groups)
            total += x[row * cols + at];
    partial[group * columns + column] = total;
    FUT_SYNC();
    if (group > 0 || at >= cols) return;
    for (int other = 1; other < groups; other++)
        total += partial[other * columns + column];
    sum[at] = total;
}

} // namespace

cudaError_t fut_cuda_launch_sum_rows(int64_t rows, int64_t cols, const float *x, float *sum, cudaStream_t stream)
{
    const unsigned int blocks = static_cast<unsigned int>((cols + columns - 1) / columns);
    return FUT_LAUNCH_SYNC(sum_rows, dim3(blocks), dim3(columns, groups), 0, stream, rows, cols, x, sum);
}
