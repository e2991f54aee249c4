#include "launch/step_report.h"

#include "core/base/clock.h"
#include "core/base/file.h"
#include "core/base/log.h"
#include "core/base/str.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <string.h>

const char *const fut_section_names[FUT_SECTIONS] = {
#define FUT_SECTION_NAME(name, text) text,
    FUT_SECTION_ROWS(FUT_SECTION_NAME)
#undef FUT_SECTION_NAME
};

void fut_step_timer_begin(fut_step_timer *timer)
{
    memset(timer, 0, sizeof *timer);
    timer->started = timer->mark = fut_clock_now();
}

void fut_step_timer_lap(fut_step_timer *timer, fut_section section)
{
    double now = fut_clock_now();
    timer->seconds[section] += now - timer->mark;
    timer->mark = now;
}

double fut_step_timer_end(fut_step_timer *timer)
{
    fut_step_timer_lap(timer, FUT_SECTION_OTHER);
    return timer->mark - timer->started;
}

void fut_step_timer_give_device(fut_step_timer *timer, double wall)
{
    double data = timer->seconds[FUT_SECTION_DATA] < wall ? timer->seconds[FUT_SECTION_DATA] : wall;
    memset(timer->seconds, 0, sizeof timer->seconds);
    timer->seconds[FUT_SECTION_DATA] = data;
    timer->seconds[FUT_SECTION_DEVICE] = wall - data;
}

/* ---- metrics.jsonl ------------------------------------------------------------------------------------------------------------- */

enum { METRICS_MAX_BYTES = 1 << 30, LINE_MAX_BYTES = 2048 };

/* The step a line is about; -1 for a line that is no object (a write that was cut short). */
static int64_t step_of_line(const char *line, size_t length)
{
    cJSON *object = cJSON_ParseWithLength(line, length);
    const cJSON *step = cJSON_GetObjectItemCaseSensitive(object, "step");
    int64_t value = cJSON_IsNumber(step) ? (int64_t)step->valuedouble : -1;
    cJSON_Delete(object);
    return value;
}

static fut_status drop_later_steps(const char *path, int64_t step)
{
    fut_status st = FUT_OK;
    fut_str all = {0};
    fut_str kept = {0};
    FUT_TRY_GOTO(fut_file_read(path, METRICS_MAX_BYTES, &all), out);
    for (size_t at = 0; at < all.length;) {
        const char *line = all.data + at;
        const char *newline = memchr(line, '\n', all.length - at);
        size_t length = newline != NULL ? (size_t)(newline - line) + 1 : all.length - at;
        int64_t line_step = newline != NULL ? step_of_line(line, length) : -1;
        if (line_step >= 0 && line_step <= step) FUT_TRY_GOTO(fut_str_append(&kept, line, length), out);
        at += length;
    }
    if (kept.length != all.length) FUT_TRY_GOTO(fut_file_write(path, kept.data, kept.length), out);
out:
    fut_str_fini(&all);
    fut_str_fini(&kept);
    return st;
}

fut_status fut_step_report_open(fut_step_report *report, const char *path, int64_t step, int64_t log_every)
{
    memset(report, 0, sizeof *report);
    report->log_every = log_every;
    if (fut_file_exists(path)) FUT_TRY(drop_later_steps(path, step));
    report->metrics = fopen(path, "a");
    return report->metrics != NULL ? FUT_OK : fut_file_errno("open", path, errno);
}

void fut_step_report_close(fut_step_report *report)
{
    if (report->metrics != NULL) (void)fclose(report->metrics);
    report->metrics = NULL;
}

static void write_line(fut_step_report *report, const char *line)
{
    if (report->metrics == NULL) return;
    if (fprintf(report->metrics, "%s\n", line) < 0 || fflush(report->metrics) != 0) {
        FUT_WARN("metrics.jsonl: cannot write: %s; training goes on without it", strerror(errno));
        fut_step_report_close(report);
    }
}

/* A line in the making; what does not fit is cut off. */
typedef struct line {
    char text[LINE_MAX_BYTES];
    size_t used;
} line;

static void put(line *l, const char *fmt, ...) FUT_PRINTF(2, 3);
static void put(line *l, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int length = vsnprintf(l->text + l->used, sizeof l->text - l->used, fmt, args);
    va_end(args);
    if (length > 0) l->used += (size_t)length;
    if (l->used >= sizeof l->text) l->used = sizeof l->text - 1;
}

/* What is no number is null, so that the line stays JSON and nobody takes a zero for a result. */
static void put_number(line *l, const char *name, double value)
{
    if (isfinite(value))
        put(l, ",\"%s\":%.9g", name, value);
    else
        put(l, ",\"%s\":null", name);
}

static double mean_or_none(double mean, double count)
{
    return count > 0 ? mean : NAN;
}

static void put_vitals(line *l, const fut_vitals_report *v)
{
    const fut_health *h = &v->health;
    put(l, ",\"health\":{\"rows\":%" PRId64, h->norm.n);
    put_number(l, "similarity_pos", h->positive.mean);
    put_number(l, "similarity_pos_std", h->positive.std);
    put_number(l, "similarity_neg", h->negative.mean);
    put_number(l, "similarity_neg_std", h->negative.std);
    put_number(l, "norm", h->norm.mean);
    put_number(l, "norm_std", h->norm.std);
    put_number(l, "effective_rank", h->effective_rank);
    put_number(l, "update_ratio", v->update_ratio);
    put(l, "}");
}

static void write_step(fut_step_report *report, const fut_step_result *r, const fut_step_timer *timer, double wall)
{
    line l = {0};
    put(&l, "{\"step\":%" PRId64 ",\"epoch\":%" PRId64, r->step, r->epoch + 1);
    put_number(&l, "loss", r->loss.loss);
    put_number(&l, "lr", r->lr);
    put_number(&l, "gradient_norm", r->gradient_norm);
    put(&l, ",\"images\":%" PRId64, r->images);
    put(&l, ",\"active_pos\":%.0f,\"active_neg\":%.0f,\"count_pos\":%.0f,\"count_neg\":%.0f", r->loss.active_pos, r->loss.active_neg,
        r->loss.count_pos, r->loss.count_neg);
    put_number(&l, "mean_pos", mean_or_none(r->loss.mean_pos, r->loss.count_pos));
    put_number(&l, "mean_neg", mean_or_none(r->loss.mean_neg, r->loss.count_neg));
    if (r->looked) put_vitals(&l, &r->vitals);
    put_number(&l, "img_per_s", (double)r->images / wall);
    put_number(&l, "wall", wall);
    put(&l, ",\"seconds\":{");
    for (int s = 0; s < FUT_SECTIONS; s++)
        put(&l, "%s\"%s\":%.6g", s > 0 ? "," : "", fut_section_names[s], timer->seconds[s]);
    put(&l, "}");
    if (r->summed > 0) put(&l, ",\"gradients\":{\"summed\":%.6g,\"exposed\":%.6g}", r->summed, r->exposed);
    put(&l, "}");
    write_line(report, l.text);
}

/* ---- the line for people ------------------------------------------------------------------------------------------------------- */

static void put_active(line *l, const char *sign, double active, double count)
{
    if (count > 0)
        put(l, " %s%.0f%% of %.0f", sign, 100 * active / count, count);
    else
        put(l, " %snone", sign);
}

static void put_similarity(line *l, const fut_spread *s)
{
    if (s->n > 0)
        put(l, " %+.3f±%.3f", s->mean, s->std);
    else
        put(l, " -");
}

static void format_step(const fut_step_report *report, const fut_step_result *r, line *l)
{
    char eta[64];
    const fut_health *h = &report->vitals.health;
    double img_per_s = (double)report->images / report->wall;
    fut_clock_format((double)(r->steps - r->step) * (double)r->images / img_per_s, eta, sizeof eta);
    put(l, "step %" PRId64 "/%" PRId64 "  epoch %" PRId64 "/%" PRId64 "  loss %.4f  active", r->step, r->steps, r->epoch + 1, r->epochs,
        r->loss.loss);
    put_active(l, "+", r->loss.active_pos, r->loss.count_pos);
    put_active(l, "-", r->loss.active_neg, r->loss.count_neg);
    put(l, "  similarity");
    put_similarity(l, &h->positive);
    put_similarity(l, &h->negative);
    put(l, "  norm %.3g±%.2g  rank %.1f  gradient %.2g  update %.1e  lr %.2e  %.1f img/s  ", h->norm.mean, h->norm.std, h->effective_rank,
        r->gradient_norm, report->vitals.update_ratio, r->lr, img_per_s);
    for (int s = 0; s < FUT_SECTIONS; s++)
        if (s == FUT_SECTION_DATA || report->seconds[s] > 0)
            put(l, "%s%s %.0f%%", s > 0 ? " " : "(", fut_section_names[s], 100 * report->seconds[s] / report->wall);
    put(l, ")  %s left", eta);
}

/* ---- alarms -------------------------------------------------------------------------------------------------------------------- */

static void raise_alarms(fut_step_report *report, const fut_step_result *r)
{
    fut_alarm_message raised[FUT_ALARMS];
    int count = fut_alarms_look(&report->alarms, r, report->active, raised);
    for (int i = 0; i < count; i++) {
        line l = {0};
        const fut_alarm_message *m = &raised[i];
        put(&l, "{\"step\":%" PRId64 ",\"epoch\":%" PRId64 ",\"event\":\"%s\",\"name\":\"%s\",\"text\":\"%s\"}", r->step, r->epoch + 1,
            m->is_note ? "note" : "alarm", fut_alarm_names[m->alarm], m->text);
        write_line(report, l.text);
        if (m->is_note)
            FUT_INFO("step %" PRId64 ": %s", r->step, m->text);
        else
            FUT_WARN("alarm at step %" PRId64 ": %s", r->step, m->text);
    }
}

void fut_step_report_event(fut_step_report *report, const char *object)
{
    write_line(report, object);
}

bool fut_step_report_is_due(int64_t step, int64_t steps, int64_t log_every)
{
    return step % log_every == 0 || step == 1 || step == steps;
}

void fut_step_report_write(fut_step_report *report, const fut_step_result *result, const fut_step_timer *timer, double wall)
{
    line l = {0};
    write_step(report, result, timer, wall);
    report->images += result->images;
    report->wall += wall;
    report->active += result->loss.active_pos + result->loss.active_neg;
    for (int s = 0; s < FUT_SECTIONS; s++)
        report->seconds[s] += timer->seconds[s];
    if (result->looked) report->vitals = result->vitals;
    bool due = fut_step_report_is_due(result->step, result->steps, report->log_every);
    if (!due && !fut_log_is_terminal()) return;
    format_step(report, result, &l);
    if (!due) {
        fut_log_progress("%s", l.text);
        return;
    }
    FUT_INFO("%s", l.text);
    if (result->looked) raise_alarms(report, result);
    report->images = 0;
    report->wall = report->active = 0;
    memset(report->seconds, 0, sizeof report->seconds);
}

/* ---- evaluations --------------------------------------------------------------------------------------------------------------- */

/* TAR where there are pairs enough to speak of it. */
static double resolved_tar(const fut_tar_at_far *t)
{
    return t->is_resolved ? t->at.tar : NAN;
}

static void say_evaluation(const fut_eval_summary *e)
{
    line l = {0};
    const fut_verification *v = e->verification;
    put(&l, "epoch %" PRId64 "  %s: ", e->epoch + 1, e->part);
    if (isfinite(e->loss)) put(&l, "loss %.4f  ", e->loss);
    put(&l, "EER %.2f %%  AUC %.4f  ", 100 * v->eer, v->auc);
    for (int i = 1; i <= 2; i++)
        if (v->tar[i].is_resolved) put(&l, "TAR %.1f %% at FAR %g %%  ", 100 * v->tar[i].at.tar, 100 * v->tar[i].target);
    put(&l, "(%" PRId64 " same, %" PRId64 " different pairs, %.1f s)%s", v->n_same, v->n_different, e->seconds,
        e->is_best ? "  best so far" : "");
    FUT_INFO("%s", l.text);
}

void fut_step_report_evaluation(fut_step_report *report, const fut_eval_summary *e)
{
    line l = {0};
    const fut_verification *v = e->verification;
    put(&l,
        "{\"step\":%" PRId64 ",\"epoch\":%" PRId64 ",\"event\":\"evaluation\",\"part\":\"%s\",\"same_pairs\":%" PRId64
        ",\"different_pairs\":%" PRId64,
        e->step, e->epoch + 1, e->part, v->n_same, v->n_different);
    put_number(&l, "seconds", e->seconds);
    put_number(&l, "eval_loss", e->loss);
    if (v->is_defined) {
        put_number(&l, "eer", v->eer);
        put_number(&l, "auc", v->auc);
        put_number(&l, "tar_at_far_1e-2", resolved_tar(&v->tar[1]));
        put_number(&l, "tar_at_far_1e-3", resolved_tar(&v->tar[2]));
        put_number(&l, "threshold", v->at_eer.threshold);
    }
    put(&l, ",\"best\":%s}", e->is_best ? "true" : "false");
    write_line(report, l.text);
    if (v->is_defined)
        say_evaluation(e);
    else
        FUT_WARN("epoch %" PRId64 "  %s cannot be scored: %s", e->epoch + 1, e->part, fut_verification_why_undefined(v));
}

void fut_step_report_model(fut_step_report *report, int64_t step, const char *event, const char *sha256)
{
    line l = {0};
    put(&l, "{\"step\":%" PRId64 ",\"event\":\"%s\",\"model_sha256\":\"%s\"}", step, event, sha256);
    write_line(report, l.text);
}
