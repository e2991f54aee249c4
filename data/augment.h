/* Augmentations: random changes to a training image's pixels, on load.
 *
 *     draw = (seed, step, position in the global batch)  ->  the same change whatever thread, rank or shard loads the image
 *
 * Nothing is remembered between images, so a resumed run draws what the uninterrupted one would have; each augmentation has a stream of
 * its own, so that what one draws does not depend on which others are on. An augmentation is one file data/augment_<name>.c defining
 * `const fut_opt_choice fut_augment_<name>`, whose payload is a fut_augment_type, and one row in augments.def. Definitions and defaults
 * are torchvision's (transforms.v2, 0.29), each stated in its file; image_adjust.h has the pixels' arithmetic. */
#ifndef FUT_DATA_AUGMENT_H
#define FUT_DATA_AUGMENT_H

#include "core/base/opt.h"
#include "core/base/rng.h"
#include "data/image.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The random numbers of one image and one augmentation. */
typedef struct fut_augment_draw {
    fut_philox philox;
    uint64_t step, position;
    uint64_t stream;
} fut_augment_draw;

/* The i-th number of a draw, 0 <= i < 256: uniform in [0, 1); uniform in [min, max]; whole and uniform in [0, count), count >= 1. */
double fut_augment_uniform(const fut_augment_draw *draw, int i);
double fut_augment_between(const fut_augment_draw *draw, int i, double min, double max);
int64_t fut_augment_below(const fut_augment_draw *draw, int i, int64_t count);

typedef struct fut_augment_type {
    uint64_t stream; /* below 256, its own for each augmentation and never changed: old runs must replay */
    /* Refuse options that contradict each other, with FUT_ERR_CONFIG; NULL: none can. */
    fut_status (*check)(const void *config);
    /* Bytes that apply needs beside the image; NULL: none. */
    size_t (*scratch_bytes)(int64_t height, int64_t width);
    /* Change the image in place; scratch is aligned for any type. */
    void (*apply)(const void *config, const fut_augment_draw *draw, fut_image *image, void *scratch);
} fut_augment_type;

/* The rows of augments.def, ending with NULL: the types of `data.augment: [flip, {type: blur, ...}]`. */
extern const fut_opt_choice *const fut_augment_choices[];

/* Ask every augmentation of the list to check its options. Errors: FUT_ERR_CONFIG, beginning with the augmentation's name. */
fut_status fut_augment_check(const fut_opt_variants *list) FUT_MUST_CHECK;

/* What fut_augment_apply needs as scratch for images of this size. */
size_t fut_augment_scratch_bytes(const fut_opt_variants *list, int64_t height, int64_t width);

/* Apply the listed augmentations in the list's order.
 * Shape: image->rgb [height, width, 3] u8, changed in place. seed is the run's; position the image's place in the global batch;
 *        scratch has fut_augment_scratch_bytes, from fut_mem_alloc
 * Threads: any number at once, each with its own scratch. Allocates nothing. */
void fut_augment_apply(const fut_opt_variants *list, uint64_t seed, int64_t step, int64_t position, fut_image *image, void *scratch);

#ifdef __cplusplus
}
#endif

#endif
