/* data/augment: what is drawn depends on seed, step and position only. */
#include "data/augment.h"
#include "tests/support/support.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

enum { HEIGHT = 3, WIDTH = 5, BYTES = HEIGHT * WIDTH * 3 };

static const fut_opt_names flip_list = {.count = 1, .index = {0}};

static void fill(uint8_t *rgb)
{
    for (int i = 0; i < BYTES; i++)
        rgb[i] = (uint8_t)i;
}

static bool is_flipped(uint64_t seed, int64_t step, int64_t position)
{
    uint8_t rgb[BYTES];
    uint8_t plain[BYTES];
    uint8_t mirrored[BYTES];
    fill(rgb);
    fill(plain);
    for (int y = 0; y < HEIGHT; y++)
        for (int x = 0; x < WIDTH; x++)
            memcpy(mirrored + (y * WIDTH + x) * 3, plain + (y * WIDTH + WIDTH - 1 - x) * 3, 3);
    fut_augment_apply(&flip_list, seed, step, position, HEIGHT, WIDTH, rgb);
    bool flipped = memcmp(rgb, mirrored, BYTES) == 0;
    assert_true(flipped || memcmp(rgb, plain, BYTES) == 0);
    return flipped;
}

static void the_list_of_names_holds_flip(void **state)
{
    (void)state;
    assert_string_equal(fut_augment_names[0], "flip");
    for (int i = 0; fut_augment_names[i] != NULL; i++)
        for (int j = 0; j < i; j++)
            assert_int_not_equal(fut_augment_types[i]->stream, fut_augment_types[j]->stream);
}

static void half_of_the_images_are_mirrored(void **state)
{
    (void)state;
    int64_t flipped = 0;
    for (int64_t step = 0; step < 100; step++)
        for (int64_t position = 0; position < 100; position++)
            flipped += is_flipped(1, step, position);
    assert_true(fabs((double)flipped - 5000) < 4 * 50); /* 4 deviations of 10,000 fair coins */
}

/* Over each of the three numbers alone the coin is fair and not the same as over another: no key is left out. */
static void each_part_of_the_key_counts(void **state)
{
    (void)state;
    int64_t flipped[3] = {0};
    int64_t equal[3] = {0};
    for (int64_t i = 0; i < 1000; i++) {
        bool by[3] = {is_flipped((uint64_t)i, 5, 5), is_flipped(5, i, 5), is_flipped(5, 5, i)};
        for (int k = 0; k < 3; k++) {
            flipped[k] += by[k];
            equal[k] += by[k] == by[(k + 1) % 3];
        }
    }
    for (int k = 0; k < 3; k++) {
        assert_true(fabs((double)flipped[k] - 500) < 4 * 16);
        assert_true(fabs((double)equal[k] - 500) < 4 * 16);
    }
}

static void the_same_key_draws_the_same(void **state)
{
    (void)state;
    for (int64_t i = 0; i < 100; i++)
        assert_int_equal(is_flipped(7, i, 3 * i), is_flipped(7, i, 3 * i));
    /* Bits of seed 0, step 0, positions 0.. as first released: runs made then must replay. */
    char drawn[33] = {0};
    for (int i = 0; i < 32; i++)
        drawn[i] = is_flipped(0, 0, i) ? '1' : '0';
    assert_string_equal(drawn, "01000111100100100111111001000111");
}

static void an_empty_list_changes_nothing(void **state)
{
    (void)state;
    uint8_t rgb[BYTES];
    uint8_t plain[BYTES];
    const fut_opt_names none = {0};
    fill(rgb);
    fill(plain);
    for (int64_t i = 0; i < 20; i++)
        fut_augment_apply(&none, 0, i, i, HEIGHT, WIDTH, rgb);
    assert_memory_equal(rgb, plain, BYTES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_list_of_names_holds_flip),  cmocka_unit_test(half_of_the_images_are_mirrored),
        cmocka_unit_test(each_part_of_the_key_counts),   cmocka_unit_test(the_same_key_draws_the_same),
        cmocka_unit_test(an_empty_list_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
