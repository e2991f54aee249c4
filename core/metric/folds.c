/* LFW's k folds, as insightface's arcface_torch/eval/verification.py: see fut_folds. */
#include "core/base/mem.h"
#include "core/metric/metric_impl.h"

enum { GRID = 400, FINE_GRID = 4000 };
static const double GRID_STEP = 0.01;
static const double FINE_STEP = 0.001;
static const double VAL_TARGET = 1e-3;

/* accepted[fold][same][t]: pairs with squared distance below grid threshold t. */
typedef struct fold_counts {
    int n_folds;
    int n_grid;
    int64_t *accepted; /* [n_folds, 2, n_grid] */
    int64_t total[FUT_METRIC_FOLDS_MAX][2];
    int64_t all[2];
} fold_counts;

static int64_t *row_of(const fold_counts *c, int fold, int same)
{
    return c->accepted + ((int64_t)fold * 2 + same) * c->n_grid;
}

static double squared_distance(float score)
{
    return 2.0 - 2.0 * (double)score;
}

/* First threshold of the grid above distance d, n_grid if there is none: t * step > d, in the arithmetic of numpy.arange. */
static int first_accepting(double d, double step, int n_grid)
{
    double guess = floor(d / step);
    int t = guess < 0 ? 0 : guess >= n_grid ? n_grid : (int)guess;
    while (t > 0 && (t - 1) * step > d)
        t--;
    while (t < n_grid && t * step <= d)
        t++;
    return t;
}

static fut_status count_folds(const float *score, const uint8_t *same, int64_t n, int n_folds, int n_grid, double step,
                              fold_counts *counts_out)
{
    fold_counts c = {.n_folds = n_folds, .n_grid = n_grid};
    FUT_TRY(FUT_NEW_ARRAY((int64_t)n_folds * 2 * n_grid, &c.accepted));
    int64_t at = 0;
    for (int fold = 0; fold < n_folds; fold++) {
        int64_t end = at + n / n_folds + (fold < n % n_folds); /* KFold: the first n % k folds have one more */
        for (; at < end; at++) {
            int kind = same[at] != 0;
            int t = first_accepting(squared_distance(score[at]), step, n_grid);
            if (t < n_grid) row_of(&c, fold, kind)[t]++;
            c.total[fold][kind]++;
            c.all[kind]++;
        }
        for (int kind = 0; kind < 2; kind++) {
            int64_t *row = row_of(&c, fold, kind);
            for (int t = 1; t < n_grid; t++)
                row[t] += row[t - 1];
        }
    }
    *counts_out = c;
    return FUT_OK;
}

/* Accepted pairs of a kind at threshold t in all folds but one. */
static int64_t accepted_elsewhere(const fold_counts *c, int fold, int kind, int t)
{
    int64_t sum = 0;
    for (int f = 0; f < c->n_folds; f++)
        if (f != fold) sum += row_of(c, f, kind)[t];
    return sum;
}

static void mean_and_std(const double *x, int n, double *mean_out, double *std_out)
{
    double sum = 0;
    double squares = 0;
    for (int i = 0; i < n; i++)
        sum += x[i];
    double mean = sum / n;
    for (int i = 0; i < n; i++)
        squares += (x[i] - mean) * (x[i] - mean);
    *mean_out = mean;
    *std_out = sqrt(squares / n);
}

static void fill_accuracy(const fold_counts *c, fut_folds *folds)
{
    for (int fold = 0; fold < c->n_folds; fold++) {
        int best = 0;
        int64_t best_margin = INT64_MIN; /* true accepts minus false accepts: accuracy up to a constant */
        for (int t = 0; t < c->n_grid; t++) {
            int64_t margin = accepted_elsewhere(c, fold, 1, t) - accepted_elsewhere(c, fold, 0, t);
            if (margin > best_margin) {
                best_margin = margin;
                best = t;
            }
        }
        int64_t right = row_of(c, fold, 1)[best] + c->total[fold][0] - row_of(c, fold, 0)[best];
        folds->accuracy[fold] = (double)right / (double)(c->total[fold][0] + c->total[fold][1]);
        folds->threshold[fold] = 1 - best * GRID_STEP / 2;
    }
    mean_and_std(folds->accuracy, c->n_folds, &folds->accuracy_mean, &folds->accuracy_std);
}

/* Squared distance at which the FAR of the other folds reaches the target; 0 if it never does. */
static double val_threshold(const fold_counts *c, int fold)
{
    double different = (double)(c->all[0] - c->total[fold][0]);
    int t = -1;
    double far = 0;
    double next = 0;
    while (t + 1 < c->n_grid && (next = (double)accepted_elsewhere(c, fold, 0, t + 1) / different) <= VAL_TARGET) {
        far = next;
        t++;
    }
    bool is_reached = t + 1 < c->n_grid || far >= VAL_TARGET;
    if (!is_reached || t < 0) return 0;
    if (t + 1 == c->n_grid) return t * FINE_STEP;
    return t * FINE_STEP + (VAL_TARGET - far) / (next - far) * FINE_STEP;
}

static void fill_val(const fold_counts *c, const float *score, const uint8_t *same, fut_folds *folds)
{
    double val[FUT_METRIC_FOLDS_MAX];
    double far[FUT_METRIC_FOLDS_MAX];
    double unused = 0;
    int64_t at = 0;
    folds->val_target = VAL_TARGET;
    for (int fold = 0; fold < c->n_folds; fold++) {
        double threshold = val_threshold(c, fold);
        int64_t accepted[2] = {0, 0};
        for (int64_t end = at + c->total[fold][0] + c->total[fold][1]; at < end; at++)
            accepted[same[at] != 0] += squared_distance(score[at]) < threshold;
        val[fold] = (double)accepted[1] / (double)c->total[fold][1];
        far[fold] = (double)accepted[0] / (double)c->total[fold][0];
    }
    mean_and_std(val, c->n_folds, &folds->val_mean, &folds->val_std);
    mean_and_std(far, c->n_folds, &folds->val_far_mean, &unused);
}

fut_status fut_folds_fill(const float *score, const uint8_t *same, int64_t n, int n_folds, fut_folds *folds_out)
{
    fut_status st = FUT_OK;
    fold_counts coarse = {0};
    fold_counts fine = {0};
    fut_folds folds = {.n = n_folds};
    FUT_CHECK(n_folds == 0 || (n_folds >= 2 && n_folds <= FUT_METRIC_FOLDS_MAX), FUT_ERR_SHAPE, "%d folds: 2 to %d are possible", n_folds,
              FUT_METRIC_FOLDS_MAX);
    if (n_folds == 0 || n < n_folds) return FUT_OK;
    FUT_TRY_GOTO(count_folds(score, same, n, n_folds, GRID, GRID_STEP, &coarse), out);
    fill_accuracy(&coarse, &folds);
    folds.has_val = true;
    for (int fold = 0; fold < n_folds; fold++)
        folds.has_val = folds.has_val && coarse.total[fold][0] > 0 && coarse.total[fold][1] > 0;
    if (folds.has_val) {
        FUT_TRY_GOTO(count_folds(score, same, n, n_folds, FINE_GRID, FINE_STEP, &fine), out);
        fill_val(&fine, score, same, &folds);
    }
    *folds_out = folds;
out:
    fut_mem_free(coarse.accepted);
    fut_mem_free(fine.accepted);
    return st;
}
