/* core/base/file: whole reads, and writes that a reader sees whole or not at all: under signals, kills, threads and full disks. */
#include "core/base/file.h"
#include "core/base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { SKIPPED = 77 };

static char folder[] = "/tmp/fut_file_XXXXXX";

static const char *in_folder(const char *name)
{
    static char path[4][6000];
    static int next;
    char *out = path[next++ % 4];
    (void)snprintf(out, sizeof path[0], "%s/%s", folder, name);
    return out;
}

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder + sizeof folder - 7, "XXXXXX");
    return mkdtemp(folder) == NULL;
}

static int remove_folder(void **state)
{
    (void)state;
    char command[300];
    fut_trail_clear();
    (void)snprintf(command, sizeof command, "rm -r '%s'", folder);
    return system(command) != 0 || fut_mem_bytes() != 0;
}

static int entries(const char *path)
{
    DIR *dir = opendir(path);
    assert_non_null(dir);
    int n = -2; /* . and .. */
    while (readdir(dir) != NULL)
        n++;
    (void)closedir(dir);
    return n;
}

static void expect_content(const char *path, const char *text)
{
    fut_str s = {0};
    assert_int_equal(fut_file_read(path, 1 << 20, &s), FUT_OK);
    assert_string_equal(fut_str_text(&s), text);
    fut_str_fini(&s);
}

static void expect_message(const char *part)
{
    if (strstr(fut_trail_message(), part) == NULL) fail_msg("\"%s\" lacks \"%s\"", fut_trail_message(), part);
    fut_trail_clear();
}

static void writes_and_reads(void **state)
{
    (void)state;
    const char *path = in_folder("a file\nwith \xff");
    assert_false(fut_file_exists(path));
    assert_int_equal(fut_file_write(path, "one", 3), FUT_OK);
    assert_true(fut_file_exists(path));
    expect_content(path, "one");
    assert_int_equal(fut_file_write(path, NULL, 0), FUT_OK);
    expect_content(path, "");
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    mode_t mask = umask(0);
    (void)umask(mask);
    assert_int_equal(info.st_mode & 0777, 0666 & ~mask);
    assert_int_equal(entries(folder), 1);
    /* A name without a folder. */
    char old[4096];
    assert_non_null(getcwd(old, sizeof old));
    assert_int_equal(chdir(folder), 0);
    assert_int_equal(fut_file_write("plain", "x", 1), FUT_OK);
    expect_content("plain", "x");
    assert_int_equal(chdir(old), 0);
}

static void read_appends_and_bounds(void **state)
{
    (void)state;
    enum { SIZE = 300000 };
    const char *path = in_folder("big");
    char *bytes = malloc(SIZE);
    assert_non_null(bytes);
    for (int i = 0; i < SIZE; i++)
        bytes[i] = (char)(i * 7);
    assert_int_equal(fut_file_write(path, bytes, SIZE), FUT_OK);
    fut_str s = {0};
    assert_int_equal(fut_str_append(&s, "ab", 2), FUT_OK);
    assert_int_equal(fut_file_read(path, SIZE, &s), FUT_OK);
    assert_int_equal(s.length, SIZE + 2);
    assert_memory_equal(s.data, "ab", 2);
    assert_memory_equal(s.data + 2, bytes, SIZE);
    assert_int_equal(fut_file_read(path, SIZE - 1, &s), FUT_ERR_DATA);
    expect_message("the file has 300000 bytes, more than 299999");
    fut_str_fini(&s);
    free(bytes);
}

static void read_refuses_what_is_no_file(void **state)
{
    (void)state;
    fut_str s = {0};
    assert_int_equal(fut_file_read(in_folder("none"), 10, &s), FUT_ERR_NO_INPUT);
    expect_message("cannot open: No such file or directory");
    assert_int_equal(fut_file_read(folder, 10, &s), FUT_ERR_DATA);
    expect_message("this is a folder, not a file");
    assert_int_equal(mkfifo(in_folder("fifo"), 0600), 0);
    assert_int_equal(fut_file_read(in_folder("fifo"), 10, &s), FUT_ERR_DATA);
    expect_message("this is a device or pipe, not a file");
    assert_int_equal(fut_file_read("/dev/zero", 10, &s), FUT_ERR_DATA);
    fut_trail_clear();
    assert_int_equal(fut_file_read("/proc/self/status", 10, &s), FUT_ERR_DATA); /* its size says 0 */
    expect_message("the file is larger than 10 bytes");
    fut_str_fini(&s);
}

static void write_errors_leave_the_old_file(void **state)
{
    (void)state;
    assert_int_equal(fut_file_write(in_folder("no/such/folder"), "x", 1), FUT_ERR_CANT_CREATE);
    expect_message("cannot create: No such file or directory");
    assert_int_equal(fut_file_write(folder, "x", 1), FUT_ERR_CANT_CREATE);
    expect_message("cannot create: a folder has this name");
    char name[5000];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    assert_int_equal(fut_file_write(name, "x", 1), FUT_ERR_CANT_CREATE);
    fut_trail_clear();
    name[300] = '\0';
    assert_int_equal(fut_file_write(in_folder(name), "x", 1), FUT_ERR_CANT_CREATE);
    fut_trail_clear();

    /* A limit on file size acts as a full disk. */
    const char *path = in_folder("limited");
    static char big[100000];
    assert_int_equal(fut_file_write(path, "old", 3), FUT_OK);
    struct rlimit old_limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old_limit), 0);
    struct rlimit limit = {.rlim_cur = 50000, .rlim_max = old_limit.rlim_max};
    void (*old_handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    fut_status st = fut_file_write(path, big, sizeof big);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old_limit), 0);
    (void)signal(SIGXFSZ, old_handler);
    assert_int_equal(st, FUT_ERR_CANT_CREATE);
    expect_message("cannot write: File too large; 100000 bytes are needed");
    expect_content(path, "old");
    assert_int_equal(entries(folder), 1);
}

static void begin_commit_abandon(void **state)
{
    (void)state;
    const char *path = in_folder("pair");
    fut_file_atomic file = {0};
    fut_file_abandon(&file);
    assert_int_equal(fut_file_begin(path, &file), FUT_OK);
    assert_string_equal(file.path, path);
    assert_memory_equal(file.temporary, path, strlen(path));
    assert_memory_equal(file.temporary + strlen(path), ".tmp-", 5);
    assert_false(fut_file_exists(path));
    assert_true(fut_file_exists(file.temporary));
    FILE *out = fopen(file.temporary, "w");
    assert_non_null(out);
    assert_true(fputs("hdf5", out) >= 0);
    assert_int_equal(fclose(out), 0);
    assert_int_equal(fut_file_commit(&file), FUT_OK);
    assert_null(file.temporary);
    fut_file_abandon(&file);
    expect_content(path, "hdf5");
    assert_int_equal(fut_file_begin(path, &file), FUT_OK);
    fut_file_abandon(&file);
    fut_file_abandon(&file);
    expect_content(path, "hdf5");
    assert_int_equal(entries(folder), 1);
    /* The temporary was taken away: commit fails, the old file stays. */
    assert_int_equal(fut_file_begin(path, &file), FUT_OK);
    assert_int_equal(unlink(file.temporary), 0);
    assert_int_not_equal(fut_file_commit(&file), FUT_OK);
    fut_file_abandon(&file);
    expect_content(path, "hdf5");
}

static void leftovers_of_a_killed_run_are_stepped_over(void **state)
{
    (void)state;
    fut_file_atomic file = {0};
    const char *path = in_folder("left");
    assert_int_equal(fut_file_begin(path, &file), FUT_OK);
    unsigned serial = 0;
    assert_int_equal(sscanf(strrchr(file.temporary, '-'), "-%u", &serial), 1);
    fut_file_abandon(&file);
    for (unsigned i = 1; i <= 3; i++) {
        char name[64];
        (void)snprintf(name, sizeof name, "left.tmp-%ld-%u", (long)getpid(), serial + i);
        int fd = open(in_folder(name), O_CREAT | O_WRONLY, 0600);
        assert_true(fd >= 0);
        (void)close(fd);
    }
    assert_int_equal(fut_file_write(path, "x", 1), FUT_OK);
    assert_int_equal(entries(folder), 4);
}

static void too_many_at_once(void **state)
{
    (void)state;
    fut_file_atomic files[40] = {0};
    int begun = 0;
    while (begun < 40 && fut_file_begin(in_folder("many"), &files[begun]) == FUT_OK)
        begun++;
    assert_int_equal(begun, 32);
    expect_message("32 files are being written already");
    for (int i = 0; i < begun; i++)
        fut_file_abandon(&files[i]);
    assert_int_equal(entries(folder), 0);
}

static void on_signal(int number)
{
    fut_file_cleanup_temporaries();
    _exit(100 + number);
}

/* A run stopped by SIGTERM leaves what it committed and nothing else. */
static void signals_clean_up(void **state)
{
    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        fut_file_atomic file[3] = {0};
        (void)signal(SIGTERM, on_signal);
        if (fut_file_begin(in_folder("a"), &file[0]) != FUT_OK || fut_file_begin(in_folder("b"), &file[1]) != FUT_OK ||
            fut_file_begin(in_folder("c"), &file[2]) != FUT_OK || fut_file_commit(&file[1]) != FUT_OK)
            _exit(1);
        (void)raise(SIGTERM);
        _exit(2);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 100 + SIGTERM);
    assert_int_equal(entries(folder), 1);
    assert_true(fut_file_exists(in_folder("b")));
}

/* Cleanup unlinks what is begun, and the registry goes on working. */
static void cleanup_twice_and_go_on(void **state)
{
    (void)state;
    fut_file_atomic file = {0};
    assert_int_equal(fut_file_begin(in_folder("x"), &file), FUT_OK);
    errno = 12;
    fut_file_cleanup_temporaries();
    fut_file_cleanup_temporaries();
    assert_int_equal(errno, 12);
    assert_int_equal(entries(folder), 0);
    fut_file_abandon(&file);
    assert_int_equal(fut_file_write(in_folder("x"), "y", 1), FUT_OK);
    expect_content(in_folder("x"), "y");
}

/* Kill a writer at 30 moments: a reader finds one whole version each time. */
static void a_killed_writer_leaves_a_whole_file(void **state)
{
    (void)state;
    enum { SIZE = 200000 };
    const char *path = in_folder("whole");
    static char bytes[SIZE];
    memset(bytes, 'a', SIZE);
    assert_int_equal(fut_file_write(path, bytes, SIZE), FUT_OK);
    for (int round = 0; round < 30; round++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            for (int i = 0;; i++) {
                memset(bytes, 'a' + i % 26, SIZE);
                if (fut_file_write(path, bytes, SIZE) != FUT_OK) _exit(1);
            }
        }
        (void)usleep((useconds_t)(500 + 700 * round));
        assert_int_equal(kill(child, SIGKILL), 0);
        int status = 0;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        fut_str s = {0};
        assert_int_equal(fut_file_read(path, SIZE, &s), FUT_OK);
        assert_int_equal(s.length, SIZE);
        for (int i = 1; i < SIZE; i++)
            if (s.data[i] != s.data[0]) fail_msg("byte %d is %c after %c", i, s.data[i], s.data[0]);
        fut_str_fini(&s);
    }
}

/* Write a file that holds its own name; NULL if all went well. */
static void *write_often(void *path)
{
    for (int i = 0; i < 50; i++)
        if (fut_file_write(path, path, strlen(path)) != FUT_OK) return path;
    return NULL;
}

static void threads(void **state)
{
    (void)state;
    enum { THREADS = 8 };
    static char paths[THREADS][256];
    pthread_t thread[THREADS];
    for (int i = 0; i < THREADS; i++) {
        (void)snprintf(paths[i], sizeof paths[i], "%s/t%d", folder, i / 2); /* two threads a file */
        assert_int_equal(pthread_create(&thread[i], NULL, write_often, paths[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        void *failed = NULL;
        assert_int_equal(pthread_join(thread[i], &failed), 0);
        assert_null(failed);
    }
    assert_int_equal(entries(folder), THREADS / 2);
    expect_content(paths[2], paths[2]);
}

static void make_dirs(void **state)
{
    (void)state;
    assert_int_equal(fut_file_make_dirs(in_folder("a/b//c/")), FUT_OK);
    assert_int_equal(fut_file_make_dirs(in_folder("a/b/c")), FUT_OK);
    assert_int_equal(entries(in_folder("a/b")), 1);
    assert_int_equal(fut_file_make_dirs("/"), FUT_OK);
    assert_int_equal(fut_file_write(in_folder("a/file"), "x", 1), FUT_OK);
    assert_int_equal(fut_file_make_dirs(in_folder("a/file")), FUT_ERR_CANT_CREATE);
    expect_message("a file has this name");
    assert_int_equal(fut_file_make_dirs(in_folder("a/file/d")), FUT_ERR_CANT_CREATE);
    expect_message("a file has this name");
    assert_int_equal(fut_file_make_dirs("/proc/none/x"), FUT_ERR_CANT_CREATE);
    expect_message("/proc/none");
}

/* Root may write anywhere, so a child without its rights tries. */
static int write_into_locked_folder(void)
{
    if (geteuid() == 0 && setuid(65534) != 0) return 1;
    if (fut_file_write(in_folder("locked/x"), "x", 1) != FUT_ERR_PERMISSION) return 2;
    if (strstr(fut_trail_message(), "locked/x: cannot create: Permission denied") == NULL) return 3;
    if (fut_file_make_dirs(in_folder("locked/d")) != FUT_ERR_PERMISSION) return 4;
    fut_str s = {0};
    return fut_file_read(in_folder("secret"), 10, &s) == FUT_ERR_PERMISSION ? 0 : 5;
}

static void permissions(void **state)
{
    (void)state;
    assert_int_equal(chmod(folder, 0755), 0);
    assert_int_equal(mkdir(in_folder("locked"), 0555), 0);
    assert_int_equal(fut_file_write(in_folder("secret"), "x", 1), FUT_OK);
    assert_int_equal(chmod(in_folder("secret"), 0), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) _exit(write_into_locked_folder());
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* In a child with a file system of its own of 64 KiB. */
static int on_a_small_disk(void)
{
    static char big[1 << 20];
    if (unshare(CLONE_NEWNS | (geteuid() == 0 ? 0 : CLONE_NEWUSER)) != 0) return SKIPPED;
    if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 || mount("tmpfs", folder, "tmpfs", 0, "size=64k") != 0) return SKIPPED;
    if (fut_file_write(in_folder("x"), "old", 3) != FUT_OK) return 1;
    if (fut_file_write(in_folder("x"), big, sizeof big) != FUT_ERR_CANT_CREATE) return 2;
    if (strstr(fut_trail_message(), "cannot write: No space left on device; 1048576 bytes are needed, 0 are free") == NULL) return 3;
    fut_str s = {0};
    if (fut_file_read(in_folder("x"), 100, &s) != FUT_OK || strcmp(s.data, "old") != 0) return 4;
    fut_str_fini(&s);
    if (entries(folder) != 1) return 5;
    if (mount("none", folder, NULL, MS_REMOUNT | MS_RDONLY, NULL) != 0) return SKIPPED;
    if (fut_file_write(in_folder("x"), "new", 3) != FUT_ERR_PERMISSION) return 6;
    return strstr(fut_trail_message(), "Read-only file system") == NULL ? 7 : 0;
}

static void full_disk_and_read_only_disk(void **state)
{
    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) _exit(on_a_small_disk());
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == SKIPPED) {
        print_message("skipped: this system does not let us mount a small disk\n");
        skip();
    }
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void allocation_failures(void **state)
{
    (void)state;
    int failures = 0;
    for (int64_t k = 1;; k++) {
        fut_mem_fail_after(k);
        fut_status st = fut_file_write(in_folder("m"), "x", 1);
        fut_mem_fail_after(0);
        assert_int_equal(fut_mem_bytes(), 0);
        if (st == FUT_OK) break;
        assert_int_equal(st, FUT_ERR_NO_MEMORY);
        assert_true(entries(folder) <= 1);
        failures++;
    }
    assert_true(failures >= 3);
    assert_int_equal(entries(folder), 1);
}

int main(void)
{
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        IN_FOLDER(writes_and_reads),
        IN_FOLDER(read_appends_and_bounds),
        IN_FOLDER(read_refuses_what_is_no_file),
        IN_FOLDER(write_errors_leave_the_old_file),
        IN_FOLDER(begin_commit_abandon),
        IN_FOLDER(leftovers_of_a_killed_run_are_stepped_over),
        IN_FOLDER(too_many_at_once),
        IN_FOLDER(signals_clean_up),
        IN_FOLDER(cleanup_twice_and_go_on),
        IN_FOLDER(a_killed_writer_leaves_a_whole_file),
        IN_FOLDER(threads),
        IN_FOLDER(make_dirs),
        IN_FOLDER(permissions),
        IN_FOLDER(full_disk_and_read_only_disk),
        IN_FOLDER(allocation_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
