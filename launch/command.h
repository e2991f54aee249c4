/* The commands of `futago <command>`: one file launch/cmd_<name>.c defining fut_cmd_<name>, and one row in commands.def. */
#ifndef FUT_LAUNCH_COMMAND_H
#define FUT_LAUNCH_COMMAND_H

#include "core/base/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fut_command {
    const char *name;
    const char *summary;                      /* one lowercase line */
    fut_status (*run)(int argc, char **argv); /* argv[0] is the command's name; results to stdout, everything else to stderr */
} fut_command;

#define FUT_COMMAND(name, summary) fut_status fut_cmd_##name(int argc, char **argv);
#include "launch/commands.def"
#undef FUT_COMMAND

/* Ends with name == NULL. */
extern const fut_command fut_commands[];

/* A command that answers by exit status (verify: 1 = different) sets it here; it counts only when run returns FUT_OK. Default 0. */
void fut_command_set_exit(int exit_code);
int fut_command_get_exit(void);

/* SIGINT, SIGTERM and SIGHUP, unless ignored already, remove unfinished files and end the process by that signal. A command with its own
 * idea of stopping (train) replaces these handlers. */
void fut_command_catch_signals(void);

#ifdef __cplusplus
}
#endif

#endif
