/* What a step was, for those who report it. */
#ifndef FUT_LAUNCH_STEP_RESULT_H
#define FUT_LAUNCH_STEP_RESULT_H

#include "core/loss/loss.h"
#include "launch/vitals.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fut_step_result {
    int64_t step, steps, epoch, epochs; /* step counts from 1; of the whole run */
    int64_t images;
    double lr, gradient_norm;
    double summed, exposed; /* fut_exposure_add */
    fut_loss_report loss;
    bool looked; /* vitals were read */
    fut_vitals_report vitals;
} fut_step_result;

#ifdef __cplusplus
}
#endif

#endif
