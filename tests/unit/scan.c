/* data/scan: ImageFolder's order, names as bytes, links, loops, pipes. */
#include "data/scan.h"
#include "core/base/mem.h"
#include "tests/support/support.h"

#include <stdio.h>
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

/* A file of 3 bytes, with its folders. */
static void touch(const char *name)
{
    char path[FUT_TEST_PATH_MAX];
    fut_test_dir_path(&dir, name, path);
    for (char *slash = strchr(path + strlen(dir.path) + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        (void)mkdir(path, 0700);
        *slash = '/';
    }
    fut_test_write_file(path, "abc", 3);
}

static void expect_files(const fut_scan *scan, const char *const *want)
{
    int64_t n = 0;
    for (; want[n] != NULL; n++) {
        assert_true(n < scan->n_files);
        assert_string_equal(scan->file[n].path, want[n]);
        assert_int_equal(scan->file[n].bytes, 3);
    }
    assert_int_equal(scan->n_files, n);
}

static const char *skip_reason(const fut_scan *scan, const char *path)
{
    for (int64_t i = 0; i < scan->n_skips; i++)
        if (strcmp(scan->skip[i].path, path) == 0) return scan->skip[i].reason;
    return "not skipped";
}

/* What torchvision.datasets.ImageFolder gives for these names (checked with torchvision 0.29; folders sort as text: a, a-b, a/b). */
static void order_is_image_folders(void **state)
{
    (void)state;
    fut_scan scan = {0};
    static const char *const given[] = {"s2/1.png",     "s10/2.png",    "s10/10.png",  "s10/1.png",  "s1/z.png",    "s1/a/c.png",
                                        "s1/a-b/d.png", "s1/a/b/e.png", "B/upper.png", "readme.txt", "a/lower.png", NULL};
    static const char *const want[] = {"B/upper.png", "a/lower.png", "s1/z.png", "s1/a/c.png", "s1/a-b/d.png", "s1/a/b/e.png", "s10/1.png",
                                       "s10/10.png",  "s10/2.png",   "s2/1.png", NULL};
    for (int i = 0; given[i] != NULL; i++)
        touch(given[i]);
    FUT_TEST_OK(fut_scan_folder(dir.path, false, &scan));
    expect_files(&scan, want);
    assert_int_equal(scan.n_people, 5);
    assert_string_equal(scan.person[0], "B");
    assert_string_equal(scan.person[3], "s10");
    assert_int_equal(scan.file[7].person, 3);
    assert_int_equal(scan.n_beside, 1);
    assert_int_equal(scan.n_skips, 0);
    fut_scan_fini(&scan);
    assert_int_equal(fut_mem_bytes(), 0);
}

static void names_are_bytes(void **state)
{
    (void)state;
    fut_scan scan = {0};
    char longest[300] = "p/";
    memset(longest + 2, 'n', 255);
    static const char *const given[] = {"-rf/--help", "new\nline/tab\t.png", "\xff\xfe/\x80.png", "\xe5\x8f\x8c\xe5\xad\x90/1",
                                        "sp ace/ .png"};
    for (int i = 0; i < 5; i++)
        touch(given[i]);
    touch(longest);
    const char *const want[] = {
        "-rf/--help", "new\nline/tab\t.png", longest, "sp ace/ .png", "\xe5\x8f\x8c\xe5\xad\x90/1", "\xff\xfe/\x80.png", NULL};
    FUT_TEST_OK(fut_scan_folder(dir.path, false, &scan));
    expect_files(&scan, want);
    fut_scan_fini(&scan);
}

static void make_strange(void)
{
    char path[FUT_TEST_PATH_MAX];
    touch("ann/1.png");
    touch("bob/1.png");
    assert_int_equal(symlink("../bob/1.png", fut_test_dir_path(&dir, "ann/link.png", path)), 0);
    assert_int_equal(symlink("nowhere", fut_test_dir_path(&dir, "ann/dangling", path)), 0);
    assert_int_equal(symlink("self", fut_test_dir_path(&dir, "ann/self", path)), 0);
    assert_int_equal(symlink(".", fut_test_dir_path(&dir, "ann/loop", path)), 0);
    assert_int_equal(symlink("..", fut_test_dir_path(&dir, "ann/up", path)), 0);
    assert_int_equal(symlink("ann", fut_test_dir_path(&dir, "twin", path)), 0);
    assert_int_equal(mkfifo(fut_test_dir_path(&dir, "ann/pipe", path), 0600), 0);
    assert_int_equal(mkdir(fut_test_dir_path(&dir, "empty", path), 0700), 0);
}

static void links_are_skipped_by_default(void **state)
{
    (void)state;
    fut_scan scan = {0};
    static const char *const want[] = {"ann/1.png", "bob/1.png", NULL};
    make_strange();
    FUT_TEST_OK(fut_scan_folder(dir.path, false, &scan));
    expect_files(&scan, want);
    assert_int_equal(scan.n_people, 3);
    assert_int_equal(scan.n_skips, 7);
    assert_non_null(strstr(skip_reason(&scan, "ann/link.png"), "--follow-links"));
    assert_non_null(strstr(skip_reason(&scan, "twin"), "--follow-links"));
    assert_string_equal(skip_reason(&scan, "ann/pipe"), "pipe, socket or device");
    fut_scan_fini(&scan);
}

static void followed_links_end(void **state)
{
    (void)state;
    fut_scan scan = {0};
    make_strange();
    static const char *const want[] = {"ann/1.png", "ann/link.png", "bob/1.png", "twin/1.png", "twin/link.png", NULL};
    FUT_TEST_OK(fut_scan_folder(dir.path, true, &scan));
    expect_files(&scan, want);
    assert_string_equal(skip_reason(&scan, "ann/loop"), "symbolic link back to its own folder");
    assert_string_equal(skip_reason(&scan, "ann/up"), "symbolic link back to its own folder");
    assert_string_equal(skip_reason(&scan, "ann/dangling"), "symbolic link to nothing");
    assert_string_equal(skip_reason(&scan, "ann/self"), "symbolic link to itself");
    assert_string_equal(skip_reason(&scan, "ann/pipe"), "pipe, socket or device");
    fut_scan_fini(&scan);
}

static void folders_that_are_none(void **state)
{
    (void)state;
    char path[FUT_TEST_PATH_MAX];
    fut_scan scan = {0};
    touch("file");
    FUT_TEST_FAILS(fut_scan_folder(fut_test_dir_path(&dir, "gone", path), false, &scan), FUT_ERR_NO_INPUT, "gone");
    FUT_TEST_FAILS(fut_scan_folder(fut_test_dir_path(&dir, "file", path), false, &scan), FUT_ERR_NO_INPUT, "this is a file");
    assert_int_equal(fut_mem_bytes(), 0);
}

static void survives_every_failed_allocation(void **state)
{
    (void)state;
    make_strange();
    fut_status st = FUT_ERR_NO_MEMORY;
    for (int64_t k = 1; st != FUT_OK; k++) {
        fut_scan scan = {0};
        fut_mem_fail_after(k);
        st = fut_scan_folder(dir.path, true, &scan);
        fut_mem_fail_after(0);
        fut_trail_clear();
        if (st != FUT_OK) assert_int_equal(st, FUT_ERR_NO_MEMORY);
        fut_scan_fini(&scan);
        assert_int_equal(fut_mem_bytes(), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(order_is_image_folders, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(names_are_bytes, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(links_are_skipped_by_default, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(followed_links_end, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(folders_that_are_none, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(survives_every_failed_allocation, make_dir, remove_dir),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
