/* What an evaluation says, for a terminal, for a program and for a browser.
 *
 *     fut_report (facts, verification, hardest pairs as pictures, charts of the training)  -->  text | JSON | one HTML page
 *
 * The page is one file: inline style and SVG, pictures as data: URIs, no script, nothing fetched. Strings may hold any bytes. */
#ifndef FUT_LAUNCH_REPORT_H
#define FUT_LAUNCH_REPORT_H

#include "core/base/status.h"
#include "core/base/str.h"
#include "core/metric/identification.h"
#include "core/metric/metric.h"
#include "data/image.h"

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A row of the table of facts: "dataset" | "faces.h5, part val, 412 photos of 58 people". */
typedef struct fut_report_fact {
    const char *name;
    const char *value;
} fut_report_fact;

/* Two photos side by side. */
typedef struct fut_report_pair {
    const fut_image *a, *b;      /* NULL: the picture is not at hand */
    const char *name_a, *name_b; /* a person or a path */
    double score;
} fut_report_pair;

typedef struct fut_report_curve {
    const char *name;
    const double *x, *y; /* [n]; a point that is not finite leaves a gap */
    int64_t n;
} fut_report_curve;

enum { FUT_REPORT_CURVES_MAX = 4 };

/* One small line chart, drawn in the order given: loss, EER and AUC per epoch, learning rate. */
typedef struct fut_report_chart {
    const char *title;
    const char *x_label; /* "epoch" */
    fut_report_curve curve[FUT_REPORT_CURVES_MAX];
    int n_curves;
    bool is_log; /* logarithmic y; only values above 0 are drawn */
} fut_report_chart;

typedef struct fut_report {
    const char *title; /* "article, step 1200" */
    const fut_report_fact *fact;
    int64_t n_facts;
    const fut_verification *verification;
    const fut_identification *identification; /* NULL: not measured */
    const char *note; /* a sentence the reader must see beside the numbers (val paired with training photos), or NULL */
    const fut_report_pair *hard_same, *hard_different; /* worst first */
    int64_t n_hard_same, n_hard_different;
    const fut_report_chart *chart;
    int64_t n_charts;
} fut_report;

/* Append the report in each form. Everything in `report` is borrowed for the call; names of facts must be ASCII.
 * fut_report_text: lines for a terminal, names of people escaped.
 * fut_report_json: one object and a newline. Keys: title, facts {name: value}, note, n_same, n_different, mean_same, mean_different,
 * is_defined; then why_undefined, or auc, eer, at_eer and at_best_accuracy {threshold, far, tar, accuracy}, tar_at_far [the same with
 * target, is_resolved], folds {n, accuracy_mean, ...} where there are any, roc [[far, tar, threshold]]; and always histogram {min, max,
 * same, different}; where it was measured, identification {rank_1, rank_5, rank_10, precision_at_1, ..., map_at_r, map, cmc, one_enrolled
 * {rank_1, ..., cmc}, open_set {n_mated, ..., fnir_at_fpir [{target, fpir, fnir, threshold, is_resolved}]}}, and hardest_different and
 * hardest_same [{score, a, b}]. Errors: FUT_ERR_NO_MEMORY; what was appended before stays */
fut_status fut_report_text(const fut_report *report, fut_str *out) FUT_MUST_CHECK;
fut_status fut_report_json(const fut_report *report, fut_str *out) FUT_MUST_CHECK;
fut_status fut_report_html(const fut_report *report, fut_str *out) FUT_MUST_CHECK;
/* fut_report_html into a file, written whole or not at all. Errors: as fut_file_write. */
fut_status fut_report_write_html(const fut_report *report, const char *path) FUT_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
