#include "launch/step_report.h"

#include "core/base/clock.h"
#include "core/base/file.h"
#include "core/base/log.h"
#include "core/base/str.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

static const char *const section_names[] = {
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

static void write_step(fut_step_report *report, const fut_step_result *r, const fut_step_timer *timer, double wall)
{
    char line[LINE_MAX_BYTES];
    int used = snprintf(line, sizeof line,
                        "{\"step\":%" PRId64 ",\"epoch\":%" PRId64 ",\"loss\":%.9g,\"lr\":%.9g,\"gradient_norm\":%.9g,\"images\":%" PRId64
                        ",\"active_pos\":%.0f,\"active_neg\":%.0f,\"count_pos\":%.0f,\"count_neg\":%.0f,\"mean_pos\":%.6g,\"mean_neg\":%.6g"
                        ",\"img_per_s\":%.6g,\"wall\":%.6g,\"seconds\":{",
                        r->step, r->epoch, r->loss.loss, r->lr, r->gradient_norm, r->images, r->loss.active_pos, r->loss.active_neg,
                        r->loss.count_pos, r->loss.count_neg, r->loss.mean_pos, r->loss.mean_neg, (double)r->images / wall, wall);
    for (int s = 0; s < FUT_SECTIONS; s++)
        used += snprintf(line + used, sizeof line - (size_t)used, "%s\"%s\":%.6g", s > 0 ? "," : "", section_names[s], timer->seconds[s]);
    (void)snprintf(line + used, sizeof line - (size_t)used, "}}");
    write_line(report, line);
}

/* ---- the line for people ------------------------------------------------------------------------------------------------------- */

static void format_step(const fut_step_report *report, const fut_step_result *r, char line[LINE_MAX_BYTES])
{
    char eta[64];
    double img_per_s = (double)report->images / report->wall;
    fut_clock_format((double)(r->steps - r->step) * (double)r->images / img_per_s, eta, sizeof eta);
    int used = snprintf(line, LINE_MAX_BYTES,
                        "epoch %" PRId64 "/%" PRId64 "  step %" PRId64 "/%" PRId64
                        "  loss %.4f  active +%.0f/%.0f -%.0f/%.0f  similarity %+.3f %+.3f  lr %.2e  %.1f img/s  ",
                        r->epoch + 1, r->epochs, r->step, r->steps, r->loss.loss, r->loss.active_pos, r->loss.count_pos, r->loss.active_neg,
                        r->loss.count_neg, r->loss.mean_pos, r->loss.mean_neg, r->lr, img_per_s);
    for (int s = 0; s < FUT_SECTIONS; s++)
        if (s == FUT_SECTION_DATA || report->seconds[s] > 0)
            used += snprintf(line + used, (size_t)(LINE_MAX_BYTES - used), "%s%s %.0f%%", s > 0 ? " " : "(", section_names[s],
                             100 * report->seconds[s] / report->wall);
    (void)snprintf(line + used, (size_t)(LINE_MAX_BYTES - used), ")  %s left", eta);
}

void fut_step_report_write(fut_step_report *report, const fut_step_result *result, const fut_step_timer *timer, double wall)
{
    char line[LINE_MAX_BYTES];
    write_step(report, result, timer, wall);
    report->images += result->images;
    report->wall += wall;
    for (int s = 0; s < FUT_SECTIONS; s++)
        report->seconds[s] += timer->seconds[s];
    bool due = result->step % report->log_every == 0 || result->step == 1 || result->step == result->steps;
    if (!due && !fut_log_is_terminal()) return;
    format_step(report, result, line);
    if (due) {
        FUT_INFO("%s", line);
        report->images = 0;
        report->wall = 0;
        memset(report->seconds, 0, sizeof report->seconds);
    } else {
        fut_log_progress("%s", line);
    }
}

void fut_step_report_evaluation(fut_step_report *report, const fut_eval_summary *e)
{
    char line[LINE_MAX_BYTES];
    const fut_verification *v = e->verification;
    int used = snprintf(line, sizeof line,
                        "{\"step\":%" PRId64 ",\"epoch\":%" PRId64 ",\"event\":\"evaluation\",\"part\":\"%s\",\"same_pairs\":%" PRId64
                        ",\"different_pairs\":%" PRId64 ",\"seconds\":%.6g,\"eval_loss\":%.9g",
                        e->step, e->epoch, e->part, v->n_same, v->n_different, e->seconds, e->loss);
    /* What is not defined is left out, so that nobody takes a zero for a result. */
    if (v->is_defined)
        used += snprintf(line + used, sizeof line - (size_t)used,
                         ",\"eer\":%.9g,\"auc\":%.9g,\"tar_at_far_1e-2\":%.9g,\"tar_at_far_1e-3\":%.9g,\"threshold\":%.9g", v->eer, v->auc,
                         v->tar[1].at.tar, v->tar[2].at.tar, v->at_eer.threshold);
    (void)snprintf(line + used, sizeof line - (size_t)used, ",\"best\":%s}", e->is_best ? "true" : "false");
    write_line(report, line);
    if (v->is_defined)
        FUT_INFO("epoch %" PRId64 "  %s: loss %.4f  EER %.4f  AUC %.4f  TAR %.3f at FAR 1e-2, %.3f at 1e-3  (%" PRId64 " same, %" PRId64
                 " different pairs, %.1f s)%s",
                 e->epoch + 1, e->part, e->loss, v->eer, v->auc, v->tar[1].at.tar, v->tar[2].at.tar, v->n_same, v->n_different, e->seconds,
                 e->is_best ? "  best so far" : "");
    else
        FUT_WARN("epoch %" PRId64 "  %s cannot be scored: %s", e->epoch + 1, e->part, fut_verification_why_undefined(v));
}

void fut_step_report_model(fut_step_report *report, int64_t step, const char *event, const char *sha256)
{
    char line[LINE_MAX_BYTES];
    (void)snprintf(line, sizeof line, "{\"step\":%" PRId64 ",\"event\":\"%s\",\"model_sha256\":\"%s\"}", step, event, sha256);
    write_line(report, line);
}
