/* What the tests of the cuDNN double share: one convolution, with everything about it that can be got wrong. */
#ifndef GPU_DOUBLE_CUDNN_TEST_H
#define GPU_DOUBLE_CUDNN_TEST_H

#include "cudnn_double.h"
#include "dnn_test.h"

/* Made by setup_all. */
static cudaStream_t stream;
static cudnnHandle_t handle;

static inline int setup_all(void **state)
{
    (void)state;
    assert_int_equal(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), cudaSuccess);
    OK(cudnnCreate(&handle));
    OK(cudnnSetStream(handle, stream));
    return 0;
}

/* Nothing may be left. */
static inline int teardown_all(void **state)
{
    (void)state;
    OK(cudnnDestroy(handle));
    assert_int_equal(cudaStreamDestroy(stream), cudaSuccess);
    assert_int_equal(cudnn_double_leaks(), 0);
    assert_int_equal(gpu_double_leaks(), 0);
    return 0;
}

/* ---- one convolution ---- */

enum { FORWARD, BACKWARD_DATA, BACKWARD_FILTER };

/* Everything that can be got wrong. Two-element arrays are rows, columns. */
typedef struct setup {
    int pass;
    cudnnDataType_t type, out_type;
    int64_t n, c, k, groups, size[2], filter[2], pre[2], post[2], stride[2], dilation[2];
    float alpha, beta;
    int64_t out_off, k_off, c_off, n_off, uid_off; /* mistakes: added to the right value */
    int64_t alignment;
    bool nchw, no_handle;
    int spatial;
    cudnnConvolutionMode_t mode;
    cudnnDataType_t compute;
} setup;

static inline setup good(void)
{
    return (setup){.pass = FORWARD,
                   .type = CUDNN_DATA_FLOAT,
                   .out_type = CUDNN_DATA_FLOAT,
                   .n = 2,
                   .c = 8,
                   .k = 16,
                   .groups = 1,
                   .size = {9, 7},
                   .filter = {3, 3},
                   .pre = {0, 1},
                   .post = {1, 1},
                   .stride = {2, 1},
                   .dilation = {1, 1},
                   .alpha = 1,
                   .alignment = 16,
                   .spatial = 2,
                   .mode = CUDNN_CROSS_CORRELATION,
                   .compute = CUDNN_DATA_FLOAT};
}

static inline setup pointwise(void)
{
    setup s = good();
    for (int i = 0; i < 2; i++) {
        s.filter[i] = s.stride[i] = 1;
        s.pre[i] = s.post[i] = 0;
    }
    return s;
}

static inline int64_t out_size(const setup *s, int axis)
{
    return (s->size[axis] + s->pre[axis] + s->post[axis] - ((s->filter[axis] - 1) * s->dilation[axis] + 1)) / s->stride[axis] + 1;
}

#define TRY(call)                                                                                                                          \
    do {                                                                                                                                   \
        const cudnnStatus_t tried = (call);                                                                                                \
        if (tried != CUDNN_STATUS_SUCCESS) return tried;                                                                                   \
    } while (0)

static inline cudnnBackendDescriptor_t create(cudnnBackendDescriptorType_t type)
{
    cudnnBackendDescriptor_t d = NULL;
    assert_int_equal(cudnnBackendCreateDescriptor(type, &d), CUDNN_STATUS_SUCCESS);
    return d;
}

static inline void destroy(cudnnBackendDescriptor_t *d)
{
    if (*d) assert_int_equal(cudnnBackendDestroyDescriptor(*d), CUDNN_STATUS_SUCCESS);
    *d = NULL;
}

static inline cudnnStatus_t set(cudnnBackendDescriptor_t d, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                                int64_t count, const void *values)
{
    return cudnnBackendSetAttribute(d, name, type, count, values);
}

static inline cudnnStatus_t set_tensor(cudnnBackendDescriptor_t d, const int64_t dims[4], int64_t uid, cudnnDataType_t type, const setup *s)
{
    const int64_t last[4] = {dims[1] * dims[2] * dims[3], 1, dims[1] * dims[3], dims[1]},
                  first[4] = {dims[1] * dims[2] * dims[3], dims[2] * dims[3], dims[3], 1};
    TRY(set(d, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type));
    TRY(set(d, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 4, dims));
    TRY(set(d, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, 4, s->nchw ? first : last));
    TRY(set(d, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1, &uid));
    TRY(set(d, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, 1, &s->alignment));
    return CUDNN_STATUS_SUCCESS;
}

static inline cudnnStatus_t set_convolution(cudnnBackendDescriptor_t d, const setup *s)
{
    const int64_t spatial = s->spatial;
    TRY(set(d, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &s->compute));
    TRY(set(d, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1, &s->mode));
    TRY(set(d, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, 1, &spatial));
    TRY(set(d, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, 2, s->pre));
    TRY(set(d, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, 2, s->post));
    TRY(set(d, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, 2, s->stride));
    return set(d, CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, 2, s->dilation);
}

static inline cudnnStatus_t set_operation(cudnnBackendDescriptor_t d, const setup *s, const cudnnBackendDescriptor_t parts[4])
{
    static const cudnnBackendAttributeName_t names[3][6] = {
        {CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
         CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
         CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA},
        {CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
         CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
         CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA},
        {CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
         CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
         CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA}};
    for (int i = 0; i < 4; i++)
        TRY(set(d, names[s->pass][i], CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &parts[i]));
    TRY(set(d, names[s->pass][4], CUDNN_TYPE_FLOAT, 1, &s->alpha));
    const double beta = (double)s->beta;
    return set(d, names[s->pass][5], CUDNN_TYPE_DOUBLE, 1, &beta); /* both types are allowed */
}

static inline cudnnBackendDescriptorType_t pass_type(int pass)
{
    static const cudnnBackendDescriptorType_t types[3] = {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
                                                          CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
                                                          CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR};
    return types[pass];
}

enum { X = 11, W = 22, Y = 33 }; /* unique ids */

static inline cudnnStatus_t build_graph(const setup *s, cudnnBackendDescriptor_t parts[4], cudnnBackendDescriptor_t operation,
                                        cudnnBackendDescriptor_t graph)
{
    const int64_t dims[3][4] = {{s->n, s->c, s->size[0], s->size[1]},
                                {s->k + s->k_off, s->c / s->groups + s->c_off, s->filter[0], s->filter[1]},
                                {s->n + s->n_off, s->k, out_size(s, 0) + s->out_off, out_size(s, 1)}};
    const int64_t uids[3] = {X, W, Y + s->uid_off};
    const int output = s->pass == FORWARD ? 2 : s->pass == BACKWARD_DATA ? 0 : 1;
    for (int i = 0; i < 3; i++) {
        TRY(set_tensor(parts[i], dims[i], uids[i], i == output ? s->out_type : s->type, s));
        TRY(cudnnBackendFinalize(parts[i]));
    }
    TRY(set_convolution(parts[3], s));
    TRY(cudnnBackendFinalize(parts[3]));
    TRY(set_operation(operation, s, parts));
    TRY(cudnnBackendFinalize(operation));
    if (!s->no_handle) TRY(set(graph, CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1, &handle));
    TRY(set(graph, CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &operation));
    return cudnnBackendFinalize(graph);
}

/* What graph is made of is gone afterwards: descriptors copy what they are given. */
static inline cudnnStatus_t make_graph(const setup *s, cudnnBackendDescriptor_t *graph)
{
    cudnnBackendDescriptor_t parts[4], operation = create(pass_type(s->pass));
    *graph = create(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
    for (int i = 0; i < 4; i++)
        parts[i] = create(i < 3 ? CUDNN_BACKEND_TENSOR_DESCRIPTOR : CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
    const cudnnStatus_t status = build_graph(s, parts, operation, *graph);
    for (int i = 0; i < 4; i++)
        destroy(&parts[i]);
    destroy(&operation);
    if (status != CUDNN_STATUS_SUCCESS) destroy(graph);
    return status;
}

enum { MOST = 16 };

/* The configurations of one mode; the caller destroys all of `configs`. */
static inline cudnnStatus_t propose(cudnnBackendDescriptor_t graph, cudnnBackendHeurMode_t mode, cudnnBackendDescriptor_t configs[MOST],
                                    int64_t *bound, int64_t *given)
{
    cudnnBackendDescriptor_t heuristics = create(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
    OK(set(heuristics, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &graph));
    OK(set(heuristics, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode));
    const cudnnStatus_t status = cudnnBackendFinalize(heuristics);
    *given = 0;
    for (int i = 0; i < MOST; i++)
        configs[i] = create(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
    if (status == CUDNN_STATUS_SUCCESS) {
        OK(cudnnBackendGetAttribute(heuristics, CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, 0, bound, NULL));
        OK(cudnnBackendGetAttribute(heuristics, CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, MOST, given, configs));
    }
    destroy(&heuristics);
    return status;
}

static inline void destroy_all(cudnnBackendDescriptor_t configs[MOST])
{
    for (int i = 0; i < MOST; i++)
        destroy(&configs[i]);
}

typedef struct traits {
    int64_t index, workspace, notes;
    bool nondeterministic, tensor_core, down_convert;
} traits;

static inline traits traits_of(cudnnBackendDescriptor_t config)
{
    traits t = {0};
    int64_t count = 0;
    cudnnBackendNumericalNote_t notes[CUDNN_NUMERICAL_NOTE_TYPE_COUNT];
    cudnnBackendDescriptor_t engine = create(CUDNN_BACKEND_ENGINE_DESCRIPTOR);
    OK(cudnnBackendGetAttribute(config, CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &count, &engine));
    OK(cudnnBackendGetAttribute(config, CUDNN_ATTR_ENGINECFG_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1, NULL, &t.workspace));
    OK(cudnnBackendGetAttribute(engine, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, 1, &count, &t.index));
    OK(cudnnBackendGetAttribute(engine, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE, CUDNN_NUMERICAL_NOTE_TYPE_COUNT,
                                &t.notes, notes));
    for (int64_t i = 0; i < t.notes; i++) {
        t.nondeterministic |= notes[i] == CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC;
        t.tensor_core |= notes[i] == CUDNN_NUMERICAL_NOTE_TENSOR_CORE;
        t.down_convert |= notes[i] == CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS;
    }
    destroy(&engine);
    return t;
}

static inline cudnnStatus_t make_plan(cudnnBackendDescriptor_t config, cudnnBackendDescriptor_t *plan)
{
    *plan = create(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
    OK(set(*plan, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, 1, &handle));
    cudnnStatus_t status = set(*plan, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &config);
    if (status == CUDNN_STATUS_SUCCESS) status = cudnnBackendFinalize(*plan);
    if (status != CUDNN_STATUS_SUCCESS) destroy(plan);
    return status;
}

static inline void set_knob(cudnnBackendDescriptor_t config, cudnnBackendKnobType_t type, int64_t value)
{
    cudnnBackendDescriptor_t choice = create(CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR);
    OK(set(choice, CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE, CUDNN_TYPE_KNOB_TYPE, 1, &type));
    OK(set(choice, CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE, CUDNN_TYPE_INT64, 1, &value));
    OK(cudnnBackendFinalize(choice));
    OK(set(config, CUDNN_ATTR_ENGINECFG_KNOB_CHOICES, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &choice));
    destroy(&choice);
}

/* The plan of a given engine; with the engine's knob unless that is 0. */
static inline cudnnBackendDescriptor_t plan_of(const setup *s, int64_t index, int64_t knob)
{
    cudnnBackendDescriptor_t graph, plan, engine = create(CUDNN_BACKEND_ENGINE_DESCRIPTOR),
                                          config = create(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
    OK(make_graph(s, &graph));
    OK(set(engine, CUDNN_ATTR_ENGINE_OPERATION_GRAPH, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &graph));
    OK(set(engine, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, 1, &index));
    OK(cudnnBackendFinalize(engine));
    OK(set(config, CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &engine));
    if (knob) set_knob(config, CUDNN_KNOB_TYPE_TILE_SIZE, knob);
    OK(cudnnBackendFinalize(config));
    OK(make_plan(config, &plan));
    destroy(&graph);
    destroy(&engine);
    destroy(&config);
    return plan;
}

static inline int64_t workspace_of(cudnnBackendDescriptor_t plan)
{
    int64_t bytes = -1, count = 0;
    OK(cudnnBackendGetAttribute(plan, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1, &count, &bytes));
    return bytes;
}

static inline cudnnStatus_t execute_with(cudnnHandle_t with, cudnnBackendDescriptor_t plan, int count, const int64_t *uids,
                                         void *const *pointers, void *workspace)
{
    cudnnBackendDescriptor_t pack = create(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
    OK(set(pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, count, uids));
    OK(set(pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, count, pointers));
    OK(set(pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1, &workspace));
    cudnnStatus_t status = cudnnBackendFinalize(pack);
    if (status == CUDNN_STATUS_SUCCESS) status = cudnnBackendExecute(with, plan, pack);
    destroy(&pack);
    return status;
}

static inline cudnnStatus_t execute(cudnnBackendDescriptor_t plan, void *x, void *w, void *y, void *workspace)
{
    const int64_t uids[3] = {Y, X, W}; /* in any order */
    void *const pointers[3] = {y, x, w};
    return execute_with(handle, plan, 3, uids, pointers, workspace);
}

#endif
