/* Max pool. Backward gathers: an input asks the windows it is in whether it was their largest, so that no two threads write one place. */
#include "core/backend/cuda/kernels/act_device.cuh"

/* Of equal values the first in row-major order wins, a NaN over all, as in PyTorch. */
template <typename T, int V>
FUT_KERNEL_FN void largest_of_windows(const fut_cuda_slabs s, const fut_cuda_windows win, const T *x, T *y, uint8_t *at)
{
    const act_walk w = act_walk_of(s, false);
    for (int i = 0; i < w.count; i++) {
        const int pixel = static_cast<int>(w.row) + i * s.lanes;
        const int top = pixel / win.out_w * win.stride - win.pad, left = pixel % win.out_w * win.stride - win.pad;
        float best[V];
        fut_pack<uint8_t, V> place;
        FUT_UNROLL
        for (int v = 0; v < V; v++) {
            best[v] = -HUGE_VALF;
            place.v[v] = static_cast<uint8_t>((top < 0 ? -top : 0) * win.kernel + (left < 0 ? -left : 0));
        }
        for (int ky = 0; ky < win.kernel; ky++) {
            if (top + ky < 0 || top + ky >= win.h) continue;
            for (int kx = 0; kx < win.kernel; kx++) {
                if (left + kx < 0 || left + kx >= win.w) continue;
                const int64_t from = (w.image * win.h + top + ky) * win.w + left + kx;
                float value[V];
                act_unpack(fut_load_pack<V>(x + from * s.channels + w.channel), value);
                FUT_UNROLL
                for (int v = 0; v < V; v++) {
                    if (!(value[v] > best[v] || isnan(value[v]))) continue;
                    best[v] = value[v];
                    place.v[v] = static_cast<uint8_t>(ky * win.kernel + kx);
                }
            }
        }
        act_store(y + w.at + i * w.step, best);
        if (at) fut_store_pack(at + w.at + i * w.step, place);
    }
}

template <typename T, int V>
FUT_KERNEL_FN void gather_from_windows(const fut_cuda_slabs s, const fut_cuda_windows win, const T *dy, const uint8_t *at, T *dx)
{
    const act_walk w = act_walk_of(s, false);
    for (int i = 0; i < w.count; i++) {
        const int pixel = static_cast<int>(w.row) + i * s.lanes, y = pixel / win.w + win.pad, x = pixel % win.w + win.pad;
        const int first_y = y < win.kernel ? 0 : (y - win.kernel) / win.stride + 1,
                  first_x = x < win.kernel ? 0 : (x - win.kernel) / win.stride + 1;
        float sum[V] = {};
        for (int oy = first_y; oy < win.out_h && oy * win.stride <= y; oy++) {
            for (int ox = first_x; ox < win.out_w && ox * win.stride <= x; ox++) {
                const int64_t from = ((w.image * win.out_h + oy) * win.out_w + ox) * s.channels + w.channel;
                const int place = (y - oy * win.stride) * win.kernel + x - ox * win.stride;
                const fut_pack<uint8_t, V> largest = fut_load_pack<V>(at + from);
                float value[V];
                act_unpack(fut_load_pack<V>(dy + from), value);
                FUT_UNROLL
                for (int v = 0; v < V; v++)
                    sum[v] += largest.v[v] == place ? value[v] : 0;
            }
        }
        act_store(dx + w.at + i * w.step, sum);
    }
}

template <typename T, int V>
static cudaError_t launch_forward(const fut_cuda_slabs *s, const fut_cuda_windows *windows, const void *x, void *y, uint8_t *at,
                                  cudaStream_t stream)
{
    return FUT_LAUNCH((largest_of_windows<T, V>), act_grid(s), act_block(s), 0, stream, *s, *windows, static_cast<const T *>(x),
                      static_cast<T *>(y), at);
}

extern "C" cudaError_t fut_cuda_launch_max_pool(const fut_cuda_slabs *s, fut_dtype dtype, const fut_cuda_windows *windows, const void *x,
                                                void *y, uint8_t *at, cudaStream_t stream)
{
    return ACT_BY_PACK(s, dtype, launch_forward, s, windows, x, y, at, stream);
}

template <typename T, int V>
static cudaError_t launch_backward(const fut_cuda_slabs *s, const fut_cuda_windows *windows, const void *dy, const uint8_t *at, void *dx,
                                   cudaStream_t stream)
{
    return FUT_LAUNCH((gather_from_windows<T, V>), act_grid(s), act_block(s), 0, stream, *s, *windows, static_cast<const T *>(dy), at,
                      static_cast<T *>(dx));
}

extern "C" cudaError_t fut_cuda_launch_max_pool_backward(const fut_cuda_slabs *s, fut_dtype dtype, const fut_cuda_windows *windows,
                                                         const void *dy, const uint8_t *at, void *dx, cudaStream_t stream)
{
    return ACT_BY_PACK(s, dtype, launch_backward, s, windows, dy, at, dx, stream);
}
