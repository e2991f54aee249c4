/* fut_image_resize against Pillow, on drawn patterns (make_resize.py). */
#include "core/base/file.h"
#include "core/base/mem.h"
#include "data/image.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint8_t pattern(const char *name, int64_t w, int64_t h, int64_t x, int64_t y, int64_t c)
{
    if (strcmp(name, "noise") == 0) {
        uint32_t n = (uint32_t)((y * w + x) * 3 + c + 1) * 2654435761U;
        n = (n ^ n >> 15) * 2246822519U;
        return (uint8_t)(n >> 24);
    }
    if (strcmp(name, "checker") == 0) return (x / 3 + y / 2 + c) % 2 != 0 ? 255 : 0;
    return (uint8_t)((x * (c + 1) + y * (3 - c)) * 255 / (3 * (w + h)));
}

static void draw(const char *name, int64_t w, int64_t h, fut_image *image)
{
    assert_int_equal(fut_image_create(w, h, image), FUT_OK);
    for (int64_t i = 0; i < 3 * w * h; i++)
        image->rgb[i] = pattern(name, w, h, i / 3 % w, i / 3 / w, i % 3);
}

static void test_equals_pillow(void **state)
{
    (void)state;
    fut_str cases = {0};
    fut_str expected = {0};
    assert_int_equal(fut_file_read(FUT_TEST_SOURCE_DIR "/tests/golden/resize/cases.tsv", 1 << 20, &cases), FUT_OK);
    assert_int_equal(fut_file_read(FUT_TEST_SOURCE_DIR "/tests/golden/resize/cases.bin", 1 << 24, &expected), FUT_OK);
    size_t at = 0;
    int64_t unequal = 0;
    int count = 0;
    char *rest = NULL;
    for (char *line = strtok_r(cases.data, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest), count++) {
        char name[16];
        long w, h, x, y, cw, ch, ow, oh;
        assert_int_equal(sscanf(line, "%15s %ld %ld %ld %ld %ld %ld %ld %ld", name, &w, &h, &x, &y, &cw, &ch, &ow, &oh), 9);
        fut_image source = {0};
        fut_image result = {0};
        draw(name, w, h, &source);
        assert_int_equal(fut_image_resize(&source, &(fut_image_rect){x, y, cw, ch}, ow, oh, &result), FUT_OK);
        assert_int_equal(result.width, ow);
        assert_int_equal(result.height, oh);
        for (int64_t i = 0; i < 3 * ow * oh; i++) {
            int difference = abs(result.rgb[i] - (uint8_t)expected.data[at + (size_t)i]);
            if (difference > 1) fail_msg("%s: byte %lld differs by %d levels", line, (long long)i, difference);
            unequal += difference != 0;
        }
        at += (size_t)(3 * ow * oh);
        fut_image_fini(&source);
        fut_image_fini(&result);
    }
    assert_int_equal(at, expected.length);
    print_message("%d cases, %zu bytes, %.3f %% equal\n", count, at, 100.0 * (double)((int64_t)at - unequal) / (double)at);
    /* The same integer arithmetic on the same weights: Pillow's bytes, not merely near them. */
    assert_int_equal(unequal, 0);
    fut_str_fini(&cases);
    fut_str_fini(&expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_equals_pillow)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
