#include "cublaslt_double.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const kind_names[CUBLASLT_KINDS] = {"handle", "matrix layout", "matmul descriptor", "matmul preference"};

/* ---- statuses ---- */

/* Rows: name, what cuBLAS says. */
#define STATUSES(X)                                                                                                                        \
    X(CUBLAS_STATUS_SUCCESS, "success")                                                                                                    \
    X(CUBLAS_STATUS_NOT_INITIALIZED, "the library was not initialized")                                                                    \
    X(CUBLAS_STATUS_ALLOC_FAILED, "the resource allocation failed")                                                                        \
    X(CUBLAS_STATUS_INVALID_VALUE, "an unsupported value or parameter was passed to the function")                                         \
    X(CUBLAS_STATUS_ARCH_MISMATCH, "the function requires an architectural feature absent from the device")                                \
    X(CUBLAS_STATUS_MAPPING_ERROR, "an access to GPU memory space failed")                                                                 \
    X(CUBLAS_STATUS_EXECUTION_FAILED, "the function failed to launch on the GPU")                                                          \
    X(CUBLAS_STATUS_INTERNAL_ERROR, "an internal operation failed")                                                                        \
    X(CUBLAS_STATUS_NOT_SUPPORTED, "the requested functionality is not supported")                                                         \
    X(CUBLAS_STATUS_LICENSE_ERROR, "the license check failed")

const char *cublasLtGetStatusName(cublasStatus_t status)
{
    switch (status) {
#define X(name, text)                                                                                                                      \
    case name:                                                                                                                             \
        return #name;
        STATUSES(X)
#undef X
    default:
        return "unrecognized status";
    }
}

const char *cublasLtGetStatusString(cublasStatus_t status)
{
    switch (status) {
#define X(name, text)                                                                                                                      \
    case name:                                                                                                                             \
        return text;
        STATUSES(X)
#undef X
    default:
        return "unrecognized status";
    }
}

cublasStatus_t cublaslt_misuse(cublasStatus_t status, const char *format, ...)
{
    char text[512];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof(text), format, list);
    va_end(list);
    gpu_double_misuse("cuBLASLt: %s (%s)", text, cublasLtGetStatusName(status));
    return status;
}

size_t cublasLtGetVersion(void)
{
    return CUBLAS_VERSION;
}

size_t cublasLtGetCudartVersion(void)
{
    return CUDART_VERSION;
}

/* ---- live objects ---- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static cublaslt_object *objects;

cublaslt_object *cublaslt_find(const void *address, cublaslt_kind kind)
{
    pthread_mutex_lock(&lock);
    cublaslt_object *o = objects;
    while (o && o != address)
        o = o->next;
    pthread_mutex_unlock(&lock);
    return o && o->kind == kind ? o : NULL;
}

static cublasStatus_t create(const cublaslt_object *start, void **out)
{
    if (!out) return cublaslt_misuse(CUBLAS_STATUS_INVALID_VALUE, "where to put the new %s is NULL", kind_names[start->kind]);
    cublaslt_object *o = malloc(sizeof(*o));
    if (!o) return CUBLAS_STATUS_ALLOC_FAILED;
    *o = *start;
    pthread_mutex_lock(&lock);
    o->next = objects;
    objects = o;
    pthread_mutex_unlock(&lock);
    *out = o;
    return CUBLAS_STATUS_SUCCESS;
}

/* An injected failure is reported after the object is gone: the caller could do nothing about it. */
static cublasStatus_t destroy(const char *entry, void *address, cublaslt_kind kind)
{
    int status = CUBLAS_STATUS_SUCCESS;
    gpu_double_enter(entry, &status);
    if (!address && kind != CUBLASLT_HANDLE) return (cublasStatus_t)status;
    cublaslt_object *o = cublaslt_find(address, kind);
    if (!o) return cublaslt_misuse(CUBLAS_STATUS_INVALID_VALUE, "%p is no %s, or was destroyed", address, kind_names[kind]);
    pthread_mutex_lock(&lock);
    cublaslt_object **at = &objects;
    while (*at != o)
        at = &(*at)->next;
    *at = o->next;
    pthread_mutex_unlock(&lock);
    free(o);
    return (cublasStatus_t)status;
}

int cublaslt_double_leaks(void)
{
    int live = 0;
    pthread_mutex_lock(&lock);
    for (const cublaslt_object *o = objects; o; o = o->next)
        live++;
    pthread_mutex_unlock(&lock);
    return live;
}

/* After the runtime's own report, which runs among the exit handlers. */
__attribute__((destructor)) static void report_leaks(void)
{
    const char *level = getenv("GPU_DOUBLE_LEAKS");
    const int live = cublaslt_double_leaks();
    if ((level && atoi(level) == 0) || live == 0) return;
    fprintf(stderr, "gpu double: never destroyed: %d cuBLASLt objects, one is a %s\n", live, kind_names[objects->kind]);
    if (level && atoi(level) >= 2) _exit(99);
}

/* ---- handles ---- */

cublasStatus_t cublasLtCreate(cublasLtHandle_t *handle)
{
    int status;
    if (gpu_double_enter("cublasLtCreate", &status)) return (cublasStatus_t)status;
    int count = 0;
    cublaslt_object start = {.kind = CUBLASLT_HANDLE};
    if (handle && (cudaGetDeviceCount(&count) != cudaSuccess || cudaGetDevice(&start.is.device) != cudaSuccess))
        return CUBLAS_STATUS_NOT_INITIALIZED;
    return create(&start, (void **)handle);
}

cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle)
{
    return destroy("cublasLtDestroy", handle, CUBLASLT_HANDLE);
}

/* ---- attributes ---- */

typedef struct attribute {
    int name;
    size_t at, size; /* in the object */
} attribute;

#define FIELD(name, member)                                                                                                                \
    {                                                                                                                                      \
        name, offsetof(cublaslt_object, is.member), sizeof(((cublaslt_object *)0)->is.member)                                              \
    }

static const attribute layout_attributes[] = {
    FIELD(CUBLASLT_MATRIX_LAYOUT_TYPE, layout.type),
    FIELD(CUBLASLT_MATRIX_LAYOUT_ORDER, layout.order),
    FIELD(CUBLASLT_MATRIX_LAYOUT_ROWS, layout.rows),
    FIELD(CUBLASLT_MATRIX_LAYOUT_COLS, layout.cols),
    FIELD(CUBLASLT_MATRIX_LAYOUT_LD, layout.ld),
    FIELD(CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, layout.batch),
    FIELD(CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, layout.batch_offset),
};

static const attribute desc_attributes[] = {
    FIELD(CUBLASLT_MATMUL_DESC_COMPUTE_TYPE, desc.compute),
    FIELD(CUBLASLT_MATMUL_DESC_SCALE_TYPE, desc.scale),
    FIELD(CUBLASLT_MATMUL_DESC_POINTER_MODE, desc.pointer_mode),
    FIELD(CUBLASLT_MATMUL_DESC_TRANSA, desc.trans_a),
    FIELD(CUBLASLT_MATMUL_DESC_TRANSB, desc.trans_b),
    FIELD(CUBLASLT_MATMUL_DESC_TRANSC, desc.trans_c),
    FIELD(CUBLASLT_MATMUL_DESC_EPILOGUE, desc.epilogue),
    FIELD(CUBLASLT_MATMUL_DESC_BIAS_POINTER, desc.bias),
    FIELD(CUBLASLT_MATMUL_DESC_BIAS_BATCH_STRIDE, desc.bias_batch_stride),
    FIELD(CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, desc.bias_type),
};

static const attribute preference_attributes[] = {
    FIELD(CUBLASLT_MATMUL_PREF_SEARCH_MODE, preference.search_mode),
    FIELD(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, preference.workspace),
    FIELD(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, preference.reduction_mask),
    FIELD(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, preference.alignment[0]),
    FIELD(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, preference.alignment[1]),
    FIELD(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, preference.alignment[2]),
    FIELD(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, preference.alignment[3]),
};

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static cublasStatus_t set(const char *entry, void *address, cublaslt_kind kind, const attribute *rows, size_t count, int name,
                          const void *value, size_t size)
{
    int status;
    if (gpu_double_enter(entry, &status)) return (cublasStatus_t)status;
    cublaslt_object *o = cublaslt_find(address, kind);
    if (!o) return cublaslt_misuse(CUBLAS_STATUS_INVALID_VALUE, "%p is no %s, or was destroyed", address, kind_names[kind]);
    if (!value) return cublaslt_misuse(CUBLAS_STATUS_INVALID_VALUE, "attribute %d of a %s: the value is NULL", name, kind_names[kind]);
    for (const attribute *row = rows; row < rows + count; row++) {
        if (row->name != name) continue;
        if (size != row->size)
            return cublaslt_misuse(CUBLAS_STATUS_INVALID_VALUE, "attribute %d of a %s has %zu bytes, not %zu", name, kind_names[kind],
                                   row->size, size);
        memcpy((char *)o + row->at, value, size);
        return CUBLAS_STATUS_SUCCESS;
    }
    return cublaslt_misuse(CUBLAS_STATUS_INVALID_VALUE, "the double knows no attribute %d of a %s", name, kind_names[kind]);
}

/* ---- layouts ---- */

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t *layout, cudaDataType type, uint64_t rows, uint64_t cols, int64_t ld)
{
    int status;
    if (gpu_double_enter("cublasLtMatrixLayoutCreate", &status)) return (cublasStatus_t)status;
    const cublaslt_layout fresh = {.type = (int32_t)type, .order = CUBLASLT_ORDER_COL, .batch = 1, .rows = rows, .cols = cols, .ld = ld};
    return create(&(cublaslt_object){.kind = CUBLASLT_LAYOUT, .is.layout = fresh}, (void **)layout);
}

cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout)
{
    return destroy("cublasLtMatrixLayoutDestroy", layout, CUBLASLT_LAYOUT);
}

cublasStatus_t cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t layout, cublasLtMatrixLayoutAttribute_t name, const void *value,
                                                size_t size)
{
    return set("cublasLtMatrixLayoutSetAttribute", layout, CUBLASLT_LAYOUT, layout_attributes, COUNT(layout_attributes), (int)name, value,
               size);
}

/* ---- matmul descriptors ---- */

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t *desc, cublasComputeType_t compute, cudaDataType_t scale)
{
    int status;
    if (gpu_double_enter("cublasLtMatmulDescCreate", &status)) return (cublasStatus_t)status;
    const cublaslt_desc fresh = {
        .compute = (int32_t)compute, .scale = (int32_t)scale, .bias_type = -1, .epilogue = CUBLASLT_EPILOGUE_DEFAULT};
    return create(&(cublaslt_object){.kind = CUBLASLT_DESC, .is.desc = fresh}, (void **)desc);
}

cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t desc)
{
    return destroy("cublasLtMatmulDescDestroy", desc, CUBLASLT_DESC);
}

cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t desc, cublasLtMatmulDescAttributes_t name, const void *value,
                                              size_t size)
{
    return set("cublasLtMatmulDescSetAttribute", desc, CUBLASLT_DESC, desc_attributes, COUNT(desc_attributes), (int)name, value, size);
}

/* ---- preferences ---- */

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t *preference)
{
    int status;
    if (gpu_double_enter("cublasLtMatmulPreferenceCreate", &status)) return (cublasStatus_t)status;
    const cublaslt_preference fresh = {.reduction_mask = CUBLASLT_REDUCTION_SCHEME_MASK, .alignment = {256, 256, 256, 256}};
    return create(&(cublaslt_object){.kind = CUBLASLT_PREFERENCE, .is.preference = fresh}, (void **)preference);
}

cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference)
{
    return destroy("cublasLtMatmulPreferenceDestroy", preference, CUBLASLT_PREFERENCE);
}

cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t preference, cublasLtMatmulPreferenceAttributes_t name,
                                                    const void *value, size_t size)
{
    return set("cublasLtMatmulPreferenceSetAttribute", preference, CUBLASLT_PREFERENCE, preference_attributes, COUNT(preference_attributes),
               (int)name, value, size);
}
