/* Crop, resize, paste and encode. */
#include "core/base/mem.h"
#include "tests/unit/image_samples.h"

static void test_create(void **state)
{
    (void)state;
    fut_image image = {0};
    assert_int_equal(fut_image_create(0, 5, &image), FUT_ERR_SHAPE);
    assert_int_equal(fut_image_create(INT64_MAX / 2, 5, &image), FUT_ERR_SHAPE);
    assert_null(image.rgb);
    fut_trail_clear();
    fut_image_fini(&image);
    assert_int_equal(fut_image_create(4, 5, &image), FUT_OK);
    for (int i = 0; i < 3 * 4 * 5; i++)
        assert_int_equal(image.rgb[i], 0);
    fut_image_fini(&image);
    fut_image_fini(&image);
}

static void test_crop_center(void **state)
{
    (void)state;
    static const struct {
        int64_t width, height;
        double fraction;
        fut_image_rect rect;
    } cases[] = {
        {250, 250, 0.6, {50, 50, 150, 150}}, {250, 250, 1.0, {0, 0, 250, 250}}, {92, 112, 0.5, {23, 28, 46, 56}},
        {101, 77, 0.6, {20, 15, 61, 46}},    {5, 1, 0.5, {1, 0, 3, 1}},         {3, 3, 0.01, {1, 1, 1, 1}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const fut_image image = {.width = cases[i].width, .height = cases[i].height};
        fut_image_rect rect = fut_image_crop_center(&image, cases[i].fraction);
        assert_memory_equal(&rect, &cases[i].rect, sizeof rect);
    }
}

static void test_resize(void **state)
{
    (void)state;
    fut_image drawn = {0};
    fut_image part = {0};
    fut_image flat = {0};
    sample_draw(30, 20, &drawn);
    /* A crop at its own size is a copy. */
    assert_int_equal(fut_image_resize(&drawn, &(fut_image_rect){7, 5, 11, 9}, 11, 9, &part), FUT_OK);
    for (int64_t y = 0; y < 9; y++)
        assert_memory_equal(part.rgb + 33 * y, drawn.rgb + 3 * ((y + 5) * 30 + 7), 33);
    fut_image_fini(&part);
    /* What is outside the crop has no influence on it. */
    assert_int_equal(fut_image_resize(&drawn, &(fut_image_rect){7, 5, 11, 9}, 4, 23, &part), FUT_OK);
    memset(drawn.rgb, 77, 3 * 30 * 5);
    memset(drawn.rgb + 3 * 30 * 14, 77, 3 * 30 * 6);
    assert_int_equal(fut_image_resize(&drawn, &(fut_image_rect){7, 5, 11, 9}, 4, 23, &flat), FUT_OK);
    assert_memory_equal(part.rgb, flat.rgb, 3 * 4 * 23);
    fut_image_fini(&flat);
    /* White stays white at any scale: the weights sum to one. */
    memset(drawn.rgb, 255, 3 * 30 * 20);
    for (int64_t side = 1; side < 70; side++) {
        assert_int_equal(fut_image_resize(&drawn, NULL, side, 71 - side, &flat), FUT_OK);
        for (int64_t i = 0; i < 3 * side * (71 - side); i++)
            assert_int_equal(flat.rgb[i], 255);
        fut_image_fini(&flat);
    }
    fut_image_fini(&part);
    fut_image_fini(&drawn);
}

static void test_resize_refuses(void **state)
{
    (void)state;
    fut_image drawn = {0};
    fut_image out = {0};
    sample_draw(30, 20, &drawn);
    const fut_image_rect outside[] = {{-1, 0, 5, 5}, {0, 0, 31, 5}, {0, 16, 5, 5}, {0, 0, 0, 5}, {INT64_MAX, 0, 5, 5}};
    for (size_t i = 0; i < sizeof outside / sizeof *outside; i++)
        assert_int_equal(fut_image_resize(&drawn, &outside[i], 4, 4, &out), FUT_ERR_SHAPE);
    assert_int_equal(fut_image_resize(&drawn, NULL, 0, 4, &out), FUT_ERR_SHAPE);
    assert_int_equal(fut_image_resize(&(fut_image){0}, NULL, 4, 4, &out), FUT_ERR_SHAPE);

    int64_t held = fut_mem_bytes();
    fut_status st = FUT_ERR_NO_MEMORY;
    for (int n = 1; st != FUT_OK; n++) {
        fut_mem_fail_after(n);
        st = fut_image_resize(&drawn, NULL, 7, 9, &out);
        assert_true(st == FUT_OK || (st == FUT_ERR_NO_MEMORY && fut_mem_bytes() == held && out.rgb == NULL));
    }
    fut_mem_fail_after(0);
    fut_trail_clear();
    fut_image_fini(&out);
    fut_image_fini(&drawn);
}

static void test_paste(void **state)
{
    (void)state;
    fut_image tile = {0};
    assert_int_equal(fut_image_create(3, 2, &tile), FUT_OK);
    memset(tile.rgb, 200, 3 * 3 * 2);
    for (int64_t x = -5; x <= 9; x++)
        for (int64_t y = -4; y <= 8; y++) {
            fut_image sheet = {0};
            assert_int_equal(fut_image_create(8, 6, &sheet), FUT_OK);
            fut_image_paste(&sheet, &tile, x, y);
            for (int64_t i = 0; i < 8 * 6; i++) {
                bool covered = i % 8 >= x && i % 8 < x + 3 && i / 8 >= y && i / 8 < y + 2;
                assert_int_equal(sheet.rgb[3 * i + 1], covered ? 200 : 0);
            }
            fut_image_fini(&sheet);
        }
    fut_image_fini(&tile);
}

static void test_encode(void **state)
{
    (void)state;
    fut_image drawn = {0};
    fut_image back = {0};
    fut_str png = {0};
    fut_str jpeg = {0};
    sample_draw(57, 33, &drawn);
    assert_int_equal(fut_str_printf(&png, "x"), FUT_OK); /* appended to, not replaced */
    assert_int_equal(fut_image_encode_png(&drawn, &png), FUT_OK);
    assert_int_equal(fut_image_decode((const uint8_t *)png.data + 1, png.length - 1, NULL, NULL, &back), FUT_OK);
    assert_memory_equal(back.rgb, drawn.rgb, 3 * 57 * 33);
    fut_image_fini(&back);

    assert_int_equal(fut_image_encode_jpeg(&drawn, 95, &jpeg), FUT_OK);
    assert_int_equal(fut_image_decode((const uint8_t *)jpeg.data, jpeg.length, NULL, NULL, &back), FUT_OK);
    for (int64_t i = 0; i < 3 * 57 * 33; i++)
        assert_true(abs(back.rgb[i] - drawn.rgb[i]) <= 8);
    fut_image_fini(&back);

    size_t length = jpeg.length;
    assert_int_equal(fut_image_encode_jpeg(&drawn, 0, &jpeg), FUT_ERR_SHAPE);
    assert_int_equal(fut_image_encode_jpeg(&(fut_image){0}, 90, &jpeg), FUT_ERR_SHAPE);
    assert_int_equal(fut_image_encode_png(&(fut_image){0}, &jpeg), FUT_ERR_SHAPE);
    assert_int_equal(jpeg.length, length);
    fut_trail_clear();
    fut_image_fini(&drawn);
    fut_str_fini(&png);
    fut_str_fini(&jpeg);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_create),         cmocka_unit_test(test_crop_center), cmocka_unit_test(test_resize),
        cmocka_unit_test(test_resize_refuses), cmocka_unit_test(test_paste),       cmocka_unit_test(test_encode),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
