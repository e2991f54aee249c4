/* Sums over the pixels of an image and their counterpart, a multiple of each channel: global mean pool, and what squeeze-and-excite does to
 * memory. */
#include "core/backend/cuda/kernels/act_device.cuh"

template <typename T, int V> FUT_KERNEL_FN void sum_rows(const fut_cuda_slabs s, float scale, const T *x, const T *dy, float *sums)
{
    constexpr int rows_at_once = act_rows_at_once<T>;
    ACT_LANES_SHARED(float, shared, V, FUT_CUDA_BLOCK);
    const act_walk w = act_walk_of(s, false);
    float sum[V] = {};
    for (int i = 0; i < w.count; i += rows_at_once) {
        fut_pack<T, V> in[rows_at_once], gradient[rows_at_once];
        act_load_rows(w, i, x, in);
        if (dy) act_load_rows(w, i, dy, gradient);
        FUT_UNROLL
        for (int u = 0; u < rows_at_once; u++) {
            if (i + u >= w.count) break;
            FUT_UNROLL
            for (int v = 0; v < V; v++) {
                const float value = fut_load(&in[u].v[v]);
                sum[v] += dy ? value * fut_load(&gradient[u].v[v]) : value;
            }
        }
    }
    act_sum_lanes<FUT_CUDA_BLOCK>(shared, sum);
    if (w.count == 0 || threadIdx.y > 0) return;
    FUT_UNROLL
    for (int v = 0; v < V; v++)
        sums[w.slab * s.channels + w.channel + v] = scale * sum[v];
}

FUT_KERNEL_FN void join_rows(const fut_cuda_slabs s, const float *sums, float *y)
{
    const int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (i >= s.images * s.channels) return;
    const float *from = sums + i / s.channels * s.slabs * s.channels + i % s.channels;
    double sum = 0;
    for (int64_t slab = 0; slab < s.slabs; slab++)
        sum += from[slab * s.channels];
    y[i] = static_cast<float>(sum);
}

template <typename T, int V>
FUT_KERNEL_FN void affine_rows(const fut_cuda_slabs s, const T *x, const float *gate, float scale, const float *offset, T *y)
{
    constexpr int rows_at_once = act_rows_at_once<T>;
    const act_walk w = act_walk_of(s, true);
    if (w.count == 0) return;
    const int64_t first = w.image * s.channels + w.channel;
    float factor[V] = {}, term[V] = {};
    if (gate) act_load_reals(gate + first, factor);
    if (offset) act_load_reals(offset + first, term);
    for (int i = 0; i < w.count; i += rows_at_once) {
        fut_pack<T, V> in[rows_at_once];
        if (x) act_load_rows(w, i, x, in);
        FUT_UNROLL
        for (int u = 0; u < rows_at_once; u++) {
            if (i + u >= w.count) break;
            float value[V] = {};
            if (x) act_unpack(in[u], value);
            FUT_UNROLL
            for (int v = 0; v < V; v++)
                value[v] = value[v] * factor[v] + scale * term[v];
            act_store(y + w.at + (i + u) * w.step, value);
        }
    }
}

template <typename T, int V>
static cudaError_t launch_sums(const fut_cuda_slabs *s, float scale, const void *x, const void *dy, float *sums, cudaStream_t stream)
{
    return FUT_LAUNCH_SYNC((sum_rows<T, V>), act_grid(s), act_block(s), 0, stream, *s, scale, static_cast<const T *>(x),
                           static_cast<const T *>(dy), sums);
}

extern "C" cudaError_t fut_cuda_launch_row_sums(const fut_cuda_slabs *s, fut_dtype dtype, float scale, const void *x, const void *dy,
                                                float *sums, cudaStream_t stream)
{
    return ACT_BY_PACK(s, dtype, launch_sums, s, scale, x, dy, sums, stream);
}

extern "C" cudaError_t fut_cuda_launch_row_sums_join(const fut_cuda_slabs *s, const float *sums, float *y, cudaStream_t stream)
{
    return FUT_LAUNCH(join_rows, dim3(act_ceil_div(s->images * s->channels, FUT_CUDA_BLOCK)), dim3(FUT_CUDA_BLOCK), 0, stream, *s, sums, y);
}

template <typename T, int V>
static cudaError_t launch_affine(const fut_cuda_slabs *s, const void *x, const float *gate, float scale, const float *offset, void *y,
                                 cudaStream_t stream)
{
    return FUT_LAUNCH((affine_rows<T, V>), act_grid(s), act_block(s), 0, stream, *s, static_cast<const T *>(x), gate, scale, offset,
                      static_cast<T *>(y));
}

extern "C" cudaError_t fut_cuda_launch_row_affine(const fut_cuda_slabs *s, fut_dtype dtype, const void *x, const float *gate, float scale,
                                                  const float *offset, void *y, cudaStream_t stream)
{
    return ACT_BY_PACK(s, dtype, launch_affine, s, x, gate, scale, offset, y, stream);
}
