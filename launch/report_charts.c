#include "launch/report_impl.h"

#include <float.h>
#include <math.h>
#include <stdio.h>

enum { SHOWN_BINS = 64, POINTS_MAX = 800, ARC_STEPS = 24 };

/* ---- ROC ----------------------------------------------------------------------------------------------------------------------- */

/* The lowest FAR worth an axis: one false accept. */
static double least_far(const fut_verification *v)
{
    double decade = floor(log10(1 / (double)v->n_different) + 1e-9);
    return pow(10, fmin(fmax(decade, -6), -2));
}

/* On a logarithmic axis a slanted stretch of the ROC (pairs of equal score) is an arc. */
static void draw_arc(fut_plot *plot, const fut_roc_point *a, const fut_roc_point *b, bool *is_drawing)
{
    double from = fmax(a->far, plot->x.min);
    if (!plot->x.is_log || b->tar == a->tar || b->far < 1.2 * from) return;
    for (int i = 1; i < ARC_STEPS; i++) {
        double far = from * pow(b->far / from, (double)i / ARC_STEPS);
        fut_plot_path_point(plot, far, a->tar + (b->tar - a->tar) * (far - a->far) / (b->far - a->far), is_drawing);
    }
}

static void draw_roc_path(fut_plot *plot, const fut_verification *v)
{
    bool is_drawing = false;
    fut_plot_path_begin(plot, "line same");
    for (int64_t i = 0; i < v->n_roc; i++) {
        if (i > 0) draw_arc(plot, &v->roc[i - 1], &v->roc[i], &is_drawing);
        fut_plot_path_point(plot, v->roc[i].far, v->roc[i].tar, &is_drawing);
    }
    fut_plot_path_end(plot);
}

static void draw_chance(fut_plot *plot)
{
    bool is_drawing = false;
    fut_plot_path_begin(plot, "guide");
    for (int i = 0; i <= ARC_STEPS; i++) {
        double far = plot->x.is_log ? plot->x.min * pow(plot->x.max / plot->x.min, (double)i / ARC_STEPS) : (double)i / ARC_STEPS;
        fut_plot_path_point(plot, far, far, &is_drawing);
    }
    fut_plot_path_end(plot);
}

void fut_chart_roc(fut_page *page, const fut_verification *v, bool is_log)
{
    char title[160];
    fut_plot plot = {.page = page,
                     .size = FUT_PLOT_LARGE,
                     .x = {.min = is_log ? least_far(v) : 0, .max = 1, .is_log = is_log, .label = "FAR: different people accepted"},
                     .y = {.min = 0, .max = 1, .label = "TAR: same person accepted"}};
    (void)snprintf(title, sizeof title, "ROC curve%s: area %.4f, equal error rate %s",
                   is_log ? " over the logarithm of the false accept rate" : "", v->auc, fut_text_of_percent(v->eer).text);
    fut_plot_begin(&plot, title);
    draw_chance(&plot);
    draw_roc_path(&plot, v);
    for (int i = 0; is_log && i < FUT_METRIC_FARS; i++) {
        const fut_tar_at_far *t = &v->tar[i];
        if (!t->is_resolved || t->target < plot.x.min) continue;
        (void)snprintf(title, sizeof title, "TAR %s at FAR %s, similarity %.4f", fut_text_of_percent(t->at.tar).text,
                       fut_text_of_percent(t->at.far).text, t->at.threshold);
        fut_plot_dot(&plot, "dot same", fmax(t->at.far, plot.x.min), t->at.tar, title);
    }
    (void)snprintf(title, sizeof title, "EER %s", fut_text_of_percent(v->eer).text);
    fut_plot_dot(&plot, "dot eer", v->eer, 1 - v->eer, title);
    fut_plot_end(&plot);
}

/* ---- histogram ----------------------------------------------------------------------------------------------------------------- */

/* Which bins are shown, and how many of them make one bar. */
typedef struct bars {
    int first, n, width;
    double top; /* the largest share */
} bars;

static double share_of(const int64_t *histogram, int64_t total, const bars *b, int bar)
{
    int64_t count = 0;
    for (int i = 0; i < b->width; i++) {
        int bin = b->first + bar * b->width + i;
        if (bin < FUT_METRIC_BINS) count += histogram[bin];
    }
    return total > 0 ? (double)count / (double)total : 0;
}

static bars choose_bars(const fut_verification *v)
{
    bars b = {.first = FUT_METRIC_BINS};
    int last = 0;
    for (int bin = 0; bin < FUT_METRIC_BINS; bin++) {
        if (v->histogram_same[bin] + v->histogram_different[bin] == 0) continue;
        if (bin < b.first) b.first = bin;
        last = bin;
    }
    if (b.first > last) b.first = 0;
    b.width = (last - b.first + SHOWN_BINS) / SHOWN_BINS;
    b.n = (last - b.first) / b.width + 1;
    for (int bar = 0; bar < b.n; bar++) {
        b.top = fmax(b.top, share_of(v->histogram_same, v->n_same, &b, bar));
        b.top = fmax(b.top, share_of(v->histogram_different, v->n_different, &b, bar));
    }
    return b;
}

static void draw_bars(fut_plot *plot, const char *css_class, const int64_t *histogram, int64_t total, const bars *b)
{
    bool is_drawing = false;
    double step = (plot->x.max - plot->x.min) / b->n;
    if (total == 0) return;
    fut_plot_path_begin(plot, css_class);
    fut_plot_path_point(plot, plot->x.min, 0, &is_drawing);
    for (int bar = 0; bar < b->n; bar++) {
        double share = share_of(histogram, total, b, bar);
        fut_plot_path_point(plot, plot->x.min + bar * step, share, &is_drawing);
        fut_plot_path_point(plot, plot->x.min + (bar + 1) * step, share, &is_drawing);
    }
    fut_plot_path_point(plot, plot->x.max, 0, &is_drawing);
    fut_plot_path_end(plot);
}

void fut_chart_histogram(fut_page *page, const fut_verification *v)
{
    char title[160];
    bars b = choose_bars(v);
    double bin = (v->histogram_max - v->histogram_min) / FUT_METRIC_BINS;
    fut_plot plot = {.page = page,
                     .size = FUT_PLOT_LARGE,
                     .x = {.min = v->histogram_min + b.first * bin, .label = "similarity"},
                     .y = {.min = 0, .max = b.top > 0 ? b.top * 1.08 : 1, .tick = FUT_TICK_PERCENT, .label = "share of pairs"}};
    plot.x.max = plot.x.min + b.n * b.width * bin;
    (void)snprintf(title, sizeof title, "Similarities: same person %.3f on average, different people %.3f", v->mean_same,
                   v->mean_different);
    fut_plot_begin(&plot, title);
    draw_bars(&plot, "area different", v->histogram_different, v->n_different, &b);
    draw_bars(&plot, "area same", v->histogram_same, v->n_same, &b);
    if (v->is_defined) {
        fut_plot_vertical(&plot, "rule", v->at_eer.threshold);
        fut_plot_vertical(&plot, "rule dashed", v->at_best.threshold);
    }
    fut_plot_end(&plot);
}

/* ---- one among many ------------------------------------------------------------------------------------------------------------ */

static void draw_cmc(fut_plot *plot, const char *css_class, const fut_closed_set *c)
{
    bool is_drawing = false;
    if (c->n_probes == 0) return;
    fut_plot_path_begin(plot, css_class);
    for (int k = 1; k <= (int)plot->x.max; k++)
        fut_plot_path_point(plot, k, c->cmc[k - 1], &is_drawing);
    fut_plot_path_end(plot);
}

void fut_chart_cmc(fut_page *page, const fut_identification *id)
{
    char title[160];
    const fut_closed_set *all = &id->leave_one_out;
    const fut_closed_set *one = &id->one_enrolled;
    double lowest = one->n_probes > 0 ? fmin(all->cmc[0], one->cmc[0]) : all->cmc[0];
    double last = (double)(all->n_people < FUT_CMC_RANKS ? all->n_people : FUT_CMC_RANKS);
    fut_plot plot = {
        .page = page,
        .size = FUT_PLOT_LARGE,
        .x = {.min = 1, .max = fmax(last, 2), .tick = FUT_TICK_WHOLE, .label = "rank"},
        .y = {.min = fmin(floor(lowest * 10) / 10, 0.9), .max = 1, .tick = FUT_TICK_PERCENT, .label = "found at this rank or before"}};
    (void)snprintf(title, sizeof title, "Share of photos whose person is found at each rank: %s at rank 1",
                   fut_text_of_percent(all->cmc[0]).text);
    fut_plot_begin(&plot, title);
    draw_cmc(&plot, "line different", one);
    draw_cmc(&plot, "line same", all);
    fut_plot_end(&plot);
}

/* ---- training ------------------------------------------------------------------------------------------------------------------ */

typedef struct range {
    double min, max;
} range;

static void widen(range *r, double value)
{
    r->min = fmin(r->min, value);
    r->max = fmax(r->max, value);
}

static bool is_shown(const fut_report_chart *chart, const fut_report_curve *curve, int64_t i)
{
    return isfinite(curve->x[i]) && isfinite(curve->y[i]) && (!chart->is_log || curve->y[i] > 0);
}

/* False when no point can be drawn. */
static bool measure(const fut_report_chart *chart, range *x, range *y)
{
    *x = *y = (range){.min = DBL_MAX, .max = -DBL_MAX};
    for (int c = 0; c < chart->n_curves; c++) {
        const fut_report_curve *curve = &chart->curve[c];
        for (int64_t i = 0; i < curve->n; i++) {
            if (!is_shown(chart, curve, i)) continue;
            widen(x, curve->x[i]);
            widen(y, curve->y[i]);
        }
    }
    return x->min <= x->max;
}

bool fut_chart_has_lines(const fut_report_chart *chart)
{
    range x;
    range y;
    return measure(chart, &x, &y);
}

/* A long curve is drawn as the means of equal parts of it: a page must not grow with the run. */
static void draw_curve(fut_plot *plot, const fut_report_chart *chart, int c)
{
    const fut_report_curve *curve = &chart->curve[c];
    int64_t part = (curve->n + POINTS_MAX - 1) / POINTS_MAX;
    int64_t n_drawn = 0;
    bool is_drawing = false;
    double x = 0;
    double y = 0;
    char css_class[24];
    (void)snprintf(css_class, sizeof css_class, "line c%d", c + 1);
    fut_plot_path_begin(plot, css_class);
    for (int64_t from = 0; from < curve->n; from += part) {
        int64_t n = 0;
        double sum_x = 0;
        double sum_y = 0;
        for (int64_t i = from; i < from + part && i < curve->n; i++) {
            if (!is_shown(chart, curve, i)) continue;
            sum_x += curve->x[i];
            sum_y += curve->y[i];
            n++;
        }
        if (n > 0) {
            x = sum_x / (double)n;
            y = sum_y / (double)n;
            n_drawn++;
        }
        fut_plot_path_point(plot, x, n > 0 ? y : (double)NAN, &is_drawing);
    }
    fut_plot_path_end(plot);
    (void)snprintf(css_class, sizeof css_class, "dot c%d", c + 1);
    char title[48];
    (void)snprintf(title, sizeof title, "%.5g at %.6g", y, x);
    if (n_drawn > 0) fut_plot_dot(plot, css_class, x, y, title);
}

void fut_chart_lines(fut_page *page, const fut_report_chart *chart)
{
    range x;
    range y;
    if (!measure(chart, &x, &y)) return;
    fut_plot plot = {
        .page = page, .size = FUT_PLOT_SMALL, .x = fut_axis_around(x.min, x.max, false), .y = fut_axis_around(y.min, y.max, chart->is_log)};
    if (x.min < x.max) {
        plot.x.min = x.min; /* time needs no round ends */
        plot.x.max = x.max;
    }
    plot.x.label = chart->x_label;
    plot.y.label = "";
    fut_plot_begin(&plot, chart->title);
    for (int c = 0; c < chart->n_curves; c++)
        draw_curve(&plot, chart, c);
    fut_plot_end(&plot);
}
