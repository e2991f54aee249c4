/* The one header that kernels (the .cu files of core/backend/cuda/kernels) include, as nvcc sees it. The GPU double has another version
 * with the same interface (tests/support/gpu_double/host/gpu_kernel.h), with which g++ compiles the same kernels for the host; so kernels
 * use nothing of CUDA but what is named here and in gpu_kernel_common.h.
 *
 *     FUT_KERNEL_FN void scale(int64_t n, float a, float *x)       a kernel; const T * where it only reads
 *     FUT_DEVICE_FN float square(float x)                          a function kernels call; template <...> may stand before both
 *     FUT_LAUNCH(scale, grid, block, shared_bytes, stream, n, a, x)         is a cudaError_t; kernels without FUT_SYNC and shuffles
 *     FUT_LAUNCH_SYNC((reduce<float, 4>), grid, block, 0, stream, n, x)     kernels with them; templated ones stand in parentheses
 *     FUT_SHARED(float, tile, 256);       a static shared array      FUT_DYNAMIC_SHARED(float, rows);      the launch's dynamic one
 *     fut_shared<float>                   the type to pass (a part of) one on: fut_shared<float> b = rows + n
 *     FUT_SYNC()   FUT_SHFL_XOR(value, lane_mask)   FUT_SHFL_DOWN(value, delta)      all threads of the block, all lanes of the warp
 *     threadIdx, blockIdx, blockDim, gridDim, dim3: as in CUDA
 *
 * Read a shared element into a typed variable (float v = tile[i], never auto). Every thread reaches every FUT_SYNC and shuffle: a kernel
 * returns early for whole blocks only, and never names threads that do not exist (blocks of 32 k threads). No float atomics. */
#ifndef FUT_GPU_KERNEL_H
#define FUT_GPU_KERNEL_H

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>
#include <math.h>
#include <stdint.h>

#define FUT_KERNEL_FN static __global__
#define FUT_DEVICE_FN static __device__ __forceinline__
#define FUT_UNROLL _Pragma("unroll")
/* Between FUT_KERNEL_FN and void: registers shall leave room for `blocks` blocks of at most `threads` threads on a multiprocessor. */
#define FUT_OCCUPANCY(threads, blocks) __launch_bounds__(threads, blocks)

/* clang-format 14 takes <<< apart here, and nvcc does not put it together again. */
/* clang-format off */
#define FUT_LAUNCH(kernel, grid, block, shared_bytes, stream, ...)                                                                         \
    ((kernel)<<<(grid), (block), (shared_bytes), (stream)>>>(__VA_ARGS__), cudaGetLastError())
/* clang-format on */
#define FUT_LAUNCH_SYNC(kernel, grid, block, shared_bytes, stream, ...) FUT_LAUNCH(kernel, grid, block, shared_bytes, stream, __VA_ARGS__)

#define FUT_SHARED(type, name, count) __shared__ type name[count]
#define FUT_DYNAMIC_SHARED(type, name)                                                                                                     \
    extern __shared__ __align__(16) unsigned char fut_dynamic_shared_bytes[];                                                              \
    type *const name = reinterpret_cast<type *>(fut_dynamic_shared_bytes)
template <typename T> using fut_shared = T *;

#define FUT_SYNC() __syncthreads()
#define FUT_SHFL_XOR(value, lane_mask) __shfl_xor_sync(0xffffffffu, (value), (lane_mask))
#define FUT_SHFL_DOWN(value, delta) __shfl_down_sync(0xffffffffu, (value), (delta))

/* Storage types; arithmetic is f32. */
struct fut_f16 {
    uint16_t bits;
};
struct fut_bf16 {
    uint16_t bits;
};

FUT_DEVICE_FN float fut_load(const float *p)
{
    return *p;
}

FUT_DEVICE_FN float fut_load(const fut_f16 *p)
{
    return __half2float(__ushort_as_half(p->bits));
}

FUT_DEVICE_FN float fut_load(const fut_bf16 *p)
{
    return __bfloat162float(__ushort_as_bfloat16(p->bits));
}

/* Stores round to nearest even; what is too large becomes an infinity. */
FUT_DEVICE_FN void fut_store(float *p, float value)
{
    *p = value;
}

FUT_DEVICE_FN void fut_store(fut_f16 *p, float value)
{
    p->bits = __half_as_ushort(__float2half_rn(value));
}

FUT_DEVICE_FN void fut_store(fut_bf16 *p, float value)
{
    p->bits = __bfloat16_as_ushort(__float2bfloat16_rn(value));
}

/* N elements that move as one: a 128-bit access where N elements are 16 bytes or more. p is aligned to alignof(fut_pack<T, N>). */
template <typename T, int N> struct alignas(sizeof(T) * N < 16 ? sizeof(T) * N : 16) fut_pack {
    T v[N];
};

template <int N, typename T> FUT_DEVICE_FN fut_pack<T, N> fut_load_pack(const T *p)
{
    return *reinterpret_cast<const fut_pack<T, N> *>(p);
}

template <typename T, int N> FUT_DEVICE_FN void fut_store_pack(T *p, const fut_pack<T, N> &pack)
{
    *reinterpret_cast<fut_pack<T, N> *>(p) = pack;
}

/* expf and a division within a few units in the last place, for a fraction of their instructions: sigmoids in passes over memory.
 * fut_fast_divide: 0 where the divisor is 2^126 or more. */
FUT_DEVICE_FN float fut_fast_exp(float x)
{
    return __expf(x);
}

FUT_DEVICE_FN float fut_fast_divide(float a, float b)
{
    return __fdividef(a, b);
}

#include "core/backend/cuda/nvcc/gpu_kernel_common.h"
#include "core/backend/cuda/nvcc/gpu_kernel_sums.h"

#endif
