#include "launch/command.h"

#include "core/base/file.h"

#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>

const fut_command fut_commands[] = {
#define FUT_COMMAND(name, summary) {#name, summary, fut_cmd_##name},
#include "launch/commands.def"
#undef FUT_COMMAND
    {NULL, NULL, NULL},
};

/* One command runs in a process, so its answer is the process's. */
static atomic_int exit_code;

void fut_command_set_exit(int code)
{
    atomic_store(&exit_code, code);
}

int fut_command_get_exit(void)
{
    return atomic_load(&exit_code);
}

static void clean_and_die(int number)
{
    fut_file_cleanup_temporaries();
    /* SA_RESETHAND put the default back: the parent sees death by this signal, as shells and schedulers expect. */
    (void)raise(number);
}

void fut_command_catch_signals(void)
{
    static const int ends[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction clean = {.sa_handler = clean_and_die, .sa_flags = (int)SA_RESETHAND};
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    (void)sigemptyset(&clean.sa_mask);
    (void)sigemptyset(&ignore.sa_mask);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        struct sigaction before;
        /* Ignored by whoever started us (nohup, a background job): stays ignored. */
        if (sigaction(ends[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN) (void)sigaction(ends[i], &clean, NULL);
    }
    /* A file size limit is then an error of write, with a message, instead of death. */
    (void)sigaction(SIGXFSZ, &ignore, NULL);
}
