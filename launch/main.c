/* futago <command>: find the command, run it, report its failure as the last line. */
#include "core/base/log.h"
#include "core/base/status.h"
#include "core/base/str.h"
#include "launch/command.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { COMMANDS_MAX = 64, PATH_BYTES = 4096 };

/* Rows are C names: hang_report is `futago hang-report`. */
static bool is_named(const char *given, const char *name)
{
    while (*given != '\0' && (*given == *name || (*given == '-' && *name == '_'))) {
        given++;
        name++;
    }
    return *given == '\0' && *name == '\0';
}

static void print_command(const fut_command *command)
{
    char name[32];
    (void)snprintf(name, sizeof name, "%s", command->name);
    for (char *c = name; *c != '\0'; c++)
        if (*c == '_') *c = '-';
    (void)printf("  %-12s %s\n", name, command->summary);
}

static void print_help(void)
{
    (void)printf("futago trains Siamese face-recognition networks.\n\nusage: futago COMMAND [options]\n\n");
    for (const fut_command *c = fut_commands; c->name != NULL; c++)
        print_command(c);
    (void)printf("\nfutago COMMAND --help shows a command's options.\n");
}

static fut_status unknown_command(const char *name)
{
    const char *names[COMMANDS_MAX];
    int n = 0;
    for (const fut_command *c = fut_commands; c->name != NULL && n < COMMANDS_MAX - 1; c++)
        names[n++] = c->name;
    names[n] = NULL;
    const char *nearest = fut_str_nearest(name, names);
    if (nearest != NULL) return FUT_FAIL(FUT_ERR_USAGE, "there is no command \"%s\"; did you mean %s?", name, nearest);
    return FUT_FAIL(FUT_ERR_USAGE, "there is no command \"%s\"; futago --help lists them", name);
}

static fut_status run(int argc, char **argv)
{
    FUT_CHECK(argc > 1, FUT_ERR_USAGE, "give a command; futago --help lists them");
    const char *name = argv[1];
    if (strcmp(name, "--version") == 0) {
        (void)printf("futago %s\n", FUT_VERSION);
        return FUT_OK;
    }
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || (strcmp(name, "help") == 0 && argc == 2)) {
        print_help();
        return FUT_OK;
    }
    /* `futago help pack` is `futago pack --help`. */
    char ask[] = "--help";
    char *help_argv[] = {argv[argc > 2 ? 2 : 1], ask, NULL};
    bool help = strcmp(name, "help") == 0;
    if (help) name = argv[2];
    for (const fut_command *c = fut_commands; c->name != NULL; c++)
        if (is_named(name, c->name)) return help ? c->run(2, help_argv) : c->run(argc - 1, argv + 1);
    return unknown_command(name);
}

/* The error trail as one line: names may hold newlines and escape sequences. */
static void print_error(fut_status st)
{
    const char *message = fut_trail_message();
    fut_str line = {0};
    if (message[0] == '\0') message = fut_status_text(st);
    fut_log_progress("%s", "");
    if (fut_str_append_escaped(&line, message, strlen(message)) == FUT_OK) message = fut_str_text(&line);
    (void)fprintf(stderr, "futago: error: %s (%s)\n", message, fut_trail_place());
    fut_str_fini(&line);
}

/* A thread of libgomp that waits for another spins, by default for milliseconds: where anything else wants the core (another rank, another
 * job), every parallel region then waits for a time slice and a step takes four times as long. libgomp reads its settings before main, so
 * setting one means starting once more. A user's own setting stands. */
static void limit_spinning(char **argv)
{
    if (getenv("GOMP_SPINCOUNT") != NULL || getenv("OMP_WAIT_POLICY") != NULL) return;
    char self[PATH_BYTES]; /* by its own path, so that ps and top show its name */
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    if (length <= 0 || setenv("GOMP_SPINCOUNT", "20000", 0) != 0) return;
    self[length] = '\0';
    (void)execv(self, argv); /* where it fails, go on as it is */
}

int main(int argc, char **argv)
{
    limit_spinning(argv);
    fut_command_catch_signals();
    fut_status st = run(argc, argv);
    if (fflush(stdout) != 0 && st == FUT_OK) st = FUT_FAIL(FUT_ERR_IO, "cannot write to standard output");
    if (st == FUT_OK) return fut_command_get_exit();
    print_error(st);
    return fut_status_exit_code(st);
}
