/* The batches of a run, as every rank sees them: rank 0 draws a pass from the sampler and broadcasts its ids; batches are cut from it and
 * dealt to shards by a permutation of (seed, step); the loader reads this rank's photos ahead.
 *
 *   pass    [ a a a a  b b b b  c c c c ... ]          sampler's order, rank 0's choice
 *   batch   [ a a a a  b b b b ]                       positions 0 .. n-1; losses and ties use this order
 *   dealt   shard 0: positions 3 6 0 | shard 1: ...    so that a person's photos fall in shards at random */
#ifndef FUT_LAUNCH_BATCHES_H
#define FUT_LAUNCH_BATCHES_H

#include "data/loader.h"
#include "data/sampler.h"
#include "dist/comm.h"
#include "launch/classes.h"
#include "launch/config.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fut_batches fut_batches;
enum { FUT_BATCHES_AHEAD = 4 }; /* batches that the loader holds */

/* One step's batch. All borrowed until the next call. */
typedef struct fut_batch {
    int64_t n;                  /* photos of the global batch */
    const int64_t *image;       /* [n] ids in the sampler's order */
    const int64_t *label;       /* [n] places among the people that are trained on (fut_classes) */
    const int64_t *row;         /* [n] position of each dealt photo: shard s holds row[shard_first[s] .. shard_first[s + 1]) */
    const int64_t *shard_first; /* [shards + 1] */
    const uint8_t *rgb;         /* photos of this rank's shards, in dealt order */
    int64_t images;             /* how many those are */
} fut_batch;

/* Collective. Shards [my_first, my_end) are this rank's. classes: borrowed.
 * bk's host memory holds the photos. Errors: FUT_ERR_CONFIG when the data does not allow the batch, with the numbers. */
fut_status fut_batches_create(const fut_config *config, fut_comm *comm, fut_backend *bk, const fut_dataset *dataset,
                              const fut_classes *classes, int shards, int my_first, int my_end, fut_batches **batches_out) FUT_MUST_CHECK;
void fut_batches_destroy(fut_batches **batches);

/* Batches in every epoch (short ones that are dropped not counted), and photos of each. */
int64_t fut_batches_per_epoch(const fut_batches *batches);
/* Photos of a pass's last batch where it is shorter and not dropped, else 0. */
int64_t fut_batches_short(const fut_batches *batches);

/* Begin an epoch at batch `skip`: draw and broadcast the pass, start reading. first_step is the step of that batch. Collective. */
fut_status fut_batches_begin_epoch(fut_batches *batches, int64_t skip, int64_t first_step) FUT_MUST_CHECK;
/* The next batch, its photos read. Waits for the loader. Gives back the previous one. Errors: an unreadable photo. */
fut_status fut_batches_next(fut_batches *batches, int64_t step, fut_batch *batch_out) FUT_MUST_CHECK;

/* Rank 0: the sampler as it was when the current epoch began; and to put it back before the epoch is begun again. */
const fut_sampler_state *fut_batches_sampler_state(const fut_batches *batches);
fut_status fut_batches_restore(fut_batches *batches, const fut_sampler_state *state) FUT_MUST_CHECK;

/* Photos this rank has read since the start: shows that a rank works on its shards only. */
int64_t fut_batches_images_read(const fut_batches *batches);

#ifdef __cplusplus
}
#endif

#endif
