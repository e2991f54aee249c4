/* Verification metrics: how well similarity tells photos of one person from photos of different people.
 *
 *     scores of pairs + same flags  --fut_metric_pairs-------+
 *     embeddings + labels           --fut_metric_embeddings--+-->  fut_verification  (ROC, AUC, EER, TAR at FAR, folds, hardest pairs)
 *
 * A pair is accepted ("same person") when its score >= threshold. FAR = accepted different pairs / all different pairs (scikit-learn's
 * fpr), TAR = accepted same pairs / all same pairs (tpr), FRR = 1 - TAR.
 * The ROC is the polyline through the points (FAR, TAR) of every distinct score, as scikit-learn's roc_curve draws it: pairs of equal
 * score are accepted together. Only scores of same pairs can bend it upwards, so it is kept exactly as one count of different pairs per
 * distinct same score and one per gap between them: memory O(same pairs + N) a thread, never N x N, no binning, no rounding. Threads and
 * ranks share the pairs; counts add up to the same numbers however they do. */
#ifndef FUT_CORE_METRIC_METRIC_H
#define FUT_CORE_METRIC_METRIC_H

#include "core/base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { FUT_METRIC_FARS = 6, FUT_METRIC_BINS = 400, FUT_METRIC_FOLDS_MAX = 32 };

/* A threshold and what it does to these pairs. The threshold stands half way between the lowest score it accepts and the highest it
 * refuses; just above the highest score where it accepts none, at the lowest score where it refuses none. */
typedef struct fut_operating_point {
    double threshold; /* similarity */
    double far, tar;
    double accuracy; /* correct decisions / all pairs */
} fut_operating_point;

/* TAR at a FAR that is promised: the largest TAR whose FAR does not exceed `target`. */
typedef struct fut_tar_at_far {
    double target; /* 1e-1, 1e-2, ... 1e-6 */
    fut_operating_point at;
    bool is_resolved; /* there are at least 1 / target different pairs; otherwise this is the TAR at no false accept at all */
} fut_tar_at_far;

/* A vertex of the ROC: everything with score >= threshold is accepted. */
typedef struct fut_roc_point {
    double far, tar, threshold;
} fut_roc_point;

typedef struct fut_hard_pair {
    int64_t a, b; /* rows of the query and the reference set; from fut_metric_pairs: place in the list and -1 */
    float score;
} fut_hard_pair;

/* LFW's k-fold protocol as insightface's arcface_torch/eval/verification.py runs it: squared distance d = 2 - 2 * score, accepted when
 * d < threshold; folds are consecutive parts of the list (scikit-learn's KFold without shuffling); the threshold of a fold is the first
 * of 0, .01, .. 3.99 with the best accuracy on the other folds. Deviations are of the population (divisor k).
 * VAL: the threshold of a fold is interpolated linearly on 0, .001, .. 3.999 where the FAR of the other folds reaches val_target: between
 * the last grid point at or below it and the next (numpy.interp; the scipy call of the original refuses repeated FARs). */
typedef struct fut_folds {
    int n; /* 0: not asked for, or fewer pairs than folds */
    double accuracy_mean, accuracy_std;
    double accuracy[FUT_METRIC_FOLDS_MAX];
    double threshold[FUT_METRIC_FOLDS_MAX]; /* similarity, 1 - d / 2 */
    bool has_val;                           /* every fold has same and different pairs */
    double val_target;                      /* FAR, 1e-3 */
    double val_mean, val_std, val_far_mean;
} fut_folds;

typedef struct fut_verification {
    int64_t n_same, n_different;
    bool is_defined;             /* both kinds of pairs are there; otherwise everything that needs both is 0 */
    double mean_same;            /* mean score; 0 where there is no such pair */
    double mean_different;       /* likewise */
    double auc;                  /* area under the ROC; ties count half */
    double eer;                  /* where the ROC polyline meets FAR = FRR */
    fut_operating_point at_eer;  /* the threshold there: FAR and FRR nearest to each other */
    fut_operating_point at_best; /* highest accuracy; of equals the highest threshold */
    fut_tar_at_far tar[FUT_METRIC_FARS];
    fut_folds folds;

    double histogram_min, histogram_max; /* -1 and 1, unless scores lie outside */
    int64_t histogram_same[FUT_METRIC_BINS];
    int64_t histogram_different[FUT_METRIC_BINS];

    fut_roc_point *roc; /* from (0, 0) to (1, 1), thinned for drawing: vertices nearer than 1/512 in TAR and in FAR and 1/64 decade of FAR
                           are left out */
    int64_t n_roc;
    fut_hard_pair *hard_same;      /* least similar photos of one person, worst first; ties in order of (a, b) */
    fut_hard_pair *hard_different; /* most similar photos of different people, worst first */
    int64_t n_hard_same, n_hard_different;
} fut_verification;

/* Ranks that share the pairs of one evaluation: all call with the same sets; rank 0's result is the evaluation, the others' is empty. Every
 * function is collective. */
typedef struct fut_metric_team {
    int rank, ranks;
    fut_status (*agree)(void *context, fut_status st);                 /* the same status on every rank: an error where any brought one */
    fut_status (*broadcast)(void *context, void *block, size_t bytes); /* rank 0's to all */
    /* Rank 0 gets every other rank's block in turn, in the order of ranks, in `theirs`, and calls merge(into, theirs); the others give
     * `mine`. */
    fut_status (*collect)(void *context, const void *mine, void *theirs, size_t bytes, void (*merge)(void *into, const void *theirs),
                          void *into);
    void *context;
} fut_metric_team;

/* {0} is allowed: no folds, no hardest pairs, one thread, no other ranks. */
typedef struct fut_metric_options {
    int n_folds;                 /* fut_metric_pairs only: 10 for LFW's pairs.txt; 0 = none; at most FUT_METRIC_FOLDS_MAX */
    int64_t n_hardest;           /* of each kind */
    int threads;                 /* fut_metric_embeddings only */
    const fut_metric_team *team; /* fut_metric_embeddings only; NULL: alone */
} fut_metric_options;

/* From scored pairs.
 * Shape:  score [n] f32, higher is more alike; same [n], 0 or 1
 * Owns:   *out becomes the caller's; release with fut_verification_fini
 * Errors: FUT_ERR_NUMERIC (a score is not finite, with its place), FUT_ERR_SHAPE (n < 0, folds out of range), FUT_ERR_NO_MEMORY; *out
 *         untouched. No same or no different pair is not an error: see is_defined */
fut_status fut_metric_pairs(const float *score, const uint8_t *same, int64_t n, const fut_metric_options *options_or_null,
                            fut_verification *out) FUT_MUST_CHECK;

typedef struct fut_metric_set {
    const float *embedding; /* [n, dim], rows of length 1 */
    const int64_t *label;   /* [n] */
    int64_t n;
} fut_metric_set;

/* All pairs: of different rows of `query` (each unordered pair once) when reference_or_null is NULL, else every row of query with every
 * row of reference (a part in which nobody has two photos, against the training photos).
 * The score is the dot product, summed in f32 in the order of the dimensions: the same bits on every machine and for every tiling.
 * Shape, Owns, Errors: as above; FUT_ERR_NUMERIC names the row. options->n_folds must be 0.
 * Collective over options->team, where errors are the same on all ranks
 * Time:   N^2 D multiplications and additions in each of two passes */
fut_status fut_metric_embeddings(const fut_metric_set *query, const fut_metric_set *reference_or_null, int64_t dim,
                                 const fut_metric_options *options_or_null, fut_verification *out) FUT_MUST_CHECK;

/* The dot product that fut_metric_embeddings scores with: for one pair. */
float fut_metric_score(const float *a, const float *b, int64_t dim);

void fut_verification_fini(fut_verification *v);

/* Why is_defined is false, lowercase, static: "no two photos of one person"; "" where it is true. */
const char *fut_verification_why_undefined(const fut_verification *v);

#ifdef __cplusplus
}
#endif

#endif
