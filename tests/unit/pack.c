/* data/pack: what goes in comes out, in order; what is left out is listed; what cannot work is refused with the choices. */
#include "data/pack.h"
#include "core/base/file.h"
#include "core/base/mem.h"
#include "core/base/rng.h"
#include "core/base/str.h"
#include "data/image.h"
#include "tests/support/support.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SIDE = 20, SIZE = 12, PIXELS = SIZE * SIZE, IMAGE_BYTES = PIXELS * 3 };

static fut_test_dir dir;

static int make_dir(void **state)
{
    (void)state;
    char path[FUT_TEST_PATH_MAX];
    fut_test_dir_create(&dir);
    return mkdir(fut_test_dir_path(&dir, "in", path), 0700);
}

static int remove_dir(void **state)
{
    (void)state;
    fut_test_dir_remove(&dir);
    return 0;
}

static void write_in(const char *name, const void *bytes, size_t length)
{
    char path[FUT_TEST_PATH_MAX];
    char below[FUT_TEST_PATH_MAX];
    (void)snprintf(below, sizeof below, "in/%s", name);
    fut_test_dir_path(&dir, below, path);
    char *slash = strrchr(path, '/');
    *slash = '\0';
    (void)mkdir(path, 0700);
    *slash = '/';
    fut_test_write_file(path, bytes, length);
}

/* A PPM of noise around a level; different for every seed. */
static size_t make_photo(uint64_t seed, uint8_t bytes[SIDE * SIDE * 3 + 32])
{
    fut_philox rng = fut_philox_key(seed, FUT_RNG_TEST);
    int header = sprintf((char *)bytes, "P6 %d %d 255\n", SIDE, SIDE);
    for (uint64_t i = 0; i < SIDE * SIDE * 3; i++)
        bytes[(uint64_t)header + i] = (uint8_t)(fut_philox_uniform(rng, 0, i) * 255);
    return (size_t)header + SIDE * SIDE * 3;
}

static void write_photo(const char *name, uint64_t seed)
{
    uint8_t bytes[SIDE * SIDE * 3 + 32];
    size_t length = make_photo(seed, bytes);
    write_in(name, bytes, length);
}

/* What the packed image of make_photo(seed) must be. */
static void expect_image(const fut_dataset *ds, int64_t image, uint64_t seed, double crop)
{
    uint8_t bytes[SIDE * SIDE * 3 + 32];
    uint8_t got[IMAGE_BYTES];
    fut_image photo = {0};
    fut_image small = {0};
    size_t length = make_photo(seed, bytes);
    FUT_TEST_OK(fut_image_decode(bytes, length, NULL, NULL, &photo));
    fut_image_rect part = fut_image_crop_center(&photo, crop);
    FUT_TEST_OK(fut_image_resize(&photo, &part, SIZE, SIZE, &small));
    FUT_TEST_OK(fut_dataset_read(ds, image, got));
    assert_memory_equal(got, small.rgb, IMAGE_BYTES);
    fut_image_fini(&photo);
    fut_image_fini(&small);
}

static char in_path[FUT_TEST_PATH_MAX], out_path[FUT_TEST_PATH_MAX];

static fut_pack_options options(void)
{
    fut_pack_options o = {.size = SIZE, .crop = 1, .method = FUT_SPLIT_IDENTITY, .fractions = {0.5, 0.25, 0.25}, .min_images = 1};
    o.folder = fut_test_dir_path(&dir, "in", in_path);
    o.output = fut_test_dir_path(&dir, "out.h5", out_path);
    return o;
}

/* people x images photos "p<i>/<j>.ppm" with seed i * 1000 + j. */
static void write_people(int people, int images)
{
    char name[64];
    for (int i = 0; i < people; i++)
        for (int j = 0; j < images; j++) {
            (void)snprintf(name, sizeof name, "p%02d/%02d.ppm", i, j);
            write_photo(name, (uint64_t)(i * 1000 + j));
        }
}

static const char *rejects_text(void)
{
    static char text[4096];
    char path[FUT_TEST_PATH_MAX];
    fut_str read = {0};
    FUT_TEST_OK(fut_file_read(fut_test_dir_path(&dir, "out.h5.rejects.tsv", path), sizeof text - 1, &read));
    (void)snprintf(text, sizeof text, "%s", fut_str_text(&read));
    fut_str_fini(&read);
    return text;
}

/* Entries of the test's folder other than "in". */
static int count_outputs(void)
{
    int n = -1;
    DIR *d = opendir(dir.path);
    assert_non_null(d);
    for (struct dirent *e = readdir(d); e != NULL; e = readdir(d))
        n += e->d_name[0] != '.';
    (void)closedir(d);
    return n;
}

static void photos_come_back_in_order(void **state)
{
    (void)state;
    write_people(8, 5);
    for (int encoding = 0; encoding < 2; encoding++)
        for (int threads = 1; threads <= 8; threads += 7) {
            fut_pack_options o = options();
            fut_pack_report report;
            fut_dataset *ds = NULL;
            size_t length = 0;
            o.encoding = (fut_encoding)encoding;
            o.threads = threads;
            o.crop = 0.7;
            o.force = true;
            FUT_TEST_OK(fut_pack(&o, &report));
            assert_int_equal(report.n_images, 40);
            assert_int_equal(report.n_rejected, 0);
            FUT_TEST_OK(fut_dataset_open(o.output, &ds));
            for (int i = 0; i < 40; i++) {
                expect_image(ds, i, (uint64_t)(i / 5 * 1000 + i % 5), 0.7);
                assert_int_equal(fut_dataset_get_labels(ds)[i], i / 5);
            }
            assert_memory_equal(fut_dataset_get_identity_name(ds, 3, &length), "p03", 3);
            assert_int_equal(length, 3);
            assert_memory_equal(fut_dataset_get_source(ds, 21, &length), "p04/01.ppm", 10);
            assert_int_equal(length, 10);
            fut_dataset_close(&ds);
        }
    assert_int_equal(fut_mem_bytes(), 0);
}

/* Mean and deviation of the train part against a second way of computing them. */
static void moments_are_the_train_parts(void **state)
{
    (void)state;
    fut_pack_options o = options();
    fut_pack_report report;
    fut_dataset *ds = NULL;
    uint8_t rgb[IMAGE_BYTES];
    int64_t n = 0;
    write_people(8, 3);
    FUT_TEST_OK(fut_pack(&o, &report));
    FUT_TEST_OK(fut_dataset_open(o.output, &ds));
    const int64_t *train = fut_dataset_get_part(ds, FUT_PART_TRAIN, &n);
    assert_int_equal(n, 12);
    for (int c = 0; c < 3; c++) {
        double mean = 0, square = 0;
        for (int64_t i = 0; i < n; i++) {
            FUT_TEST_OK(fut_dataset_read(ds, train[i], rgb));
            for (int p = 0; p < PIXELS; p++)
                mean += rgb[3 * p + c] / 255.0 / (double)(n * PIXELS);
        }
        for (int64_t i = 0; i < n; i++) {
            FUT_TEST_OK(fut_dataset_read(ds, train[i], rgb));
            for (int p = 0; p < PIXELS; p++)
                square += pow(rgb[3 * p + c] / 255.0 - mean, 2) / (double)(n * PIXELS);
        }
        assert_true(fabs(fut_dataset_get_info(ds)->mean[c] - mean) < 1e-12);
        assert_true(fabs(fut_dataset_get_info(ds)->std[c] - sqrt(square)) < 1e-12);
    }
    fut_dataset_close(&ds);
}

static void bad_files_are_listed_and_leave_no_gap(void **state)
{
    (void)state;
    for (int encoding = 0; encoding < 2; encoding++) {
        fut_pack_options o = options();
        fut_pack_report report;
        fut_dataset *ds = NULL;
        o.encoding = (fut_encoding)encoding;
        o.force = true;
        write_people(4, 4);
        write_in("p00/00.ppm", "", 0);
        write_in("p01/02.ppm", "this is no photo", 16);
        write_in("p02/00a.ppm", "P6 20 20 255\nshort", 18);
        write_in("p03/zz\n\xff.jpg", "\xff\xd8\xff", 3);
        write_in("ghost/1.txt", "boo", 3);
        FUT_TEST_OK(fut_pack(&o, &report));
        assert_int_equal(report.n_images, 14);
        assert_int_equal(report.n_people, 4);
        assert_int_equal(report.n_rejected, 5);
        assert_int_equal(report.n_people_empty, 1);
        FUT_TEST_OK(fut_dataset_open(o.output, &ds));
        static const uint64_t seeds[] = {1, 2, 3, 1000, 1001, 1003, 2000, 2001, 2002, 2003, 3000, 3001, 3002, 3003};
        for (int i = 0; i < 14; i++)
            expect_image(ds, i, seeds[i], 1);
        fut_dataset_close(&ds);
        const char *list = rejects_text();
        assert_non_null(strstr(list, "p00/00.ppm\tempty file\n"));
        assert_non_null(strstr(list, "p01/02.ppm\t"));
        assert_non_null(strstr(list, "p03/zz\\x0a\\xff.jpg\t"));
        assert_non_null(strstr(list, "ghost\tperson left out: no usable photo\n"));
    }
    /* Packed again without bad files, no old list is left to mislead. */
    char path[FUT_TEST_PATH_MAX];
    fut_pack_options o = options();
    fut_pack_report report;
    o.force = true;
    write_people(4, 4);
    assert_int_equal(unlink(fut_test_dir_path(&dir, "in/p02/00a.ppm", path)), 0);
    assert_int_equal(unlink(fut_test_dir_path(&dir, "in/p03/zz\n\xff.jpg", path)), 0);
    assert_int_equal(unlink(fut_test_dir_path(&dir, "in/ghost/1.txt", path)), 0);
    assert_int_equal(rmdir(fut_test_dir_path(&dir, "in/ghost", path)), 0);
    FUT_TEST_OK(fut_pack(&o, &report));
    assert_string_equal(report.rejects, "");
    assert_int_equal(count_outputs(), 1);
}

static void people_with_few_photos(void **state)
{
    (void)state;
    fut_pack_options o = options();
    fut_pack_report report;
    fut_dataset *ds = NULL;
    size_t length = 0;
    write_people(5, 4);
    write_photo("lone/1.ppm", 77);
    write_photo("a few/1.ppm", 78);
    write_photo("a few/2.ppm", 79);
    write_in("p01/03.ppm", "bad", 3); /* p01 falls below the limit only after decoding */
    o.min_images = 4;
    FUT_TEST_OK(fut_pack(&o, &report));
    assert_int_equal(report.n_people, 4);
    assert_int_equal(report.n_people_left_out, 3);
    assert_int_equal(report.n_images_left_out, 1 + 2 + 3);
    FUT_TEST_OK(fut_dataset_open(o.output, &ds));
    assert_memory_equal(fut_dataset_get_identity_name(ds, 1, &length), "p02", 3);
    expect_image(ds, 4, 2000, 1);
    fut_dataset_close(&ds);
    assert_non_null(strstr(rejects_text(), "lone\tperson left out: 1 photo, --min-images 4\n"));
    assert_non_null(strstr(rejects_text(), "p01\tperson left out: 3 photos, --min-images 4\n"));
}

static void copies_are_counted(void **state)
{
    (void)state;
    fut_pack_options o = options();
    fut_pack_report report;
    write_people(4, 3);
    write_photo("p00/copy.ppm", 1);
    write_photo("p02/copy.ppm", 1001);
    FUT_TEST_OK(fut_pack(&o, &report));
    assert_int_equal(report.n_duplicates, 2);
    assert_int_equal(report.n_duplicates_across, 1);
}

static void names_survive(void **state)
{
    (void)state;
    static const char *const names[] = {"-x --y", "new\nline", "\xe5\x8f\x8c \xe5\xad\x90", "\xff\xfe\x01"};
    fut_pack_options o = options();
    fut_pack_report report;
    fut_dataset *ds = NULL;
    for (int i = 0; i < 4; i++) {
        char name[64];
        (void)snprintf(name, sizeof name, "%s/\x80 1.ppm", names[i]);
        write_photo(name, (uint64_t)i);
    }
    FUT_TEST_OK(fut_pack(&o, &report));
    FUT_TEST_OK(fut_dataset_open(o.output, &ds));
    for (int i = 0; i < 4; i++) {
        size_t length = 0;
        const char *name = fut_dataset_get_identity_name(ds, i, &length);
        assert_int_equal(length, strlen(names[i]));
        assert_memory_equal(name, names[i], length);
        assert_memory_equal(fut_dataset_get_source(ds, i, &length), names[i], strlen(names[i]));
        assert_int_equal(length, strlen(names[i]) + 8);
    }
    fut_dataset_close(&ds);
}

static void refusals_say_what_to_do(void **state)
{
    (void)state;
    char path[FUT_TEST_PATH_MAX];
    fut_pack_options o = options();
    fut_pack_report report;
    FUT_TEST_FAILS(fut_pack(&o, &report), FUT_ERR_DATA, "the folder is empty");
    write_in("loose.ppm", "x", 1);
    FUT_TEST_FAILS(fut_pack(&o, &report), FUT_ERR_DATA, "1 files but no sub-folder; put each person's photos in a sub-folder");
    write_in("p00/1.ppm", "x", 1);
    FUT_TEST_FAILS(fut_pack(&o, &report), FUT_ERR_DATA, "photos of one person only");
    write_in("p01/1.ppm", "x", 1);
    write_in("p02/1.ppm", "x", 1);
    FUT_TEST_FAILS(fut_pack(&o, &report), FUT_ERR_DATA, "none of 3 people has 1 usable photo");
    write_photo("p00/1.ppm", 1);
    FUT_TEST_FAILS(fut_pack(&o, &report), FUT_ERR_DATA, "photos of one person only");
    assert_int_equal(count_outputs(), 1); /* the list of rejects */
    o.folder = fut_test_dir_path(&dir, "gone", path);
    FUT_TEST_FAILS(fut_pack(&o, &report), FUT_ERR_NO_INPUT, "gone");
    o = options();
    fut_test_write_file(o.output, "mine", 4);
    FUT_TEST_FAILS(fut_pack(&o, &report), FUT_ERR_CANT_CREATE, "the file exists; --force replaces it");
    assert_int_equal(unlink(o.output), 0);
    o.size = 0;
    FUT_TEST_FAILS(fut_pack(&o, &report), FUT_ERR_CONFIG, "size 0");
    assert_int_equal(fut_mem_bytes(), 0);
}

static void impossible_splits_name_people_and_choices(void **state)
{
    (void)state;
    fut_pack_options o = options();
    fut_pack_report report;
    const double article[] = {0.8, 0.1, 0.1};
    o.method = FUT_SPLIT_STRATIFIED;
    memcpy(o.fractions, article, sizeof article);
    write_people(5, 12);
    write_photo("Single\nOne/1.ppm", 1);
    FUT_TEST_FAILS(fut_pack(&o, &report), FUT_ERR_DATA, "1 of 6 people have a single photo: Single\\x0aOne");
    FUT_TEST_FAILS(fut_pack(&o, &report), FUT_ERR_DATA, "--split identity keeps everyone");
    FUT_TEST_FAILS(fut_pack(&o, &report), FUT_ERR_DATA, "--min-images 2 leaves out people with fewer photos and keeps 5 of 6");
    write_photo("Single\nOne/2.ppm", 2);
    write_photo("Single\nOne/3.ppm", 3);
    FUT_TEST_FAILS(fut_pack(&o, &report), FUT_ERR_DATA, "1 of 6 people have a single photo left for val and test: Single\\x0aOne");
    assert_int_equal(count_outputs(), 0);
    o.min_images = 4;
    FUT_TEST_OK(fut_pack(&o, &report));
    assert_int_equal(report.n_people, 5);
}

/* A photo that turns out bad can make the split impossible after all. */
static void split_is_tried_again_after_decoding(void **state)
{
    (void)state;
    fut_pack_options o = options();
    fut_pack_report report;
    const double article[] = {0.8, 0.1, 0.1};
    o.method = FUT_SPLIT_STRATIFIED;
    memcpy(o.fractions, article, sizeof article);
    write_people(5, 12);
    for (int j = 0; j < 11; j++) {
        char name[32];
        (void)snprintf(name, sizeof name, "p03/%02d.ppm", j);
        write_in(name, "bad", 3);
    }
    FUT_TEST_FAILS(fut_pack(&o, &report), FUT_ERR_DATA, "1 of 5 people have a single photo: p03");
    assert_false(fut_file_exists(o.output));
    assert_non_null(strstr(rejects_text(), "p03/10.ppm\t"));
}

/* Whatever allocation fails, the error is memory's, nothing is leaked and nothing is left behind. */
static void survives_every_failed_allocation(void **state)
{
    (void)state;
    fut_pack_options o = options();
    fut_pack_report report;
    write_people(4, 3);
    fut_status st = FUT_ERR_NO_MEMORY;
    int64_t tried = 0;
    o.threads = 1;
    for (int64_t k = 1; st != FUT_OK; k++, tried++) {
        fut_mem_fail_after(k);
        st = fut_pack(&o, &report);
        fut_mem_fail_after(0);
        fut_trail_clear();
        if (st == FUT_OK) break;
        assert_int_equal(st, FUT_ERR_NO_MEMORY);
        assert_int_equal(count_outputs(), 0);
        assert_int_equal(fut_mem_bytes(), 0);
    }
    assert_true(tried > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(photos_come_back_in_order, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(moments_are_the_train_parts, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(bad_files_are_listed_and_leave_no_gap, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(people_with_few_photos, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(copies_are_counted, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(names_survive, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(refusals_say_what_to_do, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(impossible_splits_name_people_and_choices, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(split_is_tried_again_after_decoding, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(survives_every_failed_allocation, make_dir, remove_dir),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
