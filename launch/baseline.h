/* What a trained network has to beat on the same pairs: a comparison of pixels, and the same network before training. */
#ifndef FUT_LAUNCH_BASELINE_H
#define FUT_LAUNCH_BASELINE_H

#include "launch/evaluate.h"
#include "launch/model.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fut_baseline_score {
    double eer, auc;
} fut_baseline_score;

typedef struct fut_baseline {
    fut_baseline_score pixels;    /* cosine similarity of the photos' pixels, the mean of each colour of each photo taken off */
    fut_baseline_score untrained; /* the network as the first step found it: drawn from the seed, or model.weights */
} fut_baseline;

/* result: of the same part, from fut_evaluate_part; its pairs are scored again. Rank 0 gets the numbers, other ranks zeros.
 * trained->net holds the untrained network afterwards.
 * Errors: an unreadable photo; model.weights no longer there. Collective: yes. */
fut_status fut_baseline_measure(fut_trained *trained, fut_comm *comm, const fut_dataset *dataset, fut_eval_part part,
                                const fut_part_result *result, fut_baseline *out) FUT_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
