/* Sums over warps and blocks, on shuffles and shared memory; included at the end of gpu_kernel.h. */
#ifndef FUT_GPU_KERNEL_SUMS_H
#define FUT_GPU_KERNEL_SUMS_H

/* Sum over the 32 lanes of a warp, in every lane. Butterfly: the order is fixed, all lanes get the same bits. T: float, double, int. */
template <typename T> FUT_DEVICE_FN T fut_warp_sum(T value)
{
    for (int mask = 16; mask > 0; mask /= 2)
        value += FUT_SHFL_XOR(value, mask);
    return value;
}

template <typename T> FUT_DEVICE_FN T fut_warp_max(T value)
{
    for (int mask = 16; mask > 0; mask /= 2) {
        T other = FUT_SHFL_XOR(value, mask);
        value = value < other ? other : value;
    }
    return value;
}

/* Sum over the block, in every thread, in a fixed order: warps by butterfly, then warp after warp.
 * scratch: shared, one T a warp (32 always suffice); free again when all threads have returned and met at the next FUT_SYNC: calls in a row
 * may share it. The block is a multiple of 32 threads, and all of them call. */
template <typename T> FUT_DEVICE_FN T fut_block_sum(T value, fut_shared<T> scratch)
{
    const int thread = fut_thread_index();
    value = fut_warp_sum(value);
    FUT_SYNC(); /* an earlier call's scratch has been read */
    if (thread % 32 == 0) scratch[thread / 32] = value;
    FUT_SYNC();
    T total = 0;
    for (int warp = 0; warp < (fut_block_threads() + 31) / 32; warp++)
        total += scratch[warp];
    return total;
}

#endif
