/* The part of the CUDA runtime's C interface that futago calls, as the GPU double provides it: names, prototypes and constants of CUDA 13.0
 * (same_cudart.c compares them with the real header where there is one). Structs hold only the members used, under their real names. */
#ifndef GPU_DOUBLE_CUDA_RUNTIME_API_H
#define GPU_DOUBLE_CUDA_RUNTIME_API_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CUDART_VERSION 13000

typedef struct CUstream_st *cudaStream_t;
typedef struct CUevent_st *cudaEvent_t;
typedef struct CUgraph_st *cudaGraph_t;
typedef struct CUgraphExec_st *cudaGraphExec_t;

/* Enums have their tags, except that cudaError is also a type (cudaError_t). */
#define GPU_DOUBLE_ENUM(tag) enum tag {
#define GPU_DOUBLE_VALUE(name, value) name = (value),
#define GPU_DOUBLE_ERROR(name, value, text) name = (value),
#define GPU_DOUBLE_ENUM_END(tag)                                                                                                           \
    }                                                                                                                                      \
    ;
#define GPU_DOUBLE_CONSTANT(name, value)
#define GPU_DOUBLE_FUNCTION(result, name, parameters)
#include "cuda_runtime.def"
#undef GPU_DOUBLE_ENUM
#undef GPU_DOUBLE_VALUE
#undef GPU_DOUBLE_ERROR
#undef GPU_DOUBLE_ENUM_END
#undef GPU_DOUBLE_FUNCTION
typedef enum cudaError cudaError_t;

#define cudaStreamDefault 0x00
#define cudaStreamNonBlocking 0x01
#define cudaEventDefault 0x00
#define cudaEventBlockingSync 0x01
#define cudaEventDisableTiming 0x02
#define cudaEventRecordDefault 0x00
#define cudaEventRecordExternal 0x01
#define cudaEventWaitDefault 0x00
#define cudaEventWaitExternal 0x01

struct CUuuid_st {
    char bytes[16];
};
typedef struct CUuuid_st cudaUUID_t;

struct cudaDeviceProp {
    char name[256];
    cudaUUID_t uuid;
    size_t totalGlobalMem;
    size_t sharedMemPerBlock;
    int warpSize;
    int maxThreadsPerBlock;
    int major, minor;
    int multiProcessorCount;
    int l2CacheSize;
    int memoryBusWidth;
    int pciBusID, pciDeviceID, pciDomainID;
};

typedef struct dim3 {
    unsigned int x, y, z;
#ifdef __cplusplus
    constexpr dim3(unsigned int vx = 1, unsigned int vy = 1, unsigned int vz = 1) : x(vx), y(vy), z(vz)
    {
    }
#endif
} dim3;

#define GPU_DOUBLE_ENUM(tag)
#define GPU_DOUBLE_VALUE(name, value)
#define GPU_DOUBLE_ERROR(name, value, text)
#define GPU_DOUBLE_ENUM_END(tag)
#define GPU_DOUBLE_FUNCTION(result, name, parameters) result name parameters;
#include "cuda_runtime.def"
#undef GPU_DOUBLE_ENUM
#undef GPU_DOUBLE_VALUE
#undef GPU_DOUBLE_ERROR
#undef GPU_DOUBLE_ENUM_END
#undef GPU_DOUBLE_CONSTANT
#undef GPU_DOUBLE_FUNCTION

#ifdef __cplusplus
}
#endif

#endif
