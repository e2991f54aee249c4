/* core/base/clock. */
#include "core/base/clock.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static void expect(double seconds, const char *text)
{
    char out[32];
    fut_clock_format(seconds, out, sizeof out);
    assert_string_equal(out, text);
}

static void formats_for_people(void **state)
{
    (void)state;
    expect(0, "0 ms");
    expect(0.25, "250 ms");
    expect(0.9996, "1.0 s");
    expect(3.21, "3.2 s");
    expect(59.94, "59.9 s");
    expect(59.97, "1 min 00 s");
    expect(250, "4 min 10 s");
    expect(3599.4, "59 min 59 s");
    expect(3599.6, "1 h 00 min");
    expect(7500, "2 h 05 min");
    expect(-1, "?");
    expect(NAN, "?");
    expect(INFINITY, "?");
    char small[4];
    fut_clock_format(7500, small, sizeof small);
    assert_string_equal(small, "2 h");
}

static void now_moves_forward_with_time(void **state)
{
    (void)state;
    double before = fut_clock_now();
    (void)nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    double passed = fut_clock_now() - before;
    assert_true(passed >= 0.0199 && passed < 10);
}

static void utc_is_now(void **state)
{
    (void)state;
    char text[21];
    struct tm parts = {0};
    time_t before = time(NULL);
    fut_clock_utc(text, sizeof text);
    assert_non_null(strptime(text, "%Y-%m-%dT%H:%M:%SZ", &parts));
    time_t said = timegm(&parts);
    assert_true(said >= before && said <= time(NULL));
    char small[5] = "xxxx";
    fut_clock_utc(small, sizeof small);
    assert_string_equal(small, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats_for_people),
        cmocka_unit_test(now_moves_forward_with_time),
        cmocka_unit_test(utc_is_now),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
