#include "launch/hosts.h"

#include "core/base/log.h"
#include "core/base/mem.h"

#include <netdb.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PROBE_S = 20, WORDS_MAX = 40, TEXT_BYTES = 4096 };

/* The command that reaches for one host. */
typedef struct probe {
    char text[TEXT_BYTES];
    char *words[WORDS_MAX + 1];
    int n;
    size_t used;
    int host;
} probe;

static void add(probe *p, const char *word, size_t length)
{
    if (p->n == WORDS_MAX || p->used + length + 1 > sizeof p->text) return;
    p->words[p->n++] = memcpy(p->text + p->used, word, length);
    p->text[p->used + length] = '\0';
    p->used += length + 1;
}

/* AGENT HOST true, where ssh neither asks nor waits for long. */
static void make_probe(const char *agent, const char *host, probe *p)
{
    static const char *const quick[] = {"-o", "BatchMode=yes", "-o", "ConnectTimeout=5"};
    for (const char *at = agent; *at != '\0';) {
        size_t length = strcspn(at, " ");
        if (length > 0) add(p, at, length);
        at += length + strspn(at + length, " ");
    }
    size_t named = p->n > 0 ? strlen(p->words[0]) : 0;
    bool is_ssh = named >= 3 && strcmp(p->words[0] + named - 3, "ssh") == 0;
    for (size_t i = 0; is_ssh && i < sizeof quick / sizeof *quick; i++)
        add(p, quick[i], strlen(quick[i]));
    add(p, host, strlen(host));
    add(p, "true", 4);
    p->words[p->n] = NULL;
}

static bool is_here(const char *name)
{
    char here[256] = "";
    (void)gethostname(here, sizeof here - 1);
    size_t dot = strcspn(here, ".");
    return strcmp(name, "localhost") == 0 || strcmp(name, "127.0.0.1") == 0 || strcmp(name, here) == 0 ||
           (strlen(name) == dot && strncmp(name, here, dot) == 0);
}

static bool resolves(const char *name)
{
    struct addrinfo *found = NULL;
    const char *at = strchr(name, '@');
    if (getaddrinfo(at != NULL ? at + 1 : name, NULL, NULL, &found) != 0) return false;
    freeaddrinfo(found);
    return true;
}

static fut_status judge(const fut_mpi_command *command, bool strict, int *answering_out)
{
    *answering_out = 0;
    for (int i = 0; i < command->n_hosts; i++) {
        const fut_host *host = &command->hosts[i];
        *answering_out += host->answers;
        if (host->answers) continue;
        FUT_CHECK(!strict || resolves(fut_str_text(&host->name)), FUT_ERR_NO_INPUT,
                  "%s: host '%s' does not answer, and its name does not resolve", command->argv[command->at_hosts],
                  fut_str_text(&host->name));
        FUT_WARN("host %s does not answer (%s %s true)", fut_str_text(&host->name), command->agent, fut_str_text(&host->name));
    }
    FUT_CHECK(*answering_out > 0 || command->n_hosts == 0, FUT_ERR_HANG, "none of %d hosts answers; one that should: %s %s true",
              command->n_hosts, command->agent, fut_str_text(&command->hosts[0].name));
    return FUT_OK;
}

fut_status fut_hosts_probe(fut_children *children, fut_mpi_command *command, bool strict, int *answering_out)
{
    fut_status st = FUT_OK;
    probe *probes = NULL;
    char *const **argvs = NULL;
    int *codes = NULL;
    int n = 0;
    FUT_TRY_GOTO(FUT_NEW_ARRAY(command->n_hosts, &probes), out);
    FUT_TRY_GOTO(FUT_NEW_ARRAY(command->n_hosts, &argvs), out);
    FUT_TRY_GOTO(FUT_NEW_ARRAY(command->n_hosts, &codes), out);
    for (int i = 0; i < command->n_hosts; i++) {
        const char *name = fut_str_text(&command->hosts[i].name);
        command->hosts[i].answers = is_here(name);
        if (command->hosts[i].answers) continue;
        make_probe(command->agent, name, &probes[n]);
        probes[n].host = i;
        argvs[n] = probes[n].words;
        n++;
    }
    FUT_TRY_GOTO(fut_child_run_all(children, argvs, n, PROBE_S, codes), out);
    for (int i = 0; i < n; i++)
        command->hosts[probes[i].host].answers = codes[i] == 0;
    st = children->asked == 0 ? judge(command, strict, answering_out) : FUT_OK;
out:
    fut_mem_free(probes);
    fut_mem_free((void *)argvs);
    fut_mem_free(codes);
    return st;
}
