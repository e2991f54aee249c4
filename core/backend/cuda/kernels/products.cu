/* Products of the loss: similarities, and gradients times embeddings.
 *
 *                     cols = 64                Each thread has 2 x 4 elements of the tile. An element's products are added one
 *              ┌───────────────────┐           after the other along the depth, whatever tile it lies in and whatever rows were
 *     rows     │ tile of c         │           asked for: a row's bits do not depend on the others. */
#include "core/backend/cuda/kernels/kernels_vec.h"
#include "gpu_kernel.h"

namespace
{

constexpr int tile_rows = 32, tile_cols = 64, tile_depth = 16, side = 16, block = side * side;
constexpr int rows_a_thread = tile_rows / side, cols_a_thread = tile_cols / side;
constexpr int a_pitch = tile_rows + 1, b_pitch = tile_cols + 1; /* odd: the threads that fill a tile spread over the banks */

/* c [rows, cols] = scale a b, where row i of a [., depth] is pick[i] (NULL: i), or a is transposed [depth, rows] (without pick), and b is
 * [depth, cols], or transposed [cols, depth]. */
struct sizes {
    int64_t rows, cols, depth;
};

template <bool transposed>
FUT_DEVICE_FN void load_a(const sizes &size, int64_t first_row, int64_t first_k, const int64_t *pick, const float *a,
                          fut_shared<float> tile)
{
    for (int e = fut_thread_index(); e < tile_rows * tile_depth; e += block) {
        const int row = transposed ? e % tile_rows : e / tile_depth, k = transposed ? e / tile_rows : e % tile_depth;
        const int64_t i = first_row + row, at = first_k + k;
        float value = 0;
        if (i < size.rows && at < size.depth) value = transposed ? a[at * size.rows + i] : a[(pick ? pick[i] : i) * size.depth + at];
        tile[k * a_pitch + row] = value;
    }
}

template <bool transposed>
FUT_DEVICE_FN void load_b(const sizes &size, int64_t first_col, int64_t first_k, const float *b, fut_shared<float> tile)
{
    for (int e = fut_thread_index(); e < tile_cols * tile_depth; e += block) {
        /* Neighbouring threads read neighbouring elements. */
        const int col = transposed ? e / tile_depth : e % tile_cols, k = transposed ? e % tile_depth : e / tile_cols;
        const int64_t j = first_col + col, at = first_k + k;
        float value = 0;
        if (j < size.cols && at < size.depth) value = transposed ? b[j * size.depth + at] : b[at * size.cols + j];
        tile[k * b_pitch + col] = value;
    }
}

template <bool a_transposed, bool b_transposed>
FUT_KERNEL_FN void product(sizes size, const int64_t *pick, const float *a, const float *b, float scale, float *c)
{
    FUT_SHARED(float, a_tile, tile_depth *a_pitch);
    FUT_SHARED(float, b_tile, tile_depth *b_pitch);
    const int64_t first_row = static_cast<int64_t>(blockIdx.y) * tile_rows, first_col = static_cast<int64_t>(blockIdx.x) * tile_cols;
    const int x = static_cast<int>(threadIdx.x), y = static_cast<int>(threadIdx.y);
    float sum[rows_a_thread][cols_a_thread] = {};
    for (int64_t first_k = 0; first_k < size.depth; first_k += tile_depth) {
        load_a<a_transposed>(size, first_row, first_k, pick, a, a_tile);
        load_b<b_transposed>(size, first_col, first_k, b, b_tile);
        FUT_SYNC();
        FUT_UNROLL
        for (int k = 0; k < tile_depth; k++) {
            float left[rows_a_thread], right[cols_a_thread];
            for (int p = 0; p < rows_a_thread; p++)
                left[p] = a_tile[k * a_pitch + y + p * side];
            for (int q = 0; q < cols_a_thread; q++)
                right[q] = b_tile[k * b_pitch + x + q * side];
            for (int p = 0; p < rows_a_thread; p++)
                for (int q = 0; q < cols_a_thread; q++)
                    sum[p][q] += left[p] * right[q];
        }
        FUT_SYNC();
    }
    for (int p = 0; p < rows_a_thread; p++)
        for (int q = 0; q < cols_a_thread; q++) {
            const int64_t i = first_row + y + p * side, j = first_col + x + q * side;
            if (i < size.rows && j < size.cols) c[i * size.cols + j] = scale * sum[p][q];
        }
}

dim3 grid_of(const sizes &size)
{
    return dim3(static_cast<unsigned int>((size.cols + tile_cols - 1) / tile_cols),
                static_cast<unsigned int>((size.rows + tile_rows - 1) / tile_rows));
}

} // namespace

cudaError_t fut_cuda_launch_similarity_rows(const fut_pair_rows *rows, const float *h, const float *r, float *sim, cudaStream_t stream)
{
    const sizes size = {rows->n, rows->refs, rows->dim};
    return FUT_LAUNCH_SYNC((product<false, true>), grid_of(size), dim3(side, side), 0, stream, size, rows->row, h, r, 1.0f, sim);
}

cudaError_t fut_cuda_launch_rows_times(const fut_pair_rows *rows, float scale, const float *g, const float *r, float *dh,
                                       cudaStream_t stream)
{
    const sizes size = {rows->n, rows->dim, rows->refs};
    const int64_t *all = nullptr;
    return FUT_LAUNCH_SYNC((product<false, false>), grid_of(size), dim3(side, side), 0, stream, size, all, g, r, scale, dh);
}

cudaError_t fut_cuda_launch_rows_times_transposed(const fut_pair_rows *rows, const float *g, const float *h_rows, float *dr,
                                                  cudaStream_t stream)
{
    const sizes size = {rows->refs, rows->dim, rows->n};
    const int64_t *all = nullptr;
    return FUT_LAUNCH_SYNC((product<true, false>), grid_of(size), dim3(side, side), 0, stream, size, all, g, h_rows, 1.0f, dr);
}
