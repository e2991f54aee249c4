/* WebP, lossy and lossless, by libwebp. */
#include "data/image_impl.h"

#include <string.h>

#include <webp/decode.h>

static const char *status_text(VP8StatusCode code)
{
    switch (code) {
    case VP8_STATUS_UNSUPPORTED_FEATURE:
        return "unsupported feature";
    case VP8_STATUS_NOT_ENOUGH_DATA:
    case VP8_STATUS_SUSPENDED:
        return "premature end of file";
    default:
        return "invalid data";
    }
}

static fut_status webp_failed(VP8StatusCode code)
{
    if (code == VP8_STATUS_OUT_OF_MEMORY) return FUT_FAIL(FUT_ERR_NO_MEMORY, "libwebp is out of memory");
    return FUT_FAIL(FUT_ERR_DATA, "damaged WebP: %s", status_text(code));
}

/* RIFF chunks: four letters, u32 length, the bytes, a pad byte after an odd length. */
static int orientation_of(const uint8_t *bytes, size_t length)
{
    enum { RIFF_HEADER_BYTES = 12, CHUNK_HEADER_BYTES = 8 };
    size_t at = RIFF_HEADER_BYTES;
    while (length > at && length - at >= CHUNK_HEADER_BYTES) {
        size_t chunk = fut_load_u32le(bytes + at + 4);
        at += CHUNK_HEADER_BYTES;
        if (chunk > length - at) return 1;
        if (memcmp(bytes + at - CHUNK_HEADER_BYTES, "EXIF", 4) == 0) return fut_image_exif_orientation(bytes + at, chunk);
        at += chunk + (chunk & 1);
    }
    return 1;
}

fut_status fut_image_decode_webp(const uint8_t *bytes, size_t length, const fut_image_limits *limits, fut_image *image_out)
{
    enum { FORMAT_LOSSLESS = 2 };
    fut_status st = FUT_OK;
    fut_image image = {0};
    WebPDecoderConfig config;
    FUT_CHECK(WebPInitDecoderConfig(&config), FUT_ERR_INTERNAL, "libwebp at run time differs from its headers");
    VP8StatusCode code = WebPGetFeatures(bytes, length, &config.input);
    if (code != VP8_STATUS_OK) return webp_failed(code);
    FUT_CHECK(!config.input.has_animation, FUT_ERR_DATA, "animated WebP is not supported");
    int64_t width = config.input.width;
    int64_t height = config.input.height;
    /* Lossless holds 4 bytes a pixel, an alpha plane the same beside its one; lossy colour only rows. */
    int64_t held = config.input.format == FORMAT_LOSSLESS ? 4 : config.input.has_alpha ? 5 : 0;
    FUT_TRY(fut_image_check_size(width, height, held * width * height, limits));
    FUT_TRY(fut_image_create(width, height, &image));
    config.output.colorspace = MODE_RGB;
    config.output.is_external_memory = 1;
    config.output.u.RGBA.rgba = image.rgb;
    config.output.u.RGBA.stride = (int)(3 * width);
    config.output.u.RGBA.size = (size_t)(3 * width * height);
    code = WebPDecode(bytes, length, &config);
    if (code != VP8_STATUS_OK) st = webp_failed(code);
    if (st == FUT_OK) st = fut_image_turn_upright(&image, orientation_of(bytes, length), limits);
    if (st == FUT_OK)
        *image_out = image;
    else
        fut_image_fini(&image);
    return st;
}
