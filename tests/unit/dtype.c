/* Element types: one row a type gives its name and its size. */
#include "core/tensor/dtype.h"
#include "tests/support/support.h"

#include <stdlib.h>
#include <string.h>

/* The size is the one that the name says. */
static void names_say_sizes(void **state)
{
    (void)state;
    for (int t = 0; t < FUT_DTYPE_COUNT; t++) {
        const char *digits = strpbrk(fut_dtype_name((fut_dtype)t), "0123456789");
        assert_non_null(digits);
        assert_int_equal(8 * fut_dtype_size((fut_dtype)t), strtol(digits, NULL, 10));
        for (int u = 0; u < t; u++)
            assert_string_not_equal(fut_dtype_name((fut_dtype)t), fut_dtype_name((fut_dtype)u));
    }
    assert_int_equal(fut_dtype_size(FUT_F32), sizeof(float));
    assert_string_equal(fut_dtype_name(FUT_BF16), "bf16");
}

static void what_is_no_dtype_has_no_size(void **state)
{
    (void)state;
    assert_int_equal(fut_dtype_size(FUT_DTYPE_COUNT), 0);
    assert_int_equal(fut_dtype_size((fut_dtype)-1), 0);
    assert_string_equal(fut_dtype_name(FUT_DTYPE_COUNT), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_say_sizes),
        cmocka_unit_test(what_is_no_dtype_has_no_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
