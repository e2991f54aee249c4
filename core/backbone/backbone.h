/* The registry of backbones: fut_backbones (declared in core/nn/graph.h, where the net looks them up) lists the rows of backbones.def. */
#ifndef FUT_CORE_BACKBONE_BACKBONE_H
#define FUT_CORE_BACKBONE_BACKBONE_H

#include "core/nn/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

#define FUT_BACKBONE(name) extern const fut_backbone fut_backbone_##name;
#include "core/backbone/backbones.def"
#undef FUT_BACKBONE

#ifdef __cplusplus
}
#endif

#endif
