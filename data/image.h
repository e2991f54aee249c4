/* Pictures: decode from files' bytes, crop, resize, paste, encode.
 *
 *     file bytes --decode--> fut_image [height, width, 3] u8 RGB, upright --resize(crop)--> fut_image --encode--> PNG | JPEG bytes
 *
 * Pixels equal what Pillow's Image.open(f), ImageOps.exif_transpose, convert("RGB") gives (JPEG within a level or two, the rest exactly):
 * alpha is dropped, not blended; 16-bit colour is cut to 8 bits. One deviation: 16-bit gray is cut in the same way, where Pillow clips it
 * at 255, which turns a picture white.
 * No function here keeps state: all may run on any number of threads at once. */
#ifndef FUT_DATA_IMAGE_H
#define FUT_DATA_IMAGE_H

#include "core/base/status.h"
#include "core/base/str.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* {0} is an empty image. Owns `rgb`. */
typedef struct fut_image {
    int64_t width, height;
    uint8_t *rgb; /* [height, width, 3], rows without padding */
} fut_image;

/* What a file may cost, checked from its header before anything large is allocated. */
typedef struct fut_image_limits {
    int64_t pixels;       /* width * height */
    int64_t side;         /* width, height */
    int64_t scans;        /* of a progressive JPEG */
    int64_t scan_pixels;  /* scans * pixels of a JPEG: what bounds the time of a progressive one */
    int64_t memory_bytes; /* decoded image and everything the decoder holds beside it */
} fut_image_limits;

#define FUT_IMAGE_LIMITS_DEFAULT                                                                                                           \
    {                                                                                                                                      \
        .pixels = 64000000, .side = 16384, .scans = 100, .scan_pixels = 640000000, .memory_bytes = (int64_t)256 << 20                      \
    }

/* A part of an image in whole pixels: columns [x, x + width), rows [y, y + height). */
typedef struct fut_image_rect {
    int64_t x, y, width, height;
} fut_image_rect;

/* A black image.
 * Owns:   *image_out becomes the caller's; release with fut_image_fini
 * Errors: FUT_ERR_SHAPE (a side < 1), FUT_ERR_NO_MEMORY; *image_out untouched */
fut_status fut_image_create(int64_t width, int64_t height, fut_image *image_out) FUT_MUST_CHECK;
/* Frees the pixels and clears *image; safe on {0}. */
void fut_image_fini(fut_image *image);

/* Decode one picture file: JPEG, PNG, WebP, BMP, PBM/PGM/PPM, recognised by content, EXIF orientation applied.
 * A file that is damaged anywhere is rejected, even where a decoder could guess the rest: a grey half of a face teaches wrong things.
 * Shape:  bytes [length]; the image is upright, so its sides are swapped against the file's header for orientations 5 to 8
 * Owns:   *image_out becomes the caller's; release with fut_image_fini. `bytes` is borrowed
 * Errors: FUT_ERR_DATA with the reason ("12-bit JPEG is not supported"), preceded by "name: " unless `name` is NULL;
 *         FUT_ERR_NO_MEMORY; *image_out untouched */
fut_status fut_image_decode(const uint8_t *bytes, size_t length, const char *name, const fut_image_limits *limits_or_null,
                            fut_image *image_out) FUT_MUST_CHECK;

/* The centred part that keeps `fraction` of each side, 0 < fraction <= 1: a side s becomes max(1, floor(fraction * s + 0.5)), and the
 * part starts at floor((s - kept) / 2). */
fut_image_rect fut_image_crop_center(const fut_image *image, double fraction);

/* Antialiased bilinear resize of a part of `src`, exactly Pillow's src.crop(part).resize((width, height), BILINEAR): a triangle filter
 * widened by the scale when shrinking, two passes in 22-bit fixed point (libImaging/Resample.c, 8 bits per channel).
 * Shape:  crop_or_null inside src, NULL for all of it; the image is [height, width, 3]
 * Owns:   *image_out becomes the caller's; src is borrowed and stays as it is
 * Errors: FUT_ERR_SHAPE (empty or outside), FUT_ERR_NO_MEMORY; *image_out untouched */
fut_status fut_image_resize(const fut_image *src, const fut_image_rect *crop_or_null, int64_t width, int64_t height,
                            fut_image *image_out) FUT_MUST_CHECK;

/* The same without allocating, for a caller that resizes many.
 * Shape: crop inside src; rgb [height, width, 3], which may be src's own pixels; scratch: what fut_image_resize_scratch_bytes says for a
 *        part as large as crop or larger, from fut_mem_alloc */
void fut_image_resize_into(const fut_image *src, const fut_image_rect *crop, int64_t width, int64_t height, void *scratch, uint8_t *rgb);
size_t fut_image_resize_scratch_bytes(int64_t in_width, int64_t in_height, int64_t width, int64_t height);

/* Swap left and right, in place. Shape: rgb [height, width, 3] u8. */
void fut_image_mirror(int64_t height, int64_t width, uint8_t *rgb);

/* Copy src into dst with its left upper corner at (x, y); what falls outside dst is cut off. */
void fut_image_paste(fut_image *dst, const fut_image *src, int64_t x, int64_t y);

/* Append the image as a PNG file, or as a baseline JPEG (4:2:0, quality 1..100), to *out.
 * Errors: FUT_ERR_SHAPE (empty image, a side over 65500, bad quality), FUT_ERR_NO_MEMORY; *out keeps what it held */
fut_status fut_image_encode_png(const fut_image *image, fut_str *out) FUT_MUST_CHECK;
fut_status fut_image_encode_jpeg(const fut_image *image, int quality, fut_str *out) FUT_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
