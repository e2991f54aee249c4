#include "core/backbone/backbone.h"

const fut_backbone *const fut_backbones[] = {
#define FUT_BACKBONE(name) &fut_backbone_##name,
#include "core/backbone/backbones.def"
#undef FUT_BACKBONE
    NULL,
};
