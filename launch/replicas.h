/* Do all ranks still hold the same state? They are replicas: every rank applies the same update, and the same batches enter its loss's
 * memory. One whose memory, processor or messages fail goes its own way, and everything after is wrong. A look hashes parameters,
 * statistics and the loss's memory (XXH3 on the host) and compares.
 *
 *     fut_replicas_look(r)       enqueues a copy to the host; nothing is waited for
 *     fut_replicas_compare(r)    a step later: hashes, compares
 *
 * It cannot find what all ranks receive alike, such as a sum that was wrong before it was shared. */
#ifndef FUT_LAUNCH_REPLICAS_H
#define FUT_LAUNCH_REPLICAS_H

#include "launch/engine.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fut_replicas fut_replicas;

/* NULL for one rank. The engine outlives it. Errors: FUT_ERR_NO_MEMORY (pinned memory as large as the state). */
fut_status fut_replicas_create(fut_engine *engine, fut_replicas **replicas_out) FUT_MUST_CHECK;
void fut_replicas_destroy(fut_replicas **replicas);

/* Both take NULL. step: for the message. */
fut_status fut_replicas_look(fut_replicas *replicas, int64_t step) FUT_MUST_CHECK;
/* The look that is on its way, if any. Collective. Errors, on all ranks: FUT_ERR_REPLICAS naming the odd one out, or both of two. */
fut_status fut_replicas_compare(fut_replicas *replicas) FUT_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
