/* Rows of every shard to every rank. */
#ifndef FUT_DIST_GATHER_H
#define FUT_DIST_GATHER_H

#include "dist/comm.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Shape:      rows [shard_first[shards], dim] f32; shard s holds rows [shard_first[s], shard_first[s + 1]), mine are there before the call
 * Collective: yes. Allocates nothing. */
fut_status fut_gather_rows(fut_comm *comm, int shards, const int64_t *shard_first, int64_t dim, float *rows,
                           const char *what) FUT_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
