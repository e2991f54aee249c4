/* Batch norm, activation and residual: see cuda_norm_act.c for the passes and ref_norm_act.c for the formulas. */
#include "core/backend/cuda/kernels/act_device.cuh"

#define FUT_FORMULA_FN FUT_DEVICE_FN
#include "core/backend/norm_formulas.h"

/* Kernels of their own where it saves registers: PLAIN has no residual, neither PLAIN nor RESIDUAL has slopes. */
enum norm_kind { NORM_PLAIN, NORM_RESIDUAL, NORM_PRELU };

template <typename T, norm_kind KIND> constexpr int norm_rows = KIND == NORM_PLAIN ? act_rows_at_once<T> : 2;

/* ---- what a thread keeps of its channels ---- */

/* z = (x - mean) scale + beta. Taking the mean away first is exact where x is near it, however far from 0 both are; what rounding took
 * from the mean itself is put into beta. */
template <int V> struct norm_channels {
    float mean[V], low[V], inv[V], scale[V], beta[V], slope[V];
};

template <norm_kind KIND, int V> FUT_DEVICE_FN void load_channels(const fut_cuda_norm &norm, int channel, norm_channels<V> &c)
{
    float gamma[V];
    act_load_reals(norm.mean + channel, c.mean);
    act_load_reals(norm.gamma + channel, gamma);
    act_load_reals(norm.beta + channel, c.beta);
    if (KIND == NORM_PRELU) act_load_reals(norm.slope + channel, c.slope);
    if (norm.inv) {
        act_load_reals(norm.inv + channel, c.inv);
        act_load_reals(norm.mean_low + channel, c.low);
    } else {
        float variance[V];
        act_load_reals(norm.variance + channel, variance);
        FUT_UNROLL
        for (int v = 0; v < V; v++) {
            c.inv[v] = 1.0f / sqrtf(variance[v] + static_cast<float>(norm.eps));
            c.low[v] = 0;
        }
    }
    FUT_UNROLL
    for (int v = 0; v < V; v++) {
        c.scale[v] = gamma[v] * c.inv[v];
        c.beta[v] -= c.low[v] * c.scale[v];
    }
}

/* x becomes x - mean, and z is made of it. */
template <int V> FUT_DEVICE_FN void normalize(const norm_channels<V> &c, float (&x)[V], float (&z)[V])
{
    FUT_UNROLL
    for (int v = 0; v < V; v++) {
        x[v] -= c.mean[v];
        z[v] = x[v] * c.scale[v] + c.beta[v];
    }
}

/* ---- forward ---- */

/* Sums around a value of the slab itself: squares of what is left do not cancel, unlike squares of x. */
template <typename T, int V>
FUT_KERNEL_FN FUT_OCCUPANCY(FUT_CUDA_BLOCK, 4) void stats_of_slab(const fut_cuda_slabs s, const T *x, float *partial)
{
    constexpr int rows_at_once = 2 * act_rows_at_once<T>;
    ACT_LANES_SHARED(float, shared, 2 * V, FUT_CUDA_BLOCK);
    const act_walk w = act_walk_of(s, false);
    float sum[2 * V] = {}, shift[V] = {};
    if (w.count > 0) act_unpack(fut_load_pack<V>(x + w.head), shift);
    for (int i = 0; i < w.count; i += rows_at_once) {
        fut_pack<T, V> in[rows_at_once];
        act_load_rows(w, i, x, in);
        FUT_UNROLL
        for (int u = 0; u < rows_at_once; u++) {
            if (i + u >= w.count) break;
            FUT_UNROLL
            for (int v = 0; v < V; v++) {
                const float apart = fut_load(&in[u].v[v]) - shift[v];
                sum[v] += apart;
                sum[V + v] += apart * apart;
            }
        }
    }
    act_sum_lanes<FUT_CUDA_BLOCK>(shared, sum);
    if (w.count == 0 || threadIdx.y > 0) return;
    float *out = partial + w.slab * 3 * s.channels + w.channel;
    FUT_UNROLL
    for (int v = 0; v < V; v++) {
        const float apart = sum[v] / static_cast<float>(w.rows);
        out[v] = shift[v];
        out[s.channels + v] = apart;
        out[2 * s.channels + v] = fmaxf(sum[V + v] - sum[v] * apart, 0);
    }
}

/* Joins of slabs: lane l of a block adds the slabs l, l + lanes, ... of a few channels, in f64. */
enum { JOIN_CHANNELS = 8, JOIN_LANES = 64, JOIN_THREADS = JOIN_CHANNELS * JOIN_LANES };

/* Where the statistics of a batch go, [channels] each. */
struct norm_stats_out {
    float *mean, *low, *inv, *batch_mean, *batch_variance;
};

FUT_DEVICE_FN void store_stats(const norm_stats_out &to, int64_t c, double count, double eps, double mean, double squares)
{
    const float high = static_cast<float>(mean);
    to.mean[c] = to.batch_mean[c] = high;
    to.low[c] = static_cast<float>(mean - static_cast<double>(high));
    to.inv[c] = static_cast<float>(1 / sqrt(squares / count + eps));
    to.batch_variance[c] = static_cast<float>(squares / (count - 1));
}

/* To `sums` where there are several shards, else to the statistics. */
FUT_KERNEL_FN void join_stats(const fut_cuda_slabs s, double eps, const float *partial, norm_stats_out to, double *sums)
{
    ACT_LANES_SHARED(double, shared, 3, JOIN_THREADS);
    const int64_t c = static_cast<int64_t>(blockIdx.x) * JOIN_CHANNELS + threadIdx.x;
    double sum[3] = {}; /* of x, of squares around the slabs' means, of squares of the slabs' means */
    for (int64_t slab = threadIdx.y; c < s.channels && slab < s.slabs; slab += JOIN_LANES) {
        const int64_t left = s.rows - slab * s.slab_rows;
        const float *from = partial + slab * 3 * s.channels + c;
        const double n = static_cast<double>(left < s.slab_rows ? left : s.slab_rows);
        const double mean = static_cast<double>(from[0]) + static_cast<double>(from[s.channels]);
        sum[0] += n * mean;
        sum[1] += from[2 * s.channels];
        sum[2] += n * mean * mean;
    }
    act_sum_lanes<JOIN_THREADS>(shared, sum);
    if (c >= s.channels || threadIdx.y > 0) return;
    const double rows = static_cast<double>(s.rows), mean = sum[0] / rows, apart = sum[2] - sum[0] * mean;
    const double squares = sum[1] + (apart > 0 ? apart : 0);
    if (sums)
        fut_norm_shard_sums(rows, mean, squares, s.channels, c, sums);
    else
        store_stats(to, c, rows, eps, mean, squares);
}

FUT_KERNEL_FN void take_stats(int64_t channels, double count, double eps, const double *sums, norm_stats_out to)
{
    const int64_t c = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
    double mean, squares;
    if (c >= channels) return;
    fut_norm_join_sums(count, channels, c, sums, &mean, &squares);
    store_stats(to, c, count, eps, mean, squares);
}

template <typename T, int V, norm_kind KIND>
FUT_KERNEL_FN FUT_OCCUPANCY(FUT_CUDA_BLOCK, 4) void apply_norm(const fut_cuda_slabs s, const fut_cuda_norm norm, const T *x, const T *r,
                                                               T *y)
{
    constexpr int rows_at_once = norm_rows<T, KIND>;
    const act_walk w = act_walk_of(s, true);
    if (w.count == 0) return;
    norm_channels<V> c;
    load_channels<KIND>(norm, w.channel, c);
    for (int i = 0; i < w.count; i += rows_at_once) {
        fut_pack<T, V> in[rows_at_once], residual[rows_at_once];
        act_load_rows(w, i, x, in);
        if (KIND != NORM_PLAIN && r) act_load_rows(w, i, r, residual);
        FUT_UNROLL
        for (int u = 0; u < rows_at_once; u++) {
            if (i + u >= w.count) break;
            float value[V], z[V];
            act_unpack(in[u], value);
            normalize(c, value, z);
            if (KIND != NORM_PLAIN && r && !norm.residual_after) act_add_pack(residual[u], z);
            act_apply<KIND == NORM_PRELU>(norm.act, c.slope, z);
            if (KIND != NORM_PLAIN && r && norm.residual_after) act_add_pack(residual[u], z);
            act_store(y + w.at + (i + u) * w.step, z);
        }
    }
}

/* ---- backward ---- */

template <typename T, int V, norm_kind KIND>
FUT_KERNEL_FN FUT_OCCUPANCY(FUT_CUDA_BLOCK, 3) void sums_of_slab(const fut_cuda_slabs s, const fut_cuda_norm norm, const T *x, const T *r,
                                                                 const T *dy, float *partial)
{
    constexpr int rows_at_once = norm_rows<T, KIND>, sums = KIND == NORM_PRELU ? 3 : 2;
    ACT_LANES_SHARED(float, shared, sums *V, FUT_CUDA_BLOCK);
    const act_walk w = act_walk_of(s, false);
    norm_channels<V> c;
    if (w.count > 0) load_channels<KIND>(norm, w.channel, c);
    float sum[sums * V] = {};
    for (int i = 0; i < w.count; i += rows_at_once) {
        fut_pack<T, V> in[rows_at_once], residual[rows_at_once], gradient[rows_at_once];
        act_load_rows(w, i, x, in);
        act_load_rows(w, i, dy, gradient);
        if (KIND != NORM_PLAIN && r) act_load_rows(w, i, r, residual);
        FUT_UNROLL
        for (int u = 0; u < rows_at_once; u++) {
            if (i + u >= w.count) break;
            float value[V], z[V], dz[V];
            act_unpack(in[u], value);
            act_unpack(gradient[u], dz);
            normalize(c, value, z);
            if (KIND != NORM_PLAIN && r) act_add_pack(residual[u], z);
            if (KIND == NORM_PRELU) {
                FUT_UNROLL
                for (int v = 0; v < V; v++)
                    sum[(sums - 1) * V + v] += z[v] > 0 ? 0 : dz[v] * z[v];
            }
            act_apply_grad<KIND == NORM_PRELU>(norm.act, c.slope, z, dz);
            FUT_UNROLL
            for (int v = 0; v < V; v++) {
                sum[v] += dz[v];
                sum[V + v] += dz[v] * value[v];
            }
        }
    }
    act_sum_lanes<FUT_CUDA_BLOCK>(shared, sum);
    if (w.count == 0 || threadIdx.y > 0) return;
    float *out = partial + w.slab * sums * s.channels + w.channel;
    FUT_UNROLL
    for (int k = 0; k < sums; k++) {
        FUT_UNROLL
        for (int v = 0; v < V; v++)
            out[k * s.channels + v] = sum[k * V + v];
    }
}

template <bool PRELU>
FUT_KERNEL_FN void join_sums(const fut_cuda_slabs s, const float *low, const float *inv, const float *partial, float *dgamma, float *dbeta,
                             float *dslope, double *sums_out)
{
    constexpr int sums = PRELU ? 3 : 2;
    ACT_LANES_SHARED(double, shared, sums, JOIN_THREADS);
    const int64_t c = static_cast<int64_t>(blockIdx.x) * JOIN_CHANNELS + threadIdx.x;
    double sum[sums] = {};
    for (int64_t slab = threadIdx.y; c < s.channels && slab < s.slabs; slab += JOIN_LANES)
        for (int k = 0; k < sums; k++)
            sum[k] += partial[(slab * sums + k) * s.channels + c];
    act_sum_lanes<JOIN_THREADS>(shared, sum);
    if (c >= s.channels || threadIdx.y > 0) return;
    const double scaled = (sum[1] - static_cast<double>(low[c]) * sum[0]) * static_cast<double>(inv[c]);
    dbeta[c] = static_cast<float>(sum[0]);
    dgamma[c] = static_cast<float>(scaled);
    if (sums_out) {
        sums_out[c] = sum[0];
        sums_out[s.channels + c] = scaled;
    }
    if (PRELU) dslope[c] = static_cast<float>(sum[sums - 1]);
}

FUT_KERNEL_FN void round_each(int64_t count, const double *from, float *to)
{
    const int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (i < count) to[i] = static_cast<float>(from[i]);
}

/* dx = scale (dz - dbeta / m - (x - mean) inv dgamma / m) */
template <typename T, int V, norm_kind KIND>
FUT_KERNEL_FN FUT_OCCUPANCY(FUT_CUDA_BLOCK, 3) void grad_of_norm(const fut_cuda_slabs s, const fut_cuda_norm norm, const float *dgamma,
                                                                 const float *dbeta, const T *x, const T *r, const T *dy, T *dx, T *dr)
{
    constexpr int rows_at_once = norm_rows<T, KIND>;
    const act_walk w = act_walk_of(s, true);
    if (w.count == 0) return;
    norm_channels<V> c;
    load_channels<KIND>(norm, w.channel, c);
    const float per_row = 1.0f / static_cast<float>(norm.count);
    float per_x[V], offset[V];
    act_load_reals(dgamma + w.channel, per_x);
    act_load_reals(dbeta + w.channel, offset);
    FUT_UNROLL
    for (int v = 0; v < V; v++) {
        per_x[v] *= c.inv[v] * per_row;
        offset[v] = offset[v] * per_row - c.low[v] * per_x[v];
    }
    for (int i = 0; i < w.count; i += rows_at_once) {
        fut_pack<T, V> in[rows_at_once], residual[rows_at_once], gradient[rows_at_once];
        act_load_rows(w, i, x, in);
        act_load_rows(w, i, dy, gradient);
        if (KIND != NORM_PLAIN && r) act_load_rows(w, i, r, residual);
        FUT_UNROLL
        for (int u = 0; u < rows_at_once; u++) {
            if (i + u >= w.count) break;
            const int64_t at = w.at + (i + u) * w.step;
            float value[V], z[V], dz[V];
            act_unpack(in[u], value);
            act_unpack(gradient[u], dz);
            if (dr && norm.residual_after) fut_store_pack(dr + at, gradient[u]);
            normalize(c, value, z);
            if (KIND != NORM_PLAIN && r) act_add_pack(residual[u], z);
            act_apply_grad<KIND == NORM_PRELU>(norm.act, c.slope, z, dz);
            if (dr && !norm.residual_after) act_store(dr + at, dz);
            FUT_UNROLL
            for (int v = 0; v < V; v++)
                z[v] = c.scale[v] * (dz[v] - offset[v] - value[v] * per_x[v]);
            act_store(dx + at, z);
        }
    }
}

/* ---- launchers ---- */

template <typename T, int V> static cudaError_t launch_stats(const fut_cuda_slabs *s, const void *x, float *partial, cudaStream_t stream)
{
    return FUT_LAUNCH_SYNC((stats_of_slab<T, V>), act_grid(s), act_block(s), 0, stream, *s, static_cast<const T *>(x), partial);
}

extern "C" cudaError_t fut_cuda_launch_norm_stats(const fut_cuda_slabs *s, fut_dtype dtype, const void *x, float *partial,
                                                  cudaStream_t stream)
{
    return ACT_BY_PACK(s, dtype, launch_stats, s, x, partial, stream);
}

extern "C" cudaError_t fut_cuda_launch_norm_stats_join(const fut_cuda_slabs *s, double eps, const float *partial, float *mean,
                                                       float *mean_low, float *inv, float *batch_mean, float *batch_variance,
                                                       cudaStream_t stream)
{
    return FUT_LAUNCH_SYNC(join_stats, dim3(act_ceil_div(s->channels, JOIN_CHANNELS)), dim3(JOIN_CHANNELS, JOIN_LANES), 0, stream, *s, eps,
                           partial, (norm_stats_out{mean, mean_low, inv, batch_mean, batch_variance}), static_cast<double *>(nullptr));
}

extern "C" cudaError_t fut_cuda_launch_norm_stats_sums(const fut_cuda_slabs *s, const float *partial, double *sums, cudaStream_t stream)
{
    return FUT_LAUNCH_SYNC(join_stats, dim3(act_ceil_div(s->channels, JOIN_CHANNELS)), dim3(JOIN_CHANNELS, JOIN_LANES), 0, stream, *s, 0.0,
                           partial, norm_stats_out{}, sums);
}

extern "C" cudaError_t fut_cuda_launch_norm_stats_take(int64_t channels, int64_t count, double eps, const double *sums, float *mean,
                                                       float *mean_low, float *inv, float *batch_mean, float *batch_variance,
                                                       cudaStream_t stream)
{
    return FUT_LAUNCH(take_stats, dim3(act_ceil_div(channels, FUT_CUDA_BLOCK)), dim3(FUT_CUDA_BLOCK), 0, stream, channels,
                      static_cast<double>(count), eps, sums, (norm_stats_out{mean, mean_low, inv, batch_mean, batch_variance}));
}

extern "C" cudaError_t fut_cuda_launch_round(int64_t count, const double *from, float *to, cudaStream_t stream)
{
    return FUT_LAUNCH(round_each, dim3(act_ceil_div(count, FUT_CUDA_BLOCK)), dim3(FUT_CUDA_BLOCK), 0, stream, count, from, to);
}

/* launch(kernel<T, V, kind>) of the kind that fits. */
#define NORM_LAUNCH(launch, kernel, s, norm, r, stream, ...)                                                                               \
    ((norm)->act == FUT_ACT_PRELU ? NORM_LAUNCH_KIND(launch, kernel, NORM_PRELU, s, norm, stream, __VA_ARGS__)                             \
     : (r)                        ? NORM_LAUNCH_KIND(launch, kernel, NORM_RESIDUAL, s, norm, stream, __VA_ARGS__)                          \
                                  : NORM_LAUNCH_KIND(launch, kernel, NORM_PLAIN, s, norm, stream, __VA_ARGS__))
#define NORM_LAUNCH_KIND(launch, kernel, kind, s, norm, stream, ...)                                                                       \
    launch((kernel<T, V, kind>), act_grid(s), act_block(s), 0, stream, *(s), *(norm), __VA_ARGS__)

template <typename T, int V>
static cudaError_t launch_apply(const fut_cuda_slabs *s, const fut_cuda_norm *norm, const void *x, const void *r, void *y,
                                cudaStream_t stream)
{
    return NORM_LAUNCH(FUT_LAUNCH, apply_norm, s, norm, r, stream, static_cast<const T *>(x), static_cast<const T *>(r),
                       static_cast<T *>(y));
}

template <typename T, int V>
static cudaError_t launch_sums(const fut_cuda_slabs *s, const fut_cuda_norm *norm, const void *x, const void *r, const void *dy,
                               float *partial, cudaStream_t stream)
{
    return NORM_LAUNCH(FUT_LAUNCH_SYNC, sums_of_slab, s, norm, r, stream, static_cast<const T *>(x), static_cast<const T *>(r),
                       static_cast<const T *>(dy), partial);
}

template <typename T, int V>
static cudaError_t launch_grad(const fut_cuda_slabs *s, const fut_cuda_norm *norm, const float *dgamma, const float *dbeta, const void *x,
                               const void *r, const void *dy, void *dx, void *dr, cudaStream_t stream)
{
    return NORM_LAUNCH(FUT_LAUNCH, grad_of_norm, s, norm, r, stream, dgamma, dbeta, static_cast<const T *>(x), static_cast<const T *>(r),
                       static_cast<const T *>(dy), static_cast<T *>(dx), static_cast<T *>(dr));
}

extern "C" cudaError_t fut_cuda_launch_norm_apply(const fut_cuda_slabs *s, fut_dtype dtype, const fut_cuda_norm *norm, const void *x,
                                                  const void *r, void *y, cudaStream_t stream)
{
    return ACT_BY_PACK(s, dtype, launch_apply, s, norm, x, r, y, stream);
}

extern "C" cudaError_t fut_cuda_launch_norm_sums(const fut_cuda_slabs *s, fut_dtype dtype, const fut_cuda_norm *norm, const void *x,
                                                 const void *r, const void *dy, float *partial, cudaStream_t stream)
{
    return ACT_BY_PACK(s, dtype, launch_sums, s, norm, x, r, dy, partial, stream);
}

extern "C" cudaError_t fut_cuda_launch_norm_sums_join(const fut_cuda_slabs *s, const fut_cuda_norm *norm, const float *partial,
                                                      float *dgamma, float *dbeta, float *dslope, double *sums, cudaStream_t stream)
{
    const dim3 grid(act_ceil_div(s->channels, JOIN_CHANNELS)), block(JOIN_CHANNELS, JOIN_LANES);
    if (norm->act == FUT_ACT_PRELU)
        return FUT_LAUNCH_SYNC((join_sums<true>), grid, block, 0, stream, *s, norm->mean_low, norm->inv, partial, dgamma, dbeta, dslope,
                               sums);
    return FUT_LAUNCH_SYNC((join_sums<false>), grid, block, 0, stream, *s, norm->mean_low, norm->inv, partial, dgamma, dbeta, dslope, sums);
}

extern "C" cudaError_t fut_cuda_launch_norm_grad(const fut_cuda_slabs *s, fut_dtype dtype, const fut_cuda_norm *norm, const float *dgamma,
                                                 const float *dbeta, const void *x, const void *r, const void *dy, void *dx, void *dr,
                                                 cudaStream_t stream)
{
    return ACT_BY_PACK(s, dtype, launch_grad, s, norm, dgamma, dbeta, x, r, dy, dx, dr, stream);
}
