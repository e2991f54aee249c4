/* The CUDA backend: which GPU, its handles, the table of functions. */
#include "core/backend/cuda/cuda_impl.h"

#include "core/base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NEEDED_MAJOR = 8 }; /* bf16, and 164 KiB of shared memory and L1 */

fut_status fut_cuda_check_dtype(const char *kernel, fut_dtype dtype, fut_dtype real)
{
    FUT_CHECK(real == FUT_F32, FUT_ERR_UNSUPPORTED, "cuda backend, %s: parameters of %s; it keeps them in f32 (backend 'ref' has f64)",
              kernel, fut_dtype_name(real));
    FUT_CHECK(dtype == FUT_F32 || dtype == FUT_BF16 || dtype == FUT_F16, FUT_ERR_UNSUPPORTED,
              "cuda backend, %s: activations of %s; it has f32, bf16 and f16", kernel, fut_dtype_name(dtype));
    return FUT_OK;
}

fut_status fut_cuda_check_shape(const char *kernel, fut_shape4 shape)
{
    FUT_CHECK(shape.n > 0 && shape.c > 0 && shape.h > 0 && shape.w > 0, FUT_ERR_SHAPE, "%s: sizes must be positive", kernel);
    return FUT_OK;
}

void fut_cuda_op_free(fut_op *op)
{
    fut_mem_free(op);
}

fut_status fut_cuda_cudnn_on(fut_backend *bk, const fut_stream *s, cudnnHandle_t *handle_out)
{
    fut_cuda *cuda = fut_cuda_of(bk);
    FUT_CUDNN_TRY(cudnnSetStream(cuda->cudnn, fut_cuda_stream(bk, s)));
    *handle_out = cuda->cudnn;
    return FUT_OK;
}

/* ---- which GPU ---- */

/* Why there is no GPU at all, which the runtime's error code alone does not tell. */
static fut_status explain_no_device(cudaError_t error)
{
    int driver = 0, runtime = 0;
    const char *visible = getenv("CUDA_VISIBLE_DEVICES");
    (void)cudaGetLastError();
    (void)cudaDriverGetVersion(&driver);
    (void)cudaRuntimeGetVersion(&runtime);
    if (driver == 0)
        return FUT_FAIL(FUT_ERR_UNSUPPORTED,
                        "no NVIDIA driver on this machine (cudaGetDeviceCount: %s); install one that knows CUDA %d.%d, or use backend cpu",
                        cudaGetErrorString(error), runtime / 1000, runtime % 1000 / 10);
    if (driver / 1000 < runtime / 1000)
        return FUT_FAIL(FUT_ERR_UNSUPPORTED,
                        "the NVIDIA driver knows CUDA up to %d.%d and this build needs %d.%d (cudaGetDeviceCount: %s); update the driver",
                        driver / 1000, driver % 1000 / 10, runtime / 1000, runtime % 1000 / 10, cudaGetErrorString(error));
    if (error == cudaErrorNoDevice && visible)
        return FUT_FAIL(FUT_ERR_UNSUPPORTED,
                        "CUDA_VISIBLE_DEVICES is '%s', which leaves no GPU (cudaGetDeviceCount: %s); unset it or name GPUs that exist",
                        visible, cudaGetErrorString(error));
    if (error == cudaErrorNoDevice)
        return FUT_FAIL(FUT_ERR_UNSUPPORTED, "no GPU on this machine (cudaGetDeviceCount: %s)", cudaGetErrorString(error));
    return fut_cuda_status(error, "cudaGetDeviceCount", __FILE__, __LINE__);
}

static fut_status check_place(const fut_backend_options *options, int count)
{
    const char *visible = getenv("CUDA_VISIBLE_DEVICES");
    const char *told = visible ? ", of those CUDA_VISIBLE_DEVICES names" : "";
    FUT_CHECK(options->ranks_on_node <= count, FUT_ERR_CONFIG,
              "%d ranks on this node and %d GPU%s%s; each rank needs its own: start at most %d here (mpirun --map-by ppr:%d:node)",
              options->ranks_on_node, count, count == 1 ? "" : "s", told, count, count);
    FUT_CHECK(options->device >= 0 && options->device < count, FUT_ERR_CONFIG, "GPU %d asked for and there %s %d%s, counted from 0",
              options->device, count == 1 ? "is" : "are", count, told);
    return FUT_OK;
}

void fut_cuda_write_uuid(const cudaUUID_t *uuid, char *text, size_t size)
{
    size_t length = (size_t)snprintf(text, size, "GPU");
    for (int i = 0; i < 16; i++) {
        const char *dash = i == 0 || i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "";
        length += (size_t)snprintf(text + length, size - length, "%s%02x", dash, (unsigned char)uuid->bytes[i]);
    }
}

static fut_status look_at_device(fut_cuda *cuda)
{
    struct cudaDeviceProp found;
    FUT_CUDA_TRY(cudaGetDeviceProperties(&found, cuda->device));
    cuda->major = found.major;
    cuda->minor = found.minor;
    cuda->multiprocessors = found.multiProcessorCount;
    (void)snprintf(cuda->name, sizeof cuda->name, "%s", found.name);
    FUT_CHECK(found.major >= NEEDED_MAJOR, FUT_ERR_UNSUPPORTED,
              "GPU %d is a %s of compute capability %d.%d; the cuda backend needs %d.0 (A100, RTX 30) or newer", cuda->device, found.name,
              found.major, found.minor, NEEDED_MAJOR);
    fut_cuda_write_uuid(&found.uuid, cuda->uuid, sizeof cuda->uuid);
    return FUT_OK;
}

static void write_texts(fut_cuda *cuda)
{
    int cudnn = cuda->cudnn_version;
    (void)snprintf(cuda->device_text, sizeof cuda->device_text, "%s (GPU %d, sm_%d%d)", cuda->name, cuda->device, cuda->major, cuda->minor);
    (void)snprintf(cuda->library_text, sizeof cuda->library_text,
                   "CUDA %d.%d, driver %d.%d, cuDNN %d.%d.%d, cuBLASLt %zu, sm_%d%d with %d multiprocessors%s", cuda->cuda_version / 1000,
                   cuda->cuda_version % 1000 / 10, cuda->driver_version / 1000, cuda->driver_version % 1000 / 10, cudnn / 10000,
                   cudnn % 10000 / 100, cudnn % 100, cublasLtGetVersion(), cuda->major, cuda->minor, cuda->multiprocessors,
                   cuda->tf32 ? ", TF32" : "");
}

static void cuda_info(fut_backend *bk, fut_backend_info *info_out)
{
    const fut_cuda *cuda = fut_cuda_of(bk);
    size_t free_bytes = 0, total = 0;
    (void)cudaMemGetInfo(&free_bytes, &total);
    *info_out = (fut_backend_info){
        .device = cuda->device_text,
        .library = cuda->library_text,
        .threads = 1,
        .deterministic = cuda->deterministic,
        .asynchronous = true,
        .bytes_free = free_bytes,
        .bytes_total = total,
        .model = cuda->name,
        .uuid = cuda->uuid,
    };
}

/* ---- life ---- */

static void cuda_destroy(fut_backend *bk)
{
    fut_cuda *cuda = fut_cuda_of(bk);
    fut_cuda_tuning_destroy(cuda);
    fut_cuda_stream_fini(&cuda->main);
    fut_cuda_matmuls_destroy(&cuda->matmuls);
    if (cuda->blas) (void)cublasLtDestroy(cuda->blas);
    if (cuda->cudnn) (void)cudnnDestroy(cuda->cudnn);
    fut_mem_free(cuda->cache_folder);
    fut_mem_free(cuda);
}

static const fut_backend cuda_backend = {
    .name = "cuda",
    .alloc = fut_cuda_alloc,
    .free = fut_cuda_free,
    .alloc_host = fut_cuda_alloc_host,
    .free_host = fut_cuda_free_host,
    .upload = fut_cuda_upload,
    .download = fut_cuda_download,
    .copy = fut_cuda_copy,
    .fill_zero = fut_cuda_fill_zero,
    .act_bytes = fut_cuda_act_bytes,
    .stream_create = fut_cuda_stream_create,
    .stream_destroy = fut_cuda_stream_destroy,
    .stream_native = fut_cuda_stream_native,
    .event_create = fut_cuda_event_create,
    .event_destroy = fut_cuda_event_destroy,
    .event_record = fut_cuda_event_record,
    .event_wait = fut_cuda_event_wait,
    .event_done = fut_cuda_event_done,
    .event_seconds = fut_cuda_event_seconds,
    .sync = fut_cuda_sync,
    .record_begin = fut_cuda_record_begin,
    .record_end = fut_cuda_record_end,
    .replay = fut_cuda_replay,
    .recording_destroy = fut_cuda_recording_destroy,
    .tuning_get = fut_cuda_tuning_get,
    .tuning_set = fut_cuda_tuning_set,
    .info = cuda_info,
    .destroy = cuda_destroy,
#define FUT_KERNEL(kernel, args) .kernel = fut_cuda_##kernel,
#include "core/backend/kernels.def"
#undef FUT_KERNEL
};

static fut_status copy_text(const char *text, char **copy_out)
{
    if (!text) return FUT_OK;
    size_t size = strlen(text) + 1;
    FUT_TRY(FUT_NEW_ARRAY(size, copy_out));
    memcpy(*copy_out, text, size);
    return FUT_OK;
}

fut_status fut_cuda_module_create(const fut_backend_options *options, fut_backend **bk_out)
{
    fut_status st = FUT_OK;
    fut_cuda *cuda = NULL;
    int count = 0;
    cudaError_t error = cudaGetDeviceCount(&count);
    if (error != cudaSuccess || count == 0) return explain_no_device(error == cudaSuccess ? cudaErrorNoDevice : error);
    FUT_TRY(check_place(options, count));
    FUT_TRY(FUT_NEW(&cuda));
    cuda->backend = cuda_backend;
    cuda->device = options->device;
    cuda->tf32 = options->tf32;
    cuda->deterministic = options->deterministic;
    FUT_TRY_GOTO(copy_text(options->cache_folder, &cuda->cache_folder), out);
    FUT_TRY_GOTO(look_at_device(cuda), out);
    FUT_CUDA_TRY_GOTO(cudaSetDevice(cuda->device), out);
    FUT_CUDA_TRY_GOTO(cudaDriverGetVersion(&cuda->driver_version), out);
    FUT_CUDA_TRY_GOTO(cudaRuntimeGetVersion(&cuda->cuda_version), out);
    cuda->cudnn_version = (int)cudnnGetVersion();
    FUT_TRY_GOTO(fut_cuda_stream_init(&cuda->main), out);
    FUT_CUDNN_TRY_GOTO(cudnnCreate(&cuda->cudnn), out);
    FUT_CUBLAS_TRY_GOTO(cublasLtCreate(&cuda->blas), out);
    FUT_TRY_GOTO(fut_cuda_matmuls_create(&cuda->matmuls), out);
    write_texts(cuda);
    FUT_TRY_GOTO(fut_cuda_tuning_create(cuda), out);
    *bk_out = &cuda->backend;
    cuda = NULL;
out:
    if (cuda) cuda_destroy(&cuda->backend);
    return st;
}
