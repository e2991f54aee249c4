/* The report as lines for a terminal and as a JSON object. */
#include "launch/report.h"

#include "launch/report_impl.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

/* ---- text ---------------------------------------------------------------------------------------------------------------------- */

enum { NAME_COLUMN = 15, SHOWN_PAIRS = 5 };

static fut_status text_row(fut_str *out, const char *name, const char *value)
{
    FUT_TRY(fut_str_printf(out, "%-*s ", NAME_COLUMN, name));
    FUT_TRY(fut_str_append_escaped(out, value, strlen(value)));
    return fut_str_append(out, "\n", 1);
}

static fut_status text_kind(const char *kind, int64_t n, double mean, fut_str *out)
{
    FUT_TRY(fut_str_printf(out, "%lld of %s", (long long)n, kind));
    return n > 0 ? fut_str_printf(out, " (mean %.4f)", mean) : FUT_OK;
}

static fut_status text_numbers(const fut_verification *v, fut_str *out)
{
    FUT_TRY(fut_str_printf(out, "%-*s %.2f %% at similarity %.4f\n", NAME_COLUMN, "EER", 100 * v->eer, v->at_eer.threshold));
    FUT_TRY(fut_str_printf(out, "%-*s %.5f\n", NAME_COLUMN, "AUC", v->auc));
    FUT_TRY(fut_str_printf(out, "%-*s %.2f %% at similarity %.4f\n", NAME_COLUMN, "best accuracy", 100 * v->at_best.accuracy,
                           v->at_best.threshold));
    const fut_folds *f = &v->folds;
    if (f->n > 0)
        FUT_TRY(fut_str_printf(out, "%d %-*s accuracy %.2f +- %.2f %%", f->n, NAME_COLUMN - (f->n > 9 ? 3 : 2), "folds",
                               100 * f->accuracy_mean, 100 * f->accuracy_std));
    if (f->n > 0 && f->has_val)
        FUT_TRY(fut_str_printf(out, ", VAL %.2f +- %.2f %% at FAR %g", 100 * f->val_mean, 100 * f->val_std, f->val_target));
    return f->n > 0 ? fut_str_append(out, "\n", 1) : FUT_OK;
}

static fut_status text_tars(const fut_verification *v, fut_str *out)
{
    FUT_TRY(fut_str_printf(out, "\n%-8s %10s %12s\n", "FAR", "TAR", "similarity"));
    for (int i = 0; i < FUT_METRIC_FARS; i++) {
        const fut_tar_at_far *t = &v->tar[i];
        if (!t->is_resolved) return fut_str_printf(out, "%-8g too few pairs of different people to tell\n", t->target);
        FUT_TRY(fut_str_printf(out, "%-8g %8.2f %% %12.4f\n", t->target, 100 * t->at.tar, t->at.threshold));
    }
    return FUT_OK;
}

static fut_status text_pairs(const char *heading, const fut_report_pair *pair, int64_t n, fut_str *out)
{
    if (n > 0) FUT_TRY(fut_str_printf(out, "\n%s\n", heading));
    for (int64_t i = 0; i < n && i < SHOWN_PAIRS; i++) {
        const char *names[] = {pair[i].name_a != NULL ? pair[i].name_a : "", pair[i].name_b != NULL ? pair[i].name_b : ""};
        FUT_TRY(fut_str_printf(out, "%8.4f  ", pair[i].score));
        FUT_TRY(fut_str_append_escaped(out, names[0], strlen(names[0])));
        if (strcmp(names[0], names[1]) != 0) {
            FUT_TRY(fut_str_append(out, " | ", 3));
            FUT_TRY(fut_str_append_escaped(out, names[1], strlen(names[1])));
        }
        FUT_TRY(fut_str_append(out, "\n", 1));
    }
    return FUT_OK;
}

fut_status fut_report_text(const fut_report *report, fut_str *out)
{
    const fut_verification *v = report->verification;
    char line[160];
    FUT_TRY(fut_str_append_escaped(out, report->title, strlen(report->title)));
    FUT_TRY(fut_str_append(out, "\n\n", 2));
    for (int64_t i = 0; i < report->n_facts; i++)
        FUT_TRY(text_row(out, report->fact[i].name, report->fact[i].value));
    if (report->note != NULL) FUT_TRY(text_row(out, "note", report->note));
    if (report->n_facts > 0 || report->note != NULL) FUT_TRY(fut_str_append(out, "\n", 1));

    FUT_TRY(fut_str_printf(out, "%-*s ", NAME_COLUMN, "pairs"));
    FUT_TRY(text_kind("one person", v->n_same, v->mean_same, out));
    FUT_TRY(fut_str_append(out, ", ", 2));
    FUT_TRY(text_kind("different people", v->n_different, v->mean_different, out));
    FUT_TRY(fut_str_append(out, "\n", 1));
    if (v->is_defined) {
        FUT_TRY(text_numbers(v, out));
        FUT_TRY(text_tars(v, out));
    } else {
        (void)snprintf(line, sizeof line, "not defined: %s", fut_verification_why_undefined(v));
        FUT_TRY(text_row(out, "EER, AUC", line));
    }
    if (report->identification != NULL) FUT_TRY(fut_identification_text(report->identification, NAME_COLUMN, out));
    FUT_TRY(text_pairs("different people, most alike", report->hard_different, report->n_hard_different, out));
    return text_pairs("same person, least alike", report->hard_same, report->n_hard_same, out);
}

/* ---- JSON ---------------------------------------------------------------------------------------------------------------------- */

/* A JSON object or array in the making. cJSON answers NULL when memory is out: `failed` remembers it, and every item that could not be
 * attached is freed. */
typedef struct json {
    bool failed;
} json;

static cJSON *attach(json *j, cJSON *parent, const char *key, cJSON *item)
{
    bool is_attached =
        item != NULL && parent != NULL && (key != NULL ? cJSON_AddItemToObject(parent, key, item) : cJSON_AddItemToArray(parent, item));
    if (is_attached) return item;
    cJSON_Delete(item);
    j->failed = true;
    return NULL;
}

static void put_number(json *j, cJSON *parent, const char *key, double value)
{
    (void)attach(j, parent, key, cJSON_CreateNumber(value));
}

static void put_bool(json *j, cJSON *parent, const char *key, bool value)
{
    (void)attach(j, parent, key, cJSON_CreateBool(value));
}

static cJSON *put_object(json *j, cJSON *parent, const char *key)
{
    return attach(j, parent, key, cJSON_CreateObject());
}

static cJSON *put_array(json *j, cJSON *parent, const char *key)
{
    return attach(j, parent, key, cJSON_CreateArray());
}

/* cJSON would pass bytes that are not UTF-8 through; ours are escaped as core/base/str.h says. NULL stays null. */
static void put_text(json *j, cJSON *parent, const char *key, const char *text)
{
    fut_str quoted = {0};
    if (text == NULL) {
        (void)attach(j, parent, key, cJSON_CreateNull());
        return;
    }
    if (fut_str_append_json(&quoted, text, strlen(text)) != FUT_OK) {
        j->failed = true;
    } else {
        (void)attach(j, parent, key, cJSON_CreateRaw(fut_str_text(&quoted)));
    }
    fut_str_fini(&quoted);
}

static cJSON *put_point(json *j, cJSON *parent, const char *key, const fut_operating_point *at)
{
    cJSON *point = put_object(j, parent, key);
    put_number(j, point, "threshold", at->threshold);
    put_number(j, point, "far", at->far);
    put_number(j, point, "tar", at->tar);
    put_number(j, point, "accuracy", at->accuracy);
    return point;
}

static void put_numbers(json *j, cJSON *parent, const char *key, const double *values, int n)
{
    cJSON *array = put_array(j, parent, key);
    for (int i = 0; i < n; i++)
        put_number(j, array, NULL, values[i]);
}

static void put_folds(json *j, cJSON *root, const fut_folds *f)
{
    cJSON *folds = put_object(j, root, "folds");
    put_number(j, folds, "n", f->n);
    put_number(j, folds, "accuracy_mean", f->accuracy_mean);
    put_number(j, folds, "accuracy_std", f->accuracy_std);
    put_numbers(j, folds, "accuracy", f->accuracy, f->n);
    put_numbers(j, folds, "threshold", f->threshold, f->n);
    if (!f->has_val) return;
    put_number(j, folds, "val_target", f->val_target);
    put_number(j, folds, "val_mean", f->val_mean);
    put_number(j, folds, "val_std", f->val_std);
    put_number(j, folds, "val_far_mean", f->val_far_mean);
}

static void put_metrics(json *j, cJSON *root, const fut_verification *v)
{
    put_number(j, root, "auc", v->auc);
    put_number(j, root, "eer", v->eer);
    (void)put_point(j, root, "at_eer", &v->at_eer);
    (void)put_point(j, root, "at_best_accuracy", &v->at_best);
    cJSON *tars = put_array(j, root, "tar_at_far");
    for (int i = 0; i < FUT_METRIC_FARS; i++) {
        cJSON *tar = put_point(j, tars, NULL, &v->tar[i].at);
        put_number(j, tar, "target", v->tar[i].target);
        put_bool(j, tar, "is_resolved", v->tar[i].is_resolved);
    }
    if (v->folds.n > 0) put_folds(j, root, &v->folds);
    cJSON *roc = put_array(j, root, "roc");
    for (int64_t i = 0; i < v->n_roc; i++) {
        cJSON *point = put_array(j, roc, NULL);
        put_number(j, point, NULL, v->roc[i].far);
        put_number(j, point, NULL, v->roc[i].tar);
        put_number(j, point, NULL, v->roc[i].threshold);
    }
}

static void put_histogram(json *j, cJSON *root, const fut_verification *v)
{
    cJSON *histogram = put_object(j, root, "histogram");
    put_number(j, histogram, "min", v->histogram_min);
    put_number(j, histogram, "max", v->histogram_max);
    cJSON *same = put_array(j, histogram, "same");
    cJSON *different = put_array(j, histogram, "different");
    for (int i = 0; i < FUT_METRIC_BINS; i++) {
        put_number(j, same, NULL, (double)v->histogram_same[i]);
        put_number(j, different, NULL, (double)v->histogram_different[i]);
    }
}

static void put_closed_set(json *j, cJSON *parent, const fut_closed_set *c)
{
    put_number(j, parent, "n_probes", (double)c->n_probes);
    put_number(j, parent, "n_gallery", (double)c->n_gallery);
    put_number(j, parent, "n_people", (double)c->n_people);
    put_number(j, parent, "rank_1", c->cmc[0]);
    put_number(j, parent, "rank_5", c->cmc[4]);
    put_number(j, parent, "rank_10", c->cmc[9]);
    put_numbers(j, parent, "cmc", c->cmc, c->n_people < FUT_CMC_RANKS ? (int)c->n_people : FUT_CMC_RANKS);
}

static void put_open_set(json *j, cJSON *parent, const fut_open_set *o)
{
    put_number(j, parent, "n_mated", (double)o->n_mated);
    put_number(j, parent, "n_nonmated", (double)o->n_nonmated);
    put_number(j, parent, "n_gallery", (double)o->n_gallery);
    put_number(j, parent, "n_people", (double)o->n_people);
    cJSON *list = put_array(j, parent, "fnir_at_fpir");
    for (int i = 0; i < FUT_OPEN_SET_FPIRS && o->is_defined; i++) {
        cJSON *at = put_object(j, list, NULL);
        put_number(j, at, "target", o->at[i].target);
        put_number(j, at, "fpir", o->at[i].fpir);
        put_number(j, at, "fnir", o->at[i].fnir);
        put_number(j, at, "threshold", o->at[i].threshold);
        put_bool(j, at, "is_resolved", o->at[i].is_resolved);
    }
}

static void put_identification(json *j, cJSON *root, const fut_identification *id)
{
    cJSON *object = put_object(j, root, "identification");
    put_bool(j, object, "is_defined", id->retrieval.n_queries > 0);
    put_number(j, object, "n_lone", (double)id->retrieval.n_lone);
    put_number(j, object, "precision_at_1", id->retrieval.precision_at_1);
    put_number(j, object, "precision_at_5", id->retrieval.precision_at_5);
    put_number(j, object, "precision_at_10", id->retrieval.precision_at_10);
    put_number(j, object, "r_precision", id->retrieval.r_precision);
    put_number(j, object, "map_at_r", id->retrieval.map_at_r);
    put_number(j, object, "map", id->retrieval.map);
    put_closed_set(j, object, &id->leave_one_out);
    if (id->one_enrolled.n_probes > 0) put_closed_set(j, put_object(j, object, "one_enrolled"), &id->one_enrolled);
    put_open_set(j, put_object(j, object, "open_set"), &id->open_set);
}

static void put_pairs(json *j, cJSON *root, const char *key, const fut_report_pair *pair, int64_t n)
{
    cJSON *pairs = put_array(j, root, key);
    for (int64_t i = 0; i < n; i++) {
        cJSON *item = put_object(j, pairs, NULL);
        put_number(j, item, "score", pair[i].score);
        put_text(j, item, "a", pair[i].name_a);
        put_text(j, item, "b", pair[i].name_b);
    }
}

static void put_report(json *j, cJSON *root, const fut_report *report)
{
    const fut_verification *v = report->verification;
    put_text(j, root, "title", report->title);
    cJSON *facts = put_object(j, root, "facts");
    for (int64_t i = 0; i < report->n_facts; i++)
        put_text(j, facts, report->fact[i].name, report->fact[i].value);
    put_text(j, root, "note", report->note);
    put_number(j, root, "n_same", (double)v->n_same);
    put_number(j, root, "n_different", (double)v->n_different);
    put_number(j, root, "mean_same", v->mean_same);
    put_number(j, root, "mean_different", v->mean_different);
    put_bool(j, root, "is_defined", v->is_defined);
    if (v->is_defined) {
        put_metrics(j, root, v);
    } else {
        put_text(j, root, "why_undefined", fut_verification_why_undefined(v));
    }
    put_histogram(j, root, v);
    if (report->identification != NULL) put_identification(j, root, report->identification);
    put_pairs(j, root, "hardest_different", report->hard_different, report->n_hard_different);
    put_pairs(j, root, "hardest_same", report->hard_same, report->n_hard_same);
}

fut_status fut_report_json(const fut_report *report, fut_str *out)
{
    fut_status st = FUT_OK;
    json j = {0};
    char *text = NULL;
    cJSON *root = cJSON_CreateObject();
    FUT_CHECK_GOTO(root != NULL, FUT_ERR_NO_MEMORY, out, "no memory for the report");
    put_report(&j, root, report);
    text = j.failed ? NULL : cJSON_PrintUnformatted(root);
    FUT_CHECK_GOTO(text != NULL, FUT_ERR_NO_MEMORY, out, "no memory for the report");
    FUT_TRY_GOTO(fut_str_printf(out, "%s\n", text), out);
out:
    cJSON_free(text);
    cJSON_Delete(root);
    return st;
}
