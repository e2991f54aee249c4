/* Depthwise convolution, forward and backward data. Both move little more than their input and output once: a thread keeps the filters of
 * four channels in registers, and a tile of outputs, so that an input is read from memory once and from the first-level cache a few times.
 *
 * Tiles are compiled for filters of 3x3 and 5x5 with stride 1 and 2 and channels in fours; other shapes take one thread an element. */
#include "gpu_kernel.h"

#include "core/backend/cuda/kernels/kernels_conv.h"

enum { PACK = 4, BLOCK_X = 32, BLOCK_Y = 4, BLOCK = 256, ENOUGH_BLOCKS = 4096 };

template <typename T> FUT_DEVICE_FN void load_channels(const T *p, float (&value)[PACK])
{
    const fut_pack<T, PACK> pack = fut_load_pack<PACK>(p);
    FUT_UNROLL
    for (int i = 0; i < PACK; i++)
        value[i] = fut_load(&pack.v[i]);
}

template <typename T> FUT_DEVICE_FN void store_channels(T *p, const float (&value)[PACK])
{
    fut_pack<T, PACK> pack;
    FUT_UNROLL
    for (int i = 0; i < PACK; i++)
        fut_store(&pack.v[i], value[i]);
    fut_store_pack(p, pack);
}

FUT_DEVICE_FN void add_product(float (&sum)[PACK], const float (&a)[PACK], const float (&b)[PACK])
{
    FUT_UNROLL
    for (int i = 0; i < PACK; i++)
        sum[i] += a[i] * b[i];
}

/* `Count` pixels of one image row from x on, four channels of each; pixels outside are 0. row: the first channel of pixel 0. */
template <int Count, typename T> FUT_DEVICE_FN void load_row(const T *row, int x, int w, int c, float (&value)[Count][PACK])
{
    FUT_UNROLL
    for (int j = 0; j < Count; j++) {
        if (x + j >= 0 && x + j < w) {
            load_channels(row + static_cast<int64_t>(x + j) * c, value[j]);
        } else {
            FUT_UNROLL
            for (int i = 0; i < PACK; i++)
                value[j][i] = 0;
        }
    }
}

template <int K> FUT_DEVICE_FN void load_filter(const float *weight, int c, bool flip, float (&filter)[K * K][PACK])
{
    FUT_UNROLL
    for (int tap = 0; tap < K * K; tap++)
        load_channels(weight + static_cast<int64_t>(flip ? K * K - 1 - tap : tap) * c, filter[tap]);
}

template <typename T> FUT_DEVICE_FN T *row_of(T *act, int image, int y, int h, int w, int c)
{
    return act + (static_cast<int64_t>(image) * h + y) * w * c;
}

/* ---- forward ---- */

/* Tile of outputs a thread keeps: with 5x5 the filter already takes 100 registers. */
template <int K, int S> struct tile {
    static constexpr int rows = K == 3 ? 2 : 1, cols = K == 5 && S == 2 ? 2 : 4;
    static constexpr int in_rows = (rows - 1) * S + K, in_cols = (cols - 1) * S + K;
};

/* A block: 32 neighbours in (column tile, channels), four row tiles below each other; image after image. */
template <typename T, int K, int S> FUT_KERNEL_FN void forward_tiles(fut_cuda_depthwise d, bool flip, const T *x, const float *weight, T *y)
{
    using t = tile<K, S>;
    const int packs = d.c / PACK, tiles = (d.out_w + t::cols - 1) / t::cols;
    const int index = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
    const int oy = static_cast<int>(blockIdx.y * blockDim.y + threadIdx.y) * t::rows;
    if (index >= packs * tiles || oy >= d.out_h) return;
    const int c = index % packs * PACK, ox = index / packs * t::cols;
    float filter[K * K][PACK];
    load_filter<K>(weight + c, d.c, flip, filter);
    for (int image = static_cast<int>(blockIdx.z); image < d.n; image += static_cast<int>(gridDim.z)) {
        float sum[t::rows][t::cols][PACK] = {};
        FUT_UNROLL
        for (int r = 0; r < t::in_rows; r++) {
            const int iy = oy * S - d.top + r;
            if (iy < 0 || iy >= d.h) continue;
            float in[t::in_cols][PACK];
            load_row<t::in_cols>(row_of(x, image, iy, d.h, d.w, d.c) + c, ox * S - d.left, d.w, d.c, in);
            FUT_UNROLL
            for (int i = 0; i < t::rows; i++) {
                const int ky = r - i * S;
                if (ky < 0 || ky >= K) continue;
                FUT_UNROLL
                for (int j = 0; j < t::cols; j++)
                    FUT_UNROLL
                for (int kx = 0; kx < K; kx++)
                    add_product(sum[i][j], in[j * S + kx], filter[ky * K + kx]);
            }
        }
        FUT_UNROLL
        for (int i = 0; i < t::rows; i++)
            FUT_UNROLL
        for (int j = 0; j < t::cols; j++)
            if (oy + i < d.out_h && ox + j < d.out_w)
                store_channels(row_of(y, image, oy + i, d.out_h, d.out_w, d.c) + static_cast<int64_t>(ox + j) * d.c + c, sum[i][j]);
    }
}

/* One thread an output. */
template <typename T> FUT_KERNEL_FN void forward_any(fut_cuda_depthwise d, const T *x, const float *weight, T *y)
{
    const int64_t count = static_cast<int64_t>(d.n) * d.out_h * d.out_w * d.c, step = static_cast<int64_t>(gridDim.x) * blockDim.x;
    for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += step) {
        const int c = static_cast<int>(i % d.c), ox = static_cast<int>(i / d.c % d.out_w);
        const int oy = static_cast<int>(i / d.c / d.out_w % d.out_h), image = static_cast<int>(i / d.c / d.out_w / d.out_h);
        float sum = 0;
        for (int ky = 0; ky < d.kh; ky++) {
            const int iy = oy * d.stride - d.top + ky;
            if (iy < 0 || iy >= d.h) continue;
            const T *row = row_of(x, image, iy, d.h, d.w, d.c) + c;
            for (int kx = 0; kx < d.kw; kx++) {
                const int ix = ox * d.stride - d.left + kx;
                if (ix >= 0 && ix < d.w)
                    sum += fut_load(&row[static_cast<int64_t>(ix) * d.c]) * weight[static_cast<int64_t>(ky * d.kw + kx) * d.c + c];
            }
        }
        fut_store(&y[i], sum);
    }
}

/* ---- backward data ---- */

/* Stride 2. With p = iy + top = 2q + a, an input of parity a is reached by the taps a, a + 2, ... from outputs q, q - 1, ...: a thread
 * takes both parities of one q in rows and of `cols` r in columns, and reads each dy once for all of them. */
template <int K> struct halves {
    static constexpr int cols = 2, reach = (K - 1) / 2; /* outputs before q that reach it */
};

template <typename T, int K> FUT_KERNEL_FN void data_halves(fut_cuda_depthwise d, const T *dy, const float *weight, T *dx)
{
    using t = halves<K>;
    const int packs = d.c / PACK, first_q = d.top / 2, first_r = d.left / 2;
    const int tiles = ((d.w - 1 + d.left) / 2 - first_r) / t::cols + 1;
    const int index = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
    const int q = static_cast<int>(blockIdx.y * blockDim.y + threadIdx.y) + first_q;
    if (index >= packs * tiles || 2 * q - d.top >= d.h) return;
    const int c = index % packs * PACK, r = index / packs * t::cols + first_r;
    float filter[K * K][PACK];
    load_filter<K>(weight + c, d.c, false, filter);
    for (int image = static_cast<int>(blockIdx.z); image < d.n; image += static_cast<int>(gridDim.z)) {
        float sum[2][2 * t::cols][PACK] = {};
        FUT_UNROLL
        for (int back = 0; back <= t::reach; back++) {
            const int oy = q - back;
            if (oy < 0 || oy >= d.out_h) continue;
            float in[t::cols + t::reach][PACK]; /* dy from r - reach on */
            load_row<t::cols + t::reach>(row_of(dy, image, oy, d.out_h, d.out_w, d.c) + c, r - t::reach, d.out_w, d.c, in);
            FUT_UNROLL
            for (int ky = 2 * back; ky < 2 * back + 2 && ky < K; ky++)
                FUT_UNROLL
            for (int j = 0; j < t::cols; j++)
                FUT_UNROLL
            for (int kx = 0; kx < K; kx++)
                add_product(sum[ky % 2][2 * j + kx % 2], in[j + t::reach - kx / 2], filter[ky * K + kx]);
        }
        FUT_UNROLL
        for (int i = 0; i < 2; i++)
            FUT_UNROLL
        for (int j = 0; j < 2 * t::cols; j++) {
            const int iy = 2 * q + i - d.top, ix = 2 * r + j - d.left;
            if (iy >= 0 && iy < d.h && ix >= 0 && ix < d.w)
                store_channels(row_of(dx, image, iy, d.h, d.w, d.c) + static_cast<int64_t>(ix) * d.c + c, sum[i][j]);
        }
    }
}

/* One thread an input. */
template <typename T> FUT_KERNEL_FN void data_any(fut_cuda_depthwise d, const T *dy, const float *weight, T *dx)
{
    const int64_t count = static_cast<int64_t>(d.n) * d.h * d.w * d.c, step = static_cast<int64_t>(gridDim.x) * blockDim.x;
    for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += step) {
        const int c = static_cast<int>(i % d.c), ix = static_cast<int>(i / d.c % d.w);
        const int iy = static_cast<int>(i / d.c / d.w % d.h), image = static_cast<int>(i / d.c / d.w / d.h);
        float sum = 0;
        for (int ky = 0; ky < d.kh; ky++) {
            const int y = iy + d.top - ky;
            if (y < 0 || y % d.stride != 0 || y / d.stride >= d.out_h) continue;
            const T *row = row_of(dy, image, y / d.stride, d.out_h, d.out_w, d.c) + c;
            for (int kx = 0; kx < d.kw; kx++) {
                const int x = ix + d.left - kx;
                if (x >= 0 && x % d.stride == 0 && x / d.stride < d.out_w)
                    sum +=
                        fut_load(&row[static_cast<int64_t>(x / d.stride) * d.c]) * weight[static_cast<int64_t>(ky * d.kw + kx) * d.c + c];
            }
        }
        fut_store(&dx[i], sum);
    }
}

/* ---- launchers ---- */

static bool has_tiles(const fut_cuda_depthwise &d)
{
    return d.kh == d.kw && (d.kh == 3 || d.kh == 5) && (d.stride == 1 || d.stride == 2) && d.c % PACK == 0;
}

/* Blocks for `across` x `down` threads an image. One thread takes several images where there are threads enough: it loads its filter once.
 */
static dim3 tile_grid(int64_t across, int64_t down, int images)
{
    const int64_t x = (across + BLOCK_X - 1) / BLOCK_X, y = (down + BLOCK_Y - 1) / BLOCK_Y, z = (ENOUGH_BLOCKS + x * y - 1) / (x * y);
    return dim3(static_cast<unsigned int>(x), static_cast<unsigned int>(y), static_cast<unsigned int>(z < images ? z : images));
}

static unsigned int element_grid(int64_t count)
{
    const int64_t blocks = (count + BLOCK - 1) / BLOCK, most = 1 << 20;
    return static_cast<unsigned int>(blocks < most ? blocks : most);
}

template <typename T, int K, int S>
static cudaError_t launch_tiles(const fut_cuda_depthwise &d, bool flip, const T *x, const float *weight, T *y, cudaStream_t stream)
{
    using t = tile<K, S>;
    const int64_t across = static_cast<int64_t>((d.out_w + t::cols - 1) / t::cols) * (d.c / PACK);
    const dim3 grid = tile_grid(across, (d.out_h + t::rows - 1) / t::rows, d.n);
    return FUT_LAUNCH((forward_tiles<T, K, S>), grid, dim3(BLOCK_X, BLOCK_Y), 0, stream, d, flip, x, weight, y);
}

template <typename T>
static cudaError_t launch_forward(const fut_cuda_depthwise &d, const void *in, const float *weight, void *out, cudaStream_t stream)
{
    const T *x = static_cast<const T *>(in);
    T *y = static_cast<T *>(out);
    if (has_tiles(d) && d.kh == 3 && d.stride == 1) return launch_tiles<T, 3, 1>(d, false, x, weight, y, stream);
    if (has_tiles(d) && d.kh == 3) return launch_tiles<T, 3, 2>(d, false, x, weight, y, stream);
    if (has_tiles(d) && d.stride == 1) return launch_tiles<T, 5, 1>(d, false, x, weight, y, stream);
    if (has_tiles(d)) return launch_tiles<T, 5, 2>(d, false, x, weight, y, stream);
    const unsigned int grid = element_grid(static_cast<int64_t>(d.n) * d.out_h * d.out_w * d.c);
    return FUT_LAUNCH(forward_any<T>, grid, BLOCK, 0, stream, d, x, weight, y);
}

/* With stride 1, dx is the convolution of dy with the filter turned around. */
static fut_cuda_depthwise turned(const fut_cuda_depthwise &d)
{
    return {d.n, d.c, d.out_h, d.out_w, d.h, d.w, d.kh, d.kw, 1, d.kh - 1 - d.top, d.kw - 1 - d.left};
}

template <typename T, int K>
static cudaError_t launch_halves(const fut_cuda_depthwise &d, const T *dy, const float *weight, T *dx, cudaStream_t stream)
{
    const int cols = (d.w - 1 + d.left) / 2 - d.left / 2 + 1, rows = (d.h - 1 + d.top) / 2 - d.top / 2 + 1;
    const int64_t across = static_cast<int64_t>((cols - 1) / halves<K>::cols + 1) * (d.c / PACK);
    return FUT_LAUNCH((data_halves<T, K>), tile_grid(across, rows, d.n), dim3(BLOCK_X, BLOCK_Y), 0, stream, d, dy, weight, dx);
}

template <typename T>
static cudaError_t launch_data(const fut_cuda_depthwise &d, const void *in, const float *weight, void *out, cudaStream_t stream)
{
    const T *dy = static_cast<const T *>(in);
    T *dx = static_cast<T *>(out);
    if (has_tiles(d) && d.kh == 3 && d.stride == 1) return launch_tiles<T, 3, 1>(turned(d), true, dy, weight, dx, stream);
    if (has_tiles(d) && d.kh == 3) return launch_halves<T, 3>(d, dy, weight, dx, stream);
    if (has_tiles(d) && d.stride == 1) return launch_tiles<T, 5, 1>(turned(d), true, dy, weight, dx, stream);
    if (has_tiles(d)) return launch_halves<T, 5>(d, dy, weight, dx, stream);
    return FUT_LAUNCH(data_any<T>, element_grid(static_cast<int64_t>(d.n) * d.h * d.w * d.c), BLOCK, 0, stream, d, dy, weight, dx);
}

extern "C" cudaError_t fut_cuda_launch_depthwise(const fut_cuda_depthwise *d, fut_dtype dtype, const void *x, const float *weight, void *y,
                                                 cudaStream_t stream)
{
    if (dtype == FUT_F32) return launch_forward<float>(*d, x, weight, y, stream);
    if (dtype == FUT_BF16) return launch_forward<fut_bf16>(*d, x, weight, y, stream);
    return launch_forward<fut_f16>(*d, x, weight, y, stream);
}

extern "C" cudaError_t fut_cuda_launch_depthwise_data(const fut_cuda_depthwise *d, fut_dtype dtype, const void *dy, const float *weight,
                                                      void *dx, cudaStream_t stream)
{
    if (dtype == FUT_F32) return launch_data<float>(*d, dy, weight, dx, stream);
    if (dtype == FUT_BF16) return launch_data<fut_bf16>(*d, dy, weight, dx, stream);
    return launch_data<fut_f16>(*d, dy, weight, dx, stream);
}
