/* Decoding: orientation, limits, damage, and the corners of the formats that the image zoo does not hold. */
#include "core/base/mem.h"
#include "tests/unit/image_samples.h"

static fut_status decode(const fut_str *file, fut_image *image)
{
    fut_trail_clear();
    return fut_image_decode((const uint8_t *)file->data, file->length, NULL, NULL, image);
}

static void assert_refused(const fut_str *file, const char *reason)
{
    fut_image image = {0};
    fut_status st = decode(file, &image);
    if (st != FUT_ERR_DATA || strstr(fut_trail_message(), reason) == NULL)
        fail_msg("status %d \"%s\", not \"%s\"", (int)st, fut_trail_message(), reason);
    assert_null(image.rgb);
    fut_trail_clear();
}

static void assert_decodes_to(const fut_str *file, int64_t width, int64_t height, const uint8_t *rgb)
{
    fut_image image = {0};
    if (decode(file, &image) != FUT_OK) fail_msg("%s", fut_trail_message());
    assert_int_equal(image.width, width);
    assert_int_equal(image.height, height);
    assert_memory_equal(image.rgb, rgb, (size_t)(3 * width * height));
    fut_image_fini(&image);
}

/* --- orientation --- */

/* TIFF, big endian, one directory with two entries, the second of which is the orientation. */
static void append_exif(fut_str *out, int orientation)
{
    sample_append(out, "MM\0*\0\0\0\x08\0\x02", 10);
    sample_append(out, "\x01\x0f\0\x02\0\0\0\x01\0\0\0\0", 12);
    uint8_t entry[12] = {0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, (uint8_t)orientation, 0, 0};
    sample_append(out, entry, sizeof entry);
    sample_append(out, "\0\0\0\0", 4);
}

static void insert(fut_str *file, size_t at, const fut_str *part)
{
    fut_str whole = {0};
    sample_append(&whole, file->data, at);
    sample_append(&whole, part->data, part->length);
    sample_append(&whole, file->data + at, file->length - at);
    fut_str_fini(file);
    *file = whole;
}

static void add_exif_to_png(fut_str *file, int orientation)
{
    enum { SIGNATURE_AND_IHDR_BYTES = 8 + 25 };
    fut_str chunk = {0};
    fut_str body = {0};
    sample_append(&body, "eXIf", 4);
    append_exif(&body, orientation);
    sample_append_u32be(&chunk, (uint32_t)body.length - 4);
    sample_append(&chunk, body.data, body.length);
    sample_append_u32be(&chunk, sample_crc32((const uint8_t *)body.data, body.length));
    insert(file, SIGNATURE_AND_IHDR_BYTES, &chunk);
    fut_str_fini(&chunk);
    fut_str_fini(&body);
}

static void add_exif_to_jpeg(fut_str *file, int orientation)
{
    fut_str marker = {0};
    fut_str exif = {0};
    append_exif(&exif, orientation);
    uint8_t head[10] = {0xff, 0xe1, 0, (uint8_t)(exif.length + 8), 'E', 'x', 'i', 'f', 0, 0};
    sample_append(&marker, head, sizeof head);
    sample_append(&marker, exif.data, exif.length);
    insert(file, 2, &marker);
    fut_str_fini(&marker);
    fut_str_fini(&exif);
}

/* RIFF: header, VP8X, the picture's own chunk, EXIF. */
static void add_exif_to_webp(fut_str *file, int64_t width, int64_t height, int orientation)
{
    fut_str whole = {0};
    fut_str exif = {0};
    append_exif(&exif, orientation);
    sample_append(&whole, "RIFF", 4);
    sample_append_u32le(&whole, (uint32_t)(4 + 18 + (file->length - 12) + 8 + exif.length));
    sample_append(&whole, "WEBPVP8X\x0a\0\0\0\x08\0\0\0", 16);
    uint8_t size[6] = {(uint8_t)(width - 1), 0, 0, (uint8_t)(height - 1), 0, 0};
    sample_append(&whole, size, sizeof size);
    sample_append(&whole, file->data + 12, file->length - 12);
    sample_append(&whole, "EXIF", 4);
    sample_append_u32le(&whole, (uint32_t)exif.length);
    sample_append(&whole, exif.data, exif.length);
    fut_str_fini(&exif);
    fut_str_fini(file);
    *file = whole;
}

/* Where the stored pixel (x, y) of a w x h picture is seen, by the words of TIFF 6.0: orientation 6 has the stored row 0 at the right and
 * column 0 at the top, and so on. */
static void seen_at(int orientation, int64_t w, int64_t h, int64_t x, int64_t y, int64_t *x_out, int64_t *y_out)
{
    const int64_t right = w - 1 - x;
    const int64_t below = h - 1 - y;
    const int64_t places[8][2] = {{x, y}, {right, y}, {right, below}, {x, below}, {y, x}, {below, x}, {below, right}, {y, right}};
    *x_out = places[orientation - 1][0];
    *y_out = places[orientation - 1][1];
}

static void check_turned(const fut_image *stored, const fut_image *upright, int orientation)
{
    assert_int_equal(upright->width, orientation >= 5 ? stored->height : stored->width);
    assert_int_equal(upright->height, orientation >= 5 ? stored->width : stored->height);
    for (int64_t y = 0; y < stored->height; y++)
        for (int64_t x = 0; x < stored->width; x++) {
            int64_t sx, sy;
            seen_at(orientation, stored->width, stored->height, x, y, &sx, &sy);
            assert_memory_equal(upright->rgb + 3 * (sy * upright->width + sx), stored->rgb + 3 * (y * stored->width + x), 3);
        }
}

static void test_orientation(void **state)
{
    (void)state;
    fut_image drawn = {0};
    sample_draw(37, 41, &drawn);
    for (int format = 0; format < 4; format++)
        for (int orientation = 1; orientation <= 8; orientation++) {
            fut_str file = {0};
            fut_image stored = {0};
            fut_image upright = {0};
            if (format == 0)
                assert_int_equal(fut_image_encode_png(&drawn, &file), FUT_OK);
            else if (format == 1)
                sample_webp(&drawn, true, &file);
            else
                sample_jpeg(&drawn, format == 2 ? 1 : 10, &file);
            assert_int_equal(decode(&file, &stored), FUT_OK);
            if (format == 0)
                add_exif_to_png(&file, orientation);
            else if (format == 1)
                add_exif_to_webp(&file, drawn.width, drawn.height, orientation);
            else
                add_exif_to_jpeg(&file, orientation);
            if (decode(&file, &upright) != FUT_OK) fail_msg("format %d orientation %d: %s", format, orientation, fut_trail_message());
            check_turned(&stored, &upright, orientation);
            fut_image_fini(&stored);
            fut_image_fini(&upright);
            fut_str_fini(&file);
        }
    fut_image_fini(&drawn);
}

/* --- limits --- */

static void png_header_only(uint32_t width, uint32_t height, fut_str *file)
{
    fut_image one = {0};
    sample_draw(1, 1, &one);
    assert_int_equal(fut_image_encode_png(&one, file), FUT_OK);
    uint8_t *header = (uint8_t *)file->data + 12; /* "IHDR", width, height, ... */
    for (int i = 0; i < 4; i++) {
        header[4 + i] = (uint8_t)(width >> (24 - 8 * i));
        header[8 + i] = (uint8_t)(height >> (24 - 8 * i));
    }
    uint32_t crc = sample_crc32(header, 17);
    for (int i = 0; i < 4; i++)
        header[17 + i] = (uint8_t)(crc >> (24 - 8 * i));
    fut_image_fini(&one);
}

static void assert_size_refused(uint32_t width, uint32_t height, const char *reason)
{
    fut_str file = {0};
    png_header_only(width, height, &file);
    int64_t peak = fut_mem_peak();
    assert_refused(&file, reason);
    assert_true(fut_mem_peak() - peak < 1 << 16); /* nothing of the claimed size was allocated */
    fut_str_fini(&file);
}

static void test_size_limits(void **state)
{
    (void)state;
    assert_size_refused(16385, 10, "a side is over the limit of 16384");
    assert_size_refused(10, 16385, "a side is over the limit of 16384");
    assert_size_refused(8001, 8000, "over the limit of 64.0 megapixels");
    fut_str bomb = {0};
    assert_int_equal(fut_str_printf(&bomb, "P6 16000 4000 255\nshort"), FUT_OK);
    int64_t peak = fut_mem_peak();
    assert_refused(&bomb, "5 bytes for 16000 x 4000 pixels");
    assert_true(fut_mem_peak() - peak < 1 << 20);
    fut_str_fini(&bomb);
}

static void test_scan_and_memory_limits(void **state)
{
    (void)state;
    fut_image drawn = {0};
    fut_image image = {0};
    fut_str many = {0};
    fut_str allowed = {0};
    sample_draw(64, 48, &drawn);
    sample_jpeg(&drawn, 101, &many);
    assert_refused(&many, "101 scans");
    sample_jpeg(&drawn, 100, &allowed);
    assert_int_equal(decode(&allowed, &image), FUT_OK);
    fut_image_fini(&image);

    fut_image_limits limits = FUT_IMAGE_LIMITS_DEFAULT;
    limits.scan_pixels = 64 * 48 * 50;
    assert_int_equal(fut_image_decode((const uint8_t *)allowed.data, allowed.length, NULL, &limits, &image), FUT_ERR_DATA);
    fut_trail_clear();
    limits = (fut_image_limits)FUT_IMAGE_LIMITS_DEFAULT;
    limits.memory_bytes = 64 * 48 * 6; /* enough for the pixels, not for a progressive file's coefficients */
    assert_int_equal(fut_image_decode((const uint8_t *)allowed.data, allowed.length, "a.jpg", &limits, &image), FUT_ERR_DATA);
    assert_non_null(strstr(fut_trail_message(), "a.jpg: 64 x 48 pixels need"));
    fut_trail_clear();
    fut_image_fini(&drawn);
    fut_str_fini(&many);
    fut_str_fini(&allowed);
}

/* --- damage --- */

enum { PNG_SAMPLE = 2, SAMPLE_COUNT = 7 };

static void make_sample(int which, const fut_image *drawn, fut_str *file)
{
    static const uint32_t gray[4] = {0, 0x404040, 0x808080, 0xffffff};
    switch (which) {
    case 0:
        sample_jpeg(drawn, 1, file);
        break;
    case 1:
        sample_jpeg(drawn, 12, file);
        break;
    case PNG_SAMPLE:
        assert_int_equal(fut_image_encode_png(drawn, file), FUT_OK);
        break;
    case 3:
        sample_webp(drawn, true, file);
        break;
    case 4:
        sample_webp(drawn, false, file);
        break;
    case 5:
        sample_ppm(drawn, file);
        break;
    default:
        sample_bmp_header(4, 4, 8, 0, gray, 4, file);
        sample_append(file, "\0\1\2\3\3\2\1\0\0\1\2\3\3\2\1\0", 16);
        break;
    }
}

static void test_every_prefix_is_refused(void **state)
{
    (void)state;
    fut_image drawn = {0};
    fut_image image = {0};
    sample_draw(24, 20, &drawn);
    for (int which = 0; which < SAMPLE_COUNT; which++) {
        fut_str file = {0};
        make_sample(which, &drawn, &file);
        /* libspng does not miss the checksum of the empty end chunk; every byte that carries anything is still needed. */
        const size_t needed = file.length - (which == PNG_SAMPLE ? 4 : 0);
        for (size_t length = 0; length < needed; length++) {
            /* In a block of its own, so that a read past the end is seen by the sanitizers. */
            uint8_t *cut = malloc(length + (length == 0));
            memcpy(cut, file.data, length);
            fut_trail_clear();
            fut_status st = fut_image_decode(cut, length, NULL, NULL, &image);
            free(cut);
            if (st != FUT_ERR_DATA) fail_msg("sample %d cut at %zu of %zu bytes: status %d", which, length, file.length, (int)st);
            assert_true(strlen(fut_trail_message()) > 0);
        }
        assert_int_equal(decode(&file, &image), FUT_OK);
        fut_image_fini(&image);
        fut_str_fini(&file);
    }
    fut_image_fini(&drawn);
}

static void test_every_flipped_bit_of_a_png_is_seen(void **state)
{
    (void)state;
    fut_image drawn = {0};
    fut_str file = {0};
    sample_draw(9, 7, &drawn);
    assert_int_equal(fut_image_encode_png(&drawn, &file), FUT_OK);
    for (size_t bit = 0; bit < 8 * file.length; bit++) {
        file.data[bit / 8] = (char)(file.data[bit / 8] ^ 1 << bit % 8);
        assert_refused(&file, "");
        file.data[bit / 8] = (char)(file.data[bit / 8] ^ 1 << bit % 8);
    }
    assert_decodes_to(&file, 9, 7, drawn.rgb);
    fut_image_fini(&drawn);
    fut_str_fini(&file);
}

static void test_every_failed_allocation_is_survived(void **state)
{
    (void)state;
    fut_image drawn = {0};
    fut_image image = {0};
    sample_draw(24, 20, &drawn);
    for (int which = 0; which < SAMPLE_COUNT; which++) {
        fut_str file = {0};
        make_sample(which, &drawn, &file);
        int64_t held = fut_mem_bytes();
        fut_status st = FUT_ERR_NO_MEMORY;
        int failures = 0;
        for (int n = 1; st != FUT_OK; n++, failures++) {
            fut_mem_fail_after(n);
            st = decode(&file, &image);
            assert_true(st == FUT_OK || st == FUT_ERR_NO_MEMORY);
            if (st != FUT_OK) assert_int_equal(fut_mem_bytes(), held);
        }
        fut_mem_fail_after(0);
        assert_true(failures > 1);
        fut_image_fini(&image);
        fut_str_fini(&file);
    }
    fut_trail_clear();
    fut_image_fini(&drawn);
}

/* --- formats --- */

static void test_recognition(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t length;
        const char *reason;
    } cases[] = {
        {"", 0, "the file is empty"},
        {"GIF89a..........", 16, "GIF is not supported"},
        {"II*\0............", 16, "TIFF is not supported"},
        {"\0\0\0\x18"
         "ftypheic....",
         16, "HEIC is not supported"},
        {"<!DOCTYPE html><html>", 21, "not a JPEG, PNG, WebP, BMP or PNM image"},
        {"P6x", 3, "not a JPEG, PNG, WebP, BMP or PNM image"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fut_str file = {0};
        sample_append(&file, cases[i].bytes, cases[i].length);
        assert_refused(&file, cases[i].reason);
        fut_str_fini(&file);
    }
}

static void assert_pnm(const char *bytes, size_t length, int64_t width, int64_t height, const uint8_t *rgb)
{
    fut_str file = {0};
    sample_append(&file, bytes, length);
    assert_decodes_to(&file, width, height, rgb);
    fut_str_fini(&file);
}

static void test_pnm(void **state)
{
    (void)state;
    assert_pnm("P1#c\n2 2\n0 1#x\n10", 17, 2, 2, (const uint8_t *)"\xff\xff\xff\0\0\0\0\0\0\xff\xff\xff");
    assert_pnm("P4 9 1\n\x7f\x00", 9, 9, 1, (const uint8_t *)"\xff\xff\xff\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xff\xff\xff");
    assert_pnm("P2 3 1 2 0 1 2", 14, 3, 1, (const uint8_t *)"\0\0\0\x80\x80\x80\xff\xff\xff"); /* 127.5 to the even 128 */
    assert_pnm("P6 1 1 65535\n\0\0\x80\x00\xff\xff", 19, 1, 1, (const uint8_t *)"\0\x80\xff");
    assert_pnm("P5 2 1 1000\n\x03\xe8\xff\xff", 16, 2, 1, (const uint8_t *)"\xff\xff\xff\xff\xff\xff");
    fut_str file = {0};
    sample_append(&file, "P3 1 1 9 1 2 10", 15);
    assert_refused(&file, "its sample 10 is over 9");
    fut_str_fini(&file);
}

static void test_bmp(void **state)
{
    (void)state;
    static const uint32_t palette[3] = {0x000000, 0xff8001, 0x0080ff}; /* 0xRRGGBB */
    fut_str file = {0};
    /* RLE4, bottom-up: row 0 a run of 1 2 1, row 1 a jump of one and two literals. */
    sample_bmp_header(3, 2, 4, 2, palette, 3, &file);
    sample_append(&file, "\3\x12\0\0\0\2\1\0\2\x22\0\1", 12);
    assert_decodes_to(&file, 3, 2,
                      (const uint8_t *)"\0\0\0\0\x80\xff\0\x80\xff"
                                       "\xff\x80\1\0\x80\xff\xff\x80\1");
    fut_str_fini(&file);
    /* RLE8 with literals, padded to 16 bits. */
    sample_bmp_header(3, 1, 8, 1, palette, 3, &file);
    sample_append(&file, "\0\3\2\1\0\0\0\1", 8);
    assert_decodes_to(&file, 3, 1, (const uint8_t *)"\0\x80\xff\xff\x80\1\0\0\0");
    file.data[file.length - 6] = 7;
    assert_refused(&file, "colour 7 of a palette of 3");
    fut_str_fini(&file);
    sample_bmp_header(3, 1, 8, 1, palette, 3, &file);
    sample_append(&file, "\4\1\0\1", 4);
    assert_refused(&file, "runs over the edge");
    fut_str_fini(&file);
    /* 16 bits 5-6-5 by bit fields, top-down: pure red over pure green, and blue. */
    sample_bmp_header(2, -2, 16, 3, (const uint32_t[]){0xf800, 0x7e0, 0x1f}, 3, &file);
    sample_append(&file, "\0\xf8\0\0\xe0\x07\x1f\0", 8);
    assert_decodes_to(&file, 2, 2, (const uint8_t *)"\xff\0\0\0\0\0\0\xff\0\0\0\xff");
    fut_str_fini(&file);
}

static void test_webp(void **state)
{
    (void)state;
    fut_image drawn = {0};
    fut_image image = {0};
    fut_str lossless = {0};
    fut_str lossy = {0};
    sample_draw(33, 18, &drawn);
    sample_webp(&drawn, true, &lossless);
    assert_decodes_to(&lossless, 33, 18, drawn.rgb);
    sample_webp(&drawn, false, &lossy);
    assert_int_equal(decode(&lossy, &image), FUT_OK);
    for (int64_t i = 0; i < 3 * 33 * 18; i++)
        assert_true(abs(image.rgb[i] - drawn.rgb[i]) < 24);
    fut_image_fini(&image);
    fut_image_fini(&drawn);
    fut_str_fini(&lossless);
    fut_str_fini(&lossy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_orientation),
        cmocka_unit_test(test_size_limits),
        cmocka_unit_test(test_scan_and_memory_limits),
        cmocka_unit_test(test_every_prefix_is_refused),
        cmocka_unit_test(test_every_flipped_bit_of_a_png_is_seen),
        cmocka_unit_test(test_every_failed_allocation_is_survived),
        cmocka_unit_test(test_recognition),
        cmocka_unit_test(test_pnm),
        cmocka_unit_test(test_bmp),
        cmocka_unit_test(test_webp),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
