#include "data/augment.h"
#include "data/image.h"

/* Left and right swapped with probability one half: torchvision's RandomHorizontalFlip. */
static void flip(const fut_augment_draw *draw, int64_t height, int64_t width, uint8_t *rgb)
{
    if (fut_augment_uniform(draw, 0) < 0.5) fut_image_mirror(height, width, rgb);
}

const fut_augment_type fut_augment_flip = {.stream = 0, .apply = flip};
