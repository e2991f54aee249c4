/* Vectors of `LANES` floats: the only place, with real.h, that uses the compiler's vector types. Private to core/backend/cpu/simd.
 *
 * LANES is also the channel block of activations: 16 with AVX-512, 8 otherwise (oneDNN's own choice; without AVX the compiler splits a
 * vector in two). */
#ifndef FUT_CORE_BACKEND_CPU_SIMD_VEC_H
#define FUT_CORE_BACKEND_CPU_SIMD_VEC_H

#include "core/backend/backend.h"

#include <string.h>
#ifdef __AVX2__
#include <immintrin.h>
#endif

#ifdef __AVX512F__
enum { LANES = 16 };
#define FUT_VEC_BYTES 64
#else
enum { LANES = 8 };
#define FUT_VEC_BYTES 32
#endif

typedef float vec __attribute__((vector_size(FUT_VEC_BYTES)));
typedef uint32_t uvec __attribute__((vector_size(FUT_VEC_BYTES)));
typedef int32_t ivec __attribute__((vector_size(FUT_VEC_BYTES)));
typedef uint16_t hvec __attribute__((vector_size(FUT_VEC_BYTES / 2)));
typedef vec vec_in_memory __attribute__((aligned(4), may_alias));
typedef hvec hvec_in_memory __attribute__((aligned(2), may_alias));

#define FUT_INLINE static inline __attribute__((always_inline))

FUT_INLINE vec vec_set(float value)
{
    return (vec){0} + value;
}

FUT_INLINE vec vec_load(const float *p)
{
    return *(const vec_in_memory *)p;
}

FUT_INLINE void vec_store(float *p, vec v)
{
    *(vec_in_memory *)p = v;
}

/* The first n lanes; the others are zero. */
FUT_INLINE vec vec_load_part(const float *p, int64_t n)
{
#ifdef __AVX512F__
    return (vec)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
#else
    vec v = {0};
    memcpy(&v, p, (size_t)n * sizeof(float));
    return v;
#endif
}

FUT_INLINE void vec_store_part(float *p, vec v, int64_t n)
{
#ifdef __AVX512F__
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)v);
#else
    memcpy(p, &v, (size_t)n * sizeof(float));
#endif
}

/* mask ? a : b, lane by lane. */
FUT_INLINE vec vec_select(ivec mask, vec a, vec b)
{
    return (vec)(((ivec)a & mask) | ((ivec)b & ~mask));
}

/* Where a is not a number, so is the result. */
FUT_INLINE vec vec_min(vec a, vec b)
{
#ifdef __AVX512F__
    return (vec)_mm512_min_ps((__m512)b, (__m512)a);
#elif defined __AVX2__
    return (vec)_mm256_min_ps((__m256)b, (__m256)a);
#else
    return vec_select(a > b, b, a);
#endif
}

FUT_INLINE vec vec_max(vec a, vec b)
{
#ifdef __AVX512F__
    return (vec)_mm512_max_ps((__m512)b, (__m512)a);
#elif defined __AVX2__
    return (vec)_mm256_max_ps((__m256)b, (__m256)a);
#else
    return vec_select(a < b, b, a);
#endif
}

/* Pixel i of a plane, as f32. */
FUT_INLINE vec vec_load_pixel(const void *plane, int64_t i, bool bf16)
{
    if (!bf16) return vec_load((const float *)plane + i * LANES);
    hvec half = *(const hvec_in_memory *)((const uint16_t *)plane + i * LANES);
    return (vec)(__builtin_convertvector(half, uvec) << 16);
}

/* Rounds to nearest even; a NaN stays one. Activations are bf16 only where the processor has instructions for it. */
FUT_INLINE void vec_store_pixel(void *plane, int64_t i, vec v, bool bf16)
{
    if (!bf16) {
        vec_store((float *)plane + i * LANES, v);
        return;
    }
    uint16_t *to = (uint16_t *)plane + i * LANES;
#ifdef __AVX512BF16__
    *(hvec_in_memory *)to = (hvec)_mm512_cvtneps_pbh((__m512)v);
#else
    uvec bits = (uvec)v, rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16, quiet = (bits >> 16) | 0x40u;
    uvec is_nan = (uvec)(v != v);
    *(hvec_in_memory *)to = __builtin_convertvector((rounded & ~is_nan) | (quiet & is_nan), hvec);
#endif
}

/* Sum of the lanes, halves first: one fixed order. */
FUT_INLINE float vec_sum(vec v)
{
#ifdef __AVX512F__
    return _mm512_reduce_add_ps((__m512)v);
#else
    float lane[LANES];
    memcpy(lane, &v, sizeof lane);
    for (int half = LANES / 2; half > 0; half /= 2)
        for (int i = 0; i < half; i++)
            lane[i] += lane[i + half];
    return lane[0];
#endif
}

/* e^x within 2 ulp: 2^n times a polynomial in |r| <= ln 2 / 2 (Cephes' expf). Saturates instead of overflowing; a NaN stays one. */
FUT_INLINE vec vec_exp(vec x)
{
    const float round_magic = 12582912.0f; /* 1.5 * 2^23: adding it leaves the nearest integer in the low bits */
    x = vec_max(vec_min(x, vec_set(88.0f)), vec_set(-87.0f));
    vec shifted = x * 1.44269504088896341f + round_magic, n = shifted - round_magic;
    vec r = x - n * 0.693359375f;
    r = r - n * -2.12194440e-4f;
    vec p = vec_set(1.9875691500e-4f);
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    return (vec)((ivec)p + (ivec)((uvec)shifted << 23));
}

/* 1 / (1 + e^-z) within 3 ulp. */
FUT_INLINE vec vec_sigmoid(vec z)
{
#ifdef __AVX512F__
    /* e^-z = 2^n 2^f with |f| <= 1/2; 2^f is a minimax polynomial. The reciprocal is an estimate of 14 bits and a step of Newton's: half
     * the time of a division. */
    vec bounded = vec_max(z, vec_set(-87.0f));
    vec n = (vec)_mm512_roundscale_ps((__m512)(bounded * -1.44269504088896341f), _MM_FROUND_TO_NEAREST_INT);
    vec f = bounded * -1.44269504088896341f - n;
    vec p = vec_set(1.326472717e-3f);
    p = p * f + 9.671512642e-3f;
    p = p * f + 5.550733743e-2f;
    p = p * f + 2.402224209e-1f;
    p = p * f + 6.931469776e-1f;
    p = p * f + 1.0f;
    vec d = 1.0f + (vec)_mm512_scalef_ps((__m512)p, (__m512)n), r = (vec)_mm512_rcp14_ps((__m512)d);
    return r + r * (1.0f - d * r);
#else
    return 1.0f / (1.0f + vec_exp(-z));
#endif
}

/* slope: of prelu. */
FUT_INLINE vec vec_act(fut_act_kind act, vec z, vec slope)
{
    switch (act) {
    case FUT_ACT_RELU:
        return vec_max(z, vec_set(0));
    case FUT_ACT_RELU6:
        return vec_min(vec_max(z, vec_set(0)), vec_set(6));
    case FUT_ACT_SILU:
        return z * vec_sigmoid(z);
    case FUT_ACT_PRELU:
        return vec_select(z > 0, z, z * slope);
    case FUT_ACT_NONE:
        break;
    }
    return z;
}

/* dy * act'(z); the corners of relu and relu6 have slope 0, prelu's its own, as in PyTorch. */
FUT_INLINE vec vec_act_grad(fut_act_kind act, vec z, vec slope, vec dy)
{
    switch (act) {
    case FUT_ACT_RELU:
        return vec_select(z > 0, dy, vec_set(0));
    case FUT_ACT_RELU6:
        return vec_select((z > 0) & (z < 6), dy, vec_set(0));
    case FUT_ACT_SILU: {
        vec sigmoid = vec_sigmoid(z);
        return dy * (sigmoid + z * sigmoid * (1.0f - sigmoid));
    }
    case FUT_ACT_PRELU:
        return vec_select(z > 0, dy, dy * slope);
    case FUT_ACT_NONE:
        break;
    }
    return dy;
}

#endif
