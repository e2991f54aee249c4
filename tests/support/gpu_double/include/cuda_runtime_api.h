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

/* Rows: name, number, what cudaGetErrorString says. */
#define GPU_DOUBLE_CUDA_ERRORS(X)                                                                                                                    \
    X(cudaSuccess, 0, "no error")                                                                                                                    \
    X(cudaErrorInvalidValue, 1, "invalid argument")                                                                                                  \
    X(cudaErrorMemoryAllocation, 2, "out of memory")                                                                                                 \
    X(cudaErrorInitializationError, 3, "initialization error")                                                                                       \
    X(cudaErrorInvalidConfiguration, 9, "invalid configuration argument")                                                                            \
    X(cudaErrorInvalidDevicePointer, 17, "invalid device pointer")                                                                                   \
    X(cudaErrorInvalidMemcpyDirection, 21, "invalid copy direction for memcpy")                                                                      \
    X(cudaErrorStubLibrary, 34, "CUDA driver is a stub library")                                                                                     \
    X(cudaErrorInsufficientDriver, 35, "CUDA driver version is insufficient for CUDA runtime version")                                               \
    X(cudaErrorDevicesUnavailable, 46, "CUDA-capable device(s) is/are busy or unavailable")                                                          \
    X(cudaErrorInvalidDeviceFunction, 98, "invalid device function")                                                                                 \
    X(cudaErrorNoDevice, 100, "no CUDA-capable device is detected")                                                                                  \
    X(cudaErrorInvalidDevice, 101, "invalid device ordinal")                                                                                         \
    X(cudaErrorNoKernelImageForDevice, 209, "no kernel image is available for execution on the device")                                              \
    X(cudaErrorECCUncorrectable, 214, "uncorrectable ECC error encountered")                                                                         \
    X(cudaErrorNvlinkUncorrectable, 220, "uncorrectable NVLink error detected during the execution")                                                 \
    X(cudaErrorUnsupportedPtxVersion, 222, "the provided PTX was compiled with an unsupported toolchain.")                                           \
    X(cudaErrorInvalidResourceHandle, 400, "invalid resource handle")                                                                                \
    X(cudaErrorIllegalState, 401, "the operation cannot be performed in the present state")                                                          \
    X(cudaErrorNotReady, 600, "device not ready")                                                                                                    \
    X(cudaErrorIllegalAddress, 700, "an illegal memory access was encountered")                                                                      \
    X(cudaErrorLaunchOutOfResources, 701, "too many resources requested for launch")                                                                 \
    X(cudaErrorLaunchTimeout, 702, "the launch timed out and was terminated")                                                                        \
    X(cudaErrorAssert, 710, "device-side assert triggered")                                                                                          \
    X(cudaErrorHardwareStackError, 714, "hardware stack error")                                                                                      \
    X(cudaErrorIllegalInstruction, 715, "an illegal instruction was encountered")                                                                    \
    X(cudaErrorMisalignedAddress, 716, "misaligned address")                                                                                         \
    X(cudaErrorLaunchFailure, 719, "unspecified launch failure")                                                                                     \
    X(cudaErrorNotPermitted, 800, "operation not permitted")                                                                                         \
    X(cudaErrorNotSupported, 801, "operation not supported")                                                                                         \
    X(cudaErrorSystemNotReady, 802, "system not yet initialized")                                                                                    \
    X(cudaErrorSystemDriverMismatch, 803, "system has unsupported display driver / cuda driver combination")                                         \
    X(cudaErrorStreamCaptureUnsupported, 900, "operation not permitted when stream is capturing")                                                    \
    X(cudaErrorStreamCaptureInvalidated, 901, "operation failed due to a previous error during capture")                                             \
    X(cudaErrorStreamCaptureMerge, 902, "operation would result in a merge of separate capture sequences")                                           \
    X(cudaErrorStreamCaptureUnmatched, 903, "capture was not ended in the same stream as it began")                                                  \
    X(cudaErrorStreamCaptureUnjoined, 904, "capturing stream has unjoined work")                                                                     \
    X(cudaErrorStreamCaptureIsolation, 905, "dependency created on uncaptured work in another stream")                                               \
    X(cudaErrorStreamCaptureImplicit, 906, "operation would make the legacy stream depend on a capturing blocking stream")                           \
    X(cudaErrorCapturedEvent, 907, "operation not permitted on an event last recorded in a capturing stream")                                        \
    X(cudaErrorStreamCaptureWrongThread, 908, "attempt to terminate a thread-local capture sequence from another thread")                            \
    X(cudaErrorUnknown, 999, "unknown error")

typedef enum cudaError {
#define X(name, number, text) name = number,
    GPU_DOUBLE_CUDA_ERRORS(X)
#undef X
} cudaError_t;

enum cudaMemcpyKind {
    cudaMemcpyHostToHost = 0,
    cudaMemcpyHostToDevice = 1,
    cudaMemcpyDeviceToHost = 2,
    cudaMemcpyDeviceToDevice = 3,
    cudaMemcpyDefault = 4
};

enum cudaStreamCaptureMode { cudaStreamCaptureModeGlobal = 0, cudaStreamCaptureModeThreadLocal = 1, cudaStreamCaptureModeRelaxed = 2 };
enum cudaStreamCaptureStatus { cudaStreamCaptureStatusNone = 0, cudaStreamCaptureStatusActive = 1, cudaStreamCaptureStatusInvalidated = 2 };

#define cudaStreamDefault 0x00
#define cudaStreamNonBlocking 0x01
#define cudaEventDefault 0x00
#define cudaEventBlockingSync 0x01
#define cudaEventDisableTiming 0x02
#define cudaEventRecordDefault 0x00
#define cudaEventRecordExternal 0x01
#define cudaEventWaitDefault 0x00
#define cudaEventWaitExternal 0x01

enum cudaDeviceAttr {
    cudaDevAttrMaxThreadsPerBlock = 1,
    cudaDevAttrMaxSharedMemoryPerBlock = 8,
    cudaDevAttrWarpSize = 10,
    cudaDevAttrClockRate = 13,
    cudaDevAttrMultiProcessorCount = 16,
    cudaDevAttrConcurrentKernels = 31,
    cudaDevAttrEccEnabled = 32,
    cudaDevAttrPciBusId = 33,
    cudaDevAttrPciDeviceId = 34,
    cudaDevAttrMemoryClockRate = 36,
    cudaDevAttrGlobalMemoryBusWidth = 37,
    cudaDevAttrL2CacheSize = 38,
    cudaDevAttrMaxThreadsPerMultiProcessor = 39,
    cudaDevAttrAsyncEngineCount = 40,
    cudaDevAttrPciDomainId = 50,
    cudaDevAttrComputeCapabilityMajor = 75,
    cudaDevAttrComputeCapabilityMinor = 76,
    cudaDevAttrMaxSharedMemoryPerBlockOptin = 97
};

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
    constexpr dim3(unsigned int vx = 1, unsigned int vy = 1, unsigned int vz = 1) : x(vx), y(vy), z(vz) {}
#endif
} dim3;

cudaError_t cudaGetDeviceCount(int *count);
cudaError_t cudaSetDevice(int device);
cudaError_t cudaGetDevice(int *device);
cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *prop, int device);
cudaError_t cudaDeviceGetAttribute(int *value, enum cudaDeviceAttr attr, int device);
cudaError_t cudaDeviceGetPCIBusId(char *pciBusId, int len, int device);
cudaError_t cudaDeviceCanAccessPeer(int *canAccessPeer, int device, int peerDevice);
cudaError_t cudaDriverGetVersion(int *driverVersion);
cudaError_t cudaRuntimeGetVersion(int *runtimeVersion);

cudaError_t cudaMalloc(void **devPtr, size_t size);
cudaError_t cudaFree(void *devPtr);
cudaError_t cudaMallocHost(void **ptr, size_t size);
cudaError_t cudaFreeHost(void *ptr);
cudaError_t cudaMemGetInfo(size_t *free, size_t *total);
cudaError_t cudaMemcpyAsync(void *dst, const void *src, size_t count, enum cudaMemcpyKind kind, cudaStream_t stream);
cudaError_t cudaMemsetAsync(void *devPtr, int value, size_t count, cudaStream_t stream);

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *pStream, unsigned int flags);
cudaError_t cudaStreamCreateWithPriority(cudaStream_t *pStream, unsigned int flags, int priority);
cudaError_t cudaDeviceGetStreamPriorityRange(int *leastPriority, int *greatestPriority);
cudaError_t cudaStreamDestroy(cudaStream_t stream);
cudaError_t cudaStreamSynchronize(cudaStream_t stream);
cudaError_t cudaStreamQuery(cudaStream_t stream);
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned int flags);

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned int flags);
cudaError_t cudaEventDestroy(cudaEvent_t event);
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream);
cudaError_t cudaEventRecordWithFlags(cudaEvent_t event, cudaStream_t stream, unsigned int flags);
cudaError_t cudaEventQuery(cudaEvent_t event);
cudaError_t cudaEventSynchronize(cudaEvent_t event);
cudaError_t cudaEventElapsedTime(float *ms, cudaEvent_t start, cudaEvent_t end);

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, enum cudaStreamCaptureMode mode);
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *pGraph);
cudaError_t cudaStreamIsCapturing(cudaStream_t stream, enum cudaStreamCaptureStatus *pCaptureStatus);
cudaError_t cudaGraphInstantiate(cudaGraphExec_t *pGraphExec, cudaGraph_t graph, unsigned long long flags);
cudaError_t cudaGraphLaunch(cudaGraphExec_t graphExec, cudaStream_t stream);
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t graphExec);
cudaError_t cudaGraphDestroy(cudaGraph_t graph);

cudaError_t cudaGetLastError(void);
cudaError_t cudaPeekAtLastError(void);
const char *cudaGetErrorName(cudaError_t error);
const char *cudaGetErrorString(cudaError_t error);

#ifdef __cplusplus
}
#endif

#endif
