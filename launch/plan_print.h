/* What `futago plan` says. */
#ifndef FUT_LAUNCH_PLAN_PRINT_H
#define FUT_LAUNCH_PLAN_PRINT_H

#include "launch/step_model.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { FUT_PLAN_NETWORKS_MAX = 8 };

typedef struct fut_plan_question {
    const fut_config *config;
    fut_step_model model, twice; /* twice: of a shard of twice the photos */
    fut_network_file *network;   /* [networks] */
    int networks;
    int ranks;           /* 0: a table over 1, 2, 4, ... 1024 */
    const char *compute; /* where the kernels' times are from */
} fut_plan_question;

void fut_plan_print_text(const fut_plan_question *question);
fut_status fut_plan_print_json(const fut_plan_question *question) FUT_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
