/* The double's NCCL declarations against the real ones: compiled with NVIDIA's nccl.h (2.x) first in the include path, never linked. Every
 * constant of nccl.def must have the real value; a prototype that differs is a redeclaration error. */
#include <nccl.h>
#include <stddef.h>

#ifdef GPU_DOUBLE_NCCL_H
#error "this file must see the real nccl.h, not the double's"
#endif

_Static_assert(NCCL_MAJOR == 2, "the double is written from NCCL 2");
_Static_assert(NCCL_UNIQUE_ID_BYTES == 128, "unique id");
_Static_assert(sizeof(ncclUniqueId) == 128, "unique id");
_Static_assert(NCCL_CONFIG_UNDEF_INT == INT_MIN, "undefined option");
_Static_assert(offsetof(ncclConfig_t, magic) == 8 && offsetof(ncclConfig_t, blocking) == 16, "ncclConfig_t begins so in every version");
#if NCCL_VERSION_CODE >= 22800 && NCCL_VERSION_CODE < 22900
_Static_assert(sizeof(ncclConfig_t) == 80, "ncclConfig_t");
_Static_assert(offsetof(ncclConfig_t, commName) == 48 && offsetof(ncclConfig_t, nvlinkCentricSched) == 76, "ncclConfig_t");
#endif

#define GPU_DOUBLE_ENUM(type) _Static_assert(sizeof(type) == sizeof(int), #type);
#define GPU_DOUBLE_VALUE(name, value) _Static_assert((name) == (value), #name);
#define GPU_DOUBLE_ENUM_END(type)
#define GPU_DOUBLE_FUNCTION(result, name, parameters) result name parameters;
#include "include/nccl.def"
