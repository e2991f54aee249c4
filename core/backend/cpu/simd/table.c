/* The table of this instruction set. */
#include "core/backend/cpu/simd/simd.h"
#include "core/backend/cpu/simd/vec.h"

#define FUT_TEXT2(x) #x
#define FUT_TEXT(x) FUT_TEXT2(x)

const fut_simd FUT_SIMD_NAME(table) = {
    .isa = FUT_TEXT(FUT_ISA),
    .lanes = LANES,
#define FUT_SIMD(name, args) .name = FUT_SIMD_NAME(name),
#include "core/backend/cpu/simd/simd.def"
#undef FUT_SIMD
};
