/* Procedural faces: people who do not exist, for trying things out and for tests.
 *
 *     (seed, person)         -> traits: head, jaw, eyes, brows, nose, mouth, ears, skin, hair, beard, freckles, moles
 *     (seed, person, image)  -> the moment: pose, light, expression, gaze, clothes, glasses, background, framing, blur, noise
 *
 * Traits are what a network can learn; the moment changes far more pixels than a trait does, so that comparing pixels does not tell people
 * apart. An image depends on (seed, person, image, size) alone, not on how many are made. */
#ifndef FUT_DATA_SYNTH_H
#define FUT_DATA_SYNTH_H

#include "core/base/status.h"
#include "data/image.h"

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { FUT_SYNTH_SIZE_MIN = 16, FUT_SYNTH_SIZE_MAX = 1024, FUT_SYNTH_PEOPLE_MAX = 10000000, FUT_SYNTH_IMAGES_MAX = 100000 };

/* Draw one image.
 * Shape:  *image_out is [size, size, 3]; person and image count from 0
 * Owns:   *image_out becomes the caller's; release with fut_image_fini
 * Errors: FUT_ERR_NO_MEMORY; *image_out untouched. Threads: any number at once. */
fut_status fut_synth_draw(uint64_t seed, int64_t person, int64_t image, int64_t size, fut_image *image_out) FUT_MUST_CHECK;

typedef enum fut_synth_format { FUT_SYNTH_JPEG, FUT_SYNTH_PNG } fut_synth_format;

typedef struct fut_synth_config {
    const char *dir;
    int64_t people, images; /* folders, and images in each */
    int64_t size;           /* side in pixels */
    uint64_t seed;
    fut_synth_format format;
    bool force; /* write into a folder that is not empty; files of the same names are replaced */
} fut_synth_config;

/* The file that stands in the folder while it is being filled: a folder that holds it is incomplete. */
#define FUT_SYNTH_UNFINISHED ".futago-synth-unfinished"

/* Called after each person with how many are done. */
typedef void fut_synth_progress(void *context, int64_t people_done);

/* Fill config->dir (created where missing) with person_0001/0001.jpg ...
 * Errors: FUT_ERR_CANT_CREATE (folder not empty, disk full), FUT_ERR_PERMISSION, FUT_ERR_IO, FUT_ERR_NO_MEMORY; what was written before
 *         stays, marked by FUT_SYNTH_UNFINISHED */
fut_status fut_synth_write(const fut_synth_config *config, fut_synth_progress *progress_or_null, void *context) FUT_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
