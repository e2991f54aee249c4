#include "core/metric/metric.h"

#include "core/base/mem.h"
#include "core/metric/metric_impl.h"

/* A tally a thread would be too much where there are very many same pairs. */
enum { TALLY_BYTES = 512 << 20 };

static int threads_that_fit(const fut_score_source *source, int threads)
{
    int64_t fit = TALLY_BYTES / ((source->n_same + 1) * (int64_t)sizeof(fut_level_count));
    return fit < 1 ? 1 : fit < threads ? (int)fit : threads;
}

/* Memory of a pass over all pairs. */
typedef struct work {
    fut_levels levels;
    fut_scanner scanner;
    fut_tally **tally;  /* [threads] */
    fut_ranked *ranked; /* [threads + 1] */
} work;

static fut_status work_init(const fut_score_source *source, const fut_metric_options *options, work *w)
{
    FUT_TRY(fut_scanner_create(source, threads_that_fit(source, options->threads), options->team, &w->scanner));
    FUT_TRY(fut_levels_create(source, &w->levels));
    FUT_TRY(FUT_NEW_ARRAY(w->scanner.threads, &w->tally));
    FUT_TRY(FUT_NEW_ARRAY(w->scanner.threads + 1, &w->ranked));
    for (int i = 0; i < w->scanner.threads; i++)
        FUT_TRY(fut_tally_create(&w->levels, source, options->n_hardest, &w->tally[i]));
    return FUT_OK;
}

static void work_fini(work *w)
{
    for (int i = 0; w->tally != NULL && i < w->scanner.threads; i++)
        fut_tally_destroy(&w->tally[i]);
    fut_mem_free(w->tally);
    fut_mem_free(w->ranked);
    fut_levels_fini(&w->levels);
    fut_scanner_fini(&w->scanner);
}

static fut_status agree(const fut_metric_team *team, fut_status st)
{
    return team != NULL ? team->agree(team->context, st) : st;
}

fut_status fut_verification_fill(const fut_score_source *source, const fut_metric_options *options, fut_verification *v)
{
    fut_status st = FUT_OK;
    const fut_metric_team *team = options->team;
    bool leads = team == NULL || team->rank == 0;
    work w = {0};
    v->n_same = source->n_same;
    v->n_different = source->n_different;
    v->is_defined = v->n_same > 0 && v->n_different > 0;
    FUT_TRY_GOTO(agree(team, work_init(source, options, &w)), out);
    fut_scanner_run(&w.scanner, fut_tally_visit, w.tally, sizeof *w.tally);
    for (int i = 1; i < w.scanner.threads; i++)
        fut_tally_merge(w.tally[0], w.tally[i]);
    FUT_TRY_GOTO(fut_tally_collect(w.tally[0], team), out);
    if (leads) st = fut_tally_finish(w.tally[0], &w.levels, v);
    FUT_TRY_GOTO(agree(team, st), out);
    if (v->is_defined) st = leads ? fut_roc_fill(&w.levels, &w.scanner, w.ranked, v) : fut_ranked_scan(&w.scanner, FUT_NO_BUCKET, w.ranked);
    st = agree(team, st);
out:
    if (!leads) *v = (fut_verification){0};
    work_fini(&w);
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

/* The whole list is one panel. */
static void pair_list_scan(const void *self, int64_t panel, void *scratch, fut_score_visit visit, void *context)
{
    const pair_list *list = self;
    (void)scratch;
    visit(context, &(fut_score_block){.score = list->score, .same = list->same, .n = list->n, .a = 0, .b = -1, .panel = panel});
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
    fut_score_source source = {.panels = 1, .scan = pair_list_scan, .collect_same = pair_list_collect_same, .self = &list};
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
    FUT_TRY_GOTO(fut_verification_fill(&source, &options, &v), out);
    *out = v;
    v = (fut_verification){0};
out:
    fut_verification_fini(&v);
    return st;
}
