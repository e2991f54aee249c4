/* core/base/mem, status and log: the three that everything else stands on. */
#include "core/base/log.h"
#include "core/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static int clear_trail(void **state)
{
    (void)state;
    fut_trail_clear();
    return 0;
}

static void blocks_are_zeroed_aligned_and_counted(void **state)
{
    (void)state;
    int64_t count = fut_mem_count();
    int64_t bytes = fut_mem_bytes();
    for (size_t n = 0; n < 300; n += 7) {
        unsigned char *block = NULL;
        assert_int_equal(FUT_NEW_ARRAY(n, &block), FUT_OK);
        assert_int_equal((uintptr_t)block % FUT_MEM_ALIGN, 0);
        for (size_t i = 0; i < n; i++)
            assert_int_equal(block[i], 0);
        memset(block, 0xab, n);
        assert_int_equal(fut_mem_bytes(), bytes + (int64_t)n);
        assert_true(fut_mem_peak() >= bytes + (int64_t)n);
        fut_mem_free(block);
        count++;
    }
    assert_int_equal(fut_mem_count(), count);
    assert_int_equal(fut_mem_bytes(), bytes);
    fut_mem_free(NULL);
}

static void grow_keeps_the_old_and_zeroes_the_new(void **state)
{
    (void)state;
    int *values = NULL;
    assert_int_equal(fut_mem_grow((void **)&values, 0, 3, sizeof *values), FUT_OK);
    for (int i = 0; i < 3; i++)
        values[i] = i + 1;
    assert_int_equal(fut_mem_grow((void **)&values, 3, 100, sizeof *values), FUT_OK);
    for (int i = 0; i < 100; i++)
        assert_int_equal(values[i], i < 3 ? i + 1 : 0);
    int *kept = values;
    fut_mem_fail_after(1);
    assert_int_equal(fut_mem_grow((void **)&values, 100, 200, sizeof *values), FUT_ERR_NO_MEMORY);
    assert_ptr_equal(values, kept);
    fut_mem_free(values);
    assert_int_equal(fut_mem_bytes(), 0);
}

static void sizes_that_overflow_are_refused(void **state)
{
    (void)state;
    char *block = (char *)state;
    assert_int_equal(fut_mem_alloc(SIZE_MAX / 2, 3, (void **)&block), FUT_ERR_NO_MEMORY);
    assert_int_equal(fut_mem_alloc(SIZE_MAX - 10, 1, (void **)&block), FUT_ERR_NO_MEMORY);
    assert_ptr_equal(block, state);
    assert_non_null(strstr(fut_trail_message(), "cannot allocate 9223372036854775807 x 3 bytes"));
    assert_int_equal(fut_mem_bytes(), 0);
}

static void the_nth_allocation_fails_once(void **state)
{
    (void)state;
    void *block = NULL;
    fut_mem_fail_after(2);
    assert_int_equal(fut_mem_alloc(1, 1, &block), FUT_OK);
    fut_mem_free(block);
    assert_int_equal(fut_mem_alloc(1, 1, &block), FUT_ERR_NO_MEMORY);
    assert_int_equal(fut_mem_alloc(1, 1, &block), FUT_OK);
    fut_mem_free(block);
}

static fut_status decide(int n)
{
    FUT_CHECK(n > 0, FUT_ERR_SHAPE, "n is %d, must be positive", n);
    return FUT_OK;
}

static fut_status forward(int n)
{
    fut_status st = FUT_OK;
    FUT_TRY_GOTO(decide(n), out);
out:
    return st;
}

static void the_trail_keeps_the_first_decider(void **state)
{
    (void)state;
    assert_string_equal(fut_trail_message(), "");
    assert_string_equal(fut_trail_place(), "");
    assert_int_equal(forward(1), FUT_OK);
    assert_int_equal(forward(-2), FUT_ERR_SHAPE);
    assert_string_equal(fut_trail_message(), "n is -2, must be positive");
    assert_non_null(strstr(fut_trail_place(), "base_mem.c:"));
    char place[256];
    (void)snprintf(place, sizeof place, "%s", fut_trail_place());
    fut_trail_context("layer %d", 3);
    (void)FUT_FAIL(FUT_ERR_IO, "and close failed");
    assert_string_equal(fut_trail_message(), "layer 3: n is -2, must be positive; and close failed");
    assert_string_equal(fut_trail_place(), place);
    fut_trail_clear();
    assert_string_equal(fut_trail_message(), "");
}

static void the_trail_never_overflows(void **state)
{
    (void)state;
    static char text[10000];
    memset(text, 'x', sizeof text - 1);
    for (int i = 0; i < 20; i++) {
        (void)FUT_FAIL(FUT_ERR_IO, "%s", text);
        fut_trail_context("%s", text);
    }
    assert_true(strlen(fut_trail_message()) < 4096);
}

static void exit_codes_are_sysexits(void **state)
{
    (void)state;
    assert_int_equal(fut_status_exit_code(FUT_OK), 0);
    assert_int_equal(fut_status_exit_code(FUT_ERR_USAGE), 64);
    assert_int_equal(fut_status_exit_code(FUT_ERR_CONFIG), 78);
    assert_int_equal(fut_status_exit_code(FUT_ERR_LOCKED), 79);
    for (int st = 1; st < FUT_STATUS_COUNT; st++) {
        assert_in_range(fut_status_exit_code((fut_status)st), 64, 79);
        assert_true(fut_status_text((fut_status)st)[0] != '\0');
    }
    assert_int_equal(fut_status_exit_code((fut_status)-5), 70);
    assert_int_equal(fut_status_exit_code((fut_status)999), 70);
}

static void log_lines(void **state)
{
    (void)state;
    char *text = NULL;
    size_t length = 0;
    FILE *file = open_memstream(&text, &length);
    assert_non_null(file);
    fut_log_set_file(file);
    FUT_INFO("hello %d", 7);
    FUT_WARN("name \"a\nb\x1b[31m\"");
    FUT_DEBUG("not shown");
    fut_log_set_rank(1, 4);
    FUT_INFO("rank 0 only");
    FUT_INFO_ALL("everyone");
    FUT_ERROR("broken");
    fut_log_set_rank(0, 1);
    fut_log_set_file(NULL);
    FUT_INFO("not in the file");
    assert_int_equal(fclose(file), 0);
    /* Each line: a stamp of 21 bytes with its blank, then the text. */
    static const char *const expected[] = {"hello 7", "warning: name \"a\\x0ab\\x1b[31m\"", "[1/4] everyone", "[1/4] error: broken"};
    char *at = text;
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        char *end = strchr(at, '\n');
        assert_non_null(end);
        *end = '\0';
        assert_int_equal(at[4], '-');
        assert_int_equal(at[19], 'Z');
        assert_string_equal(at + 21, expected[i]);
        at = end + 1;
    }
    assert_string_equal(at, "");
    free(text);
}

/* A limit on the address space narrows what there is: in a child, since it cannot be taken back. */
static void a_limit_is_seen(void **state)
{
    (void)state;
    size_t free_bytes = 0, total = 0;
    fut_mem_machine(&free_bytes, &total);
    assert_true(free_bytes > 0 && free_bytes <= total);
    pid_t child = fork();
    if (child == 0) {
        struct rlimit limit = {.rlim_cur = total / 2, .rlim_max = total / 2};
        size_t left = 0, limited = 0;
        if (setrlimit(RLIMIT_AS, &limit) != 0) _exit(1);
        fut_mem_machine(&left, &limited);
        _exit(limited == total / 2 && left < limited ? 0 : 2);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

/* A bare chroot has no /proc. */
static void without_proc_the_kernel_is_asked(void **state)
{
    (void)state;
    char folder[] = "/tmp/fut_bare_XXXXXX";
    assert_non_null(mkdtemp(folder));
    pid_t child = fork();
    if (child == 0) {
        size_t left = 0, total = 0;
        if (chroot(folder) != 0) _exit(77);
        fut_mem_machine(&left, &total);
        _exit(left > 0 && left <= total ? 0 : 2);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(rmdir(folder), 0);
    if (WEXITSTATUS(status) == 77) {
        print_message("skipped: only root may chroot\n");
        skip();
    }
    assert_int_equal(status, 0);
}

int main(void)
{
#define FRESH(test) cmocka_unit_test_setup(test, clear_trail)
    const struct CMUnitTest tests[] = {
        FRESH(blocks_are_zeroed_aligned_and_counted),
        FRESH(grow_keeps_the_old_and_zeroes_the_new),
        FRESH(sizes_that_overflow_are_refused),
        FRESH(the_nth_allocation_fails_once),
        FRESH(the_trail_keeps_the_first_decider),
        FRESH(the_trail_never_overflows),
        FRESH(exit_codes_are_sysexits),
        FRESH(log_lines),
        FRESH(a_limit_is_seen),
        FRESH(without_proc_the_kernel_is_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
