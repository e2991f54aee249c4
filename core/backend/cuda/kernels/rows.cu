/* Rows of embeddings: to unit length and back, into place. A warp has a row; sums are f64, so that no length overflows or vanishes. */
#include "core/backend/cuda/kernels/kernels_vec.h"
#include "gpu_kernel.h"

namespace
{

constexpr int warp = 32, rows_a_block = 8, block = 256;
constexpr double floor_of_norm = 1e-12; /* torch.nn.functional.normalize's */

FUT_DEVICE_FN int64_t row_of_warp()
{
    return static_cast<int64_t>(blockIdx.x) * rows_a_block + threadIdx.x / warp;
}

/* All lanes meet in the sums, also those of rows past the end. */
FUT_KERNEL_FN void normalize_rows(int64_t n, int64_t d, const float *e, float *h, float *norm)
{
    const int64_t i = row_of_warp(), end = i < n ? d : 0, first = threadIdx.x % warp;
    double squares = 0;
    for (int64_t j = first; j < end; j += warp)
        squares += static_cast<double>(e[i * d + j]) * static_cast<double>(e[i * d + j]);
    const double length = sqrt(fut_warp_sum(squares));
    const double scale = 1 / (length > floor_of_norm ? length : floor_of_norm);
    for (int64_t j = first; j < end; j += warp)
        h[i * d + j] = static_cast<float>(e[i * d + j] * scale);
    if (first == 0 && i < n) norm[i] = static_cast<float>(length);
}

/* Below the floor h is e / floor, so de = dh / floor. */
FUT_KERNEL_FN void normalize_rows_backward(int64_t n, int64_t d, const int64_t *row, const float *h, const float *norm, const float *dh,
                                           float *de)
{
    const int64_t i = row_of_warp(), end = i < n ? d : 0, first = threadIdx.x % warp;
    const int64_t from = i < n ? (row ? row[i] : i) : 0;
    double dot = 0;
    for (int64_t j = first; j < end; j += warp)
        dot += static_cast<double>(dh[i * d + j]) * static_cast<double>(h[from * d + j]);
    dot = fut_warp_sum(dot);
    if (i >= n) return;
    double length = norm[from];
    if (!(length > floor_of_norm)) {
        length = floor_of_norm;
        dot = 0;
    }
    const double scale = 1 / length;
    for (int64_t j = first; j < end; j += warp)
        de[i * d + j] = static_cast<float>((dh[i * d + j] - dot * h[from * d + j]) * scale);
}

FUT_KERNEL_FN void scatter_rows(int64_t n, int64_t d, const int64_t *row, const float *src, float *dst)
{
    const int64_t i = row_of_warp();
    if (i >= n) return;
    for (int64_t j = threadIdx.x % warp; j < d; j += warp)
        dst[row[i] * d + j] = src[i * d + j];
}

FUT_KERNEL_FN void gather_rows(int64_t n, int64_t d, const int64_t *row, const float *src, float *dst)
{
    const int64_t i = row_of_warp();
    if (i >= n) return;
    for (int64_t j = threadIdx.x % warp; j < d; j += warp)
        dst[i * d + j] = src[row[i] * d + j];
}

FUT_KERNEL_FN void add_rows(int64_t n, int64_t d, const int64_t *row, const float *src, float *dst)
{
    const int64_t i = row_of_warp();
    if (i >= n) return;
    for (int64_t j = threadIdx.x % warp; j < d; j += warp)
        dst[row[i] * d + j] += src[i * d + j];
}

/* The squares of finite f32 cannot overflow f64, so the sum is finite just where every element is. */
FUT_KERNEL_FN void remember_rows(int64_t n, fut_row_memory memory, const float *e, const int64_t *label, const int64_t *image)
{
    const int64_t d = memory.dim, i = row_of_warp(), end = i < n ? d : 0, first = threadIdx.x % warp;
    double squares = 0;
    for (int64_t j = first; j < end; j += warp)
        squares += static_cast<double>(e[i * d + j]) * static_cast<double>(e[i * d + j]);
    const bool finite = isfinite(fut_warp_sum(squares));
    if (i >= n) return;
    const int64_t place = (*memory.entered + i) % memory.size;
    for (int64_t j = first; j < d; j += warp)
        static_cast<float *>(memory.e)[place * d + j] = finite ? e[i * d + j] : 0;
    if (first > 0) return;
    memory.label[place] = finite ? label[i] : -1;
    memory.image[place] = image[i];
}

/* After every row has its place. */
FUT_KERNEL_FN void count_entered(int64_t n, int64_t *entered)
{
    *entered += n;
}

/* A block has a tile of the upper half and its mirror image. */
constexpr int side = 32, pitch = side + 1, lines = block / side;

FUT_DEVICE_FN void load_tile(int64_t n, int64_t first_row, int64_t first_col, const float *g, fut_shared<float> tile)
{
    const int x = static_cast<int>(threadIdx.x % side);
    for (int y = static_cast<int>(threadIdx.x / side); y < side; y += lines)
        if (first_row + y < n && first_col + x < n) tile[y * pitch + x] = g[(first_row + y) * n + first_col + x];
}

FUT_DEVICE_FN void store_sums(int64_t n, int64_t first_row, int64_t first_col, fut_shared<float> tile, fut_shared<float> mirrored, float *g)
{
    const int x = static_cast<int>(threadIdx.x % side);
    for (int y = static_cast<int>(threadIdx.x / side); y < side; y += lines) {
        if (first_row + y >= n || first_col + x >= n) continue;
        const float here = tile[y * pitch + x], there = mirrored[x * pitch + y];
        g[(first_row + y) * n + first_col + x] = here + there;
    }
}

FUT_KERNEL_FN void add_transposed(int64_t n, float *g)
{
    FUT_SHARED(float, upper, side *pitch);
    FUT_SHARED(float, lower, side *pitch);
    const int64_t row = static_cast<int64_t>(blockIdx.y) * side, col = static_cast<int64_t>(blockIdx.x) * side;
    if (row > col) return;
    load_tile(n, row, col, g, upper);
    load_tile(n, col, row, g, lower);
    FUT_SYNC();
    store_sums(n, row, col, upper, lower, g);
    if (row < col) store_sums(n, col, row, lower, upper, g);
}

dim3 grid_of(int64_t n)
{
    return dim3(static_cast<unsigned int>((n + rows_a_block - 1) / rows_a_block));
}

} // namespace

cudaError_t fut_cuda_launch_normalize_rows(int64_t n, int64_t d, const float *e, float *h, float *norm, cudaStream_t stream)
{
    return FUT_LAUNCH_SYNC(normalize_rows, grid_of(n), dim3(block), 0, stream, n, d, e, h, norm);
}

cudaError_t fut_cuda_launch_normalize_rows_backward(int64_t n, int64_t d, const int64_t *row, const float *h, const float *norm,
                                                    const float *dh, float *de, cudaStream_t stream)
{
    return FUT_LAUNCH_SYNC(normalize_rows_backward, grid_of(n), dim3(block), 0, stream, n, d, row, h, norm, dh, de);
}

cudaError_t fut_cuda_launch_scatter_rows(int64_t n, int64_t d, const int64_t *row, const float *src, float *dst, cudaStream_t stream)
{
    return FUT_LAUNCH(scatter_rows, grid_of(n), dim3(block), 0, stream, n, d, row, src, dst);
}

cudaError_t fut_cuda_launch_gather_rows(int64_t n, int64_t d, const int64_t *row, const float *src, float *dst, cudaStream_t stream)
{
    return FUT_LAUNCH(gather_rows, grid_of(n), dim3(block), 0, stream, n, d, row, src, dst);
}

cudaError_t fut_cuda_launch_add_rows(int64_t n, int64_t d, const int64_t *row, const float *src, float *dst, cudaStream_t stream)
{
    return FUT_LAUNCH(add_rows, grid_of(n), dim3(block), 0, stream, n, d, row, src, dst);
}

cudaError_t fut_cuda_launch_remember_rows(int64_t n, const fut_row_memory *memory, const float *e, const int64_t *label,
                                          const int64_t *image, cudaStream_t stream)
{
    const cudaError_t error = FUT_LAUNCH_SYNC(remember_rows, grid_of(n), dim3(block), 0, stream, n, *memory, e, label, image);
    if (error != cudaSuccess) return error;
    return FUT_LAUNCH(count_entered, dim3(1), dim3(1), 0, stream, n, memory->entered);
}

cudaError_t fut_cuda_launch_add_transposed(int64_t n, float *g, cudaStream_t stream)
{
    const unsigned int tiles = static_cast<unsigned int>((n + side - 1) / side);
    return FUT_LAUNCH_SYNC(add_transposed, dim3(tiles, tiles), dim3(block), 0, stream, n, g);
}
