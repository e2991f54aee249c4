#include "data/image.h"

#include "core/base/mem.h"
#include "data/image_impl.h"

#include <math.h>
#include <string.h>

fut_status fut_image_create(int64_t width, int64_t height, fut_image *image_out)
{
    FUT_CHECK(width > 0 && height > 0, FUT_ERR_SHAPE, "an image of %lld x %lld pixels cannot be", (long long)width, (long long)height);
    int64_t bytes = 0;
    FUT_CHECK(!__builtin_mul_overflow(width, height, &bytes) && !__builtin_mul_overflow(bytes, 3, &bytes), FUT_ERR_SHAPE,
              "an image of %lld x %lld pixels is too large", (long long)width, (long long)height);
    uint8_t *rgb = NULL;
    FUT_TRY(FUT_NEW_ARRAY(bytes, &rgb));
    *image_out = (fut_image){.width = width, .height = height, .rgb = rgb};
    return FUT_OK;
}

void fut_image_fini(fut_image *image)
{
    fut_mem_free(image->rgb);
    *image = (fut_image){0};
}

/* --- recognition --- */

typedef struct image_format {
    const char *magic;
    size_t offset, length;
    fut_image_decoder *decode; /* NULL: known, not supported */
    const char *name;
} image_format;

static const image_format image_formats[] = {
    {"\xff\xd8", 0, 2, fut_image_decode_jpeg, "JPEG"},
    {"\x89PNG", 0, 4, fut_image_decode_png, "PNG"},
    {"WEBP", 8, 4, fut_image_decode_webp, "WebP"},
    {"BM", 0, 2, fut_image_decode_bmp, "BMP"},
    {"P1", 0, 2, fut_image_decode_pnm, "PBM"},
    {"P2", 0, 2, fut_image_decode_pnm, "PGM"},
    {"P3", 0, 2, fut_image_decode_pnm, "PPM"},
    {"P4", 0, 2, fut_image_decode_pnm, "PBM"},
    {"P5", 0, 2, fut_image_decode_pnm, "PGM"},
    {"P6", 0, 2, fut_image_decode_pnm, "PPM"},
    {"GIF8", 0, 4, NULL, "GIF"},
    {"II*\0", 0, 4, NULL, "TIFF"},
    {"MM\0*", 0, 4, NULL, "TIFF"},
    {"ftypheic", 4, 8, NULL, "HEIC"},
    {"ftypmif1", 4, 8, NULL, "HEIF"},
    {"ftypavif", 4, 8, NULL, "AVIF"},
    {"\0\0\0\x0cjP  ", 0, 8, NULL, "JPEG 2000"},
    {"\0\0\0\x0cJXL ", 0, 8, NULL, "JPEG XL"},
    {"\xff\x0a", 0, 2, NULL, "JPEG XL"},
    {"8BPS", 0, 4, NULL, "Photoshop"},
    {"%PDF", 0, 4, NULL, "PDF"},
};

static const image_format *find_format(const uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < sizeof image_formats / sizeof *image_formats; i++) {
        const image_format *f = &image_formats[i];
        if (length >= f->offset + f->length && memcmp(bytes + f->offset, f->magic, f->length) == 0) return f;
    }
    return NULL;
}

static fut_status decode_recognised(const uint8_t *bytes, size_t length, const fut_image_limits *limits, fut_image *image_out)
{
    FUT_CHECK(length > 0, FUT_ERR_DATA, "the file is empty");
    const image_format *format = find_format(bytes, length);
    FUT_CHECK(format != NULL, FUT_ERR_DATA, "not a JPEG, PNG, WebP, BMP or PNM image");
    FUT_CHECK(format->decode != NULL, FUT_ERR_DATA, "%s is not supported", format->name);
    return format->decode(bytes, length, limits, image_out);
}

fut_status fut_image_decode(const uint8_t *bytes, size_t length, const char *name, const fut_image_limits *limits_or_null,
                            fut_image *image_out)
{
    const fut_image_limits limits = limits_or_null != NULL ? *limits_or_null : (fut_image_limits)FUT_IMAGE_LIMITS_DEFAULT;
    fut_status st = decode_recognised(bytes, length, &limits, image_out);
    if (st != FUT_OK && name != NULL) fut_trail_context("%s", name);
    return st;
}

fut_status fut_image_check_size(int64_t width, int64_t height, int64_t decoder_bytes, const fut_image_limits *limits)
{
    FUT_CHECK(width > 0 && height > 0, FUT_ERR_DATA, "the image is empty: %lld x %lld pixels", (long long)width, (long long)height);
    FUT_CHECK(width <= limits->side && height <= limits->side, FUT_ERR_DATA, "%lld x %lld pixels: a side is over the limit of %lld",
              (long long)width, (long long)height, (long long)limits->side);
    FUT_CHECK(width * height <= limits->pixels, FUT_ERR_DATA, "%lld x %lld pixels are over the limit of %.1f megapixels", (long long)width,
              (long long)height, (double)limits->pixels * 1e-6);
    int64_t bytes = 3 * width * height + decoder_bytes;
    FUT_CHECK(bytes <= limits->memory_bytes, FUT_ERR_DATA, "%lld x %lld pixels need %lld MiB to decode, over the limit of %lld MiB",
              (long long)width, (long long)height, (long long)((bytes + 0xfffff) >> 20), (long long)(limits->memory_bytes >> 20));
    return FUT_OK;
}

/* --- orientation --- */

/* Where the stored picture goes: its rows become columns (swap), then the upright x and y axes are reversed. Row i is orientation i + 1
 * (TIFF 6.0, tag 274). */
static const struct {
    bool swap, flip_x, flip_y;
} orientations[8] = {
    {false, false, false}, {false, true, false}, {false, true, true}, {false, false, true},
    {true, false, false},  {true, true, false},  {true, true, true},  {true, false, true},
};

int fut_image_exif_orientation(const uint8_t *exif, size_t length)
{
    enum { EXIF_PREFIX_BYTES = 6, TIFF_HEADER_BYTES = 8, ENTRY_BYTES = 12, TAG_ORIENTATION = 274, TYPE_SHORT = 3, TYPE_LONG = 4 };
    if (length >= EXIF_PREFIX_BYTES && memcmp(exif, "Exif\0\0", EXIF_PREFIX_BYTES) == 0) {
        exif += EXIF_PREFIX_BYTES;
        length -= EXIF_PREFIX_BYTES;
    }
    if (length < TIFF_HEADER_BYTES) return 1;
    bool little = memcmp(exif, "II*\0", 4) == 0;
    if (!little && memcmp(exif, "MM\0*", 4) != 0) return 1;
    uint32_t (*load16)(const uint8_t *) = little ? fut_load_u16le : fut_load_u16be;
    uint32_t (*load32)(const uint8_t *) = little ? fut_load_u32le : fut_load_u32be;

    size_t at = load32(exif + 4);
    if (at > length - 2) return 1;
    uint32_t entries = load16(exif + at);
    at += 2;
    for (uint32_t i = 0; i < entries && length - at >= ENTRY_BYTES; i++, at += ENTRY_BYTES) {
        const uint8_t *entry = exif + at;
        if (load16(entry) != TAG_ORIENTATION) continue;
        uint32_t type = load16(entry + 2);
        uint32_t value = type == TYPE_SHORT ? load16(entry + 8) : type == TYPE_LONG ? load32(entry + 8) : 0;
        return value >= 1 && value <= 8 ? (int)value : 1;
    }
    return 1;
}

bool fut_image_orientation_swaps(int orientation)
{
    return orientations[orientation - 1].swap;
}

void fut_image_place_rows(fut_image *image, int orientation, int64_t first_row, int64_t rows, const uint8_t *rgb)
{
    const bool swap = orientations[orientation - 1].swap;
    const bool flip_x = orientations[orientation - 1].flip_x;
    const bool flip_y = orientations[orientation - 1].flip_y;
    const int64_t row_bytes = 3 * image->width;
    const int64_t step_x = flip_x ? -3 : 3;                 /* in the upright image, one pixel along its x ... */
    const int64_t step_y = flip_y ? -row_bytes : row_bytes; /* ... and along its y, in stored order */
    uint8_t *origin = image->rgb + (flip_x ? row_bytes - 3 : 0) + (flip_y ? (image->height - 1) * row_bytes : 0);

    if (!swap) {
        for (int64_t row = 0; row < rows; row++) {
            const uint8_t *from = rgb + row * row_bytes;
            uint8_t *to = origin + (first_row + row) * step_y;
            if (!flip_x) {
                memcpy(to, from, (size_t)row_bytes);
                continue;
            }
            for (int64_t x = 0; x < image->width; x++, from += 3, to += step_x)
                memcpy(to, from, 3);
        }
        return;
    }
    const int64_t stored_width = image->height;
    for (int64_t x = 0; x < stored_width; x++) {
        const uint8_t *from = rgb + 3 * x;
        uint8_t *to = origin + x * step_y + first_row * step_x;
        for (int64_t row = 0; row < rows; row++, from += 3 * stored_width, to += step_x)
            memcpy(to, from, 3);
    }
}

fut_status fut_image_turn_upright(fut_image *image, int orientation, const fut_image_limits *limits)
{
    if (orientation == 1) return FUT_OK;
    FUT_TRY(fut_image_check_size(image->width, image->height, 3 * image->width * image->height, limits));
    bool swap = fut_image_orientation_swaps(orientation);
    fut_image upright = {0};
    FUT_TRY(fut_image_create(swap ? image->height : image->width, swap ? image->width : image->height, &upright));
    fut_image_place_rows(&upright, orientation, 0, image->height, image->rgb);
    fut_image_fini(image);
    *image = upright;
    return FUT_OK;
}

/* --- parts --- */

static void keep_center(int64_t side, double fraction, int64_t *start_out, int64_t *kept_out)
{
    int64_t kept = (int64_t)floor(fraction * (double)side + 0.5);
    *kept_out = kept < 1 ? 1 : kept > side ? side : kept;
    *start_out = (side - *kept_out) / 2;
}

fut_image_rect fut_image_crop_center(const fut_image *image, double fraction)
{
    fut_image_rect rect;
    keep_center(image->width, fraction, &rect.x, &rect.width);
    keep_center(image->height, fraction, &rect.y, &rect.height);
    return rect;
}

void fut_image_mirror(int64_t height, int64_t width, uint8_t *rgb)
{
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

void fut_image_paste(fut_image *dst, const fut_image *src, int64_t x, int64_t y)
{
    int64_t x0 = x < 0 ? 0 : x;
    int64_t y0 = y < 0 ? 0 : y;
    int64_t x1 = x + src->width < dst->width ? x + src->width : dst->width;
    int64_t y1 = y + src->height < dst->height ? y + src->height : dst->height;
    if (x0 >= x1) return;
    for (int64_t row = y0; row < y1; row++)
        memcpy(dst->rgb + 3 * (row * dst->width + x0), src->rgb + 3 * ((row - y) * src->width + (x0 - x)), (size_t)(3 * (x1 - x0)));
}
