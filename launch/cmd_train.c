#include "core/base/log.h"
#include "core/base/mem.h"
#include "dist/boot.h"
#include "launch/args.h"
#include "launch/command.h"
#include "launch/config_args.h"
#include "launch/signals.h"
#include "launch/trainer.h"

#include <stdio.h>

static const char intro[] = "Trains the network of CONFIG, on one process or under mpirun. The same command resumes a run that was stopped "
                            "or killed, on any number\n"
                            "of ranks up to its shards. SIGUSR1 saves and stops with exit status 75, SIGUSR2 saves and goes on. The keys "
                            "of CONFIG are listed below.";

static const fut_arg args_table[] = {
    FUT_ARG_POSITIONAL("CONFIG", "YAML file, e.g. configs/article.yaml"),
    FUT_CONFIG_ARGS,
    FUT_ARG_VALUE(0, "until", "STEP", "0", "save and stop after this step of the run, with exit status 75; 0: at its end"),
    FUT_ARG_END,
};

static fut_status print_keys(void)
{
    fut_str text = {0};
    fut_status st = fut_opt_print_help(fut_config_options, "", &text);
    if (st == FUT_OK) (void)printf("\nkeys of CONFIG:\n\n%s", fut_str_text(&text));
    fut_str_fini(&text);
    return st;
}

fut_status fut_cmd_train_read(int argc, char **argv, int64_t *until_out, fut_config **config_out)
{
    fut_status st = FUT_OK;
    fut_args *args = NULL;
    FUT_TRY_GOTO(fut_args_parse(args_table, intro, argc, argv, &args), out);
    if (args == NULL) {
        st = print_keys();
        goto out;
    }
    FUT_TRY_GOTO(fut_args_get_i64(args, "until", 0, INT64_MAX, until_out), out);
    FUT_TRY_GOTO(fut_config_from_args(args, fut_args_get(args, "CONFIG"), config_out), out);
out:
    fut_args_destroy(&args);
    return st;
}

static fut_status train(fut_comm *comm, int argc, char **argv)
{
    fut_config *config = NULL;
    int64_t until = 0;
    fut_status st = fut_comm_agree(comm, fut_cmd_train_read(argc, argv, &until, &config));
    if (st == FUT_OK && config != NULL) {
        fut_comm_set_deadline(comm, config->train.deadline);
        st = fut_train(config, comm, until);
    }
    fut_config_destroy(&config);
    return st;
}

fut_status fut_cmd_train(int argc, char **argv)
{
    fut_comm *comm = NULL;
    fut_signals_catch(); /* first of all: a request to stop that comes while MPI starts is answered too */
    FUT_TRY(fut_boot(&comm));
    fut_status st = fut_boot_finish(&comm, train(comm, argc, argv));
    fut_signals_restore();
    return st;
}
