/* What `futago check` found, for people and for programs. */
#include "core/base/mem.h"
#include "launch/check.h"

#include <cjson/cJSON.h>
#include <string.h>

static const char *const verdict_names[] = {"reference", "same", "differs", "not tried", "failed"};

static char letter(int number)
{
    return (char)('A' + number);
}

/* ---- text ------------------------------------------------------------------------------------------------------------------------ */

static void print_cases(const fut_check *check, FILE *out)
{
    for (int i = 0; i < check->n_cases; i++) {
        const fut_check_case *c = &check->cases[i];
        (void)fprintf(out, "  %c  %-52s", letter(i), c->name);
        if (c->sha256[0] != '\0')
            (void)fprintf(out, "%6.1f s  model %.16s...\n", c->seconds, c->sha256);
        else
            (void)fprintf(out, "%s: %s\n", verdict_names[c->verdict], fut_str_text(&c->why));
    }
}

/* A case's step beside the reference's: "=", or by how much the first quantity that is another differs. */
static void print_cell(const fut_check_case *reference, const fut_check_case *c, int64_t i, FILE *out)
{
    char cell[32] = "=";
    if (i >= c->n_steps)
        (void)snprintf(cell, sizeof cell, "-");
    else if (c->step[i].loss != reference->step[i].loss)
        (void)snprintf(cell, sizeof cell, "loss %+.1e", c->step[i].loss - reference->step[i].loss);
    else if (c->step[i].gradient_norm != reference->step[i].gradient_norm)
        (void)snprintf(cell, sizeof cell, "norm %+.1e", c->step[i].gradient_norm - reference->step[i].gradient_norm);
    (void)fprintf(out, "  %13s", cell);
}

static void print_steps(const fut_check *check, FILE *out)
{
    const fut_check_case *reference = &check->cases[0];
    (void)fprintf(out, "\n  step            loss   gradient norm");
    for (int i = 1; i < check->n_cases; i++)
        (void)fprintf(out, "  %13c", letter(i));
    (void)fputc('\n', out);
    for (int64_t step = 0; step < reference->n_steps; step++) {
        (void)fprintf(out, "  %4lld  %14.9g  %14.9g", (long long)step + 1, reference->step[step].loss, reference->step[step].gradient_norm);
        for (int i = 1; i < check->n_cases; i++)
            print_cell(reference, &check->cases[i], step, out);
        (void)fputc('\n', out);
    }
    (void)fprintf(out, "  model %-32.16s", reference->sha256);
    for (int i = 1; i < check->n_cases; i++) {
        const fut_check_case *c = &check->cases[i];
        (void)fprintf(out, "  %13s", c->sha256[0] == '\0' ? "-" : strcmp(c->sha256, reference->sha256) == 0 ? "=" : "another");
    }
    (void)fputc('\n', out);
}

static int count(const fut_check *check, fut_check_verdict verdict)
{
    int n = 0;
    for (int i = 0; i < check->n_cases; i++)
        n += check->cases[i].verdict == verdict;
    return n;
}

void fut_check_print_text(const fut_check *check, FILE *out)
{
    const fut_check_plan *plan = check->plan;
    int same = count(check, FUT_CHECK_SAME);
    int not_tried = count(check, FUT_CHECK_NOT_TRIED);
    (void)fprintf(out, "%s: %lld step%s of %lld photos in %lld shard%s, CPU threads a shard: %lld\n", plan->path,
                  (long long)check->cases[0].n_steps, check->cases[0].n_steps == 1 ? "" : "s", (long long)plan->config->train.batch,
                  (long long)plan->shards, plan->shards == 1 ? "" : "s", (long long)plan->threads);
    print_cases(check, out);
    print_steps(check, out);
    if (same + not_tried + 1 == check->n_cases && same > 0)
        (void)fprintf(out, "\nbit-identical: %d ways of computing it, one model, sha256 %s\n", same + 1, check->cases[0].sha256);
    if (not_tried > 0) (void)fprintf(out, "%snot tried: %d of %d\n", same > 0 ? "" : "\n", not_tried, check->n_cases);
}

/* ---- JSON ------------------------------------------------------------------------------------------------------------------------ */

static void add_case(cJSON *list, const fut_check_case *c)
{
    cJSON *object = cJSON_CreateObject();
    cJSON *steps = cJSON_CreateArray();
    (void)cJSON_AddStringToObject(object, "name", c->name);
    (void)cJSON_AddNumberToObject(object, "ranks", c->ranks);
    if (c->stop_at > 0) {
        (void)cJSON_AddNumberToObject(object, "stopped_after", (double)c->stop_at);
        (void)cJSON_AddNumberToObject(object, "resumed_on", c->ranks_after);
    }
    (void)cJSON_AddStringToObject(object, "verdict", verdict_names[c->verdict]);
    if (c->verdict == FUT_CHECK_DIFFERS) (void)cJSON_AddNumberToObject(object, "parts_at_step", (double)c->parts_at);
    if (c->why.length > 0) (void)cJSON_AddStringToObject(object, "why", fut_str_text(&c->why));
    (void)cJSON_AddNumberToObject(object, "seconds", c->seconds);
    if (c->sha256[0] != '\0') (void)cJSON_AddStringToObject(object, "model_sha256", c->sha256);
    for (int64_t i = 0; i < c->n_steps; i++) {
        cJSON *step = cJSON_CreateObject();
        (void)cJSON_AddNumberToObject(step, "step", (double)i + 1);
        (void)cJSON_AddNumberToObject(step, "loss", c->step[i].loss);
        (void)cJSON_AddNumberToObject(step, "gradient_norm", c->step[i].gradient_norm);
        (void)cJSON_AddItemToArray(steps, step);
    }
    (void)cJSON_AddItemToObject(object, "steps", steps);
    (void)cJSON_AddItemToArray(list, object);
}

fut_status fut_check_print_json(const fut_check *check, FILE *out)
{
    fut_status st = FUT_OK;
    cJSON *root = cJSON_CreateObject();
    cJSON *cases = cJSON_CreateArray();
    (void)cJSON_AddStringToObject(root, "config", check->plan->path);
    (void)cJSON_AddNumberToObject(root, "shards", (double)check->plan->shards);
    (void)cJSON_AddNumberToObject(root, "threads", (double)check->plan->threads);
    (void)cJSON_AddBoolToObject(root, "identical", count(check, FUT_CHECK_DIFFERS) + count(check, FUT_CHECK_FAILED) == 0);
    for (int i = 0; i < check->n_cases; i++)
        add_case(cases, &check->cases[i]);
    (void)cJSON_AddItemToObject(root, "cases", cases);
    char *text = cJSON_PrintUnformatted(root);
    if (text != NULL)
        (void)fprintf(out, "%s\n", text);
    else
        st = FUT_FAIL(FUT_ERR_NO_MEMORY, "no memory for the answer as JSON");
    cJSON_free(text);
    cJSON_Delete(root);
    return st;
}

/* ---- the verdict ----------------------------------------------------------------------------------------------------------------- */

static fut_status say_difference(const fut_check_case *reference, const fut_check_case *c)
{
    int64_t i = c->parts_at - 1;
    if (i >= reference->n_steps || i >= c->n_steps)
        return FUT_FAIL(
            FUT_ERR_INTERNAL,
            "%s: loss and gradient norm of %lld steps are those of %s to 9 digits, but the models are not the same bits: sha256 "
            "%.16s..., not %.16s...",
            c->name, (long long)c->n_steps, reference->name, c->sha256, reference->sha256);
    bool by_loss = c->step[i].loss != reference->step[i].loss;
    return FUT_FAIL(FUT_ERR_INTERNAL, "%s: parts from %s at step %lld: the %s is %.9g, not %.9g", c->name, reference->name,
                    (long long)c->parts_at, by_loss ? "loss" : "gradient norm", by_loss ? c->step[i].loss : c->step[i].gradient_norm,
                    by_loss ? reference->step[i].loss : reference->step[i].gradient_norm);
}

fut_status fut_check_conclude(const fut_check *check)
{
    for (int i = 1; i < check->n_cases; i++)
        if (check->cases[i].verdict == FUT_CHECK_DIFFERS) return say_difference(&check->cases[0], &check->cases[i]);
    for (int i = 1; i < check->n_cases; i++) {
        const fut_check_case *c = &check->cases[i];
        if (c->verdict == FUT_CHECK_FAILED)
            return FUT_FAIL(FUT_ERR_INTERNAL, "%s: futago train ended with exit status %d: %s", c->name, c->exit_code,
                            fut_str_text(&c->why));
    }
    for (int i = 1; i < check->n_cases && check->plan->ranks_are_asked; i++) {
        const fut_check_case *c = &check->cases[i];
        bool is_missing = c->exit_code == fut_status_exit_code(FUT_ERR_NO_INPUT);
        if (c->verdict == FUT_CHECK_NOT_TRIED)
            return FUT_FAIL(is_missing ? FUT_ERR_NO_INPUT : FUT_ERR_CONFIG, "%s: --ranks asks for it, but it cannot be tried: %s", c->name,
                            fut_str_text(&c->why));
    }
    return FUT_OK;
}
