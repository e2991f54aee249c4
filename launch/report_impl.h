/* Private to the report: a writer for HTML, and line plots in SVG. */
#ifndef FUT_LAUNCH_REPORT_IMPL_H
#define FUT_LAUNCH_REPORT_IMPL_H

#include "core/base/str.h"
#include "launch/report.h"

#include <stdbool.h>
#include <stdint.h>

/* HTML in the making. The first failure is kept in `st` and everything after it does nothing, so that a page reads like a page. */
typedef struct fut_page {
    fut_str *out;
    fut_status st;
    int n_ids; /* of elements that others refer to */
} fut_page;

/* Markup: the arguments must be numbers, or text that is ours. */
void fut_page_put(fut_page *page, const char *fmt, ...) FUT_PRINTF(2, 3);
/* Markup as it is, of any length. */
void fut_page_raw(fut_page *page, const char *markup);
/* Text of a user, for between tags and for attributes in double quotes. Bytes that are no text show as \xNN. */
void fut_page_text(fut_page *page, const char *text);
void fut_page_base64(fut_page *page, const void *bytes, size_t length);

/* "12 345 678" with narrow no-break spaces; "4.12 %". */
typedef struct fut_number_text {
    char text[48];
} fut_number_text;
fut_number_text fut_text_of_count(int64_t count);
fut_number_text fut_text_of_percent(double ratio);

typedef enum fut_tick { FUT_TICK_NUMBER, FUT_TICK_WHOLE, FUT_TICK_PERCENT } fut_tick;

typedef struct fut_axis {
    double min, max; /* min < max; both > 0 on a logarithmic axis */
    bool is_log;
    fut_tick tick;
    const char *label; /* may be a user's */
} fut_axis;

/* How wide a plot is meant to be shown, in CSS pixels: its text keeps its size only there. */
typedef enum fut_plot_size { FUT_PLOT_LARGE, FUT_PLOT_SMALL } fut_plot_size;

/* An SVG element in the making: begin, lines and marks, end. */
typedef struct fut_plot {
    fut_page *page;
    fut_plot_size size;
    fut_axis x, y;
} fut_plot;

/* Opens the element, draws grid, ticks and labels. `title` is read aloud in place of the picture. */
void fut_plot_begin(fut_plot *plot, const char *title);
void fut_plot_end(fut_plot *plot);
/* Data to picture; values outside an axis are drawn at its end. */
double fut_plot_x(const fut_plot *plot, double x);
double fut_plot_y(const fut_plot *plot, double y);
/* A path: begin, points, end. A point that is not finite, or not positive on a logarithmic axis, leaves a gap. */
void fut_plot_path_begin(fut_plot *plot, const char *css_class);
void fut_plot_path_point(fut_plot *plot, double x, double y, bool *is_drawing);
void fut_plot_path_end(fut_plot *plot);
void fut_plot_dot(fut_plot *plot, const char *css_class, double x, double y, const char *title);
/* A line over the full height at x. */
void fut_plot_vertical(fut_plot *plot, const char *css_class, double x);

/* The smallest axis of round numbers around [min, max]; a single value gets room around it. */
fut_axis fut_axis_around(double min, double max, bool is_log);

/* The plots of the page: report_charts.c. */
void fut_chart_roc(fut_page *page, const fut_verification *v, bool is_log);
void fut_chart_histogram(fut_page *page, const fut_verification *v);
void fut_chart_cmc(fut_page *page, const fut_identification *id);
void fut_chart_lines(fut_page *page, const fut_report_chart *chart);
/* Is there anything to draw? */
bool fut_chart_has_lines(const fut_report_chart *chart);

/* A tile of a key number; the texts are ours: report_html.c. */
void fut_page_key(fut_page *page, const char *css_class, const char *name, const char *value, const char *below);

/* One among many: report_identification.c. The text has a line for each number, `column` wide names. */
fut_status fut_identification_text(const fut_identification *id, int column, fut_str *out) FUT_MUST_CHECK;
void fut_page_identification(fut_page *page, const fut_identification *id);

#endif
