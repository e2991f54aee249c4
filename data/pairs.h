/* LFW's lists of pairs: pairs.txt (10 folds) and pairsDevTrain/pairsDevTest.txt (no folds).
 *
 *     10  300                          or   500
 *     Abel_Pacheco  1  4                    same person: photos 1 and 4
 *     Abdel_Madi_Shabneh  1  Dean_Barker  1 different people
 *
 * Each fold holds the stated number of same pairs, then as many different ones. */
#ifndef FUT_DATA_PAIRS_H
#define FUT_DATA_PAIRS_H

#include "core/base/status.h"

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fut_pair {
    const char *a, *b; /* paths under the photos' folder: "Abel_Pacheco/Abel_Pacheco_0001.jpg"; borrowed from the list */
    bool same;
    int fold; /* 0-based; 0 throughout when the list has no folds */
} fut_pair;

typedef struct fut_pairs {
    fut_pair *pair;
    int64_t n;
    int n_folds;      /* 1 when the list has none */
    int64_t per_fold; /* same pairs in a fold; as many different ones */
    char *text;       /* the paths */
} fut_pairs;

/* Owns: *pairs_out, release with fut_pairs_fini. Errors: FUT_ERR_NO_INPUT, FUT_ERR_PERMISSION; FUT_ERR_DATA with "file:line: what". */
fut_status fut_pairs_read(const char *path, fut_pairs *pairs_out) FUT_MUST_CHECK;
void fut_pairs_fini(fut_pairs *pairs);

#ifdef __cplusplus
}
#endif

#endif
