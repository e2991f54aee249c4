#include "core/sched/sched.h"

#define FUT_SCHED(name) extern const fut_opt_choice fut_sched_##name;
#include "core/sched/schedules.def"
#undef FUT_SCHED

const fut_opt_choice *const fut_sched_choices[] = {
#define FUT_SCHED(name) &fut_sched_##name,
#include "core/sched/schedules.def"
#undef FUT_SCHED
    NULL,
};

static const fut_sched_type *type_of(const fut_opt_variant *config)
{
    return config->choice->payload;
}

double fut_sched_lr(const fut_opt_variant *config, double base, int64_t epoch)
{
    return type_of(config)->lr(config->config, base, epoch);
}

fut_status fut_sched_warn(const fut_opt_variant *config, int64_t epochs, fut_str *text)
{
    return type_of(config)->warn == NULL ? FUT_OK : type_of(config)->warn(config->config, epochs, text);
}
