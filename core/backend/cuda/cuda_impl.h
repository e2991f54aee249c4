/* Private to core/backend/cuda: one NVIDIA GPU. CUDA's runtime, cuDNN and cuBLASLt are called from C; kernels/ has this project's own
 * kernels.
 *
 * An activation [n, c, h, w] is NHWC: dense [n, h, w, c] of its dtype, with no padding. Parameters are f32. Every call enqueues on a stream
 * and returns; after planning nothing allocates and nothing waits but sync. No sum uses atomics, so that bits repeat. */
#ifndef FUT_CORE_BACKEND_CUDA_IMPL_H
#define FUT_CORE_BACKEND_CUDA_IMPL_H

#include "core/backend/backend.h"

#include <cublasLt.h>
#include <cuda_runtime_api.h>
#include <cudnn.h>

/* Each stream has memory of its own for what one immediate kernel needs between its passes: kernels of two streams may run at once. */
enum { FUT_CUDA_SCRATCH_BYTES = 8 << 20 };
struct fut_stream {
    cudaStream_t handle;
    void *scratch; /* device, FUT_CUDA_SCRATCH_BYTES */
};

typedef struct fut_cuda_matmuls fut_cuda_matmuls; /* cuda_linear.c: matrix products planned so far */
typedef struct fut_cuda_tuning fut_cuda_tuning;   /* cuda_tuning.c: choices of convolution algorithms */

typedef struct fut_cuda {
    fut_backend backend; /* first: a fut_backend * is a fut_cuda * */
    int device;          /* CUDA's ordinal among the visible GPUs */
    int major, minor;    /* compute capability */
    int multiprocessors;
    int cuda_version, cudnn_version; /* found at run time: 13000, 91900 */
    int driver_version;              /* highest CUDA version the driver knows */
    bool tf32, deterministic;
    char *cache_folder;  /* NULL: choices of algorithms are not kept on disk */
    fut_stream main;     /* what a NULL fut_stream means */
    cudnnHandle_t cudnn; /* fut_cuda_cudnn_on sets its stream */
    cublasLtHandle_t blas;
    fut_cuda_matmuls *matmuls;
    fut_cuda_tuning *tuning;
    char name[256], uuid[48]; /* of the GPU */
    char device_text[320], library_text[160];
} fut_cuda;

static inline fut_cuda *fut_cuda_of(fut_backend *bk)
{
    return (fut_cuda *)bk;
}
static inline cudaStream_t fut_cuda_stream(fut_backend *bk, const fut_stream *s)
{
    return s ? s->handle : fut_cuda_of(bk)->main.handle;
}
static inline void *fut_cuda_scratch(fut_backend *bk, const fut_stream *s)
{
    return s ? s->scratch : fut_cuda_of(bk)->main.scratch;
}
static inline int64_t fut_cuda_count(fut_shape4 s)
{
    return s.n * s.c * s.h * s.w;
}

/* ---- errors of foreign calls ---- */

/* FUT_OK, or an error recorded at file:line with the call's name, the library's own name and text of the error, and what to do.
 * Memory: FUT_ERR_NO_MEMORY with the GPU's free bytes. A missing or old driver, or a GPU that the build has no code for:
 * FUT_ERR_UNSUPPORTED. The GPU or the way to it failed (ECC, a launch, a lost device): FUT_ERR_IO, worth another try. All else:
 * FUT_ERR_INTERNAL. */
fut_status fut_cuda_status(cudaError_t error, const char *call, const char *file, int line) FUT_MUST_CHECK;
fut_status fut_cudnn_status(cudnnStatus_t error, const char *call, const char *file, int line) FUT_MUST_CHECK;
fut_status fut_cublas_status(cublasStatus_t error, const char *call, const char *file, int line) FUT_MUST_CHECK;

#define FUT_CUDA(call) fut_cuda_status((call), #call, __FILE__, __LINE__)
#define FUT_CUDNN(call) fut_cudnn_status((call), #call, __FILE__, __LINE__)
#define FUT_CUBLAS(call) fut_cublas_status((call), #call, __FILE__, __LINE__)

#define FUT_CUDA_TRY(call) FUT_TRY(FUT_CUDA(call))
#define FUT_CUDNN_TRY(call) FUT_TRY(FUT_CUDNN(call))
#define FUT_CUBLAS_TRY(call) FUT_TRY(FUT_CUBLAS(call))
#define FUT_CUDA_TRY_GOTO(call, label) FUT_TRY_GOTO(FUT_CUDA(call), label)
#define FUT_CUDNN_TRY_GOTO(call, label) FUT_TRY_GOTO(FUT_CUDNN(call), label)
#define FUT_CUBLAS_TRY_GOTO(call, label) FUT_TRY_GOTO(FUT_CUBLAS(call), label)

/* ---- what the parts give each other ---- */

/* "GPU-xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx", as nvidia-smi has it. */
void fut_cuda_write_uuid(const cudaUUID_t *uuid, char *text, size_t size);

/* What the module exports: the backend on the GPU options->device. Errors: FUT_ERR_UNSUPPORTED (no driver, too old a driver or GPU, none
 * visible, with the runtime's own reason), FUT_ERR_CONFIG (more ranks than GPUs), FUT_ERR_NO_MEMORY. */
__attribute__((visibility("default"))) fut_status fut_cuda_module_create(const fut_backend_options *options,
                                                                         fut_backend **bk_out) FUT_MUST_CHECK;

/* The kernels of kernels.def, one function a row. */
#define FUT_KERNEL(name, args) fut_status fut_cuda_##name args FUT_MUST_CHECK;
#include "core/backend/kernels.def"
#undef FUT_KERNEL

/* Refuse activations other than f32, bf16 and f16, and reals other than f32, naming the kernel. */
fut_status fut_cuda_check_dtype(const char *kernel, fut_dtype dtype, fut_dtype real) FUT_MUST_CHECK;
/* Sizes must be positive. */
fut_status fut_cuda_check_shape(const char *kernel, fut_shape4 shape) FUT_MUST_CHECK;
/* destroy of an op that owns nothing but itself. */
void fut_cuda_op_free(fut_op *op);

/* cuDNN's handle, set to enqueue on s. */
fut_status fut_cuda_cudnn_on(fut_backend *bk, const fut_stream *s, cudnnHandle_t *handle_out) FUT_MUST_CHECK;

/* Device half, one function a member of fut_backend. */
fut_status fut_cuda_alloc(fut_backend *bk, size_t bytes, void **ptr_out) FUT_MUST_CHECK;
void fut_cuda_free(fut_backend *bk, void *ptr);
fut_status fut_cuda_alloc_host(fut_backend *bk, size_t bytes, void **ptr_out) FUT_MUST_CHECK;
void fut_cuda_free_host(fut_backend *bk, void *ptr);
fut_status fut_cuda_upload(fut_backend *bk, void *device, const void *host, size_t bytes, fut_stream *s) FUT_MUST_CHECK;
fut_status fut_cuda_download(fut_backend *bk, void *host, const void *device, size_t bytes, fut_stream *s) FUT_MUST_CHECK;
fut_status fut_cuda_copy(fut_backend *bk, void *dst, const void *src, size_t bytes, fut_stream *s) FUT_MUST_CHECK;
fut_status fut_cuda_fill_zero(fut_backend *bk, void *dst, size_t bytes, fut_stream *s) FUT_MUST_CHECK;
size_t fut_cuda_act_bytes(fut_backend *bk, fut_shape4 shape, fut_dtype dtype);

/* A stream in the caller's struct; fini is safe on {0}. */
fut_status fut_cuda_stream_init(fut_stream *s) FUT_MUST_CHECK;
void fut_cuda_stream_fini(fut_stream *s);
fut_status fut_cuda_stream_create(fut_backend *bk, fut_stream **s_out) FUT_MUST_CHECK;
void fut_cuda_stream_destroy(fut_backend *bk, fut_stream *s);
void *fut_cuda_stream_native(fut_backend *bk, fut_stream *s);
fut_status fut_cuda_event_create(fut_backend *bk, fut_event **e_out) FUT_MUST_CHECK;
void fut_cuda_event_destroy(fut_backend *bk, fut_event *e);
fut_status fut_cuda_event_record(fut_backend *bk, fut_event *e, fut_stream *s) FUT_MUST_CHECK;
fut_status fut_cuda_event_wait(fut_backend *bk, fut_stream *s, fut_event *e) FUT_MUST_CHECK;
fut_status fut_cuda_event_done(fut_backend *bk, fut_event *e, bool *done_out) FUT_MUST_CHECK;
fut_status fut_cuda_event_seconds(fut_backend *bk, fut_event *from, fut_event *to, double *seconds_out) FUT_MUST_CHECK;
fut_status fut_cuda_sync(fut_backend *bk, fut_stream *s) FUT_MUST_CHECK;

fut_status fut_cuda_record_begin(fut_backend *bk, fut_stream *s) FUT_MUST_CHECK;
fut_status fut_cuda_record_end(fut_backend *bk, fut_stream *s, fut_recording **recording_out) FUT_MUST_CHECK;
fut_status fut_cuda_replay(fut_backend *bk, fut_recording *recording, fut_stream *s) FUT_MUST_CHECK;
void fut_cuda_recording_destroy(fut_backend *bk, fut_recording *recording);

/* cuda_linear.c */
fut_status fut_cuda_matmuls_create(fut_cuda_matmuls **matmuls_out) FUT_MUST_CHECK;
void fut_cuda_matmuls_destroy(fut_cuda_matmuls **matmuls);

/* cuda_tuning.c. create sets cuda->tuning and reads cuda->cache_folder's choices for this device, if there are any; called last, with all
 * other members set. destroy is safe where there is none. */
fut_status fut_cuda_tuning_create(fut_cuda *cuda) FUT_MUST_CHECK;
void fut_cuda_tuning_destroy(fut_cuda *cuda);
fut_status fut_cuda_tuning_get(fut_backend *bk, fut_str *text) FUT_MUST_CHECK;
fut_status fut_cuda_tuning_set(fut_backend *bk, const char *text) FUT_MUST_CHECK;

#endif
