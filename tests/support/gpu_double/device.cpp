/* Devices, versions and the texts of errors. */
#include "double_impl.h"

#include <cstdio>
#include <cstring>

#include <unistd.h>

namespace gpu_double
{

namespace
{

const struct {
    cudaError_t error;
    const char *name, *text;
} errors[] = {
#define GPU_DOUBLE_ENUM(tag)
#define GPU_DOUBLE_VALUE(name, value)
#define GPU_DOUBLE_ERROR(name, value, text) {name, #name, text},
#define GPU_DOUBLE_ENUM_END(tag)
#define GPU_DOUBLE_CONSTANT(name, value)
#define GPU_DOUBLE_FUNCTION(result, name, parameters)
#include "include/cuda_runtime.def"
};

/* What every call that needs a driver and a device says without one. */
cudaError_t no_device()
{
    if (the_settings().driver / 1000 < CUDART_VERSION / 1000) return cudaErrorInsufficientDriver;
    return the_settings().visible.empty() ? cudaErrorNoDevice : cudaSuccess;
}

cudaError_t check_device(int device)
{
    const cudaError_t none = no_device();
    if (none != cudaSuccess) return none;
    return device >= 0 && static_cast<size_t>(device) < the_settings().visible.size() ? cudaSuccess : cudaErrorInvalidDevice;
}

int physical(int device)
{
    return the_settings().visible[static_cast<size_t>(device)];
}

/* The same on every process of a host, different for every GPU of every host. */
void make_uuid(int device, char uuid[16])
{
    char host[256] = "";
    gethostname(host, sizeof host - 1);
    uint64_t state = 0x6670755f646f7562u;
    for (const char *p = host; *p; p++)
        state = state * 31 + static_cast<unsigned char>(*p);
    state = next_random(state) + static_cast<uint64_t>(physical(device));
    for (int i = 0; i < 2; i++) {
        const uint64_t word = next_random(state);
        memcpy(uuid + 8 * i, &word, 8);
    }
}

} // namespace

} // namespace gpu_double

using namespace gpu_double;

cudaError_t cudaGetDeviceCount(int *count)
{
    GPU_DOUBLE_ENTER(cudaGetDeviceCount);
    *count = 0;
    const cudaError_t none = no_device();
    if (none == cudaSuccess) *count = static_cast<int>(the_settings().visible.size());
    return fail(none);
}

cudaError_t cudaSetDevice(int device)
{
    GPU_DOUBLE_ENTER(cudaSetDevice);
    const cudaError_t error = check_device(device);
    if (error == cudaSuccess) current_device = device;
    return fail(error);
}

cudaError_t cudaGetDevice(int *device)
{
    GPU_DOUBLE_ENTER(cudaGetDevice);
    *device = current_device;
    return fail(no_device());
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp *prop, int device)
{
    GPU_DOUBLE_ENTER(cudaGetDeviceProperties);
    const cudaError_t error = check_device(device);
    if (error != cudaSuccess) return fail(error);
    *prop = cudaDeviceProp{};
    const std::vector<std::string> &names = the_settings().names;
    snprintf(prop->name, sizeof prop->name, "%s",
             names.empty() ? "" : names[std::min(static_cast<size_t>(physical(device)), names.size() - 1)].c_str());
    make_uuid(device, prop->uuid.bytes);
    prop->totalGlobalMem = the_settings().memory;
    prop->sharedMemPerBlock = 48 << 10;
    prop->warpSize = 32;
    prop->maxThreadsPerBlock = 1024;
    prop->major = 9;
    prop->minor = 0;
    prop->multiProcessorCount = 132;
    prop->l2CacheSize = 50 << 20;
    prop->memoryBusWidth = 5120;
    prop->pciBusID = physical(device) + 1;
    return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int *value, cudaDeviceAttr attr, int device)
{
    GPU_DOUBLE_ENTER(cudaDeviceGetAttribute);
    const cudaError_t error = check_device(device);
    if (error != cudaSuccess) return fail(error);
    switch (attr) {
    case cudaDevAttrMaxThreadsPerBlock:
        *value = 1024;
        return cudaSuccess;
    case cudaDevAttrMaxSharedMemoryPerBlock:
        *value = 48 << 10;
        return cudaSuccess;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
        *value = 227 << 10;
        return cudaSuccess;
    case cudaDevAttrWarpSize:
        *value = 32;
        return cudaSuccess;
    case cudaDevAttrClockRate:
        *value = 1980000;
        return cudaSuccess;
    case cudaDevAttrMemoryClockRate:
        *value = 2619000;
        return cudaSuccess;
    case cudaDevAttrMultiProcessorCount:
        *value = 132;
        return cudaSuccess;
    case cudaDevAttrConcurrentKernels:
    case cudaDevAttrEccEnabled:
        *value = 1;
        return cudaSuccess;
    case cudaDevAttrPciBusId:
        *value = physical(device) + 1;
        return cudaSuccess;
    case cudaDevAttrPciDeviceId:
    case cudaDevAttrPciDomainId:
    case cudaDevAttrComputeCapabilityMinor:
        *value = 0;
        return cudaSuccess;
    case cudaDevAttrGlobalMemoryBusWidth:
        *value = 5120;
        return cudaSuccess;
    case cudaDevAttrL2CacheSize:
        *value = 50 << 20;
        return cudaSuccess;
    case cudaDevAttrMaxThreadsPerMultiProcessor:
        *value = 2048;
        return cudaSuccess;
    case cudaDevAttrAsyncEngineCount:
        *value = 3;
        return cudaSuccess;
    case cudaDevAttrComputeCapabilityMajor:
        *value = 9;
        return cudaSuccess;
    }
    report("cudaDeviceGetAttribute: the double does not know attribute %d", attr);
    return fail(cudaErrorInvalidValue);
}

cudaError_t cudaDeviceGetPCIBusId(char *pciBusId, int len, int device)
{
    GPU_DOUBLE_ENTER(cudaDeviceGetPCIBusId);
    const cudaError_t error = check_device(device);
    if (error != cudaSuccess) return fail(error);
    if (len < 13) return fail(cudaErrorInvalidValue);
    snprintf(pciBusId, static_cast<size_t>(len), "0000:%02x:00.0", static_cast<unsigned int>(physical(device) + 1));
    return cudaSuccess;
}

cudaError_t cudaDeviceCanAccessPeer(int *canAccessPeer, int device, int peerDevice)
{
    GPU_DOUBLE_ENTER(cudaDeviceCanAccessPeer);
    cudaError_t error = check_device(device);
    if (error == cudaSuccess) error = check_device(peerDevice);
    if (error == cudaSuccess) *canAccessPeer = device != peerDevice;
    return fail(error);
}

cudaError_t cudaDriverGetVersion(int *driverVersion)
{
    GPU_DOUBLE_ENTER(cudaDriverGetVersion);
    *driverVersion = the_settings().driver; /* CUDA: 0 where there is no driver, and no error */
    return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int *runtimeVersion)
{
    GPU_DOUBLE_ENTER(cudaRuntimeGetVersion);
    *runtimeVersion = CUDART_VERSION;
    return cudaSuccess;
}

cudaError_t cudaGetLastError(void)
{
    guard held(the_world().lock);
    const cudaError_t mine = take_last_error(true);
    return the_world().sticky != cudaSuccess ? the_world().sticky : mine;
}

cudaError_t cudaPeekAtLastError(void)
{
    guard held(the_world().lock);
    const cudaError_t mine = take_last_error(false);
    return the_world().sticky != cudaSuccess ? the_world().sticky : mine;
}

const char *cudaGetErrorName(cudaError_t error)
{
    for (const auto &row : errors)
        if (row.error == error) return row.name;
    return "unrecognized error code";
}

const char *cudaGetErrorString(cudaError_t error)
{
    for (const auto &row : errors)
        if (row.error == error) return row.text;
    return "unrecognized error code";
}

int gpu_double_physical_device(int device)
{
    return check_device(device) == cudaSuccess ? physical(device) : -1;
}
