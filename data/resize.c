/* Pictures filtered along the rows, rounded to bytes, then along the columns: Pillow's resampling for 8-bit channels
 * (libImaging/Resample.c) with its triangle, and Gaussian blur.
 * Weights are fixed point with 22 bits, so the result does not depend on the machine. */
#include "core/base/mem.h"
#include "data/image_adjust.h"
#include "data/image_impl.h"

#include <math.h>
#include <string.h>

enum { PRECISION_BITS = 32 - 8 - 2 };

/* Output i is the sum over k < count[i] of weight[i * taps + k] * input[first[i] + k]. */
typedef struct filter {
    int64_t taps;
    int64_t *first, *count; /* [size] */
    int32_t *weight;        /* [size, taps] */
} filter;

/* The next bytes of the scratch memory, which starts aligned; sizes of its pieces come from the same function. */
static size_t piece_bytes(size_t bytes)
{
    return (bytes + FUT_MEM_ALIGN - 1) / FUT_MEM_ALIGN * FUT_MEM_ALIGN;
}

static void *carve(uint8_t **at, size_t bytes)
{
    void *piece = *at;
    *at += piece_bytes(bytes);
    return piece;
}

static size_t filter_bytes(int64_t out_size, int64_t taps)
{
    size_t n = (size_t)out_size;
    return 2 * piece_bytes(n * sizeof(int64_t)) + piece_bytes(n * (size_t)taps * sizeof(int32_t));
}

static filter filter_place(int64_t out_size, int64_t taps, uint8_t **scratch)
{
    const size_t n = (size_t)out_size;
    filter f = {.taps = taps};
    f.first = carve(scratch, n * sizeof *f.first);
    f.count = carve(scratch, n * sizeof *f.count);
    f.weight = carve(scratch, n * (size_t)taps * sizeof *f.weight);
    return f;
}

static int32_t to_fixed(double weight)
{
    return (int32_t)(0.5 + weight * (1 << PRECISION_BITS));
}

/* ---- the triangle ---- */

static double triangle(double x)
{
    double distance = fabs(x);
    return distance < 1.0 ? 1.0 - distance : 0.0;
}

/* How much wider the triangle is than one input; also its half width. */
static double triangle_width(int64_t in_size, int64_t out_size)
{
    double scale = (double)in_size / (double)out_size;
    return scale < 1.0 ? 1.0 : scale;
}

static int64_t triangle_taps(int64_t in_size, int64_t out_size)
{
    return (int64_t)ceil(triangle_width(in_size, out_size)) * 2 + 1;
}

/* The weights of output i, normalised to sum 1 in double, then rounded (precompute_coeffs, normalize_coeffs_8bpc). */
static void triangle_weights(const filter *f, int64_t i, int64_t in_size, double scale, double half_width)
{
    double center = ((double)i + 0.5) * scale;
    int64_t first = (int64_t)(center - half_width + 0.5);
    int64_t end = (int64_t)(center + half_width + 0.5);
    if (first < 0) first = 0;
    if (end > in_size) end = in_size;
    double sum = 0;
    for (int64_t k = first; k < end; k++)
        sum += triangle(((double)k - center + 0.5) * (1.0 / half_width));
    for (int64_t k = first; k < end; k++) {
        double exact = triangle(((double)k - center + 0.5) * (1.0 / half_width));
        f->weight[i * f->taps + k - first] = to_fixed(sum != 0.0 ? exact / sum : exact);
    }
    f->first[i] = first;
    f->count[i] = end - first;
}

static filter triangle_make(int64_t in_size, int64_t out_size, uint8_t **scratch)
{
    filter f = filter_place(out_size, triangle_taps(in_size, out_size), scratch);
    for (int64_t i = 0; i < out_size; i++)
        triangle_weights(&f, i, in_size, (double)in_size / (double)out_size, triangle_width(in_size, out_size));
    return f;
}

/* ---- the Gaussian: exp(-x^2 / (2 sigma^2)) over 2 radius + 1 pixels, sum 1 (torchvision's _get_gaussian_kernel1d) ---- */

static filter gauss_make(int64_t size, int64_t radius, double sigma, uint8_t **scratch)
{
    double weight[FUT_BLUR_KERNEL_MAX / 2 + 1];
    double sum = 0;
    filter f = filter_place(size, 2 * radius + 1, scratch);
    for (int64_t k = 0; k <= radius; k++) {
        weight[k] = exp(-0.5 * (double)(k * k) / (sigma * sigma));
        sum += k == 0 ? weight[k] : 2 * weight[k];
    }
    for (int64_t i = 0; i < size; i++) {
        double folded[FUT_BLUR_KERNEL_MAX] = {0}; /* what lies beyond an edge is its mirror image inside */
        int64_t first = i < radius ? 0 : i - radius;
        int64_t end = i + radius + 1 > size ? size : i + radius + 1;
        for (int64_t k = -radius; k <= radius; k++) {
            int64_t at = i + k < 0 ? -(i + k) : i + k;
            at = at < size ? at : 2 * size - 2 - at;
            folded[at - first] += weight[k < 0 ? -k : k] / sum;
        }
        for (int64_t k = 0; k < end - first; k++)
            f.weight[i * f.taps + k] = to_fixed(folded[k]);
        f.first[i] = first;
        f.count[i] = end - first;
    }
    return f;
}

/* ---- a filter over a picture ---- */

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

/* The weighted sum of `taps` rows: with a constant in its place the inner loop unrolls and the outer one becomes vectors. */
static inline __attribute__((always_inline)) void mix_few_rows(const uint8_t *restrict rows, int64_t row_bytes, const int32_t *weight,
                                                               int taps, int64_t out_bytes, uint8_t *restrict out)
{
    for (int64_t i = 0; i < out_bytes; i++) {
        int32_t sum = 0;
        for (int k = 0; k < taps; k++)
            sum += rows[k * row_bytes + i] * weight[k];
        out[i] = from_fixed(sum);
    }
}

/* Of any number of rows, each a multiple of PIECE_BYTES long. */
static inline __attribute__((always_inline)) void mix_many_rows(const uint8_t *restrict rows, int64_t row_bytes, const int32_t *weight,
                                                                int64_t count, int64_t out_bytes, uint8_t *restrict out)
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

/* The weighted sum of `count` rows of row_bytes, a multiple of PIECE_BYTES; its first out_bytes go to out. */
FUT_FOR_WIDE_VECTORS static void mix_rows(const uint8_t *restrict rows, int64_t row_bytes, const int32_t *weight, int64_t count,
                                          int64_t out_bytes, uint8_t *restrict out)
{
    switch (count) {
    case 1:
        mix_few_rows(rows, row_bytes, weight, 1, out_bytes, out);
        return;
    case 2:
        mix_few_rows(rows, row_bytes, weight, 2, out_bytes, out);
        return;
    case 3:
        mix_few_rows(rows, row_bytes, weight, 3, out_bytes, out);
        return;
    case 4:
        mix_few_rows(rows, row_bytes, weight, 4, out_bytes, out);
        return;
    case 5:
        mix_few_rows(rows, row_bytes, weight, 5, out_bytes, out);
        return;
    default:
        mix_many_rows(rows, row_bytes, weight, count, out_bytes, out);
    }
}

/* Pixel (row, column) of `from` to (column, row) of `to`. Four bytes are moved for three where the fourth is overwritten by the next row
 * and there is one to read. */
static void transpose(const uint8_t *restrict from, int64_t from_row_bytes, int64_t rows, int64_t columns, uint8_t *restrict to,
                      int64_t to_row_bytes)
{
    for (int64_t r = 0; r < rows; r++) {
        const uint8_t *row = from + r * from_row_bytes;
        const int64_t by_four = r < rows - 1 ? columns - 1 : 0;
        int64_t c = 0;
        for (; c < by_four; c++)
            memcpy(to + c * to_row_bytes + 3 * r, row + 3 * c, 4);
        for (; c < columns; c++)
            memcpy(to + c * to_row_bytes + 3 * r, row + 3 * c, 3);
    }
}

/* Rows [height, in_width] horizontally into out [height, out_width]: a band of rows is transposed, so that columns are mixed like rows,
 * and transposed back. */
static void filter_across(const filter *f, const uint8_t *rows, int64_t row_bytes, int64_t in_width, int64_t height, int64_t out_width,
                          uint8_t *scratch, uint8_t *out, int64_t out_row_bytes)
{
    uint8_t *band = carve(&scratch, (size_t)(in_width * BAND_BYTES));   /* [in_width, BAND_ROWS] */
    uint8_t *mixed = carve(&scratch, (size_t)(out_width * BAND_BYTES)); /* [out_width, BAND_ROWS] */
    for (int64_t y = 0; y < height; y += BAND_ROWS) {
        const int64_t left = height - y < BAND_ROWS ? height - y : BAND_ROWS;
        transpose(rows + y * row_bytes, row_bytes, left, in_width, band, BAND_BYTES);
        for (int64_t x = 0; x < out_width; x++)
            mix_rows(band + f->first[x] * BAND_BYTES, BAND_BYTES, f->weight + x * f->taps, f->count[x], BAND_BYTES, mixed + x * BAND_BYTES);
        transpose(mixed, BAND_BYTES, out_width, left, out + y * out_row_bytes, out_row_bytes);
    }
}

static void filter_down(const filter *f, const uint8_t *rows, int64_t row_bytes, int64_t out_width, int64_t out_height, uint8_t *out)
{
    for (int64_t y = 0; y < out_height; y++)
        mix_rows(rows + f->first[y] * row_bytes, row_bytes, f->weight + y * f->taps, f->count[y], 3 * out_width, out + 3 * y * out_width);
}

/* Between the two passes stand rows padded to whole pieces. */
static int64_t middle_row_bytes(int64_t width)
{
    return (3 * width + PIECE_BYTES - 1) / PIECE_BYTES * PIECE_BYTES;
}

static size_t passes_bytes(int64_t in_width, int64_t in_height, int64_t width)
{
    return piece_bytes((size_t)(middle_row_bytes(width) * in_height)) + piece_bytes((size_t)(in_width * BAND_BYTES)) +
           piece_bytes((size_t)(width * BAND_BYTES));
}

/* Both passes over a part of src; src may be written to, since the first pass is over before the second begins. */
static void filter_both(const filter *across, const filter *down, const fut_image *src, const fut_image_rect *part, int64_t width,
                        int64_t height, uint8_t *scratch, uint8_t *rgb)
{
    uint8_t *middle = carve(&scratch, (size_t)(middle_row_bytes(width) * part->height)); /* [part->height, width] */
    const uint8_t *first_row = src->rgb + 3 * (part->y * src->width + part->x);
    filter_across(across, first_row, 3 * src->width, part->width, part->height, width, scratch, middle, middle_row_bytes(width));
    filter_down(down, middle, middle_row_bytes(width), width, height, rgb);
}

size_t fut_image_resize_scratch_bytes(int64_t in_width, int64_t in_height, int64_t width, int64_t height)
{
    return filter_bytes(width, triangle_taps(in_width, width)) + filter_bytes(height, triangle_taps(in_height, height)) +
           passes_bytes(in_width, in_height, width);
}

void fut_image_resize_into(const fut_image *src, const fut_image_rect *crop, int64_t width, int64_t height, void *scratch, uint8_t *rgb)
{
    uint8_t *at = scratch;
    const filter across = triangle_make(crop->width, width, &at);
    const filter down = triangle_make(crop->height, height, &at);
    filter_both(&across, &down, src, crop, width, height, at, rgb);
}

size_t fut_image_blur_scratch_bytes(int64_t height, int64_t width)
{
    return filter_bytes(width, FUT_BLUR_KERNEL_MAX) + filter_bytes(height, FUT_BLUR_KERNEL_MAX) + passes_bytes(width, height, width);
}

void fut_image_blur(fut_image *image, int64_t kernel, double sigma, void *scratch)
{
    uint8_t *at = scratch;
    const filter across = gauss_make(image->width, kernel / 2, sigma, &at);
    const filter down = gauss_make(image->height, kernel / 2, sigma, &at);
    filter_both(&across, &down, image, &(fut_image_rect){0, 0, image->width, image->height}, image->width, image->height, at, image->rgb);
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
    void *scratch = NULL;
    FUT_TRY_GOTO(fut_image_create(width, height, &image), out);
    FUT_TRY_GOTO(fut_mem_alloc(fut_image_resize_scratch_bytes(crop.width, crop.height, width, height), 1, &scratch), out);
    fut_image_resize_into(src, &crop, width, height, scratch, image.rgb);
    *image_out = image;
    image = (fut_image){0};
out:
    fut_image_fini(&image);
    fut_mem_free(scratch);
    return st;
}
