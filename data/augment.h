/* Augmentations: random changes to a training image's pixels, on load.
 *
 *     draw = (seed, step, position in the global batch)  ->  the same change whatever thread, rank or shard loads the image
 *
 * Nothing is remembered between images, so a resumed run draws what the uninterrupted one would have. An augmentation is one file
 * data/augment_<name>.c defining `const fut_augment_type fut_augment_<name>`, and one row in augments.def. */
#ifndef FUT_DATA_AUGMENT_H
#define FUT_DATA_AUGMENT_H

#include "core/base/opt.h"
#include "core/base/rng.h"

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

/* The i-th uniform number in [0, 1) of a draw, 0 <= i < 256. */
double fut_augment_uniform(const fut_augment_draw *draw, int i);

typedef struct fut_augment_type {
    uint64_t stream; /* below 256, its own for each augmentation and never changed: old runs must replay */
    /* rgb [height, width, 3] u8, changed in place. */
    void (*apply)(const fut_augment_draw *draw, int64_t height, int64_t width, uint8_t *rgb);
} fut_augment_type;

/* Rows in the order of augments.def. Names end with NULL: the words of `data.augment: [...]`, whose indices are a fut_opt_names. */
extern const char *const fut_augment_names[];
extern const fut_augment_type *const fut_augment_types[];

/* Apply the listed augmentations in the list's order.
 * Shape: rgb [height, width, 3] u8, changed in place. seed is the run's; position the image's place in the global batch.
 * Threads: any number at once. Allocates nothing. */
void fut_augment_apply(const fut_opt_names *list, uint64_t seed, int64_t step, int64_t position, int64_t height, int64_t width,
                       uint8_t *rgb);

#ifdef __cplusplus
}
#endif

#endif
