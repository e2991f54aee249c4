/* Device half: memory and copies. */
#include "core/backend/cuda/cuda_impl.h"

fut_status fut_cuda_alloc(fut_backend *bk, size_t bytes, void **ptr_out)
{
    void *ptr = NULL;
    cudaError_t error = cudaMalloc(&ptr, bytes ? bytes : 1);
    if (error == cudaErrorMemoryAllocation) {
        size_t free_bytes = 0, total = 0;
        (void)cudaGetLastError();
        (void)cudaMemGetInfo(&free_bytes, &total);
        return FUT_FAIL(FUT_ERR_NO_MEMORY,
                        "cudaMalloc: %s: %zu bytes asked for, %zu of %zu are free on %s; a smaller batch or more shards need less",
                        cudaGetErrorString(error), bytes, free_bytes, total, fut_cuda_of(bk)->name);
    }
    FUT_TRY(fut_cuda_status(error, "cudaMalloc", __FILE__, __LINE__));
    *ptr_out = ptr;
    return FUT_OK;
}

/* Freeing cannot fail in a way that anyone can mend; the error that broke the device was reported by the call that met it. */
void fut_cuda_free(fut_backend *bk, void *ptr)
{
    (void)bk;
    if (ptr) (void)cudaFree(ptr);
}

fut_status fut_cuda_alloc_host(fut_backend *bk, size_t bytes, void **ptr_out)
{
    (void)bk;
    void *ptr = NULL;
    cudaError_t error = cudaMallocHost(&ptr, bytes ? bytes : 1);
    if (error == cudaErrorMemoryAllocation) {
        (void)cudaGetLastError();
        return FUT_FAIL(FUT_ERR_NO_MEMORY, "cudaMallocHost: %s: %zu bytes of pinned host memory asked for; see ulimit -l and free -m",
                        cudaGetErrorString(error), bytes);
    }
    FUT_TRY(fut_cuda_status(error, "cudaMallocHost", __FILE__, __LINE__));
    *ptr_out = ptr;
    return FUT_OK;
}

void fut_cuda_free_host(fut_backend *bk, void *ptr)
{
    (void)bk;
    if (ptr) (void)cudaFreeHost(ptr);
}

fut_status fut_cuda_upload(fut_backend *bk, void *device, const void *host, size_t bytes, fut_stream *s)
{
    if (bytes == 0) return FUT_OK;
    return FUT_CUDA(cudaMemcpyAsync(device, host, bytes, cudaMemcpyHostToDevice, fut_cuda_stream(bk, s)));
}

fut_status fut_cuda_download(fut_backend *bk, void *host, const void *device, size_t bytes, fut_stream *s)
{
    if (bytes == 0) return FUT_OK;
    return FUT_CUDA(cudaMemcpyAsync(host, device, bytes, cudaMemcpyDeviceToHost, fut_cuda_stream(bk, s)));
}

fut_status fut_cuda_copy(fut_backend *bk, void *dst, const void *src, size_t bytes, fut_stream *s)
{
    if (bytes == 0) return FUT_OK;
    return FUT_CUDA(cudaMemcpyAsync(dst, src, bytes, cudaMemcpyDeviceToDevice, fut_cuda_stream(bk, s)));
}

fut_status fut_cuda_fill_zero(fut_backend *bk, void *dst, size_t bytes, fut_stream *s)
{
    if (bytes == 0) return FUT_OK;
    return FUT_CUDA(cudaMemsetAsync(dst, 0, bytes, fut_cuda_stream(bk, s)));
}

size_t fut_cuda_act_bytes(fut_backend *bk, fut_shape4 shape, fut_dtype dtype)
{
    (void)bk;
    return (size_t)fut_cuda_count(shape) * fut_dtype_size(dtype);
}
