#include "launch/alarm.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

const char *const fut_alarm_names[FUT_ALARMS] = {
#define FUT_ALARM_NAME(name, text, lines) text,
    FUT_ALARM_ROWS(FUT_ALARM_NAME)
#undef FUT_ALARM_NAME
};

static const int lines_of[FUT_ALARMS] = {
#define FUT_ALARM_LINES(name, text, lines) lines,
    FUT_ALARM_ROWS(FUT_ALARM_LINES)
#undef FUT_ALARM_LINES
};

enum { ALIKE_FROM_THE_START = 30 }; /* lines */

/* Where a condition begins. */
static const double alike = 0.99;      /* similarity */
static const double apart_again = 1.1; /* times as far apart as at first */
static const double apart = 0.9;       /* similarity of negatives that are told apart */
static const double norm_times = 1000; /* longer or shorter than at first */
static const double norm_none = 1e-6;
static const double rate_high = 0.1;       /* |dw| / |w| of a step; 1e-3 is usual */
static const double rate_absurd = 0.5;     /* one such step is enough */
static const double gradient_none = 1e-10; /* norm */
static const double gap_none = 0.02;       /* of the room between the negatives' similarity and 1 */
static const double gap_separated = 0.3;   /* similarity of positives less that of negatives: they are told apart */

static double gap_of(const fut_health *h)
{
    return h->positive.mean - h->negative.mean;
}

/* ---- conditions ---------------------------------------------------------------------------------------------------------------- */

/* An untrained network may map all faces to nearly one point, and take its time to part them. */
static bool is_collapsed(fut_alarms *a, const fut_health *h)
{
    if (h->negative.mean < apart) a->were_apart = true;
    bool all_alike = h->negative.mean > alike && (h->positive.n == 0 || h->positive.mean > alike);
    double room = 1 - h->negative.mean;
    if (all_alike && a->of[FUT_ALARM_COLLAPSED].lines == 0) a->apart = room;
    return all_alike && room <= a->apart * apart_again;
}

static bool is_norm_lost(fut_alarms *a, double norm)
{
    if (a->first_norm == 0 && isfinite(norm)) a->first_norm = norm;
    return norm < norm_none || norm > a->first_norm * norm_times || norm < a->first_norm / norm_times;
}

/* Whether positives were no nearer than negatives, on average over a window; until the next one ends. */
static bool is_chance(fut_alarms *a, const fut_health *h)
{
    if (!isfinite(gap_of(h))) return a->chance;
    a->gap += gap_of(h);
    a->room += 1 - h->negative.mean;
    if (++a->window < lines_of[FUT_ALARM_CHANCE]) return a->chance;
    a->chance = a->gap < gap_none * a->room;
    a->gap = a->room = 0;
    a->window = 0;
    return a->chance;
}

/* The condition of an alarm at this line: has it now held for `lines` of them, for the first time? */
static bool rises(fut_alarms *a, fut_alarm alarm, bool holds, int lines)
{
    if (!holds) {
        a->of[alarm].lines = 0;
        if (a->of[alarm].raised && ++a->of[alarm].quiet >= lines_of[alarm]) a->of[alarm].raised = false;
        return false;
    }
    a->of[alarm].quiet = 0;
    a->of[alarm].lines++;
    if (a->of[alarm].raised || a->of[alarm].lines < lines) return false;
    a->of[alarm].raised = true;
    return true;
}

/* ---- what they say ------------------------------------------------------------------------------------------------------------- */

static void say_collapsed(const fut_step_result *r, double active, fut_alarm_message *m)
{
    const fut_health *h = &r->vitals.health;
    const char *why = active == 0 ? "the loss is 0 there, so its margins allow it: futago config check says how"
                      : r->vitals.update_ratio > rate_high / 10
                          ? "the updates are large: lower optimizer.lr, or begin with scheduler.warmup"
                          : "try a lower optimizer.lr with scheduler.warmup, no miner or an easier one, or another loss";
    char positives[48] = "none in the batch";
    if (h->positive.n > 0) (void)snprintf(positives, sizeof positives, "%.5f", h->positive.mean);
    (void)snprintf(
        m->text, sizeof m->text,
        "all embeddings are alike, the network has collapsed: similarity of positives %s, of negatives %.5f, effective rank %.2f, "
        "loss %.4g, |dw|/|w| %.1e; %s",
        positives, h->negative.mean, h->effective_rank, r->loss.loss, r->vitals.update_ratio, why);
}

static void say_norm(const fut_alarms *a, const fut_step_result *r, fut_alarm_message *m)
{
    double norm = r->vitals.health.norm.mean;
    (void)snprintf(
        m->text, sizeof m->text, "embeddings %s: mean norm %.3g, at first %.3g; lower optimizer.lr%s, or use model.embedding_norm: batch",
        norm < a->first_norm ? "run to zero" : "explode", norm, a->first_norm, norm < a->first_norm ? " or its weight_decay" : "");
}

static void say_rate(const fut_step_result *r, fut_alarm_message *m)
{
    (void)snprintf(
        m->text, sizeof m->text,
        "the learning rate is too high: a step at rate %.2e changes the weights by %.0f%% of their length (0.1%% is usual); lower "
        "optimizer.lr or begin with scheduler.warmup",
        r->lr, 100 * r->vitals.update_ratio);
}

static void say_no_active(const fut_step_result *r, fut_alarm_message *m)
{
    const fut_health *h = &r->vitals.health;
    m->is_note = gap_of(h) > gap_separated;
    (void)snprintf(
        m->text, sizeof m->text,
        "no pair has been active for %d log lines, so nothing is learned: loss %.4g, similarity of positives %+.3f, of negatives %+.3f; %s",
        lines_of[FUT_ALARM_NO_ACTIVE], r->loss.loss, h->positive.mean, h->negative.mean,
        m->is_note ? "people of the training set are told apart as far as the loss's margins ask: training is done, or wants "
                     "harder margins, other photos or augmentation"
                   : "the loss's margins (or the miner's) ask for nothing here: futago config check says how");
}

static void say_gradient(const fut_step_result *r, double active, fut_alarm_message *m)
{
    (void)snprintf(m->text, sizeof m->text,
                   "the gradient has vanished: norm %.1e with %.0f active pairs since the last line and loss %.4g; all of the network is "
                   "frozen (update.frozen), or its activations are saturated or dead: begin anew with a lower optimizer.lr",
                   r->gradient_norm, active, r->loss.loss);
}

static void say_chance(const fut_step_result *r, fut_alarm_message *m)
{
    const fut_health *h = &r->vitals.health;
    (void)snprintf(
        m->text, sizeof m->text,
        "nothing is learned: over %d log lines photos of one person were no more alike than photos of different people (now %+.3f "
        "and %+.3f, loss %.4g); are the folders really people, is optimizer.lr far too high or too low?",
        lines_of[FUT_ALARM_CHANCE], h->positive.mean, h->negative.mean, r->loss.loss);
}

int fut_alarms_look(fut_alarms *a, const fut_step_result *r, double active, fut_alarm_message raised[FUT_ALARMS])
{
    const fut_health *h = &r->vitals.health;
    int count = 0;
    bool collapsed = is_collapsed(a, h);
    bool absurd = r->vitals.update_ratio > rate_absurd;
    double pairs = r->loss.count_pos + r->loss.count_neg;
    const bool holds[FUT_ALARMS] = {
        [FUT_ALARM_COLLAPSED] = collapsed,
        [FUT_ALARM_NORM] = is_norm_lost(a, h->norm.mean),
        [FUT_ALARM_RATE] = r->vitals.update_ratio > rate_high,
        [FUT_ALARM_NO_ACTIVE] = active == 0 && pairs > 0 && !collapsed,
        [FUT_ALARM_GRADIENT] = active > 0 && r->gradient_norm < gradient_none,
        [FUT_ALARM_CHANCE] = is_chance(a, h),
    };
    int lines[FUT_ALARMS];
    memcpy(lines, lines_of, sizeof lines);
    if (!a->were_apart) lines[FUT_ALARM_COLLAPSED] = ALIKE_FROM_THE_START;
    if (absurd) lines[FUT_ALARM_RATE] = 1;
    lines[FUT_ALARM_CHANCE] = 1; /* its window has seen them all */
    for (int i = 0; i < FUT_ALARMS; i++) {
        if (!rises(a, (fut_alarm)i, holds[i], lines[i])) continue;
        fut_alarm_message *m = &raised[count++];
        *m = (fut_alarm_message){.alarm = (fut_alarm)i};
        switch ((fut_alarm)i) {
        case FUT_ALARM_COLLAPSED:
            say_collapsed(r, active, m);
            break;
        case FUT_ALARM_NORM:
            say_norm(a, r, m);
            break;
        case FUT_ALARM_RATE:
            say_rate(r, m);
            break;
        case FUT_ALARM_NO_ACTIVE:
            say_no_active(r, m);
            break;
        case FUT_ALARM_GRADIENT:
            say_gradient(r, active, m);
            break;
        case FUT_ALARM_CHANCE:
        case FUT_ALARMS:
            say_chance(r, m);
            break;
        }
    }
    return count;
}
