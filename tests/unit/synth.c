/* data/synth: the same seed draws the same files, people differ, folders are not overwritten, an interrupted run is noticed. */
#include "data/synth.h"
#include "core/base/file.h"
#include "core/base/mem.h"
#include "data/image.h"
#include "tests/support/support.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static fut_image draw(uint64_t seed, int64_t person, int64_t image, int64_t size)
{
    fut_image out = {0};
    FUT_TEST_OK(fut_synth_draw(seed, person, image, size, &out));
    assert_int_equal(out.width, size);
    assert_int_equal(out.height, size);
    return out;
}

/* Mean absolute difference in levels. */
static double difference(const fut_image *a, const fut_image *b)
{
    double sum = 0;
    int64_t n = a->width * a->height * 3;
    for (int64_t i = 0; i < n; i++)
        sum += abs(a->rgb[i] - b->rgb[i]);
    return sum / (double)n;
}

static void the_same_numbers_draw_the_same_picture(void **state)
{
    (void)state;
    fut_image a = draw(3, 7, 2, 64);
    fut_image b = draw(3, 7, 2, 64);
    fut_image other_seed = draw(4, 7, 2, 64);
    fut_image other_person = draw(3, 8, 2, 64);
    fut_image other_image = draw(3, 7, 3, 64);
    assert_memory_equal(a.rgb, b.rgb, 64 * 64 * 3);
    assert_true(difference(&a, &other_seed) > 10);
    assert_true(difference(&a, &other_person) > 10);
    assert_true(difference(&a, &other_image) > 10);
    fut_image_fini(&a);
    fut_image_fini(&b);
    fut_image_fini(&other_seed);
    fut_image_fini(&other_person);
    fut_image_fini(&other_image);
    assert_int_equal(fut_mem_bytes(), 0);
}

static void every_size_is_drawn(void **state)
{
    (void)state;
    static const int64_t sizes[] = {FUT_SYNTH_SIZE_MIN, 17, 111, 300};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        fut_image a = draw(0, 5, 0, sizes[i]);
        fut_image_fini(&a);
    }
    /* The large picture shrunk is the small one, noise aside. */
    fut_image large = draw(0, 0, 0, 256);
    fut_image small = draw(0, 0, 0, 64);
    fut_image shrunk = {0};
    FUT_TEST_OK(fut_image_resize(&large, NULL, 64, 64, &shrunk));
    assert_true(difference(&small, &shrunk) < 6);
    fut_image_fini(&large);
    fut_image_fini(&small);
    fut_image_fini(&shrunk);
}

/* Euclidean distance of the pixels as a verifier: equal error rate over all pairs. */
static double pixel_error_rate(int64_t people, int64_t images, int64_t size)
{
    enum { BINS = 2000 };
    int64_t n = people * images;
    int64_t dim = size * size * 3;
    uint8_t *pixels = calloc((size_t)(n * dim), 1);
    assert_non_null(pixels);
    for (int64_t i = 0; i < n; i++) {
        fut_image a = draw(0, i / images, i % images, size);
        memcpy(pixels + i * dim, a.rgb, (size_t)dim);
        fut_image_fini(&a);
    }
    int64_t histogram[2][BINS] = {{0}};
    int64_t count[2] = {0};
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < i; j++) {
            int64_t square = 0;
            for (int64_t k = 0; k < dim; k++) {
                int d = pixels[i * dim + k] - pixels[j * dim + k];
                square += d * d;
            }
            int same = i / images == j / images;
            histogram[same][(int)(sqrt((double)square / (double)dim) / 255 * (BINS - 1))]++;
            count[same]++;
        }
    free(pixels);
    /* Raise the threshold until as many different pairs are taken as same ones are refused. */
    int64_t taken = 0;
    int64_t refused = count[1];
    for (int bin = 0; (double)taken / (double)count[0] < (double)refused / (double)count[1]; bin++) {
        taken += histogram[0][bin];
        refused -= histogram[1][bin];
    }
    return (double)refused / (double)count[1];
}

static void comparing_pixels_tells_little(void **state)
{
    (void)state;
    double rate = pixel_error_rate(40, 5, 28);
    print_message("equal error rate of a pixel distance: %.3f\n", rate);
    assert_true(rate > 0.30);
    assert_true(rate < 0.50); /* yet people are not noise */
}

static int64_t count_entries(const char *path)
{
    DIR *dir = opendir(path);
    assert_non_null(dir);
    int64_t n = 0;
    for (const struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir))
        n++;
    (void)closedir(dir);
    return n - 2;
}

static void assert_same_file(const char *a, const char *b)
{
    fut_str x = {0};
    fut_str y = {0};
    FUT_TEST_OK(fut_file_read(a, 1 << 20, &x));
    FUT_TEST_OK(fut_file_read(b, 1 << 20, &y));
    assert_int_equal(x.length, y.length);
    assert_memory_equal(x.data, y.data, x.length);
    fut_str_fini(&x);
    fut_str_fini(&y);
}

static void writes_the_same_bytes_whatever_the_number(void **state)
{
    (void)state;
    fut_test_dir dir;
    char a[FUT_TEST_PATH_MAX];
    char b[FUT_TEST_PATH_MAX];
    fut_test_dir_create(&dir);
    for (int format = 0; format < 2; format++) {
        fut_synth_config config = {.people = 3, .images = 2, .size = 48, .seed = 9, .format = (fut_synth_format)format};
        config.dir = fut_test_dir_path(&dir, format == FUT_SYNTH_PNG ? "png/a" : "jpeg/a", a);
        FUT_TEST_OK(fut_synth_write(&config, NULL, NULL));
        assert_int_equal(count_entries(a), 3);
        config.people = 2;
        config.dir = fut_test_dir_path(&dir, format == FUT_SYNTH_PNG ? "png/b" : "jpeg/b", b);
        FUT_TEST_OK(fut_synth_write(&config, NULL, NULL));
        const char *name = format == FUT_SYNTH_PNG ? "person_0002/0002.png" : "person_0002/0002.jpg";
        char file_a[2 * FUT_TEST_PATH_MAX];
        char file_b[2 * FUT_TEST_PATH_MAX];
        (void)snprintf(file_a, sizeof file_a, "%s/%s", a, name);
        (void)snprintf(file_b, sizeof file_b, "%s/%s", b, name);
        assert_same_file(file_a, file_b);
    }
    fut_test_dir_remove(&dir);
    assert_int_equal(fut_mem_bytes(), 0);
}

static void a_png_holds_the_drawn_pixels(void **state)
{
    (void)state;
    fut_test_dir dir;
    char path[FUT_TEST_PATH_MAX];
    fut_test_dir_create(&dir);
    fut_synth_config config = {.dir = dir.path, .people = 1, .images = 1, .size = 40, .format = FUT_SYNTH_PNG};
    FUT_TEST_OK(fut_synth_write(&config, NULL, NULL));
    fut_str bytes = {0};
    fut_image read = {0};
    FUT_TEST_OK(fut_file_read(fut_test_dir_path(&dir, "person_0001/0001.png", path), 1 << 20, &bytes));
    FUT_TEST_OK(fut_image_decode((const uint8_t *)bytes.data, bytes.length, path, NULL, &read));
    fut_image drawn = draw(0, 0, 0, 40);
    assert_memory_equal(read.rgb, drawn.rgb, 40 * 40 * 3);
    fut_image_fini(&drawn);
    fut_image_fini(&read);
    fut_str_fini(&bytes);
    fut_test_dir_remove(&dir);
}

static void a_folder_with_something_in_it_is_refused(void **state)
{
    (void)state;
    fut_test_dir dir;
    char path[FUT_TEST_PATH_MAX];
    fut_test_dir_create(&dir);
    fut_test_write_file(fut_test_dir_path(&dir, "mine.txt", path), "x", 1);
    fut_synth_config config = {.dir = dir.path, .people = 1, .images = 1, .size = 16};
    FUT_TEST_FAILS(fut_synth_write(&config, NULL, NULL), FUT_ERR_CANT_CREATE, "not empty");
    assert_int_equal(count_entries(dir.path), 1);
    config.force = true;
    FUT_TEST_OK(fut_synth_write(&config, NULL, NULL));
    assert_int_equal(count_entries(dir.path), 2);
    config.dir = path;
    FUT_TEST_FAILS(fut_synth_write(&config, NULL, NULL), FUT_ERR_CANT_CREATE, "mine.txt");
    fut_test_dir_remove(&dir);
}

static void fail_the_next_allocations(void *context, int64_t people_done)
{
    (void)context;
    if (people_done == 1) fut_mem_fail_after(1);
}

static void an_interrupted_run_is_noticed(void **state)
{
    (void)state;
    fut_test_dir dir;
    char path[FUT_TEST_PATH_MAX];
    fut_test_dir_create(&dir);
    fut_synth_config config = {.dir = dir.path, .people = 3, .images = 1, .size = 16};
    FUT_TEST_FAILS(fut_synth_write(&config, fail_the_next_allocations, NULL), FUT_ERR_NO_MEMORY, "");
    fut_mem_fail_after(0);
    assert_true(fut_file_exists(fut_test_dir_path(&dir, FUT_SYNTH_UNFINISHED, path)));
    FUT_TEST_FAILS(fut_synth_write(&config, NULL, NULL), FUT_ERR_CANT_CREATE, "interrupted");
    config.force = true;
    FUT_TEST_OK(fut_synth_write(&config, NULL, NULL));
    assert_false(fut_file_exists(path));
    assert_int_equal(count_entries(dir.path), 3);
    fut_test_dir_remove(&dir);
    assert_int_equal(fut_mem_bytes(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_numbers_draw_the_same_picture), cmocka_unit_test(every_size_is_drawn),
        cmocka_unit_test(comparing_pixels_tells_little),          cmocka_unit_test(writes_the_same_bytes_whatever_the_number),
        cmocka_unit_test(a_png_holds_the_drawn_pixels),           cmocka_unit_test(a_folder_with_something_in_it_is_refused),
        cmocka_unit_test(an_interrupted_run_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
