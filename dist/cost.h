/* What the step's communication costs: the messages and bytes that a rank sends by the schedules of gather.h, reduce.h and order.h, and how
 * long they take on a network. Plain arithmetic, nothing is sent; tests/conformance/cost.c counts real runs and finds the same.
 *
 * W ranks, rank r of them; c_r: what r holds of a vector of n elements of w bytes, c_0 + ... + c_(W-1) = n.
 *
 *   gather   log2 W messages, (W - 1) c w bytes where all c are alike; W no power of two: ceil(log2 W) messages, and one more where the
 *            parts sent go past the last rank
 *   tree     a bucket: 2 p messages, 2 (1 - 2^-p) n w bytes in p pairings, p as often as 2 divides W (0 where ranks hold several nodes);
 *            then among q = W / 2^p groups (k_r + 1) (q - 1) messages, (k_r (m - m / q) + (q - 1) m / q) w bytes with m = n / 2^p;
 *            k_r: nodes of the tree that r holds, 1 where p > 0, at most 2 log2(shards / W) + 2
 *   order    as MPI broadcasts little: a binomial tree of W - 1 messages in ceil(log2 W) rounds
 *
 * So rank 0, like any other, sends O(log W) messages a step where W is a power of two and shards / W too, else O(W / 2^p) a bucket. */
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
typedef enum fut_cost_bound { FUT_COST_LATENCY, FUT_COST_MEMORY, FUT_COST_NODE, FUT_COST_BETWEEN, FUT_COST_BOUNDS } fut_cost_bound;
extern const char *const fut_cost_bound_names[FUT_COST_BOUNDS];

typedef struct fut_cost {
    double seconds;
    fut_cost_bound bound;
} fut_cost;

/* With g ranks a node, W ranks in all. A round, in which every rank sends `bytes` to one other, takes
 *   message + latency + bytes / bandwidth
 * of the link inside a node; where c > 0 ranks of a node send to another, that of between.message and .latency and the longer of
 *   bytes / node.bandwidth   and   c bytes / between.bandwidth.
 * All ranks go from round to round together: the times add up. (Where W is no power of two, only some ranks cross in a gather's rounds
 * nearer than g, at times that overlap: the sum is up to a tenth too much.) */

/* fut_gather_rows of `bytes` of each rank: rounds of bytes, 2 bytes, 4 bytes, ... to ranks 1, 2, 4, ... away. */
fut_cost fut_cost_gather_seconds(const fut_network *network, int ranks, double bytes);
/* A bucket of a tree, one shard a rank: a round of each pairing and an addition, which reads two halves and writes one at `memory` bytes a
 * second and is one kernel of `launch` seconds; W / 2^p groups, if there are several, send each other a part at once and add as many; and
 * the rounds back. */
fut_cost fut_cost_bucket(const fut_network *network, int ranks, double bytes, double memory, double launch);
/* Until the last rank has heard it: a latency for each round of the binomial tree that its message took, farthest first, and a message for
 * each that the rank before it sent earlier. */
double fut_cost_broadcast(const fut_network *network, int ranks, double bytes);

#ifdef __cplusplus
}
#endif

#endif
