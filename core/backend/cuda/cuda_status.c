/* Errors of CUDA, cuDNN and cuBLASLt as futago's. */
#include "core/backend/cuda/cuda_impl.h"

#include <stdio.h>
#include <string.h>

/* "cudaMemcpyAsync" of "cudaMemcpyAsync(a, b, ...)". */
static int name_length(const char *call)
{
    return (int)strcspn(call, "(");
}

static fut_status status_of(cudaError_t error)
{
    switch (error) {
    case cudaSuccess:
        return FUT_OK;
    case cudaErrorMemoryAllocation:
        return FUT_ERR_NO_MEMORY;
    case cudaErrorNoDevice:
    case cudaErrorInsufficientDriver:
    case cudaErrorInitializationError:
    case cudaErrorNoKernelImageForDevice:
    case cudaErrorUnsupportedPtxVersion:
    case cudaErrorSystemDriverMismatch:
        return FUT_ERR_UNSUPPORTED;
    case cudaErrorDevicesUnavailable:
    case cudaErrorSystemNotReady:
    case cudaErrorECCUncorrectable:
    case cudaErrorNvlinkUncorrectable:
    case cudaErrorHardwareStackError:
    case cudaErrorLaunchFailure:
    case cudaErrorLaunchTimeout:
        return FUT_ERR_IO;
    default:
        return FUT_ERR_INTERNAL;
    }
}

/* What a user can do about it; starts with "; ". */
static const char *remedy_of(cudaError_t error)
{
    switch (error) {
    case cudaErrorNoKernelImageForDevice:
    case cudaErrorUnsupportedPtxVersion:
        return "; this build has no code for this GPU: build with -DCMAKE_CUDA_ARCHITECTURES=native, or update the driver";
    case cudaErrorSystemDriverMismatch:
        return "; the driver's kernel module and its library are of different versions: reboot or reinstall the driver";
    case cudaErrorSystemNotReady:
        return "; nvidia-fabricmanager is not running or not ready";
    case cudaErrorDevicesUnavailable:
        return "; another process holds the GPU exclusively (nvidia-smi shows it)";
    case cudaErrorECCUncorrectable:
    case cudaErrorNvlinkUncorrectable:
    case cudaErrorHardwareStackError:
        return "; the hardware failed: see dmesg for Xid, take the node out if it comes again";
    case cudaErrorLaunchFailure:
    case cudaErrorIllegalAddress:
        return "; an earlier kernel failed: CUDA_LAUNCH_BLOCKING=1 names the call, compute-sanitizer the line";
    default:
        return "";
    }
}

fut_status fut_cuda_status(cudaError_t error, const char *call, const char *file, int line)
{
    if (error == cudaSuccess) return FUT_OK;
    (void)cudaGetLastError(); /* or the next launch would report it again */
    fut_status st = status_of(error);
    char memory[96] = "";
    size_t free_bytes = 0, total = 0;
    if (st == FUT_ERR_NO_MEMORY && cudaMemGetInfo(&free_bytes, &total) == cudaSuccess)
        (void)snprintf(memory, sizeof memory, "; %zu MiB of the GPU's %zu MiB are free", free_bytes >> 20, total >> 20);
    return fut_trail_record(st, file, line, "%.*s: %s (%s)%s%s", name_length(call), call, cudaGetErrorString(error),
                            cudaGetErrorName(error), memory, remedy_of(error));
}

fut_status fut_cudnn_status(cudnnStatus_t error, const char *call, const char *file, int line)
{
    if (error == CUDNN_STATUS_SUCCESS) return FUT_OK;
    fut_status st = FUT_ERR_INTERNAL;
    if (error == CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED || error == CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED)
        st = FUT_ERR_NO_MEMORY;
    else if (error == CUDNN_STATUS_NOT_INITIALIZED || error == CUDNN_STATUS_SUBLIBRARY_VERSION_MISMATCH ||
             error == CUDNN_STATUS_SUBLIBRARY_LOADING_FAILED || error / 1000 == CUDNN_STATUS_NOT_SUPPORTED / 1000)
        st = FUT_ERR_UNSUPPORTED;
    else if (error / 1000 == CUDNN_STATUS_EXECUTION_FAILED / 1000)
        st = FUT_ERR_IO;
    char detail[512] = "";
    cudnnGetLastErrorString(detail, sizeof detail);
    (void)cudaGetLastError();
    return fut_trail_record(st, file, line, "%.*s: %s (%d)%s%s", name_length(call), call, cudnnGetErrorString(error), (int)error,
                            detail[0] ? ": " : "", detail);
}

fut_status fut_cublas_status(cublasStatus_t error, const char *call, const char *file, int line)
{
    if (error == CUBLAS_STATUS_SUCCESS) return FUT_OK;
    fut_status st = FUT_ERR_INTERNAL;
    if (error == CUBLAS_STATUS_ALLOC_FAILED)
        st = FUT_ERR_NO_MEMORY;
    else if (error == CUBLAS_STATUS_NOT_INITIALIZED || error == CUBLAS_STATUS_ARCH_MISMATCH || error == CUBLAS_STATUS_NOT_SUPPORTED)
        st = FUT_ERR_UNSUPPORTED;
    else if (error == CUBLAS_STATUS_EXECUTION_FAILED)
        st = FUT_ERR_IO;
    (void)cudaGetLastError();
    return fut_trail_record(st, file, line, "%.*s: %s (%s)", name_length(call), call, cublasLtGetStatusString(error),
                            cublasLtGetStatusName(error));
}
