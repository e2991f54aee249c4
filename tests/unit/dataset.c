/* data/dataset: damaged bytes are named at each read; a file whose tables lie is refused with the dataset at fault. */
#include "data/dataset.h"
#include "core/base/mem.h"
#include "data/dataset_impl.h"
#include "data/h5.h"
#include "tests/support/support.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { N = 6, C = 3, SIDE = 2, IMAGE_BYTES = SIDE * SIDE * 3 };

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

/* A valid dataset, to be bent before it is written. */
typedef struct sample {
    fut_dataset_info info;
    const char *format, *encoding, *method;
    int64_t version;
    uint8_t data[N][SIDE][SIDE][3];
    int64_t data_images; /* rows of data that are written */
    uint64_t offset[N + 1], checksum[N], first[C + 1];
    uint64_t source_offset[N + 1], name_offset[C + 1];
    char source[4 * N], name[3 * C];
    uint32_t train[4], val[1], test[1];
    int64_t n_train;
    bool keep_fingerprint; /* do not recompute it */
} sample;

static sample good(void)
{
    sample s = {.format = FUT_DATASET_FORMAT, .encoding = "raw", .method = "identity", .version = FUT_DATASET_VERSION};
    s.info = (fut_dataset_info){.n_images = N, .n_identities = C, .height = SIDE, .width = SIDE, .crop = 1, .method = FUT_SPLIT_IDENTITY};
    s.data_images = N;
    s.n_train = 4;
    for (int i = 0; i < N; i++) {
        memset(s.data[i], 10 * i + 1, IMAGE_BYTES);
        s.checksum[i] = fut_dataset_checksum(s.data[i], IMAGE_BYTES);
        s.offset[i + 1] = (uint64_t)(i + 1) * IMAGE_BYTES;
        s.source_offset[i + 1] = (uint64_t)(i + 1) * 4;
        memcpy(s.source + 4 * i, "a/1b", 4);
    }
    for (int k = 0; k < C; k++) {
        s.first[k + 1] = (uint64_t)(k + 1) * 2;
        s.name_offset[k + 1] = (uint64_t)(k + 1) * 3;
        memcpy(s.name + 3 * k, "ann", 3);
        s.info.mean[k] = 0.5;
        s.info.std[k] = 0.25;
        s.info.fractions[k] = 1.0 / 3;
    }
    for (uint32_t i = 0; i < 4; i++)
        s.train[i] = i;
    s.val[0] = 4;
    s.test[0] = 5;
    return s;
}

static const char *write_sample(sample *s, char path[FUT_TEST_PATH_MAX])
{
    fut_h5 *h5 = NULL;
    fut_dataset_tables t = {.offset = s->offset, .checksum = s->checksum, .first = s->first};
    t.part[0] = s->train;
    t.part[1] = s->val;
    t.part[2] = s->test;
    t.n_part[0] = s->n_train;
    t.n_part[1] = t.n_part[2] = 1;
    t.name = (fut_strings){.bytes = s->name, .offset = s->name_offset, .n = C};
    /* Offsets that are bent must not lead the hash outside. */
    if (!s->keep_fingerprint && s->name_offset[C] <= sizeof s->name) s->info.fingerprint = fut_dataset_fingerprint(&s->info, &t);
    const int64_t data_dims[] = {s->data_images, SIDE, SIDE, 3};
    const int64_t n = N, n1 = N + 1, c1 = C + 1, one = 1, source_bytes = sizeof s->source, name_bytes = sizeof s->name;
    fut_test_dir_path(&dir, "sample.h5", path);
    FUT_TEST_OK(fut_h5_create(path, &h5));
    FUT_TEST_OK(fut_h5_write(h5, FUT_DATASET_DATA, FUT_H5_U8, 4, data_dims, s->data));
    FUT_TEST_OK(fut_h5_write(h5, FUT_DATASET_OFFSET, FUT_H5_U64, 1, &n1, s->offset));
    FUT_TEST_OK(fut_h5_write(h5, FUT_DATASET_CHECKSUM, FUT_H5_U64, 1, &n, s->checksum));
    FUT_TEST_OK(fut_h5_write(h5, "/images/source/offset", FUT_H5_U64, 1, &n1, s->source_offset));
    FUT_TEST_OK(fut_h5_write(h5, "/images/source/bytes", FUT_H5_U8, 1, &source_bytes, s->source));
    FUT_TEST_OK(fut_h5_write(h5, FUT_DATASET_FIRST, FUT_H5_U64, 1, &c1, s->first));
    FUT_TEST_OK(fut_h5_write(h5, "/identities/name/offset", FUT_H5_U64, 1, &c1, s->name_offset));
    FUT_TEST_OK(fut_h5_write(h5, "/identities/name/bytes", FUT_H5_U8, 1, &name_bytes, s->name));
    FUT_TEST_OK(fut_h5_write(h5, "/split/train", FUT_H5_U32, 1, &s->n_train, s->train));
    FUT_TEST_OK(fut_h5_write(h5, "/split/val", FUT_H5_U32, 1, &one, s->val));
    FUT_TEST_OK(fut_h5_write(h5, "/split/test", FUT_H5_U32, 1, &one, s->test));
    FUT_TEST_OK(fut_h5_set_text(h5, "/", "format", s->format));
    FUT_TEST_OK(fut_h5_set_i64(h5, "/", "version", s->version));
    FUT_TEST_OK(fut_h5_set_i64(h5, "/", "height", s->info.height));
    FUT_TEST_OK(fut_h5_set_i64(h5, "/", "width", s->info.width));
    FUT_TEST_OK(fut_h5_set_text(h5, "/", "encoding", s->encoding));
    FUT_TEST_OK(fut_h5_set_f64(h5, "/", "crop", &s->info.crop, 1));
    FUT_TEST_OK(fut_h5_set_f64(h5, "/", "mean", s->info.mean, 3));
    FUT_TEST_OK(fut_h5_set_f64(h5, "/", "std", s->info.std, 3));
    FUT_TEST_OK(fut_h5_set_u64(h5, "/", "fingerprint", s->info.fingerprint));
    FUT_TEST_OK(fut_h5_set_text(h5, "/", "tool_version", "0"));
    FUT_TEST_OK(fut_h5_set_text(h5, "/", "created", "2026-01-01T00:00:00Z"));
    FUT_TEST_OK(fut_h5_set_text(h5, "/split", "method", s->method));
    FUT_TEST_OK(fut_h5_set_f64(h5, "/split", "fractions", s->info.fractions, 3));
    FUT_TEST_OK(fut_h5_set_i64(h5, "/split", "seed", 0));
    FUT_TEST_OK(fut_h5_finish(&h5));
    return path;
}

static void a_good_file_opens(void **state)
{
    (void)state;
    char path[FUT_TEST_PATH_MAX];
    sample s = good();
    fut_dataset *ds = NULL;
    int64_t n = 0, positive = 0, negative = 0;
    uint8_t rgb[IMAGE_BYTES];
    FUT_TEST_OK(fut_dataset_open(write_sample(&s, path), &ds));
    assert_int_equal(fut_dataset_get_info(ds)->n_images, N);
    assert_int_equal(fut_dataset_get_labels(ds)[3], 1);
    assert_int_equal(fut_dataset_get_first(ds)[C], N);
    assert_int_equal(fut_dataset_get_part(ds, FUT_PART_TRAIN, &n)[2], 2);
    assert_int_equal(n, 4);
    fut_dataset_count_pairs(ds, FUT_PART_TRAIN, &positive, &negative);
    assert_int_equal(positive, 2);
    assert_int_equal(negative, 4);
    fut_dataset_count_pairs(ds, FUT_PART_VAL, &positive, &negative);
    assert_int_equal(positive + negative, 0);
    for (int i = 0; i < N; i++) {
        FUT_TEST_OK(fut_dataset_read(ds, i, rgb));
        assert_memory_equal(rgb, s.data[i], IMAGE_BYTES);
    }
    FUT_TEST_FAILS(fut_dataset_read(ds, N, rgb), FUT_ERR_INTERNAL, "image 6 of 6");
    fut_dataset_close(&ds);
    fut_dataset_close(&ds);
    assert_int_equal(fut_mem_bytes(), 0);
}

/* Bend one thing; the message must name it. */
static void expect_refused(sample s, const char *message)
{
    char path[FUT_TEST_PATH_MAX];
    fut_dataset *ds = NULL;
    FUT_TEST_FAILS(fut_dataset_open(write_sample(&s, path), &ds), FUT_ERR_DATA, message);
    assert_null(ds);
    assert_int_equal(fut_mem_bytes(), 0);
}

static void lies_are_refused(void **state)
{
    (void)state;
    sample s = good();
    s.format = "futago-checkpoint";
    expect_refused(s, "a file of format \"futago-checkpoint\", not a dataset");
    s = good();
    s.version = 2;
    expect_refused(s, "dataset version 2, this futago reads version 1");
    s = good();
    s.encoding = "jxl";
    expect_refused(s, "\"encoding\" of / is \"jxl\"");
    s = good();
    s.method = "none";
    expect_refused(s, "\"method\" of /split is \"none\"");
    s = good();
    s.info.height = 0;
    expect_refused(s, "images of 2 x 0");
    s = good();
    s.info.width = INT64_MAX;
    expect_refused(s, "sides must be 1 to 16384");
    s = good();
    s.info.width = 3;
    expect_refused(s, "/images/data does not have the shape of 6 raw images of 3 x 2");
    s = good();
    s.data_images = 5;
    expect_refused(s, "/images/data does not have the shape of 6 raw images");
    s = good();
    s.encoding = "original";
    expect_refused(s, "/images/data does not have the shape of 6 original images");
    s = good();
    s.info.crop = 0;
    expect_refused(s, "crop 0 is outside");
    s = good();
    s.info.mean[1] = -1;
    expect_refused(s, "mean -1");
    s = good();
    s.offset[2] = s.offset[1];
    expect_refused(s, "/images/offset does not rise at 1");
    s = good();
    s.offset[2]++;
    expect_refused(s, "/images/offset[2] is 25");
    s = good();
    s.offset[N] = UINT64_MAX;
    expect_refused(s, "/images/offset ends at 18446744073709551615");
    s = good();
    s.source_offset[3] = UINT64_MAX;
    expect_refused(s, "/images/source/offset does not rise at 3");
    s = good();
    s.source_offset[0] = 1;
    expect_refused(s, "/images/source/offset starts at 1");
    s = good();
    s.first[1] = 0;
    expect_refused(s, "/identities/first does not rise at 0");
    s = good();
    s.first[C] = 7;
    expect_refused(s, "/identities/first ends at 7, must be 6");
    s = good();
    s.name_offset[C] = 1000;
    expect_refused(s, "/identities/name/offset ends at 1000, must be 9");
    s = good();
    s.train[3] = N;
    expect_refused(s, "/split/train[3] is image 6, which is not in the file");
    s = good();
    s.test[0] = 4;
    expect_refused(s, "/split/test[0] is image 4, which is in the split twice");
    s = good();
    s.keep_fingerprint = true;
    s.info.fingerprint = 1;
    expect_refused(s, "its fingerprint is 0000000000000001");
}

static void fingerprints_tell_datasets_apart(void **state)
{
    (void)state;
    uint64_t seen[6];
    for (int i = 0; i < 6; i++) {
        char path[FUT_TEST_PATH_MAX];
        sample s = good();
        fut_dataset *ds = NULL;
        if (i == 1) s.checksum[2] ^= 1;
        if (i == 2) s.name[1] = 'x';
        if (i == 3) s.first[1] = 1;
        if (i == 4) s.train[0] = 1, s.train[1] = 0;
        if (i == 5) s.n_train = 3;
        FUT_TEST_OK(fut_dataset_open(write_sample(&s, path), &ds));
        seen[i] = fut_dataset_get_info(ds)->fingerprint;
        fut_dataset_close(&ds);
        for (int j = 0; j < i; j++)
            assert_true(seen[i] != seen[j]);
    }
}

/* A bit of a photo that flips after packing: the read says which photo, in which file. */
static void damaged_images_are_named(void **state)
{
    (void)state;
    char path[FUT_TEST_PATH_MAX];
    fut_dataset *ds = NULL;
    const int64_t people = 4, images = 3, side = 16;
    fut_test_make_dataset(fut_test_dir_path(&dir, "faces.h5", path), people, images, side);
    fut_h5 *h5 = NULL;
    fut_h5_info data;
    FUT_TEST_OK(fut_h5_open(path, &h5));
    FUT_TEST_OK(fut_h5_get_info(h5, FUT_DATASET_DATA, &data));
    fut_h5_close(&h5);
    fut_test_damage_file(path, data.offset + 5 * side * side * 3 + 100);
    FUT_TEST_OK(fut_dataset_open(path, &ds));
    uint8_t rgb[16 * 16 * 3];
    for (int64_t i = 0; i < people * images; i++) {
        if (i == 5) {
            FUT_TEST_FAILS(fut_dataset_read(ds, i, rgb), FUT_ERR_DATA, "faces.h5: image 5 (");
            FUT_TEST_FAILS(fut_dataset_verify(ds, i), FUT_ERR_DATA, "the stored bytes are damaged");
        } else {
            FUT_TEST_OK(fut_dataset_read(ds, i, rgb));
            FUT_TEST_OK(fut_dataset_verify(ds, i));
        }
    }
    /* Cut off while open: an error, no signal. */
    assert_int_equal(truncate(path, data.offset + 10), 0);
    FUT_TEST_FAILS(fut_dataset_read(ds, 0, rgb), FUT_ERR_DATA, "it was truncated while in use");
    fut_dataset_close(&ds);
    FUT_TEST_FAILS(fut_dataset_open(path, &ds), FUT_ERR_DATA, "it is truncated");
}

typedef struct reader {
    const fut_dataset *ds;
    const sample *want;
    int wrong;
} reader;

static void *read_all(void *argument)
{
    reader *r = argument;
    uint8_t rgb[IMAGE_BYTES];
    for (int i = 0; i < 3000; i++)
        if (fut_dataset_read(r->ds, i % N, rgb) != FUT_OK || memcmp(rgb, r->want->data[i % N], IMAGE_BYTES) != 0) r->wrong++;
    return NULL;
}

static void many_threads_read_at_once(void **state)
{
    (void)state;
    enum { THREADS = 8 };
    char path[FUT_TEST_PATH_MAX];
    sample s = good();
    fut_dataset *ds = NULL;
    pthread_t thread[THREADS];
    reader readers[THREADS];
    FUT_TEST_OK(fut_dataset_open(write_sample(&s, path), &ds));
    for (int t = 0; t < THREADS; t++) {
        readers[t] = (reader){.ds = ds, .want = &s};
        assert_int_equal(pthread_create(&thread[t], NULL, read_all, &readers[t]), 0);
    }
    for (int t = 0; t < THREADS; t++) {
        assert_int_equal(pthread_join(thread[t], NULL), 0);
        assert_int_equal(readers[t].wrong, 0);
    }
    fut_dataset_close(&ds);
}

static void reading_raw_images_allocates_nothing(void **state)
{
    (void)state;
    char path[FUT_TEST_PATH_MAX];
    sample s = good();
    fut_dataset *ds = NULL;
    uint8_t rgb[IMAGE_BYTES];
    FUT_TEST_OK(fut_dataset_open(write_sample(&s, path), &ds));
    int64_t before = fut_mem_count();
    for (int i = 0; i < N; i++)
        FUT_TEST_OK(fut_dataset_read(ds, i, rgb));
    assert_int_equal(fut_mem_count(), before);
    fut_dataset_close(&ds);
}

static void survives_every_failed_allocation(void **state)
{
    (void)state;
    char path[FUT_TEST_PATH_MAX];
    sample s = good();
    write_sample(&s, path);
    fut_status st = FUT_ERR_NO_MEMORY;
    int64_t tried = 0;
    for (int64_t k = 1; st != FUT_OK; k++, tried++) {
        fut_dataset *ds = NULL;
        fut_mem_fail_after(k);
        st = fut_dataset_open(path, &ds);
        fut_mem_fail_after(0);
        fut_trail_clear();
        if (st != FUT_OK) assert_int_equal(st, FUT_ERR_NO_MEMORY);
        fut_dataset_close(&ds);
        assert_int_equal(fut_mem_bytes(), 0);
    }
    assert_true(tried > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_good_file_opens, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(lies_are_refused, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(fingerprints_tell_datasets_apart, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(damaged_images_are_named, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(many_threads_read_at_once, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(reading_raw_images_allocates_nothing, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(survives_every_failed_allocation, make_dir, remove_dir),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
