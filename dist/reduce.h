/* Sums over shards by one fixed binary tree, so that the bits do not depend on how many ranks hold the shards.
 *
 *          [0 1 2 3 4 5 6 7]                 a node covers an aligned block of 2^level shards; sum(node) = sum(left) + sum(right),
 *        [0 1 2 3]   [4 5 6 7]               in f32 or f64, and a node whose right half lies past the last shard is its left half
 *      [0 1]  [2 3] [4 5] [6 7]
 *
 * A rank adds the leaves of its own consecutive shards; what it holds are sums of maximal nodes inside its range. Where every rank holds
 * one node of the same level, ranks complete the levels above in pairs, nearest first: each of the two takes half of what both have and
 * adds it, so that every level moves half as much as the one below, inside nodes of a cluster before between them. As often as the number
 * of ranks is divisible by two; the groups left after that, or ranks that hold several nodes, send each other the nodes of a part each.
 * Then the sum goes the same way back. The volume is a ring all-reduce's, in 2 log2 W messages a rank where W is a power of two.
 */
#ifndef FUT_DIST_REDUCE_H
#define FUT_DIST_REDUCE_H

#include "dist/comm.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { FUT_SHARDS_MAX = 1024, FUT_TREE_SUM_MAX = 32, FUT_TREE_LANES = 4 /* buckets under way at once, on the host */ };

/* The `part`-th of `parts` consecutive ranges of [0, n), sizes equal or differing by one, larger ones first. Ranks own shards so, and
 * shards own positions of a batch. */
void fut_shard_range(int64_t part, int64_t parts, int64_t n, int64_t *first_out, int64_t *end_out);

/* The shape of it, for who counts: nodes that a rank holds after adding its leaves, levels that ranks complete in pairs, and elements of a
 * bucket (the last may be shorter). */
int fut_tree_nodes(int rank, int ranks, int shards);
int fut_tree_pairings(int ranks, int shards);
int64_t fut_tree_bucket(int ranks, int64_t count, fut_dtype dtype, size_t bucket_bytes);

typedef struct fut_tree fut_tree;

/* A tree for vectors of `count` elements, dtype f32 or f64, in bk's memory, over `shards` shards held by the ranks of comm as
 * fut_shard_range(rank, size, shards). comm works on bk's memory (on the host: any communicator). The vector is cut into buckets of about
 * bucket_bytes (0: one for all), from its end to its front. Each begins as soon as the last leaf of this rank is complete there, which
 * hides its sum behind the computation of what is still missing: on a device on a stream of the tree's own, on the host by messages that
 * move while the caller computes and are looked after whenever it says how far it is. The bits do not depend on the buckets. Memory: (1 +
 * log2(shards a rank)) vectors, and FUT_TREE_LANES half buckets (without pairs: whole ones, times the nodes a rank holds). Errors:
 * FUT_ERR_INTERNAL (more ranks than shards), FUT_ERR_NO_MEMORY. The ranks create their trees in one order. */
fut_status fut_tree_create(fut_comm *comm, fut_backend *bk, int shards, int64_t count, fut_dtype dtype, size_t bucket_bytes,
                           fut_tree **tree_out) FUT_MUST_CHECK;
void fut_tree_destroy(fut_tree **tree);
/* false: buckets begin when the whole leaf is complete, as if nothing could be hidden. True for a new tree. Alike on all ranks. */
void fut_tree_set_overlap(fut_tree *tree, bool overlaps);

/* Where the leaf [count] of `shard` is to be written, by work on bk's own stream: shards of this rank in increasing order, each once a
 * round. */
fut_status fut_tree_begin_leaf(fut_tree *tree, int shard, void **leaf_out) FUT_MUST_CHECK;
/* Work enqueued so far completes the leaf from element `first` to its end; first falls from call to call and 0 ends the leaf. On the rank's
 * last leaf buckets begin and go on, never waiting for other ranks: call it often. */
fut_status fut_tree_leaf_ready(fut_tree *tree, int64_t first, const char *what) FUT_MUST_CHECK;
/* The sum over all shards, [count] on every rank, ready for work enqueued on bk's own stream from here on; borrowed until the next round
 * begins. Waits for what is still under way. Collective. */
fut_status fut_tree_finish(fut_tree *tree, const void **sum_out, const char *what) FUT_MUST_CHECK;

/* How a bucket of the last round went. Of a device, which works behind the host's back, see fut_tree_mark. */
typedef struct fut_tree_span {
    int64_t count; /* elements */
    /* seconds */
    double worked; /* of the caller's: adding, sending and taking in */
    double waited; /* of the caller's, for other ranks: those and these are what a step is longer for it */
    double whole;  /* from its beginning to its end */
    double began;  /* clock */
} fut_tree_span;
/* Borrowed, [buckets] in the order in which they are summed. */
const fut_tree_span *fut_tree_spans(const fut_tree *tree, int *buckets_out);
/* On a device: from now on buckets leave marks in the tree's stream. Once the round's work is done, read_marks makes spans of them: `began`
 * after the event `from`, which came before the round, `waited` what lies after `computed`, which comes after the leaf's own work. */
fut_status fut_tree_mark(fut_tree *tree) FUT_MUST_CHECK;
fut_status fut_tree_read_marks(fut_tree *tree, fut_event *from, fut_event *computed) FUT_MUST_CHECK;

/* The same for a few f64: my_rows holds one row of n <= FUT_TREE_SUM_MAX values a shard of mine, rows `stride` apart. Collective. */
fut_status fut_tree_sum_f64(fut_comm *comm, int shards, const double *my_rows, int64_t stride, int n, double *sum_out,
                            const char *what) FUT_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
