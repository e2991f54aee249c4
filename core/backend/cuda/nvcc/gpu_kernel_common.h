/* Device functions that both versions of gpu_kernel.h share; included at their end. */
#ifndef FUT_GPU_KERNEL_COMMON_H
#define FUT_GPU_KERNEL_COMMON_H

/* This thread's number in its block, and how many there are. */
FUT_DEVICE_FN int fut_thread_index()
{
    return static_cast<int>(threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z));
}

FUT_DEVICE_FN int fut_block_threads()
{
    return static_cast<int>(blockDim.x * blockDim.y * blockDim.z);
}

#endif
