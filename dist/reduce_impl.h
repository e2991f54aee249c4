/* The shape of the tree of reduce.h: which sums a rank holds after which shards. Shared by the sums of vectors (reduce.c) and of a few
 * numbers (reduce_rows.c). */
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

#endif
