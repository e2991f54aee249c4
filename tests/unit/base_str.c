/* core/base/str: text that grows, strict numbers, quantities, nearest words, escapes. */
#include "core/base/mem.h"
#include "core/base/rng.h"
#include "core/base/str.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void appends_and_formats(void **state)
{
    (void)state;
    fut_str s = {0};
    assert_string_equal(fut_str_text(&s), "");
    assert_int_equal(fut_str_append(&s, "a\0b", 3), FUT_OK);
    assert_int_equal(s.length, 3);
    assert_int_equal(fut_str_printf(&s, "%d-%s", 7, "x"), FUT_OK);
    assert_memory_equal(s.data, "a\0b7-x", 7);
    for (int i = 0; i < 5000; i++)
        assert_int_equal(fut_str_printf(&s, "%d,", i), FUT_OK);
    assert_string_equal(s.data + s.length - 10, "4998,4999,");
    fut_str_fini(&s);
    assert_null(s.data);
    assert_int_equal(fut_mem_bytes(), 0);
}

static void failed_append_leaves_the_text(void **state)
{
    (void)state;
    fut_str s = {0};
    assert_int_equal(fut_str_append(&s, "kept", 4), FUT_OK);
    fut_mem_fail_after(1);
    char big[1000];
    memset(big, 'x', sizeof big);
    assert_int_equal(fut_str_append(&s, big, sizeof big), FUT_ERR_NO_MEMORY);
    assert_string_equal(s.data, "kept");
    assert_int_equal(fut_str_append(&s, big, SIZE_MAX - 2), FUT_ERR_NO_MEMORY);
    assert_string_equal(s.data, "kept");
    fut_str_fini(&s);
}

static void nearest_words(void **state)
{
    (void)state;
    static const char *const words[] = {"epochs", "steps", "batch", "shards", NULL};
    assert_int_equal(fut_str_distance("kitten", "sitting"), 3);
    assert_int_equal(fut_str_distance("", "abc"), 3);
    assert_int_equal(fut_str_distance("ab", "ba"), 1);
    assert_int_equal(fut_str_distance("ca", "abc"), 3);
    assert_int_equal(fut_str_distance("abcdef", "abdcfe"), 2);
    assert_int_equal(fut_str_distance("LR", "lr"), 0);
    assert_string_equal(fut_str_nearest("epoch", words), "epochs");
    assert_string_equal(fut_str_nearest("bacth", (const char *const[]){"bath", "batch", NULL}), "bath");
    assert_string_equal(fut_str_nearest("bacth", words), "batch");
    assert_string_equal(fut_str_nearest("BATCH", words), "batch");
    assert_string_equal(fut_str_nearest("x", (const char *const[]){"y", NULL}), "y");
    assert_null(fut_str_nearest("momentum", words));
    char longer[100000];
    memset(longer, 'a', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    assert_int_equal(fut_str_distance(longer, "a"), sizeof longer - 1);
    assert_null(fut_str_nearest(longer, words));
}

static void whole_numbers(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "", " 1", "1 ", "1.0", "1e3", "0x10", "010", "00", "-010", "1_000", "+", "-", "nan", "9223372036854775808", "٣", "1a", "--1", NULL};
    int64_t value = 77;
    for (int i = 0; bad[i] != NULL; i++) {
        if (fut_str_to_i64(bad[i], &value)) fail_msg("accepted \"%s\"", bad[i]);
        assert_int_equal(value, 77);
    }
    assert_true(fut_str_to_i64("0", &value) && value == 0);
    assert_true(fut_str_to_i64("-0", &value) && value == 0);
    assert_true(fut_str_to_i64("+12", &value) && value == 12);
    assert_true(fut_str_to_i64("-9223372036854775808", &value) && value == INT64_MIN);
    assert_true(fut_str_to_i64("9223372036854775807", &value) && value == INT64_MAX);
}

static void real_numbers(void **state)
{
    (void)state;
    static const char *const bad[] = {"",    ".",    "-",     "e5",     "1e",  "1e+", "inf", "nan",   ".inf", ".nan", "0x1p3",
                                      "010", "01.5", "1e999", "-1e999", "1,5", "1 ",  " 1",  "1.2.3", "1f",   NULL};
    double value = 77;
    for (int i = 0; bad[i] != NULL; i++) {
        if (fut_str_to_f64(bad[i], &value)) fail_msg("accepted \"%s\"", bad[i]);
        assert_true(value == 77);
    }
    assert_true(fut_str_to_f64("1e-4", &value) && value == 1e-4);
    assert_true(fut_str_to_f64("-1.5E+3", &value) && value == -1500);
    assert_true(fut_str_to_f64(".5", &value) && value == 0.5);
    assert_true(fut_str_to_f64("5.", &value) && value == 5);
    assert_true(fut_str_to_f64("1e-999", &value) && value == 0);
}

static void quantities(void **state)
{
    (void)state;
    int64_t bytes = 0;
    double seconds = 0;
    assert_true(fut_str_to_bytes("512", &bytes) && bytes == 512);
    assert_true(fut_str_to_bytes("10kB", &bytes) && bytes == 10000);
    assert_true(fut_str_to_bytes("64 MiB", &bytes) && bytes == 64LL << 20);
    assert_true(fut_str_to_bytes("1.5 GiB", &bytes) && bytes == 3LL << 29);
    assert_true(fut_str_to_bytes("0 B", &bytes) && bytes == 0);
    static const char *const bad_bytes[] = {"", "MiB", "1.5", "-1 kB", "1 mib", "1 MiBs", "1 M", "9000000000 GiB", "1e30 TB", "1  ", NULL};
    for (int i = 0; bad_bytes[i] != NULL; i++)
        if (fut_str_to_bytes(bad_bytes[i], &bytes)) fail_msg("accepted \"%s\"", bad_bytes[i]);
    assert_true(fut_str_to_seconds("30s", &seconds) && seconds == 30);
    assert_true(fut_str_to_seconds("5 min", &seconds) && seconds == 300);
    assert_true(fut_str_to_seconds("250 ms", &seconds) && seconds == 0.25);
    assert_true(fut_str_to_seconds("1 ms", &seconds) && seconds == 0.001);
    assert_true(fut_str_to_seconds("2h", &seconds) && seconds == 7200);
    assert_true(fut_str_to_seconds("1.5 d", &seconds) && seconds == 129600);
    assert_true(fut_str_to_seconds("1.5", &seconds) && seconds == 1.5);
    static const char *const bad_seconds[] = {"", "s", "-1 s", "1 m", "1 S", "5 minutes", "1e308 d", "1:30", NULL};
    for (int i = 0; bad_seconds[i] != NULL; i++)
        if (fut_str_to_seconds(bad_seconds[i], &seconds)) fail_msg("accepted \"%s\"", bad_seconds[i]);
}

static void expect_f64(double value, const char *text)
{
    fut_str s = {0};
    assert_int_equal(fut_str_append_f64(&s, value), FUT_OK);
    assert_string_equal(fut_str_text(&s), text);
    fut_str_fini(&s);
}

static void shortest_numbers(void **state)
{
    (void)state;
    expect_f64(0, "0");
    expect_f64(-0.0, "-0");
    expect_f64(0.1, "0.1");
    expect_f64(1e-4, "0.0001");
    expect_f64(1e-5, "1e-5");
    expect_f64(-2.5e-300, "-2.5e-300");
    expect_f64(100000, "100000");
    expect_f64(1e22, "1e22");
    expect_f64(1.0 / 3, "0.3333333333333333");
    expect_f64(5e-324, "5e-324");
    expect_f64(INFINITY, "inf");
    /* Every bit pattern that is a finite number reads back to itself. */
    fut_philox p = fut_philox_key(1, FUT_RNG_TEST);
    for (uint64_t i = 0; i < 20000; i++) {
        uint32_t words[4];
        double value = 0;
        double back = 0;
        fut_philox_words(p, 0, i, words);
        memcpy(&value, words, sizeof value);
        if (!isfinite(value)) continue;
        fut_str s = {0};
        assert_int_equal(fut_str_append_f64(&s, value), FUT_OK);
        if (!fut_str_to_f64(s.data, &back) || memcmp(&back, &value, sizeof value) != 0) fail_msg("%a printed as %s", value, s.data);
        fut_str_fini(&s);
    }
}

static void utf8(void **state)
{
    (void)state;
    uint32_t code = 0;
    assert_int_equal(fut_str_utf8("a", 1, &code), 1);
    assert_int_equal(fut_str_utf8("\xc3\xa9", 2, &code), 2);
    assert_int_equal(code, 0xe9);
    assert_int_equal(fut_str_utf8("\xe5\x8f\x8c", 3, &code), 3);
    assert_int_equal(code, 0x53cc);
    assert_int_equal(fut_str_utf8("\xf0\x9f\x98\x80", 4, &code), 4);
    assert_int_equal(code, 0x1f600);
    static const char *const bad[] = {"\x80",     "\xc3",      "\xc0\x80", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xff",
                                      "\xe5\x8f", "\xe5\x8f!", NULL};
    for (int i = 0; bad[i] != NULL; i++)
        assert_int_equal(fut_str_utf8(bad[i], strlen(bad[i]), &code), 0);
    assert_int_equal(fut_str_utf8("\xe5\x8f\x8c", 2, &code), 0);
    assert_int_equal(fut_str_utf8("", 0, &code), 0);
}

static void escapes(void **state)
{
    (void)state;
    static const char input[] = "a\"b\\c\n\x01\xff\xe5\x8f\x8c\xe2\x80\xa8\x7f";
    fut_str s = {0};
    assert_int_equal(fut_str_append_json(&s, input, sizeof input - 1), FUT_OK);
    assert_string_equal(s.data, "\"a\\\"b\\\\c\\n\\u0001\\u00ff\xe5\x8f\x8c\\u2028\\u007f\"");
    fut_str_fini(&s);
    assert_int_equal(fut_str_append_escaped(&s, input, sizeof input - 1), FUT_OK);
    assert_string_equal(s.data, "a\"b\\c\\x0a\\x01\\xff\xe5\x8f\x8c\\xe2\\x80\\xa8\\x7f");
    fut_str_fini(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appends_and_formats),
        cmocka_unit_test(failed_append_leaves_the_text),
        cmocka_unit_test(nearest_words),
        cmocka_unit_test(whole_numbers),
        cmocka_unit_test(real_numbers),
        cmocka_unit_test(quantities),
        cmocka_unit_test(shortest_numbers),
        cmocka_unit_test(utf8),
        cmocka_unit_test(escapes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
