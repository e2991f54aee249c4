/* Small picture files made on the spot, for the tests of the decoders. */
#ifndef FUT_TESTS_UNIT_IMAGE_SAMPLES_H
#define FUT_TESTS_UNIT_IMAGE_SAMPLES_H

#include "core/base/str.h"
#include "data/image.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jpeglib.h>
#include <webp/encode.h>

/* Every pixel another, smooth enough for a JPEG. */
static inline void sample_draw(int64_t width, int64_t height, fut_image *image)
{
    assert_int_equal(fut_image_create(width, height, image), FUT_OK);
    for (int64_t y = 0; y < height; y++)
        for (int64_t x = 0; x < width; x++) {
            uint8_t *pixel = image->rgb + 3 * (y * width + x);
            pixel[0] = (uint8_t)(200 * x / width + 10);
            pixel[1] = (uint8_t)(200 * y / height + 20);
            pixel[2] = (uint8_t)(100 * (x + y) / (width + height) + 60);
        }
}

static inline void sample_append(fut_str *file, const void *bytes, size_t length)
{
    assert_int_equal(fut_str_append(file, bytes, length), FUT_OK);
}

static inline void sample_append_u32be(fut_str *file, uint32_t value)
{
    uint8_t bytes[4] = {(uint8_t)(value >> 24), (uint8_t)(value >> 16), (uint8_t)(value >> 8), (uint8_t)value};
    sample_append(file, bytes, 4);
}

static inline void sample_append_u32le(fut_str *file, uint32_t value)
{
    uint8_t bytes[4] = {(uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value >> 16), (uint8_t)(value >> 24)};
    sample_append(file, bytes, 4);
}

static inline uint32_t sample_crc32(const uint8_t *bytes, size_t length)
{
    uint32_t crc = 0xffffffff;
    for (size_t i = 0; i < length; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
    }
    return ~crc;
}

/* A JPEG with `scans` passes: 1 is baseline; else one for the means, then one for each coefficient of each channel, as far as they go. */
static inline void sample_jpeg(const fut_image *image, int scans, fut_str *file)
{
    struct jpeg_compress_struct cinfo;
    struct jpeg_error_mgr errors;
    unsigned char *bytes = NULL;
    unsigned long length = 0;
    jpeg_scan_info script[1 + 3 * 63] = {{.comps_in_scan = 3, .component_index = {0, 1, 2}}};
    for (int i = 1; i < 1 + 3 * 63; i++)
        script[i] = (jpeg_scan_info){.comps_in_scan = 1, .component_index = {(i - 1) / 63}, .Ss = (i - 1) % 63 + 1, .Se = (i - 1) % 63 + 1};
    cinfo.err = jpeg_std_error(&errors);
    jpeg_create_compress(&cinfo);
    jpeg_mem_dest(&cinfo, &bytes, &length);
    cinfo.image_width = (JDIMENSION)image->width;
    cinfo.image_height = (JDIMENSION)image->height;
    cinfo.input_components = 3;
    cinfo.in_color_space = JCS_RGB;
    jpeg_set_defaults(&cinfo);
    if (scans > 1) {
        cinfo.scan_info = script;
        cinfo.num_scans = scans;
    }
    jpeg_start_compress(&cinfo, TRUE);
    while (cinfo.next_scanline < cinfo.image_height) {
        JSAMPROW row = image->rgb + 3 * (int64_t)cinfo.next_scanline * image->width;
        jpeg_write_scanlines(&cinfo, &row, 1);
    }
    jpeg_finish_compress(&cinfo);
    jpeg_destroy_compress(&cinfo);
    sample_append(file, bytes, length);
    free(bytes);
}

static inline void sample_webp(const fut_image *image, bool lossless, fut_str *file)
{
    uint8_t *bytes = NULL;
    int width = (int)image->width;
    int height = (int)image->height;
    size_t length = lossless ? WebPEncodeLosslessRGB(image->rgb, width, height, 3 * width, &bytes)
                             : WebPEncodeRGB(image->rgb, width, height, 3 * width, 90, &bytes);
    assert_true(length > 0);
    sample_append(file, bytes, length);
    WebPFree(bytes);
}

static inline void sample_ppm(const fut_image *image, fut_str *file)
{
    assert_int_equal(fut_str_printf(file, "P6\n# drawn\n%lld %lld\n255\n", (long long)image->width, (long long)image->height), FUT_OK);
    sample_append(file, image->rgb, (size_t)(3 * image->width * image->height));
}

/* File header, 40-byte info header and palette (BGRX); the pixels are the caller's to append. */
static inline void sample_bmp_header(uint32_t width, int32_t height, uint32_t bits, uint32_t compression, const uint32_t *palette,
                                     uint32_t colors, fut_str *file)
{
    const uint32_t pixels = 14 + 40 + 4 * colors;
    const uint32_t words[] = {pixels, 40, width, (uint32_t)height, 1 | bits << 16, compression, 0, 0, 0, compression == 3 ? 0 : colors, 0};
    sample_append(file, "BM\0\0\0\0\0\0\0\0", 10);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        sample_append_u32le(file, words[i]);
    for (uint32_t i = 0; i < colors; i++)
        sample_append_u32le(file, palette[i]);
}

#endif
