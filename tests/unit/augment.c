/* data/augment: what is drawn depends on seed, step and position only, lies in the options' ranges, and changes what it should. */
#include "data/augment.h"
#include "core/base/mem.h"
#include "tests/support/support.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE = 64, BYTES = SIDE * SIDE * 3, DRAWS = 2000, GUARD = 64 };

/* One list, one picture, and memory for both. */
typedef struct bench {
    fut_opt_variants list;
    fut_image image;
    uint8_t plain[BYTES];
    void *scratch;
} bench;

static void set_up(bench *b, const char *list)
{
    memset(b, 0, sizeof *b);
    fut_test_make_augments(list, &b->list);
    FUT_TEST_OK(fut_augment_check(&b->list));
    FUT_TEST_OK(fut_image_create(SIDE, SIDE, &b->image));
    FUT_TEST_OK(fut_mem_alloc(fut_augment_scratch_bytes(&b->list, SIDE, SIDE), 1, &b->scratch));
}

static void tear_down(bench *b)
{
    fut_test_free_augments(&b->list);
    fut_image_fini(&b->image);
    fut_mem_free(b->scratch);
}

/* Ramps and a pattern, so that whatever is done shows. */
static void paint_pattern(bench *b)
{
    for (int i = 0; i < BYTES; i++)
        b->plain[i] = (uint8_t)(i % 3 == 0 ? 4 * (i / 3 % SIDE) : i % 3 == 1 ? 4 * (i / 3 / SIDE) : (i / 3 * 37) % 256);
}

static void paint(bench *b, uint8_t red, uint8_t green, uint8_t blue)
{
    const uint8_t rgb[3] = {red, green, blue};
    for (int i = 0; i < BYTES; i++)
        b->plain[i] = rgb[i % 3];
}

static const uint8_t *draw(bench *b, uint64_t seed, int64_t step, int64_t position)
{
    memcpy(b->image.rgb, b->plain, BYTES);
    fut_augment_apply(&b->list, seed, step, position, &b->image, b->scratch);
    return b->image.rgb;
}

static const uint8_t *pixel(const bench *b, int64_t x, int64_t y)
{
    return b->image.rgb + 3 * (y * SIDE + x);
}

/* A mean of n draws that are uniform in [min, max] lies within 4 deviations. */
static void check_uniform_mean(double sum, int n, double min, double max)
{
    double deviation = (max - min) / sqrt(12.0 * n);
    if (fabs(sum / n - (min + max) / 2) > 4 * deviation)
        fail_msg("the mean of %d draws is %g, expected %g +- %g", n, sum / n, (min + max) / 2, deviation);
}

static void check_share(int hits, int n, double p)
{
    if (fabs(hits - n * p) > 4 * sqrt(n * p * (1 - p))) fail_msg("%d of %d draws, expected %g", hits, n, n * p);
}

/* ---- the registry ---- */

static void every_row_has_a_stream_of_its_own(void **state)
{
    (void)state;
    assert_string_equal(fut_augment_choices[0]->name, "flip");
    for (int i = 0; fut_augment_choices[i] != NULL; i++) {
        const fut_augment_type *type = fut_augment_choices[i]->payload;
        assert_true(type->stream < 256);
        for (int j = 0; j < i; j++)
            assert_int_not_equal(type->stream, ((const fut_augment_type *)fut_augment_choices[j]->payload)->stream);
    }
}

/* Lists of every row alone, with a probability of 1 where it has one. */
static const char *always(int i, char text_out[128])
{
    const fut_opt_choice *choice = fut_augment_choices[i];
    bool has_p = strcmp(choice->options[0].name, "p") == 0;
    (void)snprintf(text_out, 128, "[{type: %s%s}]", choice->name, has_p ? ", p: 1" : "");
    return text_out;
}

/* The same key gives the same bytes in whatever order images come, another seed, step or position gives others; no byte outside the
 * picture is touched, and nothing is allocated. */
static void draws_depend_on_the_key_alone(void **state)
{
    (void)state;
    for (int i = 0; fut_augment_choices[i] != NULL; i++) {
        char text[128];
        bench b;
        bool has_no_draw = strcmp(fut_augment_choices[i]->name, "flip") == 0 || strcmp(fut_augment_choices[i]->name, "grayscale") == 0;
        static uint8_t seen[4][BYTES];
        set_up(&b, always(i, text));
        paint_pattern(&b);
        int64_t allocations = fut_mem_count();
        memcpy(seen[0], draw(&b, 1, 2, 3), BYTES);
        memcpy(seen[1], draw(&b, 2, 2, 3), BYTES);
        memcpy(seen[2], draw(&b, 1, 3, 3), BYTES);
        memcpy(seen[3], draw(&b, 1, 2, 4), BYTES);
        assert_memory_equal(draw(&b, 1, 2, 3), seen[0], BYTES);
        for (int k = 1; k < 4 && !has_no_draw; k++)
            assert_memory_not_equal(seen[0], seen[k], BYTES);
        assert_memory_not_equal(seen[0], b.plain, BYTES);
        assert_int_equal(fut_mem_count(), allocations);
        tear_down(&b);
    }
}

/* [a, b] is a, then b: what one draws does not depend on the other. */
static void lists_are_their_parts_in_order(void **state)
{
    (void)state;
    int n = 0;
    while (fut_augment_choices[n] != NULL)
        n++;
    for (int i = 0; i < n * n; i++) {
        if (i / n == i % n) continue;
        char text[256];
        bench both;
        bench first;
        bench second;
        (void)snprintf(text, sizeof text, "[%s, %s]", fut_augment_choices[i / n]->name, fut_augment_choices[i % n]->name);
        set_up(&both, text);
        (void)snprintf(text, sizeof text, "[%s]", fut_augment_choices[i / n]->name);
        set_up(&first, text);
        (void)snprintf(text, sizeof text, "[%s]", fut_augment_choices[i % n]->name);
        set_up(&second, text);
        paint_pattern(&both);
        paint_pattern(&first);
        for (int64_t step = 0; step < 5; step++) {
            memcpy(second.plain, draw(&first, 9, step, 4), BYTES);
            assert_memory_equal(draw(&both, 9, step, 4), draw(&second, 9, step, 4), BYTES);
        }
        tear_down(&both);
        tear_down(&first);
        tear_down(&second);
    }
}

static void identity_settings_change_nothing(void **state)
{
    (void)state;
    static const char *const lists[] = {
        "[]",
        "[{type: flip, p: 0}]",
        "[{type: random_resized_crop, scale_min: 1, ratio_min: 1, ratio_max: 1}]",
        "[{type: color_jitter, p: 0}]",
        "[{type: color_jitter, p: 1, brightness: 0, contrast: 0, saturation: 0, hue: 0}]",
        "[{type: grayscale, p: 0}]",
        "[{type: blur, p: 0}]",
        "[{type: blur, p: 1, kernel: 1}]",
        "[{type: blur, p: 1, sigma_min: 0.01, sigma_max: 0.01}]",
        "[{type: rotation, p: 0}]",
        "[{type: rotation, degrees: 0}]",
        "[{type: cutout, p: 0}]",
        "[{type: cutout, p: 1, scale_min: 0, scale_max: 0}]",
    };
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        bench b;
        set_up(&b, lists[i]);
        paint_pattern(&b);
        for (int64_t step = 0; step < 20; step++)
            if (memcmp(draw(&b, 0, step, step), b.plain, BYTES) != 0) fail_msg("%s changes a picture", lists[i]);
        tear_down(&b);
    }
}

static void contradictions_are_refused(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"[{type: random_resized_crop, scale_min: 0.9, scale_max: 0.5}]", "random_resized_crop: scale_min 0.9 is above scale_max 0.5"},
        {"[flip, {type: random_resized_crop, ratio_min: 2}]", "random_resized_crop: ratio_min 2 is above ratio_max 1.33333"},
        {"[{type: blur, sigma_min: 3}]", "blur: sigma_min 3 is above sigma_max 2"},
        {"[{type: blur, kernel: 4}]", "blur: kernel 4 has no middle: use an odd one, or 0"},
        {"[{type: cutout, scale_min: 0.5}]", "cutout: scale_min 0.5 is above scale_max 0.33"},
        {"[{type: cutout, ratio_max: 0.1}]", "cutout: ratio_min 0.3 is above ratio_max 0.1"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        fut_opt_variants list;
        fut_test_make_augments(rows[i][0], &list);
        FUT_TEST_FAILS(fut_augment_check(&list), FUT_ERR_CONFIG, rows[i][1]);
        fut_test_free_augments(&list);
    }
}

/* ---- flip ---- */

static bool is_flipped(bench *b, uint64_t seed, int64_t step, int64_t position)
{
    draw(b, seed, step, position);
    bool flipped = pixel(b, 0, 0)[0] != 0;
    for (int64_t y = 0; y < SIDE; y += 9)
        for (int64_t x = 0; x < SIDE; x++)
            assert_memory_equal(pixel(b, x, y), b->plain + 3 * (y * SIDE + (flipped ? SIDE - 1 - x : x)), 3);
    return flipped;
}

static void half_of_the_images_are_mirrored(void **state)
{
    (void)state;
    bench b;
    int flipped = 0;
    set_up(&b, "[flip]");
    paint_pattern(&b);
    for (int64_t step = 0; step < 100; step++)
        for (int64_t position = 0; position < 100; position++)
            flipped += is_flipped(&b, 1, step, position);
    check_share(flipped, 10000, 0.5);
    /* Bits of seed 0, step 0, positions 0.. as first released: runs made then must replay. */
    char drawn[33] = {0};
    for (int i = 0; i < 32; i++)
        drawn[i] = is_flipped(&b, 0, 0, i) ? '1' : '0';
    assert_string_equal(drawn, "01000111100100100111111001000111");
    tear_down(&b);
}

/* Over each of the three numbers alone the coin is fair and not the same as over another: no key is left out. */
static void each_part_of_the_key_counts(void **state)
{
    (void)state;
    bench b;
    int flipped[3] = {0};
    int equal[3] = {0};
    set_up(&b, "[flip]");
    paint_pattern(&b);
    for (int64_t i = 0; i < 1000; i++) {
        bool by[3] = {is_flipped(&b, (uint64_t)i, 5, 5), is_flipped(&b, 5, i, 5), is_flipped(&b, 5, 5, i)};
        for (int k = 0; k < 3; k++) {
            flipped[k] += by[k];
            equal[k] += by[k] == by[(k + 1) % 3];
        }
    }
    for (int k = 0; k < 3; k++) {
        check_share(flipped[k], 1000, 0.5);
        check_share(equal[k], 1000, 0.5);
    }
    tear_down(&b);
}

/* ---- the ranges ---- */

/* Columns are 4 levels of red apart, rows 4 of green: the part can be read off the picture's middle. */
static void crops_keep_the_part_they_should(void **state)
{
    (void)state;
    bench b;
    double sum = 0;
    double least_x = 255;
    double most_x = 0;
    set_up(&b, "[{type: random_resized_crop, scale_min: 0.2, scale_max: 0.6}]");
    paint_pattern(&b);
    for (int i = 0; i < DRAWS; i++) {
        draw(&b, 3, i, 7);
        double width = (pixel(&b, SIDE - 8, 8)[0] - pixel(&b, 8, 8)[0]) / 4.0 * SIDE / (SIDE - 16);
        double height = (pixel(&b, 8, SIDE - 8)[1] - pixel(&b, 8, 8)[1]) / 4.0 * SIDE / (SIDE - 16);
        double scale = width * height / (SIDE * SIDE);
        double ratio = width / height;
        assert_true(scale > 0.2 - 0.03 && scale < 0.6 + 0.03);
        assert_true(ratio > 0.75 - 0.05 && ratio < 4.0 / 3 + 0.05);
        sum += scale;
        least_x = fmin(least_x, pixel(&b, 0, 0)[0]);
        most_x = fmax(most_x, pixel(&b, SIDE - 1, 0)[0]);
    }
    check_uniform_mean(sum, DRAWS, 0.2, 0.6);
    assert_true(least_x == 0 && most_x == 252); /* parts reach both edges */
    tear_down(&b);
}

/* Where no part fits in ten tries, the middle is taken. */
static void crops_that_do_not_fit_are_centred(void **state)
{
    (void)state;
    bench b;
    set_up(&b, "[{type: random_resized_crop, scale_min: 1, ratio_min: 2, ratio_max: 2}]");
    paint_pattern(&b);
    draw(&b, 0, 0, 0);
    assert_in_range(pixel(&b, 5, 0)[1], 4 * SIDE / 4 - 2, 4 * SIDE / 4 + 2);
    assert_in_range(pixel(&b, 5, SIDE - 1)[1], 3 * SIDE - 6, 3 * SIDE - 2);
    assert_int_equal(pixel(&b, 5, 5)[0], 20);
    tear_down(&b);
}

typedef struct jitter_case {
    const char *list;
    uint8_t rgb[3];
    int channel;     /* what is looked at */
    double min, max; /* of it */
} jitter_case;

static void jitters_stay_in_their_ranges(void **state)
{
    (void)state;
    static const jitter_case cases[] = {
        {"[{type: color_jitter, p: 1, brightness: 0.5, contrast: 0, saturation: 0, hue: 0}]", {100, 100, 100}, 0, 50, 150},
        {"[{type: color_jitter, p: 1, brightness: 3, contrast: 0, saturation: 0, hue: 0}]", {50, 50, 50}, 1, 0, 200},
        {"[{type: color_jitter, p: 1, brightness: 0, contrast: 0, saturation: 0.5, hue: 0}]", {76, 176, 76}, 1, 155, 197}, /* luma 135 */
        {"[{type: color_jitter, p: 1, brightness: 0, contrast: 0, saturation: 0, hue: 0.1}]", {255, 0, 0}, 1, -153, 153},  /* or blue */
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        const jitter_case *c = &cases[k];
        bench b;
        double sum = 0;
        double least = 1e9;
        double most = -1e9;
        set_up(&b, c->list);
        paint(&b, c->rgb[0], c->rgb[1], c->rgb[2]);
        for (int i = 0; i < DRAWS; i++) {
            const uint8_t *rgb = draw(&b, 5, i, 1);
            double level = c->min < 0 && rgb[2] > 0 ? -(double)rgb[2] : rgb[c->channel];
            sum += level + (level < 0 ? -0.5 : 0.5); /* rounded towards zero */
            least = fmin(least, level);
            most = fmax(most, level);
        }
        assert_true(least >= c->min - 1 && least < c->min + 0.02 * (c->max - c->min) + 1);
        assert_true(most <= c->max + 1 && most > c->max - 0.02 * (c->max - c->min) - 1);
        check_uniform_mean(sum, DRAWS, c->min, c->max);
        tear_down(&b);
    }
}

/* Brightness by 0 to 2 cuts at white, so that black after contrast and contrast after black differ: both orders come up equally often. */
static void jitters_come_in_any_order(void **state)
{
    (void)state;
    bench b;
    bench bright;
    bench contrast;
    int contrast_first = 0;
    int known = 0;
    set_up(&b, "[{type: color_jitter, p: 1, brightness: 1, contrast: 1, saturation: 0, hue: 0}]");
    set_up(&bright, "[{type: color_jitter, p: 1, brightness: 1, contrast: 0, saturation: 0, hue: 0}]");
    set_up(&contrast, "[{type: color_jitter, p: 1, brightness: 0, contrast: 1, saturation: 0, hue: 0}]");
    paint_pattern(&b);
    for (int i = 0; i < DRAWS / 4; i++) {
        static uint8_t one_way[BYTES];
        static uint8_t other_way[BYTES];
        memcpy(contrast.plain, b.plain, BYTES);
        memcpy(bright.plain, b.plain, BYTES);
        memcpy(contrast.plain, draw(&bright, 2, i, 0), BYTES);
        memcpy(one_way, draw(&contrast, 2, i, 0), BYTES);
        memcpy(contrast.plain, b.plain, BYTES);
        memcpy(bright.plain, draw(&contrast, 2, i, 0), BYTES);
        memcpy(other_way, draw(&bright, 2, i, 0), BYTES);
        draw(&b, 2, i, 0);
        bool is_one = memcmp(b.image.rgb, one_way, BYTES) == 0;
        bool is_other = memcmp(b.image.rgb, other_way, BYTES) == 0;
        assert_true(is_one || is_other);
        known += is_one != is_other;
        contrast_first += is_other && !is_one;
    }
    assert_true(known > DRAWS / 8);
    check_share(contrast_first, known, 0.5);
    tear_down(&b);
    tear_down(&bright);
    tear_down(&contrast);
}

static void a_tenth_of_the_images_is_gray(void **state)
{
    (void)state;
    bench b;
    int gray = 0;
    set_up(&b, "[grayscale]");
    paint(&b, 200, 100, 50);
    for (int i = 0; i < DRAWS; i++) {
        const uint8_t *rgb = draw(&b, 0, 0, i);
        gray += rgb[0] == 124 && rgb[1] == 124 && rgb[2] == 124; /* .299 * 200 + .587 * 100 + .114 * 50 = 124.2 */
        assert_true(rgb[0] == 124 || rgb[0] == 200);
    }
    check_share(gray, DRAWS, 0.1);
    tear_down(&b);
}

/* A column of white on black keeps its light and spreads with the sigma drawn. */
static void blurs_have_the_sigma_they_should(void **state)
{
    (void)state;
    bench b;
    double sum = 0;
    int blurred = 0;
    set_up(&b, "[{type: blur, sigma_min: 1, sigma_max: 3, kernel: 31}]");
    for (int i = 0; i < SIDE; i++)
        memset(b.plain + 3 * (i * SIDE + SIDE / 2), 255, 3);
    for (int i = 0; i < DRAWS / 4; i++) {
        double light = 0;
        double square = 0;
        draw(&b, 1, 1, i);
        for (int64_t x = 0; x < SIDE; x++) {
            light += pixel(&b, x, 20)[1];
            square += pixel(&b, x, 20)[1] * (double)((x - SIDE / 2) * (x - SIDE / 2));
        }
        assert_true(fabs(light - 255) < 8);
        if (square == 0) continue;
        double sigma = sqrt(square / light);
        assert_true(sigma > 0.93 && sigma < 3.07);
        sum += sigma;
        blurred++;
    }
    check_share(blurred, DRAWS / 4, 0.5);
    check_uniform_mean(sum, blurred, 1, 3);
    tear_down(&b);
}

/* A dot right of the middle shows by how much the picture was turned. */
static void angles_are_uniform(void **state)
{
    (void)state;
    enum { RADIUS = 24 };
    bench b;
    double sum = 0;
    double most = 0;
    set_up(&b, "[{type: rotation, degrees: 20, fill: 9}]");
    paint(&b, 9, 9, 9);
    for (int64_t y = SIDE / 2 - 2; y < SIDE / 2 + 2; y++)
        memset(b.plain + 3 * (y * SIDE + SIDE / 2 + RADIUS - 2), 209, 12);
    for (int i = 0; i < DRAWS; i++) {
        double light = 0;
        double at_x = 0;
        double at_y = 0;
        draw(&b, 8, i, 2);
        for (int64_t k = 0; k < SIDE * SIDE; k++) {
            double level = b.image.rgb[3 * k] - 9;
            light += level;
            at_x += level * ((double)(k % SIDE) - (SIDE - 1) / 2.0);
            at_y += level * ((double)k / SIDE - (double)(k % SIDE) / SIDE - (SIDE - 1) / 2.0);
        }
        double angle = -atan2(at_y / light, at_x / light) * 180 / 3.14159265358979;
        assert_true(fabs(hypot(at_x, at_y) / light - RADIUS) < 0.2);
        assert_true(fabs(angle) < 20.3);
        sum += angle;
        most = fmax(most, fabs(angle));
    }
    assert_true(most > 19);
    check_uniform_mean(sum, DRAWS, -20, 20);
    tear_down(&b);
}

/* Counter-clockwise, around the middle: a quarter turn brings the upper right corner to the upper left. */
static void a_quarter_turn_is_exact(void **state)
{
    (void)state;
    bench b;
    set_up(&b, "[{type: rotation, degrees: 180}]");
    paint_pattern(&b);
    bool found = false;
    for (int64_t i = 0; i < 5000 && !found; i++) {
        draw(&b, 0, i, 0);
        found = abs(pixel(&b, 2, 2)[0] - 4 * (SIDE - 3)) <= 2 && abs(pixel(&b, 2, 2)[1] - 8) <= 2;
        if (found) assert_true(abs(pixel(&b, 2, SIDE - 3)[0] - 8) <= 4 && abs(pixel(&b, 2, SIDE - 3)[1] - 8) <= 4);
    }
    assert_true(found);
    tear_down(&b);
}

static void cutouts_have_the_size_they_should(void **state)
{
    (void)state;
    bench b;
    int erased = 0;
    double sum = 0;
    int64_t least_x = SIDE;
    int64_t most_x = 0;
    set_up(&b, "[{type: cutout, scale_min: 0.1, scale_max: 0.2, ratio_min: 0.5, ratio_max: 2, value: 77}]");
    paint(&b, 200, 200, 200);
    for (int i = 0; i < DRAWS; i++) {
        int64_t count = 0;
        int64_t left = SIDE, right = -1, top = SIDE, bottom = -1;
        draw(&b, 4, 4, i);
        for (int64_t k = 0; k < SIDE * SIDE; k++) {
            if (b.image.rgb[3 * k] == 200) continue;
            assert_true(b.image.rgb[3 * k] == 77 && b.image.rgb[3 * k + 2] == 77);
            count++;
            left = k % SIDE < left ? k % SIDE : left;
            right = k % SIDE > right ? k % SIDE : right;
            top = k / SIDE < top ? k / SIDE : top;
            bottom = k / SIDE > bottom ? k / SIDE : bottom;
        }
        if (count == 0) continue;
        erased++;
        double ratio = (double)(bottom - top + 1) / (double)(right - left + 1);
        double scale = (double)count / (SIDE * SIDE);
        assert_int_equal(count, (right - left + 1) * (bottom - top + 1));
        assert_true(scale > 0.095 && scale < 0.207 && ratio > 0.47 && ratio < 2.13);
        sum += scale;
        least_x = left < least_x ? left : least_x;
        most_x = right > most_x ? right : most_x;
    }
    check_share(erased, DRAWS, 0.5);
    check_uniform_mean(sum, erased, 0.1, 0.2);
    assert_int_equal(least_x, 0);
    assert_int_equal(most_x, SIDE - 1);
    tear_down(&b);
}

/* Pictures whose sides are no multiple of anything, and the smallest: no byte beyond the picture or the scratch changes. */
static void odd_sizes_stay_inside(void **state)
{
    (void)state;
    static const int64_t sides[][2] = {{1, 1}, {1, 7}, {5, 3}, {16, 17}, {33, 31}};
    for (int i = 0; fut_augment_choices[i] != NULL; i++)
        for (size_t k = 0; k < sizeof sides / sizeof *sides; k++) {
            char text[128];
            fut_opt_variants list;
            fut_test_make_augments(always(i, text), &list);
            const int64_t height = sides[k][0], width = sides[k][1];
            const size_t bytes = (size_t)(3 * height * width);
            size_t scratch_bytes = fut_augment_scratch_bytes(&list, height, width);
            uint8_t *rgb = NULL;
            uint8_t *scratch = NULL;
            FUT_TEST_OK(FUT_NEW_ARRAY(bytes + GUARD, &rgb));
            FUT_TEST_OK(FUT_NEW_ARRAY(scratch_bytes + GUARD, &scratch));
            memset(rgb, 0xa5, bytes + GUARD);
            memset(scratch, 0xa5, scratch_bytes + GUARD);
            fut_image image = {.width = width, .height = height, .rgb = rgb};
            for (int64_t step = 0; step < 50; step++)
                fut_augment_apply(&list, 0, step, 0, &image, scratch);
            for (int g = 0; g < GUARD; g++)
                assert_true(rgb[bytes + (size_t)g] == 0xa5 && scratch[scratch_bytes + (size_t)g] == 0xa5);
            fut_mem_free(rgb);
            fut_mem_free(scratch);
            fut_test_free_augments(&list);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_has_a_stream_of_its_own),
        cmocka_unit_test(draws_depend_on_the_key_alone),
        cmocka_unit_test(lists_are_their_parts_in_order),
        cmocka_unit_test(identity_settings_change_nothing),
        cmocka_unit_test(contradictions_are_refused),
        cmocka_unit_test(half_of_the_images_are_mirrored),
        cmocka_unit_test(each_part_of_the_key_counts),
        cmocka_unit_test(crops_keep_the_part_they_should),
        cmocka_unit_test(crops_that_do_not_fit_are_centred),
        cmocka_unit_test(jitters_stay_in_their_ranges),
        cmocka_unit_test(jitters_come_in_any_order),
        cmocka_unit_test(a_tenth_of_the_images_is_gray),
        cmocka_unit_test(blurs_have_the_sigma_they_should),
        cmocka_unit_test(angles_are_uniform),
        cmocka_unit_test(a_quarter_turn_is_exact),
        cmocka_unit_test(cutouts_have_the_size_they_should),
        cmocka_unit_test(odd_sizes_stay_inside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
