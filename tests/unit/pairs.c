/* data/pairs: LFW's lists, and lists that lie. */
#include "data/pairs.h"
#include "core/base/mem.h"
#include "tests/support/support.h"

#include <stdio.h>
#include <string.h>
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

static const char *list(const char *text, char path[FUT_TEST_PATH_MAX])
{
    fut_test_dir_path(&dir, "pairs.txt", path);
    fut_test_write_file(path, text, strlen(text));
    return path;
}

static void with_folds(void **state)
{
    (void)state;
    char path[FUT_TEST_PATH_MAX];
    fut_pairs pairs;
    FUT_TEST_OK(fut_pairs_read(list("2\t1\r\nAnn\t1\t4\r\nAnn\t1\tBob B\t12\n\nCy\t2\t3\nCy\t1\tDi\t9999", path), &pairs));
    assert_int_equal(pairs.n, 4);
    assert_int_equal(pairs.n_folds, 2);
    assert_int_equal(pairs.per_fold, 1);
    assert_string_equal(pairs.pair[0].a, "Ann/Ann_0001.jpg");
    assert_string_equal(pairs.pair[0].b, "Ann/Ann_0004.jpg");
    assert_true(pairs.pair[0].same && pairs.pair[0].fold == 0);
    assert_string_equal(pairs.pair[1].b, "Bob B/Bob B_0012.jpg");
    assert_false(pairs.pair[1].same);
    assert_true(pairs.pair[2].same && pairs.pair[2].fold == 1);
    assert_string_equal(pairs.pair[3].b, "Di/Di_9999.jpg");
    fut_pairs_fini(&pairs);
    assert_int_equal(fut_mem_bytes(), 0);
}

static void without_folds(void **state)
{
    (void)state;
    char path[FUT_TEST_PATH_MAX];
    fut_pairs pairs;
    FUT_TEST_OK(fut_pairs_read(list("2\nAnn\t1\t4\nBob\t1\t2\nAnn\t1\tBob\t1\nCy\t1\tDi\t1\n", path), &pairs));
    assert_int_equal(pairs.n, 4);
    assert_int_equal(pairs.n_folds, 1);
    assert_true(pairs.pair[1].same && !pairs.pair[2].same && pairs.pair[3].fold == 0);
    fut_pairs_fini(&pairs);
}

static void lists_that_lie(void **state)
{
    (void)state;
    char path[FUT_TEST_PATH_MAX];
    fut_pairs pairs;
    static const struct {
        const char *text, *message;
    } bad[] = {
        {"", "pairs.txt:1: the first line must be the number of pairs"},
        {"Ann\t1\t4\n", "pairs.txt:1: the first line"},
        {"0\n", "pairs.txt:1: the first line"},
        {"-3\n", "pairs.txt:1: the first line"},
        {"10\t9999999\nAnn\t1\t4\n", "pairs.txt:1: the first line"},
        {"9000000\nAnn\t1\t4\n", "pairs.txt:1: 18000000 pairs are stated, 16 bytes cannot hold them"},
        {"1\nAnn\t1\t4\nAnnnnnnnnnnnnnnnnn\t1\t4\n", "pairs.txt:3: 3 fields, expected 4"},
        {"1\nAnn\t1\tBob\t4\nAnn\t1\tBob\t4\n", "pairs.txt:2: 4 fields, expected 3"},
        {"1\nAnnnnnnnnn\t1\t4\n", "the list ends after line 2"},
        {"1\nAnn\t1\t4\nAnn\t1\tBob\t4\nCy\t1\t2\n", "pairs.txt:4: more lines than the 2 pairs"},
        {"1\nAnn\t1\t2\nCy\t1\tDi\t10000\n", "pairs.txt:3: field 4 is not the number of a photo, 1 to 9999"},
        {"1\nAnn\t0\t4\nAnn\t1\tBob\t4\n", "pairs.txt:2: field 2 is not the number of a photo"},
        {"1\n../etc\t1\t4\nAnn\t1\tBob\t4\n", "pairs.txt:2: field 1 is not the name of a person's folder"},
        {"1\nAnn\t1\t4\nAnn\t1\t\t4\n", "pairs.txt:3: field 3 is not the name"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        FUT_TEST_FAILS(fut_pairs_read(list(bad[i].text, path), &pairs), FUT_ERR_DATA, bad[i].message);
    assert_int_equal(fut_mem_bytes(), 0);
}

static void lfw_itself(void **state)
{
    (void)state;
    static const char folder[] = FUT_TEST_SOURCE_DIR "/../shared/data/lfw/";
    static const struct {
        const char *name;
        int64_t n;
        int folds;
    } lists[] = {{"pairs.txt", 6000, 10}, {"pairsDevTest.txt", 1000, 1}, {"pairsDevTrain.txt", 2200, 1}};
    if (access(folder, R_OK) != 0) {
        print_message("skipped: %s is not here\n", folder);
        skip();
    }
    for (int l = 0; l < 3; l++) {
        char path[2048];
        fut_pairs pairs;
        (void)snprintf(path, sizeof path, "%s%s", folder, lists[l].name);
        FUT_TEST_OK(fut_pairs_read(path, &pairs));
        assert_int_equal(pairs.n, lists[l].n);
        assert_int_equal(pairs.n_folds, lists[l].folds);
        for (int64_t i = 0; i < pairs.n; i++) {
            (void)snprintf(path, sizeof path, "%s%s", folder, pairs.pair[i].a);
            assert_int_equal(access(path, R_OK), 0);
            (void)snprintf(path, sizeof path, "%s%s", folder, pairs.pair[i].b);
            assert_int_equal(access(path, R_OK), 0);
        }
        fut_pairs_fini(&pairs);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(with_folds, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(without_folds, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(lists_that_lie, make_dir, remove_dir),
        cmocka_unit_test(lfw_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
