#include "core/base/log.h"
#include "core/base/mem.h"
#include "dist/boot.h"
#include "launch/args.h"
#include "launch/command.h"
#include "launch/config_args.h"
#include "launch/supervise.h"

#include <string.h>

static const char intro[] =
    "Keeps a training job running: futago run -- mpirun -n 8 --hostfile hosts futago train run.yaml. Where a rank died or a host is gone, "
    "starts it\nagain from the last checkpoint, on the hosts of --hostfile or --host that still answer, with fewer ranks if need be and "
    "the "
    "same shards: the\nsame bits. SIGTERM, SIGINT and SIGUSR1 save and end it with exit status 75. The exit status is the job's last.";

static const fut_arg args_table[] = {
    FUT_ARG_VALUE(0, "restarts", "N", "3", "restarts in a row that bring no new checkpoint before it gives up"),
    FUT_ARG_VALUE(0, "pause", "SECONDS", "10", "before a restart"),
    FUT_ARG_VALUE(0, "patience", "SECONDS", "120", "that mpirun may go on whose ranks show no sign of life any more"),
    FUT_ARG_VALUE(0, "run", "FOLDER", NULL, "the run folder, where COMMAND does not say `futago train CONFIG` itself"),
    FUT_ARG_FLAG(0, "go-on", "start again also when the run was stopped on request (75) by somebody else"),
    FUT_ARG_POSITIONAL("-- COMMAND", "what starts the ranks; -- keeps its options from being taken for futago's"),
    FUT_ARG_REST("ARGUMENT", "of COMMAND"),
    FUT_ARG_END,
};

/* The run folder, and whether its first start decides on the shards, from the `futago train ...` of the command. */
static fut_status read_training(fut_job *job, fut_config **config_out)
{
    int at = 0;
    while (at + 1 < job->argc && (strcmp(job->argv[at + 1], "train") != 0 || strstr(job->argv[at], "futago") == NULL))
        at++;
    FUT_CHECK(at + 1 < job->argc, FUT_ERR_USAGE, "there is no `futago train` in the command: name the run folder with --run");
    int64_t until = 0;
    fut_log_set_level(FUT_LOG_ERROR); /* what there is to warn of the ranks will say */
    fut_status st = fut_cmd_train_read(job->argc - at - 1, job->argv + at + 1, &until, config_out);
    fut_log_set_level(FUT_LOG_INFO);
    FUT_TRY(st);
    FUT_CHECK(*config_out != NULL, FUT_ERR_USAGE, "futago train --help is not a job");
    job->run = (*config_out)->run;
    job->shards_are_auto = strcmp((*config_out)->train.shards, "auto") == 0;
    return FUT_OK;
}

static fut_status read_job(const fut_args *args, int argc, char **argv, fut_job *job, fut_config **config_out)
{
    job->argc = 1 + fut_args_count(args, "ARGUMENT");
    job->argv = argv + argc - job->argc;
    FUT_TRY(fut_args_get_i64(args, "restarts", 0, 1000000, &job->restarts));
    FUT_TRY(fut_args_get_f64(args, "pause", 0, 86400, &job->pause));
    FUT_TRY(fut_args_get_f64(args, "patience", 1, 86400, &job->patience));
    job->goes_on = fut_args_is_given(args, "go-on");
    job->run = fut_args_get(args, "run");
    if (job->run == NULL) FUT_TRY(read_training(job, config_out));
    return FUT_OK;
}

fut_status fut_cmd_run(int argc, char **argv)
{
    fut_status st = FUT_OK;
    fut_args *args = NULL;
    fut_config *config = NULL;
    fut_job job = {0};
    int exit_code = 0;
    FUT_TRY_GOTO(fut_args_parse(args_table, intro, argc, argv, &args), out);
    if (args == NULL) goto out;
    FUT_CHECK_GOTO(!fut_boot_has_peers(), FUT_ERR_USAGE, out,
                   "futago run stands in front of mpirun: futago run -- mpirun ... futago train ...");
    FUT_TRY_GOTO(read_job(args, argc, argv, &job, &config), out);
    FUT_TRY_GOTO(fut_supervise(&job, &exit_code), out);
    fut_command_set_exit(exit_code);
out:
    fut_config_destroy(&config);
    fut_args_destroy(&args);
    return st;
}
