/* The one header that kernels include, as the GPU double has it: g++ compiles the same .cu files with it for the host. The interface is
 * described in core/backend/cuda/nvcc/gpu_kernel.h. What is stricter here:
 *   - shared arrays are objects that check every element access: bounds, a read of what nobody wrote, and races (two threads, one of them
 *     writing, with no FUT_SYNC between). A plain pointer taken from one (float *p = tile) is not checked, only guarded at its ends;
 *   - packs must be aligned; barriers and shuffles must be reached by all, at the same line;
 *   - FUT_SYNC, shuffles and shared memory under FUT_LAUNCH are an error: use FUT_LAUNCH_SYNC;
 *   - pointer arguments must be NULL or live device memory. */
#ifndef FUT_GPU_KERNEL_H
#define FUT_GPU_KERNEL_H

#include "gpu_double.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <math.h>
#include <tuple>
#include <type_traits>

using std::isfinite;
using std::isinf;
using std::isnan;

#define FUT_KERNEL_FN [[maybe_unused]] static
#define FUT_DEVICE_FN [[maybe_unused]] static inline
#define FUT_UNROLL
#define FUT_OCCUPANCY(threads, blocks)

#define threadIdx (gpu_double_here.thread)
#define blockIdx (gpu_double_here.block)
#define blockDim (gpu_double_here.block_size)
#define gridDim (gpu_double_here.grid_size)

namespace gpu_double_host
{

struct arguments {
    gpu_double_range ranges[96];
    int count = 0;

    /* What the kernel gets for an argument: device addresses become real ones; their first elements are noted. */
    template <typename P> P take(P value)
    {
        if constexpr (std::is_pointer_v<P>) {
            using pointee = std::remove_pointer_t<P>;
            if (value == nullptr) return value;
            if constexpr (std::is_void_v<pointee>)
                ranges[count++] = {value, 1, "pointer argument", !std::is_const_v<pointee>};
            else
                ranges[count++] = {value, sizeof(pointee), "pointer argument", !std::is_const_v<pointee>};
            return static_cast<P>(const_cast<void *>(gpu_double_translate(value)));
        } else if constexpr (std::is_class_v<P>) {
            static_assert(std::is_trivially_copyable_v<P>, "kernel arguments are copied as bytes");
            gpu_double_translate_words(&value, sizeof(value), ranges, &count, 96);
            return value;
        } else {
            return value;
        }
    }
};

template <auto Kernel> struct kernel;
template <typename... P, void (*Kernel)(P...)> struct kernel<Kernel> {
    using values = std::tuple<P...>;
    static_assert(sizeof...(P) <= 32, "too many kernel arguments");

    static void thread(void *args)
    {
        std::apply(Kernel, *static_cast<const values *>(args));
    }

    static void block(void *args)
    {
        const values &v = *static_cast<const values *>(args);
        gpu_double_place &here = gpu_double_here;
        const unsigned int nx = here.block_size.x, ny = here.block_size.y, nz = here.block_size.z;
        const bool back = here.order != 0;
        for (unsigned int z = 0; z < nz; z++)
            for (unsigned int y = 0; y < ny; y++)
                for (unsigned int x = 0; x < nx; x++) {
                    here.thread = back ? dim3(nx - 1 - x, ny - 1 - y, nz - 1 - z) : dim3(x, y, z);
                    std::apply(Kernel, v);
                }
    }

    static void free_args(void *args)
    {
        delete static_cast<values *>(args);
    }

    static cudaError_t launch(const char *name, bool sync, dim3 grid, dim3 size, size_t shared_bytes, cudaStream_t stream, P... args)
    {
        arguments seen;
        values *v = new values{seen.take<P>(args)...};
        const gpu_double_kernel call = {name, grid, size, shared_bytes, sync, sync ? thread : block, v, free_args};
        return gpu_double_launch(&call, stream, seen.ranges, seen.count);
    }
};

/* An element of a shared array: reads and writes go past the checks. */
template <typename T> class element
{
  public:
    element(const gpu_double_shared *array, int64_t index) : array_(array), index_(index)
    {
    }
    element(const element &) = default;
    operator T() const
    {
        if (static_cast<uint64_t>(index_) >= static_cast<uint64_t>(array_->count)) gpu_double_shared_refuse(array_, index_, false);
        if (!array_->raw) {
            const gpu_double_place &here = gpu_double_here;
            gpu_double_touch &t = array_->touch[index_ * array_->stride];
            const int16_t me = static_cast<int16_t>(here.number);
            if (t.written < here.block_epoch || (t.written == here.epoch && t.writer != me))
                gpu_double_shared_refuse(array_, index_, false);
            t.reader = t.read == here.epoch && t.reader != me ? int16_t(-1) : me;
            t.read = here.epoch;
        }
        return *place();
    }
    T operator=(T value) const
    {
        if (static_cast<uint64_t>(index_) >= static_cast<uint64_t>(array_->count)) gpu_double_shared_refuse(array_, index_, true);
        if (!array_->raw) {
            const gpu_double_place &here = gpu_double_here;
            gpu_double_touch &t = array_->touch[index_ * array_->stride];
            const int16_t me = static_cast<int16_t>(here.number);
            if ((t.written == here.epoch && t.writer != me) || (t.read == here.epoch && t.reader != me))
                gpu_double_shared_refuse(array_, index_, true);
            t.written = here.epoch;
            t.writer = me;
        }
        return *place() = value;
    }
    T operator=(const element &other) const
    {
        return *this = static_cast<T>(other);
    }
    T operator+=(T value) const
    {
        return *this = static_cast<T>(static_cast<T>(*this) + value);
    }
    T operator-=(T value) const
    {
        return *this = static_cast<T>(static_cast<T>(*this) - value);
    }
    T operator*=(T value) const
    {
        return *this = static_cast<T>(static_cast<T>(*this) * value);
    }
    T *operator&() const
    {
        gpu_double_shared_raw(array_);
        return place();
    }
    /* As read by this thread now, whether written or not: a later write by another with no barrier between is a race. */
    void note_read() const
    {
        if (array_->raw || static_cast<uint64_t>(index_) >= static_cast<uint64_t>(array_->count)) return;
        gpu_double_touch &t = array_->touch[index_ * array_->stride];
        const int16_t me = static_cast<int16_t>(gpu_double_here.number);
        t.reader = t.read == gpu_double_here.epoch && t.reader != me ? int16_t(-1) : me;
        t.read = gpu_double_here.epoch;
    }

  private:
    T *place() const
    {
        return reinterpret_cast<T *>(array_->data) + index_;
    }
    const gpu_double_shared *array_;
    int64_t index_;
};

} // namespace gpu_double_host

#define FUT_LAUNCH(k, grid, block, shared_bytes, stream, ...)                                                                              \
    gpu_double_host::kernel<(k)>::launch(#k, false, (grid), (block), (shared_bytes), (stream), __VA_ARGS__)
#define FUT_LAUNCH_SYNC(k, grid, block, shared_bytes, stream, ...)                                                                         \
    gpu_double_host::kernel<(k)>::launch(#k, true, (grid), (block), (shared_bytes), (stream), __VA_ARGS__)

template <typename T> class fut_shared
{
  public:
    fut_shared(const gpu_double_shared *array, int64_t offset = 0) : array_(array), offset_(offset)
    {
    }
    template <typename I> gpu_double_host::element<T> operator[](I index) const
    {
        return gpu_double_host::element<T>(array_, offset_ + static_cast<int64_t>(index));
    }
    gpu_double_host::element<T> operator*() const
    {
        return (*this)[0];
    }
    template <typename I> fut_shared operator+(I delta) const
    {
        return fut_shared(array_, offset_ + static_cast<int64_t>(delta));
    }
    /* The way out of the checks. */
    operator T *() const
    {
        gpu_double_shared_raw(array_);
        return reinterpret_cast<T *>(array_->data) + offset_;
    }

  private:
    const gpu_double_shared *array_;
    int64_t offset_;
};

#define FUT_SHARED(type, name, count)                                                                                                      \
    static const char fut_site_##name = 0;                                                                                                 \
    const fut_shared<type> name(gpu_double_shared_static(&fut_site_##name, #name, sizeof(type), (count)))
#define FUT_DYNAMIC_SHARED(type, name) const fut_shared<type> name(gpu_double_shared_dynamic(#name, sizeof(type)))

#define FUT_SYNC() gpu_double_sync(__LINE__)
#define FUT_SHFL_XOR(value, lane_mask) gpu_double_host::shuffle((value), gpu_double_here.number % 32 ^ (lane_mask), __LINE__)
#define FUT_SHFL_DOWN(value, delta) gpu_double_host::shuffle((value), gpu_double_here.number % 32 + (delta), __LINE__)

namespace gpu_double_host
{

/* A source past the end of a whole warp is the lane itself, as in CUDA. */
template <typename T> inline T shuffle(T value, int source, int line)
{
    static_assert(std::is_arithmetic_v<T>, "shuffles move float, double and int");
    gpu_double_shuffle(&value, sizeof(value), source < 32 ? source : gpu_double_here.number % 32, line);
    return value;
}

template <typename T> struct add {
    static T of(T a, T b)
    {
        return a + b;
    }
};

template <typename T> struct larger {
    static T of(T a, T b)
    {
        return a < b ? b : a;
    }
};

/* The butterfly of gpu_kernel_sums.h over one warp's slots, with the same bits. Lanes that do not exist bring 0xFF. */
template <typename T, template <typename> class Operation> void butterfly(unsigned char *slots, size_t n)
{
    T now[32], next[32];
    memset(now, 0xff, sizeof now);
    for (size_t i = 0; i < n; i++)
        memcpy(&now[i], slots + 8 * i, sizeof(T));
    for (size_t mask = 16; mask > 0; mask /= 2) {
        for (size_t i = 0; i < 32; i++)
            next[i] = Operation<T>::of(now[i], now[i ^ mask]);
        memcpy(now, next, sizeof now);
    }
    for (size_t i = 0; i < n; i++)
        memcpy(slots + 8 * i, &now[i], sizeof(T));
}

template <typename T> void block_sum(unsigned char *slots, size_t n)
{
    T total = 0;
    for (size_t first = 0; first < n; first += 32) {
        butterfly<T, add>(slots + 8 * first, std::min<size_t>(32, n - first));
        T warp;
        memcpy(&warp, slots + 8 * first, sizeof warp);
        total += warp;
    }
    for (size_t i = 0; i < n; i++)
        memcpy(slots + 8 * i, &total, sizeof total);
}

} // namespace gpu_double_host

struct fut_f16 {
    uint16_t bits;
};
struct fut_bf16 {
    uint16_t bits;
};

FUT_DEVICE_FN uint32_t fut_float_bits(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

FUT_DEVICE_FN float fut_bits_float(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

FUT_DEVICE_FN float fut_load(const float *p)
{
    return *p;
}

/* Normal numbers: the exponent moves by 112 places, as a product with 2^112; infinities and NaNs keep all ones. */
FUT_DEVICE_FN float fut_load(const fut_f16 *p)
{
    const uint32_t sign = (p->bits & 0x8000u) << 16, rest = p->bits & 0x7fffu;
    if (rest >= 0x7c00u) return fut_bits_float(sign | 0x7f800000u | (rest & 0x3ffu) << 13);
    return fut_bits_float(sign | fut_float_bits(fut_bits_float(rest << 13) * 0x1p112f));
}

FUT_DEVICE_FN float fut_load(const fut_bf16 *p)
{
    return fut_bits_float(static_cast<uint32_t>(p->bits) << 16);
}

FUT_DEVICE_FN void fut_store(float *p, float value)
{
    *p = value;
}

FUT_DEVICE_FN void fut_store(fut_f16 *p, float value)
{
    const uint32_t bits = fut_float_bits(value), sign = bits >> 16 & 0x8000u, rest = bits & 0x7fffffffu;
    uint32_t out;
    if (rest > 0x7f800000u)
        out = 0x7fffu;
    else if (rest >= 0x477ff000u)
        out = 0x7c00u; /* 65520 and more round to infinity */
    else if (rest < 0x38800000u)
        out = fut_float_bits(fut_bits_float(rest) + 0.5f) - 0x3f000000u; /* subnormal: the adder rounds to multiples of 2^-24 */
    else
        out = (rest - 0x38000000u + 0xfffu + (rest >> 13 & 1u)) >> 13;
    p->bits = static_cast<uint16_t>(sign | out);
}

FUT_DEVICE_FN void fut_store(fut_bf16 *p, float value)
{
    const uint32_t bits = fut_float_bits(value);
    p->bits = static_cast<uint16_t>(isnan(value) ? 0x7fffu : (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

template <typename T, int N> struct alignas(sizeof(T) * N < 16 ? sizeof(T) * N : 16) fut_pack {
    T v[N];
};

template <int N, typename T> FUT_DEVICE_FN fut_pack<T, N> fut_load_pack(const T *p)
{
    if (reinterpret_cast<uintptr_t>(p) % alignof(fut_pack<T, N>) != 0)
        gpu_double_kernel_error(cudaErrorMisalignedAddress, "a pack of %d is loaded from misaligned %p", N, static_cast<const void *>(p));
    fut_pack<T, N> pack;
    memcpy(&pack, p, sizeof pack);
    return pack;
}

template <typename T, int N> FUT_DEVICE_FN void fut_store_pack(T *p, const fut_pack<T, N> &pack)
{
    if (reinterpret_cast<uintptr_t>(p) % alignof(fut_pack<T, N>) != 0)
        gpu_double_kernel_error(cudaErrorMisalignedAddress, "a pack of %d is stored to misaligned %p", N, static_cast<void *>(p));
    memcpy(p, &pack, sizeof pack);
}

FUT_DEVICE_FN float fut_fast_exp(float x)
{
    return expf(x);
}

FUT_DEVICE_FN float fut_fast_divide(float a, float b)
{
    return a / b;
}

#include "core/backend/cuda/nvcc/gpu_kernel_common.h"

/* Sums as gpu_kernel_sums.h has them, each one exchange instead of one a step: the same bits in a fraction of the switches between threads
 * (a test compares the two). */
template <typename T> FUT_DEVICE_FN T fut_warp_sum(T value, int line = __builtin_LINE())
{
    gpu_double_collect(&value, sizeof(value), false, gpu_double_host::butterfly<T, gpu_double_host::add>, line);
    return value;
}

template <typename T> FUT_DEVICE_FN T fut_warp_max(T value, int line = __builtin_LINE())
{
    gpu_double_collect(&value, sizeof(value), false, gpu_double_host::butterfly<T, gpu_double_host::larger>, line);
    return value;
}

template <typename T> FUT_DEVICE_FN T fut_block_sum(T value, fut_shared<T> scratch, int line = __builtin_LINE())
{
    gpu_double_collect(&value, sizeof(value), true, gpu_double_host::block_sum<T>, line);
    for (int warp = 0; warp < (fut_block_threads() + 31) / 32; warp++)
        scratch[warp].note_read();
    return value;
}

#endif
