#include "data/image_adjust.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

/* Places are fixed point: 20 bits of a pixel, of which bilinear weights take the upper 11. */
enum { PLACE_BITS = 20, WEIGHT_BITS = 11 };

static inline uint8_t mix(const int32_t level[4], int32_t right, int32_t down)
{
    const int32_t one = 1 << WEIGHT_BITS;
    int32_t upper = level[0] * (one - right) + level[1] * right;
    int32_t lower = level[2] * (one - right) + level[3] * right;
    return (uint8_t)((upper * (one - down) + lower * down + (1 << (2 * WEIGHT_BITS - 1))) >> (2 * WEIGHT_BITS));
}

/* The four neighbours of a place in channel c; those outside are `fill`. */
static void neighbours(const fut_image *from, int64_t x, int64_t y, int c, uint8_t fill, int32_t level_out[4])
{
    for (int i = 0; i < 4; i++) {
        int64_t at_x = x + i % 2;
        int64_t at_y = y + i / 2;
        bool inside = at_x >= 0 && at_x < from->width && at_y >= 0 && at_y < from->height;
        level_out[i] = inside ? from->rgb[3 * (at_y * from->width + at_x) + c] : fill;
    }
}

static void sample(const fut_image *from, int64_t place_x, int64_t place_y, uint8_t fill, uint8_t rgb_out[3])
{
    const int64_t x = place_x >> PLACE_BITS;
    const int64_t y = place_y >> PLACE_BITS;
    const int32_t right = (int32_t)(place_x >> (PLACE_BITS - WEIGHT_BITS)) & ((1 << WEIGHT_BITS) - 1);
    const int32_t down = (int32_t)(place_y >> (PLACE_BITS - WEIGHT_BITS)) & ((1 << WEIGHT_BITS) - 1);
    int32_t level[4];
    if (x >= 0 && y >= 0 && x + 1 < from->width && y + 1 < from->height) {
        const uint8_t *upper = from->rgb + 3 * (y * from->width + x);
        const uint8_t *lower = upper + 3 * from->width;
        for (int c = 0; c < 3; c++)
            rgb_out[c] = mix((const int32_t[4]){upper[c], upper[c + 3], lower[c], lower[c + 3]}, right, down);
        return;
    }
    for (int c = 0; c < 3; c++) {
        neighbours(from, x, y, c, fill, level);
        rgb_out[c] = mix(level, right, down);
    }
}

static int64_t to_place(double pixels)
{
    return llround(ldexp(pixels, PLACE_BITS));
}

/* rotate_image: pixel (x, y) from the middle shows what stood at (x cos - y sin, x sin + y cos). torchvision blends the edge with `fill`
 * twice; here once, as if the picture lay on an endless sheet of that colour. */
void fut_image_rotate(fut_image *image, double degrees, uint8_t fill, void *scratch)
{
    const double angle = degrees * (3.14159265358979323846 / 180);
    const double middle_x = 0.5 * (double)(image->width - 1);
    const double middle_y = 0.5 * (double)(image->height - 1);
    const int64_t step_x = to_place(cos(angle));
    const int64_t step_y = to_place(sin(angle));
    const fut_image from = {.width = image->width, .height = image->height, .rgb = scratch};
    memcpy(from.rgb, image->rgb, (size_t)(3 * image->height * image->width));
    for (int64_t y = 0; y < image->height; y++) {
        double down = (double)y - middle_y;
        int64_t place_x = to_place(middle_x - middle_x * cos(angle) - down * sin(angle));
        int64_t place_y = to_place(middle_y - middle_x * sin(angle) + down * cos(angle));
        for (int64_t x = 0; x < image->width; x++)
            sample(&from, place_x + x * step_x, place_y + x * step_y, fill, image->rgb + 3 * (y * image->width + x));
    }
}

void fut_image_fill(fut_image *image, const fut_image_rect *part, uint8_t level)
{
    for (int64_t y = part->y; y < part->y + part->height; y++)
        memset(image->rgb + 3 * (y * image->width + part->x), level, (size_t)(3 * part->width));
}
