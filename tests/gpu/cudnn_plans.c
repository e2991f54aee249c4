/* Convolutions planned by the real cuDNN for GPUs that are not here: it takes a GPU's description (CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR,
 * since 9.11) wherever it takes a handle, and then proposes and builds plans as on that GPU. So the descriptors that cuda_cudnn.c makes,
 * the rules for engines and the rebuilding of an engine from its number and knobs are checked against the library itself, with no GPU.
 *
 * The linker sends cuda_cudnn.c's cudnnBackendSetAttribute here (--wrap), where a description takes the place of the handle. */
#include "core/backend/cuda/cuda_cudnn.h"
#include "tests/support/support.h"

#include <stdio.h>
#include <string.h>

static cudnnBackendDescriptor_t gpu;

cudnnStatus_t __real_cudnnBackendSetAttribute(cudnnBackendDescriptor_t descriptor, cudnnBackendAttributeName_t name,
                                              cudnnBackendAttributeType_t type, int64_t count, const void *values);
cudnnStatus_t __wrap_cudnnBackendSetAttribute(cudnnBackendDescriptor_t descriptor, cudnnBackendAttributeName_t name,
                                              cudnnBackendAttributeType_t type, int64_t count, const void *values);

static cudnnStatus_t set_gpu(cudnnBackendDescriptor_t descriptor, cudnnBackendAttributeName_t name)
{
    return __real_cudnnBackendSetAttribute(descriptor, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &gpu);
}

cudnnStatus_t __wrap_cudnnBackendSetAttribute(cudnnBackendDescriptor_t descriptor, cudnnBackendAttributeName_t name,
                                              cudnnBackendAttributeType_t type, int64_t count, const void *values)
{
    if (name == CUDNN_ATTR_OPERATIONGRAPH_HANDLE) return CUDNN_STATUS_SUCCESS;
    if (name == CUDNN_ATTR_EXECUTION_PLAN_HANDLE) return set_gpu(descriptor, CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP);
    cudnnStatus_t error = __real_cudnnBackendSetAttribute(descriptor, name, type, count, values);
    if (error != CUDNN_STATUS_SUCCESS) return error;
    if (name == CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH) return set_gpu(descriptor, CUDNN_ATTR_ENGINEHEUR_DEVICEPROP);
    if (name == CUDNN_ATTR_ENGINE_OPERATION_GRAPH) return set_gpu(descriptor, CUDNN_ATTR_ENGINE_DEVICEPROP);
    return CUDNN_STATUS_SUCCESS;
}

/* ---- GPUs ---- */

typedef struct description {
    const char *name;
    int version, multiprocessors, shared_bytes, l2_bytes; /* compute capability 9.0: 900 */
} description;

static const description descriptions[] = {
    {"NVIDIA A100-SXM4-80GB", 800, 108, 166912, 41943040},
    {"NVIDIA H100 80GB HBM3", 900, 132, 232448, 52428800},
    {"NVIDIA B200", 1000, 148, 232448, 132644864},
    {"NVIDIA GeForce RTX 5090", 1200, 170, 101376, 100663296},
};
enum { GPUS = sizeof descriptions / sizeof descriptions[0] };

static cudnnStatus_t describe(const description *d)
{
    char json[1024];
    int length = snprintf(
        json, sizeof json,
        "{\"cudaDeviceId\":0,\"deviceVer\":%d,\"driverVer\":13000,\"deviceName\":\"%s\",\"maxGridSize\":[2147483647,65535,65535],"
        "\"maxBlockSize\":[1024,1024,64],\"regsPerBlock\":65536,\"multiProcessorCount\":%d,\"warpSize\":32,\"maxSharedMemoryPerBlock\":"
        "49152,"
        "\"maxSharedMemoryPerBlockOptin\":%d,\"reservedSharedMemoryPerBlock\":1024,\"maxRegistersPerSM\":65536,\"maxCtasPerSM\":32,"
        "\"maxThreadsPerBlock\":1024,\"maxThreadsPerSM\":%d,\"pciDeviceId\":0,\"isTccDriver\":0,\"supportCoopLaunch\":1,"
        "\"smClockRateKHz\":1980000,\"memClockRateKHz\":2619000,\"l2CacheSize\":%d,\"totalGlobalMem\":85000000000}",
        d->version, d->name, d->multiprocessors, d->shared_bytes, d->version == 1200 ? 1536 : 2048, d->l2_bytes);
    cudnnStatus_t error = cudnnBackendCreateDescriptor(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR, &gpu);
    if (error == CUDNN_STATUS_SUCCESS)
        error = __real_cudnnBackendSetAttribute(gpu, CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR, length, json);
    return error == CUDNN_STATUS_SUCCESS ? cudnnBackendFinalize(gpu) : error;
}

static void forget(void)
{
    (void)cudnnBackendDestroyDescriptor(gpu);
    gpu = NULL;
}

/* ---- convolutions ---- */

typedef struct shape {
    int64_t c, h, out_c, k, stride, before, after;
} shape;

/* The dense ones of EfficientNetV2-B0 and ResNet-50 at 224, each kind once. */
static const shape shapes[] = {
    {3, 224, 32, 3, 2, 0, 1},   {3, 224, 64, 7, 2, 3, 3},   {32, 112, 16, 3, 1, 1, 1},  {16, 112, 64, 3, 2, 0, 1},
    {64, 56, 32, 1, 1, 0, 0},   {128, 56, 48, 1, 1, 0, 0},  {32, 56, 128, 3, 2, 0, 1},  {64, 56, 64, 3, 1, 1, 1},
    {128, 28, 128, 3, 2, 1, 1}, {256, 56, 512, 1, 2, 0, 0}, {672, 14, 112, 1, 1, 0, 0}, {192, 7, 1280, 1, 1, 0, 0},
    {512, 7, 512, 3, 1, 1, 1},  {1152, 7, 192, 1, 1, 0, 0}, {2048, 7, 512, 1, 1, 0, 0},
};
enum { SHAPES = sizeof shapes / sizeof shapes[0], BATCH = 64, MOST = 64 };

static fut_cudnn_problem problem_of(fut_cudnn_kind kind, const shape *s, fut_dtype dtype)
{
    int64_t out = (s->h + s->before + s->after - s->k) / s->stride + 1;
    return (fut_cudnn_problem){
        .kind = kind,
        .x = {BATCH, s->c, s->h, s->h},
        .y = {BATCH, s->out_c, out, out},
        .kh = s->k,
        .kw = s->k,
        .stride = s->stride,
        .pad_top = s->before,
        .pad_left = s->before,
        .pad_bottom = s->after,
        .pad_right = s->after,
        .dtype = dtype,
    };
}

/* Proposals that make a plan, of the first `tried`. */
static int plans_of(const fut_cudnn_problem *problem, fut_cudnn_rules rules, int tried)
{
    static fut_cuda_choice choices[MOST];
    int count = 0, plans = 0;
    FUT_TEST_OK(fut_cudnn_engines(NULL, problem, rules, MOST, choices, &count));
    for (int i = 0; i < count && i < tried; i++) {
        fut_cudnn_plan *plan = NULL;
        fut_status st = fut_cudnn_plan_create(NULL, problem, &choices[i], &plan);
        plans += st == FUT_OK;
        fut_cudnn_plan_destroy(&plan);
        fut_trail_clear();
    }
    return plans;
}

static const char *const kinds[] = {"forward", "backward-data", "backward-filter"};

/* Every pass of every shape has a plan that gives the same bits every time. */
static void check_shapes(const char *name, fut_dtype dtype, bool tf32)
{
    fut_cudnn_rules rules = {.tf32 = tf32, .deterministic = true};
    int fewest = MOST;
    for (int i = 0; i < SHAPES; i++)
        for (int kind = 0; kind < 3; kind++) {
            fut_cudnn_problem problem = problem_of((fut_cudnn_kind)kind, &shapes[i], dtype);
            int plans = plans_of(&problem, rules, 4);
            if (plans == 0)
                fail_msg("%s: no plan for %s of %lldx%lld/%lld, %lld -> %lld in %s", name, kinds[kind], (long long)shapes[i].k,
                         (long long)shapes[i].k, (long long)shapes[i].stride, (long long)shapes[i].c, (long long)shapes[i].out_c,
                         fut_dtype_name(dtype));
            if (plans < fewest) fewest = plans;
        }
    print_message("  %s, %s%s: %d shapes, at least %d of the first 4 proposals make a plan\n", name, fut_dtype_name(dtype),
                  tf32 ? " by TF32" : "", SHAPES, fewest);
}

static void test_shapes(void **state)
{
    (void)state;
    for (int i = 0; i < GPUS; i++) {
        assert_int_equal(describe(&descriptions[i]), CUDNN_STATUS_SUCCESS);
        check_shapes(descriptions[i].name, FUT_BF16, false);
        check_shapes(descriptions[i].name, FUT_F16, false);
        check_shapes(descriptions[i].name, FUT_F32, false);
        check_shapes(descriptions[i].name, FUT_F32, true);
        forget();
    }
}

/* What cuda_conv_pass.c takes for granted: in 16 bits there is a choice for padding that differs on two sides. */
static void test_uneven_padding(void **state)
{
    (void)state;
    const shape uneven = {32, 112, 64, 3, 2, 0, 1};
    for (int i = 0; i < GPUS; i++) {
        assert_int_equal(describe(&descriptions[i]), CUDNN_STATUS_SUCCESS);
        for (int kind = 0; kind < 3; kind++) {
            fut_cudnn_problem narrow = problem_of((fut_cudnn_kind)kind, &uneven, FUT_BF16), wide = narrow;
            wide.dtype = FUT_F32;
            int plans = plans_of(&narrow, (fut_cudnn_rules){.deterministic = true}, MOST);
            print_message("  %s, %s: %d plans in bf16, %d in f32, %d by TF32\n", descriptions[i].name, kinds[kind], plans,
                          plans_of(&wide, (fut_cudnn_rules){.deterministic = true}, MOST),
                          plans_of(&wide, (fut_cudnn_rules){.tf32 = true, .deterministic = true}, MOST));
            assert_true(plans >= 4);
        }
        forget();
    }
}

/* The rules leave out what they should: without TF32 fewer engines, and none of the others' numbers changes. */
static void test_rules(void **state)
{
    (void)state;
    static fut_cuda_choice strict[MOST], loose[MOST];
    int stricts = 0, looses = 0;
    assert_int_equal(describe(&descriptions[1]), CUDNN_STATUS_SUCCESS);
    fut_cudnn_problem problem = problem_of(FUT_CUDNN_FORWARD, &shapes[7], FUT_F32);
    FUT_TEST_OK(fut_cudnn_engines(NULL, &problem, (fut_cudnn_rules){0}, MOST, strict, &stricts));
    FUT_TEST_OK(fut_cudnn_engines(NULL, &problem, (fut_cudnn_rules){.tf32 = true}, MOST, loose, &looses));
    assert_in_range(stricts, 1, looses - 1);
    for (int i = 0; i < stricts; i++) {
        bool among = false;
        for (int k = 0; k < looses; k++)
            among = among || fut_cuda_choice_equal(&strict[i], &loose[k]);
        assert_true(among);
    }
    fut_cudnn_plan *plan = NULL;
    fut_cuda_choice none = {.engine = 100000};
    FUT_TEST_FAILS(fut_cudnn_plan_create(NULL, &problem, &none, &plan), FUT_ERR_UNSUPPORTED, "engines for a convolution, not 100000");
    none = (fut_cuda_choice){.engine = 0, .knobs = 1, .knob = {{CUDNN_KNOB_TYPE_TILE_SIZE, 1 << 20}}};
    FUT_TEST_FAILS(fut_cudnn_plan_create(NULL, &problem, &none, &plan), FUT_ERR_UNSUPPORTED,
                   "cudnnBackendFinalize of an engine's configuration");
    assert_null(plan);
    forget();
}

int main(void)
{
    cudnnStatus_t error = describe(&descriptions[1]);
    forget();
    if (error != CUDNN_STATUS_SUCCESS) {
        printf("skipped: cuDNN %zu plans for no GPU that is only described (%s)\n", cudnnGetVersion(), cudnnGetErrorString(error));
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_uneven_padding),
        cmocka_unit_test(test_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
