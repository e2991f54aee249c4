/* Copies that change layout: filters OIHW <-> KRSC, images with and without padding. */
#include "gpu_kernel.h"

#include "core/backend/cuda/kernels/kernels_conv.h"

enum { BLOCK = 256 };

static unsigned int blocks_for(int64_t count)
{
    const int64_t blocks = (count + BLOCK - 1) / BLOCK, most = 1 << 16; /* the kernels loop over the rest */
    return static_cast<unsigned int>(blocks < most ? blocks : most);
}

FUT_DEVICE_FN int64_t first_index()
{
    return static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
}

FUT_DEVICE_FN int64_t index_step()
{
    return static_cast<int64_t>(gridDim.x) * blockDim.x;
}

/* Writes are consecutive; the strided reads of neighbours share cache lines. */
template <typename From, typename To> FUT_KERNEL_FN void transpose(int64_t count, int64_t rows, int64_t cols, const From *src, To *dst)
{
    for (int64_t i = first_index(); i < count; i += index_step()) {
        const int64_t row = i % rows, matrix = i / rows / cols, col = i / rows % cols;
        fut_store(&dst[i], fut_load(&src[(matrix * rows + row) * cols + col]));
    }
}

template <typename From, typename To>
static cudaError_t launch_transpose(int64_t batch, int64_t rows, int64_t cols, const void *src, void *dst, cudaStream_t stream)
{
    const int64_t count = batch * rows * cols;
    return FUT_LAUNCH((transpose<From, To>), blocks_for(count), BLOCK, 0, stream, count, rows, cols, static_cast<const From *>(src),
                      static_cast<To *>(dst));
}

extern "C" cudaError_t fut_cuda_launch_transpose(int64_t batch, int64_t rows, int64_t cols, fut_dtype from, const void *src, fut_dtype to,
                                                 void *dst, cudaStream_t stream)
{
    if (from == FUT_BF16) return launch_transpose<fut_bf16, float>(batch, rows, cols, src, dst, stream);
    if (from == FUT_F16) return launch_transpose<fut_f16, float>(batch, rows, cols, src, dst, stream);
    if (to == FUT_BF16) return launch_transpose<float, fut_bf16>(batch, rows, cols, src, dst, stream);
    if (to == FUT_F16) return launch_transpose<float, fut_f16>(batch, rows, cols, src, dst, stream);
    return launch_transpose<float, float>(batch, rows, cols, src, dst, stream);
}

struct window {
    int64_t count;                 /* of dst */
    int64_t c, h, w, out_h, out_w; /* c in units */
    int64_t top, left;
};

/* Unit: what is copied as one. */
template <typename Unit> FUT_KERNEL_FN void move_window(window m, const Unit *src, Unit *dst)
{
    for (int64_t i = first_index(); i < m.count; i += index_step()) {
        const int64_t c = i % m.c, pixel = i / m.c, x = pixel % m.out_w + m.left, row = pixel / m.out_w, y = row % m.out_h + m.top;
        const bool inside = y >= 0 && y < m.h && x >= 0 && x < m.w;
        dst[i] = inside ? src[((row / m.out_h * m.h + y) * m.w + x) * m.c + c] : Unit{};
    }
}

template <typename Unit>
static cudaError_t launch_window(fut_shape4 from, fut_shape4 to, int64_t top, int64_t left, size_t pixel_bytes, const void *src, void *dst,
                                 cudaStream_t stream)
{
    const int64_t c = static_cast<int64_t>(pixel_bytes / sizeof(Unit)), count = to.n * to.h * to.w * c;
    const window m = {count, c, from.h, from.w, to.h, to.w, top, left};
    return FUT_LAUNCH((move_window<Unit>), blocks_for(count), BLOCK, 0, stream, m, static_cast<const Unit *>(src),
                      static_cast<Unit *>(dst));
}

extern "C" cudaError_t fut_cuda_launch_window(fut_shape4 from, fut_shape4 to, int64_t top, int64_t left, fut_dtype dtype, const void *src,
                                              void *dst, cudaStream_t stream)
{
    using quad = fut_pack<uint32_t, 4>;
    const size_t pixel_bytes = static_cast<size_t>(from.c) * fut_dtype_size(dtype);
    if (pixel_bytes % sizeof(quad) == 0) return launch_window<quad>(from, to, top, left, pixel_bytes, src, dst, stream);
    if (pixel_bytes % sizeof(uint32_t) == 0) return launch_window<uint32_t>(from, to, top, left, pixel_bytes, src, dst, stream);
    return launch_window<uint16_t>(from, to, top, left, pixel_bytes, src, dst, stream);
}
