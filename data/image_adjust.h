/* Pictures changed in place: light, colour, sharpness, angle. What augmentations do once they have drawn their numbers.
 *
 * Light and colour are what torchvision's transforms.v2.functional (0.29) gives for Pillow images, bit for bit: Pillow's ImageEnhance
 * and luma. (Its tensor form weighs red, green and blue by 0.2989, 0.587 and 0.114, which darkens even a gray photo.) Hue, blur and
 * rotation are its tensor form, within a level: Pillow's hue rounds to 256 steps and changes a photo that is turned by nothing.
 * Whole numbers, or floats without a fused operation: the same bytes on every machine whose libm rounds exp, sin, cos alike. Nothing here
 * allocates or keeps state. */
#ifndef FUT_DATA_IMAGE_ADJUST_H
#define FUT_DATA_IMAGE_ADJUST_H

#include "data/image.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { FUT_BLUR_KERNEL_MAX = 63 };

/* Luma of each pixel in all three channels: L = (19595 R + 38470 G + 7471 B + 32768) >> 16. */
void fut_image_grayscale(fut_image *image);
/* factor >= 0: 0 is black, the mean luma, or gray; 1 changes nothing; more goes beyond the picture and is cut at 0 and 255.
 * out = from + factor * (level - from) towards zero, `from` being 0, the picture's mean luma (rounded), or the pixel's luma. */
void fut_image_brightness(fut_image *image, double factor);
void fut_image_contrast(fut_image *image, double factor);
void fut_image_saturation(fut_image *image, double factor);
/* Turn every hue by `turn` of the colour circle, -0.5 to 0.5; grays stay. */
void fut_image_hue(fut_image *image, double turn);

/* Gaussian of `kernel` pixels (odd, at most FUT_BLUR_KERNEL_MAX and twice the shorter side less one), sigma in pixels > 0, mirrored at
 * the edges; rounded to bytes after the rows and after the columns. scratch: fut_image_blur_scratch_bytes, from fut_mem_alloc. */
void fut_image_blur(fut_image *image, int64_t kernel, double sigma, void *scratch);
size_t fut_image_blur_scratch_bytes(int64_t height, int64_t width);

/* Turn counter-clockwise around the middle, bilinear; outside the picture everything is `fill`. scratch: height * width * 3 bytes. */
void fut_image_rotate(fut_image *image, double degrees, uint8_t fill, void *scratch);

/* Set a part, which lies inside, to one level. */
void fut_image_fill(fut_image *image, const fut_image_rect *part, uint8_t level);

#ifdef __cplusplus
}
#endif

#endif
