/* A plan: the graph made concrete for n images, training or not: one op a node, and a place for everything that lives in memory.
 * Private to core/nn.
 *
 * Two regions of memory:
 *   slot     what a shard's forward leaves for its backward: activations that backward reads, saved statistics
 *   shared   everything else, one for all slots: activations of inference, gradients of activations, scratch
 *
 * Time runs 0 (images), 1..N (node i forward at i + 1), N+1..2N (node i backward at 2N - i). A value whose life crosses from forward to
 * backward is in the slot. A value that its op can make again (fut_op_ops.forward_again: the output of a batch norm and activation, from
 * the convolution's output that is kept anyway) does not cross: it is made again, in shared memory, just before the first backward that
 * reads it, which halves the slot. */
#ifndef FUT_CORE_NN_PLAN_IMPL_H
#define FUT_CORE_NN_PLAN_IMPL_H

#include "core/nn/graph_impl.h"

typedef enum fut_region { FUT_REGION_SLOT, FUT_REGION_SHARED, FUT_REGIONS, FUT_REGION_CALLER, FUT_REGION_NONE } fut_region;

/* CALLER: the embeddings in forward, their gradient in backward. */
typedef struct fut_place {
    fut_region region;
    size_t offset;
} fut_place;

/* to += from, of one value's shape: a value used twice has two gradients. */
typedef struct fut_plan_sum {
    fut_value value; /* FUT_VALUE_NONE: nothing to add */
    fut_place from, to;
} fut_plan_sum;

enum { FUT_PLAN_AGAIN_MAX = 4 };

typedef struct fut_plan_node {
    fut_op *op;     /* NULL for immediate kernels: linear, flatten, unflatten */
    int folds;      /* norm_act: the convolution that its op computes too, from that one's x; -1: none */
    bool is_folded; /* such a convolution: there is nothing to run */
    fut_place x, residual, y, saved;
    fut_place scratch;
    fut_place late_x, late_residual, late_y; /* the same in backward */
    fut_place late_scratch;                  /* also of the nodes that make something again for it */
    int again[FUT_PLAN_AGAIN_MAX], agains;   /* nodes whose output is made again before this one's backward, in this order */
    fut_place dy, dx, dresidual;             /* dresidual: NONE where the gradient of the residual is dy */
    fut_plan_sum sum_x, sum_residual;        /* after the node's backward */
} fut_plan_node;

typedef struct fut_plan {
    int64_t n;
    bool training;
    int node_count;
    fut_plan_node *nodes;
    fut_place images;
    fut_place batch; /* batch statistics of every norm_act, laid out as the statistics pack */
    size_t region_bytes[FUT_REGIONS];
    size_t held_bytes; /* by the ops themselves */
    int64_t prepared;  /* version of the parameters the ops have prepared */
    struct fut_plan *next;
} fut_plan;

/* Errors: FUT_ERR_SHAPE, FUT_ERR_UNSUPPORTED (naming the op), FUT_ERR_NO_MEMORY. */
fut_status fut_plan_create(fut_backend *bk, const fut_net_spec *spec, const fut_graph *graph, int64_t n, bool training,
                           fut_plan **plan_out) FUT_MUST_CHECK;
void fut_plan_destroy(fut_plan **plan);
/* The shape of a value for n images, and the dtype of one that is an activation. */
fut_shape4 fut_plan_shape(const fut_graph *graph, fut_value value, int64_t n);
fut_dtype fut_plan_dtype(const fut_graph *graph, const fut_net_spec *spec, fut_value value);

#endif
