/* Private to core/metric: how the parts of an evaluation hand scores to each other.
 *
 *     source  --panels of scores-->  fut_tally, one a thread (counts, sums, histograms, hardest pairs)  --merge-->  one
 *     fut_levels + the tally  -->  ROC, AUC, EER, ...  (roc.c)
 *
 * A source can be scanned more than once and gives the same panels each time. */
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
    int64_t n, a, b, panel;
} fut_score_block;

typedef void (*fut_score_visit)(void *context, const fut_score_block *block);

typedef struct fut_score_source {
    int64_t n_same, n_different;
    float score_min, score_max; /* bounds for the histogram */
    int64_t panels;
    size_t scratch_bytes; /* of one scanning thread */
    /* Every pair is in one panel, once; a panel's order is fixed. Panels may be scanned by several threads. */
    void (*scan)(const void *self, int64_t panel, void *scratch, fut_score_visit visit, void *context);
    /* The scores of the n_same same pairs, in any order: the same bits as in a scan. */
    void (*collect_same)(const void *self, float *score_out);
    const void *self;
} fut_score_source;

/* The threads and ranks that scan a source. */
typedef struct fut_scanner {
    const fut_score_source *source;
    const fut_metric_team *team;
    int threads;
    char *scratch; /* [threads][source->scratch_bytes] */
} fut_scanner;

fut_status fut_scanner_create(const fut_score_source *source, int threads, const fut_metric_team *team,
                              fut_scanner *scanner_out) FUT_MUST_CHECK;
void fut_scanner_fini(fut_scanner *scanner);
/* This rank's panels; a thread visits with its own context, context + thread * stride. */
void fut_scanner_run(const fut_scanner *scanner, fut_score_visit visit, void *context, size_t stride);

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

/* What is counted of the different pairs at a level and in the gap below it. */
typedef struct fut_level_count {
    int64_t n_tied;         /* of exactly its score */
    int64_t n_gap;          /* strictly below it and above the next level */
    float gap_min, gap_max; /* of those; meaningless when n_gap is 0 */
} fut_level_count;

/* A distinct score of same pairs, or the gap below one: level[0] has only a gap, everything above the highest same score;
 * level[j] is the j-th highest same score and the gap between it and the next. */
typedef struct fut_level {
    float score;
    int64_t n_same; /* same pairs of exactly this score */
} fut_level;

/* Everything that decides the ROC, exactly. */
typedef struct fut_levels {
    fut_level *level; /* [n + 1], descending */
    int64_t n;
    int64_t n_same, n_different;
    int64_t *first;               /* [FUT_SCORE_BUCKETS + 1] how many levels have a bucket above this one */
    const fut_level_count *count; /* [n + 1], of all pairs; borrowed from a tally */
    const int64_t *bucket;        /* [FUT_SCORE_BUCKETS] different pairs a bucket; borrowed */
} fut_levels;

fut_status fut_levels_create(const fut_score_source *source, fut_levels *levels_out) FUT_MUST_CHECK;
void fut_levels_fini(fut_levels *levels);
/* The level that a different pair of this score is counted at: of its own score, or else the one above. */
int64_t fut_levels_find(const fut_levels *levels, float score);

/* What one thread or rank has seen, in one block of memory that can be sent. */
typedef struct fut_tally fut_tally;
fut_status fut_tally_create(const fut_levels *levels, const fut_score_source *source, int64_t n_hardest,
                            fut_tally **tally_out) FUT_MUST_CHECK;
void fut_tally_destroy(fut_tally **tally);
/* A fut_score_visit. context: fut_tally **. */
void fut_tally_visit(void *context, const fut_score_block *block);
void fut_tally_merge(fut_tally *into, const fut_tally *from);
/* Other ranks' tallies into rank 0's. Collective. */
fut_status fut_tally_collect(fut_tally *tally, const fut_metric_team *team) FUT_MUST_CHECK;
/* Counts for the levels, borrowed; means, histograms and hardest pairs for v. */
fut_status fut_tally_finish(fut_tally *tally, fut_levels *levels, fut_verification *v) FUT_MUST_CHECK;

/* The different pairs with keys in one bucket, for finding one by its rank. */
typedef struct fut_ranked {
    int64_t low[FUT_SCORE_BUCKETS]; /* pairs of each key of the bucket */
    double above, below;            /* nearest scores outside the bucket; NaN if none */
    uint32_t bucket;
} fut_ranked;
/* Look through all pairs once more. Rank 0's bucket is looked for; FUT_NO_BUCKET: nothing is. ranked [threads + 1] is scratch; the first
 * gets the sum, on rank 0. Collective. */
enum { FUT_NO_BUCKET = -1 };
fut_status fut_ranked_scan(const fut_scanner *scanner, int32_t bucket, fut_ranked *ranked) FUT_MUST_CHECK;

/* AUC, EER, operating points and the drawn ROC, from complete levels. Rank 0, while the others are in fut_ranked_scan: where the EER falls
 * between two different pairs of one gap, all scan again. ranked: as there. */
fut_status fut_roc_fill(const fut_levels *levels, const fut_scanner *scanner, fut_ranked *ranked, fut_verification *v) FUT_MUST_CHECK;

/* k-fold accuracy and VAL over a list of pairs. */
fut_status fut_folds_fill(const float *score, const uint8_t *same, int64_t n, int n_folds, fut_folds *folds_out) FUT_MUST_CHECK;

/* The k worst pairs of a kind: a heap whose root is the least bad one kept. */
typedef struct fut_hardest {
    fut_hard_pair *pair; /* [max], borrowed */
    int64_t n, max;
    float sign; /* +1: high scores are worst (different people), -1: low ones (same person) */
} fut_hardest;

void fut_hardest_add(fut_hardest *hardest, int64_t a, int64_t b, float score);
/* Worst first; nothing can be added after. */
void fut_hardest_sort(fut_hardest *hardest);

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

/* Run the passes over a source and fill everything but the folds; on rank 0. */
fut_status fut_verification_fill(const fut_score_source *source, const fut_metric_options *options, fut_verification *v) FUT_MUST_CHECK;

#endif
