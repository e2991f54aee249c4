/* Random numbers.
 * fut_mt19937: numpy's legacy RandomState, bit for bit: what the split and the sampler need to equal scikit-learn and
 * pytorch-metric-learning. fut_philox: counter-based (Philox4x32-10, Salmon et al. 2011), no state to save: initialisation, dealing,
 * augmentation, synthesis, miners that draw. */
#ifndef FUT_CORE_BASE_RNG_H
#define FUT_CORE_BASE_RNG_H

#include "core/base/status.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { FUT_MT_WORDS = 624 };

typedef struct fut_mt19937 {
    uint32_t key[FUT_MT_WORDS];
    int32_t pos;
} fut_mt19937;

/* np.random.seed(seed) / RandomState(seed), 32-bit seed. */
void fut_mt_seed(fut_mt19937 *mt, uint32_t seed);
uint32_t fut_mt_next(fut_mt19937 *mt);
/* numpy's random_interval: uniform on [0, max], masked rejection; no draw when max == 0. */
uint64_t fut_mt_interval(fut_mt19937 *mt, uint64_t max);
/* RandomState.shuffle of n int64. */
void fut_mt_shuffle(fut_mt19937 *mt, int64_t *values, int64_t n);
/* RandomState.permutation(n) into values[n]. */
void fut_mt_permutation(fut_mt19937 *mt, int64_t n, int64_t *values_out);
/* RandomState.choice(n, size, replace): indices in [0, n), n >= 1. scratch holds n values, used when !replace (else NULL is fine).
 * size <= n unless replace. */
void fut_mt_choice(fut_mt19937 *mt, int64_t n, int64_t size, int replace, int64_t *scratch, int64_t *values_out);

typedef struct fut_philox {
    uint64_t key; /* seed and purpose, mixed by fut_philox_key */
} fut_philox;

/* Purposes keep streams apart. */
typedef enum fut_rng_purpose {
    FUT_RNG_INIT = 1,
    FUT_RNG_DEAL,
    FUT_RNG_AUGMENT,
    FUT_RNG_SYNTH,
    FUT_RNG_TEST,
    FUT_RNG_MINER
} fut_rng_purpose;

fut_philox fut_philox_key(uint64_t seed, fut_rng_purpose purpose);
/* Four 32-bit words of the counter (a low, a high, b low, b high): a pure function. */
void fut_philox_words(fut_philox p, uint64_t a, uint64_t b, uint32_t words_out[4]);
/* The i-th number of stream a: uniform in [0, 1) with 53 bits; standard normal (Box-Muller). */
double fut_philox_uniform(fut_philox p, uint64_t a, uint64_t i);
double fut_philox_normal(fut_philox p, uint64_t a, uint64_t i);
/* Numbers 2 b and 2 b + 1 of stream a, for the price of one. */
void fut_philox_uniform_pair(fut_philox p, uint64_t a, uint64_t b, double pair_out[2]);
void fut_philox_normal_pair(fut_philox p, uint64_t a, uint64_t b, double pair_out[2]);
/* Fisher-Yates of [0, n) drawn from stream a. */
void fut_philox_permutation(fut_philox p, uint64_t a, int64_t n, int64_t *values_out);

#ifdef __cplusplus
}
#endif

#endif
