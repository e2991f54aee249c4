/* Which GPU each rank has: gathered before NCCL starts, whose own messages name bus addresses at best. */
#ifndef FUT_DIST_NCCL_PLACEMENT_H
#define FUT_DIST_NCCL_PLACEMENT_H

#include "dist/comm.h"

/* Every rank a GPU of its own, and all of one model: rank 0 chooses algorithms for everybody, the slowest GPU would set the pace, and the
 * bits of a run would depend on which rank holds a shard. Collective over host: all ranks return the same.
 * Errors: FUT_ERR_CONFIG, naming ranks, hosts, GPUs and what to do. */
fut_status fut_nccl_check_placement(fut_comm *host, fut_backend *bk) FUT_MUST_CHECK;

#endif
