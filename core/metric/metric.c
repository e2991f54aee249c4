#include "core/metric/metric.h"

#include "core/base/mem.h"
#include "core/metric/metric_impl.h"

/* One pass over all pairs. */
typedef struct tally {
    fut_levels levels;
    fut_hardest same, different;
    double sum_same, sum_different;
    fut_verification *v;
} tally;

static void histogram_add(fut_verification *v, int64_t *histogram, float score)
{
    double place = ((double)score - v->histogram_min) / (v->histogram_max - v->histogram_min) * FUT_METRIC_BINS;
    int64_t bin = place < 0 ? 0 : place >= FUT_METRIC_BINS ? FUT_METRIC_BINS - 1 : (int64_t)place;
    histogram[bin]++;
}

static void tally_block(void *context, const fut_score_block *block)
{
    tally *t = context;
    for (int64_t k = 0; k < block->n; k++) {
        float score = block->score[k];
        int64_t a = block->b < 0 ? block->a + k : block->a;
        int64_t b = block->b < 0 ? -1 : block->b + k;
        if (block->same[k]) {
            t->sum_same += score;
            histogram_add(t->v, t->v->histogram_same, score);
            fut_hardest_add(&t->same, a, b, score);
        } else {
            t->sum_different += score;
            histogram_add(t->v, t->v->histogram_different, score);
            fut_hardest_add(&t->different, a, b, score);
            fut_levels_add(&t->levels, score);
        }
    }
}

static void choose_histogram_range(const fut_score_source *source, fut_verification *v)
{
    v->histogram_min = source->score_min < -1.01F ? (double)source->score_min : -1;
    v->histogram_max = source->score_max > 1.01F ? (double)source->score_max : 1;
}

fut_status fut_verification_fill(const fut_score_source *source, int64_t n_hardest, fut_verification *v)
{
    fut_status st = FUT_OK;
    tally t = {.v = v};
    v->n_same = source->n_same;
    v->n_different = source->n_different;
    v->is_defined = v->n_same > 0 && v->n_different > 0;
    choose_histogram_range(source, v);
    FUT_TRY_GOTO(fut_levels_create(source, &t.levels), out);
    FUT_TRY_GOTO(fut_hardest_create(n_hardest < v->n_same ? n_hardest : v->n_same, -1, &t.same), out);
    FUT_TRY_GOTO(fut_hardest_create(n_hardest < v->n_different ? n_hardest : v->n_different, 1, &t.different), out);
    FUT_TRY_GOTO(source->scan(source->self, tally_block, &t), out);
    if (v->n_same > 0) v->mean_same = t.sum_same / (double)v->n_same;
    if (v->n_different > 0) v->mean_different = t.sum_different / (double)v->n_different;
    if (v->is_defined) FUT_TRY_GOTO(fut_roc_fill(&t.levels, source, v), out);
    fut_hardest_take(&t.same, &v->hard_same, &v->n_hard_same);
    fut_hardest_take(&t.different, &v->hard_different, &v->n_hard_different);
out:
    fut_levels_fini(&t.levels);
    fut_hardest_fini(&t.same);
    fut_hardest_fini(&t.different);
    return st;
}

void fut_verification_fini(fut_verification *v)
{
    fut_mem_free(v->roc);
    fut_mem_free(v->hard_same);
    fut_mem_free(v->hard_different);
    *v = (fut_verification){0};
}

const char *fut_verification_why_undefined(const fut_verification *v)
{
    if (v->is_defined) return "";
    if (v->n_same == 0 && v->n_different == 0) return "no pairs";
    return v->n_same == 0 ? "no two photos of one person" : "no two photos of different people";
}

typedef struct pair_list {
    const float *score;
    const uint8_t *same;
    int64_t n;
} pair_list;

static fut_status pair_list_scan(const void *self, fut_score_visit visit, void *context)
{
    const pair_list *list = self;
    visit(context, &(fut_score_block){.score = list->score, .same = list->same, .n = list->n, .a = 0, .b = -1});
    return FUT_OK;
}

static void pair_list_collect_same(const void *self, float *score_out)
{
    const pair_list *list = self;
    for (int64_t i = 0; i < list->n; i++)
        if (list->same[i]) *score_out++ = list->score[i];
}

fut_status fut_metric_pairs(const float *score, const uint8_t *same, int64_t n, const fut_metric_options *options_or_null,
                            fut_verification *out)
{
    fut_status st = FUT_OK;
    fut_metric_options options = options_or_null != NULL ? *options_or_null : (fut_metric_options){0};
    fut_verification v = {0};
    pair_list list = {.score = score, .same = same, .n = n};
    fut_score_source source = {.scan = pair_list_scan, .collect_same = pair_list_collect_same, .self = &list};
    FUT_CHECK(n >= 0, FUT_ERR_SHAPE, "%lld pairs", (long long)n);
    FUT_CHECK(options.n_hardest >= 0, FUT_ERR_SHAPE, "%lld hardest pairs", (long long)options.n_hardest);
    for (int64_t i = 0; i < n; i++) {
        FUT_CHECK(isfinite(score[i]), FUT_ERR_NUMERIC, "the score of pair %lld of %lld is %g", (long long)i, (long long)n,
                  (double)score[i]);
        if (i == 0 || score[i] < source.score_min) source.score_min = score[i];
        if (i == 0 || score[i] > source.score_max) source.score_max = score[i];
        source.n_same += same[i] != 0;
    }
    source.n_different = n - source.n_same;
    FUT_TRY_GOTO(fut_folds_fill(score, same, n, options.n_folds, &v.folds), out);
    FUT_TRY_GOTO(fut_verification_fill(&source, options.n_hardest, &v), out);
    *out = v;
    v = (fut_verification){0};
out:
    fut_verification_fini(&v);
    return st;
}
