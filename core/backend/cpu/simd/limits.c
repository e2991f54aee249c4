/* The most arithmetic that a core does: multiply-adds whose operands never leave the registers. */
#include "core/backend/cpu/simd/simd.h"
#include "core/backend/cpu/simd/vec.h"

FUT_INLINE vec multiply_add(vec sum, vec x, bool bf16)
{
#ifdef __AVX512BF16__
    if (bf16) return (vec)_mm512_dpbf16_ps((__m512)sum, (__m512bh)x, (__m512bh)x);
#endif
    (void)bf16;
    return sum + x * x;
}

FUT_INLINE void run(int64_t rounds, bool bf16, float *out)
{
    vec sum[FUT_SIMD_CHAINS], x = vec_load(out), total = vec_set(0);
    for (int c = 0; c < FUT_SIMD_CHAINS; c++)
        sum[c] = vec_set((float)c);
    for (int64_t i = 0; i < rounds; i++)
        for (int c = 0; c < FUT_SIMD_CHAINS; c++)
            sum[c] = multiply_add(sum[c], x, bf16);
    for (int c = 0; c < FUT_SIMD_CHAINS; c++)
        total += sum[c];
    vec_store(out, total);
}

void FUT_SIMD_NAME(multiply_adds)(int64_t rounds, bool bf16, float *out)
{
    if (bf16)
        run(rounds, true, out);
    else
        run(rounds, false, out);
}
