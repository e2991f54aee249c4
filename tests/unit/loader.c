/* data/loader: pixels are the dataset's, in the order asked for, whatever the number of threads; errors come out at wait. */
#include "data/loader.h"
#include "core/base/mem.h"
#include "data/augment.h"
#include "data/image.h"
#include "tests/support/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PEOPLE = 10, IMAGES = 5, SIZE = 24, N = PEOPLE * IMAGES };

typedef struct fixture {
    fut_test_dir dir;
    char path[FUT_TEST_PATH_MAX];
    fut_dataset *dataset;
} fixture;

static int set_up(void **state)
{
    static fixture f;
    fut_test_dir_create(&f.dir);
    fut_test_make_dataset(fut_test_dir_path(&f.dir, "faces.h5", f.path), PEOPLE, IMAGES, SIZE);
    FUT_TEST_OK(fut_dataset_open(f.path, &f.dataset));
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    fut_dataset_close(&f->dataset);
    fut_test_dir_remove(&f->dir);
    return 0;
}

/* Image k of step s in these tests: every image, in an order of its own. */
static int64_t nth(int64_t step, int64_t k)
{
    return (7 * k + 13 * step) % N;
}

static fut_status submit(fut_loader *loader, int64_t step, int64_t n, bool is_training)
{
    int64_t image[N];
    int64_t position[N];
    for (int64_t k = 0; k < n; k++) {
        image[k] = nth(step, k);
        position[k] = 100 + k;
    }
    const fut_loader_request request = {.step = step, .n = n, .image = image, .position = is_training ? position : NULL};
    return fut_loader_submit(loader, &request);
}

/* What the batch must hold, without the loader. */
static void check_batch(const fixture *f, const fut_loader_batch *batch, int64_t n, const fut_opt_variants *augment, uint64_t seed)
{
    static uint8_t rgb[SIZE * SIZE * 3];
    fut_image image = {.width = SIZE, .height = SIZE, .rgb = rgb};
    void *scratch = NULL;
    assert_int_equal(batch->n, n);
    if (augment != NULL) FUT_TEST_OK(fut_mem_alloc(fut_augment_scratch_bytes(augment, SIZE, SIZE), 1, &scratch));
    for (int64_t k = 0; k < n; k++) {
        assert_int_equal(batch->image[k], nth(batch->step, k));
        FUT_TEST_OK(fut_dataset_read(f->dataset, nth(batch->step, k), rgb));
        if (augment != NULL) fut_augment_apply(augment, seed, batch->step, 100 + k, &image, scratch);
        assert_memory_equal(batch->rgb + k * (int64_t)sizeof rgb, rgb, sizeof rgb);
    }
    fut_mem_free(scratch);
}

/* Bytes that this process asked of files so far; -1: the system does not say. */
static int64_t bytes_read(void)
{
    char line[64] = {0};
    FILE *file = fopen("/proc/self/io", "r");
    if (file == NULL) return -1;
    bool first = fgets(line, sizeof line, file) != NULL;
    (void)fclose(file);
    return first && strncmp(line, "rchar: ", 7) == 0 ? strtoll(line + 7, NULL, 10) : -1;
}

/* Reading a photo reads its pixels and nothing else. */
static void a_batch_reads_its_photos_once(void **state)
{
    const fixture *f = *state;
    enum { SLACK = 512 /* of /proc itself */ };
    fut_loader *loader = NULL;
    fut_loader_config config = {.threads = 2, .depth = 2, .max_images = N};
    fut_loader_batch batch;
    FUT_TEST_OK(fut_loader_create(f->dataset, &config, &loader));
    int64_t before = bytes_read();
    if (before < 0) skip();
    for (int64_t step = 0; step < 4; step++) {
        FUT_TEST_OK(submit(loader, step, N, false));
        FUT_TEST_OK(fut_loader_wait(loader, step, &batch));
        fut_loader_release(loader);
    }
    int64_t bytes = bytes_read() - before;
    assert_in_range(bytes, 4 * N * SIZE * SIZE * 3, 4 * N * SIZE * SIZE * 3 + SLACK);
    fut_loader_destroy(&loader);
}

static void run_batches(const fixture *f, int threads, int depth, bool is_training)
{
    fut_loader *loader = NULL;
    fut_opt_variants augment;
    fut_test_make_augments(is_training ? "[random_resized_crop, color_jitter, flip, blur, rotation]" : "[]", &augment);
    fut_loader_config config = {.threads = threads, .depth = depth, .max_images = N, .augment = &augment, .seed = 11};
    FUT_TEST_OK(fut_loader_create(f->dataset, &config, &loader));
    int64_t allocations = fut_mem_count();
    int64_t asked = 0;
    int64_t images = 0;
    for (int64_t step = 0; step < 40; step++) {
        while (asked < 40 && fut_loader_room(loader) > 0) {
            FUT_TEST_OK(submit(loader, asked, asked % 9 == 4 ? 0 : 1 + asked % N, is_training));
            asked++;
        }
        fut_loader_batch batch;
        FUT_TEST_OK(fut_loader_wait(loader, step, &batch));
        int64_t n = step % 9 == 4 ? 0 : 1 + step % N;
        check_batch(f, &batch, n, is_training ? &augment : NULL, config.seed);
        images += n;
        fut_loader_release(loader);
    }
    assert_int_equal(fut_mem_count() - allocations, is_training ? 40 : 0); /* check_batch's own */
    fut_loader_stats stats = fut_loader_get_stats(loader);
    assert_int_equal(stats.images, images);
    assert_int_equal(stats.bytes, images * SIZE * SIZE * 3);
    assert_true(stats.busy_seconds > 0);
    fut_loader_destroy(&loader);
    fut_test_free_augments(&augment);
    assert_null(loader);
}

static void batches_are_the_same_for_any_threads_and_depth(void **state)
{
    static const int threads[] = {1, 2, 3, 8};
    static const int depths[] = {1, 2, 5};
    for (size_t i = 0; i < sizeof threads / sizeof *threads; i++)
        for (size_t j = 0; j < sizeof depths / sizeof *depths; j++) {
            run_batches(*state, threads[i], depths[j], true);
            run_batches(*state, threads[i], depths[j], false);
        }
}

static void two_batches_may_be_held_at_once(void **state)
{
    const fixture *f = *state;
    fut_loader *loader = NULL;
    fut_loader_config config = {.threads = 2, .depth = 3, .max_images = N};
    FUT_TEST_OK(fut_loader_create(f->dataset, &config, &loader));
    fut_loader_batch first;
    fut_loader_batch second;
    for (int64_t step = 0; step < 3; step++)
        FUT_TEST_OK(submit(loader, step, N, false));
    FUT_TEST_OK(fut_loader_wait(loader, 0, &first));
    FUT_TEST_OK(fut_loader_wait(loader, 1, &second));
    check_batch(f, &first, N, NULL, 0);
    check_batch(f, &second, N, NULL, 0);
    fut_loader_release(loader);
    FUT_TEST_OK(submit(loader, 3, N, false));
    check_batch(f, &second, N, NULL, 0);
    fut_loader_destroy(&loader);
}

static void images_of_another_size_are_resized(void **state)
{
    const fixture *f = *state;
    fut_loader *loader = NULL;
    fut_loader_config config = {.threads = 2, .depth = 2, .max_images = 4, .height = 15, .width = 17};
    FUT_TEST_OK(fut_loader_create(f->dataset, &config, &loader));
    FUT_TEST_OK(submit(loader, 5, 4, false));
    fut_loader_batch batch;
    FUT_TEST_OK(fut_loader_wait(loader, 5, &batch));
    fut_image source = {0};
    FUT_TEST_OK(fut_image_create(SIZE, SIZE, &source));
    for (int64_t k = 0; k < 4; k++) {
        fut_image resized = {0};
        FUT_TEST_OK(fut_dataset_read(f->dataset, nth(5, k), source.rgb));
        FUT_TEST_OK(fut_image_resize(&source, NULL, 17, 15, &resized));
        assert_memory_equal(batch.rgb + k * 15 * 17 * 3, resized.rgb, 15 * 17 * 3);
        fut_image_fini(&resized);
    }
    fut_image_fini(&source);
    fut_loader_destroy(&loader);
}

/* A copy of the packed file with one byte of image `bad` flipped. */
static void damage(const fixture *f, int64_t bad, char *path_out)
{
    uint8_t rgb[SIZE * SIZE * 3];
    FUT_TEST_OK(fut_dataset_read(f->dataset, bad, rgb));
    FILE *from = fopen(f->path, "rb");
    assert_non_null(from);
    static char bytes[4 << 20];
    size_t length = fread(bytes, 1, sizeof bytes, from);
    assert_true(length < sizeof bytes);
    (void)fclose(from);
    char *at = memmem(bytes, length, rgb, sizeof rgb);
    assert_non_null(at);
    at[100] ^= 1;
    fut_test_write_file(fut_test_dir_path(&f->dir, "damaged.h5", path_out), bytes, length);
}

static void a_damaged_image_fails_its_batch_and_says_which(void **state)
{
    const fixture *f = *state;
    char path[FUT_TEST_PATH_MAX];
    int64_t bad = nth(1, 3);
    damage(f, bad, path);
    fut_dataset *dataset = NULL;
    FUT_TEST_OK(fut_dataset_open(path, &dataset));
    char text[64];
    (void)snprintf(text, sizeof text, "image %lld", (long long)bad);
    for (int threads = 1; threads <= 4; threads += 3) {
        fut_loader *loader = NULL;
        fut_loader_config config = {.threads = threads, .depth = 3, .max_images = 8};
        FUT_TEST_OK(fut_loader_create(dataset, &config, &loader));
        int64_t whole[2] = {nth(1, 0), nth(1, 1)};
        const fut_loader_request request = {.step = 0, .n = 2, .image = whole};
        FUT_TEST_OK(fut_loader_submit(loader, &request));
        FUT_TEST_OK(submit(loader, 1, 8, false));
        fut_loader_batch batch;
        FUT_TEST_OK(fut_loader_wait(loader, 0, &batch));
        fut_loader_release(loader);
        FUT_TEST_FAILS(fut_loader_wait(loader, 1, &batch), FUT_ERR_DATA, text);
        FUT_TEST_FAILS(fut_loader_wait(loader, 1, &batch), FUT_ERR_DATA, "damaged.h5");
        fut_loader_destroy(&loader);
    }
    fut_dataset_close(&dataset);
}

static void misuse_is_refused(void **state)
{
    const fixture *f = *state;
    fut_loader *loader = NULL;
    fut_loader_config config = {.threads = 0, .depth = 2, .max_images = 4};
    FUT_TEST_FAILS(fut_loader_create(f->dataset, &config, &loader), FUT_ERR_CONFIG, "threads");
    config.threads = 1;
    config.depth = 0;
    FUT_TEST_FAILS(fut_loader_create(f->dataset, &config, &loader), FUT_ERR_CONFIG, "ahead");
    config.depth = 2;
    FUT_TEST_OK(fut_loader_create(f->dataset, &config, &loader));
    fut_loader_batch batch;
    FUT_TEST_FAILS(fut_loader_wait(loader, 0, &batch), FUT_ERR_INTERNAL, "not asked");
    FUT_TEST_FAILS(submit(loader, 0, 5, false), FUT_ERR_INTERNAL, "made for 4");
    int64_t outside = N;
    const fut_loader_request request = {.step = 0, .n = 1, .image = &outside};
    FUT_TEST_FAILS(fut_loader_submit(loader, &request), FUT_ERR_INTERNAL, "is not in [0, 50)");
    FUT_TEST_OK(submit(loader, 0, 4, false));
    FUT_TEST_FAILS(fut_loader_wait(loader, 1, &batch), FUT_ERR_INTERNAL, "is step 0's");
    FUT_TEST_OK(submit(loader, 1, 4, false));
    FUT_TEST_FAILS(submit(loader, 2, 4, false), FUT_ERR_INTERNAL, "in use");
    fut_loader_destroy(&loader);
    fut_loader_destroy(&loader);
}

static void queued_batches_are_dropped_at_the_end(void **state)
{
    const fixture *f = *state;
    for (int i = 0; i < 50; i++) {
        fut_loader *loader = NULL;
        fut_loader_config config = {.threads = 3, .depth = 4, .max_images = N};
        FUT_TEST_OK(fut_loader_create(f->dataset, &config, &loader));
        for (int64_t step = 0; step < 4; step++)
            FUT_TEST_OK(submit(loader, step, N, true));
        fut_loader_destroy(&loader);
    }
}

/* Whichever allocation of create fails, nothing is left behind. */
static void no_memory_leaves_nothing(void **state)
{
    const fixture *f = *state;
    int64_t before = fut_mem_bytes();
    fut_status st = FUT_ERR_NO_MEMORY;
    int64_t k = 0;
    for (k = 1; st == FUT_ERR_NO_MEMORY; k++) {
        fut_loader *loader = NULL;
        fut_loader_config config = {.threads = 2, .depth = 2, .max_images = 4, .height = 8, .width = 8};
        fut_mem_fail_after(k);
        st = fut_loader_create(f->dataset, &config, &loader);
        fut_mem_fail_after(0);
        fut_loader_destroy(&loader);
        fut_trail_clear();
        assert_int_equal(fut_mem_bytes(), before);
    }
    assert_int_equal(st, FUT_OK);
    assert_true(k > 8);
}

static double cpu_seconds(void)
{
    struct timespec t;
    assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t), 0);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void idle_threads_sleep(void **state)
{
    const fixture *f = *state;
    fut_loader *loader = NULL;
    fut_loader_config config = {.threads = 8, .depth = 2, .max_images = 4};
    FUT_TEST_OK(fut_loader_create(f->dataset, &config, &loader));
    double before = cpu_seconds();
    const struct timespec nap = {.tv_nsec = 200000000};
    (void)nanosleep(&nap, NULL);
    assert_true(cpu_seconds() - before < 0.05);
    fut_loader_destroy(&loader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_reads_its_photos_once),
        cmocka_unit_test(batches_are_the_same_for_any_threads_and_depth),
        cmocka_unit_test(two_batches_may_be_held_at_once),
        cmocka_unit_test(images_of_another_size_are_resized),
        cmocka_unit_test(a_damaged_image_fails_its_batch_and_says_which),
        cmocka_unit_test(misuse_is_refused),
        cmocka_unit_test(queued_batches_are_dropped_at_the_end),
        cmocka_unit_test(no_memory_leaves_nothing),
        cmocka_unit_test(idle_threads_sleep),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
