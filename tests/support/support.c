#include "tests/support/support.h"

#include "core/base/yaml.h"
#include "data/augment.h"
#include "data/pack.h"
#include "data/synth.h"

#include <ftw.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- checks ---- */

void fut_test_ok(fut_status st, const char *expr, const char *file, int line)
{
    if (st == FUT_OK) return;
    print_error("%s: %s\n  at %s: %s\n", expr, fut_status_text(st), fut_trail_place(), fut_trail_message());
    fut_trail_clear();
    _fail(file, line);
}

void fut_test_fails(fut_status st, fut_status want, const char *text, const char *expr, const char *file, int line)
{
    bool is_right = st == want && strstr(fut_trail_message(), text) != NULL;
    if (!is_right)
        print_error("%s: \"%s\": %s\n  expected \"%s\" with \"%s\" in the message\n", expr, fut_status_text(st), fut_trail_message(),
                    fut_status_text(want), text);
    fut_trail_clear();
    if (!is_right) _fail(file, line);
}

/* What a comparison has found so far. */
typedef struct mismatch {
    int64_t count, first;
    double got, want, largest;
} mismatch;

static void compare(mismatch *m, int64_t i, double got, double want, double allowed)
{
    double difference = fabs(got - want);
    bool is_close = got == want || difference <= allowed || (isnan(got) && isnan(want));
    if (!(difference <= m->largest)) m->largest = difference;
    if (is_close) return;
    if (m->count++ == 0) {
        m->first = i;
        m->got = got;
        m->want = want;
    }
}

static void report(const mismatch *m, int64_t n, const char *what, const char *file, int line)
{
    if (m->count == 0) return;
    print_error("%s: %lld of %lld values differ; the first at %lld: got %.9g, want %.9g; the largest difference is %.3g\n", what,
                (long long)m->count, (long long)n, (long long)m->first, m->got, m->want, m->largest);
    _fail(file, line);
}

void fut_test_close_f32(const float *got, const float *want, int64_t n, double rtol, double atol, const char *what, const char *file,
                        int line)
{
    mismatch m = {0};
    for (int64_t i = 0; i < n; i++)
        compare(&m, i, (double)got[i], (double)want[i], atol + rtol * fabs((double)want[i]));
    report(&m, n, what, file, line);
}

void fut_test_close_f64(const double *got, const double *want, int64_t n, double rtol, double atol, const char *what, const char *file,
                        int line)
{
    mismatch m = {0};
    for (int64_t i = 0; i < n; i++)
        compare(&m, i, got[i], want[i], atol + rtol * fabs(want[i]));
    report(&m, n, what, file, line);
}

void fut_test_close_u8(const uint8_t *got, const uint8_t *want, int64_t n, int tolerance, const char *what, const char *file, int line)
{
    mismatch m = {0};
    for (int64_t i = 0; i < n; i++)
        compare(&m, i, got[i], want[i], tolerance);
    report(&m, n, what, file, line);
}

/* ---- files ---- */

const char *fut_test_backend(const char *otherwise)
{
    const char *name = getenv("FUT_TEST_BACKEND");
    return name ? name : otherwise;
}

void fut_test_dir_create(fut_test_dir *dir)
{
    const char *root = getenv("TMPDIR");
    int length = snprintf(dir->path, sizeof dir->path, "%s/futago-test-XXXXXX", root != NULL && root[0] != '\0' ? root : "/tmp");
    assert_in_range(length, 1, sizeof dir->path - 1);
    assert_non_null(mkdtemp(dir->path));
}

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *walk)
{
    (void)info;
    (void)type;
    (void)walk;
    return remove(path);
}

void fut_test_dir_remove(fut_test_dir *dir)
{
    if (dir->path[0] != '\0') (void)nftw(dir->path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    dir->path[0] = '\0';
}

const char *fut_test_dir_path(const fut_test_dir *dir, const char *name, char *path_out)
{
    int length = snprintf(path_out, FUT_TEST_PATH_MAX, "%s/%s", dir->path, name);
    assert_in_range(length, 1, FUT_TEST_PATH_MAX - 1);
    return path_out;
}

void fut_test_write_file(const char *path, const void *bytes, size_t length)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
}

void fut_test_damage_file(const char *path, int64_t offset)
{
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    int whence = offset < 0 ? SEEK_END : SEEK_SET;
    assert_int_equal(fseek(file, (long)offset, whence), 0);
    int byte = fgetc(file);
    assert_int_not_equal(byte, EOF);
    assert_int_equal(fseek(file, (long)offset, whence), 0);
    assert_int_not_equal(fputc(byte ^ 0xff, file), EOF);
    assert_int_equal(fclose(file), 0);
}

/* ---- data sets ---- */

void fut_test_make_faces(const char *path, int64_t people, int64_t images, int64_t size)
{
    fut_synth_config config = {.dir = path, .people = people, .images = images, .size = size};
    FUT_TEST_OK(fut_synth_write(&config, NULL, NULL));
}

void fut_test_make_dataset(const char *path, int64_t people, int64_t images, int64_t size)
{
    fut_test_dir faces;
    char folder[FUT_TEST_PATH_MAX];
    fut_test_dir_create(&faces);
    fut_test_make_faces(fut_test_dir_path(&faces, "faces", folder), people, images, size);
    fut_pack_options options = {.folder = folder,
                                .output = path,
                                .size = size,
                                .encoding = FUT_ENCODING_RAW,
                                .crop = 1,
                                .method = FUT_SPLIT_IDENTITY,
                                .fractions = {.8, .1, .1},
                                .threads = 1};
    fut_pack_report packed;
    FUT_TEST_OK(fut_pack(&options, &packed));
    fut_test_dir_remove(&faces);
}

typedef struct augments {
    fut_opt_variants augment;
} augments;

static const fut_opt augment_options[] = {
    FUT_OPT_VARIANTS(augments, augment, "[]", fut_augment_choices, ""),
    FUT_OPT_END,
};

void fut_test_make_augments(const char *text, fut_opt_variants *list_out)
{
    fut_yaml_node *root = NULL;
    fut_str line = {0};
    augments list = {0};
    FUT_TEST_OK(fut_str_printf(&line, "augment: %s\n", text));
    FUT_TEST_OK(fut_yaml_parse_text("test", line.data, line.length, &root));
    FUT_TEST_OK(fut_opt_load(augment_options, &list, root));
    fut_yaml_destroy(&root);
    fut_str_fini(&line);
    *list_out = list.augment;
}

void fut_test_free_augments(fut_opt_variants *list)
{
    augments owner = {*list};
    fut_opt_fini(augment_options, &owner);
    *list = (fut_opt_variants){0};
}
