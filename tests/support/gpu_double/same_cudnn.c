/* The double's cuDNN declarations against the real ones: compiled with NVIDIA's cudnn.h (9.x) first in the include path, never linked.
 * Every constant of cudnn.def must have the real value; a prototype that differs is a redeclaration error. */
#include <cudnn.h>

#ifdef GPU_DOUBLE_CUDNN_H
#error "this file must see the real cudnn.h, not the double's"
#endif

_Static_assert(CUDNN_MAJOR == 9, "the double is written from cuDNN 9");
_Static_assert(_Generic((cudnnBackendDescriptor_t)0, void * : 1, default : 0), "cudnnBackendDescriptor_t");

#define GPU_DOUBLE_ENUM(type) _Static_assert(sizeof(type) == sizeof(int), #type);
#define GPU_DOUBLE_VALUE(name, value) _Static_assert((name) == (value), #name);
#define GPU_DOUBLE_ENUM_END(type)
#define GPU_DOUBLE_FUNCTION(result, name, parameters) result name parameters;
#include "include/cudnn.def"
