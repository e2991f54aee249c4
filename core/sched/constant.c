/* The base rate, always. */
#include "core/sched/sched.h"

static const fut_opt options[] = {FUT_OPT_END};

static double constant_lr(const void *config, double base, int64_t epoch)
{
    (void)config;
    (void)epoch;
    return base;
}

static const fut_sched_type constant = {.lr = constant_lr};

/* The config has no members; one byte keeps the variant's allocation ordinary. */
const fut_opt_choice fut_sched_constant = {
    .name = "constant", .doc = "no schedule", .options = options, .config_size = 1, .payload = &constant};
