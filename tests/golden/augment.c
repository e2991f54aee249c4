/* data/image_adjust.h against torchvision's functionals (make_augment.py): light and colours bit for bit, the rest within a level. */
#include "core/base/file.h"
#include "core/base/mem.h"
#include "data/image_adjust.h"
#include "tests/support/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEIGHT = 37, WIDTH = 45, BYTES = HEIGHT * WIDTH * 3 };

/* What an operation may differ by: levels, and bytes that differ at all of a case's BYTES. */
typedef struct operation {
    const char *name;
    int levels;
    int64_t unequal;
} operation;

static const operation operations[] = {
    {"grayscale", 0, 0},         {"brightness", 0, 0},    {"contrast", 0, 0},
    {"saturation", 0, 0},        {"hue", 1, BYTES / 500}, /* floats in another order */
    {"blur", 1, BYTES * 3 / 10},                          /* rounded to bytes between the passes */
    {"rotate", 1, BYTES / 25},                            /* fixed point */
};

static void run(const char *name, double first, double second, fut_image *image)
{
    void *scratch = NULL;
    FUT_TEST_OK(fut_mem_alloc(fut_image_blur_scratch_bytes(HEIGHT, WIDTH) + BYTES, 1, &scratch));
    if (strcmp(name, "grayscale") == 0) fut_image_grayscale(image);
    if (strcmp(name, "brightness") == 0) fut_image_brightness(image, first);
    if (strcmp(name, "contrast") == 0) fut_image_contrast(image, first);
    if (strcmp(name, "saturation") == 0) fut_image_saturation(image, first);
    if (strcmp(name, "hue") == 0) fut_image_hue(image, first);
    if (strcmp(name, "blur") == 0) fut_image_blur(image, (int64_t)first, second, scratch);
    if (strcmp(name, "rotate") == 0) fut_image_rotate(image, first, (uint8_t)second, scratch);
    fut_mem_free(scratch);
}

static const operation *find(const char *name)
{
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++)
        if (strcmp(operations[i].name, name) == 0) return &operations[i];
    fail_msg("no operation %s", name);
    return NULL;
}

static void compare(const char *line, const operation *op, const uint8_t *got, const uint8_t *want)
{
    int64_t unequal = 0;
    for (int64_t i = 0; i < BYTES; i++) {
        int difference = abs(got[i] - want[i]);
        if (difference > op->levels)
            fail_msg("%s: pixel (%lld, %lld) channel %lld is %d, torchvision's %d", line, (long long)(i / 3 % WIDTH),
                     (long long)(i / 3 / WIDTH), (long long)(i % 3), got[i], want[i]);
        unequal += difference != 0;
    }
    print_message("%-28s %lld of %d bytes differ\n", line, (long long)unequal, BYTES);
    assert_true(unequal <= op->unequal);
}

static void equals_torchvision(void **state)
{
    (void)state;
    fut_str picture = {0};
    fut_str lines = {0};
    fut_str expected = {0};
    fut_image image = {0};
    FUT_TEST_OK(fut_file_read(FUT_TEST_SOURCE_DIR "/tests/golden/augment/picture.bin", 1 << 20, &picture));
    FUT_TEST_OK(fut_file_read(FUT_TEST_SOURCE_DIR "/tests/golden/augment/cases.txt", 1 << 20, &lines));
    FUT_TEST_OK(fut_file_read(FUT_TEST_SOURCE_DIR "/tests/golden/augment/cases.bin", 1 << 24, &expected));
    FUT_TEST_OK(fut_image_create(WIDTH, HEIGHT, &image));
    assert_int_equal(picture.length, BYTES);
    size_t at = 0;
    char *rest = NULL;
    for (char *line = strtok_r(lines.data, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
        char name[16];
        double first = 0;
        double second = 0;
        assert_int_equal(sscanf(line, "%15s %lf %lf", name, &first, &second), 3);
        memcpy(image.rgb, picture.data, BYTES);
        run(name, first, second, &image);
        assert_true(at + BYTES <= expected.length);
        compare(line, find(name), image.rgb, (const uint8_t *)expected.data + at);
        at += BYTES;
    }
    assert_int_equal(at, expected.length);
    fut_image_fini(&image);
    fut_str_fini(&picture);
    fut_str_fini(&lines);
    fut_str_fini(&expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(equals_torchvision)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
