#include "launch/signals.h"

#include "core/base/file.h"
#include "core/base/status.h"

#include <signal.h>
#include <stddef.h>
#include <unistd.h>

static volatile sig_atomic_t stop_requests;
static volatile sig_atomic_t save_requests;

static void on_stop(int signal_number)
{
    if (stop_requests > 0 && signal_number != SIGUSR1) {
        fut_file_cleanup_temporaries();
        _exit(128 + signal_number);
    }
    stop_requests = 1;
}

static void on_save(int signal_number)
{
    (void)signal_number;
    save_requests = 1;
}

static void install(int signal_number, void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(signal_number, &action, NULL);
}

void fut_signals_catch(void)
{
    install(SIGUSR1, on_stop);
    install(SIGINT, on_stop);
    install(SIGTERM, on_stop);
    install(SIGUSR2, on_save);
}

void fut_signals_restore(void)
{
    install(SIGUSR1, SIG_DFL);
    install(SIGINT, SIG_DFL);
    install(SIGTERM, SIG_DFL);
    install(SIGUSR2, SIG_DFL);
}

bool fut_signals_stop(void)
{
    return stop_requests > 0;
}

bool fut_signals_take_save(void)
{
    bool asked = save_requests > 0;
    save_requests = 0;
    return asked;
}
