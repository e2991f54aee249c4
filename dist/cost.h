/* What the step's communication costs: the messages and bytes that a rank sends by the schedules of gather.h, reduce.h and order.h, and how
 * long they take on a network. Plain arithmetic, nothing is sent; tests/conformance/cost.c counts real runs and finds the same.
 *
 * W ranks, rank r of them; c_r: what r holds of a vector of n elements of w bytes, c_0 + ... + c_(W-1) = n.
 *
 *   gather   W - 1 messages, (W - 1) c_r w bytes
 *   tree     a bucket: k_r (W - 1) messages, k_r (n - c_r) w bytes to the ranks that complete it, then a gather of the parts;
 *            k_r: nodes of the tree that r holds, 1 where shards = W or where both are powers of two, at most 2 log2(shards / W) + 2
 *   order    as MPI broadcasts little: a binomial tree of W - 1 messages in ceil(log2 W) rounds */
#ifndef FUT_DIST_COST_H
#define FUT_DIST_COST_H

#include "core/tensor/dtype.h"

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What one rank sends. */
typedef struct fut_traffic {
    int64_t messages, bytes;
} fut_traffic;

/* Who sends: rank `rank` of `ranks`, which hold `shards` shards as fut_shard_range deals them. */
typedef struct fut_cost_place {
    int rank, ranks, shards;
} fut_cost_place;

/* fut_gather_rows of `rows` rows of the whole batch, dealt to shards as fut_shard_range does, each of dim elements. */
fut_traffic fut_cost_gather(const fut_cost_place *at, int64_t rows, int64_t dim, fut_dtype dtype);
/* One round of a fut_tree of `count` elements in buckets of bucket_bytes. */
fut_traffic fut_cost_tree(const fut_cost_place *at, int64_t count, fut_dtype dtype, int64_t bucket_bytes);
/* fut_order_broadcast, by the busiest rank, which is rank 0. */
fut_traffic fut_cost_order(int ranks, int64_t bytes);

/* ---- seconds ------------------------------------------------------------------------------------------------------------------- */

/* A kind of link. */
typedef struct fut_link {
    double bandwidth; /* bytes a second and direction */
    double latency;   /* seconds from the start of a message to its first byte */
    double message;   /* seconds of a rank's own time a message that it starts */
} fut_link;

/* Nodes of `ranks_a_node` ranks each, dealt in their order. */
typedef struct fut_network {
    int64_t ranks_a_node;
    fut_link node;    /* of one rank to the others of its node */
    fut_link between; /* of a whole node to the others; its ranks share the bandwidth */
} fut_network;

/* What takes the time of an operation. */
typedef enum fut_cost_bound { FUT_COST_MESSAGES, FUT_COST_NODE, FUT_COST_BETWEEN, FUT_COST_BOUNDS } fut_cost_bound;
extern const char *const fut_cost_bound_names[FUT_COST_BOUNDS];

typedef struct fut_cost {
    double seconds;
    fut_cost_bound bound;
} fut_cost;

/* Every rank sends to every other `messages` messages of `bytes` in all, at once. With g ranks a node the slowest of
 *   messages   messages ((g - 1) node.message + (W - g) between.message)
 *   node       (g - 1) bytes / node.bandwidth
 *   between    g (W - g) bytes / between.bandwidth
 * and the latency of the farthest link. */
fut_cost fut_cost_all_to_all(const fut_network *network, int ranks, double messages, double bytes);
/* A bucket of a tree, one shard a rank: two such exchanges of bytes / W to each, and W - 1 additions, which read two parts and write one at
 * memory bytes a second and are one kernel of `launch` seconds each. */
fut_cost fut_cost_bucket(const fut_network *network, int ranks, double bytes, double memory, double launch);
/* ceil(log2 W) rounds of a latency and a message; the first rounds go between nodes. */
double fut_cost_broadcast(const fut_network *network, int ranks, double bytes);

#ifdef __cplusplus
}
#endif

#endif
