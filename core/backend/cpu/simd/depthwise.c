/* Weight gradient of a depthwise convolution on one plane: for every tap, the sum over outputs of dy times the input under the tap.
 * A row of dy meets a row of x with one accumulator a tap; rows add up in memory. */
#include "core/backend/cpu/simd/simd.h"
#include "core/backend/cpu/simd/vec.h"

FUT_INLINE int64_t clamp(int64_t value, int64_t low, int64_t high)
{
    return value < low ? low : value > high ? high : value;
}

/* One output at the border, where some taps are outside. */
FUT_INLINE void add_border(const fut_simd_depthwise *d, int k, bool bf16, const void *x, const void *dy, int64_t ox, vec *acc)
{
    vec gradient = vec_load_pixel(dy, ox, bf16);
    for (int kx = 0; kx < k; kx++) {
        int64_t ix = ox * d->stride - d->pad_left + kx;
        if (ix >= 0 && ix < d->w) acc[kx] += gradient * vec_load_pixel(x, ix, bf16);
    }
}

FUT_INLINE void add_row(const fut_simd_depthwise *d, int k, bool bf16, const void *x, const void *dy, float *dw)
{
    enum { MAX_K = 7 };
    vec acc[MAX_K] = {{0}};
    int64_t first = clamp((d->pad_left + d->stride - 1) / d->stride, 0, d->out_w), reach = d->w - k + d->pad_left;
    int64_t last = clamp(reach < 0 ? 0 : reach / d->stride + 1, first, d->out_w);
    for (int64_t ox = 0; ox < first; ox++)
        add_border(d, k, bf16, x, dy, ox, acc);
    for (int64_t ox = first; ox < last; ox++) {
        vec gradient = vec_load_pixel(dy, ox, bf16);
        for (int kx = 0; kx < k; kx++)
            acc[kx] += gradient * vec_load_pixel(x, ox * d->stride - d->pad_left + kx, bf16);
    }
    for (int64_t ox = last; ox < d->out_w; ox++)
        add_border(d, k, bf16, x, dy, ox, acc);
    for (int kx = 0; kx < k; kx++)
        vec_store(dw + kx * LANES, vec_load(dw + kx * LANES) + acc[kx]);
}

FUT_INLINE void add_plane(const fut_simd_depthwise *d, int k, bool bf16, const void *x, const void *dy, float *dw)
{
    size_t pixel = LANES * (bf16 ? sizeof(uint16_t) : sizeof(float));
    for (int64_t oy = 0; oy < d->out_h; oy++)
        for (int ky = 0; ky < k; ky++) {
            int64_t iy = oy * d->stride - d->pad_top + ky;
            if (iy < 0 || iy >= d->h) continue;
            add_row(d, k, bf16, (const char *)x + (size_t)(iy * d->w) * pixel, (const char *)dy + (size_t)(oy * d->out_w) * pixel,
                    dw + (int64_t)ky * k * LANES);
        }
}

/* The kernel covers the plane: one output, every pixel under a tap of its own. */
FUT_INLINE void add_covered(const fut_simd_depthwise *d, bool bf16, const void *x, const void *dy, float *dw)
{
    vec gradient = vec_load_pixel(dy, 0, bf16);
    for (int64_t i = 0; i < d->h * d->w; i++)
        vec_store(dw + i * LANES, vec_load(dw + i * LANES) + gradient * vec_load_pixel(x, i, bf16));
}

void FUT_SIMD_NAME(plane_depthwise_dw)(const fut_simd_depthwise *d, const void *x, const void *dy, float *dw)
{
    if (d->k == 5 && d->bf16)
        add_plane(d, 5, true, x, dy, dw);
    else if (d->k == 5)
        add_plane(d, 5, false, x, dy, dw);
    else if (d->k == 7 && d->bf16)
        add_plane(d, 7, true, x, dy, dw);
    else if (d->k == 7)
        add_plane(d, 7, false, x, dy, dw);
    else if (d->bf16)
        add_covered(d, true, x, dy, dw);
    else
        add_covered(d, false, x, dy, dw);
}
