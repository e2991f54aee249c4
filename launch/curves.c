#include "launch/curves.h"

#include "core/base/file.h"
#include "core/base/mem.h"
#include "launch/run_folder.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <string.h>

enum { METRICS_MAX_BYTES = 1 << 30, FIRST_ROOM = 64 };

/* Columns that grow together. */
static fut_status grow(double **column[], int columns, int64_t count)
{
    bool full = count == 0 || (count >= FIRST_ROOM && (count & (count - 1)) == 0);
    if (!full) return FUT_OK;
    size_t room = count < FIRST_ROOM ? FIRST_ROOM : (size_t)count * 2;
    for (int i = 0; i < columns; i++)
        FUT_TRY(fut_mem_grow((void **)column[i], (size_t)count, room, sizeof(double)));
    return FUT_OK;
}

static double number(const cJSON *object, const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    return cJSON_IsNumber(item) ? item->valuedouble : (double)NAN;
}

/* A mean in the making. */
typedef struct mean {
    double sum, n;
} mean;

/* A null is left out. */
static double add_to_mean(mean *m, const cJSON *object, const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    if (cJSON_IsNumber(item)) {
        m->sum += item->valuedouble;
        m->n++;
    }
    return m->n > 0 ? m->sum / m->n : (double)NAN;
}

typedef struct epoch_means {
    double epoch;
    mean loss, positive, negative, rank;
} epoch_means;

static fut_status add_step(fut_curves *c, epoch_means *means, const cJSON *object)
{
    double epoch = number(object, "epoch");
    const cJSON *health = cJSON_GetObjectItemCaseSensitive(object, "health");
    if (c->n_epochs == 0 || epoch > means->epoch) {
        double **columns[] = {&c->epoch, &c->loss, &c->lr, &c->positive, &c->negative, &c->rank};
        FUT_TRY(grow(columns, 6, c->n_epochs));
        c->n_epochs++;
        *means = (epoch_means){.epoch = epoch};
    }
    int64_t i = c->n_epochs - 1;
    c->epoch[i] = epoch;
    c->loss[i] = add_to_mean(&means->loss, object, "loss");
    c->lr[i] = number(object, "lr");
    c->positive[i] = add_to_mean(&means->positive, health, "similarity_pos");
    c->negative[i] = add_to_mean(&means->negative, health, "similarity_neg");
    c->rank[i] = add_to_mean(&means->rank, health, "effective_rank");
    return FUT_OK;
}

static fut_status add_evaluation(fut_curves *c, const cJSON *object)
{
    double **columns[] = {&c->eval_epoch, &c->eval_loss, &c->eer, &c->auc};
    if (!cJSON_HasObjectItem(object, "eer")) return FUT_OK; /* it could not be scored */
    FUT_TRY(grow(columns, 4, c->n_evals));
    int64_t i = c->n_evals++;
    c->eval_epoch[i] = number(object, "epoch");
    c->eval_loss[i] = number(object, "eval_loss");
    c->eer[i] = number(object, "eer");
    c->auc[i] = number(object, "auc");
    return FUT_OK;
}

static bool is_known_once(const double *value, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (isfinite(value[i])) return true;
    return false;
}

static void make_charts(fut_curves *c)
{
    if (c->n_epochs == 0) return;
    c->n_charts = FUT_CURVES_CHARTS;
    c->chart[0] =
        (fut_report_chart){.title = "Loss",
                           .x_label = "epoch",
                           .curve = {{"training", c->epoch, c->loss, c->n_epochs}, {"validation", c->eval_epoch, c->eval_loss, c->n_evals}},
                           .n_curves = is_known_once(c->eval_loss, c->n_evals) ? 2 : 1};
    c->chart[1] = (fut_report_chart){.title = "Verification",
                                     .x_label = "epoch",
                                     .curve = {{"EER", c->eval_epoch, c->eer, c->n_evals}, {"AUC", c->eval_epoch, c->auc, c->n_evals}},
                                     .n_curves = c->n_evals > 0 ? 2 : 0};
    c->chart[2] = (fut_report_chart){.title = "Learning rate",
                                     .x_label = "epoch",
                                     .curve = {{"learning rate", c->epoch, c->lr, c->n_epochs}},
                                     .n_curves = 1,
                                     .is_log = true};
    c->chart[3] = (fut_report_chart){
        .title = "Similarity in training",
        .x_label = "epoch",
        .curve = {{"one person", c->epoch, c->positive, c->n_epochs}, {"different people", c->epoch, c->negative, c->n_epochs}},
        .n_curves = 2};
    c->chart[4] = (fut_report_chart){.title = "Effective rank of the embeddings",
                                     .x_label = "epoch",
                                     .curve = {{"effective rank", c->epoch, c->rank, c->n_epochs}},
                                     .n_curves = 1};
}

fut_status fut_curves_read(const char *run, fut_curves *curves_out)
{
    fut_status st = FUT_OK;
    fut_str path = {0};
    fut_str all = {0};
    fut_curves c = {0};
    epoch_means means = {0};
    FUT_TRY_GOTO(fut_run_path(run, "metrics.jsonl", &path), out);
    if (fut_file_exists(fut_str_text(&path))) FUT_TRY_GOTO(fut_file_read(fut_str_text(&path), METRICS_MAX_BYTES, &all), out);
    for (size_t at = 0; at < all.length;) {
        const char *newline = memchr(all.data + at, '\n', all.length - at);
        size_t length = newline != NULL ? (size_t)(newline - (all.data + at)) : all.length - at;
        cJSON *object = cJSON_ParseWithLength(all.data + at, length);
        if (cJSON_HasObjectItem(object, "event"))
            st = add_evaluation(&c, object);
        else if (object != NULL)
            st = add_step(&c, &means, object);
        cJSON_Delete(object);
        if (st != FUT_OK) goto out;
        at += length + 1;
    }
    make_charts(&c);
    *curves_out = c;
    c = (fut_curves){0};
out:
    fut_str_fini(&path);
    fut_str_fini(&all);
    fut_curves_fini(&c);
    return st;
}

void fut_curves_fini(fut_curves *c)
{
    void *blocks[] = {c->epoch, c->loss, c->lr, c->positive, c->negative, c->rank, c->eval_epoch, c->eval_loss, c->eer, c->auc};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        fut_mem_free(blocks[i]);
    *c = (fut_curves){0};
}
