/* Immediate kernels on activations: images in, import and export of plain NCHW, addition. */
#include "core/backend/cpu/cpu_impl.h"

#include <string.h>

static uint16_t bf16_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    if (value != value) return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static float f32_of(uint16_t half)
{
    uint32_t bits = (uint32_t)half << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static void store(void *act, int64_t at, bool bf16, float value)
{
    if (bf16)
        ((uint16_t *)act)[at] = bf16_of(value);
    else
        ((float *)act)[at] = value;
}

static float load(const void *act, int64_t at, bool bf16)
{
    return bf16 ? f32_of(((const uint16_t *)act)[at]) : ((const float *)act)[at];
}

enum { LEVELS = 256 };

/* Every value an image can have, in f64, so that the pass over pixels is a look-up. */
static void fill_levels(const double mean[3], const double std[3], float value[3][LEVELS], uint16_t half[3][LEVELS])
{
    for (int c = 0; c < 3; c++)
        for (int level = 0; level < LEVELS; level++) {
            value[c][level] = (float)((level / 255.0 - mean[c]) / std[c]);
            half[c][level] = bf16_of(value[c][level]);
        }
}

fut_status fut_cpu_images(fut_backend *bk, fut_shape4 shape, fut_dtype dtype, const uint8_t *rgb, const double mean[3], const double std[3],
                          void *act, fut_stream *s)
{
    (void)s;
    const fut_cpu *cpu = fut_cpu_of(bk);
    float value[3][LEVELS];
    uint16_t half[3][LEVELS];
    FUT_TRY(fut_cpu_check_dtype(bk, "images", dtype, FUT_F32));
    FUT_CHECK(shape.c == 3, FUT_ERR_SHAPE, "images: %lld channels, must be 3", (long long)shape.c);
    fill_levels(mean, std, value, half);
    int64_t rows = shape.n * shape.h, plane = shape.h * shape.w;
#pragma omp parallel for num_threads(cpu->threads) schedule(static)
    for (int64_t row = 0; row < rows; row++) {
        const uint8_t *from = rgb + row * shape.w * 3;
        int64_t at = row / shape.h * 3 * plane + row % shape.h * shape.w;
        for (int c = 0; c < 3; c++, at += plane) {
            if (dtype == FUT_BF16)
                for (int64_t i = 0; i < shape.w; i++)
                    ((uint16_t *)act)[at + i] = half[c][from[3 * i + c]];
            else
                for (int64_t i = 0; i < shape.w; i++)
                    ((float *)act)[at + i] = value[c][from[3 * i + c]];
        }
    }
    return FUT_OK;
}

/* An activation as `groups` runs of [pixels, lanes]: planes, or with 3 channels plain planes of 1 lane. */
typedef struct act_runs {
    int64_t groups, groups_an_image, pixels, lanes;
} act_runs;

static act_runs runs_of(const fut_cpu *cpu, fut_shape4 shape)
{
    int64_t lanes = shape.c == 3 ? 1 : cpu->simd->lanes, groups = (shape.c + lanes - 1) / lanes;
    return (act_runs){shape.n * groups, groups, shape.h * shape.w, lanes};
}

fut_status fut_cpu_act_import(fut_backend *bk, fut_shape4 shape, fut_dtype dtype, fut_dtype real, const void *plain, void *act,
                              fut_stream *s)
{
    (void)s;
    const fut_cpu *cpu = fut_cpu_of(bk);
    FUT_TRY(fut_cpu_check_dtype(bk, "act_import", dtype, real));
    act_runs runs = runs_of(cpu, shape);
#pragma omp parallel for num_threads(cpu->threads) schedule(static)
    for (int64_t g = 0; g < runs.groups; g++)
        for (int64_t lane = 0; lane < runs.lanes; lane++) {
            int64_t c = g % runs.groups_an_image * runs.lanes + lane;
            const float *from = (const float *)plain + (g / runs.groups_an_image * shape.c + c) * runs.pixels;
            for (int64_t i = 0; i < runs.pixels; i++)
                store(act, (g * runs.pixels + i) * runs.lanes + lane, dtype == FUT_BF16, c < shape.c ? from[i] : 0);
        }
    return FUT_OK;
}

fut_status fut_cpu_act_export(fut_backend *bk, fut_shape4 shape, fut_dtype dtype, fut_dtype real, const void *act, void *plain,
                              fut_stream *s)
{
    (void)s;
    const fut_cpu *cpu = fut_cpu_of(bk);
    FUT_TRY(fut_cpu_check_dtype(bk, "act_export", dtype, real));
    act_runs runs = runs_of(cpu, shape);
#pragma omp parallel for num_threads(cpu->threads) schedule(static)
    for (int64_t k = 0; k < shape.n * shape.c; k++) {
        int64_t c = k % shape.c, g = k / shape.c * runs.groups_an_image + c / runs.lanes;
        for (int64_t i = 0; i < runs.pixels; i++)
            ((float *)plain)[k * runs.pixels + i] = load(act, (g * runs.pixels + i) * runs.lanes + c % runs.lanes, dtype == FUT_BF16);
    }
    return FUT_OK;
}

fut_status fut_cpu_act_add(fut_backend *bk, fut_shape4 shape, fut_dtype dtype, const void *x, void *y, fut_stream *s)
{
    (void)s;
    const fut_cpu *cpu = fut_cpu_of(bk);
    fut_cpu_layout layout;
    FUT_TRY(fut_cpu_check_dtype(bk, "act_add", dtype, FUT_F32));
    FUT_TRY(fut_cpu_layout_of(bk, "act_add", shape, dtype, &layout));
#pragma omp parallel for num_threads(cpu->threads) schedule(static)
    for (int64_t i = 0; i < layout.planes; i++)
        cpu->simd->act_add(layout.pixels * layout.lanes, layout.bf16, fut_cpu_plane(x, &layout, i), fut_cpu_plane_out(y, &layout, i));
    return FUT_OK;
}
