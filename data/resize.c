/* Pillow's resampling for 8-bit channels (libImaging/Resample.c), triangle filter: horizontally into rows of bytes, then vertically.
 * Weights are fixed point with 22 bits, so the result does not depend on the machine. */
#include "core/base/mem.h"
#include "data/image.h"

#include <math.h>
#include <string.h>

enum { PRECISION_BITS = 32 - 8 - 2 };

/* Output i is the sum over k < count[i] of weight[i * taps + k] * input[first[i] + k]. */
typedef struct filter {
    int64_t taps;
    int64_t *first, *count; /* [size] */
    int32_t *weight;        /* [size, taps] */
} filter;

static void filter_fini(filter *f)
{
    fut_mem_free(f->first);
    fut_mem_free(f->count);
    fut_mem_free(f->weight);
}

static double triangle(double x)
{
    double distance = fabs(x);
    return distance < 1.0 ? 1.0 - distance : 0.0;
}

/* The weights of output i, normalised to sum 1 in double, then rounded (precompute_coeffs, normalize_coeffs_8bpc). */
static void fill_weights(filter *f, int64_t i, int64_t in_size, double scale, double filter_scale, double *exact)
{
    double center = ((double)i + 0.5) * scale;
    int64_t first = (int64_t)(center - filter_scale + 0.5);
    int64_t end = (int64_t)(center + filter_scale + 0.5);
    if (first < 0) first = 0;
    if (end > in_size) end = in_size;
    double sum = 0;
    for (int64_t k = 0; k < end - first; k++) {
        exact[k] = triangle(((double)(k + first) - center + 0.5) * (1.0 / filter_scale));
        sum += exact[k];
    }
    for (int64_t k = 0; k < end - first; k++) {
        double normal = sum != 0.0 ? exact[k] / sum : exact[k];
        f->weight[i * f->taps + k] = (int32_t)(0.5 + normal * (1 << PRECISION_BITS));
    }
    f->first[i] = first;
    f->count[i] = end - first;
}

static fut_status filter_init(filter *f, int64_t in_size, int64_t out_size)
{
    fut_status st = FUT_OK;
    double *exact = NULL;
    double scale = (double)in_size / (double)out_size;
    double filter_scale = scale < 1.0 ? 1.0 : scale; /* also the half width, the triangle's being 1 */
    f->taps = (int64_t)ceil(filter_scale) * 2 + 1;
    FUT_TRY_GOTO(FUT_NEW_ARRAY(out_size, &f->first), out);
    FUT_TRY_GOTO(FUT_NEW_ARRAY(out_size, &f->count), out);
    FUT_TRY_GOTO(FUT_NEW_ARRAY(out_size * f->taps, &f->weight), out);
    FUT_TRY_GOTO(FUT_NEW_ARRAY(f->taps, &exact), out);
    for (int64_t i = 0; i < out_size; i++)
        fill_weights(f, i, in_size, scale, filter_scale, exact);
out:
    fut_mem_free(exact);
    return st;
}

/* Compiled for AVX2 too and picked at load time; being of whole numbers, both give the same bytes. The thread sanitizer is not yet up
 * when the loader picks. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__SANITIZE_THREAD__)
#define FUT_FOR_WIDE_VECTORS __attribute__((target_clones("avx2", "default")))
#else
#define FUT_FOR_WIDE_VECTORS
#endif

enum {
    PIECE_BYTES = 32,    /* of a row at a time: constant, so that the compiler makes vectors of the loops over it */
    BAND_ROWS = 32,      /* resized horizontally at a time, small enough for the nearest cache */
    BAND_BYTES = 3 * 32, /* a column of a band */
};
_Static_assert(BAND_BYTES == 3 * BAND_ROWS && BAND_BYTES % PIECE_BYTES == 0, "a band's column is whole pieces");

/* Rounded; the weights are positive, so only the top needs a clamp. */
static inline uint8_t from_fixed(int32_t sum)
{
    int32_t level = (sum + (1 << (PRECISION_BITS - 1))) >> PRECISION_BITS;
    return (uint8_t)(level > 255 ? 255 : level);
}

/* The weighted sum of `count` rows of row_bytes, a multiple of PIECE_BYTES; its first out_bytes go to out. */
FUT_FOR_WIDE_VECTORS static void mix_rows(const uint8_t *restrict rows, int64_t row_bytes, const int32_t *weight, int64_t count,
                                          int64_t out_bytes, uint8_t *restrict out)
{
    for (int64_t i = 0; i < out_bytes; i += PIECE_BYTES) {
        int32_t sums[PIECE_BYTES] = {0};
        uint8_t piece[PIECE_BYTES];
        for (int64_t k = 0; k < count; k++)
            for (int j = 0; j < PIECE_BYTES; j++)
                sums[j] += rows[k * row_bytes + i + j] * weight[k];
        for (int j = 0; j < PIECE_BYTES; j++)
            piece[j] = from_fixed(sums[j]);
        memcpy(out + i, piece, (size_t)(out_bytes - i < PIECE_BYTES ? out_bytes - i : PIECE_BYTES));
    }
}

/* Pixel (row, column) of `from` to (column, row) of `to`. */
static void transpose(const uint8_t *restrict from, int64_t from_row_bytes, int64_t rows, int64_t columns, uint8_t *restrict to,
                      int64_t to_row_bytes)
{
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < columns; c++)
            memcpy(to + c * to_row_bytes + 3 * r, from + r * from_row_bytes + 3 * c, 3);
}

/* Resize rows [height, in_width] horizontally into out [height, out_width]: a band of rows is transposed, so that columns are mixed like
 * rows, and transposed back. */
static fut_status resize_across(const uint8_t *rows, int64_t row_bytes, int64_t in_width, int64_t height, int64_t out_width, uint8_t *out,
                                int64_t out_row_bytes)
{
    fut_status st = FUT_OK;
    filter f = {0};
    uint8_t *band = NULL;  /* [in_width, BAND_ROWS] */
    uint8_t *mixed = NULL; /* [out_width, BAND_ROWS] */
    FUT_TRY_GOTO(filter_init(&f, in_width, out_width), out);
    FUT_TRY_GOTO(FUT_NEW_ARRAY(in_width * BAND_BYTES, &band), out);
    FUT_TRY_GOTO(FUT_NEW_ARRAY(out_width * BAND_BYTES, &mixed), out);
    for (int64_t y = 0; y < height; y += BAND_ROWS) {
        const int64_t left = height - y < BAND_ROWS ? height - y : BAND_ROWS;
        transpose(rows + y * row_bytes, row_bytes, left, in_width, band, BAND_BYTES);
        for (int64_t x = 0; x < out_width; x++)
            mix_rows(band + f.first[x] * BAND_BYTES, BAND_BYTES, f.weight + x * f.taps, f.count[x], BAND_BYTES, mixed + x * BAND_BYTES);
        transpose(mixed, BAND_BYTES, out_width, left, out + y * out_row_bytes, out_row_bytes);
    }
out:
    filter_fini(&f);
    fut_mem_free(band);
    fut_mem_free(mixed);
    return st;
}

static fut_status resize_down(const uint8_t *rows, int64_t row_bytes, int64_t in_height, fut_image *out)
{
    filter f = {0};
    fut_status st = filter_init(&f, in_height, out->height);
    for (int64_t y = 0; y < out->height && st == FUT_OK; y++)
        mix_rows(rows + f.first[y] * row_bytes, row_bytes, f.weight + y * f.taps, f.count[y], 3 * out->width,
                 out->rgb + 3 * y * out->width);
    filter_fini(&f);
    return st;
}

fut_status fut_image_resize(const fut_image *src, const fut_image_rect *crop_or_null, int64_t width, int64_t height, fut_image *image_out)
{
    const fut_image_rect crop = crop_or_null != NULL ? *crop_or_null : (fut_image_rect){0, 0, src->width, src->height};
    FUT_CHECK(crop.x >= 0 && crop.y >= 0 && crop.width > 0 && crop.height > 0 && crop.width <= src->width - crop.x &&
                  crop.height <= src->height - crop.y,
              FUT_ERR_SHAPE, "the crop %lld x %lld at (%lld, %lld) is not inside the image of %lld x %lld", (long long)crop.width,
              (long long)crop.height, (long long)crop.x, (long long)crop.y, (long long)src->width, (long long)src->height);
    fut_status st = FUT_OK;
    fut_image image = {0};
    uint8_t *middle = NULL; /* [crop.height, width], rows padded to whole pieces */
    FUT_TRY_GOTO(fut_image_create(width, height, &image), out);
    const int64_t middle_bytes = (3 * width + PIECE_BYTES - 1) / PIECE_BYTES * PIECE_BYTES;
    FUT_TRY_GOTO(FUT_NEW_ARRAY(middle_bytes * crop.height, &middle), out);
    const uint8_t *first_row = src->rgb + 3 * (crop.y * src->width + crop.x);
    FUT_TRY_GOTO(resize_across(first_row, 3 * src->width, crop.width, crop.height, width, middle, middle_bytes), out);
    FUT_TRY_GOTO(resize_down(middle, middle_bytes, crop.height, &image), out);
    *image_out = image;
    image = (fut_image){0};
out:
    fut_image_fini(&image);
    fut_mem_free(middle);
    return st;
}
