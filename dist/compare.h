/* Do all ranks have the same? Where they do not, who differs in what. */
#ifndef FUT_DIST_COMPARE_H
#define FUT_DIST_COMPARE_H

#include "core/base/str.h"
#include "dist/comm.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { FUT_CLAIM_TEXT = 96, FUT_CLAIMS_MAX = 4 };

/* What a rank says of itself. Longer texts are cut. */
typedef struct fut_claim {
    const char *name;             /* "dataset"; the same on all ranks */
    char value[FUT_CLAIM_TEXT];   /* what is compared */
    char comment[FUT_CLAIM_TEXT]; /* what is only told, such as a path */
} fut_claim;

/* differences_out, on rank 0: "rank 3 on host b: dataset 12ab instead of 34cd, b.h5", one line a difference, "" where there is none. What
 * most ranks have is taken for right; where no value has the majority, all are told. Other ranks get "". One message a rank, to rank 0.
 * Collective. */
fut_status fut_comm_compare(fut_comm *comm, const fut_claim *claims, int n, fut_str *differences_out) FUT_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
