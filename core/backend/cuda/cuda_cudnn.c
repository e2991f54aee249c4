/* cuDNN's descriptors: tensors and a convolution make an operation, an operation a graph, a graph with an engine and its knobs a plan. */
#include "core/backend/cuda/cuda_cudnn.h"

#include "core/base/mem.h"

#include <string.h>

enum { DIMS = 4, ALIGNMENT = 16, BAG = 32 + FUT_CUDA_KNOBS };
enum { UID_X = 1, UID_W, UID_Y, UIDS = UID_Y };

/* Descriptors that live and die together. */
typedef struct bag {
    cudnnBackendDescriptor_t item[BAG];
    int count;
} bag;

static fut_status make(bag *all, cudnnBackendDescriptorType_t type, cudnnBackendDescriptor_t *made_out)
{
    FUT_CHECK(all->count < BAG, FUT_ERR_INTERNAL, "more than %d cuDNN descriptors for one convolution", BAG);
    FUT_CUDNN_TRY(cudnnBackendCreateDescriptor(type, &all->item[all->count]));
    *made_out = all->item[all->count++];
    return FUT_OK;
}

/* The youngest first: it may look at the older ones. */
static void discard(bag *all)
{
    while (all->count > 0)
        (void)cudnnBackendDestroyDescriptor(all->item[--all->count]);
}

/* An error names the attribute, or what could not be finalized. */
#define SET(desc, name, type, count, values)                                                                                               \
    FUT_TRY(fut_cudnn_status(cudnnBackendSetAttribute((desc), (name), (type), (count), (values)), "cudnnBackendSetAttribute " #name,       \
                             __FILE__, __LINE__))
#define GET(desc, name, type, asked, count_out, values)                                                                                    \
    FUT_TRY(fut_cudnn_status(cudnnBackendGetAttribute((desc), (name), (type), (asked), (count_out), (values)),                             \
                             "cudnnBackendGetAttribute " #name, __FILE__, __LINE__))
#define FINALIZE(desc, what) FUT_TRY(fut_cudnn_status(cudnnBackendFinalize(desc), "cudnnBackendFinalize of " what, __FILE__, __LINE__))

/* ---- the problem as a graph ---- */

static cudnnDataType_t data_type(fut_dtype dtype)
{
    return dtype == FUT_F32 ? CUDNN_DATA_FLOAT : dtype == FUT_BF16 ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_HALF;
}

/* A dense tensor whose channels lie innermost. cuDNN's order of dimensions is NCHW (KCRS) whatever the strides. */
static fut_status make_tensor(bag *all, int64_t uid, fut_shape4 shape, fut_dtype dtype, cudnnBackendDescriptor_t *tensor_out)
{
    int64_t dims[DIMS] = {shape.n, shape.c, shape.h, shape.w}, alignment = ALIGNMENT;
    int64_t strides[DIMS] = {shape.h * shape.w * shape.c, 1, shape.w * shape.c, shape.c};
    cudnnDataType_t type = data_type(dtype);
    cudnnBackendDescriptor_t tensor = NULL;
    FUT_TRY(make(all, CUDNN_BACKEND_TENSOR_DESCRIPTOR, &tensor));
    SET(tensor, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type);
    SET(tensor, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, DIMS, dims);
    SET(tensor, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, DIMS, strides);
    SET(tensor, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1, &uid);
    SET(tensor, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, 1, &alignment);
    FINALIZE(tensor, "a tensor");
    *tensor_out = tensor;
    return FUT_OK;
}

static fut_status make_convolution(bag *all, const fut_cudnn_problem *p, cudnnBackendDescriptor_t *convolution_out)
{
    int64_t before[] = {p->pad_top, p->pad_left}, after[] = {p->pad_bottom, p->pad_right}, strides[] = {p->stride, p->stride};
    int64_t dilations[] = {1, 1}, spatial = 2;
    cudnnDataType_t sums = CUDNN_DATA_FLOAT;
    cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
    cudnnBackendDescriptor_t convolution = NULL;
    FUT_TRY(make(all, CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR, &convolution));
    SET(convolution, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, 1, &spatial);
    SET(convolution, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &sums);
    SET(convolution, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1, &mode);
    SET(convolution, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, spatial, before);
    SET(convolution, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, spatial, after);
    SET(convolution, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, spatial, strides);
    SET(convolution, CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, spatial, dilations);
    FINALIZE(convolution, "a convolution");
    *convolution_out = convolution;
    return FUT_OK;
}

/* What the three kinds call their parts. */
typedef struct naming {
    cudnnBackendDescriptorType_t operation;
    cudnnBackendAttributeName_t x, w, y, convolution, alpha, beta;
} naming;

static const naming names[] = {
    [FUT_CUDNN_FORWARD] = {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
                           CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
                           CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
                           CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA},
    [FUT_CUDNN_BACKWARD_DATA] = {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
                                 CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
                                 CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
                                 CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA},
    [FUT_CUDNN_BACKWARD_FILTER] = {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
                                   CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
                                   CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
                                   CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA},
};

static fut_status make_operation(bag *all, const fut_cudnn_problem *p, cudnnBackendDescriptor_t *operation_out)
{
    const naming *name = &names[p->kind];
    fut_shape4 filter = {p->y.c, p->x.c, p->kh, p->kw};
    float alpha = 1, beta = 0;
    cudnnBackendDescriptor_t x = NULL, w = NULL, y = NULL, convolution = NULL, operation = NULL;
    FUT_TRY(make_tensor(all, UID_X, p->x, p->dtype, &x));
    FUT_TRY(make_tensor(all, UID_W, filter, p->dtype, &w));
    FUT_TRY(make_tensor(all, UID_Y, p->y, p->dtype, &y));
    FUT_TRY(make_convolution(all, p, &convolution));
    FUT_TRY(make(all, name->operation, &operation));
    SET(operation, name->x, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &x);
    SET(operation, name->w, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &w);
    SET(operation, name->y, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &y);
    SET(operation, name->convolution, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &convolution);
    SET(operation, name->alpha, CUDNN_TYPE_FLOAT, 1, &alpha);
    SET(operation, name->beta, CUDNN_TYPE_FLOAT, 1, &beta);
    FINALIZE(operation, "an operation");
    *operation_out = operation;
    return FUT_OK;
}

static fut_status make_graph(bag *all, cudnnHandle_t handle, const fut_cudnn_problem *p, cudnnBackendDescriptor_t *graph_out)
{
    cudnnBackendDescriptor_t operation = NULL, graph = NULL;
    FUT_TRY(make_operation(all, p, &operation));
    FUT_TRY(make(all, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR, &graph));
    SET(graph, CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1, &handle);
    SET(graph, CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &operation);
    FINALIZE(graph, "an operation graph");
    *graph_out = graph;
    return FUT_OK;
}

/* ---- engines ---- */

/* f32: tensor cores would round to TF32. 16 bits: sums stay in f32, and transforms that need more than 16 bits are left out. */
static bool allowed(cudnnBackendNumericalNote_t note, fut_dtype dtype, fut_cudnn_rules rules)
{
    switch (note) {
    case CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC:
        return !rules.deterministic;
    case CUDNN_NUMERICAL_NOTE_TENSOR_CORE:
        return dtype != FUT_F32 || rules.tf32;
    case CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS:
    case CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION:
        return false;
    case CUDNN_NUMERICAL_NOTE_WINOGRAD:
    case CUDNN_NUMERICAL_NOTE_FFT:
        return dtype == FUT_F32;
    default:
        return true;
    }
}

static fut_status read_engine(bag *all, cudnnBackendDescriptor_t config, const fut_cudnn_problem *p, fut_cudnn_rules rules,
                              int64_t *index_out, bool *allowed_out)
{
    cudnnBackendDescriptor_t engine = NULL;
    cudnnBackendNumericalNote_t note[CUDNN_NUMERICAL_NOTE_TYPE_COUNT];
    int64_t count = 0, notes = 0;
    FUT_TRY(make(all, CUDNN_BACKEND_ENGINE_DESCRIPTOR, &engine));
    GET(config, CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &count, &engine);
    GET(engine, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, 1, &count, index_out);
    GET(engine, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE, CUDNN_NUMERICAL_NOTE_TYPE_COUNT, &notes, note);
    *allowed_out = true;
    for (int64_t i = 0; i < notes && i < CUDNN_NUMERICAL_NOTE_TYPE_COUNT; i++)
        *allowed_out = *allowed_out && allowed(note[i], p->dtype, rules);
    return FUT_OK;
}

static fut_status read_knobs(bag *all, cudnnBackendDescriptor_t config, fut_cuda_choice *choice)
{
    cudnnBackendDescriptor_t knob[CUDNN_KNOB_TYPE_COUNTS];
    int64_t knobs = 0, one = 0;
    for (int i = 0; i < CUDNN_KNOB_TYPE_COUNTS; i++)
        FUT_TRY(make(all, CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR, &knob[i]));
    GET(config, CUDNN_ATTR_ENGINECFG_KNOB_CHOICES, CUDNN_TYPE_BACKEND_DESCRIPTOR, CUDNN_KNOB_TYPE_COUNTS, &knobs, knob);
    FUT_CHECK(knobs <= CUDNN_KNOB_TYPE_COUNTS && knobs <= FUT_CUDA_KNOBS, FUT_ERR_UNSUPPORTED, "a cuDNN engine with %lld knobs",
              (long long)knobs);
    for (choice->knobs = 0; choice->knobs < knobs; choice->knobs++) {
        cudnnBackendKnobType_t type;
        fut_cuda_knob *at = &choice->knob[choice->knobs];
        GET(knob[choice->knobs], CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE, CUDNN_TYPE_KNOB_TYPE, 1, &one, &type);
        GET(knob[choice->knobs], CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE, CUDNN_TYPE_INT64, 1, &one, &at->value);
        at->type = (int64_t)type;
    }
    return FUT_OK;
}

static fut_status read_config(bag *all, cudnnBackendDescriptor_t config, const fut_cudnn_problem *p, fut_cudnn_rules rules,
                              fut_cuda_choice *choice, bool *allowed_out)
{
    FUT_TRY(read_engine(all, config, p, rules, &choice->engine, allowed_out));
    return *allowed_out ? read_knobs(all, config, choice) : FUT_OK;
}

/* Append what `config` is, unless the rules forbid it or it is there already. */
static fut_status add_config(cudnnBackendDescriptor_t config, const fut_cudnn_problem *p, fut_cudnn_rules rules, fut_cuda_choice *choices,
                             int *count)
{
    bag all = {0};
    fut_cuda_choice choice = {0};
    bool fresh = false;
    fut_status st = read_config(&all, config, p, rules, &choice, &fresh);
    discard(&all);
    for (int i = 0; i < *count && fresh; i++)
        fresh = !fut_cuda_choice_equal(&choices[i], &choice);
    if (st == FUT_OK && fresh) choices[(*count)++] = choice;
    return st;
}

enum { PROPOSALS = 32 }; /* of one mode of the heuristics; later ones have no chance */

static fut_status ask_heuristics(bag *all, cudnnBackendDescriptor_t graph, cudnnBackendHeurMode_t mode,
                                 cudnnBackendDescriptor_t config[PROPOSALS], int64_t *configs_out)
{
    cudnnBackendDescriptor_t heuristics = NULL;
    FUT_TRY(make(all, CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR, &heuristics));
    SET(heuristics, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &graph);
    SET(heuristics, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode);
    FINALIZE(heuristics, "the heuristics of a convolution");
    for (int i = 0; i < PROPOSALS; i++)
        FUT_TRY(make(all, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, &config[i]));
    GET(heuristics, CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, PROPOSALS, configs_out, config);
    if (*configs_out > PROPOSALS) *configs_out = PROPOSALS;
    return FUT_OK;
}

static fut_status add_proposals(cudnnBackendDescriptor_t graph, cudnnBackendHeurMode_t mode, const fut_cudnn_problem *p,
                                fut_cudnn_rules rules, int max, fut_cuda_choice *choices, int *count)
{
    bag all = {0};
    cudnnBackendDescriptor_t config[PROPOSALS];
    int64_t configs = 0;
    fut_status st = ask_heuristics(&all, graph, mode, config, &configs);
    for (int64_t i = 0; i < configs && *count < max && st == FUT_OK; i++)
        st = add_config(config[i], p, rules, choices, count);
    discard(&all);
    return st;
}

fut_status fut_cudnn_engines(cudnnHandle_t handle, const fut_cudnn_problem *problem, fut_cudnn_rules rules, int max,
                             fut_cuda_choice *choices_out, int *count_out)
{
    fut_status st = FUT_OK;
    bag all = {0};
    cudnnBackendDescriptor_t graph = NULL;
    *count_out = 0;
    FUT_TRY_GOTO(make_graph(&all, handle, problem, &graph), out);
    FUT_TRY_GOTO(add_proposals(graph, CUDNN_HEUR_MODE_A, problem, rules, max, choices_out, count_out), out);
    FUT_TRY_GOTO(add_proposals(graph, CUDNN_HEUR_MODE_FALLBACK, problem, rules, max, choices_out, count_out), out);
out:
    discard(&all);
    return st;
}

/* ---- a plan ---- */

struct fut_cudnn_plan {
    bag parts, packed; /* packed: the variant pack, which binds pointers */
    cudnnBackendDescriptor_t plan, pack;
    void *pointer[UIDS], *workspace; /* that the pack holds: x, w, y */
    int64_t workspace_bytes;
};

static fut_status make_knob(bag *all, const fut_cuda_knob *knob, cudnnBackendDescriptor_t *made_out)
{
    cudnnBackendKnobType_t type = (cudnnBackendKnobType_t)knob->type;
    FUT_TRY(make(all, CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR, made_out));
    SET(*made_out, CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE, CUDNN_TYPE_KNOB_TYPE, 1, &type);
    SET(*made_out, CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE, CUDNN_TYPE_INT64, 1, &knob->value);
    FINALIZE(*made_out, "a knob");
    return FUT_OK;
}

static fut_status make_config(bag *all, cudnnBackendDescriptor_t graph, const fut_cuda_choice *choice, cudnnBackendDescriptor_t *config_out)
{
    cudnnBackendDescriptor_t engine = NULL, config = NULL, knob[FUT_CUDA_KNOBS] = {NULL};
    int64_t one = 0, engines = 0;
    GET(graph, CUDNN_ATTR_OPERATIONGRAPH_ENGINE_GLOBAL_COUNT, CUDNN_TYPE_INT64, 1, &one, &engines);
    FUT_CHECK(choice->engine < engines, FUT_ERR_UNSUPPORTED, "cuDNN has %lld engines for a convolution, not %lld", (long long)engines,
              (long long)choice->engine);
    FUT_TRY(make(all, CUDNN_BACKEND_ENGINE_DESCRIPTOR, &engine));
    SET(engine, CUDNN_ATTR_ENGINE_OPERATION_GRAPH, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &graph);
    SET(engine, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, 1, &choice->engine);
    FINALIZE(engine, "an engine");
    for (int i = 0; i < choice->knobs; i++)
        FUT_TRY(make_knob(all, &choice->knob[i], &knob[i]));
    FUT_TRY(make(all, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, &config));
    SET(config, CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &engine);
    if (choice->knobs > 0) SET(config, CUDNN_ATTR_ENGINECFG_KNOB_CHOICES, CUDNN_TYPE_BACKEND_DESCRIPTOR, choice->knobs, knob);
    FINALIZE(config, "an engine's configuration");
    *config_out = config;
    return FUT_OK;
}

static fut_status make_plan(cudnnHandle_t handle, const fut_cudnn_problem *p, const fut_cuda_choice *choice, fut_cudnn_plan *plan)
{
    cudnnBackendDescriptor_t graph = NULL, config = NULL;
    int64_t one = 0;
    FUT_TRY(make_graph(&plan->parts, handle, p, &graph));
    FUT_TRY(make_config(&plan->parts, graph, choice, &config));
    FUT_TRY(make(&plan->parts, CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, &plan->plan));
    SET(plan->plan, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, 1, &handle);
    SET(plan->plan, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &config);
    FINALIZE(plan->plan, "an execution plan");
    GET(plan->plan, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1, &one, &plan->workspace_bytes);
    return FUT_OK;
}

fut_status fut_cudnn_plan_create(cudnnHandle_t handle, const fut_cudnn_problem *problem, const fut_cuda_choice *choice,
                                 fut_cudnn_plan **plan_out)
{
    fut_cudnn_plan *plan = NULL;
    FUT_TRY(FUT_NEW(&plan));
    fut_status st = make_plan(handle, problem, choice, plan);
    if (st != FUT_OK)
        fut_cudnn_plan_destroy(&plan);
    else
        *plan_out = plan;
    return st;
}

void fut_cudnn_plan_destroy(fut_cudnn_plan **plan)
{
    if (!*plan) return;
    discard(&(*plan)->packed);
    discard(&(*plan)->parts);
    fut_mem_free(*plan);
    *plan = NULL;
}

size_t fut_cudnn_plan_workspace_bytes(const fut_cudnn_plan *plan)
{
    return (size_t)plan->workspace_bytes;
}

static fut_status make_pack(fut_cudnn_plan *plan)
{
    int64_t uids[UIDS] = {UID_X, UID_W, UID_Y};
    FUT_TRY(make(&plan->packed, CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, &plan->pack));
    SET(plan->pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, UIDS, uids);
    SET(plan->pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, UIDS, plan->pointer);
    SET(plan->pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1, &plan->workspace);
    FINALIZE(plan->pack, "a variant pack");
    return FUT_OK;
}

fut_status fut_cudnn_plan_run(fut_cudnn_plan *plan, cudnnHandle_t handle, const void *x, const void *w, const void *y, void *workspace)
{
    void *pointer[UIDS] = {(void *)x, (void *)w, (void *)y}; /* cuDNN's interface has no const */
    if (plan->packed.count == 0 || memcmp(pointer, plan->pointer, sizeof pointer) != 0 || workspace != plan->workspace) {
        discard(&plan->packed);
        memcpy(plan->pointer, pointer, sizeof pointer);
        plan->workspace = workspace;
        fut_status st = make_pack(plan);
        if (st != FUT_OK) discard(&plan->packed);
        FUT_TRY(st);
    }
    FUT_CUDNN_TRY(cudnnBackendExecute(handle, plan->plan, plan->pack));
    return FUT_OK;
}
