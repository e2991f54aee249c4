/* The double's declarations of the CUDA runtime against the real ones: compiled with NVIDIA's cuda_runtime_api.h first in the include path,
 * never linked. */
#include <cuda_runtime_api.h>
#include <stddef.h>

#ifdef GPU_DOUBLE_CUDA_RUNTIME_API_H
#error "this file must see the real cuda_runtime_api.h, not the double's"
#endif

_Static_assert(CUDART_VERSION / 1000 == 13, "the double is written from CUDA 13");
_Static_assert(sizeof(cudaError_t) == sizeof(int), "cudaError_t");
_Static_assert(sizeof(((struct cudaDeviceProp *)0)->name) == 256, "cudaDeviceProp.name");
_Static_assert(sizeof(((struct cudaDeviceProp *)0)->uuid) == 16, "cudaDeviceProp.uuid");
_Static_assert(sizeof(((cudaUUID_t *)0)->bytes) == 16, "cudaUUID_t.bytes");
/* Members of cudaDeviceProp that the double has, with their types. */
#define SAME_MEMBER(type, member) _Static_assert(_Generic(((struct cudaDeviceProp *)0)->member, type : 1), #member);
SAME_MEMBER(size_t, totalGlobalMem)
SAME_MEMBER(size_t, sharedMemPerBlock)
SAME_MEMBER(int, warpSize)
SAME_MEMBER(int, maxThreadsPerBlock)
SAME_MEMBER(int, major)
SAME_MEMBER(int, minor)
SAME_MEMBER(int, multiProcessorCount)
SAME_MEMBER(int, l2CacheSize)
SAME_MEMBER(int, memoryBusWidth)
SAME_MEMBER(int, pciBusID)
SAME_MEMBER(int, pciDeviceID)
SAME_MEMBER(int, pciDomainID)

#define GPU_DOUBLE_ENUM(tag) _Static_assert(sizeof(enum tag) == sizeof(int), #tag);
#define GPU_DOUBLE_VALUE(name, value) _Static_assert((name) == (value), #name);
#define GPU_DOUBLE_ERROR(name, value, text) _Static_assert((name) == (value), #name);
#define GPU_DOUBLE_ENUM_END(tag)
#define GPU_DOUBLE_CONSTANT(name, value) _Static_assert((name) == (value), #name);
#define GPU_DOUBLE_FUNCTION(result, name, parameters) result name parameters;
#include "include/cuda_runtime.def"
