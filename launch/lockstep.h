/* Batch norm over the global batch: a rank's shards go through the network together, layer by layer, and at every batch norm their sums are
 * added over all shards of all ranks by the tree that adds gradients. */
#ifndef FUT_LAUNCH_LOCKSTEP_H
#define FUT_LAUNCH_LOCKSTEP_H

#include "core/nn/net.h"
#include "dist/reduce.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fut_lockstep fut_lockstep;

/* comm: between the devices. Borrows both. This rank's shards are [first, end) of `shards`. Errors: FUT_ERR_NO_MEMORY. */
fut_status fut_lockstep_create(const fut_net *net, fut_comm *comm, int shards, int first, int end,
                               fut_lockstep **lockstep_out) FUT_MUST_CHECK;
void fut_lockstep_destroy(fut_lockstep **lockstep);

/* Room for the descriptions of this rank's shards, [end - first]. */
fut_net_shard *fut_lockstep_shards(fut_lockstep *lockstep);
/* For fut_net_forward_lockstep and _backward_lockstep. */
const fut_net_join *fut_lockstep_join(const fut_lockstep *lockstep);

#ifdef __cplusplus
}
#endif

#endif
