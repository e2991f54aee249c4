/* Evaluation on a list of pairs over a folder of photos: LFW's protocol. */
#ifndef FUT_LAUNCH_PAIRS_EVAL_H
#define FUT_LAUNCH_PAIRS_EVAL_H

#include "core/metric/metric.h"
#include "core/nn/net.h"
#include "data/pairs.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fut_pairs_options {
    double crop;   /* centred part of each photo */
    bool flip;     /* add the mirrored photo's embedding, as arcface_torch does */
    int64_t chunk; /* photos embedded at once */
    int threads;   /* that read them */
    int64_t n_hardest;
} fut_pairs_options;

/* Embed each photo that the list names once, score every pair by cosine similarity.
 * Errors: FUT_ERR_NO_INPUT, FUT_ERR_DATA naming the photo. */
fut_status fut_evaluate_pairs(fut_net *net, const fut_pairs *pairs, const char *folder, const fut_pairs_options *options,
                              fut_verification *out) FUT_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
