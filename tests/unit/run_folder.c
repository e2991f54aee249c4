/* The run folder: its lock, the list of checkpoints, links, pruning, what killed writers leave. */
#include "launch/run_folder.h"
#include "core/base/file.h"
#include "core/base/mem.h"
#include "launch/lease.h"
#include "tests/support/support.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static void make_checkpoint(const char *run, int64_t step)
{
    fut_str path = {0};
    FUT_TEST_OK(fut_run_checkpoint_path(run, step, &path));
    fut_test_write_file(fut_str_text(&path), "x", 1);
    fut_str_fini(&path);
}

static void check_steps(const char *run, const int64_t *want, int64_t n)
{
    int64_t *steps = NULL;
    int64_t count = -1;
    FUT_TEST_OK(fut_run_list_checkpoints(run, &steps, &count));
    assert_int_equal(count, n);
    for (int64_t i = 0; i < n; i++)
        assert_int_equal(steps[i], want[i]);
    fut_mem_free(steps);
}

static void lists_newest_first_and_only_checkpoints(void **state)
{
    (void)state;
    fut_test_dir dir = {0};
    char path[FUT_TEST_PATH_MAX];
    fut_run_folder *folder = NULL;
    fut_test_dir_create(&dir);
    check_steps(dir.path, NULL, 0);
    FUT_TEST_OK(fut_run_folder_open(dir.path, &folder));
    check_steps(dir.path, NULL, 0);
    const int64_t some[] = {20, 3, 1000000000001, 100, 0};
    for (size_t i = 0; i < sizeof some / sizeof *some; i++)
        make_checkpoint(dir.path, some[i]);
    const char *others[] = {"step-000000007.h5.damaged", "step-000000008.h5.tmp-1-2", "step-.h5x", "notes.txt", "step-x.h5", "step--5.h5"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        char name[128];
        (void)snprintf(name, sizeof name, "checkpoints/%s", others[i]);
        fut_test_write_file(fut_test_dir_path(&dir, name, path), "x", 1);
    }
    check_steps(dir.path, (int64_t[]){1000000000001, 100, 20, 3, 0}, 5);
    FUT_TEST_OK(fut_run_set_aside(dir.path, 20));
    check_steps(dir.path, (int64_t[]){1000000000001, 100, 3, 0}, 4);
    assert_true(fut_file_exists(fut_test_dir_path(&dir, "checkpoints/step-000000020.h5.damaged", path)));
    fut_run_folder_close(&folder);
    fut_test_dir_remove(&dir);
}

static void prunes_all_but_the_newest_and_the_best(void **state)
{
    (void)state;
    fut_test_dir dir = {0};
    fut_run_folder *folder = NULL;
    bool was_saved = true;
    fut_test_dir_create(&dir);
    FUT_TEST_OK(fut_run_folder_open(dir.path, &folder));
    FUT_TEST_OK(fut_run_was_saved(dir.path, &was_saved));
    assert_false(was_saved);
    for (int64_t step = 10; step <= 60; step += 10)
        make_checkpoint(dir.path, step);
    FUT_TEST_OK(fut_run_link(dir.path, "best.h5", 20));
    FUT_TEST_OK(fut_run_link(dir.path, "last.h5", 60));
    FUT_TEST_OK(fut_run_was_saved(dir.path, &was_saved));
    assert_true(was_saved);
    FUT_TEST_OK(fut_run_prune(dir.path, 2));
    check_steps(dir.path, (int64_t[]){60, 50, 20}, 3);
    FUT_TEST_OK(fut_run_link(dir.path, "best.h5", 50));
    FUT_TEST_OK(fut_run_prune(dir.path, 1));
    check_steps(dir.path, (int64_t[]){60, 50}, 2);
    FUT_TEST_OK(fut_run_prune(dir.path, 5));
    check_steps(dir.path, (int64_t[]){60, 50}, 2);
    /* It was saved, though its checkpoint is gone. */
    FUT_TEST_OK(fut_run_set_aside(dir.path, 60));
    FUT_TEST_OK(fut_run_was_saved(dir.path, &was_saved));
    assert_true(was_saved);
    fut_run_folder_close(&folder);
    fut_test_dir_remove(&dir);
}

static void a_link_leads_to_its_checkpoint(void **state)
{
    (void)state;
    fut_test_dir dir = {0};
    char path[FUT_TEST_PATH_MAX];
    char target[128] = "";
    fut_run_folder *folder = NULL;
    fut_test_dir_create(&dir);
    FUT_TEST_OK(fut_run_folder_open(dir.path, &folder));
    make_checkpoint(dir.path, 5);
    FUT_TEST_OK(fut_run_link(dir.path, "last.h5", 4));
    FUT_TEST_OK(fut_run_link(dir.path, "last.h5", 5));
    assert_true(fut_file_exists(fut_test_dir_path(&dir, "last.h5", path)));
    assert_true(readlink(path, target, sizeof target - 1) > 0);
    assert_string_equal(target, "checkpoints/step-000000005.h5"); /* relative: the folder may be moved */
    fut_run_folder_close(&folder);
    fut_test_dir_remove(&dir);
}

/* As if the file had last been written so many seconds ago. */
static void set_age(const char *path, int seconds)
{
    struct timespec times[2];
    (void)clock_gettime(CLOCK_REALTIME, &times[0]);
    times[0].tv_sec -= seconds;
    times[1] = times[0];
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void the_lock_keeps_a_second_out(void **state)
{
    (void)state;
    fut_test_dir dir = {0};
    char path[FUT_TEST_PATH_MAX];
    fut_run_folder *first = NULL;
    fut_run_folder *second = NULL;
    fut_test_dir_create(&dir);
    FUT_TEST_OK(fut_run_folder_open(dir.path, &first));
    FUT_TEST_FAILS(fut_run_folder_open(dir.path, &second), FUT_ERR_LOCKED, "in use by process");
    assert_null(second);
    fut_run_folder_close(&first);
    FUT_TEST_OK(fut_run_folder_open(dir.path, &first));
    fut_run_folder_close(&first);
    /* A run that died on this host is taken over at once, one on another host after a while. */
    char host[256] = "";
    char text[512];
    (void)gethostname(host, sizeof host - 1);
    int length = snprintf(text, sizeof text, "process 1 on %s\n", host);
    fut_test_write_file(fut_test_dir_path(&dir, "lock", path), text, (size_t)length);
    FUT_TEST_OK(fut_run_folder_open(dir.path, &first));
    fut_run_folder_close(&first);
    fut_test_write_file(path, "process 1 on elsewhere\n", 23);
    FUT_TEST_FAILS(fut_run_folder_open(dir.path, &first), FUT_ERR_LOCKED, "in use by process 1 on elsewhere");
    set_age(path, FUT_LEASE_STALE_S - 30);
    FUT_TEST_FAILS(fut_run_folder_open(dir.path, &first), FUT_ERR_LOCKED, "a sign of life 4 min 3");
    set_age(path, FUT_LEASE_STALE_S + 30);
    FUT_TEST_OK(fut_run_folder_open(dir.path, &first));
    /* One that was only stopped finds out before it writes, and leaves the lock to its new owner. */
    FUT_TEST_OK(fut_run_folder_check(first));
    fut_test_write_file(path, "process 2 on faraway\n", 21);
    FUT_TEST_FAILS(fut_run_folder_check(first), FUT_ERR_LOCKED, "taken over by process 2 on faraway");
    fut_run_folder_close(&first);
    FUT_TEST_FAILS(fut_run_folder_open(dir.path, &first), FUT_ERR_LOCKED, "in use by process 2 on faraway");
    /* An earlier start of the same job is over; another job's may not be. */
    fut_test_write_file(path, "process 1 on elsewhere of job 77\n", 33);
    FUT_TEST_FAILS(fut_run_folder_open(dir.path, &first), FUT_ERR_LOCKED, "in use by process 1 on elsewhere of job 77");
    assert_int_equal(setenv("FUTAGO_JOB", "7", 1), 0);
    FUT_TEST_FAILS(fut_run_folder_open(dir.path, &first), FUT_ERR_LOCKED, "of job 77");
    assert_int_equal(setenv("FUTAGO_JOB", "77", 1), 0);
    FUT_TEST_OK(fut_run_folder_open(dir.path, &first));
    fut_run_folder_close(&first);
    assert_int_equal(unsetenv("FUTAGO_JOB"), 0);
    fut_test_dir_remove(&dir);
}

static void sweeps_unfinished_files(void **state)
{
    (void)state;
    fut_test_dir dir = {0};
    char path[FUT_TEST_PATH_MAX];
    fut_run_folder *folder = NULL;
    fut_test_dir_create(&dir);
    FUT_TEST_OK(fut_run_folder_open(dir.path, &folder));
    fut_run_folder_close(&folder);
    make_checkpoint(dir.path, 5);
    fut_test_write_file(fut_test_dir_path(&dir, "checkpoints/step-000000006.h5.tmp-11-1", path), "x", 1);
    FUT_TEST_OK(fut_run_folder_open(dir.path, &folder));
    assert_false(fut_file_exists(path));
    check_steps(dir.path, (int64_t[]){5}, 1);
    fut_run_folder_close(&folder);
    fut_test_dir_remove(&dir);
}

static void survives_any_failed_allocation(void **state)
{
    (void)state;
    fut_test_dir dir = {0};
    fut_run_folder *folder = NULL;
    fut_test_dir_create(&dir);
    FUT_TEST_OK(fut_run_folder_open(dir.path, &folder));
    for (int64_t step = 0; step < 20; step++)
        make_checkpoint(dir.path, step);
    fut_run_folder_close(&folder);
    int64_t held = fut_mem_bytes();
    fut_status st = FUT_ERR_NO_MEMORY;
    for (int64_t n = 1; st != FUT_OK; n++) {
        fut_mem_fail_after(n);
        st = fut_run_folder_open(dir.path, &folder);
        if (st == FUT_OK) st = fut_run_link(dir.path, "best.h5", 3);
        if (st == FUT_OK) st = fut_run_prune(dir.path, 25);
        fut_mem_fail_after(0);
        fut_run_folder_close(&folder);
        assert_int_equal(fut_mem_bytes(), held);
        if (st != FUT_OK) assert_int_equal(st, FUT_ERR_NO_MEMORY);
        fut_trail_clear();
        assert_true(n < 1000);
    }
    fut_test_dir_remove(&dir);
}

static void takes_a_folder_that_it_made_away_again(void **state)
{
    (void)state;
    fut_test_dir dir = {0};
    char path[FUT_TEST_PATH_MAX];
    char file[FUT_TEST_PATH_MAX];
    fut_run_folder *folder = NULL;
    fut_test_dir_create(&dir);
    (void)fut_test_dir_path(&dir, "new", path);
    FUT_TEST_OK(fut_run_folder_open(path, &folder));
    fut_test_write_file(fut_test_dir_path(&dir, "new/log.txt", file), "x", 1);
    fut_run_folder_close(&folder);
    assert_false(fut_file_exists(path));

    FUT_TEST_OK(fut_run_folder_open(path, &folder));
    fut_test_write_file(fut_test_dir_path(&dir, "new/notes.txt", file), "mine", 4);
    fut_run_folder_close(&folder);
    assert_true(fut_file_exists(file));
    (void)unlink(file);
    FUT_TEST_OK(fut_run_folder_open(path, &folder)); /* it was there */
    fut_run_folder_close(&folder);
    assert_true(fut_file_exists(path));

    (void)fut_test_dir_path(&dir, "kept", path);
    FUT_TEST_OK(fut_run_folder_open(path, &folder));
    fut_run_folder_keep(folder);
    fut_run_folder_close(&folder);
    assert_true(fut_file_exists(fut_test_dir_path(&dir, "kept/lock", file)));
    fut_test_dir_remove(&dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_a_folder_that_it_made_away_again),
        cmocka_unit_test(lists_newest_first_and_only_checkpoints),
        cmocka_unit_test(prunes_all_but_the_newest_and_the_best),
        cmocka_unit_test(a_link_leads_to_its_checkpoint),
        cmocka_unit_test(the_lock_keeps_a_second_out),
        cmocka_unit_test(sweeps_unfinished_files),
        cmocka_unit_test(survives_any_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
