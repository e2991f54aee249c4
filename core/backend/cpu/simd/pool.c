/* Max pool of one plane. Forward keeps which pixel of its window each output took; backward lets every pixel of x gather from the windows
 * it is in, so that dx is written once and in one order of summation. */
#include "core/backend/cpu/simd/simd.h"
#include "core/backend/cpu/simd/vec.h"

typedef uint8_t bvec __attribute__((vector_size(LANES)));
typedef bvec bvec_in_memory __attribute__((aligned(1), may_alias));

/* Pixels [first, last) of `in` that window o covers, and the first one it would cover without borders. */
typedef struct window {
    int64_t start, first, last;
} window;

FUT_INLINE window window_of(const fut_simd_pool *pool, int64_t o, int64_t in)
{
    int64_t start = o * pool->stride - pool->pad, end = start + pool->kernel;
    return (window){start, start > 0 ? start : 0, end < in ? end : in};
}

FUT_INLINE void forward(bool bf16, const fut_simd_pool *pool, const void *x, void *y, uint8_t *code)
{
    for (int64_t oy = 0; oy < pool->out_h; oy++)
        for (int64_t ox = 0; ox < pool->out_w; ox++) {
            window wy = window_of(pool, oy, pool->h), wx = window_of(pool, ox, pool->w);
            int64_t o = oy * pool->out_w + ox;
            vec best = vec_load_pixel(x, wy.first * pool->w + wx.first, bf16);
            ivec at = (ivec){0} + (int32_t)((wy.first - wy.start) * pool->kernel + wx.first - wx.start);
            for (int64_t iy = wy.first; iy < wy.last; iy++)
                for (int64_t ix = wx.first; ix < wx.last; ix++) {
                    vec value = vec_load_pixel(x, iy * pool->w + ix, bf16);
                    ivec better = (value > best) | (value != value); /* as in PyTorch, a NaN stays */
                    ivec here = (ivec){0} + (int32_t)((iy - wy.start) * pool->kernel + ix - wx.start);
                    best = vec_select(better, value, best);
                    at = (here & better) | (at & ~better);
                }
            vec_store_pixel(y, o, best, bf16);
            *(bvec_in_memory *)(code + o * LANES) = __builtin_convertvector(at, bvec);
        }
}

void FUT_SIMD_NAME(plane_max_pool)(const fut_simd_pool *pool, const void *x, void *y, uint8_t *code)
{
    if (pool->bf16)
        forward(true, pool, x, y, code);
    else
        forward(false, pool, x, y, code);
}

/* First of the windows that cover pixel i. */
FUT_INLINE int64_t first_window(const fut_simd_pool *pool, int64_t i)
{
    int64_t reach = i + pool->pad - pool->kernel + 1; /* o * stride >= reach */
    return reach > 0 ? (reach + pool->stride - 1) / pool->stride : 0;
}

FUT_INLINE int64_t last_window(const fut_simd_pool *pool, int64_t i, int64_t out)
{
    int64_t last = (i + pool->pad) / pool->stride;
    return last < out ? last : out - 1;
}

FUT_INLINE void gather(bool bf16, const fut_simd_pool *pool, const uint8_t *code, const void *dy, void *dx)
{
    for (int64_t iy = 0; iy < pool->h; iy++)
        for (int64_t ix = 0; ix < pool->w; ix++) {
            vec sum = vec_set(0);
            for (int64_t oy = first_window(pool, iy); oy <= last_window(pool, iy, pool->out_h); oy++)
                for (int64_t ox = first_window(pool, ix); ox <= last_window(pool, ix, pool->out_w); ox++) {
                    int64_t o = oy * pool->out_w + ox;
                    int64_t here = (iy - oy * pool->stride + pool->pad) * pool->kernel + ix - ox * pool->stride + pool->pad;
                    ivec at = __builtin_convertvector(*(const bvec_in_memory *)(code + o * LANES), ivec);
                    sum += vec_select(at == (ivec){0} + (int32_t)here, vec_load_pixel(dy, o, bf16), vec_set(0));
                }
            vec_store_pixel(dx, iy * pool->w + ix, sum, bf16);
        }
}

void FUT_SIMD_NAME(plane_max_pool_grad)(const fut_simd_pool *pool, const uint8_t *code, const void *dy, void *dx)
{
    if (pool->bf16)
        gather(true, pool, code, dy, dx);
    else
        gather(false, pool, code, dy, dx);
}
