#include "cudnn_double.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- errors ---- */

static _Thread_local char last_error[512];

static cudnnStatus_t note(cudnnStatus_t status, const char *format, va_list list)
{
    vsnprintf(last_error, sizeof(last_error), format, list);
    return status;
}

cudnnStatus_t cudnn_misuse(cudnnStatus_t status, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    note(status, format, list);
    va_end(list);
    gpu_double_misuse("cuDNN: %s (%s)", last_error, cudnnGetErrorString(status));
    return status;
}

cudnnStatus_t cudnn_refuse(cudnnStatus_t status, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    note(status, format, list);
    va_end(list);
    return status;
}

const char *cudnnGetErrorString(cudnnStatus_t status)
{
    const char *name = cudnn_name_of_cudnnStatus_t((int)status);
    return name ? name : "CUDNN_UNKNOWN_STATUS";
}

void cudnnGetLastErrorString(char *message, size_t max_size)
{
    if (!message || max_size == 0) return;
    snprintf(message, max_size, "%s", last_error);
    last_error[0] = '\0'; /* as cuDNN: asking clears it */
}

size_t cudnnGetVersion(void)
{
    return CUDNN_VERSION;
}

size_t cudnnGetCudartVersion(void)
{
    return CUDART_VERSION;
}

/* ---- handles ---- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct cudnnContext *handles;

bool cudnn_is_handle(cudnnHandle_t handle)
{
    pthread_mutex_lock(&lock);
    const struct cudnnContext *h = handles;
    while (h && h != handle)
        h = h->next;
    pthread_mutex_unlock(&lock);
    return h != NULL;
}

int cudnn_live_handles(void)
{
    int live = 0;
    pthread_mutex_lock(&lock);
    for (const struct cudnnContext *h = handles; h; h = h->next)
        live++;
    pthread_mutex_unlock(&lock);
    return live;
}

static cudnnStatus_t check_handle(cudnnHandle_t handle)
{
    if (!handle) return cudnn_misuse(CUDNN_STATUS_BAD_PARAM_NULL_POINTER, "the handle is NULL");
    if (!cudnn_is_handle(handle)) return cudnn_misuse(CUDNN_STATUS_BAD_PARAM, "%p is no handle, or was destroyed", (void *)handle);
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnCreate(cudnnHandle_t *handle)
{
    int status;
    if (gpu_double_enter("cudnnCreate", &status)) return (cudnnStatus_t)status;
    if (!handle) return cudnn_misuse(CUDNN_STATUS_BAD_PARAM, "handle is NULL");
    int count = 0, device = 0;
    if (cudaGetDeviceCount(&count) != cudaSuccess || cudaGetDevice(&device) != cudaSuccess)
        return cudnn_refuse(CUDNN_STATUS_NOT_INITIALIZED, "cudaGetDeviceCount(&count) != cudaSuccess");
    struct cudnnContext *h = calloc(1, sizeof(*h));
    if (!h) return cudnn_refuse(CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED, "out of memory");
    h->device = device;
    pthread_mutex_lock(&lock);
    h->next = handles;
    handles = h;
    pthread_mutex_unlock(&lock);
    *handle = h;
    return CUDNN_STATUS_SUCCESS;
}

/* NULL is allowed, as in cuDNN. An injected failure is reported after the handle is gone: the caller could do nothing about it. */
cudnnStatus_t cudnnDestroy(cudnnHandle_t handle)
{
    int status = CUDNN_STATUS_SUCCESS;
    gpu_double_enter("cudnnDestroy", &status);
    if (!handle) return (cudnnStatus_t)status;
    CUDNN_DOUBLE_TRY(check_handle(handle));
    pthread_mutex_lock(&lock);
    struct cudnnContext **at = &handles;
    while (*at != handle)
        at = &(*at)->next;
    *at = handle->next;
    pthread_mutex_unlock(&lock);
    free(handle);
    return (cudnnStatus_t)status;
}

cudnnStatus_t cudnnSetStream(cudnnHandle_t handle, cudaStream_t stream)
{
    int status;
    if (gpu_double_enter("cudnnSetStream", &status)) return (cudnnStatus_t)status;
    CUDNN_DOUBLE_TRY(check_handle(handle));
    if (!stream) return cudnn_misuse(CUDNN_STATUS_BAD_PARAM_STREAM_MISMATCH, "stream 0, the legacy default stream, waits for all others");
    const int device = gpu_double_stream_device(stream);
    if (device != handle->device)
        return cudnn_misuse(CUDNN_STATUS_BAD_PARAM_STREAM_MISMATCH, "the handle is of device %d, the stream of device %d", handle->device,
                            device);
    handle->stream = stream;
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnGetStream(cudnnHandle_t handle, cudaStream_t *stream)
{
    int status;
    if (gpu_double_enter("cudnnGetStream", &status)) return (cudnnStatus_t)status;
    CUDNN_DOUBLE_TRY(check_handle(handle));
    if (!stream) return cudnn_misuse(CUDNN_STATUS_BAD_PARAM_NULL_POINTER, "stream is NULL");
    *stream = handle->stream;
    return CUDNN_STATUS_SUCCESS;
}

/* ---- execution ---- */

typedef struct job {
    cudnn_operation operation;
    cudnn_arithmetic arithmetic;
    void *x, *w, *y, *workspace;
    size_t workspace_bytes;
} job;

static void run(void *arg)
{
    const job *j = arg;
    if (j->workspace_bytes) memset(gpu_double_access(j->workspace), 0xA5, j->workspace_bytes);
    cudnn_convolve(&j->operation, &j->arithmetic, gpu_double_access(j->x), gpu_double_access(j->w), gpu_double_access(j->y));
}

static cudnnStatus_t find_pointer(const cudnn_pack *pack, const cudnn_tensor *t, void **pointer)
{
    enum { UIDS = 0 }; /* row of the attribute table */
    int i = 0;
    while (i < pack->head.count[UIDS] && pack->uids[i] != t->uid)
        i++;
    if (i == pack->head.count[UIDS])
        return cudnn_misuse(CUDNN_STATUS_BAD_PARAM, "the variant pack has no pointer for tensor %" PRId64, t->uid);
    *pointer = pack->pointers[i];
    if ((uintptr_t)*pointer % (uintptr_t)t->alignment)
        return cudnn_misuse(CUDNN_STATUS_BAD_PARAM_MISALIGNED_POINTER,
                            "tensor %" PRId64 " at %p was declared with an alignment of %" PRId64 " bytes", t->uid, *pointer, t->alignment);
    return CUDNN_STATUS_SUCCESS;
}

static bool overlap(const gpu_double_range *a, const gpu_double_range *b)
{
    const char *p = a->ptr, *q = b->ptr;
    return a->bytes && b->bytes && p < q + b->bytes && q < p + a->bytes;
}

static cudnnStatus_t check_objects(cudnnHandle_t handle, const cudnn_descriptor *plan, const cudnn_descriptor *pack)
{
    if (!plan || plan->type != CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR)
        return cudnn_misuse(CUDNN_STATUS_BAD_PARAM_DESCRIPTOR_TYPE, "this is no execution plan");
    if (!pack || pack->type != CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR)
        return cudnn_misuse(CUDNN_STATUS_BAD_PARAM_DESCRIPTOR_TYPE, "this is no variant pack");
    if (!plan->is.head.finalized || !pack->is.head.finalized)
        return cudnn_misuse(CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED, "the plan or the variant pack is not finalized");
    if (plan->is.plan.handle != handle) return cudnn_misuse(CUDNN_STATUS_BAD_PARAM, "the plan was made with another handle");
    if (!handle->stream)
        return cudnn_misuse(CUDNN_STATUS_BAD_PARAM_STREAM_MISMATCH,
                            "the handle was given no stream, this would run on the legacy default stream");
    enum { UIDS = 0, TENSORS = 3 };
    if (pack->is.head.count[UIDS] != TENSORS)
        return cudnn_misuse(CUDNN_STATUS_BAD_PARAM, "the variant pack has %d tensors, the graph %d", pack->is.head.count[UIDS],
                            (int)TENSORS);
    return CUDNN_STATUS_SUCCESS;
}

static cudnnStatus_t check_workspace(const job *j)
{
    enum { WORKSPACE_ALIGNMENT = 16 };
    if (!j->workspace_bytes) return CUDNN_STATUS_SUCCESS;
    if (!j->workspace)
        return cudnn_misuse(CUDNN_STATUS_BAD_PARAM_SIZE_INSUFFICIENT, "the plan needs a workspace of %zu bytes, there is none",
                            j->workspace_bytes);
    if ((uintptr_t)j->workspace % WORKSPACE_ALIGNMENT)
        return cudnn_misuse(CUDNN_STATUS_BAD_PARAM_MISALIGNED_POINTER, "the workspace at %p is not aligned to 16 bytes", j->workspace);
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendExecute(cudnnHandle_t handle, cudnnBackendDescriptor_t executionPlan, cudnnBackendDescriptor_t variantPack)
{
    int status;
    if (gpu_double_enter("cudnnBackendExecute", &status)) return (cudnnStatus_t)status;
    CUDNN_DOUBLE_TRY(check_handle(handle));
    const cudnn_descriptor *plan = cudnn_find_descriptor(executionPlan), *pack = cudnn_find_descriptor(variantPack);
    CUDNN_DOUBLE_TRY(check_objects(handle, plan, pack));

    const cudnn_config *config = &plan->is.plan.config;
    const cudnn_operation *o = &config->engine.graph.operation;
    job j = {.operation = *o,
             .arithmetic = cudnn_arithmetic_of(config),
             .workspace = pack->is.pack.workspace,
             .workspace_bytes = (size_t)cudnn_workspace(config)};
    CUDNN_DOUBLE_TRY(find_pointer(&pack->is.pack, &o->x, &j.x));
    CUDNN_DOUBLE_TRY(find_pointer(&pack->is.pack, &o->w, &j.w));
    CUDNN_DOUBLE_TRY(find_pointer(&pack->is.pack, &o->y, &j.y));
    CUDNN_DOUBLE_TRY(check_workspace(&j));

    const gpu_double_range ranges[] = {{j.x, cudnn_tensor_bytes(&o->x), "x", cudnn_output(o) == &o->x},
                                       {j.w, cudnn_tensor_bytes(&o->w), "filter", cudnn_output(o) == &o->w},
                                       {j.y, cudnn_tensor_bytes(&o->y), "y", cudnn_output(o) == &o->y},
                                       {j.workspace, j.workspace_bytes, "workspace", true}};
    for (int a = 0; a < 4; a++)
        for (int b = 0; b < a; b++)
            if (overlap(&ranges[a], &ranges[b]) && (ranges[a].write || ranges[b].write))
                return cudnn_misuse(CUDNN_STATUS_BAD_PARAM, "%s and %s overlap", ranges[a].what, ranges[b].what);

    job *enqueued = malloc(sizeof(*enqueued));
    if (!enqueued) return cudnn_refuse(CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED, "out of memory");
    *enqueued = j;
    const cudaError_t error = gpu_double_enqueue(handle->stream, "cudnnBackendExecute", run, enqueued, free, ranges, 4);
    return error == cudaSuccess ? CUDNN_STATUS_SUCCESS
                                : cudnn_refuse(CUDNN_STATUS_EXECUTION_FAILED_CUDART, "%s", cudaGetErrorString(error));
}

/* ---- what is left ---- */

int cudnn_double_leaks(void)
{
    const char *type = "";
    return cudnn_live_handles() + cudnn_live_descriptors(&type);
}

/* After the runtime's own report, which runs among the exit handlers. */
__attribute__((destructor)) static void report_leaks(void)
{
    const char *level = getenv("GPU_DOUBLE_LEAKS"), *type = "";
    const int live_handles = cudnn_live_handles(), descriptors = cudnn_live_descriptors(&type);
    if ((level && atoi(level) == 0) || live_handles + descriptors == 0) return;
    fprintf(stderr, "gpu double: never destroyed: %d cuDNN handles, %d descriptors%s%s\n", live_handles, descriptors,
            descriptors ? ", one is a " : "", type);
    if (level && atoi(level) >= 2) _exit(99);
}
