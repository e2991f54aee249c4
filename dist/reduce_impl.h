/* Inside reduce.h. Its tree's shape (reduce_shape.c), which sums a rank holds after which shards, is shared by the sums of vectors
 * (reduce.c) and of a few numbers (reduce_rows.c); how the ranks complete it over a bucket of a vector is reduce_ranks.c. */
#ifndef FUT_DIST_REDUCE_IMPL_H
#define FUT_DIST_REDUCE_IMPL_H

#include "dist/reduce.h"

enum { FUT_TREE_LEVELS_MAX = 12 }; /* 2^11 > FUT_SHARDS_MAX */

/* A sum over the shards [index << level, (index + 1) << level), and which buffer holds it. */
typedef struct fut_tree_node {
    int level;
    int64_t index;
    int buffer;
} fut_tree_node;

/* Finished nodes, left to right. */
typedef struct fut_tree_stack {
    fut_tree_node at[2 * FUT_TREE_LEVELS_MAX];
    int count;
} fut_tree_stack;

/* Called when the right node is to be added to the left; the right buffer is free afterwards. */
typedef void (*fut_tree_merge)(void *context, int left, int right);

/* Push a node and complete every parent that it completes. merge NULL: only the shape is wanted. */
void fut_tree_push(fut_tree_stack *stack, fut_tree_node node, int shards, fut_tree_merge merge, void *context);
/* The nodes that a rank holds after adding all its leaves. */
void fut_tree_nodes_of_rank(int rank, int ranks, int shards, fut_tree_stack *out);
/* Nodes that are held at once at most while the leaves of [first, end) are added. */
int fut_tree_largest_stack(int first, int end, int shards);

/* ---- the ranks' share of a vector's tree ----------------------------------------------------------------------------------------- */

/* In stages, each of messages and then of work on what came. */
typedef struct fut_tree_ranks {
    fut_comm *comm;
    fut_backend *bk;
    int shards;
    fut_dtype dtype;
    int pairings;           /* levels of the tree that ranks complete in pairs */
    int groups;             /* of 2^pairings ranks, which then hold one node together; with no pairings the ranks themselves */
    int stages;             /* 0: one rank alone */
    fut_tree_stack *theirs; /* [groups] nodes of each group's rank of my place, after the pairings */
    int nodes;              /* in all of them */
    fut_message *messages;  /* [messages_most] of one stage */
    int messages_most;
} fut_tree_ranks;

/* A bucket on its way. The sum comes to be where the first of my nodes was. */
typedef struct fut_tree_bucket_way {
    int64_t first, count;       /* elements of the vector */
    const fut_tree_stack *mine; /* nodes, of which buffer i begins i * stride elements after `buffers` */
    char *buffers;
    int64_t stride;
    char *received;          /* fut_tree_ranks_room elements */
    fut_transfer *down, *up; /* of the stages that add, of those that bring the sum back; NULL where no call waits */
    fut_stream *stream;
} fut_tree_bucket_way;

/* Owns: fini, also after an error. */
fut_status fut_tree_ranks_init(fut_comm *comm, fut_backend *bk, int shards, fut_dtype dtype, fut_tree_ranks *ranks) FUT_MUST_CHECK;
void fut_tree_ranks_fini(fut_tree_ranks *ranks);
/* Elements that a bucket of `count` receives at once. */
int64_t fut_tree_ranks_room(const fut_tree_ranks *ranks, int64_t count);
/* Stages begin in one order of buckets on all ranks; each ends when its transfer is done. */
fut_status fut_tree_ranks_begin(const fut_tree_ranks *ranks, int stage, const fut_tree_bucket_way *bucket, const char *what) FUT_MUST_CHECK;
fut_transfer *fut_tree_ranks_transfer(const fut_tree_ranks *ranks, int stage, const fut_tree_bucket_way *bucket);
fut_status fut_tree_ranks_end(const fut_tree_ranks *ranks, int stage, const fut_tree_bucket_way *bucket) FUT_MUST_CHECK;

#endif
