#include "launch/report_impl.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LEFT = 58, LEFT_UNLABELLED = 46, RIGHT = 18, TOP = 14, BOTTOM = 48, TICKS_MAX = 16 };

void fut_page_put(fut_page *page, const char *fmt, ...)
{
    char text[1024];
    if (page->st != FUT_OK) return;
    va_list args;
    va_start(args, fmt);
    int length = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (length < 0 || length >= (int)sizeof text) {
        page->st = FUT_FAIL(FUT_ERR_INTERNAL, "a piece of the page is %d bytes long, %zu fit", length, sizeof text);
        return;
    }
    page->st = fut_str_append(page->out, text, (size_t)length);
}

void fut_page_raw(fut_page *page, const char *markup)
{
    if (page->st == FUT_OK) page->st = fut_str_append(page->out, markup, strlen(markup));
}

static const char *entity_of(char c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return NULL;
    }
}

void fut_page_text(fut_page *page, const char *text)
{
    fut_str visible = {0};
    if (page->st == FUT_OK) page->st = fut_str_append_escaped(&visible, text, strlen(text));
    for (size_t i = 0; i < visible.length && page->st == FUT_OK; i++) {
        const char *entity = entity_of(visible.data[i]);
        page->st = entity != NULL ? fut_str_append(page->out, entity, strlen(entity)) : fut_str_append(page->out, &visible.data[i], 1);
    }
    fut_str_fini(&visible);
}

void fut_page_base64(fut_page *page, const void *bytes, size_t length)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *from = bytes;
    for (size_t i = 0; i < length && page->st == FUT_OK; i += 3) {
        size_t left = length - i;
        uint32_t three = (uint32_t)from[i] << 16 | (left > 1 ? (uint32_t)from[i + 1] << 8 : 0) | (left > 2 ? from[i + 2] : 0);
        char four[4] = {digits[three >> 18], digits[three >> 12 & 63], digits[three >> 6 & 63], digits[three & 63]};
        if (left < 3) four[3] = '=';
        if (left < 2) four[2] = '=';
        page->st = fut_str_append(page->out, four, sizeof four);
    }
}

fut_number_text fut_text_of_count(int64_t count)
{
    fut_number_text number = {{0}};
    char digits[24];
    int n = snprintf(digits, sizeof digits, "%lld", (long long)count);
    size_t at = 0;
    for (int i = 0; i < n; i++) {
        bool is_group = i > 0 && (n - i) % 3 == 0 && digits[i - 1] != '-' && n > 4;
        at += (size_t)snprintf(number.text + at, sizeof number.text - at, "%s%c", is_group ? "\u202f" : "", digits[i]);
    }
    return number;
}

fut_number_text fut_text_of_percent(double ratio)
{
    fut_number_text number = {{0}};
    int digits = ratio > 0 && ratio < 5e-4 ? (int)ceil(-log10(100 * ratio)) + 1 : 2; /* two that count */
    (void)snprintf(number.text, sizeof number.text, "%.*f\u202f%%", digits < 12 ? digits : 12, 100 * ratio);
    return number;
}

static double place_on(const fut_axis *axis, double value)
{
    double at =
        axis->is_log ? log(fmax(value, axis->min) / axis->min) / log(axis->max / axis->min) : (value - axis->min) / (axis->max - axis->min);
    return fmin(fmax(at, 0), 1);
}

/* Edges of the area that data is drawn in. */
typedef struct frame {
    int left, right, top, bottom;
    int width, height; /* of the whole element */
} frame;

static frame frame_of(const fut_plot *plot)
{
    bool is_large = plot->size == FUT_PLOT_LARGE;
    frame f = {.width = is_large ? 520 : 340, .height = is_large ? 330 : 250, .top = TOP};
    f.left = plot->y.label[0] != '\0' ? LEFT : LEFT_UNLABELLED;
    f.right = f.width - RIGHT;
    f.bottom = f.height - BOTTOM;
    return f;
}

double fut_plot_x(const fut_plot *plot, double x)
{
    frame f = frame_of(plot);
    return f.left + place_on(&plot->x, x) * (f.right - f.left);
}

double fut_plot_y(const fut_plot *plot, double y)
{
    frame f = frame_of(plot);
    return f.bottom - place_on(&plot->y, y) * (f.bottom - f.top);
}

/* 1, 2 or 5 times a power of ten, about range / 5. */
static double round_step(double range)
{
    double raw = range / 5;
    double power = pow(10, floor(log10(raw)));
    double lead = raw / power;
    return (lead < 1.5 ? 1 : lead < 3.5 ? 2 : lead < 7.5 ? 5 : 10) * power;
}

fut_axis fut_axis_around(double min, double max, bool is_log)
{
    fut_axis axis = {.min = min, .max = max, .is_log = is_log};
    if (is_log) {
        axis.min = min / 1.1;
        axis.max = max * 1.1;
        return axis;
    }
    if (max - min < 1e-12 * fmax(fabs(max), 1e-12)) {
        double room = max != 0 ? fabs(max) / 2 : 1;
        axis.min = min - room;
        axis.max = max + room;
    }
    if (min >= 0 && min < 0.6 * max) axis.min = 0; /* near enough to 0 to show it */
    double step = round_step(axis.max - axis.min);
    axis.min = floor(axis.min / step + 1e-9) * step;
    axis.max = ceil(axis.max / step - 1e-9) * step;
    return axis;
}

static int ticks_of(const fut_axis *axis, double tick_out[TICKS_MAX])
{
    int n = 0;
    if (!axis->is_log) {
        double step = round_step(axis->max - axis->min);
        if (axis->tick == FUT_TICK_WHOLE) step = fmax(ceil(step), 1);
        for (double k = ceil(axis->min / step - 1e-9); k * step <= axis->max + 1e-9 * step && n < TICKS_MAX; k++)
            tick_out[n++] = k * step;
        return n;
    }
    static const double leads[] = {1, 2, 5};
    double decades = log10(axis->max / axis->min);
    int n_leads = decades < 1.5 ? 3 : 1;
    double skip = ceil(decades / 8);
    for (double power = floor(log10(axis->min)); power <= log10(axis->max) + 1e-9; power += skip) {
        for (int lead = 0; lead < n_leads && n < TICKS_MAX; lead++) {
            double tick = leads[lead] * pow(10, power);
            if (tick >= axis->min * (1 - 1e-9) && tick <= axis->max * (1 + 1e-9)) tick_out[n++] = tick;
        }
    }
    return n;
}

/* "10⁻³", "5·10⁻⁵"; plain numbers from 1 up to 10. */
static fut_number_text power_text(double value)
{
    static const char *const superscripts[] = {"\u2070", "\u00b9", "\u00b2", "\u00b3", "\u2074",
                                               "\u2075", "\u2076", "\u2077", "\u2078", "\u2079"};
    fut_number_text number = {{0}};
    int power = (int)floor(log10(value) + 1e-9);
    double lead = value / pow(10, power);
    char digits[16];
    size_t at = 0;
    if (power == 0) {
        (void)snprintf(number.text, sizeof number.text, "%.3g", lead);
        return number;
    }
    if (lead > 1.5) at += (size_t)snprintf(number.text, sizeof number.text, "%.0f\u00b7", lead);
    at += (size_t)snprintf(number.text + at, sizeof number.text - at, "10%s", power < 0 ? "\u207b" : "");
    (void)snprintf(digits, sizeof digits, "%d", abs(power));
    for (const char *d = digits; *d != '\0'; d++)
        at += (size_t)snprintf(number.text + at, sizeof number.text - at, "%s", superscripts[*d - '0']);
    return number;
}

static fut_number_text tick_text(const fut_axis *axis, double value)
{
    fut_number_text number = {{0}};
    double step = round_step(axis->max - axis->min);
    if (axis->is_log) return power_text(value);
    if (fabs(value) < step * 1e-6) value = 0;
    if (axis->tick == FUT_TICK_PERCENT) {
        (void)snprintf(number.text, sizeof number.text, "%.6g\u202f%%", value * 100);
    } else {
        (void)snprintf(number.text, sizeof number.text, "%s%.6g", value < 0 ? "\u2212" : "", fabs(value));
    }
    return number;
}

static void put_grid(const fut_plot *plot, const frame *f)
{
    fut_page *page = plot->page;
    double tick[TICKS_MAX];
    for (int i = 0, n = ticks_of(&plot->x, tick); i < n; i++) {
        double x = fut_plot_x(plot, tick[i]);
        fut_page_put(page, "<path class=\"grid\" d=\"M%.1f %dV%d\"/><text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s</text>", x, f->top,
                     f->bottom, x, f->bottom + 18, tick_text(&plot->x, tick[i]).text);
    }
    for (int i = 0, n = ticks_of(&plot->y, tick); i < n; i++) {
        double y = fut_plot_y(plot, tick[i]);
        fut_page_put(page, "<path class=\"grid\" d=\"M%d %.1fH%d\"/><text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%s</text>", f->left, y,
                     f->right, f->left - 8, y + 4, tick_text(&plot->y, tick[i]).text);
    }
    fut_page_put(page, "<path class=\"axis\" d=\"M%d %dH%d\"/>\n", f->left, f->bottom, f->right);
}

void fut_plot_begin(fut_plot *plot, const char *title)
{
    fut_page *page = plot->page;
    frame f = frame_of(plot);
    int id = page->n_ids++;
    fut_page_put(page, "<svg class=\"plot\" viewBox=\"0 0 %d %d\" role=\"img\" aria-labelledby=\"t%d\"><title id=\"t%d\">", f.width,
                 f.height, id, id);
    fut_page_text(page, title);
    fut_page_raw(page, "</title>\n");
    put_grid(plot, &f);
    fut_page_put(page, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">", (f.left + f.right) / 2, f.height - 8);
    fut_page_text(page, plot->x.label);
    fut_page_put(page, "</text><text transform=\"translate(13 %d) rotate(-90)\" text-anchor=\"middle\">", (f.top + f.bottom) / 2);
    fut_page_text(page, plot->y.label);
    fut_page_raw(page, "</text>\n");
}

void fut_plot_end(fut_plot *plot)
{
    fut_page_put(plot->page, "</svg>\n");
}

void fut_plot_path_begin(fut_plot *plot, const char *css_class)
{
    fut_page_put(plot->page, "<path class=\"%s\" d=\"", css_class);
}

static bool is_drawable(const fut_axis *axis, double value)
{
    return isfinite(value) && (!axis->is_log || value > 0);
}

void fut_plot_path_point(fut_plot *plot, double x, double y, bool *is_drawing)
{
    if (!isfinite(x) || !is_drawable(&plot->y, y)) {
        *is_drawing = false;
        return;
    }
    fut_page_put(plot->page, "%c%.2f %.2f", *is_drawing ? 'L' : 'M', fut_plot_x(plot, x), fut_plot_y(plot, y));
    *is_drawing = true;
}

void fut_plot_path_end(fut_plot *plot)
{
    fut_page_put(plot->page, "\"/>\n");
}

void fut_plot_dot(fut_plot *plot, const char *css_class, double x, double y, const char *title)
{
    fut_page_put(plot->page, "<circle class=\"%s\" cx=\"%.2f\" cy=\"%.2f\" r=\"4\"><title>%s</title></circle>\n", css_class,
                 fut_plot_x(plot, x), fut_plot_y(plot, y), title);
}

void fut_plot_vertical(fut_plot *plot, const char *css_class, double x)
{
    frame f = frame_of(plot);
    fut_page_put(plot->page, "<path class=\"%s\" d=\"M%.2f %dV%d\"/>\n", css_class, fut_plot_x(plot, x), f.top, f.bottom);
}
