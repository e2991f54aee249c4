/* A witness: with GPU_DOUBLE_CUDNN_REAL=<libcudnn.so.9> every descriptor that comes before an engine is also made in NVIDIA's own cuDNN,
 * which needs no GPU for that. What the double accepts and cuDNN refuses is a misuse: either the caller or the double has read the
 * documentation wrong. */
#include "cudnn_double.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

/* The real library's functions, by the types of the double's declarations. */
static struct {
    bool loaded;
    __typeof__(&cudnnBackendCreateDescriptor) create;
    __typeof__(&cudnnBackendDestroyDescriptor) destroy;
    __typeof__(&cudnnBackendSetAttribute) set;
    __typeof__(&cudnnBackendFinalize) finalize;
    __typeof__(&cudnnGetLastErrorString) last_error;
} real;

static void load_function(void *library, const char *name, void *function)
{
    *(void **)function = dlsym(library, name);
    if (*(void **)function) return;
    fprintf(stderr, "gpu double: GPU_DOUBLE_CUDNN_REAL: %s\n", dlerror());
    abort();
}

/* In a name space of its own: its symbols are the double's too. */
static void load(void)
{
    const char *path = getenv("GPU_DOUBLE_CUDNN_REAL");
    if (!path || !*path) return;
    void *library = dlmopen(LM_ID_NEWLM, path, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        fprintf(stderr, "gpu double: GPU_DOUBLE_CUDNN_REAL: %s\n", dlerror());
        abort();
    }
    load_function(library, "cudnnBackendCreateDescriptor", &real.create);
    load_function(library, "cudnnBackendDestroyDescriptor", &real.destroy);
    load_function(library, "cudnnBackendSetAttribute", &real.set);
    load_function(library, "cudnnBackendFinalize", &real.finalize);
    load_function(library, "cudnnGetLastErrorString", &real.last_error);
    real.loaded = true;
}

static cudnnStatus_t judge(const char *what, int attribute, cudnnStatus_t status)
{
    char text[256] = "";
    if (status == CUDNN_STATUS_SUCCESS) return status;
    real.last_error(text, sizeof(text));
    return cudnn_misuse(status, "cuDNN itself refuses to %s (attribute %d): %s", what, attribute, text);
}

static bool needs_device(cudnnBackendDescriptorType_t type)
{
    return type == CUDNN_BACKEND_ENGINE_DESCRIPTOR || type == CUDNN_BACKEND_ENGINECFG_DESCRIPTOR ||
           type == CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR || type == CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR ||
           type == CUDNN_BACKEND_KNOB_INFO_DESCRIPTOR;
}

cudnnStatus_t cudnn_real_create(cudnn_descriptor *d)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, load);
    if (!real.loaded || needs_device(d->type)) return CUDNN_STATUS_SUCCESS;
    return judge("create a descriptor", 0, real.create(d->type, &d->real));
}

void cudnn_real_destroy(cudnn_descriptor *d)
{
    if (d->real) real.destroy(d->real);
}

/* The handle is the double's: cuDNN 9 makes graphs without one. */
cudnnStatus_t cudnn_real_set(cudnn_descriptor *d, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, int64_t count,
                             const void *elements)
{
    cudnnBackendDescriptor_t children[CUDNN_DOUBLE_MAX_TENSORS];
    if (!d->real || type == CUDNN_TYPE_HANDLE) return CUDNN_STATUS_SUCCESS;
    if (type == CUDNN_TYPE_BACKEND_DESCRIPTOR) {
        for (int64_t i = 0; i < count; i++)
            children[i] = cudnn_find_descriptor(((const cudnnBackendDescriptor_t *)elements)[i])->real;
        elements = children;
    }
    return judge("set an attribute", (int)name, real.set(d->real, name, type, count, elements));
}

cudnnStatus_t cudnn_real_finalize(cudnn_descriptor *d)
{
    return d->real ? judge("finalize a descriptor", 0, real.finalize(d->real)) : CUDNN_STATUS_SUCCESS;
}
