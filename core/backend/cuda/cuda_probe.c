#include "core/backend/cuda/cuda_probe.h"

#include "core/backend/cuda/cuda_impl.h"

#include <stdio.h>

/* "cudaMemGetInfo: cudaErrorDevicesUnavailable, CUDA-capable device(s) is/are busy or unavailable", and the error is forgotten. */
static void say(char *text, const char *call, cudaError_t error)
{
    (void)snprintf(text, FUT_CUDA_PROBE_TEXT, "%s: %s, %s", call, cudaGetErrorName(error), cudaGetErrorString(error));
    (void)cudaGetLastError();
}

static void probe_gpu(int device, int count, fut_cuda_probe_gpu *gpu)
{
    struct cudaDeviceProp found;
    cudaError_t error = cudaGetDeviceProperties(&found, device);
    if (error != cudaSuccess) {
        say(gpu->trouble, "cudaGetDeviceProperties", error);
        return;
    }
    (void)snprintf(gpu->name, sizeof gpu->name, "%s", found.name);
    fut_cuda_write_uuid(&found.uuid, gpu->uuid, sizeof gpu->uuid);
    if (cudaDeviceGetPCIBusId(gpu->bus, (int)sizeof gpu->bus, device) != cudaSuccess) gpu->bus[0] = '\0';
    gpu->major = found.major;
    gpu->minor = found.minor;
    gpu->multiprocessors = found.multiProcessorCount;
    gpu->bytes_total = found.totalGlobalMem;
    for (int other = 0; other < count; other++) {
        int can = 0;
        if (other != device && cudaDeviceCanAccessPeer(&can, device, other) == cudaSuccess) gpu->reaches[other] = can != 0;
    }
    error = cudaSetDevice(device);
    if (error == cudaSuccess) error = cudaMemGetInfo(&gpu->bytes_free, &gpu->bytes_total);
    if (error != cudaSuccess) say(gpu->trouble, "cudaMemGetInfo", error);
}

void fut_cuda_module_probe(fut_cuda_probe *probe_out)
{
    int count = 0;
    *probe_out = (fut_cuda_probe){.runtime_built = CUDART_VERSION, .cudnn_built = CUDNN_VERSION};
    (void)cudaDriverGetVersion(&probe_out->driver);
    (void)cudaRuntimeGetVersion(&probe_out->runtime_found);
    probe_out->cudnn_found = (int)cudnnGetVersion();
    probe_out->cublaslt_found = (int)cublasLtGetVersion();
    cudaError_t error = cudaGetDeviceCount(&count);
    if (error != cudaSuccess) {
        say(probe_out->trouble, "cudaGetDeviceCount", error);
        return;
    }
    probe_out->gpus = count < FUT_CUDA_PROBE_GPUS ? count : FUT_CUDA_PROBE_GPUS;
    for (int i = 0; i < probe_out->gpus; i++)
        probe_gpu(i, probe_out->gpus, &probe_out->gpu[i]);
}
