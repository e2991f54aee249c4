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
    int64_t macs; /* multiply-adds of one image's forward in convolutions, linear layers and squeeze-excite's; the rest is 0 */
} fut_net_layer;

int fut_net_layer_count(const fut_net *net);
void fut_net_layer_get(const fut_net *net, int i, fut_net_layer *layer_out);

/* The memory that n images would take, from a plan made for the question. No activations are allocated.
 * slot: kept from forward to backward, 0 without training; shared: everything else that activations take. Errors: those of a plan. */
fut_status fut_net_measure(const fut_net *net, int64_t n, bool training, fut_net_memory *memory_out) FUT_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
