/* Gradients against central differences, in double on the reference backend. */
#ifndef FUT_TESTS_GRADCHECK_GRADCHECK_H
#define FUT_TESTS_GRADCHECK_GRADCHECK_H

#include "core/backend/backend.h"
#include "core/base/rng.h"
#include "tests/support/support.h"

#include <math.h>

/* Something the loss depends on, and what backward says of it. At most `picks` of its values are checked, spread evenly; 0: all. */
typedef struct gradcheck_variable {
    const char *name;
    double *value;
    const double *gradient;
    int64_t count, picks;
    double scale; /* a gradient well below this is zero but for rounding; 0 where there is none such */
} gradcheck_variable;

typedef double (*gradcheck_loss)(void *context);

/* Uniform on [-1, 1) from a stream of its own. */
static inline void gradcheck_fill(double *values, int64_t count, uint64_t stream)
{
    fut_philox philox = fut_philox_key(0, FUT_RNG_TEST);
    for (int64_t i = 0; i < count; i++)
        values[i] = 2 * fut_philox_uniform(philox, stream, (uint64_t)i) - 1;
}

static inline double gradcheck_dot(const double *a, const double *b, int64_t count)
{
    double sum = 0;
    for (int64_t i = 0; i < count; i++)
        sum += a[i] * b[i];
    return sum;
}

/* |numeric - gradient| <= 1e-6 (|gradient| + the variable's largest |gradient| or its scale), for every value picked. */
static inline void gradcheck(const char *what, const gradcheck_variable *v, gradcheck_loss loss, void *context)
{
    const double step = 1e-5, tolerance = 1e-6;
    double largest = v->scale, worst = 0;
    for (int64_t i = 0; i < v->count; i++)
        largest = fmax(largest, fabs(v->gradient[i]));
    if (!(largest > 0) || !isfinite(largest)) fail_msg("%s: the gradient of %s is %g everywhere", what, v->name, largest);
    int64_t stride = v->picks > 0 && v->picks < v->count ? v->count / v->picks : 1;
    for (int64_t i = 0; i < v->count; i += stride) {
        double kept = v->value[i];
        v->value[i] = kept + step;
        double above = loss(context);
        v->value[i] = kept - step;
        double below = loss(context);
        v->value[i] = kept;
        double numeric = (above - below) / (2 * step), error = fabs(numeric - v->gradient[i]) / (fabs(v->gradient[i]) + largest);
        if (!(error <= tolerance))
            fail_msg("%s: gradient %lld of %s is %.12g, central differences give %.12g", what, (long long)i, v->name, v->gradient[i],
                     numeric);
        worst = fmax(worst, error);
    }
    if (worst > 0.1 * tolerance) print_message("%s: %s within %.1g\n", what, v->name, worst);
}

#endif
