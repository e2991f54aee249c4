/* What the kernels on activations share: a thread's walk over its rows, sums over lanes, activation functions, choice of a kernel by dtype.
 */
#ifndef FUT_CORE_BACKEND_CUDA_KERNELS_ACT_DEVICE_CUH
#define FUT_CORE_BACKEND_CUDA_KERNELS_ACT_DEVICE_CUH

#include "core/backend/cuda/kernels/kernels_act.h"
#include "gpu_kernel.h"

/* ---- walks ---- */

/* A thread's rows in its block's slab: `count` of them, the i-th at element at + i * step of the activation. Threads past the channels of a
 * slab's last block have no rows, but meet the others at barriers. */
struct act_walk {
    int64_t slab, image; /* the slab's number among all images', and its image */
    int64_t head;        /* element of the slab's first row */
    int64_t at, step;
    int64_t row;              /* of `at`, in the image */
    int channel, rows, count; /* the thread's first channel; rows of the slab, and of the thread */
};

/* backwards: the last slab first and each from its end: what a pass before has just read is still in the cache. */
FUT_DEVICE_FN act_walk act_walk_of(const fut_cuda_slabs &s, bool backwards)
{
    act_walk w;
    const unsigned int block = backwards ? gridDim.x - 1 - blockIdx.x : blockIdx.x;
    const unsigned int groups = static_cast<unsigned int>(s.groups), slabs = static_cast<unsigned int>(s.slabs);
    const unsigned int slab = block / groups, image = slab / slabs; /* 64-bit divisions are slow */
    const int lane = static_cast<int>(threadIdx.y);
    w.slab = slab;
    w.image = image;
    const int64_t first = slab % slabs * s.slab_rows, left = s.rows - first;
    w.rows = static_cast<int>(left < s.slab_rows ? left : s.slab_rows);
    w.channel = (static_cast<int>(block % groups) * s.columns + static_cast<int>(threadIdx.x)) * s.pack;
    w.count = lane < w.rows && w.channel < s.channels ? (w.rows - lane + s.lanes - 1) / s.lanes : 0;
    w.head = (w.image * s.rows + first) * s.channels + w.channel;
    w.row = first + lane;
    w.step = s.lanes * s.channels;
    w.at = w.head + lane * s.channels;
    if (backwards) {
        w.at += (w.count - 1) * w.step;
        w.step = -w.step;
    }
    return w;
}

/* Rows a thread loads together, so that their reads overlap: two reads of 16 bytes, or four of 8. */
template <typename T> constexpr int act_rows_at_once = 32 / (FUT_CUDA_PACK * static_cast<int>(sizeof(T)));

/* Past the end the last row again. */
template <int ROWS, typename T, int V> FUT_DEVICE_FN void act_load_rows(const act_walk &w, int i, const T *x, fut_pack<T, V> (&in)[ROWS])
{
    FUT_UNROLL
    for (int u = 0; u < ROWS; u++) {
        const int row = i + u < w.count ? i + u : w.count - 1;
        in[u] = fut_load_pack<V>(x + w.at + row * w.step);
    }
}

template <typename T, int V> FUT_DEVICE_FN void act_unpack(const fut_pack<T, V> &pack, float (&value)[V])
{
    FUT_UNROLL
    for (int v = 0; v < V; v++)
        value[v] = fut_load(&pack.v[v]);
}

template <typename T, int V> FUT_DEVICE_FN void act_add_pack(const fut_pack<T, V> &pack, float (&value)[V])
{
    FUT_UNROLL
    for (int v = 0; v < V; v++)
        value[v] += fut_load(&pack.v[v]);
}

template <typename T, int V> FUT_DEVICE_FN void act_store(T *p, const float (&value)[V])
{
    fut_pack<T, V> pack;
    FUT_UNROLL
    for (int v = 0; v < V; v++)
        fut_store(&pack.v[v], value[v]);
    fut_store_pack(p, pack);
}

/* V values of a real array; parameters are aligned to one element only. */
template <int V> FUT_DEVICE_FN void act_load_reals(const float *p, float (&value)[V])
{
    FUT_UNROLL
    for (int v = 0; v < V; v++)
        value[v] = p[v];
}

/* ---- sums ---- */

/* K values each, summed over the lanes (threadIdx.y) of a block of at most THREADS threads: lane 0 has the sums, always added in one order.
 * shared: ACT_LANES_SHARED(T, name, K, THREADS). */
#define ACT_LANES_SHARED(type, name, values, threads) FUT_SHARED(type, name, (values) * (threads) / 2)

template <int THREADS, typename T, int K> FUT_DEVICE_FN void act_sum_lanes(fut_shared<T> shared, T (&value)[K])
{
    const int columns = static_cast<int>(blockDim.x), lane = static_cast<int>(threadIdx.y), column = static_cast<int>(threadIdx.x);
    for (int lanes = static_cast<int>(blockDim.y); lanes > 1;) {
        const int half = (lanes + 1) / 2;
        if (lane >= half && lane < lanes) {
            FUT_UNROLL
            for (int k = 0; k < K; k++)
                shared[k * (THREADS / 2) + (lane - half) * columns + column] = value[k];
        }
        FUT_SYNC();
        if (lane + half < lanes) {
            FUT_UNROLL
            for (int k = 0; k < K; k++)
                value[k] += shared[k * (THREADS / 2) + lane * columns + column];
        }
        FUT_SYNC();
        lanes = half;
    }
}

/* ---- activation functions ---- */

FUT_DEVICE_FN float act_sigmoid(float z)
{
    return fut_fast_divide(1.0f, 1.0f + fut_fast_exp(-z));
}

/* z = act(z). Written so that a NaN stays one. slope: PRELU only. */
template <bool PRELU, int V> FUT_DEVICE_FN void act_apply(fut_act_kind act, const float (&slope)[V], float (&z)[V])
{
    if (PRELU) {
        FUT_UNROLL
        for (int v = 0; v < V; v++)
            z[v] = z[v] > 0 ? z[v] : slope[v] * z[v];
    } else if (act == FUT_ACT_SILU) {
        FUT_UNROLL
        for (int v = 0; v < V; v++)
            z[v] *= act_sigmoid(z[v]);
    } else if (act != FUT_ACT_NONE) {
        const float most = act == FUT_ACT_RELU6 ? 6.0f : HUGE_VALF;
        FUT_UNROLL
        for (int v = 0; v < V; v++)
            z[v] = z[v] < 0 ? 0 : z[v] > most ? most : z[v];
    }
}

/* d *= act'(z). relu and relu6 have gradient 0 at their corners, as PyTorch's. */
template <bool PRELU, int V>
FUT_DEVICE_FN void act_apply_grad(fut_act_kind act, const float (&slope)[V], const float (&z)[V], float (&d)[V])
{
    if (PRELU) {
        FUT_UNROLL
        for (int v = 0; v < V; v++)
            d[v] *= z[v] > 0 ? 1.0f : slope[v];
    } else if (act == FUT_ACT_SILU) {
        FUT_UNROLL
        for (int v = 0; v < V; v++) {
            const float sigmoid = act_sigmoid(z[v]);
            d[v] *= sigmoid * (1.0f + z[v] * (1.0f - sigmoid));
        }
    } else if (act != FUT_ACT_NONE) {
        const float most = act == FUT_ACT_RELU6 ? 6.0f : HUGE_VALF;
        FUT_UNROLL
        for (int v = 0; v < V; v++)
            d[v] = z[v] > 0 && z[v] < most ? d[v] : 0;
    }
}

/* ---- launches ---- */

/* function<T>(...) for the dtype's T. */
#define ACT_BY_DTYPE(dtype, function, ...)                                                                                                 \
    ((dtype) == FUT_F32    ? function<float>(__VA_ARGS__)                                                                                  \
     : (dtype) == FUT_BF16 ? function<fut_bf16>(__VA_ARGS__)                                                                               \
                           : function<fut_f16>(__VA_ARGS__))

/* function<T, V>(...) for the dtype's T and the slabs' pack V. */
#define ACT_BY_PACK(s, dtype, function, ...)                                                                                               \
    ((dtype) == FUT_F32    ? ACT_BY_PACK_OF(float, s, function, __VA_ARGS__)                                                               \
     : (dtype) == FUT_BF16 ? ACT_BY_PACK_OF(fut_bf16, s, function, __VA_ARGS__)                                                            \
                           : ACT_BY_PACK_OF(fut_f16, s, function, __VA_ARGS__))
#define ACT_BY_PACK_OF(T, s, function, ...) ((s)->pack == 1 ? function<T, 1>(__VA_ARGS__) : function<T, FUT_CUDA_PACK>(__VA_ARGS__))

static inline dim3 act_grid(const fut_cuda_slabs *s)
{
    return dim3(static_cast<unsigned int>(s->images * s->slabs * s->groups));
}

static inline dim3 act_block(const fut_cuda_slabs *s)
{
    return dim3(static_cast<unsigned int>(s->columns), static_cast<unsigned int>(s->lanes));
}

static inline unsigned int act_ceil_div(int64_t a, int64_t b)
{
    return static_cast<unsigned int>((a + b - 1) / b);
}

#endif
