/* Private to core/metric: how the parts of an evaluation hand scores to each other.
 *
 *     source  --scan: blocks of scores-->  fut_tally (counts, sums, histograms, hardest pairs)  -->  ROC, AUC, EER, ...  (roc.c)
 *
 * A source can be scanned more than once and gives the same blocks each time. */
#ifndef FUT_CORE_METRIC_METRIC_IMPL_H
#define FUT_CORE_METRIC_METRIC_IMPL_H

#include "core/metric/identification.h"
#include "core/metric/metric.h"

#include <math.h>
#include <string.h>

/* n scored pairs: pair k is rows (a, b + k); b < 0: place a + k in a list. */
typedef struct fut_score_block {
    const float *score;
    const uint8_t *same;
    int64_t n, a, b;
} fut_score_block;

typedef void (*fut_score_visit)(void *context, const fut_score_block *block);

typedef struct fut_score_source {
    int64_t n_same, n_different;
    float score_min, score_max; /* bounds for the histogram */
    /* Every pair once, in a fixed order. */
    fut_status (*scan)(const void *self, fut_score_visit visit, void *context);
    /* The scores of the n_same same pairs, in any order: the same bits as in a scan. */
    void (*collect_same)(const void *self, float *score_out);
    const void *self;
} fut_score_source;

/* Keys order as scores do, and equal scores (0 and -0) have equal keys. The high half is a score's bucket. */
enum { FUT_SCORE_BUCKETS = 1 << 16 };

static inline uint32_t fut_score_key(float score)
{
    uint32_t bits = 0;
    score += 0.0F;
    memcpy(&bits, &score, sizeof bits);
    return bits & 0x80000000U ? ~bits : bits | 0x80000000U;
}

static inline float fut_score_of_key(uint32_t key)
{
    float score = 0;
    uint32_t bits = key & 0x80000000U ? key & 0x7fffffffU : ~key;
    memcpy(&score, &bits, sizeof score);
    return score;
}

/* A distinct score of same pairs, or the gap below one: level[0] has only a gap, everything above the highest same score;
 * level[j] is the j-th highest same score and the gap between it and the next. */
typedef struct fut_level {
    float score;
    int64_t n_same, n_tied; /* same and different pairs of exactly this score */
    int64_t n_gap;          /* different pairs strictly below it and above the next level */
    float gap_min, gap_max; /* of those; meaningless when n_gap is 0 */
} fut_level;

/* Everything that decides the ROC, exactly. */
typedef struct fut_levels {
    fut_level *level; /* [n + 1], descending */
    int64_t n;
    int64_t n_same, n_different;
    int64_t *bucket; /* [FUT_SCORE_BUCKETS] different pairs a bucket */
    int64_t *first;  /* [FUT_SCORE_BUCKETS + 1] how many levels have a bucket above this one */
} fut_levels;

fut_status fut_levels_create(const fut_score_source *source, fut_levels *levels_out) FUT_MUST_CHECK;
void fut_levels_fini(fut_levels *levels);
/* Count one different pair. */
void fut_levels_add(fut_levels *levels, float score);

/* AUC, EER, operating points and the drawn ROC, from complete levels. The source is scanned again where the EER falls between two
 * different pairs of one gap. */
fut_status fut_roc_fill(const fut_levels *levels, const fut_score_source *source, fut_verification *v) FUT_MUST_CHECK;

/* k-fold accuracy and VAL over a list of pairs. */
fut_status fut_folds_fill(const float *score, const uint8_t *same, int64_t n, int n_folds, fut_folds *folds_out) FUT_MUST_CHECK;

/* The k worst pairs of a kind: a heap whose root is the least bad one kept. */
typedef struct fut_hardest {
    fut_hard_pair *pair;
    int64_t n, max;
    float sign; /* +1: high scores are worst (different people), -1: low ones (same person) */
} fut_hardest;

fut_status fut_hardest_create(int64_t max, float sign, fut_hardest *hardest_out) FUT_MUST_CHECK;
void fut_hardest_add(fut_hardest *hardest, int64_t a, int64_t b, float score);
/* Worst first; ownership of the pairs moves to *pair_out. */
void fut_hardest_take(fut_hardest *hardest, fut_hard_pair **pair_out, int64_t *n_out);
void fut_hardest_fini(fut_hardest *hardest);

/* Some rows of a set, in this order; row NULL: the first n. */
typedef struct fut_rows {
    const fut_metric_set *set;
    const int64_t *row;
    int64_t n;
} fut_rows;

static inline int64_t fut_rows_at(const fut_rows *rows, int64_t i)
{
    return rows->row != NULL ? rows->row[i] : i;
}

static inline int64_t fut_rows_label(const fut_rows *rows, int64_t i)
{
    return rows->set->label[fut_rows_at(rows, i)];
}

/* Every row is finite and no longer than 1. Errors: FUT_ERR_NUMERIC naming the row. */
fut_status fut_similarity_check(const fut_metric_set *set, int64_t dim) FUT_MUST_CHECK;

/* Call `visit` once for each query in order, with its scores against all of the reference: score [reference->n], the bits of
 * fut_metric_score. Memory: 256 rows of scores. */
typedef void (*fut_row_visit)(void *context, int64_t query, const float *score);
fut_status fut_similarity_rows(const fut_rows *query, const fut_rows *reference, int64_t dim, fut_row_visit visit,
                               void *context) FUT_MUST_CHECK;

/* Rankings of the reference, a query at a time: identification_rank.c. `is_self`: query and reference are the same rows, and no photo finds
 * itself. retrieval_or_null may be NULL. */
fut_status fut_rank_fill(const fut_rows *query, const fut_rows *reference, bool is_self, int64_t dim, fut_retrieval *retrieval_or_null,
                         fut_closed_set *closed) FUT_MUST_CHECK;

/* FNIR at FPIR of probes against a gallery: identification_open.c. */
fut_status fut_open_set_fill(const fut_rows *probe, const fut_rows *gallery, int64_t dim, fut_open_set *open) FUT_MUST_CHECK;

/* The distinct labels of rows, ascending. Owns: *label_out, release with fut_mem_free. */
fut_status fut_people_list(const fut_rows *rows, int64_t **label_out, int64_t *n_out) FUT_MUST_CHECK;
/* Place of a label in such a list, or -1. */
int64_t fut_people_find(const int64_t *people, int64_t n, int64_t label);

/* Run the passes over a source and fill everything but the folds. */
fut_status fut_verification_fill(const fut_score_source *source, int64_t n_hardest, fut_verification *v) FUT_MUST_CHECK;

#endif
