/* The sorted scores of the same pairs, and finding a score among them. */
#include "core/base/mem.h"
#include "core/metric/metric_impl.h"

#include <stdlib.h>

static int compare_descending(const void *a, const void *b)
{
    float x = *(const float *)a;
    float y = *(const float *)b;
    return (x < y) - (x > y);
}

/* score [n], descending -> levels 1..; equal scores share one. */
static void group_scores(const float *score, int64_t n, fut_levels *levels)
{
    for (int64_t i = 0; i < n; i++) {
        fut_level *last = &levels->level[levels->n];
        if (levels->n == 0 || last->score != score[i]) *++last = (fut_level){.score = score[i] + 0.0F}, levels->n++;
        last->n_same++;
    }
}

static void index_buckets(fut_levels *levels)
{
    int64_t at = levels->n;
    for (int64_t bucket = 0; bucket < FUT_SCORE_BUCKETS; bucket++) {
        while (at > 0 && fut_score_key(levels->level[at].score) >> 16 <= bucket)
            at--;
        levels->first[bucket + 1] = at;
    }
    levels->first[0] = levels->n;
}

fut_status fut_levels_create(const fut_score_source *source, fut_levels *levels_out)
{
    fut_status st = FUT_OK;
    fut_levels levels = {.n_same = source->n_same, .n_different = source->n_different};
    float *score = NULL;
    FUT_TRY_GOTO(FUT_NEW_ARRAY(source->n_same, &score), out);
    FUT_TRY_GOTO(FUT_NEW_ARRAY(source->n_same + 1, &levels.level), out);
    FUT_TRY_GOTO(FUT_NEW_ARRAY(FUT_SCORE_BUCKETS + 1, &levels.first), out);
    source->collect_same(source->self, score);
    qsort(score, (size_t)source->n_same, sizeof *score, compare_descending);
    group_scores(score, source->n_same, &levels);
    index_buckets(&levels);
    *levels_out = levels;
    levels = (fut_levels){0};
out:
    fut_mem_free(score);
    fut_levels_fini(&levels);
    return st;
}

void fut_levels_fini(fut_levels *levels)
{
    fut_mem_free(levels->level);
    fut_mem_free(levels->first);
    *levels = (fut_levels){0};
}

int64_t fut_levels_find(const fut_levels *levels, float score)
{
    uint32_t bucket = fut_score_key(score) >> 16;
    /* The last level with a score >= this one; those before first[bucket + 1] are in higher buckets, those after first[bucket] in lower. */
    int64_t lo = levels->first[bucket + 1];
    int64_t n = levels->first[bucket] - lo;
    while (n > 0) {
        int64_t half = n / 2 + (n & 1);
        bool is_at_or_above = levels->level[lo + half].score >= score;
        lo = is_at_or_above ? lo + half : lo;
        n = is_at_or_above ? n - half : half - 1;
    }
    return lo;
}
