/* Philox4x32-10 (Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011), inline, so that a GPU's kernels draw
 * the host's numbers: FUT_PHILOX_FN is what stands before a function there. rng.h has what is built on it. */
#ifndef FUT_CORE_BASE_PHILOX_H
#define FUT_CORE_BASE_PHILOX_H

#include <stdint.h>

#ifndef FUT_PHILOX_FN
#define FUT_PHILOX_FN static inline
#endif

/* Four 32-bit words of the counter (a low, a high, b low, b high): a pure function. */
FUT_PHILOX_FN void fut_philox_block(uint64_t key, uint64_t a, uint64_t b, uint32_t words_out[4])
{
    uint32_t c0 = (uint32_t)a, c1 = (uint32_t)(a >> 32), c2 = (uint32_t)b, c3 = (uint32_t)(b >> 32);
    uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
    for (int round = 0; round < 10; round++) {
        const uint64_t m0 = (uint64_t)0xd2511f53U * c0, m1 = (uint64_t)0xcd9e8d57U * c2;
        c0 = (uint32_t)(m1 >> 32) ^ c1 ^ k0;
        c2 = (uint32_t)(m0 >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)m1;
        c3 = (uint32_t)m0;
        k0 += 0x9e3779b9U;
        k1 += 0xbb67ae85U;
    }
    words_out[0] = c0;
    words_out[1] = c1;
    words_out[2] = c2;
    words_out[3] = c3;
}

/* Two words as a number uniform in [0, 1), with 53 bits. */
FUT_PHILOX_FN double fut_philox_unit(uint32_t low, uint32_t high)
{
    return (double)(((uint64_t)high << 32 | low) >> 11) * (1.0 / 9007199254740992.0);
}

#endif
