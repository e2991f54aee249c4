/* data/h5: what is written comes back; what is damaged, foreign or out of shape is refused by name, before libhdf5 sees it. */
#include "data/h5.h"
#include "core/base/mem.h"
#include "core/base/rng.h"
#include "tests/support/support.h"

#include <fcntl.h>
#include <hdf5.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static fut_test_dir dir;

static int make_dir(void **state)
{
    (void)state;
    fut_test_dir_create(&dir);
    return 0;
}

static int remove_dir(void **state)
{
    (void)state;
    fut_test_dir_remove(&dir);
    return 0;
}

static const float weights[2][3] = {{1, 2, 3}, {-4, 5.5F, 1e-30F}};
static const int64_t weights_dims[] = {2, 3};

/* A file with a little of everything. */
static const char *write_sample(char path[FUT_TEST_PATH_MAX])
{
    fut_h5 *h5 = NULL;
    const int64_t step = 123456789012;
    const double third = 1.0 / 3;
    const double mean[] = {0.1, 0.2, 0.3};
    const int64_t no_elements[] = {0};
    fut_test_dir_path(&dir, "sample.h5", path);
    FUT_TEST_OK(fut_h5_create(path, &h5));
    FUT_TEST_OK(fut_h5_write(h5, "/model/blocks.0.0.conv.weight", FUT_H5_F32, 2, weights_dims, weights));
    FUT_TEST_OK(fut_h5_write(h5, "/optimizer/m/blocks.0.0.conv.weight", FUT_H5_F32, 2, weights_dims, weights));
    FUT_TEST_OK(fut_h5_write(h5, "/progress/step", FUT_H5_I64, 0, NULL, &step));
    FUT_TEST_OK(fut_h5_write(h5, "/nothing", FUT_H5_U8, 1, no_elements, NULL));
    FUT_TEST_OK(fut_h5_set_text(h5, "/", "format", "sample"));
    FUT_TEST_OK(fut_h5_set_text(h5, "/", "empty", ""));
    FUT_TEST_OK(fut_h5_set_i64(h5, "/progress", "epoch", -3));
    FUT_TEST_OK(fut_h5_set_u64(h5, "/progress", "big", UINT64_MAX));
    FUT_TEST_OK(fut_h5_set_f64(h5, "/progress", "lr", &third, 1));
    FUT_TEST_OK(fut_h5_set_f64(h5, "/", "mean", mean, 3));
    FUT_TEST_OK(fut_h5_set_i64(h5, "/model/blocks.0.0.conv.weight", "on_dataset", 7));
    FUT_TEST_OK(fut_h5_set_i64(h5, "/new/group", "made", 1));
    FUT_TEST_OK(fut_h5_set_i64(h5, "/new/group", "made", 2));
    FUT_TEST_OK(fut_h5_finish(&h5));
    assert_null(h5);
    return path;
}

static void everything_comes_back(void **state)
{
    (void)state;
    char path[FUT_TEST_PATH_MAX];
    fut_h5 *h5 = NULL;
    float back[2][3] = {0};
    int64_t step = 0, epoch = 0;
    uint64_t big = 0;
    double lr = 0, mean[3] = {0};
    fut_str text = {0};
    void *array = NULL;
    int64_t count = -1;
    FUT_TEST_OK(fut_h5_open(write_sample(path), &h5));
    FUT_TEST_OK(fut_h5_read(h5, "/model/blocks.0.0.conv.weight", FUT_H5_F32, 2, weights_dims, back));
    assert_memory_equal(back, weights, sizeof weights);
    FUT_TEST_OK(fut_h5_read(h5, "/progress/step", FUT_H5_I64, 0, NULL, &step));
    assert_true(step == 123456789012);
    FUT_TEST_OK(fut_h5_read_array(h5, "/nothing", FUT_H5_U8, 10, &array, &count));
    assert_int_equal(count, 0);
    fut_mem_free(array);
    FUT_TEST_OK(fut_h5_get_i64(h5, "/progress", "epoch", &epoch));
    assert_int_equal(epoch, -3);
    FUT_TEST_OK(fut_h5_get_u64(h5, "/progress", "big", &big));
    assert_true(big == UINT64_MAX);
    FUT_TEST_OK(fut_h5_get_f64(h5, "/progress", "lr", &lr, 1));
    assert_true(lr == 1.0 / 3);
    FUT_TEST_OK(fut_h5_get_f64(h5, "/", "mean", mean, 3));
    assert_true(mean[2] == 0.3);
    FUT_TEST_OK(fut_h5_get_text(h5, "/", "format", &text));
    assert_string_equal(fut_str_text(&text), "sample");
    fut_str_fini(&text);
    FUT_TEST_OK(fut_h5_get_text(h5, "/", "empty", &text));
    assert_string_equal(fut_str_text(&text), "");
    fut_str_fini(&text);
    FUT_TEST_OK(fut_h5_get_i64(h5, "/new/group", "made", &epoch));
    assert_int_equal(epoch, 2);
    FUT_TEST_OK(fut_h5_get_i64(h5, "/model/blocks.0.0.conv.weight", "on_dataset", &epoch));
    assert_int_equal(epoch, 7);
    assert_true(fut_h5_has(h5, "/model"));
    assert_true(fut_h5_has(h5, "/progress/step"));
    assert_false(fut_h5_has(h5, "/progress/step/further"));
    assert_false(fut_h5_has(h5, "/absent/deep"));
    assert_true(fut_h5_has_attribute(h5, "/", "format"));
    assert_false(fut_h5_has_attribute(h5, "/", "absent"));
    fut_h5_close(&h5);
    assert_int_equal(fut_mem_bytes(), 0);
}

static fut_status collect(void *context, const char *name, bool is_group)
{
    return fut_str_printf(context, "%s%s ", name, is_group ? "/" : "");
}

static fut_status stop(void *context, const char *name, bool is_group)
{
    (void)context;
    (void)name;
    (void)is_group;
    return FUT_FAIL(FUT_ERR_SHAPE, "enough");
}

static void lists_members_in_order(void **state)
{
    (void)state;
    char path[FUT_TEST_PATH_MAX];
    fut_h5 *h5 = NULL;
    fut_str names = {0};
    FUT_TEST_OK(fut_h5_open(write_sample(path), &h5));
    FUT_TEST_OK(fut_h5_list(h5, "/", collect, &names));
    assert_string_equal(fut_str_text(&names), "model/ new/ nothing optimizer/ progress/ ");
    fut_str_fini(&names);
    FUT_TEST_OK(fut_h5_list(h5, "/absent", collect, &names));
    assert_int_equal(names.length, 0);
    FUT_TEST_FAILS(fut_h5_list(h5, "/", stop, NULL), FUT_ERR_SHAPE, "enough");
    fut_h5_close(&h5);
}

static void mismatches_are_named(void **state)
{
    (void)state;
    char path[FUT_TEST_PATH_MAX];
    fut_h5 *h5 = NULL;
    float back[6];
    int64_t value = 0;
    double three[3];
    fut_str text = {0};
    void *array = NULL;
    int64_t count = 0;
    const int64_t turned[] = {3, 2};
    FUT_TEST_OK(fut_h5_open(write_sample(path), &h5));
    const char *name = "/model/blocks.0.0.conv.weight";
    FUT_TEST_FAILS(fut_h5_read(h5, name, FUT_H5_F32, 2, turned, back), FUT_ERR_DATA,
                   "/model/blocks.0.0.conv.weight is f32 [2, 3], expected f32 [3, 2]");
    FUT_TEST_FAILS(fut_h5_read(h5, name, FUT_H5_U32, 2, weights_dims, back), FUT_ERR_DATA, "expected u32 [2, 3]");
    FUT_TEST_FAILS(fut_h5_read(h5, "/model/gone", FUT_H5_F32, 2, turned, back), FUT_ERR_DATA, "/model/gone is missing");
    FUT_TEST_FAILS(fut_h5_read(h5, "/model", FUT_H5_F32, 2, turned, back), FUT_ERR_DATA, "/model is not a dataset");
    FUT_TEST_FAILS(fut_h5_read_array(h5, name, FUT_H5_F32, 100, &array, &count), FUT_ERR_DATA, "has 2 dimensions");
    FUT_TEST_FAILS(fut_h5_get_i64(h5, "/", "format", &value), FUT_ERR_DATA, "\"format\" of / is not 1 i64");
    FUT_TEST_FAILS(fut_h5_get_i64(h5, "/", "gone", &value), FUT_ERR_DATA, "\"gone\" of / is missing");
    FUT_TEST_FAILS(fut_h5_get_f64(h5, "/progress", "lr", three, 3), FUT_ERR_DATA, "is not 3 f64");
    FUT_TEST_FAILS(fut_h5_get_text(h5, "/progress", "lr", &text), FUT_ERR_DATA, "is not fixed-length text");
    fut_h5_close(&h5);
}

/* The payload keeps its place when it is trimmed, and damage in it is not the seal's business. */
static void payload_keeps_its_place(void **state)
{
    (void)state;
    char path[FUT_TEST_PATH_MAX];
    const int64_t rooms[] = {64, 4096, 65536, 1000000};
    fut_test_dir_path(&dir, "payload.h5", path);
    for (int r = 0; r < 4; r++)
        for (int64_t kept = 1; kept <= rooms[r]; kept = kept < rooms[r] && kept * 17 > rooms[r] ? rooms[r] : kept * 17) {
            fut_h5 *h5 = NULL;
            fut_h5_info info;
            int64_t offset = 0;
            uint8_t *bytes = malloc((size_t)rooms[r]);
            uint8_t *back = malloc((size_t)rooms[r]);
            assert_non_null(bytes);
            assert_non_null(back);
            for (int64_t i = 0; i < rooms[r]; i++)
                bytes[i] = (uint8_t)(i * 31 + r);
            FUT_TEST_OK(fut_h5_create(path, &h5));
            FUT_TEST_OK(fut_h5_payload_reserve(h5, "/images/data", 1, &rooms[r], &offset));
            int fd = open(path, O_RDWR);
            assert_int_equal(posix_fallocate(fd, offset, rooms[r]), 0);
            assert_int_equal(pwrite(fd, bytes, (size_t)kept, offset), kept);
            assert_int_equal(close(fd), 0);
            FUT_TEST_OK(fut_h5_payload_trim(h5, &kept));
            FUT_TEST_OK(fut_h5_write(h5, "/images/checksum", FUT_H5_F32, 2, weights_dims, weights));
            FUT_TEST_OK(fut_h5_finish(&h5));
            fut_test_damage_file(path, offset);
            FUT_TEST_OK(fut_h5_open(path, &h5));
            FUT_TEST_OK(fut_h5_get_info(h5, "/images/data", &info));
            assert_int_equal(info.offset, offset);
            assert_int_equal(info.bytes, kept);
            FUT_TEST_OK(fut_h5_read(h5, "/images/data", FUT_H5_U8, 1, &kept, back));
            bytes[0] = (uint8_t)~bytes[0];
            assert_memory_equal(back, bytes, (size_t)kept);
            fut_h5_close(&h5);
            free(bytes);
            free(back);
        }
}

static void foreign_files_are_refused(void **state)
{
    (void)state;
    char path[FUT_TEST_PATH_MAX];
    fut_h5 *h5 = NULL;
    fut_test_dir_path(&dir, "foreign", path);
    FUT_TEST_FAILS(fut_h5_open(path, &h5), FUT_ERR_NO_INPUT, "cannot open");
    fut_test_write_file(path, "", 0);
    FUT_TEST_FAILS(fut_h5_open(path, &h5), FUT_ERR_DATA, "the file is empty");
    fut_test_write_file(path, "hello", 5);
    FUT_TEST_FAILS(fut_h5_open(path, &h5), FUT_ERR_DATA, "not a futago file");
    hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(file >= 0);
    assert_true(H5Fclose(file) >= 0);
    FUT_TEST_FAILS(fut_h5_open(path, &h5), FUT_ERR_DATA, "futago");
    FUT_TEST_FAILS(fut_h5_open(dir.path, &h5), FUT_ERR_DATA, "this is a folder");
    fut_test_dir_path(&dir, "pipe", path);
    assert_int_equal(mkfifo(path, 0600), 0);
    FUT_TEST_FAILS(fut_h5_open(path, &h5), FUT_ERR_DATA, "device or pipe");
    assert_null(h5);
}

static char *read_whole(const char *path, long *n_out)
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    (void)fseek(f, 0, SEEK_END);
    *n_out = ftell(f);
    rewind(f);
    char *bytes = malloc((size_t)*n_out);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, (size_t)*n_out, f), *n_out);
    (void)fclose(f);
    return bytes;
}

/* Every single flipped bit, anywhere, and every truncation is noticed. */
static void damage_is_noticed(void **state)
{
    (void)state;
    char path[FUT_TEST_PATH_MAX];
    char damaged[FUT_TEST_PATH_MAX];
    fut_h5 *h5 = NULL;
    long n = 0;
    fut_philox rng = fut_philox_key(1, FUT_RNG_TEST);
    char *bytes = read_whole(write_sample(path), &n);
    fut_test_dir_path(&dir, "damaged.h5", damaged);
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    for (uint64_t i = 0; i < 2000; i++) {
        long at = i < 48 ? (long)i : (long)(fut_philox_uniform(rng, 0, i) * (double)n);
        char flipped = (char)(bytes[at] ^ (1 << (i % 8)));
        assert_int_equal(pwrite(fd, &flipped, 1, at), 1);
        assert_int_equal(fut_h5_open(path, &h5), FUT_ERR_DATA);
        fut_trail_clear();
        assert_int_equal(pwrite(fd, &bytes[at], 1, at), 1);
    }
    assert_int_equal(close(fd), 0);
    for (long length = 0; length < n; length += 1 + length / 50) {
        fut_test_write_file(damaged, bytes, (size_t)length);
        assert_int_equal(fut_h5_open(damaged, &h5), FUT_ERR_DATA);
        fut_trail_clear();
    }
    free(bytes);
    assert_null(h5);
    assert_int_equal(fut_mem_bytes(), 0);
}

/* Equal content makes equal bytes. */
static void files_repeat(void **state)
{
    (void)state;
    char path[FUT_TEST_PATH_MAX];
    long n = 0, n_again = 0;
    char *bytes = read_whole(write_sample(path), &n);
    (void)sleep(1); /* times are kept in seconds */
    char *again = read_whole(write_sample(path), &n_again);
    assert_int_equal(n, n_again);
    assert_memory_equal(bytes, again, (size_t)n);
    free(bytes);
    free(again);
}

static void many_tensors(void **state)
{
    (void)state;
    enum { TENSORS = 1500 };
    char path[FUT_TEST_PATH_MAX];
    char name[64];
    fut_h5 *h5 = NULL;
    fut_test_dir_path(&dir, "many.h5", path);
    FUT_TEST_OK(fut_h5_create(path, &h5));
    const int64_t dims[] = {40};
    float value[40];
    for (int i = 0; i < TENSORS; i++) {
        for (int j = 0; j < 40; j++)
            value[j] = (float)(i * 100 + j);
        (void)snprintf(name, sizeof name, "/optimizer/slot%d/blocks.%d.weight", i % 3, i);
        FUT_TEST_OK(fut_h5_write(h5, name, FUT_H5_F32, 1, dims, value));
        FUT_TEST_OK(fut_h5_set_u64(h5, name, "checksum", (uint64_t)i));
    }
    FUT_TEST_OK(fut_h5_finish(&h5));
    FUT_TEST_OK(fut_h5_open(path, &h5));
    for (int i = TENSORS - 1; i >= 0; i--) {
        uint64_t sum = 0;
        (void)snprintf(name, sizeof name, "/optimizer/slot%d/blocks.%d.weight", i % 3, i);
        FUT_TEST_OK(fut_h5_read(h5, name, FUT_H5_F32, 1, dims, value));
        FUT_TEST_OK(fut_h5_get_u64(h5, name, "checksum", &sum));
        assert_true(value[39] == (float)(i * 100 + 39) && sum == (uint64_t)i);
    }
    fut_h5_close(&h5);
}

/* What libhdf5 would do willingly but a futago file never holds. Made by libhdf5 itself, sealed by us. */
static void strange_datasets_are_refused(void **state)
{
    (void)state;
    char path[FUT_TEST_PATH_MAX];
    fut_h5 *h5 = NULL;
    fut_h5_info info;
    fut_str names = {0};
    fut_test_dir_path(&dir, "strange.h5", path);
    FUT_TEST_OK(fut_h5_create(path, &h5));
    hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
    hsize_t dims[] = {100};
    hsize_t nine[] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
    hid_t space = H5Screate_simple(1, dims, NULL);
    hid_t deep = H5Screate_simple(9, nine, NULL);
    hid_t chunked = H5Pcreate(H5P_DATASET_CREATE);
    hid_t external = H5Pcreate(H5P_DATASET_CREATE);
    assert_true(H5Pset_chunk(chunked, 1, dims) >= 0 && H5Pset_deflate(chunked, 6) >= 0);
    assert_true(H5Pset_external(external, "/etc/passwd", 0, H5F_UNLIMITED) >= 0);
    const struct {
        const char *name;
        hid_t type, space, create;
    } made[] = {{"/chunked", H5T_STD_U8LE, space, chunked},
                {"/external", H5T_STD_U8LE, space, external},
                {"/type", H5T_STD_I16LE, space, H5P_DEFAULT},
                {"/deep", H5T_STD_U8LE, deep, H5P_DEFAULT},
                {"/unwritten", H5T_STD_U8LE, space, H5P_DEFAULT}};
    for (size_t i = 0; i < sizeof made / sizeof *made; i++) {
        hid_t dataset = H5Dcreate2(file, made[i].name, made[i].type, made[i].space, H5P_DEFAULT, made[i].create, H5P_DEFAULT);
        assert_true(dataset >= 0 && H5Dclose(dataset) >= 0);
    }
    assert_true(H5Lcreate_soft("/type", file, "/soft", H5P_DEFAULT, H5P_DEFAULT) >= 0);
    assert_true(H5Lcreate_external("other.h5", "/x", file, "/outside", H5P_DEFAULT, H5P_DEFAULT) >= 0);
    assert_true(H5Pclose(chunked) >= 0 && H5Pclose(external) >= 0 && H5Sclose(space) >= 0 && H5Sclose(deep) >= 0 && H5Fclose(file) >= 0);
    FUT_TEST_OK(fut_h5_finish(&h5));
    FUT_TEST_OK(fut_h5_open(path, &h5));
    FUT_TEST_FAILS(fut_h5_get_info(h5, "/chunked", &info), FUT_ERR_DATA, "/chunked is chunked, compressed or external");
    FUT_TEST_FAILS(fut_h5_get_info(h5, "/external", &info), FUT_ERR_DATA, "/external is chunked, compressed or external");
    FUT_TEST_FAILS(fut_h5_get_info(h5, "/type", &info), FUT_ERR_DATA, "a type that futago does not write");
    FUT_TEST_FAILS(fut_h5_get_info(h5, "/deep", &info), FUT_ERR_DATA, "no shape of at most 8 dimensions");
    FUT_TEST_FAILS(fut_h5_get_info(h5, "/unwritten", &info), FUT_ERR_DATA, "/unwritten claims 100 bytes");
    FUT_TEST_FAILS(fut_h5_get_info(h5, "/soft", &info), FUT_ERR_DATA, "/soft is a link");
    FUT_TEST_FAILS(fut_h5_get_info(h5, "/outside", &info), FUT_ERR_DATA, "/outside is a link");
    FUT_TEST_FAILS(fut_h5_list(h5, "/", collect, &names), FUT_ERR_DATA, "is a link");
    fut_str_fini(&names);
    fut_h5_close(&h5);
}

static void places_that_cannot_be_written(void **state)
{
    (void)state;
    char path[FUT_TEST_PATH_MAX];
    fut_h5 *h5 = NULL;
    FUT_TEST_FAILS(fut_h5_create(fut_test_dir_path(&dir, "no/such/folder.h5", path), &h5), FUT_ERR_NO_INPUT, "No such file");
    FUT_TEST_FAILS(fut_h5_create(dir.path, &h5), FUT_ERR_IO, "cannot create");
    assert_null(h5);
    assert_int_equal(fut_mem_bytes(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(everything_comes_back, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(lists_members_in_order, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(mismatches_are_named, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(payload_keeps_its_place, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(foreign_files_are_refused, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(damage_is_noticed, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(files_repeat, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(many_tensors, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(strange_datasets_are_refused, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(places_that_cannot_be_written, make_dir, remove_dir),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
