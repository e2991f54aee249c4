/* Rows of every shard to every rank. */
#ifndef FUT_DIST_GATHER_H
#define FUT_DIST_GATHER_H

#include "dist/comm.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Shape:      rows [shard_first[shards], dim] in the communicator's memory; shard s holds rows [shard_first[s], shard_first[s + 1]), mine
 * are there before the call. shard_first NULL: one row a shard Collective: yes. Allocates nothing. */
fut_status fut_gather_rows(fut_comm *comm, int shards, const int64_t *shard_first, int64_t dim, fut_dtype dtype, void *rows,
                           const char *what) FUT_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
