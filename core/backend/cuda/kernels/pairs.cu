/* Hinges over pairs. A block has whole rows: what belongs to the row is read once, and columns are neighbours in memory. */
#include "core/backend/cuda/kernels/kernels_vec.h"
#include "gpu_kernel.h"

namespace
{

constexpr int block = 256;
constexpr int64_t most_blocks = FUT_CUDA_PARTIALS;
static_assert(block % FUT_PAIR_SUMS == 0, "the second pass gives each sum the same number of threads");

/* The row's own side of its pairs. */
struct anchor {
    int64_t place, label, image;
};

FUT_DEVICE_FN anchor anchor_of(int64_t i, const int64_t *row, const int64_t *label, const int64_t *image)
{
    const int64_t place = row[i];
    return {place, label[place], image[place]};
}

/* A pair counts unless it is an image with itself: the same place of the batch, or the same photo drawn twice. */
FUT_DEVICE_FN bool pair_counts(const anchor &a, int64_t j, const int64_t *image)
{
    return a.place != j && a.image != image[j];
}

/* What is inside the hinge [.]+ of a pair with value v; f64, so that which pairs are active does not depend on the backend. */
FUT_DEVICE_FN double excess_of(const fut_pair_hinge &hinge, bool positive, double v)
{
    return hinge.sign * (positive ? v - hinge.pos_margin : hinge.neg_margin - v);
}

/* First pass: partial [FUT_PAIR_SUMS] of each block, whose rows are blockIdx.x, + gridDim.x, ... */
FUT_KERNEL_FN void hinge_sums(int64_t n, int64_t batch, const int64_t *row, const int64_t *label, const int64_t *image,
                              fut_pair_hinge hinge, const float *sim, double *partial)
{
    FUT_SHARED(double, scratch, 32);
    double sums[FUT_PAIR_SUMS] = {};
    for (int64_t i = blockIdx.x; i < n; i += gridDim.x) {
        const anchor a = anchor_of(i, row, label, image);
        for (int64_t j = threadIdx.x; j < batch; j += block) {
            if (!pair_counts(a, j, image)) continue;
            const bool positive = a.label == label[j];
            const double v = sim[i * batch + j], excess = excess_of(hinge, positive, v);
            const double loss = excess > 0 ? excess : 0, active = excess > 0;
            /* No index that is only known at run time: the sums stay in registers. */
            sums[FUT_PAIR_LOSS_POS] += positive ? loss : 0;
            sums[FUT_PAIR_LOSS_NEG] += positive ? 0 : loss;
            sums[FUT_PAIR_ACTIVE_POS] += positive ? active : 0;
            sums[FUT_PAIR_ACTIVE_NEG] += positive ? 0 : active;
            sums[FUT_PAIR_COUNT_POS] += positive;
            sums[FUT_PAIR_COUNT_NEG] += !positive;
            sums[FUT_PAIR_VALUE_POS] += positive ? v : 0;
            sums[FUT_PAIR_VALUE_NEG] += positive ? 0 : v;
        }
    }
    FUT_UNROLL
    for (int k = 0; k < FUT_PAIR_SUMS; k++) {
        const double total = fut_block_sum<double>(sums[k], scratch);
        if (threadIdx.x == 0) partial[static_cast<int64_t>(blockIdx.x) * FUT_PAIR_SUMS + k] = total;
    }
}

/* Second pass, one block: thread t adds sum t % FUT_PAIR_SUMS of every block / FUT_PAIR_SUMS-th partial, then the threads of a sum in
 * order. */
FUT_KERNEL_FN void add_partials(int64_t blocks, const double *partial, double *sums)
{
    FUT_SHARED(double, of_thread, block);
    const int thread = fut_thread_index();
    double total = 0;
    for (int64_t at = thread; at < blocks * FUT_PAIR_SUMS; at += block)
        total += partial[at];
    of_thread[thread] = total;
    FUT_SYNC();
    if (thread >= FUT_PAIR_SUMS) return;
    for (int other = thread + FUT_PAIR_SUMS; other < block; other += FUT_PAIR_SUMS)
        total += of_thread[other];
    sums[thread] = total;
}

FUT_DEVICE_FN float slope_of(double sign, double divisor)
{
    return divisor == 0 ? 0.0f : static_cast<float>(sign / divisor);
}

FUT_KERNEL_FN void hinge_grad(int64_t n, int64_t batch, const int64_t *row, const int64_t *label, const int64_t *image,
                              fut_pair_hinge hinge, const float *sim, const double *sums, float *g)
{
    const float of_positive = slope_of(hinge.sign, sums[hinge.per_pos]), of_negative = slope_of(-hinge.sign, sums[hinge.per_neg]);
    for (int64_t i = blockIdx.x; i < n; i += gridDim.x) {
        const anchor a = anchor_of(i, row, label, image);
        for (int64_t j = threadIdx.x; j < batch; j += block) {
            const bool positive = a.label == label[j];
            const bool active = pair_counts(a, j, image) && excess_of(hinge, positive, sim[i * batch + j]) > 0;
            g[i * batch + j] = !active ? 0.0f : positive ? of_positive : of_negative;
        }
    }
}

} // namespace

cudaError_t fut_cuda_launch_pair_hinge_sums(const fut_pair_rows *rows, const fut_pair_hinge *hinge, const float *sim, double *sums,
                                            void *scratch, cudaStream_t stream)
{
    const int64_t blocks = rows->n < most_blocks ? rows->n : most_blocks;
    double *const partial = static_cast<double *>(scratch);
    const cudaError_t error = FUT_LAUNCH_SYNC(hinge_sums, dim3(static_cast<unsigned int>(blocks)), dim3(block), 0, stream, rows->n,
                                              rows->batch, rows->row, rows->label, rows->image, *hinge, sim, partial);
    if (error != cudaSuccess) return error;
    return FUT_LAUNCH_SYNC(add_partials, dim3(1), dim3(block), 0, stream, blocks, partial, sums);
}

cudaError_t fut_cuda_launch_pair_hinge_grad(const fut_pair_rows *rows, const fut_pair_hinge *hinge, const float *sim, const double *sums,
                                            float *g, cudaStream_t stream)
{
    return FUT_LAUNCH(hinge_grad, dim3(static_cast<unsigned int>(rows->n)), dim3(block), 0, stream, rows->n, rows->batch, rows->row,
                      rows->label, rows->image, *hinge, sim, sums, g);
}
