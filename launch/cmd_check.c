#include "core/base/log.h"
#include "core/base/mem.h"
#include "dist/boot.h"
#include "launch/args.h"
#include "launch/check.h"
#include "launch/command.h"
#include "launch/config_args.h"
#include "launch/model.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

static const char intro[] =
    "Does a run of CONFIG come to the same bits however it is computed? Trains its first steps on the photos it "
    "names: undisturbed, stopped "
    "and resumed,\nand on other numbers of ranks, which it starts itself; shows loss and gradient norm of every "
    "step and where they part. The "
    "run's own folder is\nnot touched. Exit status 0: the same bits; 70: not; 66 or 78: ranks that --ranks names could not be tried.";

static const fut_arg args_table[] = {
    FUT_ARG_POSITIONAL("CONFIG", "YAML file, e.g. configs/article.yaml"),
    FUT_CONFIG_ARGS,
    FUT_ARG_VALUE('n', "steps", "N", "6", "steps, 2 or more; the stop comes in the middle"),
    FUT_ARG_VALUE(0, "ranks", "LIST", NULL, "numbers of ranks, e.g. 1,2,8; without it 1,2,4 as far as the shards allow"),
    FUT_ARG_VALUE(0, "launcher", "COMMAND", "mpirun --oversubscribe --bind-to none",
                  "what starts ranks: followed by -n RANKS and futago train ..."),
    FUT_ARG_FLAG(0, "json", "print an object"),
    FUT_ARG_END,
};

/* "1,2,4" into numbers from 1 up, each once. */
static fut_status read_ranks(const char *list, fut_check_plan *plan)
{
    for (const char *at = list; *at != '\0' || at == list;) {
        char *end = NULL;
        long ranks = strtol(at, &end, 10);
        FUT_CHECK(end != at && (*end == ',' || *end == '\0') && ranks >= 1 && ranks <= 100000, FUT_ERR_USAGE,
                  "--ranks %s: expected numbers with commas, e.g. 1,2,8", list);
        FUT_CHECK(plan->n_ranks < FUT_CHECK_RANKS_MAX, FUT_ERR_USAGE, "--ranks %s: at most %d numbers", list, (int)FUT_CHECK_RANKS_MAX);
        for (int i = 0; i < plan->n_ranks; i++)
            FUT_CHECK(plan->ranks[i] != ranks, FUT_ERR_USAGE, "--ranks %s: %ld stands there twice", list, ranks);
        plan->ranks[plan->n_ranks++] = (int)ranks;
        at = *end == ',' ? end + 1 : end;
        FUT_CHECK(*end != ',' || *at != '\0', FUT_ERR_USAGE, "--ranks %s: ends with a comma", list);
    }
    return FUT_OK;
}

static int largest(const fut_check_plan *plan)
{
    int most = 1;
    for (int i = 0; i < plan->n_ranks; i++)
        if (plan->ranks[i] > most) most = plan->ranks[i];
    return most;
}

/* Every case has the same shards and threads, or the bits could not agree: the configuration's, or what the most ranks take. */
static fut_status choose_ranks(const char *list, fut_check_plan *plan)
{
    const fut_config_train *train = &plan->config->train;
    int64_t shards = 0;
    bool fixed = fut_str_to_i64(train->shards, &shards);
    int64_t limit = fixed ? shards : train->batch / fut_config_shard_min(plan->config);
    plan->ranks_are_asked = list != NULL;
    if (list != NULL) {
        FUT_TRY(read_ranks(list, plan));
        FUT_CHECK(largest(plan) <= limit, FUT_ERR_USAGE, "--ranks %s: at most %lld, since %s", list, (long long)limit,
                  fixed                                    ? "a run can use as many ranks as it has shards (train.shards)"
                  : fut_config_shard_min(plan->config) > 1 ? "a shard has 2 photos or more (train.batch) and a rank a shard"
                                                           : "a rank has a shard, and a shard a photo (train.batch)");
    } else {
        for (int ranks = 1; ranks <= 4 && ranks <= limit; ranks *= 2)
            plan->ranks[plan->n_ranks++] = ranks;
    }
    plan->shards = fixed ? shards : largest(plan);
    int64_t cores = fut_model_place_of(NULL).threads;
    plan->threads = train->threads > 0 ? train->threads : cores > largest(plan) ? cores / largest(plan) : 1;
    return FUT_OK;
}

/* --set and --allow once more, as futago train takes them. Owns: *list_out. */
static fut_status pass_settings(const fut_args *args, const char ***list_out)
{
    static const char *const names[] = {"set", "allow"};
    static const char *const options[] = {"--set", "--allow"};
    int n = 0;
    FUT_TRY(FUT_NEW_ARRAY(2 * (fut_args_count(args, "set") + fut_args_count(args, "allow")) + 1, list_out));
    for (int k = 0; k < 2; k++)
        for (int i = 0; i < fut_args_count(args, names[k]); i++) {
            (*list_out)[n++] = options[k];
            (*list_out)[n++] = fut_args_get_at(args, names[k], i);
        }
    return FUT_OK;
}

static fut_status check(const fut_args *args, fut_check_plan *plan, int *asked_out)
{
    fut_status st = FUT_OK;
    fut_check result = {0};
    FUT_TRY(fut_check_run(plan, &result, asked_out));
    if (*asked_out != 0) goto out;
    if (fut_args_is_given(args, "json"))
        FUT_TRY_GOTO(fut_check_print_json(&result, stdout), out);
    else
        fut_check_print_text(&result, stdout);
    st = fut_check_conclude(&result);
out:
    fut_check_fini(&result);
    return st;
}

fut_status fut_cmd_check(int argc, char **argv)
{
    fut_status st = FUT_OK;
    fut_args *args = NULL;
    fut_config *config = NULL;
    const char **settings = NULL;
    fut_check_plan plan = {0};
    int asked = 0;
    FUT_TRY_GOTO(fut_args_parse(args_table, intro, argc, argv, &args), out);
    if (args == NULL) goto out;
    FUT_CHECK_GOTO(!fut_boot_has_peers(), FUT_ERR_USAGE, out,
                   "futago check starts its ranks itself: run it alone, and name their launcher with --launcher");
    FUT_TRY_GOTO(fut_args_get_i64(args, "steps", 2, 1000, &plan.steps), out);
    plan.path = fut_args_get(args, "CONFIG");
    plan.launcher = fut_args_get(args, "launcher");
    FUT_TRY_GOTO(fut_config_from_args(args, plan.path, &config), out);
    plan.config = config;
    FUT_TRY_GOTO(choose_ranks(fut_args_get(args, "ranks"), &plan), out);
    FUT_TRY_GOTO(pass_settings(args, &settings), out);
    plan.train_args = settings;
    st = check(args, &plan, &asked);
out:
    fut_mem_free(settings);
    fut_config_destroy(&config);
    fut_args_destroy(&args);
    if (asked != 0) (void)raise(asked);
    return st;
}
