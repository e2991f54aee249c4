/* Weighed differences of rows. A block has whole rows; its warps have the references in turn, or its threads columns. */
#include "core/backend/cuda/kernels/row_device.cuh"

namespace
{

constexpr int lanes = 32, warps = block / lanes;

FUT_KERNEL_FN void difference_rows(int64_t n, int64_t refs, int64_t dim, const int64_t *row, const float *h, const float *r, const float *w,
                                   float *v)
{
    const int lane = fut_thread_index() % lanes, warp = fut_thread_index() / lanes;
    for (int64_t i = blockIdx.x; i < n; i += gridDim.x) {
        const float *const mine = h + row[i] * dim;
        for (int64_t j = warp; j < refs; j += warps) {
            const float *const other = r + j * dim;
            float sum = 0;
            for (int64_t c = lane; c < dim; c += lanes)
                sum += w[c] * fabsf(mine[c] - other[c]);
            sum = fut_warp_sum(sum);
            if (lane == 0) v[i * refs + j] = sum;
        }
    }
}

FUT_DEVICE_FN float sign_of(float x)
{
    return x > 0 ? 1.0f : x < 0 ? -1.0f : 0.0f;
}

/* d of n rows: mine[place[i]] (NULL: i) against `count` others[others_place[j]] (NULL: j), g [i * step + j * other_step]. */
FUT_KERNEL_FN void difference_times(int64_t n, int64_t count, int64_t dim, float scale, const int64_t *place, const int64_t *others_place,
                                    int64_t step, int64_t other_step, const float *g, const float *mine, const float *others,
                                    const float *w, float *d)
{
    for (int64_t i = blockIdx.x; i < n; i += gridDim.x) {
        const float *const row = mine + (place == nullptr ? i : place[i]) * dim;
        for (int64_t c = threadIdx.x; c < dim; c += block) {
            const float here = row[c];
            float sum = 0;
            for (int64_t j = 0; j < count; j++)
                sum += g[i * step + j * other_step] * sign_of(here - others[(others_place == nullptr ? j : others_place[j]) * dim + c]);
            d[i * dim + c] = scale * w[c] * sum;
        }
    }
}

/* First pass: partial [gridDim.x, dim], of the rows blockIdx.x, + gridDim.x, ... */
FUT_KERNEL_FN void difference_weights(int64_t n, int64_t refs, int64_t dim, const int64_t *row, const float *g, const float *h,
                                      const float *r, double *partial)
{
    for (int64_t c = threadIdx.x; c < dim; c += block) {
        double sum = 0;
        for (int64_t i = blockIdx.x; i < n; i += gridDim.x) {
            const float here = h[row[i] * dim + c];
            for (int64_t j = 0; j < refs; j++)
                sum += static_cast<double>(g[i * refs + j] * fabsf(here - r[j * dim + c]));
        }
        partial[blockIdx.x * dim + c] = sum;
    }
}

FUT_KERNEL_FN void add_weights(int64_t slices, int64_t dim, const double *partial, float *dw)
{
    for (int64_t c = blockIdx.x * static_cast<int64_t>(block) + threadIdx.x; c < dim; c += static_cast<int64_t>(gridDim.x) * block) {
        double sum = 0;
        for (int64_t slice = 0; slice < slices; slice++)
            sum += partial[slice * dim + c];
        dw[c] = static_cast<float>(sum);
    }
}

FUT_KERNEL_FN void logit_params(fut_row_loss k, const double *sums, const double *total, float *dscale, float *dshift)
{
    if (threadIdx.x != 0) return;
    const fut_row_line grad = fut_row_line_grad(&k, sums, total);
    if (dscale != nullptr) *dscale = static_cast<float>(grad.a);
    *dshift = static_cast<float>(grad.b);
}

} // namespace

cudaError_t fut_cuda_launch_logit_params(const fut_row_loss *loss, const double *sums, const double *total, float *dscale, float *dshift,
                                         cudaStream_t stream)
{
    return FUT_LAUNCH(logit_params, dim3(1), dim3(lanes), 0, stream, *loss, sums, total, dscale, dshift);
}

cudaError_t fut_cuda_launch_difference_rows(const fut_pair_rows *rows, const float *h, const float *r, const float *w, float *v,
                                            cudaStream_t stream)
{
    return FUT_LAUNCH_SYNC(difference_rows, grid_of(rows->n), dim3(block), 0, stream, rows->n, rows->refs, rows->dim, rows->row, h, r, w,
                           v);
}

cudaError_t fut_cuda_launch_difference_times(const fut_pair_rows *rows, float scale, const float *g, const float *h, const float *r,
                                             const float *w, float *dh, cudaStream_t stream)
{
    return FUT_LAUNCH(difference_times, grid_of(rows->n), dim3(block), 0, stream, rows->n, rows->refs, rows->dim, scale, rows->row, nullptr,
                      rows->refs, 1, g, h, r, w, dh);
}

cudaError_t fut_cuda_launch_difference_times_transposed(const fut_pair_rows *rows, const float *g, const float *h, const float *r,
                                                        const float *w, float *dr, cudaStream_t stream)
{
    return FUT_LAUNCH(difference_times, grid_of(rows->refs), dim3(block), 0, stream, rows->refs, rows->n, rows->dim, 1.0f, nullptr,
                      rows->row, 1, rows->refs, g, r, h, w, dr);
}

cudaError_t fut_cuda_launch_difference_weights(const fut_pair_rows *rows, const float *g, const float *h, const float *r, float *dw,
                                               void *scratch, cudaStream_t stream)
{
    double *const partial = static_cast<double *>(scratch);
    const int64_t fit = FUT_CUDA_ROWS_SCRATCH / (static_cast<int64_t>(sizeof *partial) * rows->dim);
    const int64_t slices = rows->n < fit ? rows->n : fit;
    const cudaError_t error = FUT_LAUNCH(difference_weights, dim3(static_cast<unsigned int>(slices)), dim3(block), 0, stream, rows->n,
                                         rows->refs, rows->dim, rows->row, g, h, r, partial);
    if (error != cudaSuccess) return error;
    return FUT_LAUNCH(add_weights, grid_of((rows->dim + block - 1) / block), dim3(block), 0, stream, slices, rows->dim, partial, dw);
}
