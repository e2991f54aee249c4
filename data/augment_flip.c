#include "data/augment.h"

#include <string.h>

/* Left and right swapped with probability one half: torchvision's RandomHorizontalFlip. */
static void flip(const fut_augment_draw *draw, int64_t height, int64_t width, uint8_t *rgb)
{
    if (fut_augment_uniform(draw, 0) >= 0.5) return;
    for (int64_t y = 0; y < height; y++) {
        uint8_t *left = rgb + y * width * 3;
        uint8_t *right = left + (width - 1) * 3;
        for (; left < right; left += 3, right -= 3) {
            uint8_t kept[3];
            memcpy(kept, left, 3);
            memcpy(left, right, 3);
            memcpy(right, kept, 3);
        }
    }
}

const fut_augment_type fut_augment_flip = {.stream = 0, .apply = flip};
