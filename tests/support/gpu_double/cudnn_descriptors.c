#include "cudnn_double.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* ---- live descriptors ---- */

enum { BUCKETS = 1024 };
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static cudnn_descriptor *buckets[BUCKETS];

static cudnn_descriptor **bucket_of(const void *address)
{
    return &buckets[((uintptr_t)address >> 4) * 0x9E3779B97F4A7C15u >> 54];
}

cudnn_descriptor *cudnn_find_descriptor(const void *address)
{
    pthread_mutex_lock(&lock);
    cudnn_descriptor *d = *bucket_of(address);
    while (d && d != address)
        d = d->next;
    pthread_mutex_unlock(&lock);
    return d;
}

int cudnn_live_descriptors(const char **first_type)
{
    int live = 0;
    pthread_mutex_lock(&lock);
    for (int b = 0; b < BUCKETS; b++)
        for (const cudnn_descriptor *d = buckets[b]; d; d = d->next, live++)
            *first_type = cudnn_name_of_cudnnBackendDescriptorType_t((int)d->type);
    pthread_mutex_unlock(&lock);
    return live;
}

/* ---- the attributes ---- */

enum { SET = 1, GET = 2, REQUIRED = 4, BOTH = SET | GET, NEEDED = SET | GET | REQUIRED };

typedef struct attribute {
    cudnnBackendDescriptorType_t owner;
    cudnnBackendAttributeName_t name;
    cudnnBackendAttributeType_t type;
    int flags;
    int64_t most;                       /* elements, at least one */
    size_t at, size;                    /* where in `is` of the owner, and of one element there; 0: computed */
    cudnnBackendDescriptorType_t child; /* of BACKEND_DESCRIPTOR elements */
} attribute;

#define FIELD(kind, field) offsetof(cudnn_descriptor, is.kind.field), sizeof(((cudnn_descriptor *)0)->is.kind.field)
#define LIST(kind, field) offsetof(cudnn_descriptor, is.kind.field), sizeof(((cudnn_descriptor *)0)->is.kind.field[0])
#define OPERATION(owner, prefix, x_name, w_name, y_name)                                                                                   \
    {owner, prefix##_ALPHA, CUDNN_TYPE_DOUBLE, NEEDED, 1, FIELD(operation, alpha), 0},                                                     \
        {owner, prefix##_BETA, CUDNN_TYPE_DOUBLE, NEEDED, 1, FIELD(operation, beta), 0}, {owner,                                           \
                                                                                          prefix##_CONV_DESC,                              \
                                                                                          CUDNN_TYPE_BACKEND_DESCRIPTOR,                   \
                                                                                          NEEDED,                                          \
                                                                                          1,                                               \
                                                                                          FIELD(operation, convolution),                   \
                                                                                          CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR},           \
        {owner, prefix##_##x_name, CUDNN_TYPE_BACKEND_DESCRIPTOR, NEEDED, 1, FIELD(operation, x), CUDNN_BACKEND_TENSOR_DESCRIPTOR},        \
        {owner, prefix##_##w_name, CUDNN_TYPE_BACKEND_DESCRIPTOR, NEEDED, 1, FIELD(operation, w), CUDNN_BACKEND_TENSOR_DESCRIPTOR},        \
    {                                                                                                                                      \
        owner, prefix##_##y_name, CUDNN_TYPE_BACKEND_DESCRIPTOR, NEEDED, 1, FIELD(operation, y), CUDNN_BACKEND_TENSOR_DESCRIPTOR           \
    }

/* Rows of one owner are neighbours. Scalars of CUDNN_TYPE_DOUBLE may also be given and asked for as CUDNN_TYPE_FLOAT. */
static const attribute attributes[] = {
    {CUDNN_BACKEND_TENSOR_DESCRIPTOR, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, NEEDED, 1, FIELD(tensor, type), 0},
    {CUDNN_BACKEND_TENSOR_DESCRIPTOR, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, NEEDED, CUDNN_DOUBLE_MAX_DIMS, LIST(tensor, dims), 0},
    {CUDNN_BACKEND_TENSOR_DESCRIPTOR, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, NEEDED, CUDNN_DOUBLE_MAX_DIMS, LIST(tensor, strides), 0},
    {CUDNN_BACKEND_TENSOR_DESCRIPTOR, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, NEEDED, 1, FIELD(tensor, uid), 0},
    {CUDNN_BACKEND_TENSOR_DESCRIPTOR, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, NEEDED, 1, FIELD(tensor, alignment), 0},
    {CUDNN_BACKEND_TENSOR_DESCRIPTOR, CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, BOTH, 1, FIELD(tensor, is_virtual), 0},
    {CUDNN_BACKEND_TENSOR_DESCRIPTOR, CUDNN_ATTR_TENSOR_IS_BY_VALUE, CUDNN_TYPE_BOOLEAN, BOTH, 1, FIELD(tensor, is_by_value), 0},

    {CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, NEEDED, 1, FIELD(convolution, compute),
     0},
    {CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, NEEDED, 1,
     FIELD(convolution, mode), 0},
    {CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, NEEDED, 1, FIELD(convolution, spatial),
     0},
    {CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, NEEDED, CUDNN_DOUBLE_MAX_DIMS,
     LIST(convolution, pre), 0},
    {CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, NEEDED, CUDNN_DOUBLE_MAX_DIMS,
     LIST(convolution, post), 0},
    {CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, NEEDED, CUDNN_DOUBLE_MAX_DIMS,
     LIST(convolution, strides), 0},
    {CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR, CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, NEEDED, CUDNN_DOUBLE_MAX_DIMS,
     LIST(convolution, dilations), 0},

    OPERATION(CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD, X, W, Y),
    OPERATION(CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA, DX, W, DY),
    OPERATION(CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER, X, DW, DY),

    {CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR, CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, NEEDED, 1, FIELD(graph, handle), 0},
    {CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR, CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, NEEDED, 1,
     FIELD(graph, operation), CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR},
    {CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR, CUDNN_ATTR_OPERATIONGRAPH_ENGINE_GLOBAL_COUNT, CUDNN_TYPE_INT64, GET, 1, 0, 0, 0},

    {CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, CUDNN_TYPE_BACKEND_DESCRIPTOR, NEEDED, 1,
     FIELD(heuristics, graph), CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR},
    {CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, NEEDED, 1, FIELD(heuristics, mode), 0},
    {CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR, CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, GET, 0, 0, 0,
     CUDNN_BACKEND_ENGINECFG_DESCRIPTOR},

    {CUDNN_BACKEND_ENGINE_DESCRIPTOR, CUDNN_ATTR_ENGINE_OPERATION_GRAPH, CUDNN_TYPE_BACKEND_DESCRIPTOR, NEEDED, 1, FIELD(engine, graph),
     CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR},
    {CUDNN_BACKEND_ENGINE_DESCRIPTOR, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, NEEDED, 1, FIELD(engine, index), 0},
    {CUDNN_BACKEND_ENGINE_DESCRIPTOR, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE, GET, 0, 0, 0, 0},
    {CUDNN_BACKEND_ENGINE_DESCRIPTOR, CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE, CUDNN_TYPE_BEHAVIOR_NOTE, GET, 0, 0, 0, 0},
    {CUDNN_BACKEND_ENGINE_DESCRIPTOR, CUDNN_ATTR_ENGINE_KNOB_INFO, CUDNN_TYPE_BACKEND_DESCRIPTOR, GET, 0, 0, 0,
     CUDNN_BACKEND_KNOB_INFO_DESCRIPTOR},

    {CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR, CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE, CUDNN_TYPE_KNOB_TYPE, NEEDED, 1, FIELD(knob, type), 0},
    {CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR, CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE, CUDNN_TYPE_INT64, NEEDED, 1, FIELD(knob, value), 0},

    {CUDNN_BACKEND_KNOB_INFO_DESCRIPTOR, CUDNN_ATTR_KNOB_INFO_TYPE, CUDNN_TYPE_KNOB_TYPE, GET, 1, FIELD(knob, type), 0},
    {CUDNN_BACKEND_KNOB_INFO_DESCRIPTOR, CUDNN_ATTR_KNOB_INFO_MINIMUM_VALUE, CUDNN_TYPE_INT64, GET, 1, FIELD(knob, minimum), 0},
    {CUDNN_BACKEND_KNOB_INFO_DESCRIPTOR, CUDNN_ATTR_KNOB_INFO_MAXIMUM_VALUE, CUDNN_TYPE_INT64, GET, 1, FIELD(knob, maximum), 0},
    {CUDNN_BACKEND_KNOB_INFO_DESCRIPTOR, CUDNN_ATTR_KNOB_INFO_STRIDE, CUDNN_TYPE_INT64, GET, 1, FIELD(knob, stride), 0},

    {CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, NEEDED, 1, FIELD(config, engine),
     CUDNN_BACKEND_ENGINE_DESCRIPTOR},
    {CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, CUDNN_ATTR_ENGINECFG_KNOB_CHOICES, CUDNN_TYPE_BACKEND_DESCRIPTOR, BOTH, CUDNN_DOUBLE_MAX_KNOBS,
     LIST(config, knobs), CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR},
    {CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, CUDNN_ATTR_ENGINECFG_WORKSPACE_SIZE, CUDNN_TYPE_INT64, GET, 1, 0, 0, 0},

    {CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, NEEDED, 1, FIELD(plan, handle), 0},
    {CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, CUDNN_TYPE_BACKEND_DESCRIPTOR, NEEDED, 1,
     FIELD(plan, config), CUDNN_BACKEND_ENGINECFG_DESCRIPTOR},
    {CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, GET, 1, 0, 0, 0},

    {CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, NEEDED, CUDNN_DOUBLE_MAX_TENSORS,
     LIST(pack, uids), 0},
    {CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, NEEDED, CUDNN_DOUBLE_MAX_TENSORS,
     LIST(pack, pointers), 0},
    {CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, BOTH, 1, FIELD(pack, workspace), 0},
};
enum { ATTRIBUTES = sizeof(attributes) / sizeof(attributes[0]) };

static const attribute *first_row(cudnnBackendDescriptorType_t owner)
{
    const attribute *row = attributes;
    while (row < attributes + ATTRIBUTES && row->owner != owner)
        row++;
    return row < attributes + ATTRIBUTES ? row : NULL;
}

static bool is_row(const attribute *row, cudnnBackendDescriptorType_t owner)
{
    return row < attributes + ATTRIBUTES && row->owner == owner;
}

static uint8_t *count_of(cudnn_descriptor *d, const attribute *row)
{
    return &d->is.head.count[row - first_row(d->type)];
}

static const char *type_name(const cudnn_descriptor *d)
{
    return cudnn_name_of_cudnnBackendDescriptorType_t((int)d->type);
}

static const char *row_name(const attribute *row)
{
    return cudnn_name_of_cudnnBackendAttributeName_t((int)row->name);
}

/* The row of an attribute that may be used this way, with this type; NULL after a misuse. */
static const attribute *find_row(const cudnn_descriptor *d, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, int use,
                                 cudnnStatus_t *status)
{
    const char *text = cudnn_name_of_cudnnBackendAttributeName_t((int)name);
    for (const attribute *row = first_row(d->type); is_row(row, d->type); row++) {
        if (row->name != name || !(row->flags & use)) continue;
        if (row->type == type || (row->type == CUDNN_TYPE_DOUBLE && type == CUDNN_TYPE_FLOAT)) return row;
        *status = cudnn_misuse(CUDNN_STATUS_BAD_PARAM_ATTRIBUTE_TYPE, "%s has type %s, not type number %d", text,
                               cudnn_name_of_cudnnBackendAttributeType_t((int)row->type), (int)type);
        return NULL;
    }
    *status = cudnn_misuse(CUDNN_STATUS_BAD_PARAM, "a %s has no attribute %s (%d) to %s", type_name(d), text ? text : "of this number",
                           (int)name, use == SET ? "set" : "get");
    return NULL;
}

cudnnStatus_t cudnn_require(const cudnn_descriptor *d)
{
    const attribute *first = first_row(d->type);
    for (const attribute *row = first; is_row(row, d->type); row++)
        if (row->flags & REQUIRED && d->is.head.count[row - first] == 0)
            return cudnn_misuse(CUDNN_STATUS_BAD_PARAM, "%s is required and was not set", row_name(row));
    return CUDNN_STATUS_SUCCESS;
}

/* ---- create, destroy, finalize ---- */

cudnnStatus_t cudnnBackendCreateDescriptor(cudnnBackendDescriptorType_t type, cudnnBackendDescriptor_t *descriptor)
{
    int status;
    if (gpu_double_enter("cudnnBackendCreateDescriptor", &status)) return (cudnnStatus_t)status;
    if (!descriptor) return cudnn_misuse(CUDNN_STATUS_BAD_PARAM_NULL_POINTER, "descriptor is NULL");
    if (!first_row(type)) return cudnn_misuse(CUDNN_STATUS_NOT_SUPPORTED, "the double has no descriptors of type %d", (int)type);
    cudnn_descriptor *d = calloc(1, sizeof(*d));
    if (!d) return cudnn_refuse(CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED, "out of memory");
    d->type = type;
    pthread_mutex_lock(&lock);
    cudnn_descriptor **bucket = bucket_of(d);
    d->next = *bucket;
    *bucket = d;
    pthread_mutex_unlock(&lock);
    *descriptor = d;
    return cudnn_real_create(d);
}

static cudnnStatus_t find(cudnnBackendDescriptor_t address, cudnn_descriptor **found)
{
    if (!address) return cudnn_misuse(CUDNN_STATUS_BAD_PARAM_NULL_POINTER, "the descriptor is NULL");
    *found = cudnn_find_descriptor(address);
    if (!*found) return cudnn_misuse(CUDNN_STATUS_BAD_PARAM, "%p is no descriptor, or was destroyed", address);
    return CUDNN_STATUS_SUCCESS;
}

/* An injected failure is reported after the descriptor is gone: the caller could do nothing about it. */
cudnnStatus_t cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t descriptor)
{
    int status = CUDNN_STATUS_SUCCESS;
    gpu_double_enter("cudnnBackendDestroyDescriptor", &status);
    cudnn_descriptor *d;
    CUDNN_DOUBLE_TRY(find(descriptor, &d));
    pthread_mutex_lock(&lock);
    cudnn_descriptor **at = bucket_of(d);
    while (*at != d)
        at = &(*at)->next;
    *at = d->next;
    pthread_mutex_unlock(&lock);
    cudnn_real_destroy(d);
    free(d);
    return (cudnnStatus_t)status;
}

cudnnStatus_t cudnnBackendFinalize(cudnnBackendDescriptor_t descriptor)
{
    int status;
    if (gpu_double_enter("cudnnBackendFinalize", &status)) return (cudnnStatus_t)status;
    cudnn_descriptor *d;
    CUDNN_DOUBLE_TRY(find(descriptor, &d));
    if (d->is.head.finalized) return cudnn_misuse(CUDNN_STATUS_BAD_PARAM, "this %s is already finalized", type_name(d));
    CUDNN_DOUBLE_TRY(cudnn_require(d));
    CUDNN_DOUBLE_TRY(cudnn_finalize(d));
    d->is.head.finalized = true;
    return cudnn_real_finalize(d);
}

/* ---- set ---- */

static bool is_operation(cudnnBackendDescriptorType_t type)
{
    return type == CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR ||
           type == CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR ||
           type == CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR;
}

static bool is_child(cudnnBackendDescriptorType_t type, const attribute *row)
{
    return row->child == CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR ? is_operation(type) : type == row->child;
}

static cudnnStatus_t set_child(char *to, const attribute *row, cudnnBackendDescriptor_t address)
{
    cudnn_descriptor *child;
    CUDNN_DOUBLE_TRY(find(address, &child));
    if (!is_child(child->type, row))
        return cudnn_misuse(CUDNN_STATUS_BAD_PARAM_DESCRIPTOR_TYPE, "%s cannot be a %s", row_name(row), type_name(child));
    if (!child->is.head.finalized && !is_operation(row->owner))
        return cudnn_misuse(CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED, "%s: this %s is not finalized", row_name(row), type_name(child));
    memcpy(to, &child->is, row->size);
    return CUDNN_STATUS_SUCCESS;
}

static cudnnStatus_t set_element(char *to, const attribute *row, cudnnBackendAttributeType_t type, const void *elements, int64_t i)
{
    if (row->type == CUDNN_TYPE_BACKEND_DESCRIPTOR) return set_child(to, row, ((const cudnnBackendDescriptor_t *)elements)[i]);
    if (row->type == CUDNN_TYPE_HANDLE && !cudnn_is_handle(((const cudnnHandle_t *)elements)[i]))
        return cudnn_misuse(((const cudnnHandle_t *)elements)[i] ? CUDNN_STATUS_BAD_PARAM : CUDNN_STATUS_BAD_PARAM_NULL_POINTER,
                            "%s: not a handle, or a destroyed one", row_name(row));
    if (type == CUDNN_TYPE_FLOAT) {
        const double wide = (double)((const float *)elements)[i];
        memcpy(to, &wide, sizeof(wide));
        return CUDNN_STATUS_SUCCESS;
    }
    memcpy(to, (const char *)elements + (size_t)i * row->size, row->size);
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendSetAttribute(cudnnBackendDescriptor_t descriptor, cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, int64_t count, const void *elements)
{
    int status;
    if (gpu_double_enter("cudnnBackendSetAttribute", &status)) return (cudnnStatus_t)status;
    cudnn_descriptor *d;
    cudnnStatus_t wrong = CUDNN_STATUS_SUCCESS;
    CUDNN_DOUBLE_TRY(find(descriptor, &d));
    if (d->is.head.finalized) return cudnn_misuse(CUDNN_STATUS_BAD_PARAM, "attribute %d is set on a finalized %s", (int)name, type_name(d));
    const attribute *row = find_row(d, name, type, SET, &wrong);
    if (!row) return wrong;
    if (!elements) return cudnn_misuse(CUDNN_STATUS_BAD_PARAM, "%s: the elements are NULL", row_name(row));
    if (count < 1 || count > row->most)
        return cudnn_misuse(CUDNN_STATUS_BAD_PARAM, "%s takes 1 to %" PRId64 " elements, not %" PRId64, row_name(row), row->most, count);
    for (int64_t i = 0; i < count; i++)
        CUDNN_DOUBLE_TRY(set_element((char *)d + row->at + (size_t)i * row->size, row, type, elements, i));
    *count_of(d, row) = (uint8_t)count;
    return cudnn_real_set(d, name, type, count, elements);
}

/* ---- get ---- */

cudnn_descriptor *cudnn_to_fill(cudnnBackendDescriptor_t address, cudnnBackendDescriptorType_t type)
{
    cudnn_descriptor *d = cudnn_find_descriptor(address);
    if (d && d->type == type && !d->is.head.finalized) return d;
    cudnn_misuse(CUDNN_STATUS_BAD_PARAM, "a result needs a created and not finalized %s; %p is %s",
                 cudnn_name_of_cudnnBackendDescriptorType_t((int)type), address,
                 !d                ? "no descriptor"
                 : d->type != type ? type_name(d)
                                   : "already finalized");
    return NULL;
}

/* One computed number. */
static cudnn_answer give_number(int64_t number, int64_t capacity, void *out)
{
    if (capacity > 0) *(int64_t *)out = number;
    return (cudnn_answer){.total = 1, .given = capacity > 0};
}

static cudnn_answer get_computed(const cudnn_descriptor *d, cudnnBackendAttributeName_t name, int64_t capacity, void *out)
{
    switch (name) {
    case CUDNN_ATTR_OPERATIONGRAPH_ENGINE_GLOBAL_COUNT:
        return give_number(cudnn_engine_count(), capacity, out);
    case CUDNN_ATTR_ENGINECFG_WORKSPACE_SIZE:
        return give_number(cudnn_workspace(&d->is.config), capacity, out);
    case CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE:
        return give_number(cudnn_workspace(&d->is.plan.config), capacity, out);
    case CUDNN_ATTR_ENGINE_NUMERICAL_NOTE:
        return cudnn_numerical_notes(&d->is.engine, capacity, out);
    case CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE:
        return cudnn_behavior_notes(&d->is.engine, capacity, out);
    case CUDNN_ATTR_ENGINE_KNOB_INFO:
        return cudnn_knob_info(&d->is.engine, capacity, out);
    default:
        return cudnn_heuristic_results(&d->is.heuristics, capacity, out);
    }
}

static cudnnStatus_t get_element(const char *from, const attribute *row, cudnnBackendAttributeType_t type, void *out, int64_t i)
{
    if (row->type == CUDNN_TYPE_BACKEND_DESCRIPTOR) {
        const cudnnBackendDescriptorType_t child =
            is_operation(row->child) ? ((const cudnn_operation *)(const void *)from)->kind : row->child;
        cudnn_descriptor *filled = cudnn_to_fill(((cudnnBackendDescriptor_t *)out)[i], child);
        if (!filled) return CUDNN_STATUS_BAD_PARAM;
        memcpy(&filled->is, from, row->size);
    } else if (type == CUDNN_TYPE_FLOAT) {
        double wide;
        memcpy(&wide, from, sizeof(wide));
        ((float *)out)[i] = (float)wide;
    } else {
        memcpy((char *)out + (size_t)i * row->size, from, row->size);
    }
    return CUDNN_STATUS_SUCCESS;
}

static cudnn_answer get_stored(const cudnn_descriptor *d, const attribute *row, cudnnBackendAttributeType_t type, int64_t capacity,
                               void *out)
{
    cudnn_answer answer = {.total = d->type == CUDNN_BACKEND_KNOB_INFO_DESCRIPTOR ? 1 : d->is.head.count[row - first_row(d->type)]};
    for (; answer.given < answer.total && answer.given < capacity; answer.given++) {
        answer.status = get_element((const char *)d + row->at + (size_t)answer.given * row->size, row, type, out, answer.given);
        if (answer.status != CUDNN_STATUS_SUCCESS) break;
    }
    return answer;
}

/* As cuDNN: a NULL array with a capacity asks how many would be given. */
cudnnStatus_t cudnnBackendGetAttribute(cudnnBackendDescriptor_t const descriptor, cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, int64_t requested, int64_t *count, void *elements)
{
    int status;
    if (gpu_double_enter("cudnnBackendGetAttribute", &status)) return (cudnnStatus_t)status;
    cudnn_descriptor *d;
    cudnnStatus_t wrong = CUDNN_STATUS_SUCCESS;
    CUDNN_DOUBLE_TRY(find(descriptor, &d));
    if (!d->is.head.finalized)
        return cudnn_misuse(CUDNN_STATUS_NOT_INITIALIZED, "attribute %d is read from a %s that is not finalized", (int)name, type_name(d));
    const attribute *row = find_row(d, name, type, GET, &wrong);
    if (!row) return wrong;
    if (requested < 0) return cudnn_misuse(CUDNN_STATUS_BAD_PARAM, "%s: %" PRId64 " elements requested", row_name(row), requested);
    if (!elements && !count)
        return cudnn_misuse(CUDNN_STATUS_BAD_PARAM_NULL_POINTER, "%s: neither a count nor elements are asked for", row_name(row));
    const int64_t capacity = elements ? requested : 0;
    const cudnn_answer answer = row->size ? get_stored(d, row, type, capacity, elements) : get_computed(d, name, capacity, elements);
    if (count) *count = elements && requested ? answer.given : requested && requested < answer.total ? requested : answer.total;
    return answer.status;
}

/* ---- names ---- */

#define GPU_DOUBLE_ENUM(type)                                                                                                              \
    const char *cudnn_name_of_##type(int value)                                                                                            \
    {                                                                                                                                      \
        switch (value) {
#define GPU_DOUBLE_VALUE(name, value)                                                                                                      \
    case value:                                                                                                                            \
        return #name;
#define GPU_DOUBLE_ENUM_END(type)                                                                                                          \
    default:                                                                                                                               \
        return NULL;                                                                                                                       \
        }                                                                                                                                  \
        }
#define GPU_DOUBLE_FUNCTION(result, name, parameters)
#include "include/cudnn.def"
