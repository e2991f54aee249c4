#include "launch/check.h"

#include "core/base/clock.h"
#include "core/base/file.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "launch/child.h"
#include "launch/run_folder.h"
#include "launch/scratch.h"

#include <cjson/cJSON.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WORDS_MAX = 256, OUTPUT_MAX_BYTES = 16 << 20, METRICS_MAX_BYTES = 16 << 20, EXIT_PREEMPTED = 75, EXIT_CONFIG = 78 };

/* ---- the cases ------------------------------------------------------------------------------------------------------------------- */

static fut_check_case *add_case(fut_check *check, int ranks, int ranks_after)
{
    fut_check_case *c = &check->cases[check->n_cases++];
    const char *plural = ranks == 1 ? "" : "s";
    *c = (fut_check_case){.ranks = ranks, .ranks_after = ranks_after, .stop_at = ranks_after > 0 ? check->plan->steps / 2 : 0};
    if (ranks_after == 0)
        (void)snprintf(c->name, sizeof c->name, "%d rank%s", ranks, plural);
    else if (ranks_after == ranks)
        (void)snprintf(c->name, sizeof c->name, "%d rank%s, stopped after step %lld and resumed", ranks, plural, (long long)c->stop_at);
    else
        (void)snprintf(c->name, sizeof c->name, "%d rank%s, stopped after step %lld and resumed on %d", ranks, plural,
                       (long long)c->stop_at, ranks_after);
    return c;
}

/* One world size undisturbed, the same stopped and resumed, the others undisturbed, and one that changes on the way. */
static fut_status lay_out(fut_check *check)
{
    const fut_check_plan *plan = check->plan;
    int first = plan->ranks[0];
    int last = plan->ranks[plan->n_ranks - 1];
    (void)add_case(check, first, 0);
    (void)add_case(check, first, first);
    for (int i = 1; i < plan->n_ranks; i++)
        (void)add_case(check, plan->ranks[i], 0);
    if (last != first) (void)add_case(check, first, last);
    for (int i = 0; i < check->n_cases; i++)
        FUT_TRY(FUT_NEW_ARRAY(plan->steps, &check->cases[i].step));
    return FUT_OK;
}

/* ---- what a case left ------------------------------------------------------------------------------------------------------------ */

static double number(const cJSON *object, const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    return cJSON_IsNumber(item) ? item->valuedouble : 0;
}

static void read_line(const cJSON *object, int64_t max_steps, fut_check_case *c)
{
    const cJSON *digest = cJSON_GetObjectItemCaseSensitive(object, "model_sha256");
    int64_t step = (int64_t)number(object, "step");
    if (cJSON_IsString(digest)) {
        (void)snprintf(c->sha256, sizeof c->sha256, "%s", digest->valuestring);
    } else if (cJSON_HasObjectItem(object, "loss") && step == c->n_steps + 1 && step <= max_steps) {
        c->step[step - 1] = (fut_check_step){.loss = number(object, "loss"), .gradient_norm = number(object, "gradient_norm")};
        c->n_steps = step;
    }
}

fut_status fut_check_read(const char *path, int64_t max_steps, fut_check_case *c)
{
    fut_status st = FUT_OK;
    fut_str all = {0};
    c->n_steps = 0;
    c->sha256[0] = '\0';
    FUT_TRY_GOTO(fut_file_read(path, METRICS_MAX_BYTES, &all), out);
    for (size_t at = 0; at < all.length;) {
        size_t length = strcspn(all.data + at, "\n");
        cJSON *object = cJSON_ParseWithLength(all.data + at, length);
        read_line(object, max_steps, c);
        cJSON_Delete(object);
        at += length + 1;
    }
    FUT_CHECK_GOTO(c->n_steps > 0 && c->sha256[0] != '\0', FUT_ERR_DATA, out, "%s: %lld steps and %s digest of the model", path,
                   (long long)c->n_steps, c->sha256[0] != '\0' ? "a" : "no");
out:
    fut_str_fini(&all);
    return st;
}

static bool is_same_step(const fut_check_step *a, const fut_check_step *b)
{
    return a->loss == b->loss && a->gradient_norm == b->gradient_norm;
}

void fut_check_compare(const fut_check_case *reference, fut_check_case *c)
{
    int64_t same = 0;
    while (same < reference->n_steps && same < c->n_steps && is_same_step(&reference->step[same], &c->step[same]))
        same++;
    bool all = same == reference->n_steps && same == c->n_steps && strcmp(reference->sha256, c->sha256) == 0;
    c->verdict = all ? FUT_CHECK_SAME : FUT_CHECK_DIFFERS;
    c->parts_at = all ? 0 : same + 1;
}

/* ---- running one ----------------------------------------------------------------------------------------------------------------- */

/* A command line in the making. Numbers and settings are held in `text`, which never moves. */
typedef struct command {
    char *words[WORDS_MAX + 1];
    int n;
    char text[8 * PATH_MAX];
    size_t used;
} command;

/* Append a copy of a word. What does not fit is left out, and the command refused by close_command. */
static void add(command *cmd, const char *word, size_t length)
{
    if (cmd->n < WORDS_MAX && cmd->used + length + 1 <= sizeof cmd->text) {
        char *copy = cmd->text + cmd->used;
        memcpy(copy, word, length);
        copy[length] = '\0';
        cmd->used += length + 1;
        cmd->words[cmd->n] = copy;
    }
    cmd->n++;
}

static void add_word(command *cmd, const char *word)
{
    add(cmd, word, strlen(word));
}

static void add_set(command *cmd, const char *key, const char *value)
{
    char set[PATH_MAX + 64];
    add_word(cmd, "--set");
    (void)snprintf(set, sizeof set, "%s=%s", key, value);
    add_word(cmd, set);
}

static void add_set_number(command *cmd, const char *key, int64_t value)
{
    char text[32];
    (void)snprintf(text, sizeof text, "%lld", (long long)value);
    add_set(cmd, key, text);
}

static void add_launcher(command *cmd, const char *launcher, int ranks)
{
    char text[16];
    while (*launcher != '\0') {
        size_t length = strcspn(launcher, " ");
        if (length > 0) add(cmd, launcher, length);
        launcher += length + strspn(launcher + length, " ");
    }
    (void)snprintf(text, sizeof text, "%d", ranks);
    add_word(cmd, "-n");
    add_word(cmd, text);
}

/* `futago train` of the plan on `ranks` ranks up to a step. Neither time nor evaluations decide anything, so that nothing but the ranks and
 * the stop can make a difference. */
static fut_status make_command(const fut_check_plan *plan, const char *run, int ranks, int64_t until, command *cmd)
{
    char self[PATH_MAX];
    char text[32];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    FUT_CHECK(length > 0, FUT_ERR_INTERNAL, "/proc/self/exe does not say where futago is");
    self[length] = '\0';
    if (ranks > 1) add_launcher(cmd, plan->launcher, ranks);
    add_word(cmd, self);
    add_word(cmd, "train");
    add_word(cmd, plan->path);
    for (int i = 0; plan->train_args[i] != NULL; i++)
        add_word(cmd, plan->train_args[i]);
    add_set(cmd, "run", run);
    add_set_number(cmd, "train.shards", plan->shards);
    add_set_number(cmd, "train.threads", plan->threads);
    add_set_number(cmd, "train.save_every", 0);
    add_set_number(cmd, "train.save_steps", 0);
    add_set_number(cmd, "eval.every", 0);
    (void)snprintf(text, sizeof text, "%lld", (long long)until);
    add_word(cmd, "--until");
    add_word(cmd, text);
    FUT_CHECK(cmd->n < WORDS_MAX, FUT_ERR_USAGE, "too many --set and --launcher words for a command line");
    cmd->words[cmd->n] = NULL;
    return FUT_OK;
}

/* The last error that futago told, or else the last line. */
static fut_status find_error(const char *output, fut_str *why)
{
    static const char mark[] = "futago: error: ";
    fut_str all = {0};
    fut_status st = fut_file_read(output, OUTPUT_MAX_BYTES, &all);
    const char *line = fut_str_text(&all);
    for (const char *at = strstr(line, mark); at != NULL; at = strstr(at + 1, mark))
        line = at + sizeof mark - 1;
    if (line == fut_str_text(&all) && all.length > 1) {
        all.data[all.length - 1] = '\0';
        const char *newline = strrchr(all.data, '\n');
        line = newline != NULL ? newline + 1 : line;
    }
    if (st == FUT_OK) st = fut_str_append_escaped(why, line, strcspn(line, "\n"));
    fut_str_fini(&all);
    return st;
}

/* One `futago train`. What keeps it from ending as it should is the case's, in its `why`; an error is ours. */
static fut_status train(const fut_check_plan *plan, fut_children *children, const char *run, int ranks, int64_t until, fut_check_case *c)
{
    fut_status st = FUT_OK;
    fut_str output = {0};
    command *cmd = NULL;
    FUT_TRY_GOTO(fut_str_printf(&output, "%s.txt", run), out);
    FUT_TRY_GOTO(FUT_NEW(&cmd), out);
    FUT_TRY_GOTO(make_command(plan, run, ranks, until, cmd), out);
    st = fut_child_run(children, cmd->words, fut_str_text(&output), NULL, &c->exit_code);
    if (st == FUT_ERR_NO_INPUT) { /* no mpirun on this machine */
        c->verdict = FUT_CHECK_NOT_TRIED;
        c->exit_code = fut_status_exit_code(FUT_ERR_NO_INPUT);
        st = fut_str_printf(&c->why, "%s", fut_trail_message());
        fut_trail_clear();
        goto out;
    }
    if (st != FUT_OK || c->exit_code == 0 || c->exit_code == EXIT_PREEMPTED) goto out;
    c->verdict = c->exit_code == EXIT_CONFIG ? FUT_CHECK_NOT_TRIED : FUT_CHECK_FAILED;
    st = find_error(fut_str_text(&output), &c->why);
out:
    fut_mem_free(cmd);
    fut_str_fini(&output);
    return st;
}

static fut_status run_case(const fut_check_plan *plan, fut_children *children, const char *scratch, int number, fut_check_case *c)
{
    fut_status st = FUT_OK;
    fut_str run = {0};
    fut_str metrics = {0};
    double begun = fut_clock_now();
    FUT_TRY_GOTO(fut_str_printf(&run, "%s/%c", scratch, 'A' + number), out);
    fut_log_progress("%s ...", c->name);
    if (c->stop_at > 0) FUT_TRY_GOTO(train(plan, children, fut_str_text(&run), c->ranks, c->stop_at, c), out);
    if (c->why.length == 0 && children->asked == 0)
        FUT_TRY_GOTO(train(plan, children, fut_str_text(&run), c->stop_at > 0 ? c->ranks_after : c->ranks, plan->steps, c), out);
    c->seconds = fut_clock_now() - begun;
    if (c->why.length > 0 || children->asked != 0) goto out;
    FUT_TRY_GOTO(fut_run_path(fut_str_text(&run), "metrics.jsonl", &metrics), out);
    FUT_TRY_GOTO(fut_check_read(fut_str_text(&metrics), plan->steps, c), out);
out:
    fut_str_fini(&run);
    fut_str_fini(&metrics);
    return st;
}

static fut_status status_of_exit(int exit_code)
{
    for (int st = FUT_OK + 1; st < FUT_STATUS_COUNT; st++)
        if (fut_status_exit_code((fut_status)st) == exit_code) return (fut_status)st;
    return FUT_ERR_INTERNAL;
}

static fut_status judge(fut_check *check, int number)
{
    static const char *const words[] = {"the others are compared with it", "same bits", "DIFFERS", "not tried", "FAILED"};
    fut_check_case *c = &check->cases[number];
    if (number == 0 && c->why.length > 0)
        return FUT_FAIL(status_of_exit(c->exit_code), "%s: futago train: %s", c->name, fut_str_text(&c->why));
    if (number > 0 && c->why.length == 0) fut_check_compare(&check->cases[0], c);
    FUT_INFO("%c  %s: %s (%.1f s)", 'A' + number, c->name, words[c->verdict], c->seconds);
    return FUT_OK;
}

static fut_status run_cases(fut_check *check, fut_children *children, const char *scratch)
{
    for (int i = 0; i < check->n_cases && children->asked == 0; i++) {
        FUT_TRY(run_case(check->plan, children, scratch, i, &check->cases[i]));
        if (children->asked == 0) FUT_TRY(judge(check, i));
    }
    return FUT_OK;
}

/* Open MPI wants to be told twice that root means it; who starts this as root has said so. */
static void allow_root(void)
{
    if (geteuid() != 0) return;
    (void)setenv("OMPI_ALLOW_RUN_AS_ROOT", "1", 0);
    (void)setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1", 0);
}

fut_status fut_check_run(const fut_check_plan *plan, fut_check *check_out, int *asked_out)
{
    fut_status st = FUT_OK;
    fut_check check = {.plan = plan};
    fut_children children;
    fut_str scratch = {0};
    fut_child_begin(&children, FUT_CHILD_STOP_TERM);
    allow_root();
    FUT_TRY_GOTO(lay_out(&check), out);
    FUT_TRY_GOTO(fut_scratch_create(plan->config->run, &scratch), out);
    FUT_TRY_GOTO(run_cases(&check, &children, fut_str_text(&scratch)), out);
    *check_out = check;
    check.n_cases = 0;
out:
    fut_scratch_remove(&scratch);
    fut_check_fini(&check);
    *asked_out = children.asked;
    fut_child_end(&children);
    return st;
}

void fut_check_fini(fut_check *check)
{
    for (int i = 0; i < check->n_cases; i++) {
        fut_str_fini(&check->cases[i].why);
        fut_mem_free(check->cases[i].step);
    }
    check->n_cases = 0;
}
