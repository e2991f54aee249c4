/* The graph's data; private to core/nn. */
#ifndef FUT_CORE_NN_GRAPH_IMPL_H
#define FUT_CORE_NN_GRAPH_IMPL_H

#include "core/nn/graph.h"
#include "core/nn/net.h"

enum { FUT_NODE_PARAMS_MAX = 4, FUT_GRAPH_NAME_MAX = 128 };

typedef enum fut_node_kind {
    FUT_NODE_CONV,
    FUT_NODE_NORM_ACT,
    FUT_NODE_SQUEEZE_EXCITE,
    FUT_NODE_MAX_POOL,
    FUT_NODE_GLOBAL_POOL,
    FUT_NODE_LINEAR,
    FUT_NODE_FLATTEN,  /* an activation to a plain value */
    FUT_NODE_UNFLATTEN /* a plain value to an activation [n, c, 1, 1] of reals */
} fut_node_kind;

typedef struct fut_node_conv {
    int64_t out_c, kernel, stride, groups;
    int64_t pad_top, pad_left, pad_bottom, pad_right;
} fut_node_conv;

typedef struct fut_node_norm_act {
    double eps;
    fut_act_kind act;
    bool residual_after; /* the activation, else inside it */
} fut_node_norm_act;

typedef struct fut_node_max_pool {
    int64_t kernel, stride, pad;
} fut_node_max_pool;

typedef struct fut_node_se {
    int64_t reduced;
    fut_act_kind act;
} fut_node_se;

typedef struct fut_node {
    fut_node_kind kind;
    fut_value x, residual, y;
    int param[FUT_NODE_PARAMS_MAX], params; /* tensors, in the order of the kernel's row */
    int stat[2];                            /* norm_act: running mean and variance */
    union {
        fut_node_conv conv;
        fut_node_norm_act norm_act;
        fut_node_max_pool max_pool;
        fut_node_se se;
    };
} fut_node;

typedef struct fut_graph_value {
    fut_shape4 shape; /* n is 1 */
    bool plain;       /* [n, c] of reals; else an activation */
    bool real;        /* an activation of the parameters' dtype, else of the activations' */
} fut_graph_value;

struct fut_graph {
    fut_status status; /* first error */
    char scope[FUT_GRAPH_NAME_MAX];
    fut_node *nodes;
    fut_graph_value *values; /* values[0] is the images */
    fut_net_tensor *tensors; /* owns their names */
    fut_tensor_init *inits;  /* one a tensor */
    int node_count, value_count, tensor_count;
    int64_t param_count, stat_count; /* reals of the two packs */
    int loss_tensors;                /* the last of the tensors, and of the parameter pack */
    int64_t loss_param_count;
};

/* A graph with one value, the images [n, 3, size, size]. */
fut_status fut_graph_create(int64_t size, fut_graph **graph_out) FUT_MUST_CHECK;
void fut_graph_destroy(fut_graph **graph);

#endif
