/* metrics.jsonl and the timer of a step. */
#include "launch/step_report.h"

#include "core/base/clock.h"
#include "core/base/file.h"
#include "core/base/mem.h"
#include "tests/support/support.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

static void write_steps(const char *path, int64_t after, int64_t first, int64_t last)
{
    fut_step_report report;
    FUT_TEST_OK(fut_step_report_open(&report, path, after, 1000));
    for (int64_t step = first; step <= last; step++) {
        fut_step_timer timer;
        fut_step_timer_begin(&timer);
        fut_step_timer_lap(&timer, FUT_SECTION_DATA);
        fut_step_result result = {.step = step, .steps = 100, .epochs = 1, .images = 8, .lr = 1e-4, .loss = {.loss = 0.5}};
        fut_step_report_write(&report, &result, &timer, fut_step_timer_end(&timer));
    }
    fut_step_report_close(&report);
}

/* The steps of a file, checked line by line. */
static int64_t read_steps(const char *path, int64_t *steps, int64_t max)
{
    fut_str all = {0};
    int64_t n = 0;
    FUT_TEST_OK(fut_file_read(path, 1 << 20, &all));
    for (size_t at = 0; at < all.length;) {
        const char *newline = memchr(all.data + at, '\n', all.length - at);
        assert_non_null(newline);
        cJSON *object = cJSON_ParseWithLength(all.data + at, (size_t)(newline - (all.data + at)));
        assert_non_null(object);
        assert_true(n < max);
        steps[n++] = (int64_t)cJSON_GetObjectItem(object, "step")->valuedouble;
        cJSON_Delete(object);
        at = (size_t)(newline + 1 - all.data);
    }
    fut_str_fini(&all);
    return n;
}

static void a_resumed_run_writes_each_step_once(void **state)
{
    (void)state;
    fut_test_dir dir = {0};
    char path[FUT_TEST_PATH_MAX];
    int64_t steps[32];
    fut_test_dir_create(&dir);
    (void)fut_test_dir_path(&dir, "metrics.jsonl", path);
    write_steps(path, 0, 1, 9);
    /* It died while writing step 10; its last checkpoint is of step 6. */
    fut_str all = {0};
    FUT_TEST_OK(fut_file_read(path, 1 << 20, &all));
    FUT_TEST_OK(fut_str_printf(&all, "{\"step\":10,\"lo"));
    fut_test_write_file(path, all.data, all.length);
    fut_str_fini(&all);
    write_steps(path, 6, 7, 12);
    assert_int_equal(read_steps(path, steps, 32), 12);
    for (int64_t i = 0; i < 12; i++)
        assert_int_equal(steps[i], i + 1);
    fut_test_dir_remove(&dir);
}

static void sections_add_up_to_the_wall(void **state)
{
    (void)state;
    fut_step_timer timer;
    double sum = 0;
    fut_step_timer_begin(&timer);
    (void)usleep(2000);
    fut_step_timer_lap(&timer, FUT_SECTION_FORWARD);
    (void)usleep(1000);
    fut_step_timer_lap(&timer, FUT_SECTION_BACKWARD);
    (void)usleep(1000);
    fut_step_timer_lap(&timer, FUT_SECTION_FORWARD);
    (void)usleep(500);
    double wall = fut_step_timer_end(&timer);
    for (int s = 0; s < FUT_SECTIONS; s++)
        sum += timer.seconds[s];
    assert_true(fabs(sum - wall) < 1e-9);
    assert_true(timer.seconds[FUT_SECTION_FORWARD] >= 0.003);
    assert_true(timer.seconds[FUT_SECTION_BACKWARD] >= 0.001);
    assert_true(timer.seconds[FUT_SECTION_OTHER] >= 0.0005);
}

/* A loss that is no number must not make a line that is no JSON. */
static void a_line_is_json_whatever_the_numbers(void **state)
{
    (void)state;
    fut_test_dir dir = {0};
    char path[FUT_TEST_PATH_MAX];
    int64_t steps[4];
    fut_step_report report;
    fut_test_dir_create(&dir);
    FUT_TEST_OK(fut_step_report_open(&report, fut_test_dir_path(&dir, "metrics.jsonl", path), 0, 1));
    fut_step_timer timer;
    fut_step_timer_begin(&timer);
    fut_step_result result = {.step = 1, .steps = 2, .images = 8, .loss = {.loss = 1e300, .mean_pos = -1}};
    fut_step_report_write(&report, &result, &timer, fut_step_timer_end(&timer));
    fut_step_report_close(&report);
    assert_int_equal(read_steps(path, steps, 4), 1);
    fut_test_dir_remove(&dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_resumed_run_writes_each_step_once),
        cmocka_unit_test(sections_add_up_to_the_wall),
        cmocka_unit_test(a_line_is_json_whatever_the_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
