/* What the kernels of row losses share: a row, a thread's sums, the second pass that adds them. */
#ifndef FUT_CORE_BACKEND_CUDA_KERNELS_ROW_DEVICE_CUH
#define FUT_CORE_BACKEND_CUDA_KERNELS_ROW_DEVICE_CUH

#include "core/backend/cuda/kernels/kernels_rows.h"
#include "gpu_kernel.h"

#define FUT_FORMULA_FN FUT_DEVICE_FN
#include "core/backend/row_formulas.h"

namespace
{

constexpr int block = 256, slots = FUT_CUDA_ROWS_SLOTS;
constexpr int64_t most_blocks = FUT_CUDA_ROWS_BLOCKS;
static_assert(FUT_ROW_SUMS <= slots && block % slots == 0, "the second pass gives each sum the same number of threads");

/* A row of the pair matrix, what is known of it and what is made of it. */
struct row_of_pairs {
    int64_t batch;
    const float *v;
    const uint8_t *kind;
    float *g;
};

/* A thread's share of a block's sums. */
struct row_sums {
    double at[FUT_ROW_SUMS];
};

FUT_DEVICE_FN double block_max(double value, fut_shared<double> scratch)
{
    const int thread = fut_thread_index();
    value = fut_warp_max(value);
    FUT_SYNC();
    if (thread % 32 == 0) scratch[thread / 32] = value;
    FUT_SYNC();
    double top = scratch[0];
    for (int warp = 1; warp < block / 32; warp++) {
        const double other = scratch[warp];
        top = top < other ? other : top;
    }
    return top;
}

/* a and b of a bce loss. */
FUT_DEVICE_FN fut_row_line line_of(const fut_row_loss &k)
{
    const float *const a = static_cast<const float *>(k.logit_scale), *const b = static_cast<const float *>(k.logit_shift);
    const fut_row_line line = {a == nullptr ? 1.0 : static_cast<double>(*a), static_cast<double>(*b)};
    return line;
}

/* One pair of a bce loss: adds to the sums and returns the derivative by v. */
FUT_DEVICE_FN double bce_pair(const fut_row_loss &k, const fut_row_line &line, bool positive, double v, row_sums &sums)
{
    const fut_row_logit logit = fut_row_logit_of(&k, line, positive, v);
    if (!fut_row_keeps(&k, logit.loss)) return 0;
    const bool apart = !positive && fut_row_kept_neg(&k) == FUT_ROW_KEPT_NEG;
    sums.at[FUT_ROW_LOSS] += positive ? logit.loss : 0;
    sums.at[FUT_ROW_LOSS_NEG] += positive ? 0 : logit.loss;
    sums.at[FUT_ROW_KEPT] += !apart;
    sums.at[FUT_ROW_KEPT_NEG] += apart;
    sums.at[FUT_ROW_SLOPE_POS] += positive ? logit.slope : 0;
    sums.at[FUT_ROW_SLOPE_NEG] += positive ? 0 : logit.slope;
    sums.at[FUT_ROW_SLOPE_VALUE_POS] += positive ? logit.slope * v : 0;
    sums.at[FUT_ROW_SLOPE_VALUE_NEG] += positive ? 0 : logit.slope * v;
    return logit.slope * logit.by_value;
}

FUT_DEVICE_FN void clear_row(const row_of_pairs &row)
{
    for (int64_t j = threadIdx.x; j < row.batch; j += block)
        row.g[j] = 0;
}

/* What every loss counts. */
FUT_DEVICE_FN void count_row(const row_of_pairs &row, row_sums &sums)
{
    for (int64_t j = threadIdx.x; j < row.batch; j += block) {
        if (row.kind[j] == FUT_PAIR_LEFT_OUT) continue;
        const bool positive = row.kind[j] == FUT_PAIR_POSITIVE;
        const double v = row.v[j], active = row.g[j] != 0;
        sums.at[FUT_ROW_COUNT_POS] += positive;
        sums.at[FUT_ROW_COUNT_NEG] += !positive;
        sums.at[FUT_ROW_VALUE_POS] += positive ? v : 0;
        sums.at[FUT_ROW_VALUE_NEG] += positive ? 0 : v;
        sums.at[FUT_ROW_ACTIVE_POS] += positive ? active : 0;
        sums.at[FUT_ROW_ACTIVE_NEG] += positive ? 0 : active;
    }
}

/* g from the derivative by v to that by s. */
FUT_DEVICE_FN void close_row(const fut_row_loss &k, const row_of_pairs &row)
{
    for (int64_t j = threadIdx.x; j < row.batch; j += block)
        row.g[j] = static_cast<float>(fut_row_value_grad(&k, row.v[j], row.g[j]));
}

/* partial [slots] of the block. */
FUT_DEVICE_FN void write_partial(const row_sums &sums, double *partial, fut_shared<double> scratch)
{
    FUT_UNROLL
    for (int at = 0; at < FUT_ROW_SUMS; at++) {
        const double total = fut_block_sum<double>(sums.at[at], scratch);
        if (threadIdx.x == 0) partial[static_cast<int64_t>(blockIdx.x) * slots + at] = total;
    }
}

/* Second pass, one block: thread t adds sum t % slots of every block / slots-th partial, then the threads of a sum in order. */
FUT_KERNEL_FN void add_partials(int64_t blocks, const double *partial, double *sums)
{
    FUT_SHARED(double, of_thread, block);
    const int thread = fut_thread_index(), slot = thread % slots;
    double total = 0;
    for (int64_t at = thread; slot < FUT_ROW_SUMS && at < blocks * slots; at += block)
        total += partial[at];
    of_thread[thread] = total;
    FUT_SYNC();
    if (thread >= FUT_ROW_SUMS) return;
    for (int other = thread + slots; other < block; other += slots)
        total += of_thread[other];
    sums[thread] = total;
}

dim3 grid_of(int64_t n)
{
    return dim3(static_cast<unsigned int>(n < most_blocks ? n : most_blocks));
}

} // namespace

#endif
