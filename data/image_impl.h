/* What the decoders of the picture formats share. Private to data/. */
#ifndef FUT_DATA_IMAGE_IMPL_H
#define FUT_DATA_IMAGE_IMPL_H

#include "data/image.h"

#include <stdbool.h>

/* One decoder a format, called for bytes that begin as that format does.
 * Owns and Errors as fut_image_decode; the message is the reason alone. */
typedef fut_status fut_image_decoder(const uint8_t *bytes, size_t length, const fut_image_limits *limits, fut_image *image_out);
fut_image_decoder fut_image_decode_jpeg, fut_image_decode_png, fut_image_decode_webp, fut_image_decode_bmp, fut_image_decode_pnm;

/* Refuse the size a header claims if it is beyond the limits; `decoder_bytes` is what the decoder holds beside the image.
 * Errors: FUT_ERR_DATA */
fut_status fut_image_check_size(int64_t width, int64_t height, int64_t decoder_bytes, const fut_image_limits *limits) FUT_MUST_CHECK;

/* EXIF orientation 1..8 of an EXIF block, with or without its "Exif\0\0" prefix; 1 if there is none or the block is malformed. */
int fut_image_exif_orientation(const uint8_t *exif, size_t length);
/* Whether the orientation swaps width and height. */
bool fut_image_orientation_swaps(int orientation);
/* Put rows of a picture as stored into their upright place.
 * Shape: image is upright and whole; rgb [rows, stored width, 3] are the stored rows first_row and following */
void fut_image_place_rows(fut_image *image, int orientation, int64_t first_row, int64_t rows, const uint8_t *rgb);
/* Turn a whole image as stored upright; *image is replaced.
 * Errors: FUT_ERR_DATA if both copies are over limits->memory_bytes, FUT_ERR_NO_MEMORY; *image keeps its pixels */
fut_status fut_image_turn_upright(fut_image *image, int orientation, const fut_image_limits *limits) FUT_MUST_CHECK;

/* Compiled for wider vectors too and picked at load time; being of whole numbers, all give the same bytes. The thread sanitizer is not
 * yet up when the loader picks. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__SANITIZE_THREAD__)
#if __GNUC__ >= 12
#define FUT_FOR_WIDE_VECTORS __attribute__((target_clones("arch=x86-64-v4", "avx2", "default")))
#else
#define FUT_FOR_WIDE_VECTORS __attribute__((target_clones("avx2", "default")))
#endif
#else
#define FUT_FOR_WIDE_VECTORS
#endif

static inline uint32_t fut_load_u16le(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8;
}

static inline uint32_t fut_load_u32le(const uint8_t *p)
{
    return fut_load_u16le(p) | fut_load_u16le(p + 2) << 16;
}

static inline uint32_t fut_load_u16be(const uint8_t *p)
{
    return (uint32_t)p[0] << 8 | (uint32_t)p[1];
}

static inline uint32_t fut_load_u32be(const uint8_t *p)
{
    return fut_load_u16be(p) << 16 | fut_load_u16be(p + 2);
}

#endif
