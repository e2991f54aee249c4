/* EfficientNets from a table of stages, as timm builds them (models/_efficientnet_builder.py, _efficientnet_blocks.py):
 *
 *   images -> conv_stem 3x3/2, bn1 -> stage 0 -> stage 1 -> ... -> conv_head 1x1, bn2 -> features
 *
 *   CONV_BN_ACT          cn   conv kxk, bn1, act
 *   DEPTHWISE_SEPARABLE  ds   conv_dw kxk, bn1, act, [se], conv_pw 1x1, bn2
 *   EDGE_RESIDUAL        er   conv_exp kxk, bn1, act, [se], conv_pwl 1x1, bn2
 *   INVERTED_RESIDUAL    ir   conv_pw 1x1, bn1, act, conv_dw kxk, bn2, act, [se], conv_pwl 1x1, bn3
 *
 * A block with stride 1 and as many outputs as inputs adds its input to its output (CONV_BN_ACT too, timm's "skip"). */
#ifndef FUT_CORE_BACKBONE_EFFICIENTNET_BUILDER_H
#define FUT_CORE_BACKBONE_EFFICIENTNET_BUILDER_H

#include "core/nn/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum fut_block_kind {
    FUT_BLOCK_CONV_BN_ACT,
    FUT_BLOCK_DEPTHWISE_SEPARABLE,
    FUT_BLOCK_EDGE_RESIDUAL,
    FUT_BLOCK_INVERTED_RESIDUAL
} fut_block_kind;

/* A row of timm's arch_def: ir_r3_k3_s2_e4_c96_se.25 */
typedef struct fut_efficientnet_stage {
    fut_block_kind kind;
    int64_t repeats, kernel, stride; /* the stride is the first block's */
    int64_t expand, out_c;
    double se_ratio; /* of the block's input channels; 0: no squeeze-excite */
} fut_efficientnet_stage;

typedef struct fut_efficientnet {
    int64_t stem_c, head_c;
    fut_act_kind act;
    double eps; /* of batch norm */
    int stage_count;
    const fut_efficientnet_stage *stages;
} fut_efficientnet;

/* Append the network to the graph; returns the features [n, head_c, h, w]. Errors: the graph's. */
fut_value fut_efficientnet_build(fut_graph *graph, fut_value images, const fut_efficientnet *net);

#ifdef __cplusplus
}
#endif

#endif
