/* Means, scalings and sums over planes: pooling, squeeze-and-excite, addition. */
#include "core/backend/cpu/simd/simd.h"
#include "core/backend/cpu/simd/vec.h"

enum { CHAINS = 4 };

FUT_INLINE vec dot(const void *x, const void *y, int64_t pixels, bool bf16)
{
    vec s[CHAINS] = {{0}};
    int64_t i = 0;
    for (; i + CHAINS <= pixels; i += CHAINS)
        for (int k = 0; k < CHAINS; k++) {
            vec value = vec_load_pixel(x, i + k, bf16);
            s[k] += y ? value * vec_load_pixel(y, i + k, bf16) : value;
        }
    for (; i < pixels; i++) {
        vec value = vec_load_pixel(x, i, bf16);
        s[0] += y ? value * vec_load_pixel(y, i, bf16) : value;
    }
    return (s[0] + s[1]) + (s[2] + s[3]);
}

void FUT_SIMD_NAME(plane_mean)(const void *x, int64_t pixels, bool bf16, float *mean)
{
    vec sum = bf16 ? dot(x, NULL, pixels, true) : dot(x, NULL, pixels, false);
    vec_store(mean, sum / (float)pixels);
}

void FUT_SIMD_NAME(plane_dot)(const void *x, const void *y, int64_t pixels, bool bf16, float *sum)
{
    vec_store(sum, bf16 ? dot(x, y, pixels, true) : dot(x, y, pixels, false));
}

FUT_INLINE void affine(const void *x, int64_t pixels, bool bf16, const float *scale, const float *shift, void *y)
{
    vec b = shift ? vec_load(shift) : vec_set(0), a = x ? vec_load(scale) : vec_set(0);
    for (int64_t i = 0; i < pixels; i++)
        vec_store_pixel(y, i, x ? vec_load_pixel(x, i, bf16) * a + b : b, bf16);
}

void FUT_SIMD_NAME(plane_affine)(const void *x, int64_t pixels, bool bf16, const float *scale, const float *shift, void *y)
{
    if (bf16)
        affine(x, pixels, true, scale, shift, y);
    else
        affine(x, pixels, false, scale, shift, y);
}

FUT_INLINE void add(int64_t n, bool bf16, const void *x, void *y)
{
    for (int64_t i = 0; i < n / LANES; i++)
        vec_store_pixel(y, i, vec_load_pixel(y, i, bf16) + vec_load_pixel(x, i, bf16), bf16);
}

void FUT_SIMD_NAME(act_add)(int64_t n, bool bf16, const void *x, void *y)
{
    if (bf16)
        add(n, true, x, y);
    else
        add(n, false, x, y);
}

void FUT_SIMD_NAME(act)(int64_t n, fut_act_kind act, const float *z, float *h, float *slope)
{
    vec none = vec_set(0); /* prelu is not asked for */
    for (int64_t i = 0; i < n; i += LANES) {
        int64_t lanes = n - i < LANES ? n - i : LANES;
        vec v = vec_load_part(z + i, lanes);
        vec_store_part(h + i, vec_act(act, v, none), lanes);
        if (slope) vec_store_part(slope + i, vec_act_grad(act, v, none, vec_set(1)), lanes);
    }
}

void FUT_SIMD_NAME(sigmoid)(int64_t n, const float *z, float *y)
{
    for (int64_t i = 0; i < n; i += LANES) {
        int64_t lanes = n - i < LANES ? n - i : LANES;
        vec_store_part(y + i, vec_sigmoid(vec_load_part(z + i, lanes)), lanes);
    }
}
