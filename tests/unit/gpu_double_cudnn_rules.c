/* The rules of the GPU double's cuDNN: for each a mistake is planted, and must give cuDNN's status and a report that names it. */
#include "cudnn_test.h"

/* ---- descriptors and their attributes ---- */

static void test_attributes(void **state)
{
    (void)state;
    cudnnBackendDescriptor_t t = create(CUDNN_BACKEND_TENSOR_DESCRIPTOR), convolution = create(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
    const setup s = good();
    const int64_t dims[4] = {2, 8, 9, 7};
    const int type = CUDNN_DATA_FLOAT;
    int64_t seen[8], count = -1;
    EXPECT(set(t, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT32, 4, dims), CUDNN_STATUS_BAD_PARAM_ATTRIBUTE_TYPE,
           "has type CUDNN_TYPE_INT64");
    EXPECT(set(t, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 2, &type), CUDNN_STATUS_BAD_PARAM, "1 to 1 elements, not 2");
    EXPECT(set(t, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 0, &type), CUDNN_STATUS_BAD_PARAM, "1 to 1 elements, not 0");
    EXPECT(set(t, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, NULL), CUDNN_STATUS_BAD_PARAM, "NULL");
    EXPECT(set(t, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type), CUDNN_STATUS_BAD_PARAM,
           "a CUDNN_BACKEND_TENSOR_DESCRIPTOR has no attribute CUDNN_ATTR_CONVOLUTION_COMP_TYPE");
    EXPECT(cudnnBackendGetAttribute(t, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 4, &count, seen), CUDNN_STATUS_NOT_INITIALIZED,
           "not finalized");

    OK(set_tensor(t, dims, X, CUDNN_DATA_FLOAT, &s));
    OK(cudnnBackendFinalize(t));
    EXPECT(cudnnBackendFinalize(t), CUDNN_STATUS_BAD_PARAM, "already finalized");
    EXPECT(set(t, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type), CUDNN_STATUS_BAD_PARAM, "finalized");

    /* As many as there are, as many as there is room for, how many there are. */
    OK(cudnnBackendGetAttribute(t, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 8, &count, seen));
    assert_int_equal(count, 4);
    assert_memory_equal(seen, dims, sizeof(dims));
    OK(cudnnBackendGetAttribute(t, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 2, &count, seen));
    assert_int_equal(count, 2);
    OK(cudnnBackendGetAttribute(t, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 0, &count, NULL));
    assert_int_equal(count, 4);
    EXPECT(cudnnBackendGetAttribute(t, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_FLOAT, 4, &count, seen),
           CUDNN_STATUS_BAD_PARAM_ATTRIBUTE_TYPE, "CUDNN_TYPE_INT64");
    EXPECT(cudnnBackendGetAttribute(t, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, -1, &count, seen), CUDNN_STATUS_BAD_PARAM,
           "-1 elements");

    cudnnBackendDescriptor_t operation = create(pass_type(FORWARD));
    EXPECT(set(operation, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &convolution),
           CUDNN_STATUS_BAD_PARAM_DESCRIPTOR_TYPE, "cannot be a CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR");
    destroy(&operation);
    destroy(&convolution);
    const cudnnBackendDescriptor_t gone = t;
    destroy(&t);
    EXPECT(cudnnBackendDestroyDescriptor(gone), CUDNN_STATUS_BAD_PARAM, "was destroyed");
    EXPECT(cudnnBackendFinalize(gone), CUDNN_STATUS_BAD_PARAM, "was destroyed");
    EXPECT(cudnnBackendDestroyDescriptor(NULL), CUDNN_STATUS_BAD_PARAM_NULL_POINTER, "NULL");
    EXPECT(cudnnBackendCreateDescriptor((cudnnBackendDescriptorType_t)99, &t), CUDNN_STATUS_NOT_SUPPORTED, "type 99");

    char text[64];
    cudnnBackendFinalize(NULL);
    cudnnGetLastErrorString(text, sizeof(text));
    assert_string_equal(text, "the descriptor is NULL");
    cudnnGetLastErrorString(text, sizeof(text));
    assert_string_equal(text, "");
    assert_string_equal(cudnnGetErrorString(CUDNN_STATUS_BAD_PARAM_MISALIGNED_POINTER), "CUDNN_STATUS_BAD_PARAM_MISALIGNED_POINTER");
    assert_int_equal(cudnnGetVersion(), 91900);
}

/* Every attribute that is required is missed. */
static void test_required_attributes(void **state)
{
    (void)state;
    const int64_t dims[4] = {2, 8, 9, 7}, strides[4] = {504, 1, 56, 8}, uid = X, alignment = 16, two = 2, ones[2] = {1, 1};
    const int type = CUDNN_DATA_FLOAT, mode = CUDNN_CROSS_CORRELATION;
    const struct {
        cudnnBackendDescriptorType_t owner;
        cudnnBackendAttributeName_t name;
        cudnnBackendAttributeType_t type;
        int64_t count;
        const void *value;
        const char *text;
    } rows[] = {
#define ROW(owner, name, type, count, value)                                                                                               \
    {CUDNN_BACKEND_##owner##_DESCRIPTOR, CUDNN_ATTR_##name, CUDNN_TYPE_##type, count, value, "CUDNN_ATTR_" #name " is required"}
        ROW(TENSOR, TENSOR_DATA_TYPE, DATA_TYPE, 1, &type),
        ROW(TENSOR, TENSOR_DIMENSIONS, INT64, 4, dims),
        ROW(TENSOR, TENSOR_STRIDES, INT64, 4, strides),
        ROW(TENSOR, TENSOR_UNIQUE_ID, INT64, 1, &uid),
        ROW(TENSOR, TENSOR_BYTE_ALIGNMENT, INT64, 1, &alignment),
        ROW(CONVOLUTION, CONVOLUTION_COMP_TYPE, DATA_TYPE, 1, &type),
        ROW(CONVOLUTION, CONVOLUTION_CONV_MODE, CONVOLUTION_MODE, 1, &mode),
        ROW(CONVOLUTION, CONVOLUTION_SPATIAL_DIMS, INT64, 1, &two),
        ROW(CONVOLUTION, CONVOLUTION_PRE_PADDINGS, INT64, 2, ones),
        ROW(CONVOLUTION, CONVOLUTION_POST_PADDINGS, INT64, 2, ones),
        ROW(CONVOLUTION, CONVOLUTION_FILTER_STRIDES, INT64, 2, ones),
        ROW(CONVOLUTION, CONVOLUTION_DILATIONS, INT64, 2, ones),
#undef ROW
    };
    enum { ROWS = sizeof(rows) / sizeof(rows[0]) };
    for (int missing = 0; missing < ROWS; missing++) {
        cudnnBackendDescriptor_t d = create(rows[missing].owner);
        for (int i = 0; i < ROWS; i++)
            if (i != missing && rows[i].owner == rows[missing].owner) OK(set(d, rows[i].name, rows[i].type, rows[i].count, rows[i].value));
        EXPECT(cudnnBackendFinalize(d), CUDNN_STATUS_BAD_PARAM, rows[missing].text);
        destroy(&d);
    }
    static const cudnnBackendDescriptorType_t empty[] = {
        CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR, CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR,
        CUDNN_BACKEND_ENGINE_DESCRIPTOR,         CUDNN_BACKEND_ENGINECFG_DESCRIPTOR,
        CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR,
        CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR,    CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR};
    for (size_t i = 0; i < sizeof(empty) / sizeof(empty[0]); i++) {
        cudnnBackendDescriptor_t d = create(empty[i]);
        EXPECT(cudnnBackendFinalize(d), CUDNN_STATUS_BAD_PARAM, "is required");
        destroy(&d);
    }
}

/* ---- graphs ---- */

#define WRONG_GRAPH(change, status, report)                                                                                                \
    do {                                                                                                                                   \
        setup s = good();                                                                                                                  \
        cudnnBackendDescriptor_t graph;                                                                                                    \
        change;                                                                                                                            \
        EXPECT(make_graph(&s, &graph), status, report);                                                                                    \
    } while (0)

static void test_graphs(void **state)
{
    (void)state;
    WRONG_GRAPH(s.out_off = 1, CUDNN_STATUS_BAD_PARAM, "axis 0: (9 + 0 + 1 - ((3 - 1) * 1 + 1)) / 2 + 1 is 4, the output has 5");
    WRONG_GRAPH(s.out_off = -1, CUDNN_STATUS_BAD_PARAM, "the output has 3");
    WRONG_GRAPH(s.pass = BACKWARD_DATA; s.out_off = 1, CUDNN_STATUS_BAD_PARAM, "axis 0");
    WRONG_GRAPH(s.pass = BACKWARD_FILTER; s.out_off = 1, CUDNN_STATUS_BAD_PARAM, "axis 0");
    WRONG_GRAPH(s.k_off = 1, CUDNN_STATUS_BAD_PARAM, "the filter has 17 output channels, the output 16");
    WRONG_GRAPH(s.c_off = -3, CUDNN_STATUS_BAD_PARAM, "8 input channels are no multiple of the filter's 5");
    WRONG_GRAPH(s.groups = 8; s.k = 12, CUDNN_STATUS_BAD_PARAM, "12 output channels cannot be split in 8 groups");
    WRONG_GRAPH(s.n_off = 1, CUDNN_STATUS_BAD_PARAM, "batches differ: 2 in, 3 out");
    WRONG_GRAPH(s.nchw = true, CUDNN_STATUS_NOT_SUPPORTED_LAYOUT, "channels-last");
    WRONG_GRAPH(s.uid_off = X - Y, CUDNN_STATUS_BAD_PARAM, "are not unique");
    WRONG_GRAPH(s.alignment = 2, CUDNN_STATUS_BAD_PARAM, "an alignment of 2 bytes");
    WRONG_GRAPH(s.alignment = 12, CUDNN_STATUS_BAD_PARAM, "an alignment of 12 bytes");
    WRONG_GRAPH(s.n = 0, CUDNN_STATUS_BAD_PARAM, "dimension 0 is 0");
    WRONG_GRAPH(s.type = CUDNN_DATA_DOUBLE, CUDNN_STATUS_NOT_SUPPORTED_DATA_TYPE, "data type 1");
    WRONG_GRAPH(s.compute = CUDNN_DATA_HALF, CUDNN_STATUS_NOT_SUPPORTED_DATA_TYPE, "compute type 2");
    WRONG_GRAPH(s.mode = CUDNN_CONVOLUTION, CUDNN_STATUS_NOT_SUPPORTED, "CUDNN_CROSS_CORRELATION");
    WRONG_GRAPH(s.spatial = 3, CUDNN_STATUS_NOT_SUPPORTED, "3 spatial dimensions");
    WRONG_GRAPH(s.pre[1] = -1, CUDNN_STATUS_BAD_PARAM, "paddings -1, 1");
    WRONG_GRAPH(s.dilation[0] = 0, CUDNN_STATUS_BAD_PARAM, "dilation 0");
    WRONG_GRAPH(s.no_handle = true, CUDNN_STATUS_BAD_PARAM, "CUDNN_ATTR_OPERATIONGRAPH_HANDLE is required");
}

/* What is set before it is finalized stays unfinalized where it was set. */
static void test_order_of_finalizing(void **state)
{
    (void)state;
    const setup s = pointwise();
    const int64_t dims[3][4] = {{2, 8, 9, 7}, {16, 8, 1, 1}, {2, 16, 9, 7}};
    cudnnBackendDescriptor_t parts[4], operation = create(pass_type(FORWARD)), graph = create(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
    for (int i = 0; i < 3; i++) {
        parts[i] = create(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
        OK(set_tensor(parts[i], dims[i], X + i, CUDNN_DATA_FLOAT, &s));
        if (i != 1) OK(cudnnBackendFinalize(parts[i]));
    }
    parts[3] = create(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
    OK(set_convolution(parts[3], &s));
    OK(cudnnBackendFinalize(parts[3]));
    OK(set_operation(operation, &s, parts));
    OK(cudnnBackendFinalize(parts[1])); /* too late */
    EXPECT(cudnnBackendFinalize(operation), CUDNN_STATUS_BAD_PARAM, "was not finalized when it was set");
    EXPECT(set(graph, CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &operation), CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED,
           "is not finalized");
    OK(set_operation(operation, &s, parts)); /* setting again is allowed */
    OK(cudnnBackendFinalize(operation));
    OK(set(graph, CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &operation));
    cudnnHandle_t none = NULL;
    EXPECT(set(graph, CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1, &none), CUDNN_STATUS_BAD_PARAM_NULL_POINTER, "not a handle");
    for (int i = 0; i < 4; i++)
        destroy(&parts[i]);
    destroy(&operation);
    destroy(&graph);
}

/* ---- engines ---- */

static void test_heuristics(void **state)
{
    (void)state;
    setup s = good();
    s.pre[1] = s.pre[0] = s.post[0]; /* even paddings: all engines */
    cudnnBackendDescriptor_t graph, configs[MOST], plan;
    int64_t bound, given, plans = 0, sizes = 0, last = -1;
    OK(make_graph(&s, &graph));
    OK(propose(graph, CUDNN_HEUR_MODE_A, configs, &bound, &given));
    assert_true(given >= 3 && given < bound);
    assert_true(traits_of(configs[0]).nondeterministic);
    assert_true(traits_of(configs[1]).tensor_core && !traits_of(configs[1]).down_convert); /* yet TF32 */
    assert_true(traits_of(configs[2]).tensor_core && traits_of(configs[2]).down_convert);
    for (int64_t i = 0; i < given; i++) {
        const cudnnStatus_t status = make_plan(configs[i], &plan);
        assert_true(status == CUDNN_STATUS_SUCCESS || status == CUDNN_STATUS_NOT_SUPPORTED);
        if (status != CUDNN_STATUS_SUCCESS) continue;
        plans++;
        sizes += workspace_of(plan) != last;
        last = workspace_of(plan);
        assert_int_equal(last, traits_of(configs[i]).workspace);
        destroy(&plan);
    }
    assert_int_equal(plans, given - 1); /* one that cannot be made */
    assert_int_equal(sizes, plans);
    EXPECT(make_plan(configs[given], &plan), CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED, "is not finalized");
    destroy_all(configs);

    OK(propose(graph, CUDNN_HEUR_MODE_FALLBACK, configs, &bound, &given));
    for (int64_t i = 0; i < given; i++)
        assert_false(traits_of(configs[i]).nondeterministic || traits_of(configs[i]).tensor_core);
    destroy_all(configs);
    destroy(&graph);

    /* Few channels and uneven paddings leave fewer; a card that lacks more leaves none. */
    s = good();
    s.type = CUDNN_DATA_HALF;
    s.pass = BACKWARD_FILTER;
    s.c = 3;
    OK(make_graph(&s, &graph)); /* f32 output */
    assert_int_equal(propose(graph, CUDNN_HEUR_MODE_A, configs, &bound, &given), CUDNN_STATUS_NOT_SUPPORTED);
    destroy_all(configs);
    destroy(&graph);
    s = good();
    setenv("GPU_DOUBLE_CUDNN", "symmetric", 1);
    OK(make_graph(&s, &graph));
    assert_int_equal(propose(graph, CUDNN_HEUR_MODE_A, configs, &bound, &given), CUDNN_STATUS_NOT_SUPPORTED);
    destroy_all(configs);
    OK(propose(graph, CUDNN_HEUR_MODE_FALLBACK, configs, &bound, &given));
    assert_int_equal(given, 0);
    unsetenv("GPU_DOUBLE_CUDNN");
    destroy_all(configs);
    destroy(&graph);
}

static void test_results_need_descriptors(void **state)
{
    (void)state;
    const setup s = good();
    cudnnBackendDescriptor_t graph, configs[MOST], wrong = create(CUDNN_BACKEND_TENSOR_DESCRIPTOR),
                                                   heuristics = create(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
    int64_t bound, given, count;
    OK(make_graph(&s, &graph));
    OK(propose(graph, CUDNN_HEUR_MODE_INSTANT, configs, &bound, &given));
    EXPECT(cudnnBackendGetAttribute(configs[0], CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &count, &wrong),
           CUDNN_STATUS_BAD_PARAM, "a result needs a created and not finalized CUDNN_BACKEND_ENGINE_DESCRIPTOR");
    const cudnnBackendHeurMode_t mode = CUDNN_HEUR_MODE_A, bad = CUDNN_HEUR_MODES_COUNT;
    OK(set(heuristics, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &graph));
    OK(set(heuristics, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &bad));
    EXPECT(cudnnBackendFinalize(heuristics), CUDNN_STATUS_BAD_PARAM, "heuristics mode 4");
    OK(set(heuristics, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode));
    OK(cudnnBackendFinalize(heuristics));
    EXPECT(cudnnBackendGetAttribute(heuristics, CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &count, configs),
           CUDNN_STATUS_BAD_PARAM, "already finalized");
    cudnnBackendDescriptor_t none = NULL;
    EXPECT(cudnnBackendGetAttribute(heuristics, CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &count, &none),
           CUDNN_STATUS_BAD_PARAM, "no descriptor");
    destroy(&wrong);
    destroy(&heuristics);
    destroy_all(configs);
    destroy(&graph);
}

static void test_engines_by_hand(void **state)
{
    (void)state;
    const setup s = good();
    cudnnBackendDescriptor_t graph, engine = create(CUDNN_BACKEND_ENGINE_DESCRIPTOR),
                                    info[1] = {create(CUDNN_BACKEND_KNOB_INFO_DESCRIPTOR)}, config;
    int64_t index = 81, count = 0, most = -1;
    OK(make_graph(&s, &graph));
    OK(set(engine, CUDNN_ATTR_ENGINE_OPERATION_GRAPH, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &graph));
    OK(set(engine, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, 1, &index));
    EXPECT(cudnnBackendFinalize(engine), CUDNN_STATUS_BAD_PARAM, "engine 81 of 81");
    index = 20; /* pads evenly */
    OK(set(engine, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, 1, &index));
    EXPECT(cudnnBackendFinalize(engine), CUDNN_STATUS_NOT_SUPPORTED, NULL);
    index = 5;
    OK(set(engine, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, 1, &index));
    OK(cudnnBackendFinalize(engine));
    OK(cudnnBackendGetAttribute(engine, CUDNN_ATTR_ENGINE_KNOB_INFO, CUDNN_TYPE_BACKEND_DESCRIPTOR, 0, &count, NULL));
    assert_int_equal(count, 1);
    OK(cudnnBackendGetAttribute(engine, CUDNN_ATTR_ENGINE_KNOB_INFO, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &count, info));
    OK(cudnnBackendGetAttribute(info[0], CUDNN_ATTR_KNOB_INFO_MAXIMUM_VALUE, CUDNN_TYPE_INT64, 1, &count, &most));
    assert_int_equal(most, 1);
    for (int i = 0; i < 2; i++) {
        config = create(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
        OK(set(config, CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &engine));
        set_knob(config, i ? CUDNN_KNOB_TYPE_STAGES : CUDNN_KNOB_TYPE_TILE_SIZE, 1 + !i);
        EXPECT(cudnnBackendFinalize(config), CUDNN_STATUS_BAD_PARAM, i ? "no such knob 14" : "from 0 to 1, not 2");
        destroy(&config);
    }
    /* A plan loads code: not while the stream is captured. */
    cudaGraph_t captured;
    cudnnBackendDescriptor_t plan;
    config = create(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
    OK(set(config, CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &engine));
    OK(cudnnBackendFinalize(config));
    assert_int_equal(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), cudaSuccess);
    EXPECT(make_plan(config, &plan), CUDNN_STATUS_BAD_PARAM, "being captured");
    assert_int_equal(cudaStreamEndCapture(stream, &captured), cudaSuccess);
    assert_int_equal(cudaGraphDestroy(captured), cudaSuccess);
    destroy(&config);
    destroy(&engine);
    destroy(&info[0]);
    destroy(&graph);
}

/* ---- handles ---- */

static void test_handles(void **state)
{
    (void)state;
    cudnnHandle_t other = NULL;
    cudaStream_t seen = NULL, elsewhere;
    OK(cudnnDestroy(NULL)); /* as cuDNN */
    EXPECT(cudnnCreate(NULL), CUDNN_STATUS_BAD_PARAM, "NULL");
    assert_int_equal(cudaSetDevice(1), cudaSuccess);
    assert_int_equal(cudaStreamCreateWithFlags(&elsewhere, cudaStreamNonBlocking), cudaSuccess);
    OK(cudnnCreate(&other));
    EXPECT(cudnnSetStream(other, stream), CUDNN_STATUS_BAD_PARAM_STREAM_MISMATCH, "the handle is of device 1, the stream of device 0");
    OK(cudnnSetStream(other, elsewhere));
    assert_int_equal(cudaSetDevice(0), cudaSuccess);
    EXPECT(cudnnSetStream(handle, NULL), CUDNN_STATUS_BAD_PARAM_STREAM_MISMATCH, "legacy");
    EXPECT(cudnnGetStream(handle, &seen), CUDNN_STATUS_INTERNAL_ERROR, NULL); /* injected, see main */
    OK(cudnnGetStream(handle, &seen));
    assert_ptr_equal(seen, stream);
    const cudnnHandle_t gone = other;
    OK(cudnnDestroy(other));
    EXPECT(cudnnDestroy(gone), CUDNN_STATUS_BAD_PARAM, "was destroyed");
    EXPECT(cudnnSetStream(gone, elsewhere), CUDNN_STATUS_BAD_PARAM, "was destroyed");
    EXPECT(cudnnSetStream(NULL, elsewhere), CUDNN_STATUS_BAD_PARAM_NULL_POINTER, "NULL");
    assert_int_equal(cudaStreamDestroy(elsewhere), cudaSuccess);
}

/* ---- execution ---- */

static void test_execution(void **state)
{
    (void)state;
    const setup s = good();
    enum { BYTES = 16384 };
    char *memory = device_alloc(5 * BYTES), *host = calloc(1, BYTES), *x = memory, *w = memory + BYTES, *y = memory + 2 * BYTES,
         *space = memory + 3 * BYTES;
    cudnnBackendDescriptor_t plan = plan_of(&s, 5, 0), pack = create(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
    const int64_t uids[4] = {X, W, Y, 44}, twice[3] = {X, W, W}, others[3] = {X, W, 44};
    void *const pointers[4] = {x, w, y, space}, *const with_null[3] = {x, NULL, y};
    assert_true(workspace_of(plan) < BYTES);
    OK(execute(plan, x, w, y, space));
    EXPECT(execute_with(handle, plan, 2, uids, pointers, space), CUDNN_STATUS_BAD_PARAM, "has 2 tensors, the graph 3");
    EXPECT(execute_with(handle, plan, 4, uids, pointers, space), CUDNN_STATUS_BAD_PARAM, "has 4 tensors, the graph 3");
    EXPECT(execute_with(handle, plan, 3, others, pointers, space), CUDNN_STATUS_BAD_PARAM, "no pointer for tensor 33");
    EXPECT(execute_with(handle, plan, 3, twice, pointers, space), CUDNN_STATUS_BAD_PARAM_DUPLICATED_ENTRIES, "tensor 22 has two");
    EXPECT(execute_with(handle, plan, 3, uids, with_null, space), CUDNN_STATUS_BAD_PARAM_NULL_POINTER, "tensor 22 is NULL");
    EXPECT(execute(plan, x + 8, w, y, space), CUDNN_STATUS_BAD_PARAM_MISALIGNED_POINTER, "tensor 11");
    EXPECT(execute(plan, x, w, y, NULL), CUDNN_STATUS_BAD_PARAM_SIZE_INSUFFICIENT, "needs a workspace");
    EXPECT(execute(plan, x, w, y, space + 8), CUDNN_STATUS_BAD_PARAM_MISALIGNED_POINTER, "workspace");
    EXPECT(execute(plan, x, w, x, space), CUDNN_STATUS_BAD_PARAM, "overlap");
    EXPECT(execute(plan, x, w, y, w), CUDNN_STATUS_BAD_PARAM, "workspace and filter overlap");
    EXPECT(execute(plan, host, w, y, space), CUDNN_STATUS_EXECUTION_FAILED_CUDART, "x");                    /* host memory */
    EXPECT(execute(plan, x, w, memory + 5 * BYTES - 64, space), CUDNN_STATUS_EXECUTION_FAILED_CUDART, "y"); /* too small */
    EXPECT(execute(plan, x, w, y, memory + 5 * BYTES - 64), CUDNN_STATUS_EXECUTION_FAILED_CUDART, "workspace");
    EXPECT(cudnnBackendExecute(handle, plan, pack), CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED, "not finalized");
    EXPECT(cudnnBackendExecute(handle, pack, plan), CUDNN_STATUS_BAD_PARAM_DESCRIPTOR_TYPE, "no execution plan");
    EXPECT(set(pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, 3, uids), CUDNN_STATUS_SUCCESS, NULL);
    OK(set(pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, 2, pointers));
    EXPECT(cudnnBackendFinalize(pack), CUDNN_STATUS_BAD_PARAM, "3 unique ids but 2 data pointers");

    cudnnHandle_t other;
    OK(cudnnCreate(&other));
    EXPECT(execute_with(other, plan, 3, uids, pointers, space), CUDNN_STATUS_BAD_PARAM, "another handle");
    cudnnHandle_t kept = handle;
    handle = other; /* without a stream */
    cudnnBackendDescriptor_t streamless = plan_of(&s, 0, 0);
    EXPECT(execute(streamless, x, w, y, NULL), CUDNN_STATUS_BAD_PARAM_STREAM_MISMATCH, "no stream");
    handle = kept;
    destroy(&streamless);
    OK(cudnnDestroy(other));
    EXPECT(execute_with(other, plan, 3, uids, pointers, space), CUDNN_STATUS_BAD_PARAM, "no handle");
    destroy(&plan);
    destroy(&pack);
    assert_int_equal(cudaStreamSynchronize(stream), cudaSuccess);
    assert_int_equal(cudaFree(memory), cudaSuccess);
    free(host);
}

/* Two streams that share a workspace, with nothing in between. */
static void test_shared_workspace(void **state)
{
    (void)state;
    const setup s = good();
    enum { BYTES = 16384 };
    char *memory = device_alloc(7 * BYTES);
    cudaStream_t second;
    cudnnBackendDescriptor_t plan = plan_of(&s, 5, 0);
    assert_int_equal(cudaStreamCreateWithFlags(&second, cudaStreamNonBlocking), cudaSuccess);
    OK(execute(plan, memory, memory + BYTES, memory + 2 * BYTES, memory + 6 * BYTES));
    OK(cudnnSetStream(handle, second));
    const int before = gpu_double_reports();
    execute(plan, memory + 3 * BYTES, memory + 4 * BYTES, memory + 5 * BYTES, memory + 6 * BYTES);
    assert_int_equal(cudaStreamSynchronize(second), cudaSuccess);
    assert_int_equal(cudaStreamSynchronize(stream), cudaSuccess);
    assert_true(gpu_double_reports() > before);
    assert_non_null(strstr(gpu_double_last_report(), "workspace"));
    OK(cudnnSetStream(handle, stream));
    destroy(&plan);
    assert_int_equal(cudaStreamDestroy(second), cudaSuccess);
    assert_int_equal(cudaFree(memory), cudaSuccess);
}

static void test_leaks(void **state)
{
    (void)state;
    expect_leak("leak", "never destroyed: 1 cuDNN handles, 2 descriptors, one is a CUDNN_BACKEND_TENSOR_DESCRIPTOR");
}

static int leak(void)
{
    OK(cudnnCreate(&handle));
    create(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
    create(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
    return 0;
}

int main(int argc, char **argv)
{
    (void)argv;
    if (argc > 1) return leak();
    setenv("GPU_DOUBLE_STRICT", "0", 1);
    setenv("GPU_DOUBLE_FAIL", "cudnnGetStream:1=4000", 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_attributes),      cmocka_unit_test(test_required_attributes),
        cmocka_unit_test(test_graphs),          cmocka_unit_test(test_order_of_finalizing),
        cmocka_unit_test(test_heuristics),      cmocka_unit_test(test_results_need_descriptors),
        cmocka_unit_test(test_engines_by_hand), cmocka_unit_test(test_handles),
        cmocka_unit_test(test_execution),       cmocka_unit_test(test_shared_workspace),
        cmocka_unit_test(test_leaks),
    };
    return cmocka_run_group_tests(tests, setup_all, teardown_all);
}
