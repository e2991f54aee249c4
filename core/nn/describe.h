/* What a net is made of, for people: its layers in the order they run, and the memory that a batch takes. */
#ifndef FUT_CORE_NN_DESCRIBE_H
#define FUT_CORE_NN_DESCRIBE_H

#include "core/nn/net.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fut_net_layer {
    const char *kind; /* "conv", "norm_act", "linear", ... */
    char name[128];   /* what its tensors' names start with: "layer1.0.conv1"; "" where it has none */
    char detail[48];  /* "3x3/2", "relu + residual"; may be empty */
    int64_t out[3];   /* channels, height, width of what it makes */
    int64_t params;
    int64_t sums[2]; /* f64 that a batch norm over the global batch adds up over the shards: forward, backward; 0: it is no batch norm */
    int64_t macs;    /* multiply-adds of one image's forward in convolutions, linear layers and squeeze-excite's; the rest is 0 */
} fut_net_layer;

/* Bytes of memory that a layer's kernels move for n images, each operand counted as often as a kernel passes over it, activations dense:
 *   conv     forward x + w + y; backward dy + w + dx (not for the first layer) and x + dy + dw
 *   norm     forward 2 x + y (+ residual); backward 2 (x + dy) + dx, + the residual's gradient where it is inside the activation
 *   s-e      forward 2 x + y; backward x + 2 dy + dx        pools   forward x + y; backward dy + dx
 *   linear   forward x + w + y; backward 2 dy + w + dx + x + dw */
typedef struct fut_net_traffic {
    double forward, backward;
    double forward_flops,
        backward_flops; /* 2 a multiply-add of convolutions and linear layers; backward is twice forward, once for the first layer */
} fut_net_traffic;
void fut_net_layer_traffic(const fut_net *net, int i, int64_t n, fut_net_traffic *traffic_out);

/* What a net does with a layer in a step. AGAIN: its output, which was not kept, made once more for a later layer's backward. PREPARE: its
 * parameters, which have changed, copied into the layout that its kernel likes. */
typedef enum fut_net_pass {
    FUT_NET_PREPARE,
    FUT_NET_FORWARD,
    FUT_NET_AGAIN,
    FUT_NET_BACKWARD_DATA,
    FUT_NET_BACKWARD_PARAMS,
    FUT_NET_PASSES
} fut_net_pass;

/* Told before and after each pass of each layer is enqueued, to measure it. Calls are made by the net's caller's thread. */
typedef struct fut_net_probe {
    void (*begin)(void *context);
    void (*end)(void *context, int layer, fut_net_pass pass);
    void *context;
} fut_net_probe;
/* probe: borrowed until the net is gone or told of another; NULL: none. */
void fut_net_set_probe(fut_net *net, const fut_net_probe *probe);

/* The kernels that compute layer i in training on n images, a plan for which exists; "" where the backend has no choice. Borrowed. */
fut_status fut_net_layer_impl(fut_net *net, int i, int64_t n, const char **impl_out) FUT_MUST_CHECK;

int fut_net_layer_count(const fut_net *net);
void fut_net_layer_get(const fut_net *net, int i, fut_net_layer *layer_out);

/* The memory that n images would take, from a plan made for the question. No activations are allocated.
 * slot: kept from forward to backward, 0 without training; shared: everything else that activations take; held: beside both. Errors: those
 * of a plan. */
fut_status fut_net_measure(const fut_net *net, int64_t n, bool training, fut_net_memory *memory_out) FUT_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
