/* exp and log1p of vectors against libm's, over all that losses may ask for. */
#pragma GCC diagnostic ignored "-Wpsabi" /* all of it is inlined */
#include "core/backend/cpu/simd/real.h"
#include "tests/support/support.h"

#include <math.h>
#include <stdlib.h>

enum { STEPS = 200000 };

/* In units of the last place of what is wanted. */
static double error_of(double got, double want)
{
    if (got == want || (isnan(got) && isnan(want))) return 0;
    return fabs(got - want) / (nextafter(fabs(want), INFINITY) - fabs(want));
}

static void test_exp(void **state)
{
    (void)state;
    static const double corners[] = {0, -0.0, 1e-300, -1e-17, -745, -745.2, -746, -1e9, 709.7, 709.8, 1e9, INFINITY, -INFINITY, NAN};
    double worst = 0;
    for (int i = 0; i < STEPS; i++) {
        const double x = -750 + 1465.0 * i / STEPS, error = error_of(real_exp(real_set(x))[0], exp(x));
        worst = fmax(worst, error);
    }
    assert_true(worst <= 1);
    for (size_t i = 0; i < sizeof corners / sizeof *corners; i++)
        assert_true(error_of(real_exp(real_set(corners[i]))[0], exp(corners[i])) <= 1);
}

static void test_log1p(void **state)
{
    (void)state;
    double worst = 0;
    for (int i = 0; i < STEPS; i++) {
        const double y = exp(-740 + 770.0 * i / STEPS), near = 2.0 * i / STEPS;
        worst = fmax(worst, error_of(real_log1p(real_set(y))[0], log1p(y)));
        worst = fmax(worst, error_of(real_log1p(real_set(near))[0], log1p(near)));
    }
    assert_true(worst <= 2);
    assert_true(isnan(real_log1p(real_set(NAN))[0]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_exp), cmocka_unit_test(test_log1p)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
