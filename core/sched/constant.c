/* The base rate, always. */
#include "core/sched/sched.h"

typedef struct constant_config {
    fut_sched_common common;
} constant_config;

static const fut_opt options[] = {FUT_SCHED_COMMON_OPTIONS(constant_config), FUT_OPT_END};

static double constant_lr(const void *config, double base, int64_t t, const fut_sched_state *state)
{
    (void)config;
    (void)t;
    (void)state;
    return base;
}

static const fut_sched_type constant = {.lr = constant_lr};

const fut_opt_choice fut_sched_constant = {
    .name = "constant", .doc = "no schedule", .options = options, .config_size = sizeof(constant_config), .payload = &constant};
