/* Batches on their way to the device. While one batch trains, the next one's photos go up on a stream of their own:
 *
 *     main stream    [ step 7 .................. ][ step 8 ................
 *     copy stream      [ batch 8 ]                  [ batch 9 ]
 *     loader         fills pinned memory            ...
 *
 * On the host there is nothing to carry: what the loader and the batches hold is handed out as it is. */
#ifndef FUT_LAUNCH_FEED_H
#define FUT_LAUNCH_FEED_H

#include "core/backend/backend.h"
#include "launch/batches.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fut_feed fut_feed;
enum { FUT_FEED_PLACES = 2 };

/* Where batches come from: fut_batches_next, or what stands in for it. `next` gives back the batch before. */
typedef struct fut_feed_source {
    fut_status (*next)(void *context, int64_t step, fut_batch *batch_out);
    void *context;
} fut_feed_source;

/* One step's batch on the device, or on its way there: fut_inputs_wait comes before the first use. */
typedef struct fut_inputs {
    int64_t n;                  /* photos of the global batch */
    const int64_t *shard_first; /* host [shards + 1]: see fut_batch */
    const int64_t *image;       /* [n] ids in the sampler's order */
    const int64_t *label;       /* [n] */
    const int64_t *row;         /* [n] position of each dealt photo */
    const uint8_t *rgb;         /* photos of this rank's shards, in dealt order */
    int place;                  /* which of the places these pointers are of; equal places have equal pointers */
    fut_event *uploaded;        /* NULL: there is nothing to wait for */
} fut_inputs;

/* Work enqueued on the backend's own stream from here on finds the inputs there. */
fut_status fut_inputs_wait(fut_backend *bk, const fut_inputs *inputs) FUT_MUST_CHECK;

/* Borrows bk, comm and the source's context. max_images: of this rank's shards, each `photo` bytes. Errors: FUT_ERR_NO_MEMORY. */
fut_status fut_feed_create(fut_backend *bk, fut_comm *comm, fut_feed_source source, int shards, int64_t max_batch, int64_t max_images,
                           int64_t photo, fut_feed **feed_out) FUT_MUST_CHECK;
void fut_feed_destroy(fut_feed **feed);

/* The batch of `step`, fetched now unless fut_feed_ahead did. Borrowed until the next-but-one call, on the host until the next. */
fut_status fut_feed_next(fut_feed *feed, int64_t step, fut_inputs *inputs_out) FUT_MUST_CHECK;
/* The work that reads the inputs handed out last is enqueued; fetch the batch of `step`, the next one of this epoch, meanwhile. step < 0:
 * there is none, and what the source gave may be taken back. */
fut_status fut_feed_ahead(fut_feed *feed, int64_t step) FUT_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
