/* The convolutions of the GPU double's cuDNN: every engine gives the right values, and behaves as its notes say. */
#include "cudnn_test.h"

static dnn_number number_of(cudnnDataType_t type)
{
    return type == CUDNN_DATA_FLOAT ? DNN_F32 : type == CUDNN_DATA_HALF ? DNN_F16 : DNN_BF16;
}

static int64_t count_of(const setup *s, int tensor)
{
    return tensor == 0   ? s->n * s->c * s->size[0] * s->size[1]
           : tensor == 1 ? s->k * s->c / s->groups * s->filter[0] * s->filter[1]
                         : s->n * s->k * out_size(s, 0) * out_size(s, 1);
}

/* By definition, in double; the tensor of that pass is set, the two others are read. Channels last, filters KRSC. */
static void reference(const setup *s, float *x, float *w, float *y)
{
    const int64_t cg = s->c / s->groups, kg = s->k / s->groups, oh = out_size(s, 0), ow = out_size(s, 1);
    float *const tensors[3] = {y, x, w}, *out = tensors[s->pass];
    const int64_t count = count_of(s, s->pass == FORWARD ? 2 : s->pass == BACKWARD_DATA ? 0 : 1);
    double *sums = calloc((size_t)count, sizeof(double));
    for (int64_t n = 0; n < s->n; n++)
        for (int64_t i = 0; i < oh; i++)
            for (int64_t j = 0; j < ow; j++)
                for (int64_t k = 0; k < s->k; k++)
                    for (int64_t r = 0; r < s->filter[0]; r++)
                        for (int64_t q = 0; q < s->filter[1]; q++)
                            for (int64_t c = 0; c < cg; c++) {
                                const int64_t row = i * s->stride[0] - s->pre[0] + r * s->dilation[0],
                                              col = j * s->stride[1] - s->pre[1] + q * s->dilation[1];
                                if (row < 0 || row >= s->size[0] || col < 0 || col >= s->size[1]) continue;
                                const int64_t at_x = ((n * s->size[0] + row) * s->size[1] + col) * s->c + k / kg * cg + c;
                                const int64_t at_w = ((k * s->filter[0] + r) * s->filter[1] + q) * cg + c,
                                              at_y = ((n * oh + i) * ow + j) * s->k + k;
                                if (s->pass == FORWARD)
                                    sums[at_y] += (double)x[at_x] * (double)w[at_w];
                                else if (s->pass == BACKWARD_DATA)
                                    sums[at_x] += (double)y[at_y] * (double)w[at_w];
                                else
                                    sums[at_w] += (double)x[at_x] * (double)y[at_y];
                            }
    for (int64_t i = 0; i < count; i++)
        out[i] = (float)((double)s->alpha * sums[i] + (s->beta != 0 ? (double)s->beta * (double)out[i] : 0));
    free(sums);
}

/* The three tensors of a setup, in memory and on the device, and what the output must be. */
typedef struct problem {
    const setup *s;
    int output;
    float *values[3], *start; /* start: the output before */
    void *device[3];
} problem;

static void problem_create(const setup *s, problem *p)
{
    *p = (problem){.s = s, .output = s->pass == FORWARD ? 2 : s->pass == BACKWARD_DATA ? 0 : 1};
    for (int i = 0; i < 3; i++) {
        p->values[i] = random_numbers(count_of(s, i), (uint64_t)i + 1);
        p->device[i] = device_numbers(stream, p->values[i], count_of(s, i), number_of(i == p->output ? s->out_type : s->type));
    }
    p->start = calloc((size_t)count_of(s, p->output), sizeof(float));
    memcpy(p->start, p->values[p->output], (size_t)count_of(s, p->output) * sizeof(float));
    reference(s, p->values[0], p->values[1], p->values[2]);
}

static void problem_destroy(problem *p)
{
    for (int i = 0; i < 3; i++) {
        free(p->values[i]);
        assert_int_equal(cudaFree(p->device[i]), cudaSuccess);
    }
    free(p->start);
}

/* Runs the plan on the output's first value, or where that does not count on fresh memory, which is NaN. The caller frees. */
static float *run_plan(problem *p, cudnnBackendDescriptor_t plan)
{
    const int64_t count = count_of(p->s, p->output);
    const dnn_number out_type = number_of(p->s->out_type);
    float *got = calloc((size_t)count, sizeof(float));
    for (int64_t i = 0; i < count; i++)
        got[i] = p->start[i];
    assert_int_equal(cudaFree(p->device[p->output]), cudaSuccess);
    p->device[p->output] =
        p->s->beta == 0 ? device_alloc((size_t)count * dnn_size(out_type)) : device_numbers(stream, got, count, out_type);
    void *workspace = workspace_of(plan) ? device_alloc((size_t)workspace_of(plan)) : NULL;
    OK(execute(plan, p->device[0], p->device[1], p->device[2], workspace));
    read_numbers(stream, got, p->device[p->output], count, out_type);
    if (workspace) assert_int_equal(cudaFree(workspace), cudaSuccess);
    return got;
}

/* Every plan that the heuristics propose gives the right values; at least so many do. */
static void check_setup(const setup *s, int at_least, const char *what)
{
    problem p;
    cudnnBackendDescriptor_t graph, configs[MOST];
    int64_t bound, given;
    int ran = 0;
    problem_create(s, &p);
    OK(make_graph(s, &graph));
    OK(propose(graph, CUDNN_HEUR_MODE_A, configs, &bound, &given));
    for (int64_t i = 0; i < given; i++) {
        cudnnBackendDescriptor_t plan;
        if (make_plan(configs[i], &plan) != CUDNN_STATUS_SUCCESS) continue;
        const bool tf32 = traits_of(configs[i]).tensor_core && s->type == CUDNN_DATA_FLOAT;
        float *got = run_plan(&p, plan);
        assert_close(got, p.values[p.output], count_of(s, p.output),
                     s->out_type == CUDNN_DATA_BFLOAT16 ? 1e-5
                     : s->out_type == CUDNN_DATA_HALF   ? 2e-7
                     : tf32                             ? 1e-6
                                                        : 1e-12,
                     what);
        free(got);
        destroy(&plan);
        ran++;
    }
    assert_true(ran >= at_least);
    destroy_all(configs);
    destroy(&graph);
    problem_destroy(&p);
}

static void test_convolutions_are_right(void **state)
{
    (void)state;
    enum { SHAPES = 8 };
    static const cudnnDataType_t types[] = {CUDNN_DATA_FLOAT, CUDNN_DATA_HALF, CUDNN_DATA_BFLOAT16};
    setup shapes[SHAPES];
    for (int i = 0; i < SHAPES; i++)
        shapes[i] = good();
    shapes[1] = pointwise();
    shapes[2].groups = 2;
    shapes[3].groups = shapes[3].k = 8; /* depthwise */
    shapes[4].dilation[0] = 2;
    shapes[4].dilation[1] = 3;
    shapes[5].n = 1; /* a network's first layer */
    shapes[5].c = 3;
    shapes[5].k = 5;
    shapes[6].alpha = 0.5f;
    shapes[6].beta = 2;
    shapes[7].n = 5; /* several blocks of pixels */
    shapes[7].size[0] = 20;
    shapes[7].size[1] = 21;
    shapes[7].groups = 4;
    for (int i = 0; i < SHAPES; i++)
        for (int pass = FORWARD; pass <= BACKWARD_FILTER; pass++)
            for (size_t t = 0; t < sizeof(types) / sizeof(types[0]); t++) {
                char what[64];
                setup s = shapes[i];
                s.pass = pass;
                s.type = s.out_type = types[t];
                snprintf(what, sizeof(what), "shape %d, pass %d, type %d", i, pass, (int)types[t]);
                check_setup(&s, 3, what);
            }
    setup wide = good(); /* an f32 gradient of bf16 activations */
    wide.pass = BACKWARD_FILTER;
    wide.type = CUDNN_DATA_BFLOAT16;
    check_setup(&wide, 1, "bf16 to f32");
}

static float *run_engine(const setup *s, int64_t index, int64_t knob)
{
    problem p;
    problem_create(s, &p);
    cudnnBackendDescriptor_t plan = plan_of(s, index, knob);
    float *got = run_plan(&p, plan);
    destroy(&plan);
    problem_destroy(&p);
    return got;
}

/* Same bits every time, but for the engine that says so; other bits by another engine or knob. */
static void test_determinism(void **state)
{
    (void)state;
    enum { TILES = 5, PLAIN = 0, ATOMICS = 20 };
    for (int pass = FORWARD; pass <= BACKWARD_FILTER; pass++) {
        setup s = good();
        s.pass = pass;
        s.pre[1] = 1;
        s.pre[0] = s.post[0]; /* the nondeterministic engine pads evenly */
        const size_t bytes = (size_t)count_of(&s, pass == FORWARD ? 2 : pass == BACKWARD_DATA ? 0 : 1) * sizeof(float);
        float *tiles = run_engine(&s, TILES, 0), *again = run_engine(&s, TILES, 0), *knob = run_engine(&s, TILES, 1);
        assert_memory_equal(tiles, again, bytes);
        assert_memory_not_equal(tiles, knob, bytes);
        float *atomics[3];
        for (int i = 0; i < 3; i++)
            atomics[i] = run_engine(&s, ATOMICS, 0);
        assert_memory_not_equal(atomics[0], atomics[1], bytes);
        assert_memory_not_equal(atomics[1], atomics[2], bytes);
        assert_memory_not_equal(atomics[0], tiles, bytes);
        for (int i = 0; i < 3; i++)
            free(atomics[i]);
        free(tiles);
        free(again);
        free(knob);
    }
}

/* Engines that use TF32 are told from the others by their results too. */
static void test_tf32_rounds(void **state)
{
    (void)state;
    setup s = pointwise();
    problem p;
    problem_create(&s, &p);
    float *exact = run_engine(&s, 0, 0);
    for (int i = 0; i < 2; i++) {
        float *rounded = run_engine(&s, i == 0 ? 72 : 38, 0);
        double error = 0, scale = 0;
        for (int64_t j = 0; j < count_of(&s, 2); j++) {
            error += pow((double)rounded[j] - (double)exact[j], 2);
            scale += pow((double)exact[j], 2);
        }
        assert_in_range((uint64_t)(error / scale * 1e12), 1000, 1000000); /* 1e-9 .. 1e-6 */
        free(rounded);
    }
    free(exact);
    problem_destroy(&p);
}

/* The workspace is overwritten from end to end and not beyond. */
static void test_workspace_is_used_up(void **state)
{
    (void)state;
    const setup s = good();
    problem p;
    problem_create(&s, &p);
    cudnnBackendDescriptor_t plan = plan_of(&s, 5, 1);
    const size_t bytes = (size_t)workspace_of(plan), room = bytes + 64;
    unsigned char *seen = calloc(room, 1), *workspace = device_alloc(room);
    upload(stream, workspace, seen, room);
    OK(execute(plan, p.device[0], p.device[1], p.device[2], workspace));
    download(stream, seen, workspace, room);
    assert_int_equal(bytes % 2, 1);
    for (size_t i = 0; i < room; i++)
        assert_int_equal(seen[i], i < bytes ? 0xA5 : 0);
    free(seen);
    assert_int_equal(cudaFree(workspace), cudaSuccess);
    destroy(&plan);
    problem_destroy(&p);
}

/* An execution may be captured, outlives its descriptors, and runs at each launch. */
static void test_capture(void **state)
{
    (void)state;
    setup s = good();
    s.beta = 1; /* so that running twice shows */
    problem p;
    problem_create(&s, &p);
    cudnnBackendDescriptor_t plan = plan_of(&s, 0, 0);
    const int64_t count = count_of(&s, 2);
    float *before = calloc((size_t)count, sizeof(float)), *once = calloc((size_t)count, sizeof(float)),
          *twice = calloc((size_t)count, sizeof(float));
    cudaGraph_t graph;
    cudaGraphExec_t exec;
    download(stream, before, p.device[2], (size_t)count * 4);
    assert_int_equal(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), cudaSuccess);
    OK(execute(plan, p.device[0], p.device[1], p.device[2], NULL));
    assert_int_equal(cudaStreamEndCapture(stream, &graph), cudaSuccess);
    assert_int_equal(cudaGraphInstantiate(&exec, graph, 0), cudaSuccess);
    destroy(&plan);
    for (int i = 0; i < 3; i++) {
        download(stream, i == 0 ? before : i == 1 ? once : twice, p.device[2], (size_t)count * 4);
        if (i < 2) assert_int_equal(cudaGraphLaunch(exec, stream), cudaSuccess);
    }
    for (int64_t i = 0; i < count; i++)
        before[i] = 2 * once[i] - before[i];
    assert_close(once, p.values[2], count, 1e-12, "captured");
    assert_close(twice, before, count, 1e-10, "launched twice");
    assert_int_equal(cudaGraphExecDestroy(exec), cudaSuccess);
    assert_int_equal(cudaGraphDestroy(graph), cudaSuccess);
    free(before);
    free(once);
    free(twice);
    problem_destroy(&p);
}

int main(void)
{
    setenv("GPU_DOUBLE_STRICT", "0", 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_convolutions_are_right), cmocka_unit_test(test_determinism), cmocka_unit_test(test_tf32_rounds),
        cmocka_unit_test(test_workspace_is_used_up),   cmocka_unit_test(test_capture),
    };
    return cmocka_run_group_tests(tests, setup_all, teardown_all);
}
