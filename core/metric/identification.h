/* Identification metrics (1:N): how near to the top of a ranked gallery a photo's own person comes, and how well "nobody" is told.
 *
 *     embeddings + labels  --leave-one-out-->   retrieval: precision@k, R-precision, MAP@R, mAP;  CMC over people
 *                          --probe, gallery-->  CMC with one photo a person enrolled
 *                          --half enrolled-->   open set: FNIR at FPIR
 *
 * A query ranks the reference photos by similarity, highest first; of equals the lower row comes first. The similarity is
 * fut_metric_score. Every rank is exact; memory is O(N x 256), never N x N. */
#ifndef FUT_CORE_METRIC_IDENTIFICATION_H
#define FUT_CORE_METRIC_IDENTIFICATION_H

#include "core/base/status.h"
#include "core/metric/metric.h"

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { FUT_CMC_RANKS = 50, FUT_OPEN_SET_FPIRS = 3 };

/* Means over the queries that have a photo of their person in the reference, as pytorch-metric-learning's AccuracyCalculator defines them
 * with k = None. With R photos of the query's person in the reference, h_i = is the i-th photo of the ranking one of them, and
 * P@i = (h_1 + .. + h_i) / i:
 *     precision@k = P@k      R-precision = P@R      MAP@R = 1/R sum_{i <= R} h_i P@i      mAP = 1/R sum_i h_i P@i */
typedef struct fut_retrieval {
    int64_t n_queries; /* that count; 0: every mean is 0 */
    int64_t n_lone;    /* nobody of theirs is in the reference: left out */
    double precision_at_1, precision_at_5, precision_at_10;
    double r_precision, map_at_r, map;
} fut_retrieval;

/* Everybody who is searched for is enrolled. The rank of a probe is the place of its person among the people of the gallery, each standing
 * where their most similar photo stands. */
typedef struct fut_closed_set {
    int64_t n_probes; /* 0: not defined, cmc is 0 */
    int64_t n_gallery, n_people;
    double cmc[FUT_CMC_RANKS]; /* cmc[k - 1]: share of probes of rank <= k; 1 from n_people on */
} fut_closed_set;

/* FPIR: share of non-mated probes (of people who are not enrolled) whose most similar enrolled photo reaches the threshold. FNIR: share of
 * mated probes whose most similar enrolled photo is not their person's, or does not reach it. */
typedef struct fut_fnir_at_fpir {
    double target; /* 1e-1, 1e-2, 1e-3 */
    double fpir;   /* <= target */
    double fnir;   /* at the lowest threshold that keeps to it */
    double threshold;
    bool is_resolved; /* there are at least 1 / target non-mated probes */
} fut_fnir_at_fpir;

typedef struct fut_open_set {
    bool is_defined; /* both kinds of probes are there */
    int64_t n_mated, n_nonmated, n_gallery, n_people;
    fut_fnir_at_fpir at[FUT_OPEN_SET_FPIRS];
} fut_open_set;

typedef struct fut_identification {
    bool has_reference;
    fut_retrieval retrieval;
    fut_closed_set leave_one_out; /* each query against all other photos, or against the reference */
    fut_closed_set one_enrolled;  /* everybody's first photo against all others; n_probes is 0 with a reference */
    fut_open_set open_set;
} fut_identification;

/* All three protocols over one set of photos (reference_or_null NULL), or over a query set and the photos that are enrolled.
 *
 * one_enrolled: the gallery is the first row of every person, the probes are all other rows.
 * open_set: people who could be both enrolled and searched for (two rows; a row in both sets) are enrolled alternately in the order of
 * their labels: the first, the third, ... Everybody else is not. The gallery is the first row of every enrolled person (all their reference
 * rows), the probes are all rows that are not in it (all query rows).
 * Shape:  as fut_metric_embeddings
 * Errors: FUT_ERR_NUMERIC (a row longer than 1 or not finite), FUT_ERR_SHAPE, FUT_ERR_NO_MEMORY; *out untouched. Protocols for which there
 *         are too few photos are not errors: see n_queries, n_probes, is_defined
 * Time:   about 2 N M D operations for N queries and M reference rows, one thread */
fut_status fut_metric_identification(const fut_metric_set *query, const fut_metric_set *reference_or_null, int64_t dim,
                                     fut_identification *out) FUT_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
