#include "launch/config_args.h"

#include "core/base/mem.h"

/* The values of a repeated option as an array. Owns: *words_out. */
static fut_status repeated(const fut_args *args, const char *name, const char ***words_out, int *count_out)
{
    *count_out = fut_args_count(args, name);
    FUT_TRY(fut_mem_alloc((size_t)*count_out, sizeof **words_out, (void **)words_out));
    for (int i = 0; i < *count_out; i++)
        (*words_out)[i] = fut_args_get_at(args, name, i);
    return FUT_OK;
}

fut_status fut_config_from_args(const fut_args *args, const char *path, fut_config **config_out)
{
    fut_status st = FUT_OK;
    const char **sets = NULL;
    const char **allowed = NULL;
    int set_count = 0;
    int allowed_count = 0;
    fut_config *config = NULL;
    FUT_TRY_GOTO(repeated(args, "set", &sets, &set_count), out);
    FUT_TRY_GOTO(repeated(args, "allow", &allowed, &allowed_count), out);
    FUT_TRY_GOTO(fut_config_load(path, sets, set_count, &config), out);
    st = fut_config_lint(config, allowed, allowed_count);
    if (st != FUT_OK) {
        fut_trail_context("%s", path);
        goto out;
    }
    *config_out = config;
    config = NULL;
out:
    fut_mem_free(sets);
    fut_mem_free(allowed);
    fut_config_destroy(&config);
    return st;
}
