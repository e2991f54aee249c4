/* Which images a batch holds: pytorch-metric-learning's MPerClassSampler, the same sequence bit for bit.
 *
 *     pass:  [ m of person 7 | m of person 2 | ... ]  cut into batches by the trainer; the last one may be short
 *
 * With batch == 0 one round visits every person once, and rounds repeat until `length`; with a batch, a round is one batch of batch / m
 * people. The order of people is shuffled in place, cumulatively over rounds and passes. A person with fewer than m images repeats them. */
#ifndef FUT_DATA_SAMPLER_H
#define FUT_DATA_SAMPLER_H

#include "core/base/rng.h"
#include "core/base/status.h"

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fut_sampler_config {
    int64_t m;          /* images a person */
    int64_t batch;      /* MPerClassSampler's batch_size; 0 = None */
    int64_t length;     /* length_before_new_iter */
    int64_t min_images; /* people with fewer images are left out; 0 or 1 keeps all */
    uint32_t seed;      /* np.random.seed(seed) before the first pass */
} fut_sampler_config;

typedef struct fut_sampler fut_sampler;

/* Shape:  images [n] ids of the train part in the split's order, labels [n] of those images; both copied
 * Errors: FUT_ERR_CONFIG with the numbers (batch not a multiple of m, larger than length or than m x people; nobody left) */
fut_status fut_sampler_create(const fut_sampler_config *config, const int64_t *images, const int32_t *labels, int64_t n,
                              fut_sampler **sampler_out) FUT_MUST_CHECK;
void fut_sampler_destroy(fut_sampler **sampler);

/* Images in one pass. */
int64_t fut_sampler_pass_length(const fut_sampler *sampler);
/* Passes begun so far, counting the current one from 0; and how many images of it have been handed out. */
int64_t fut_sampler_pass(const fut_sampler *sampler);
int64_t fut_sampler_position(const fut_sampler *sampler);
/* People taking part; people left out by min_images; people with fewer than m images (repeated); people with one image. */
typedef struct fut_sampler_counts {
    int64_t n_people, n_left_out, n_repeating, n_single;
} fut_sampler_counts;
fut_sampler_counts fut_sampler_get_counts(const fut_sampler *sampler);

/* The next min(batch, what is left of the pass) images: ids_out [batch], *n_out >= 1; *last_out says that they end the pass (the next
 * call begins a new one). Allocates nothing. */
void fut_sampler_next(fut_sampler *sampler, int64_t batch, int64_t *ids_out, int64_t *n_out, bool *last_out);

/* What a checkpoint needs: the generator and the order of people as they were when the current pass began, and the place in it. */
typedef struct fut_sampler_state {
    uint32_t key[FUT_MT_WORDS];
    int64_t mt_position;
    int64_t pass, position;
    int64_t n_people;
    int64_t *people; /* [n_people], place of each person in the sampler's first order; owned, fut_sampler_state_fini */
} fut_sampler_state;
fut_status fut_sampler_get_state(const fut_sampler *sampler, fut_sampler_state *state_out) FUT_MUST_CHECK;
/* Errors: FUT_ERR_DATA when the state is not one of this sampler (number of people, not a permutation, place outside); unchanged then. */
fut_status fut_sampler_set_state(fut_sampler *sampler, const fut_sampler_state *state) FUT_MUST_CHECK;
void fut_sampler_state_fini(fut_sampler_state *state);

#ifdef __cplusplus
}
#endif

#endif
