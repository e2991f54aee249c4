#include "launch/mpi_command.h"

#include "core/base/file.h"
#include "core/base/mem.h"

#include <stdlib.h>
#include <string.h>

enum { HOSTFILE_MAX_BYTES = 1 << 20 };

static const char blanks[] = " \t\r";

static bool is_one_of(const char *word, const char *const *words)
{
    for (; *words != NULL; words++)
        if (strcmp(word, *words) == 0) return true;
    return false;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

/* ---- hosts ------------------------------------------------------------------------------------------------------------------------ */

/* A host that is named twice has the slots of both. */
static fut_status add_host(fut_mpi_command *command, const char *name, size_t length, int64_t slots)
{
    for (int i = 0; i < command->n_hosts; i++) {
        fut_host *host = &command->hosts[i];
        if (host->name.length == length && memcmp(host->name.data, name, length) == 0) {
            host->slots += slots;
            return FUT_OK;
        }
    }
    size_t n = (size_t)command->n_hosts;
    FUT_TRY(fut_mem_grow((void **)&command->hosts, n, n + 1, sizeof *command->hosts));
    command->hosts[n] = (fut_host){.slots = slots, .answers = true};
    command->n_hosts++;
    return fut_str_append(&command->hosts[n].name, name, length);
}

/* "slots=4", with blanks around the sign as Open MPI takes them; other words of a line are its own business. */
static fut_status read_slots(const char *path, int line, const char *at, const char *end, int64_t *slots_out)
{
    static const char key[] = "slots";
    for (; at < end; at++) {
        if (strncmp(at, key, sizeof key - 1) != 0 || strchr(blanks, at[-1]) == NULL) continue;
        at += sizeof key - 1;
        at += strspn(at, blanks);
        if (*at != '=') continue;
        at++;
        at += strspn(at, blanks);
        *slots_out = strtol(at, NULL, 10);
        FUT_CHECK(*slots_out >= 1, FUT_ERR_CONFIG, "%s:%d: slots=%.*s: expected a number of at least 1", path, line,
                  (int)strcspn(at, " \t\r\n"), at);
        return FUT_OK;
    }
    return FUT_OK;
}

static fut_status read_hostfile(fut_mpi_command *command, const char *path)
{
    fut_status st = FUT_OK;
    fut_str text = {0};
    int line = 1;
    FUT_TRY_GOTO(fut_file_read(path, HOSTFILE_MAX_BYTES, &text), out);
    for (const char *at = fut_str_text(&text); *at != '\0'; line++) {
        size_t length = strcspn(at, "\n");
        size_t content = strcspn(at, "#\n");
        const char *name = at + strspn(at, blanks);
        const char *end = at + content;
        if (name < end) {
            size_t named = strcspn(name, " \t\r\n#");
            int64_t slots = 0;
            FUT_TRY_GOTO(read_slots(path, line, name + named, end, &slots), out);
            FUT_TRY_GOTO(add_host(command, name, named, slots), out);
        }
        at += length + (at[length] == '\n');
    }
    FUT_CHECK_GOTO(command->n_hosts > 0, FUT_ERR_CONFIG, out, "%s: there is no host in it", path);
out:
    fut_str_fini(&text);
    return st;
}

/* "a,b:4": one slot where none are said. */
static fut_status read_hostlist(fut_mpi_command *command, const char *list)
{
    for (const char *at = list; *at != '\0';) {
        size_t length = strcspn(at, ",");
        const char *colon = memchr(at, ':', length);
        size_t named = colon != NULL ? (size_t)(colon - at) : length;
        int64_t slots = colon != NULL ? strtol(colon + 1, NULL, 10) : 1;
        FUT_CHECK(named > 0 && slots >= 1, FUT_ERR_CONFIG, "--host %s: expected names with slots, e.g. a:2,b:2", list);
        FUT_TRY(add_host(command, at, named, slots));
        at += length + (at[length] == ',');
    }
    return FUT_OK;
}

/* ---- the command ----------------------------------------------------------------------------------------------------------------- */

static int find_program(char **argv, int argc)
{
    for (int i = 0; i + 1 < argc; i++)
        if (strcmp(base_name(argv[i]), "futago") == 0 && strcmp(argv[i + 1], "train") == 0) return i;
    return argc;
}

static fut_status read_option(fut_mpi_command *command, int i)
{
    static const char *const ranks[] = {"-n", "-np", "--n", "--np", "-c", NULL};
    static const char *const files[] = {"-hostfile", "--hostfile", "-machinefile", "--machinefile", NULL};
    static const char *const lists[] = {"-host", "--host", "-H", NULL};
    char **argv = command->argv;
    if (i + 1 >= command->program) return FUT_OK;
    if (is_one_of(argv[i], ranks)) {
        FUT_CHECK(fut_str_to_i64(argv[i + 1], &command->ranks) && command->ranks >= 1, FUT_ERR_USAGE,
                  "%s %s %s: expected a number of ranks", argv[0], argv[i], argv[i + 1]);
        command->at_ranks = i + 1;
    } else if (is_one_of(argv[i], files) || is_one_of(argv[i], lists)) {
        FUT_CHECK(command->at_hosts == 0, FUT_ERR_USAGE, "%s: %s and another list of hosts: give one", argv[0], argv[i]);
        command->at_hosts = i + 1;
        command->hosts_are_in_file = is_one_of(argv[i], files);
        return command->hosts_are_in_file ? read_hostfile(command, argv[i + 1]) : read_hostlist(command, argv[i + 1]);
    } else if (strcmp(argv[i], "plm_rsh_agent") == 0) {
        command->agent = argv[i + 1];
    }
    return FUT_OK;
}

fut_status fut_mpi_command_read(char **argv, int argc, fut_mpi_command *command_out)
{
    static const char *const launchers[] = {"mpirun", "mpiexec", "orterun", NULL};
    fut_status st = FUT_OK;
    const char *agent = getenv("OMPI_MCA_plm_rsh_agent");
    fut_mpi_command command = {
        .argv = argv, .argc = argc, .program = find_program(argv, argc), .agent = agent != NULL && agent[0] != '\0' ? agent : "ssh"};
    command.is_mpirun = command.program < argc && is_one_of(base_name(argv[0]), launchers);
    for (int i = 1; command.is_mpirun && i < command.program; i++)
        FUT_TRY_GOTO(read_option(&command, i), out);
    *command_out = command;
    return FUT_OK;
out:
    fut_mpi_command_fini(&command);
    return st;
}

void fut_mpi_command_fini(fut_mpi_command *command)
{
    for (int i = 0; i < command->n_hosts; i++)
        fut_str_fini(&command->hosts[i].name);
    fut_mem_free(command->hosts);
    *command = (fut_mpi_command){0};
}

/* ---- for the hosts that answer --------------------------------------------------------------------------------------------------- */

int64_t fut_mpi_command_ranks(const fut_mpi_command *command)
{
    int64_t slots = 0;
    int answering = 0;
    bool said = true;
    for (int i = 0; i < command->n_hosts; i++) {
        if (!command->hosts[i].answers) continue;
        answering++;
        slots += command->hosts[i].slots;
        said = said && command->hosts[i].slots > 0;
    }
    if (answering == command->n_hosts) return command->ranks;
    if (!said) slots = command->ranks * answering / command->n_hosts;
    if (slots < 1) slots = 1;
    return slots < command->ranks ? slots : command->ranks;
}

fut_status fut_mpi_command_hostfile(const fut_mpi_command *command, fut_str *out)
{
    for (int i = 0; i < command->n_hosts; i++) {
        const fut_host *host = &command->hosts[i];
        if (!host->answers) continue;
        FUT_TRY(fut_str_printf(out, "%s", fut_str_text(&host->name)));
        if (host->slots > 0) FUT_TRY(fut_str_printf(out, " slots=%lld", (long long)host->slots));
        FUT_TRY(fut_str_printf(out, "\n"));
    }
    return FUT_OK;
}

fut_status fut_mpi_command_hostlist(const fut_mpi_command *command, fut_str *out)
{
    for (int i = 0; i < command->n_hosts; i++) {
        const fut_host *host = &command->hosts[i];
        if (!host->answers) continue;
        FUT_TRY(fut_str_printf(out, "%s%s:%lld", out->length > 0 ? "," : "", fut_str_text(&host->name), (long long)host->slots));
    }
    return FUT_OK;
}
