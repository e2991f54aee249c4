/* Depthwise convolution, backward filter: dweight[c, ky, kx] = sum over n, oy, ox of dy[n, oy, ox, c] x[n, oy stride - top + ky, ox stride
 * - left + kx, c].
 *
 * Rows of dy (all images') are shared out to blocks. A block's threads are columns of channels x rows ky of the filter x lanes, which take
 * turns at the block's rows; then lanes are added in shared memory to one partial filter a block, and a second kernel adds the blocks'. All
 * orders depend on the shape alone. dy and x are read from memory once, from the first-level cache once a ky. */
#include "gpu_kernel.h"

#include "core/backend/cuda/kernels/kernels_conv.h"

enum { PACK = 4, TILE = 4 /* outputs a thread loads together */, ENOUGH_BLOCKS = 512, ANY_LANES = 8, JOIN_COLUMNS = 32, JOIN_LANES = 8 };

/* How threads and blocks divide the work. */
struct division {
    int pack, columns, taps, lanes; /* a block: columns x taps x lanes threads */
    int groups, splits, rows;       /* grid: groups of columns x splits of `rows` rows (x taps that are left) */
};

static bool has_tiles(const fut_cuda_depthwise &d)
{
    return d.kh == d.kw && (d.kh == 3 || d.kh == 5) && (d.stride == 1 || d.stride == 2) && d.c % PACK == 0;
}

/* Of 32, 16 and 8 columns the one that leaves the fewest idle; the widest of equals. */
static int columns_for(int packs)
{
    int best = 32;
    for (int columns = 16; columns >= 8; columns /= 2)
        if ((packs + columns - 1) / columns * columns < (packs + best - 1) / best * best) best = columns;
    return best;
}

static division divide(const fut_cuda_depthwise &d)
{
    division v = {1, 32, 1, ANY_LANES, (d.c + 31) / 32, 1, 1};
    if (has_tiles(d)) {
        const int packs = d.c / PACK, columns = columns_for(packs);
        v = {PACK, columns, d.kh, (d.kh == 3 ? 128 : 64) / columns, (packs + columns - 1) / columns, 1, 1};
    }
    const int rows = d.n * d.out_h, most = (rows + v.lanes - 1) / v.lanes, wanted = (ENOUGH_BLOCKS + v.groups - 1) / v.groups;
    const int splits = wanted < most ? wanted : most;
    v.rows = (rows + splits - 1) / splits;
    v.splits = (rows + v.rows - 1) / v.rows;
    return v;
}

extern "C" int64_t fut_cuda_depthwise_partials(const fut_cuda_depthwise *d)
{
    return static_cast<int64_t>(divide(*d).splits) * d->kh * d->kw * d->c;
}

/* Pixel x of a row, four channels; 0 outside. */
template <typename T> FUT_DEVICE_FN void load_pixel(const T *row, int x, int w, int c, float (&value)[PACK])
{
    fut_pack<T, PACK> pack = {};
    if (x >= 0 && x < w) pack = fut_load_pack<PACK>(row + static_cast<int64_t>(x) * c);
    FUT_UNROLL
    for (int i = 0; i < PACK; i++)
        value[i] = fut_load(&pack.v[i]); /* all bits 0 is 0 in every type */
}

/* Add one row of dy to the K taps of one filter row. */
template <typename T, int K, int S>
FUT_DEVICE_FN void add_row(const fut_cuda_depthwise &d, const T *x_row, const T *dy_row, float (&sum)[K][PACK])
{
    constexpr int inputs = (TILE - 1) * S + K;
    for (int ox = 0; ox < d.out_w; ox += TILE) {
        float in[inputs][PACK], out[TILE][PACK];
        FUT_UNROLL
        for (int j = 0; j < inputs; j++)
            load_pixel(x_row, ox * S - d.left + j, d.w, d.c, in[j]);
        FUT_UNROLL
        for (int j = 0; j < TILE; j++)
            load_pixel(dy_row, ox + j, d.out_w, d.c, out[j]);
        FUT_UNROLL
        for (int j = 0; j < TILE; j++)
            FUT_UNROLL
        for (int kx = 0; kx < K; kx++)
            FUT_UNROLL
        for (int i = 0; i < PACK; i++)
            sum[kx][i] += out[j][i] * in[j * S + kx][i];
    }
}

/* block (columns, K, lanes), grid (groups, splits). shared: K * PACK floats a thread. partial [splits, K, K, c]. */
template <typename T, int K, int S> FUT_KERNEL_FN void filter_tiles(fut_cuda_depthwise d, int rows, const T *x, const T *dy, float *partial)
{
    FUT_DYNAMIC_SHARED(float, shared); /* [K * PACK][threads] */
    const int threads = fut_block_threads(), thread = fut_thread_index(), plane = static_cast<int>(blockDim.x) * K;
    const int c = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x) * PACK, ky = static_cast<int>(threadIdx.y);
    const int lanes = static_cast<int>(blockDim.z), split = static_cast<int>(blockIdx.y);
    const int end = (split + 1) * rows < d.n * d.out_h ? (split + 1) * rows : d.n * d.out_h;
    float sum[K][PACK] = {};
    for (int row = split * rows + static_cast<int>(threadIdx.z); row < end && c < d.c; row += lanes) {
        const int image = row / d.out_h, iy = row % d.out_h * S - d.top + ky;
        if (iy < 0 || iy >= d.h) continue;
        const T *x_row = x + (static_cast<int64_t>(image) * d.h + iy) * d.w * d.c + c;
        add_row<T, K, S>(d, x_row, dy + static_cast<int64_t>(row) * d.out_w * d.c + c, sum);
    }
    FUT_UNROLL
    for (int kx = 0; kx < K; kx++)
        FUT_UNROLL
    for (int i = 0; i < PACK; i++)
        shared[(kx * PACK + i) * threads + thread] = sum[kx][i];
    FUT_SYNC();
    if (threadIdx.z != 0 || c >= d.c) return;
    for (int kx = 0; kx < K; kx++) {
        fut_pack<float, PACK> total;
        FUT_UNROLL
        for (int i = 0; i < PACK; i++) {
            total.v[i] = 0;
            for (int lane = 0; lane < lanes; lane++)
                total.v[i] += shared[(kx * PACK + i) * threads + lane * plane + thread];
        }
        fut_store_pack(partial + ((static_cast<int64_t>(split) * K + ky) * K + kx) * d.c + c, total);
    }
}

/* block (32 channels, 1, lanes), grid (groups, splits, taps): one tap and channel a thread. shared: one float a thread. */
template <typename T> FUT_KERNEL_FN void filter_any(fut_cuda_depthwise d, int rows, const T *x, const T *dy, float *partial)
{
    FUT_DYNAMIC_SHARED(float, shared);
    const int c = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x), tap = static_cast<int>(blockIdx.z);
    const int ky = tap / d.kw, kx = tap % d.kw, lanes = static_cast<int>(blockDim.z), split = static_cast<int>(blockIdx.y);
    const int end = (split + 1) * rows < d.n * d.out_h ? (split + 1) * rows : d.n * d.out_h;
    float sum = 0;
    for (int row = split * rows + static_cast<int>(threadIdx.z); row < end && c < d.c; row += lanes) {
        const int image = row / d.out_h, iy = row % d.out_h * d.stride - d.top + ky;
        if (iy < 0 || iy >= d.h) continue;
        const T *x_row = x + (static_cast<int64_t>(image) * d.h + iy) * d.w * d.c + c;
        const T *dy_row = dy + static_cast<int64_t>(row) * d.out_w * d.c + c;
        for (int ox = 0; ox < d.out_w; ox++) {
            const int ix = ox * d.stride - d.left + kx;
            if (ix >= 0 && ix < d.w)
                sum += fut_load(&dy_row[static_cast<int64_t>(ox) * d.c]) * fut_load(&x_row[static_cast<int64_t>(ix) * d.c]);
        }
    }
    shared[fut_thread_index()] = sum;
    FUT_SYNC();
    if (threadIdx.z != 0 || c >= d.c) return;
    float total = 0;
    for (int lane = 0; lane < lanes; lane++)
        total += shared[lane * static_cast<int>(blockDim.x) + static_cast<int>(threadIdx.x)];
    partial[(static_cast<int64_t>(split) * d.kh * d.kw + tap) * d.c + c] = total;
}

/* dweight [c, taps] = partial [splits, taps, c], splits added. block (JOIN_COLUMNS, JOIN_LANES): a column is one (tap, c). */
FUT_KERNEL_FN void join_partials(int splits, int taps, int c, const float *partial, float *dweight)
{
    FUT_SHARED(float, sums, JOIN_COLUMNS *JOIN_LANES);
    const int64_t column = static_cast<int64_t>(blockIdx.x) * JOIN_COLUMNS + threadIdx.x, columns = static_cast<int64_t>(taps) * c;
    float sum = 0;
    for (int split = static_cast<int>(threadIdx.y); split < splits && column < columns; split += JOIN_LANES)
        sum += partial[split * columns + column];
    sums[fut_thread_index()] = sum;
    FUT_SYNC();
    if (threadIdx.y != 0 || column >= columns) return;
    float total = 0;
    for (int lane = 0; lane < JOIN_LANES; lane++)
        total += sums[lane * JOIN_COLUMNS + static_cast<int>(threadIdx.x)];
    dweight[column % c * taps + column / c] = total;
}

static dim3 three(int x, int y, int z)
{
    return dim3(static_cast<unsigned int>(x), static_cast<unsigned int>(y), static_cast<unsigned int>(z));
}

template <typename T, int K, int S>
static cudaError_t launch_tiles(const fut_cuda_depthwise &d, const division &v, const T *x, const T *dy, float *partial,
                                cudaStream_t stream)
{
    const dim3 grid = three(v.groups, v.splits, 1), block = three(v.columns, v.taps, v.lanes);
    const size_t shared = static_cast<size_t>(v.columns) * v.taps * v.lanes * K * PACK * sizeof(float);
    return FUT_LAUNCH_SYNC((filter_tiles<T, K, S>), grid, block, shared, stream, d, v.rows, x, dy, partial);
}

template <typename T>
static cudaError_t launch_partials(const fut_cuda_depthwise &d, const division &v, const void *in, const void *grad, float *partial,
                                   cudaStream_t stream)
{
    const T *x = static_cast<const T *>(in), *dy = static_cast<const T *>(grad);
    if (has_tiles(d) && d.kh == 3 && d.stride == 1) return launch_tiles<T, 3, 1>(d, v, x, dy, partial, stream);
    if (has_tiles(d) && d.kh == 3) return launch_tiles<T, 3, 2>(d, v, x, dy, partial, stream);
    if (has_tiles(d) && d.stride == 1) return launch_tiles<T, 5, 1>(d, v, x, dy, partial, stream);
    if (has_tiles(d)) return launch_tiles<T, 5, 2>(d, v, x, dy, partial, stream);
    const size_t shared = static_cast<size_t>(v.columns) * v.lanes * sizeof(float);
    return FUT_LAUNCH_SYNC(filter_any<T>, three(v.groups, v.splits, d.kh * d.kw), three(v.columns, 1, v.lanes), shared, stream, d, v.rows,
                           x, dy, partial);
}

extern "C" cudaError_t fut_cuda_launch_depthwise_filter(const fut_cuda_depthwise *d, fut_dtype dtype, const void *x, const void *dy,
                                                        float *partial, float *dweight, cudaStream_t stream)
{
    const division v = divide(*d);
    const int taps = d->kh * d->kw;
    const int64_t blocks = (static_cast<int64_t>(taps) * d->c + JOIN_COLUMNS - 1) / JOIN_COLUMNS;
    cudaError_t error;
    if (dtype == FUT_F32)
        error = launch_partials<float>(*d, v, x, dy, partial, stream);
    else if (dtype == FUT_BF16)
        error = launch_partials<fut_bf16>(*d, v, x, dy, partial, stream);
    else
        error = launch_partials<fut_f16>(*d, v, x, dy, partial, stream);
    if (error != cudaSuccess) return error;
    return FUT_LAUNCH_SYNC(join_partials, static_cast<unsigned int>(blocks), dim3(JOIN_COLUMNS, JOIN_LANES), 0, stream, v.splits, taps,
                           d->c, partial, dweight);
}
