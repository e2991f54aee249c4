/* A thread's share of a pass over vectors of f32: `pack` elements, 128 bits at a time where the vectors are aligned. For kernels (.cu)
 * only. */
#ifndef FUT_CORE_BACKEND_CUDA_KERNELS_VECTOR_PACKS_CUH
#define FUT_CORE_BACKEND_CUDA_KERNELS_VECTOR_PACKS_CUH

#include "gpu_kernel.h"

namespace
{

constexpr int block = 256, pack = 4;

bool is_aligned(const void *p)
{
    return reinterpret_cast<uintptr_t>(p) % alignof(fut_pack<float, pack>) == 0;
}

/* `pack` elements from x + first, zeros past n; whole: 128 bits at a time. */
template <bool whole> FUT_DEVICE_FN fut_pack<float, pack> load(int64_t n, int64_t first, const float *x)
{
    if (whole && first + pack <= n) return fut_load_pack<pack>(x + first);
    fut_pack<float, pack> values = {};
    for (int k = 0; k < pack && first + k < n; k++)
        values.v[k] = x[first + k];
    return values;
}

template <bool whole> FUT_DEVICE_FN void store(int64_t n, int64_t first, float *x, const fut_pack<float, pack> &values)
{
    if (whole && first + pack <= n) {
        fut_store_pack(x + first, values);
        return;
    }
    for (int k = 0; k < pack && first + k < n; k++)
        x[first + k] = values.v[k];
}

} // namespace

#endif
