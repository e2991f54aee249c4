/* Batches of images, read ahead by threads.
 *
 *     submit 7   submit 8   submit 9        threads fill the images of the oldest unfinished batch first
 *     | ready  | filling   | queued  | free |    `depth` slots, used round and round
 *       wait 7 -> pixels, borrowed -> release
 *
 * Batches are handed out in the order they were submitted. Which thread loads an image decides nothing: pixels depend only on the image,
 * the seed, the step and the image's position in the global batch. One thread calls submit, wait and release. */
#ifndef FUT_DATA_LOADER_H
#define FUT_DATA_LOADER_H

#include "core/backend/backend.h"
#include "core/base/opt.h"
#include "core/base/status.h"
#include "data/dataset.h"

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { FUT_LOADER_THREADS_MAX = 64, FUT_LOADER_DEPTH_MAX = 256 };

typedef struct fut_loader_config {
    int threads;           /* 1..FUT_LOADER_THREADS_MAX */
    int depth;             /* batches submitted and not yet released, 1..FUT_LOADER_DEPTH_MAX */
    int64_t max_images;    /* of one batch */
    int64_t height, width; /* of the images handed out; where the dataset's differ, images are resized on load; 0 = the dataset's */
    const fut_opt_variants *augment; /* rows of augments.def, applied in this order; borrowed until destroy; NULL = none */
    uint64_t seed;                   /* of the augmentations */
    fut_backend *bk; /* whose alloc_host gives the memory of the slots, so that uploads need no copy in between; NULL: the heap */
} fut_loader_config;

typedef struct fut_loader_request {
    int64_t step; /* what wait will ask for; also what augmentations are drawn from */
    int64_t n;    /* 0..max_images */
    const int64_t *image;
    const int64_t *position; /* of each image in the global batch; NULL = no augmentation (evaluation) */
} fut_loader_request;

/* Borrowed until fut_loader_release. */
typedef struct fut_loader_batch {
    int64_t step, n;
    const int64_t *image; /* [n] */
    const uint8_t *rgb;   /* [n, height, width, 3] */
} fut_loader_batch;

typedef struct fut_loader_stats {
    int64_t images, bytes; /* loaded so far; bytes of pixels as the dataset gives them */
    double busy_seconds;   /* spent loading, over all threads */
    double wait_seconds;   /* the caller spent inside wait */
} fut_loader_stats;

typedef struct fut_loader fut_loader;

/* Shape:  depth * max_images * height * width * 3 bytes are allocated here; later calls allocate nothing, unless images must be decoded
 * Owns:   *loader_out, release with fut_loader_destroy; the dataset is borrowed until then
 * Errors: FUT_ERR_CONFIG (a number out of range), FUT_ERR_NO_MEMORY (also when no thread can be started) */
fut_status fut_loader_create(const fut_dataset *dataset, const fut_loader_config *config, fut_loader **loader_out) FUT_MUST_CHECK;
/* Whatever is queued is dropped; returns when the threads have ended. */
void fut_loader_destroy(fut_loader **loader);

/* How many more batches submit takes now. */
int fut_loader_room(const fut_loader *loader);
/* Queue a batch; returns at once. The arrays are copied.
 * Errors: FUT_ERR_INTERNAL: no room, n out of range, an image outside the dataset */
fut_status fut_loader_submit(fut_loader *loader, const fut_loader_request *request) FUT_MUST_CHECK;
/* Wait for the oldest batch that was not handed out yet; it must be `step`'s.
 * Errors: what reading its first unreadable image gave (FUT_ERR_DATA, FUT_ERR_IO), with its message, and again at every later call;
 *         FUT_ERR_INTERNAL: nothing submitted, or another step is next */
fut_status fut_loader_wait(fut_loader *loader, int64_t step, fut_loader_batch *batch_out) FUT_MUST_CHECK;
/* Give back the oldest batch handed out; its pixels are overwritten by later batches. */
void fut_loader_release(fut_loader *loader);

fut_loader_stats fut_loader_get_stats(fut_loader *loader);

#ifdef __cplusplus
}
#endif

#endif
