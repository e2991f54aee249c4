/* Vectors of REALS doubles, for what losses sum: flags are `truth`, all bits set or none. Private to core/backend/cpu/simd. */
#ifndef FUT_CORE_BACKEND_CPU_SIMD_REAL_H
#define FUT_CORE_BACKEND_CPU_SIMD_REAL_H

#include "core/backend/cpu/simd/vec.h"

#include <math.h>

/* As wide as the processor's own: gcc 12 cannot split all that is done with them. */
#ifdef __AVX2__
#define FUT_REAL_BYTES FUT_VEC_BYTES
#else
#define FUT_REAL_BYTES 16
#endif
enum { REALS = FUT_REAL_BYTES / 8 };
typedef double real __attribute__((vector_size(FUT_REAL_BYTES)));
typedef int64_t truth __attribute__((vector_size(FUT_REAL_BYTES)));
typedef uint64_t real_bits __attribute__((vector_size(FUT_REAL_BYTES)));
typedef float real_floats __attribute__((vector_size(FUT_REAL_BYTES / 2)));
typedef real_floats real_floats_in_memory __attribute__((aligned(4), may_alias));

FUT_INLINE real real_set(double x)
{
    return (real){0} + x;
}

/* x where it is so, else 0. */
FUT_INLINE real real_where(truth so, real x)
{
    return (real)((truth)x & so);
}

FUT_INLINE real real_select(truth so, real x, real otherwise)
{
    return (real)(((truth)x & so) | ((truth)otherwise & ~so));
}

FUT_INLINE real real_max(real x, real y)
{
    return real_select(x > y, x, y);
}

FUT_INLINE real real_positive_part(real x)
{
    return real_where(x > 0, x);
}

/* gcc 12 converts by halves on its own. */
FUT_INLINE real real_of_floats(real_floats x)
{
#ifdef __AVX512F__
    return (real)_mm512_cvtps_pd((__m256)x);
#elif defined __AVX2__
    return (real)_mm256_cvtps_pd((__m128)x);
#else
    return __builtin_convertvector(x, real);
#endif
}

FUT_INLINE real_floats real_to_floats(real x)
{
#ifdef __AVX512F__
    return (real_floats)_mm512_cvtpd_ps((__m512d)x);
#elif defined __AVX2__
    return (real_floats)_mm256_cvtpd_ps((__m256d)x);
#else
    return __builtin_convertvector(x, real_floats);
#endif
}

/* n values, REALS or fewer: lanes past them are 0. */
FUT_INLINE real real_load(const float *p, int64_t n)
{
    real_floats part = {0};
    if (n >= REALS) return real_of_floats(*(const real_floats_in_memory *)p);
    memcpy(&part, p, (size_t)n * sizeof *p);
    return real_of_floats(part);
}

FUT_INLINE void real_store(float *p, real x, int64_t n)
{
    const real_floats rounded = real_to_floats(x);
    if (n >= REALS)
        *(real_floats_in_memory *)p = rounded;
    else
        memcpy(p, &rounded, (size_t)n * sizeof *p);
}

/* REALS bytes or fewer, widened; lanes past them are 0. */
FUT_INLINE truth real_load_bytes(const uint8_t *p, int64_t n)
{
#ifdef __AVX512F__
    uint64_t bytes = 0;
#else
    uint32_t bytes = 0;
#endif
    if (n >= REALS)
        memcpy(&bytes, p, REALS);
    else
        memcpy(&bytes, p, (size_t)n);
#ifdef __AVX512F__
    return (truth)_mm512_cvtepu8_epi64(_mm_cvtsi64_si128((long long)bytes));
#elif defined __AVX2__
    return (truth)_mm256_cvtepu8_epi64(_mm_cvtsi32_si128((int)bytes));
#else
    return (truth){bytes & 0xff, bytes >> 8};
#endif
}

/* Over the lanes, in their order. */
FUT_INLINE double real_sum(real x)
{
    double sum = 0;
    for (int i = 0; i < REALS; i++)
        sum += x[i];
    return sum;
}

FUT_INLINE double real_largest(real x)
{
    double largest = x[0];
    for (int i = 1; i < REALS; i++)
        largest = x[i] > largest ? x[i] : largest;
    return largest;
}

/* The first lane where it is so, REALS where none is. */
FUT_INLINE int truth_first(truth so)
{
    int first = REALS;
    for (int i = REALS - 1; i >= 0; i--)
        if (so[i]) first = i;
    return first;
}

FUT_INLINE bool truth_any(truth so)
{
#ifdef __AVX512F__
    return _mm512_movepi64_mask((__m512i)so) != 0;
#elif defined __AVX2__
    return _mm256_movemask_pd((__m256d)so) != 0;
#else
    int64_t any = 0;
    for (int i = 0; i < REALS; i++)
        any |= so[i];
    return any != 0;
#endif
}

/* ln 2 in two parts: multiples of the first, which ends in 0s, are exact. */
#define REAL_LN2_HIGH 0x1.62e42feep-1
#define REAL_LN2_LOW 0x1.a39ef35793c76p-33

/* e^x = 2^n e^r with |r| <= ln 2 / 2, e^r by its series; 2^n in two factors, as it may lie outside what a double holds. Within 1 ulp;
 * infinite and denormal results as libm's; a NaN stays one. */
FUT_INLINE real real_exp(real x)
{
    const real whole = real_set(0x1.8p52); /* adding it leaves the nearest integer in the low bits */
    x = real_select(x < -746, real_set(-746), x);
    x = real_select(x > 710, real_set(710), x);
    const real shifted = x * 0x1.71547652b82fep0 + whole, n = shifted - whole;
    const real r = (x - n * REAL_LN2_HIGH) - n * REAL_LN2_LOW;
    real p = real_set(1.0 / 6227020800);
    p = p * r + 1.0 / 479001600;
    p = p * r + 1.0 / 39916800;
    p = p * r + 1.0 / 3628800;
    p = p * r + 1.0 / 362880;
    p = p * r + 1.0 / 40320;
    p = p * r + 1.0 / 5040;
    p = p * r + 1.0 / 720;
    p = p * r + 1.0 / 120;
    p = p * r + 1.0 / 24;
    p = p * r + 1.0 / 6;
    p = p * r + 0.5;
    p = p * r + 1;
    p = p * r + 1;
    const real_bits biased = (real_bits)shifted - (real_bits)whole + 2048, half = biased >> 1;
    return p * (real)((half - 1) << 52) * (real)((biased - half - 1) << 52);
}

/* log(1 + y), finite y >= 0: with u = 1 + y rounded = 2^e m, sqrt 1/2 <= m < sqrt 2, it is e ln 2 + 2 artanh((m - 1) / (m + 1)) + what the
 * rounding took. Within 2 ulp. */
FUT_INLINE real real_log1p(real y)
{
    const real u = 1 + y, lost = (y - (u - 1)) / u;
    const real_bits e = ((real_bits)u - (real_bits)real_set(0x1.6a09e667f3bcdp-1)) >> 52;
    const real m = (real)((real_bits)u - (e << 52)), n = (real)((real_bits)real_set(0x1p52) + e) - 0x1p52;
    const real s = (m - 1) / (m + 1), s2 = s * s;
    real p = real_set(1.0 / 21);
    p = p * s2 + 1.0 / 19;
    p = p * s2 + 1.0 / 17;
    p = p * s2 + 1.0 / 15;
    p = p * s2 + 1.0 / 13;
    p = p * s2 + 1.0 / 11;
    p = p * s2 + 1.0 / 9;
    p = p * s2 + 1.0 / 7;
    p = p * s2 + 1.0 / 5;
    p = p * s2 + 1.0 / 3;
    return n * REAL_LN2_HIGH + (2 * s + (2 * s * s2 * p + (n * REAL_LN2_LOW + lost)));
}

FUT_INLINE real real_sigmoid(real z)
{
    return 1 / (1 + real_exp(-z));
}

#endif
