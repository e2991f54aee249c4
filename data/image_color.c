/* Light and colour. Loops run over blocks of a constant number of pixels, so that the compiler makes vectors of them. */
#include "data/image_adjust.h"
#include "data/image_impl.h"

#include <string.h>

enum { BLOCK = 32, BLOCK_BYTES = 3 * BLOCK };

/* Change up to BLOCK pixels. */
typedef void change(uint8_t rgb[BLOCK_BYTES], const void *payload);

/* Every block of the picture; the last one, shorter, in a copy. */
static inline void over_blocks(fut_image *image, change *apply, const void *payload)
{
    size_t bytes = (size_t)(3 * image->height * image->width);
    size_t at = 0;
    for (; at + BLOCK_BYTES <= bytes; at += BLOCK_BYTES)
        apply(image->rgb + at, payload);
    if (at == bytes) return;
    uint8_t rest[BLOCK_BYTES] = {0};
    memcpy(rest, image->rgb + at, bytes - at);
    apply(rest, payload);
    memcpy(image->rgb + at, rest, bytes - at);
}

/* ---- luma ---- */

/* libImaging/Convert.c, rgb2l. */
static inline void luma_of(const uint8_t rgb[BLOCK_BYTES], uint8_t luma_out[BLOCK])
{
    for (int i = 0; i < BLOCK; i++)
        luma_out[i] = (uint8_t)((rgb[3 * i] * 19595 + rgb[3 * i + 1] * 38470 + rgb[3 * i + 2] * 7471 + 32768) >> 16);
}

static inline void spread(const uint8_t luma[BLOCK], uint8_t rgb_out[BLOCK_BYTES])
{
    for (int i = 0; i < BLOCK; i++)
        memset(rgb_out + 3 * i, luma[i], 3);
}

FUT_FOR_WIDE_VECTORS static void gray_block(uint8_t rgb[BLOCK_BYTES], const void *payload)
{
    (void)payload;
    uint8_t luma[BLOCK];
    luma_of(rgb, luma);
    spread(luma, rgb);
}

void fut_image_grayscale(fut_image *image)
{
    over_blocks(image, gray_block, NULL);
}

/* ---- from + factor * (level - from): libImaging/Blend.c ---- */

static inline uint8_t blend(uint8_t level, uint8_t from, float factor)
{
    float mixed = (float)from + factor * (float)(level - from);
    mixed = mixed < 0.0F ? 0.0F : mixed;
    return (uint8_t)(int32_t)(mixed > 255.0F ? 255.0F : mixed);
}

typedef struct blending {
    uint8_t from;
    float factor;
} blending;

FUT_FOR_WIDE_VECTORS static void blend_block(uint8_t rgb[BLOCK_BYTES], const void *payload)
{
    const blending how = *(const blending *)payload;
    for (int i = 0; i < BLOCK_BYTES; i++)
        rgb[i] = blend(rgb[i], how.from, how.factor);
}

FUT_FOR_WIDE_VECTORS static void saturate_block(uint8_t rgb[BLOCK_BYTES], const void *payload)
{
    const float factor = *(const float *)payload;
    uint8_t luma[BLOCK];
    uint8_t from[BLOCK_BYTES];
    luma_of(rgb, luma);
    spread(luma, from);
    for (int i = 0; i < BLOCK_BYTES; i++)
        rgb[i] = blend(rgb[i], from[i], factor);
}

void fut_image_brightness(fut_image *image, double factor)
{
    over_blocks(image, blend_block, &(blending){.from = 0, .factor = (float)factor});
}

void fut_image_saturation(fut_image *image, double factor)
{
    over_blocks(image, saturate_block, &(float){(float)factor});
}

FUT_FOR_WIDE_VECTORS static int64_t luma_sum(const uint8_t rgb[BLOCK_BYTES])
{
    uint8_t luma[BLOCK];
    int32_t sum = 0;
    luma_of(rgb, luma);
    for (int i = 0; i < BLOCK; i++)
        sum += luma[i];
    return sum;
}

/* int(mean + 0.5), as ImageEnhance.Contrast takes it. */
static uint8_t mean_luma(const fut_image *image)
{
    int64_t pixels = image->height * image->width;
    int64_t sum = 0;
    int64_t at = 0;
    for (; at + BLOCK <= pixels; at += BLOCK)
        sum += luma_sum(image->rgb + 3 * at);
    uint8_t rest[BLOCK_BYTES] = {0};
    memcpy(rest, image->rgb + 3 * at, (size_t)(3 * (pixels - at)));
    sum += luma_sum(rest);
    return (uint8_t)((2 * sum + pixels) / (2 * pixels));
}

void fut_image_contrast(fut_image *image, double factor)
{
    over_blocks(image, blend_block, &(blending){.from = mean_luma(image), .factor = (float)factor});
}

/* ---- hue ---- */

/* Place on the colour circle in sixths, 0 <= h < 6 or a rounding beyond: _rgb_to_hsv. */
static inline float hue_of(float r, float g, float b, float most, float range)
{
    float divisor = range == 0.0F ? 1.0F : range;
    float from_r = (g - b) / divisor;
    float from_g = 2.0F + (b - r) / divisor;
    float from_b = 4.0F + (r - g) / divisor;
    float h = most == g ? from_g : from_b;
    h = most == r ? from_r : h;
    return h < 0.0F ? h + 6.0F : h;
}

/* v - v s clamp(min(k, 4 - k), 0, 1) with k = n + h modulo 6: _hsv_to_rgb without its table. n is 5 for red, 3 for green, 1 for blue. */
static inline uint8_t channel_of(float n, float h, float most, float range)
{
    float k = n + h;
    k = k >= 12.0F ? k - 12.0F : k;
    k = k >= 6.0F ? k - 6.0F : k;
    float dip = k < 4.0F - k ? k : 4.0F - k;
    dip = dip < 0.0F ? 0.0F : dip;
    dip = dip > 1.0F ? 1.0F : dip;
    return (uint8_t)(int32_t)((most - range * dip) * (255.999F / 255.0F)); /* as a float in [0, 1] becomes a byte there */
}

FUT_FOR_WIDE_VECTORS static void hue_block(uint8_t rgb[BLOCK_BYTES], const void *payload)
{
    const float turn = *(const float *)payload; /* in sixths, 0 <= turn < 6 */
    float r[BLOCK], g[BLOCK], b[BLOCK];
    uint8_t red[BLOCK], green[BLOCK], blue[BLOCK];
    for (int i = 0; i < BLOCK; i++) {
        r[i] = rgb[3 * i];
        g[i] = rgb[3 * i + 1];
        b[i] = rgb[3 * i + 2];
    }
    for (int i = 0; i < BLOCK; i++) {
        float most = r[i] > g[i] ? r[i] : g[i];
        float least = r[i] < g[i] ? r[i] : g[i];
        most = b[i] > most ? b[i] : most;
        least = b[i] < least ? b[i] : least;
        float h = hue_of(r[i], g[i], b[i], most, most - least) + turn;
        red[i] = channel_of(5.0F, h, most, most - least);
        green[i] = channel_of(3.0F, h, most, most - least);
        blue[i] = channel_of(1.0F, h, most, most - least);
    }
    for (int i = 0; i < BLOCK; i++) {
        rgb[3 * i] = red[i];
        rgb[3 * i + 1] = green[i];
        rgb[3 * i + 2] = blue[i];
    }
}

void fut_image_hue(fut_image *image, double turn)
{
    over_blocks(image, hue_block, &(float){(float)(turn < 0 ? 6 * (turn + 1) : 6 * turn)});
}
