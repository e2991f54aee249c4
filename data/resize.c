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

/* Rounded; the weights are positive, so only the top needs a clamp. */
static uint8_t from_fixed(int32_t sum)
{
    int32_t level = (sum + (1 << (PRECISION_BITS - 1))) >> PRECISION_BITS;
    return (uint8_t)(level > 255 ? 255 : level);
}

static void shrink_row(const filter *f, const uint8_t *restrict row, int64_t width, uint8_t *restrict out)
{
    for (int64_t x = 0; x < width; x++) {
        const uint8_t *in = row + 3 * f->first[x];
        const int32_t *weight = f->weight + x * f->taps;
        int32_t r = 0;
        int32_t g = 0;
        int32_t b = 0;
        for (int64_t k = 0; k < f->count[x]; k++) {
            r += in[3 * k] * weight[k];
            g += in[3 * k + 1] * weight[k];
            b += in[3 * k + 2] * weight[k];
        }
        out[3 * x] = from_fixed(r);
        out[3 * x + 1] = from_fixed(g);
        out[3 * x + 2] = from_fixed(b);
    }
}

/* One output row from rows [count, row_bytes]; `sums` holds [row_bytes]. */
static void mix_rows(const uint8_t *restrict rows, const int32_t *weight, int64_t count, int64_t row_bytes, int32_t *restrict sums,
                     uint8_t *restrict out)
{
    memset(sums, 0, (size_t)row_bytes * sizeof *sums);
    for (int64_t k = 0; k < count; k++) {
        const uint8_t *in = rows + k * row_bytes;
        const int32_t w = weight[k];
        for (int64_t i = 0; i < row_bytes; i++)
            sums[i] += in[i] * w;
    }
    for (int64_t i = 0; i < row_bytes; i++)
        out[i] = from_fixed(sums[i]);
}

fut_status fut_image_resize(const fut_image *src, const fut_image_rect *crop_or_null, int64_t width, int64_t height, fut_image *image_out)
{
    const fut_image_rect crop = crop_or_null != NULL ? *crop_or_null : (fut_image_rect){0, 0, src->width, src->height};
    FUT_CHECK(crop.x >= 0 && crop.y >= 0 && crop.width > 0 && crop.height > 0 && crop.width <= src->width - crop.x &&
                  crop.height <= src->height - crop.y,
              FUT_ERR_SHAPE, "the crop %lld x %lld at (%lld, %lld) is not inside the image of %lld x %lld", (long long)crop.width,
              (long long)crop.height, (long long)crop.x, (long long)crop.y, (long long)src->width, (long long)src->height);
    fut_status st = FUT_OK;
    fut_image out_image = {0};
    fut_image middle = {0}; /* [crop.height, width]: resized horizontally */
    filter across = {0};
    filter down = {0};
    int32_t *sums = NULL;
    FUT_TRY_GOTO(fut_image_create(width, height, &out_image), out);
    FUT_TRY_GOTO(fut_image_create(width, crop.height, &middle), out);
    FUT_TRY_GOTO(filter_init(&across, crop.width, width), out);
    FUT_TRY_GOTO(filter_init(&down, crop.height, height), out);
    FUT_TRY_GOTO(FUT_NEW_ARRAY(3 * width, &sums), out);
    for (int64_t y = 0; y < crop.height; y++)
        shrink_row(&across, src->rgb + 3 * ((crop.y + y) * src->width + crop.x), width, middle.rgb + 3 * y * width);
    for (int64_t y = 0; y < height; y++)
        mix_rows(middle.rgb + 3 * down.first[y] * width, down.weight + y * down.taps, down.count[y], 3 * width, sums,
                 out_image.rgb + 3 * y * width);
    *image_out = out_image;
    out_image = (fut_image){0};
out:
    fut_image_fini(&out_image);
    fut_image_fini(&middle);
    filter_fini(&across);
    filter_fini(&down);
    fut_mem_free(sums);
    return st;
}
