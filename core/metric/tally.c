/* What is counted in one pass over all pairs. A tally is one block of memory, so that a rank can send it; whatever is in it adds up to the
 * same numbers however the pairs were shared: counts, extremes, pairs in a total order, and sums of scores kept apart by panel. */
#include "core/base/mem.h"
#include "core/metric/metric_impl.h"

typedef struct hardest_header {
    int64_t n, max;
} hardest_header;

struct fut_tally {
    const fut_levels *levels;
    double histogram_min, histogram_max;
    size_t bytes;
    /* the block */
    char *block;
    hardest_header *header; /* [2] */
    fut_level_count *count; /* [levels->n + 1] */
    int64_t *bucket;        /* [FUT_SCORE_BUCKETS] */
    int64_t *histogram[2];  /* [FUT_METRIC_BINS]; 0: different, 1: same */
    double *sum[2];         /* [panels] */
    int64_t panels;
    fut_hardest hardest[2]; /* their pairs are in the block */
};

/* Places in the block, one after the other; with block NULL only their sum. */
static size_t lay_out(fut_tally *t, const int64_t max[2])
{
    size_t at = 0;
    struct {
        void **part;
        size_t bytes;
    } parts[] = {
        {(void **)&t->header, 2 * sizeof *t->header},
        {(void **)&t->count, (size_t)(t->levels->n + 1) * sizeof *t->count},
        {(void **)&t->bucket, FUT_SCORE_BUCKETS * sizeof *t->bucket},
        {(void **)&t->histogram[0], FUT_METRIC_BINS * sizeof(int64_t)},
        {(void **)&t->histogram[1], FUT_METRIC_BINS * sizeof(int64_t)},
        {(void **)&t->sum[0], (size_t)t->panels * sizeof(double)},
        {(void **)&t->sum[1], (size_t)t->panels * sizeof(double)},
        {(void **)&t->hardest[0].pair, (size_t)max[0] * sizeof(fut_hard_pair)},
        {(void **)&t->hardest[1].pair, (size_t)max[1] * sizeof(fut_hard_pair)},
    };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (t->block != NULL) *parts[i].part = t->block + at;
        at += parts[i].bytes;
    }
    return at;
}

fut_status fut_tally_create(const fut_levels *levels, const fut_score_source *source, int64_t n_hardest, fut_tally **tally_out)
{
    fut_tally *t = NULL;
    int64_t max[2] = {n_hardest < source->n_different ? n_hardest : source->n_different,
                      n_hardest < source->n_same ? n_hardest : source->n_same};
    FUT_TRY(FUT_NEW(&t));
    t->levels = levels;
    t->panels = source->panels;
    t->histogram_min = source->score_min < -1.01F ? (double)source->score_min : -1;
    t->histogram_max = source->score_max > 1.01F ? (double)source->score_max : 1;
    t->bytes = lay_out(t, max);
    fut_status st = FUT_NEW_ARRAY((int64_t)t->bytes, &t->block);
    if (st != FUT_OK) {
        fut_tally_destroy(&t);
        return st;
    }
    (void)lay_out(t, max);
    for (int same = 0; same < 2; same++) {
        t->hardest[same].max = max[same];
        t->hardest[same].sign = same ? -1.0F : 1.0F;
    }
    *tally_out = t;
    return FUT_OK;
}

void fut_tally_destroy(fut_tally **tally)
{
    if (*tally == NULL) return;
    fut_mem_free((*tally)->block);
    fut_mem_free(*tally);
    *tally = NULL;
}

static void count_in_histogram(fut_tally *t, int64_t *histogram, float score)
{
    double place = ((double)score - t->histogram_min) / (t->histogram_max - t->histogram_min) * FUT_METRIC_BINS;
    int64_t bin = place < 0 ? 0 : place >= FUT_METRIC_BINS ? FUT_METRIC_BINS - 1 : (int64_t)place;
    histogram[bin]++;
}

static void count_different(fut_tally *t, float score)
{
    int64_t at = fut_levels_find(t->levels, score);
    fut_level_count *count = &t->count[at];
    t->bucket[fut_score_key(score) >> 16]++;
    if (at > 0 && t->levels->level[at].score == score) {
        count->n_tied++;
        return;
    }
    if (count->n_gap == 0 || score < count->gap_min) count->gap_min = score;
    if (count->n_gap == 0 || score > count->gap_max) count->gap_max = score;
    count->n_gap++;
}

void fut_tally_visit(void *context, const fut_score_block *block)
{
    fut_tally *t = *(fut_tally **)context;
    for (int64_t k = 0; k < block->n; k++) {
        float score = block->score[k];
        int same = block->same[k] != 0;
        int64_t a = block->b < 0 ? block->a + k : block->a;
        int64_t b = block->b < 0 ? -1 : block->b + k;
        t->sum[same][block->panel] += (double)score;
        count_in_histogram(t, t->histogram[same], score);
        fut_hardest_add(&t->hardest[same], a, b, score);
        if (!same) count_different(t, score);
    }
}

static void merge_level(fut_level_count *into, const fut_level_count *from)
{
    into->n_tied += from->n_tied;
    if (from->n_gap == 0) return;
    if (into->n_gap == 0 || from->gap_min < into->gap_min) into->gap_min = from->gap_min;
    if (into->n_gap == 0 || from->gap_max > into->gap_max) into->gap_max = from->gap_max;
    into->n_gap += from->n_gap;
}

void fut_tally_merge(fut_tally *into, const fut_tally *from)
{
    for (int64_t i = 0; i <= into->levels->n; i++)
        merge_level(&into->count[i], &from->count[i]);
    for (int64_t i = 0; i < FUT_SCORE_BUCKETS; i++)
        into->bucket[i] += from->bucket[i];
    for (int same = 0; same < 2; same++) {
        const fut_hardest *hardest = &from->hardest[same];
        for (int64_t i = 0; i < FUT_METRIC_BINS; i++)
            into->histogram[same][i] += from->histogram[same][i];
        for (int64_t i = 0; i < into->panels; i++)
            into->sum[same][i] += from->sum[same][i]; /* one of the two is 0 */
        for (int64_t i = 0; i < hardest->n; i++)
            fut_hardest_add(&into->hardest[same], hardest->pair[i].a, hardest->pair[i].b, hardest->pair[i].score);
    }
}

static void merge_block(void *into, const void *theirs)
{
    fut_tally *mine = into;
    fut_tally other = {.levels = mine->levels, .panels = mine->panels, .block = (char *)(uintptr_t)theirs};
    (void)lay_out(&other, (const int64_t[2]){mine->hardest[0].max, mine->hardest[1].max});
    for (int same = 0; same < 2; same++)
        other.hardest[same].n = other.header[same].n;
    fut_tally_merge(mine, &other);
}

fut_status fut_tally_collect(fut_tally *t, const fut_metric_team *team)
{
    char *theirs = NULL;
    if (team == NULL || team->ranks == 1) return FUT_OK;
    for (int same = 0; same < 2; same++)
        t->header[same].n = t->hardest[same].n;
    fut_status st = team->rank == 0 ? FUT_NEW_ARRAY((int64_t)t->bytes, &theirs) : FUT_OK;
    st = team->agree(team->context, st);
    if (st == FUT_OK) st = team->collect(team->context, t->block, theirs, t->bytes, merge_block, t);
    fut_mem_free(theirs);
    return st;
}

static double mean_of(const fut_tally *t, int same, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < t->panels; i++)
        sum += t->sum[same][i];
    return n > 0 ? sum / (double)n : 0;
}

/* Worst first, in memory of the caller's. */
static fut_status take_hardest(fut_hardest *hardest, fut_hard_pair **pair_out, int64_t *n_out)
{
    fut_hard_pair *pair = NULL;
    int64_t n = 0;
    FUT_TRY(FUT_NEW_ARRAY(hardest->n, &pair));
    fut_hardest_sort(hardest);
    n = hardest->n;
    if (n > 0) memcpy(pair, hardest->pair, (size_t)n * sizeof *pair);
    *pair_out = pair;
    *n_out = n;
    return FUT_OK;
}

fut_status fut_tally_finish(fut_tally *t, fut_levels *levels, fut_verification *v)
{
    levels->count = t->count;
    levels->bucket = t->bucket;
    v->histogram_min = t->histogram_min;
    v->histogram_max = t->histogram_max;
    memcpy(v->histogram_different, t->histogram[0], sizeof v->histogram_different);
    memcpy(v->histogram_same, t->histogram[1], sizeof v->histogram_same);
    v->mean_different = mean_of(t, 0, v->n_different);
    v->mean_same = mean_of(t, 1, v->n_same);
    FUT_TRY(take_hardest(&t->hardest[0], &v->hard_different, &v->n_hard_different));
    return take_hardest(&t->hardest[1], &v->hard_same, &v->n_hard_same);
}
