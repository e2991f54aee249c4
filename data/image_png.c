/* PNG by libspng: every checksum is verified, in chunks that are not needed too. */
#include "data/image_impl.h"

#include <stdlib.h>

#include <spng.h>

/* Colour profiles and texts are read and dropped; what each, and all of them, may unpack to is bounded, as in Pillow. */
static const size_t CHUNK_BYTES_MAX = (size_t)1 << 20;
static const size_t CHUNKS_BYTES_MAX = (size_t)16 << 20;

static fut_status png_failed(int code)
{
    if (code == SPNG_EMEM) return FUT_FAIL(FUT_ERR_NO_MEMORY, "libspng is out of memory");
    FUT_CHECK(code != SPNG_ECHUNK_LIMITS, FUT_ERR_DATA, "PNG with a text or profile over %zu MiB", CHUNK_BYTES_MAX >> 20);
    return FUT_FAIL(FUT_ERR_DATA, "damaged PNG: %s", spng_strerror(code));
}

#define FUT_PNG_GOTO(call, label)                                                                                                          \
    do {                                                                                                                                   \
        int png_code_ = (call);                                                                                                            \
        if (png_code_ != SPNG_OK) {                                                                                                        \
            st = png_failed(png_code_);                                                                                                    \
            goto label;                                                                                                                    \
        }                                                                                                                                  \
    } while (0)

/* The whole file is read before the picture is turned: an eXIf chunk may stand behind the pixels. */
static fut_status png_orientation(spng_ctx *png, int *orientation_out)
{
    *orientation_out = 1;
    int code = spng_decode_chunks(png);
    if (code != SPNG_OK) return png_failed(code);
    struct spng_exif exif;
    if (spng_get_exif(png, &exif) == SPNG_OK) *orientation_out = fut_image_exif_orientation((const uint8_t *)exif.data, exif.length);
    return FUT_OK;
}

fut_status fut_image_decode_png(const uint8_t *bytes, size_t length, const fut_image_limits *limits, fut_image *image_out)
{
    fut_status st = FUT_OK;
    fut_image image = {0};
    int orientation = 1;
    struct spng_ihdr header;
    spng_ctx *png = spng_ctx_new(0);
    FUT_CHECK(png != NULL, FUT_ERR_NO_MEMORY, "libspng is out of memory");
    FUT_PNG_GOTO(spng_set_crc_action(png, SPNG_CRC_ERROR, SPNG_CRC_ERROR), out);
    FUT_PNG_GOTO(spng_set_chunk_limits(png, CHUNK_BYTES_MAX, CHUNKS_BYTES_MAX), out);
    FUT_PNG_GOTO(spng_set_png_buffer(png, bytes, length), out);
    FUT_PNG_GOTO(spng_get_ihdr(png, &header), out);
    /* Beside the image: two rows of up to 8 bytes a pixel, and the chunks. */
    FUT_TRY_GOTO(fut_image_check_size(header.width, header.height, (int64_t)CHUNKS_BYTES_MAX + 16 * (int64_t)header.width, limits), out);
    FUT_TRY_GOTO(fut_image_create(header.width, header.height, &image), out);
    FUT_PNG_GOTO(spng_decode_image(png, image.rgb, (size_t)(3 * image.width * image.height), SPNG_FMT_RGB8, 0), out);
    FUT_TRY_GOTO(png_orientation(png, &orientation), out);
    FUT_TRY_GOTO(fut_image_turn_upright(&image, orientation, limits), out);
    *image_out = image;
    image = (fut_image){0};
out:
    fut_image_fini(&image);
    spng_ctx_free(png);
    return st;
}

fut_status fut_image_encode_png(const fut_image *image, fut_str *out)
{
    enum { SIDE_MAX = 65500 };
    FUT_CHECK(image->width > 0 && image->height > 0 && image->width <= SIDE_MAX && image->height <= SIDE_MAX, FUT_ERR_SHAPE,
              "a PNG of %lld x %lld pixels cannot be", (long long)image->width, (long long)image->height);
    struct spng_ihdr header = {
        .width = (uint32_t)image->width, .height = (uint32_t)image->height, .bit_depth = 8, .color_type = SPNG_COLOR_TYPE_TRUECOLOR};
    int code = SPNG_EMEM;
    size_t length = 0;
    char *bytes = NULL;
    spng_ctx *png = spng_ctx_new(SPNG_CTX_ENCODER);
    if (png != NULL) code = spng_set_option(png, SPNG_ENCODE_TO_BUFFER, 1);
    if (code == SPNG_OK) code = spng_set_ihdr(png, &header);
    if (code == SPNG_OK)
        code = spng_encode_image(png, image->rgb, (size_t)(3 * image->width * image->height), SPNG_FMT_PNG, SPNG_ENCODE_FINALIZE);
    if (code == SPNG_OK) bytes = spng_get_png_buffer(png, &length, &code);
    fut_status st = code == SPNG_EMEM ? FUT_ERR_NO_MEMORY : FUT_ERR_INTERNAL;
    st = bytes != NULL ? fut_str_append(out, bytes, length) : FUT_FAIL(st, "PNG encoder: %s", spng_strerror(code));
    free(bytes);
    spng_ctx_free(png);
    return st;
}
