/* The decision of step_check, for kernels of every backend. FUT_FORMULA_FN is what stands before a function there. */
#ifndef FUT_CORE_BACKEND_STEP_FORMULAS_H
#define FUT_CORE_BACKEND_STEP_FORMULAS_H

#include "core/backend/backend.h"

#include <math.h>

#ifndef FUT_FORMULA_FN
#define FUT_FORMULA_FN static inline
#endif

/* From what was seen of the scaled gradient: its sum of squares, and whether it and the loss are finite. */
FUT_FORMULA_FN void fut_step_decide(double squares, bool finite, fut_step_control *control)
{
    const double unscale = 1 / control->scale;
    control->unscale = unscale;
    control->squares = squares * unscale * unscale;
    if (control->clip_norm > 0) control->unscale *= fmin(1.0, control->clip_norm / (sqrt(control->squares) + 1e-6));
    control->finite = finite;
    control->steps += finite;
    if (control->growth_every == 0) return;
    control->good_steps = finite ? control->good_steps + 1 : 0;
    if (!finite) {
        control->scale /= 2;
    } else if (control->good_steps == control->growth_every) {
        control->scale *= 2;
        control->good_steps = 0;
    }
}

#endif
