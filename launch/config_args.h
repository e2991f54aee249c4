/* The options that every command with a configuration shares: --set, --allow. */
#ifndef FUT_LAUNCH_CONFIG_ARGS_H
#define FUT_LAUNCH_CONFIG_ARGS_H

#include "launch/args.h"
#include "launch/config.h"

#define FUT_CONFIG_ARGS                                                                                                                    \
    FUT_ARG_REPEATED('s', "set", "KEY=VALUE", "override one key, e.g. --set optimizer.lr=3e-4"),                                           \
        FUT_ARG_REPEATED(0, "allow", "NAME", "run a configuration that the lint refuses under this name")

/* Load path with --set, then lint with --allow. Owns: *config_out. */
fut_status fut_config_from_args(const fut_args *args, const char *path, fut_config **config_out) FUT_MUST_CHECK;

/* The configuration and --until of `futago train ...`; argv[0] is "train". *config_out stays NULL where --help was printed. */
fut_status fut_cmd_train_read(int argc, char **argv, int64_t *until_out, fut_config **config_out) FUT_MUST_CHECK;

#endif
