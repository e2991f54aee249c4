#include "core/base/rng.h"

#include "core/base/philox.h"

#include <math.h>
#include <string.h>

/* ---- Mersenne twister: numpy/random/src/mt19937/mt19937.c and numpy/random/src/distributions/distributions.c ---- */

enum { MT_SHIFT = 397 };

void fut_mt_seed(fut_mt19937 *mt, uint32_t seed)
{
    for (uint32_t i = 0; i < FUT_MT_WORDS; i++) {
        mt->key[i] = seed;
        seed = 1812433253U * (seed ^ (seed >> 30)) + i + 1;
    }
    mt->pos = FUT_MT_WORDS;
}

static void mt_refill(fut_mt19937 *mt)
{
    for (int i = 0; i < FUT_MT_WORDS; i++) {
        uint32_t y = (mt->key[i] & 0x80000000U) | (mt->key[(i + 1) % FUT_MT_WORDS] & 0x7fffffffU);
        mt->key[i] = mt->key[(i + MT_SHIFT) % FUT_MT_WORDS] ^ (y >> 1) ^ ((y & 1) ? 0x9908b0dfU : 0);
    }
    mt->pos = 0;
}

uint32_t fut_mt_next(fut_mt19937 *mt)
{
    if (mt->pos >= FUT_MT_WORDS) mt_refill(mt);
    uint32_t y = mt->key[mt->pos++];
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680U;
    y ^= (y << 15) & 0xefc60000U;
    return y ^ (y >> 18);
}

uint64_t fut_mt_interval(fut_mt19937 *mt, uint64_t max)
{
    if (max == 0) return 0;
    uint64_t mask = max;
    for (int shift = 1; shift < 64; shift *= 2)
        mask |= mask >> shift;
    uint64_t value = 0;
    do {
        value = fut_mt_next(mt);
        if (max > UINT32_MAX) value = value << 32 | fut_mt_next(mt);
        value &= mask;
    } while (value > max);
    return value;
}

void fut_mt_shuffle(fut_mt19937 *mt, int64_t *values, int64_t n)
{
    for (int64_t i = n - 1; i > 0; i--) {
        int64_t j = (int64_t)fut_mt_interval(mt, (uint64_t)i);
        int64_t kept = values[i];
        values[i] = values[j];
        values[j] = kept;
    }
}

void fut_mt_permutation(fut_mt19937 *mt, int64_t n, int64_t *values_out)
{
    for (int64_t i = 0; i < n; i++)
        values_out[i] = i;
    fut_mt_shuffle(mt, values_out, n);
}

void fut_mt_choice(fut_mt19937 *mt, int64_t n, int64_t size, int replace, int64_t *scratch, int64_t *values_out)
{
    if (replace) {
        for (int64_t i = 0; i < size; i++)
            values_out[i] = (int64_t)fut_mt_interval(mt, (uint64_t)(n - 1));
        return;
    }
    /* numpy permutes all n whatever the size; so the generator's state moves the same way. */
    fut_mt_permutation(mt, n, scratch);
    if (size > 0) memcpy(values_out, scratch, (size_t)size * sizeof *values_out);
}

/* ---- Philox ---- */

fut_philox fut_philox_key(uint64_t seed, fut_rng_purpose purpose)
{
    /* The finaliser of splitmix64: near seeds and purposes get unrelated keys. */
    uint64_t z = seed + (uint64_t)purpose * 0x9e3779b97f4a7c15U;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return (fut_philox){.key = z ^ (z >> 31)};
}

void fut_philox_words(fut_philox p, uint64_t a, uint64_t b, uint32_t words_out[4])
{
    fut_philox_block(p.key, a, b, words_out);
}

void fut_philox_uniform_pair(fut_philox p, uint64_t a, uint64_t b, double pair_out[2])
{
    uint32_t w[4];
    fut_philox_words(p, a, b, w);
    for (size_t i = 0; i < 2; i++)
        pair_out[i] = fut_philox_unit(w[2 * i], w[2 * i + 1]);
}

void fut_philox_normal_pair(fut_philox p, uint64_t a, uint64_t b, double pair_out[2])
{
    static const double two_pi = 6.283185307179586476925286766559;
    double uniform[2];
    fut_philox_uniform_pair(p, a, b, uniform);
    double radius = sqrt(-2 * log(1 - uniform[0])); /* 1 - u lies in (0, 1] */
    pair_out[0] = radius * cos(two_pi * uniform[1]);
    pair_out[1] = radius * sin(two_pi * uniform[1]);
}

double fut_philox_uniform(fut_philox p, uint64_t a, uint64_t i)
{
    double pair[2];
    fut_philox_uniform_pair(p, a, i / 2, pair);
    return pair[i % 2];
}

double fut_philox_normal(fut_philox p, uint64_t a, uint64_t i)
{
    double pair[2];
    fut_philox_normal_pair(p, a, i / 2, pair);
    return pair[i % 2];
}

void fut_philox_permutation(fut_philox p, uint64_t a, int64_t n, int64_t *values_out)
{
    for (int64_t i = 0; i < n; i++)
        values_out[i] = i;
    for (int64_t i = n - 1; i > 0; i--) {
        /* 53 bits times i + 1: the bias is below n / 2^53. */
        int64_t j = (int64_t)(fut_philox_uniform(p, a, (uint64_t)i) * (double)(i + 1));
        int64_t kept = values_out[i];
        values_out[i] = values_out[j];
        values_out[j] = kept;
    }
}
