/* Flat passes: images in, plain NCHW in and out, addition. */
#include "core/backend/cuda/kernels/act_device.cuh"

/* 16 bytes a thread. */
template <typename T> constexpr int flat_pack = 16 / static_cast<int>(sizeof(T));

/* V elements a thread, from thread-number * V on. */
template <int V> FUT_DEVICE_FN int64_t flat_place()
{
    return (static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x) * V;
}

/* Runs on elements; what does not fill a pack at the end is done one by one, as is all where a pointer is not aligned (V = 1). */
template <typename T, int V>
FUT_KERNEL_FN void normalize_images(int64_t count, const fut_cuda_normalize normalize, const uint8_t *rgb, T *act)
{
    const int64_t at = flat_place<V>();
    if (at >= count) return;
    int c = static_cast<int>(at % 3);
    if (at + V > count) {
        for (int64_t i = at; i < count; i++, c = (c + 1) % 3)
            fut_store(act + i, static_cast<float>(rgb[i]) * normalize.factor[c] + normalize.term[c]);
        return;
    }
    const fut_pack<uint8_t, V> in = fut_load_pack<V>(rgb + at);
    float value[V];
    FUT_UNROLL
    for (int v = 0; v < V; v++, c = c == 2 ? 0 : c + 1)
        value[v] = static_cast<float>(in.v[v]) * (c == 0   ? normalize.factor[0]
                                                  : c == 1 ? normalize.factor[1]
                                                           : normalize.factor[2]) +
                   (c == 0   ? normalize.term[0]
                    : c == 1 ? normalize.term[1]
                             : normalize.term[2]);
    act_store(act + at, value);
}

template <typename T, int V> FUT_KERNEL_FN void add_elements(int64_t count, const T *x, T *y)
{
    const int64_t at = flat_place<V>();
    if (at >= count) return;
    if (at + V > count) {
        for (int64_t i = at; i < count; i++)
            fut_store(y + i, fut_load(y + i) + fut_load(x + i));
        return;
    }
    float left[V], right[V];
    act_unpack(fut_load_pack<V>(x + at), left);
    act_unpack(fut_load_pack<V>(y + at), right);
    FUT_UNROLL
    for (int v = 0; v < V; v++)
        right[v] += left[v];
    act_store(y + at, right);
}

/* out [cols, rows] = in [rows, cols]^T of every image, by way of a tile in shared memory, so that both sides are read and written in
 * whole lines. */
enum { TILE = 32, TILE_LANES = 8 };

template <typename From, typename To> FUT_KERNEL_FN void transpose(int64_t images, int rows, int cols, const From *in, To *out)
{
    FUT_SHARED(float, tile, TILE *(TILE + 1));
    const int column = static_cast<int>(threadIdx.x), lane = static_cast<int>(threadIdx.y);
    const int first_col = static_cast<int>(blockIdx.x) * TILE, first_row = static_cast<int>(blockIdx.y) * TILE;
    for (int64_t image = blockIdx.z; image < images; image += gridDim.z) {
        const int64_t base = image * rows * cols;
        for (int i = lane; i < TILE; i += TILE_LANES)
            if (first_row + i < rows && first_col + column < cols)
                tile[i * (TILE + 1) + column] = fut_load(in + base + static_cast<int64_t>(first_row + i) * cols + first_col + column);
        FUT_SYNC();
        for (int i = lane; i < TILE; i += TILE_LANES)
            if (first_col + i < cols && first_row + column < rows) {
                const float value = tile[column * (TILE + 1) + i];
                fut_store(out + base + static_cast<int64_t>(first_col + i) * rows + first_row + column, value);
            }
        FUT_SYNC();
    }
}

/* Enough blocks for `count` elements, V a thread. */
static dim3 flat_grid(int64_t count, int v)
{
    return dim3(act_ceil_div(count, static_cast<int64_t>(FUT_CUDA_BLOCK) * v));
}

/* An image may start anywhere in a batch of bytes. */
static bool is_aligned(const void *p, size_t bytes)
{
    return reinterpret_cast<uintptr_t>(p) % bytes == 0;
}

template <typename T>
static cudaError_t launch_images(int64_t count, const fut_cuda_normalize *normalize, const uint8_t *rgb, void *act, cudaStream_t stream)
{
    constexpr int v = flat_pack<T>;
    T *out = static_cast<T *>(act);
    if (!is_aligned(rgb, v))
        return FUT_LAUNCH((normalize_images<T, 1>), flat_grid(count, 1), dim3(FUT_CUDA_BLOCK), 0, stream, count, *normalize, rgb, out);
    return FUT_LAUNCH((normalize_images<T, v>), flat_grid(count, v), dim3(FUT_CUDA_BLOCK), 0, stream, count, *normalize, rgb, out);
}

extern "C" cudaError_t fut_cuda_launch_images(int64_t count, fut_dtype dtype, const fut_cuda_normalize *normalize, const uint8_t *rgb,
                                              void *act, cudaStream_t stream)
{
    return ACT_BY_DTYPE(dtype, launch_images, count, normalize, rgb, act, stream);
}

template <typename From, typename To>
static cudaError_t launch_transpose(int64_t images, int64_t rows, int64_t cols, const From *in, To *out, cudaStream_t stream)
{
    const dim3 grid(act_ceil_div(cols, TILE), act_ceil_div(rows, TILE), static_cast<unsigned int>(images < 65535 ? images : 65535));
    return FUT_LAUNCH_SYNC((transpose<From, To>), grid, dim3(TILE, TILE_LANES), 0, stream, images, static_cast<int>(rows),
                           static_cast<int>(cols), in, out);
}

template <typename T> static cudaError_t launch_import(fut_shape4 shape, const float *plain, void *act, cudaStream_t stream)
{
    return launch_transpose(shape.n, shape.c, shape.h * shape.w, plain, static_cast<T *>(act), stream);
}

extern "C" cudaError_t fut_cuda_launch_act_import(fut_shape4 shape, fut_dtype dtype, const float *plain, void *act, cudaStream_t stream)
{
    return ACT_BY_DTYPE(dtype, launch_import, shape, plain, act, stream);
}

template <typename T> static cudaError_t launch_export(fut_shape4 shape, const void *act, float *plain, cudaStream_t stream)
{
    return launch_transpose(shape.n, shape.h * shape.w, shape.c, static_cast<const T *>(act), plain, stream);
}

extern "C" cudaError_t fut_cuda_launch_act_export(fut_shape4 shape, fut_dtype dtype, const void *act, float *plain, cudaStream_t stream)
{
    return ACT_BY_DTYPE(dtype, launch_export, shape, act, plain, stream);
}

template <typename T> static cudaError_t launch_add(int64_t count, const void *x, void *y, cudaStream_t stream)
{
    constexpr int v = flat_pack<T>;
    return FUT_LAUNCH((add_elements<T, v>), flat_grid(count, v), dim3(FUT_CUDA_BLOCK), 0, stream, count, static_cast<const T *>(x),
                      static_cast<T *>(y));
}

extern "C" cudaError_t fut_cuda_launch_act_add(int64_t count, fut_dtype dtype, const void *x, void *y, cudaStream_t stream)
{
    return ACT_BY_DTYPE(dtype, launch_add, count, x, y, stream);
}
