/* Netpbm: P1 to P6, plain and binary, any maxval up to 65535. Samples become round(value * 255 / maxval), halves to even as in Pillow. */
#include "core/base/mem.h"
#include "data/image_impl.h"

#include <math.h>
#include <string.h>

typedef struct pnm_reader {
    const uint8_t *at, *end;
    bool plain;
    int64_t channels; /* 1 or 3; bitmaps are read apart */
    int64_t width, height, maxval;
    uint8_t *levels; /* [maxval + 1] */
} pnm_reader;

enum { NUMBER_DIGITS_MAX = 10, SAMPLE_MAX = 65535 };

static bool is_blank(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Past blanks and comments, which run from '#' to the end of the line. */
static void skip_blanks(pnm_reader *r)
{
    while (r->at < r->end && (is_blank(*r->at) || *r->at == '#')) {
        if (*r->at++ != '#') continue;
        while (r->at < r->end && *r->at != '\n' && *r->at != '\r')
            r->at++;
    }
}

static fut_status read_number(pnm_reader *r, const char *what, int64_t max, int64_t *value_out)
{
    skip_blanks(r);
    FUT_CHECK(r->at < r->end, FUT_ERR_DATA, "damaged PNM: ends before its %s", what);
    int64_t value = 0;
    int digits = 0;
    for (; r->at < r->end && *r->at >= '0' && *r->at <= '9' && digits <= NUMBER_DIGITS_MAX; r->at++, digits++)
        value = 10 * value + (*r->at - '0');
    bool ended = r->at == r->end || is_blank(*r->at) || *r->at == '#';
    FUT_CHECK(digits > 0 && digits <= NUMBER_DIGITS_MAX && ended, FUT_ERR_DATA, "damaged PNM: its %s is not a number", what);
    FUT_CHECK(value <= max, FUT_ERR_DATA, "damaged PNM: its %s %lld is over %lld", what, (long long)value, (long long)max);
    *value_out = value;
    return FUT_OK;
}

static fut_status read_header(pnm_reader *r, bool bitmap, const fut_image_limits *limits)
{
    FUT_CHECK(r->at < r->end && (is_blank(*r->at) || *r->at == '#'), FUT_ERR_DATA, "not a JPEG, PNG, WebP, BMP or PNM image");
    FUT_TRY(read_number(r, "width", INT32_MAX, &r->width));
    FUT_TRY(read_number(r, "height", INT32_MAX, &r->height));
    r->maxval = 1;
    if (!bitmap) FUT_TRY(read_number(r, "maxval", SAMPLE_MAX, &r->maxval));
    FUT_CHECK(r->maxval > 0, FUT_ERR_DATA, "damaged PNM: its maxval is 0");
    if (!r->plain) {
        FUT_CHECK(r->at < r->end, FUT_ERR_DATA, "damaged PNM: ends before its pixels");
        r->at++; /* exactly one blank, then bytes */
    }
    return fut_image_check_size(r->width, r->height, SAMPLE_MAX + 1, limits);
}

/* A bitmap's 1 is black. */
static fut_status read_bitmap(pnm_reader *r, fut_image *image)
{
    int64_t row_bytes = (r->width + 7) / 8;
    FUT_CHECK(r->plain || r->end - r->at >= row_bytes * r->height, FUT_ERR_DATA, "damaged PNM: %lld of %lld bytes of pixels",
              (long long)(r->end - r->at), (long long)(row_bytes * r->height));
    uint8_t *to = image->rgb;
    for (int64_t y = 0; y < r->height; y++) {
        for (int64_t x = 0; x < r->width; x++, to += 3) {
            bool black = false;
            if (r->plain) {
                skip_blanks(r);
                FUT_CHECK(r->at < r->end, FUT_ERR_DATA, "damaged PNM: ends at row %lld of %lld", (long long)y, (long long)r->height);
                FUT_CHECK(*r->at == '0' || *r->at == '1', FUT_ERR_DATA, "damaged PNM: a pixel that is neither 0 nor 1");
                black = *r->at++ == '1';
            } else {
                black = (r->at[y * row_bytes + x / 8] >> (7 - x % 8) & 1) != 0;
            }
            memset(to, black ? 0 : 255, 3);
        }
    }
    return FUT_OK;
}

static fut_status read_samples(pnm_reader *r, fut_image *image)
{
    const int64_t count = r->width * r->height * r->channels;
    const int64_t sample_bytes = r->maxval < 256 ? 1 : 2;
    FUT_CHECK(r->plain || r->end - r->at >= count * sample_bytes, FUT_ERR_DATA, "damaged PNM: %lld of %lld bytes of pixels",
              (long long)(r->end - r->at), (long long)(count * sample_bytes));
    for (int64_t i = 0; i < count; i++) {
        int64_t value = 0;
        if (r->plain) {
            FUT_TRY(read_number(r, "sample", r->maxval, &value));
        } else {
            value = sample_bytes == 1 ? r->at[i] : (int64_t)fut_load_u16be(r->at + 2 * i);
            if (value > r->maxval) value = r->maxval;
        }
        uint8_t level = r->levels[value];
        if (r->channels == 3)
            image->rgb[i] = level;
        else
            memset(image->rgb + 3 * i, level, 3);
    }
    return FUT_OK;
}

fut_status fut_image_decode_pnm(const uint8_t *bytes, size_t length, const fut_image_limits *limits, fut_image *image_out)
{
    fut_status st = FUT_OK;
    fut_image image = {0};
    const int kind = bytes[1] - '0'; /* 1..3 plain, 4..6 binary; bits, gray, colour */
    const bool bitmap = kind == 1 || kind == 4;
    pnm_reader r = {.at = bytes + 2, .end = bytes + length, .plain = kind <= 3, .channels = kind == 3 || kind == 6 ? 3 : 1};
    FUT_TRY(read_header(&r, bitmap, limits));
    /* A short file is told before its claimed size is allocated: no pixel takes less than an eighth of a byte. */
    FUT_CHECK(r.end - r.at >= r.width * r.height * r.channels / 8, FUT_ERR_DATA, "damaged PNM: %lld bytes for %lld x %lld pixels",
              (long long)(r.end - r.at), (long long)r.width, (long long)r.height);
    FUT_TRY_GOTO(fut_image_create(r.width, r.height, &image), out);
    FUT_TRY_GOTO(FUT_NEW_ARRAY(r.maxval + 1, &r.levels), out);
    for (int64_t v = 0; v <= r.maxval; v++)
        r.levels[v] = (uint8_t)rint((double)v / (double)r.maxval * 255);
    FUT_TRY_GOTO(bitmap ? read_bitmap(&r, &image) : read_samples(&r, &image), out);
    *image_out = image;
    image = (fut_image){0};
out:
    fut_mem_free(r.levels);
    fut_image_fini(&image);
    return st;
}
