/* The small part of squeeze-and-excite, between its passes over memory: two matrix-vector products an image, one block each, and the
 * gradients of their weights. Formulas: cuda_squeeze_excite.c. */
#include "core/backend/cuda/kernels/act_device.cuh"

enum { EXCITE_THREADS = 512, WARP = 32, EXCITE_WARPS = EXCITE_THREADS / WARP };

/* out [rows] = w [rows, cols] in [cols]. ROWS rows a warp at once, so that their reads and shuffles overlap. */
template <int ROWS> FUT_DEVICE_FN void matvec(int rows, int cols, const float *w, const fut_shared<float> in, const fut_shared<float> out)
{
    const int warp = static_cast<int>(threadIdx.x) / WARP, lane = static_cast<int>(threadIdx.x) % WARP;
    for (int first = warp * ROWS; first < rows; first += EXCITE_WARPS * ROWS) {
        float sum[ROWS] = {};
        for (int c = lane; c < cols; c += WARP) {
            const float value = in[c];
            FUT_UNROLL
            for (int u = 0; u < ROWS; u++)
                sum[u] += w[static_cast<int64_t>(first + u < rows ? first + u : rows - 1) * cols + c] * value;
        }
        FUT_UNROLL
        for (int u = 0; u < ROWS; u++) {
            const float total = fut_warp_sum(sum[u]);
            if (lane == 0 && first + u < rows) out[first + u] = total;
        }
    }
}

/* out [cols] = w [rows, cols]^T in [rows], many rows and few columns: warps share the rows. shared: EXCITE_THREADS. */
FUT_DEVICE_FN void matvec_transposed(int rows, int cols, const float *w, const fut_shared<float> in, const fut_shared<float> out,
                                     const fut_shared<float> shared)
{
    constexpr int rows_at_once = 4;
    const int warp = static_cast<int>(threadIdx.x) / WARP, lane = static_cast<int>(threadIdx.x) % WARP;
    for (int first = 0; first < cols; first += WARP) {
        const int c = first + lane;
        float sum = 0;
        for (int r = warp; c < cols && r < rows; r += rows_at_once * EXCITE_WARPS) {
            FUT_UNROLL
            for (int u = 0; u < rows_at_once; u++) {
                const int row = r + u * EXCITE_WARPS < rows ? r + u * EXCITE_WARPS : rows - 1;
                const float value = in[row], factor = w[static_cast<int64_t>(row) * cols + c];
                sum += r + u * EXCITE_WARPS < rows ? factor * value : 0;
            }
        }
        shared[warp * WARP + lane] = sum;
        FUT_SYNC();
        if (warp == 0 && c < cols) {
            float total = 0;
            for (int k = 0; k < EXCITE_WARPS; k++)
                total += shared[k * WARP + lane];
            out[c] = total;
        }
        FUT_SYNC();
    }
}

/* An image's total of channel c over its slabs. */
FUT_DEVICE_FN float total_of_slabs(const fut_cuda_excite &e, const float *sums, int c)
{
    const float *from = sums + static_cast<int64_t>(blockIdx.x) * e.slabs * e.channels + c;
    float total = 0;
    for (int slab = 0; slab < e.slabs; slab++)
        total += from[static_cast<int64_t>(slab) * e.channels];
    return total;
}

FUT_KERNEL_FN void excite(const fut_cuda_excite e, const float *sums)
{
    FUT_DYNAMIC_SHARED(float, dynamic);
    const fut_shared<float> wide = dynamic, narrow = dynamic + e.channels;
    const int64_t image = blockIdx.x;
    for (int c = static_cast<int>(threadIdx.x); c < e.channels; c += EXCITE_THREADS) {
        const float mean = total_of_slabs(e, sums, c);
        wide[c] = mean;
        e.p[image * e.channels + c] = mean;
    }
    FUT_SYNC();
    matvec<2>(e.reduced, e.channels, e.w1, wide, narrow);
    FUT_SYNC();
    for (int j = static_cast<int>(threadIdx.x); j < e.reduced; j += EXCITE_THREADS) {
        const float dot = narrow[j];
        float a[1] = {dot + e.b1[j]};
        e.a[image * e.reduced + j] = a[0];
        act_apply<false>(e.act, a, a);
        narrow[j] = a[0];
    }
    FUT_SYNC();
    matvec<4>(e.channels, e.reduced, e.w2, narrow, wide);
    FUT_SYNC();
    for (int c = static_cast<int>(threadIdx.x); c < e.channels; c += EXCITE_THREADS) {
        const float dot = wide[c];
        e.g[image * e.channels + c] = act_sigmoid(dot + e.b2[c]);
    }
}

FUT_KERNEL_FN void excite_backward(const fut_cuda_excite e, const float *sums, float *de, float *da, float *h, float *dp)
{
    FUT_DYNAMIC_SHARED(float, dynamic);
    FUT_SHARED(float, shared, EXCITE_THREADS);
    const fut_shared<float> wide = dynamic, narrow = dynamic + e.channels;
    const int64_t image = blockIdx.x;
    for (int c = static_cast<int>(threadIdx.x); c < e.channels; c += EXCITE_THREADS) {
        const float gate = e.g[image * e.channels + c], gradient = total_of_slabs(e, sums, c) * gate * (1.0f - gate);
        wide[c] = gradient;
        de[image * e.channels + c] = gradient;
    }
    FUT_SYNC();
    matvec_transposed(e.channels, e.reduced, e.w2, wide, narrow, shared);
    for (int j = static_cast<int>(threadIdx.x); j < e.reduced; j += EXCITE_THREADS) {
        const int64_t at = image * e.reduced + j;
        const float dh = narrow[j];
        float a[1] = {e.a[at]}, d[1] = {dh};
        act_apply_grad<false>(e.act, a, a, d);
        act_apply<false>(e.act, a, a);
        narrow[j] = da[at] = d[0];
        h[at] = a[0];
    }
    FUT_SYNC();
    for (int c = static_cast<int>(threadIdx.x); c < e.channels; c += EXCITE_THREADS) {
        float sum = 0;
        for (int j = 0; j < e.reduced; j++)
            sum += e.w1[static_cast<int64_t>(j) * e.channels + c] * narrow[j];
        dp[image * e.channels + c] = sum;
    }
}

/* A block makes OUTER_ROWS x WARP elements of dw; its lanes share the images. */
enum { OUTER_ROWS = 4, OUTER_LANES = 8, OUTER_THREADS = WARP * OUTER_LANES };

FUT_KERNEL_FN void outer_sums(int64_t images, int64_t rows, int64_t cols, const float *left, const float *right, float *dw, float *db)
{
    ACT_LANES_SHARED(float, shared, 2 * OUTER_ROWS, OUTER_THREADS);
    const int64_t c = static_cast<int64_t>(blockIdx.x) * WARP + threadIdx.x, first = static_cast<int64_t>(blockIdx.y) * OUTER_ROWS;
    float sum[2 * OUTER_ROWS] = {};
    for (int64_t n = threadIdx.y; n < images; n += OUTER_LANES) {
        const float value = c < cols ? right[n * cols + c] : 0;
        FUT_UNROLL
        for (int u = 0; u < OUTER_ROWS; u++) {
            const float factor = left[n * rows + (first + u < rows ? first + u : rows - 1)];
            sum[u] += factor * value;
            sum[OUTER_ROWS + u] += factor;
        }
    }
    act_sum_lanes<OUTER_THREADS>(shared, sum);
    if (threadIdx.y > 0) return;
    FUT_UNROLL
    for (int u = 0; u < OUTER_ROWS; u++) {
        if (first + u >= rows) break;
        if (c < cols) dw[(first + u) * cols + c] = sum[u];
        if (c == 0) db[first + u] = sum[OUTER_ROWS + u];
    }
}

static size_t excite_shared_bytes(const fut_cuda_excite *e)
{
    return static_cast<size_t>(e->channels + e->reduced) * sizeof(float);
}

extern "C" cudaError_t fut_cuda_launch_excite(const fut_cuda_excite *e, const float *sums, cudaStream_t stream)
{
    return FUT_LAUNCH_SYNC(excite, dim3(static_cast<unsigned int>(e->images)), dim3(EXCITE_THREADS), excite_shared_bytes(e), stream, *e,
                           sums);
}

extern "C" cudaError_t fut_cuda_launch_excite_backward(const fut_cuda_excite *e, const float *sums, float *de, float *da, float *h,
                                                       float *dp, cudaStream_t stream)
{
    return FUT_LAUNCH_SYNC(excite_backward, dim3(static_cast<unsigned int>(e->images)), dim3(EXCITE_THREADS), excite_shared_bytes(e),
                           stream, *e, sums, de, da, h, dp);
}

extern "C" cudaError_t fut_cuda_launch_outer_sums(int64_t images, int64_t rows, int64_t cols, const float *left, const float *right,
                                                  float *dw, float *db, cudaStream_t stream)
{
    return FUT_LAUNCH_SYNC(outer_sums, dim3(act_ceil_div(cols, WARP), act_ceil_div(rows, OUTER_ROWS)), dim3(WARP, OUTER_LANES), 0, stream,
                           images, rows, cols, left, right, dw, db);
}
