/* cuBLASLt of the GPU double: products by definition, and every rule with a mistake planted against it. */
#include "cublaslt_double.h"
#include "dnn_test.h"

static cudaStream_t stream;
static cublasLtHandle_t handle;

static int setup_all(void **state)
{
    (void)state;
    assert_int_equal(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), cudaSuccess);
    OK(cublasLtCreate(&handle));
    return 0;
}

/* Nothing may be left. */
static int teardown_all(void **state)
{
    (void)state;
    OK(cublasLtDestroy(handle));
    assert_int_equal(cudaStreamDestroy(stream), cudaSuccess);
    assert_int_equal(cublaslt_double_leaks(), 0);
    assert_int_equal(gpu_double_leaks(), 0);
    return 0;
}

/* ---- one product ---- */

enum { A, B, C, D, MATRICES };

/* Everything about it that can be got wrong. */
typedef struct setup {
    int64_t m, n, k;
    int batch;
    int32_t trans_a, trans_b, order[MATRICES], type, out_type;
    int64_t gap[MATRICES]; /* added to the smallest leading dimension */
    cublasComputeType_t compute;
    cudaDataType_t scale;
    uint32_t epilogue;
    int32_t pointer_mode, bias_type;
    float alpha, beta;
    uint32_t alignment;
    uint64_t workspace;   /* that the preference allows */
    int64_t k_off, n_off; /* mistakes: added to B's and D's size */
} setup;

static setup good(void)
{
    return (setup){.m = 5,
                   .n = 7,
                   .k = 9,
                   .batch = 1,
                   .trans_a = CUBLAS_OP_T,
                   .type = CUDA_R_32F,
                   .out_type = CUDA_R_32F,
                   .compute = CUBLAS_COMPUTE_32F,
                   .scale = CUDA_R_32F,
                   .epilogue = CUBLASLT_EPILOGUE_DEFAULT,
                   .bias_type = -1,
                   .alpha = 1,
                   .alignment = 16,
                   .workspace = 1 << 20};
}

typedef struct product {
    setup s;
    cublasLtMatmulDesc_t desc;
    cublasLtMatrixLayout_t layouts[MATRICES];
    int64_t rows[MATRICES], cols[MATRICES], ld[MATRICES], offset[MATRICES], count[MATRICES];
    float *values[MATRICES], *bias_values;
    void *device[MATRICES], *bias, *workspace;
    cublasLtMatmulAlgo_t algo;
    size_t workspace_bytes;
} product;

static dnn_number number_of(int32_t type)
{
    return type == CUDA_R_32F ? DNN_F32 : type == CUDA_R_16F ? DNN_F16 : DNN_BF16;
}

static void set_desc(product *p, cublasLtMatmulDescAttributes_t name, const void *value, size_t size)
{
    OK(cublasLtMatmulDescSetAttribute(p->desc, name, value, size));
}

static void make_matrix(product *p, int i, int64_t rows, int64_t cols)
{
    const setup *s = &p->s;
    const int64_t line = s->order[i] == CUBLASLT_ORDER_COL ? rows : cols, lines = rows + cols - line;
    const int32_t batch = s->batch;
    p->rows[i] = rows;
    p->cols[i] = cols;
    p->ld[i] = line + s->gap[i];
    p->offset[i] = p->ld[i] * lines + 4;
    p->count[i] = p->offset[i] * s->batch;
    p->values[i] = random_numbers(p->count[i], (uint64_t)i + 1);
    p->device[i] = device_numbers(stream, p->values[i], p->count[i], number_of(i < C ? s->type : s->out_type));
    OK(cublasLtMatrixLayoutCreate(&p->layouts[i], (cudaDataType)(i < C ? s->type : s->out_type), (uint64_t)rows, (uint64_t)cols, p->ld[i]));
    OK(cublasLtMatrixLayoutSetAttribute(p->layouts[i], CUBLASLT_MATRIX_LAYOUT_ORDER, &s->order[i], sizeof(int32_t)));
    if (batch == 1) return;
    OK(cublasLtMatrixLayoutSetAttribute(p->layouts[i], CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &batch, sizeof(batch)));
    OK(cublasLtMatrixLayoutSetAttribute(p->layouts[i], CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &p->offset[i], sizeof(int64_t)));
}

static void product_create(const setup *s, product *p)
{
    *p = (product){.s = *s};
    const bool ta = s->trans_a == CUBLAS_OP_T, tb = s->trans_b == CUBLAS_OP_T;
    const int64_t k = s->k + s->k_off;
    OK(cublasLtMatmulDescCreate(&p->desc, s->compute, s->scale));
    make_matrix(p, A, ta ? s->k : s->m, ta ? s->m : s->k);
    make_matrix(p, B, tb ? s->n : k, tb ? k : s->n);
    make_matrix(p, C, s->m, s->n + s->n_off);
    make_matrix(p, D, s->m, s->n + s->n_off);
    p->bias_values = random_numbers(s->m + s->n, 9);
    p->bias = device_numbers(stream, p->bias_values, s->m + s->n, number_of(s->out_type));
    set_desc(p, CUBLASLT_MATMUL_DESC_TRANSA, &s->trans_a, sizeof(int32_t));
    set_desc(p, CUBLASLT_MATMUL_DESC_TRANSB, &s->trans_b, sizeof(int32_t));
    set_desc(p, CUBLASLT_MATMUL_DESC_EPILOGUE, &s->epilogue, sizeof(uint32_t));
    set_desc(p, CUBLASLT_MATMUL_DESC_POINTER_MODE, &s->pointer_mode, sizeof(int32_t));
    set_desc(p, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, &s->bias_type, sizeof(int32_t));
    set_desc(p, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &p->bias, sizeof(p->bias));
}

static void product_destroy(product *p)
{
    assert_int_equal(cudaStreamSynchronize(stream), cudaSuccess);
    OK(cublasLtMatmulDescDestroy(p->desc));
    for (int i = 0; i < MATRICES; i++) {
        OK(cublasLtMatrixLayoutDestroy(p->layouts[i]));
        assert_int_equal(cudaFree(p->device[i]), cudaSuccess);
        free(p->values[i]);
    }
    assert_int_equal(cudaFree(p->bias), cudaSuccess);
    assert_int_equal(cudaFree(p->workspace), cudaSuccess);
    free(p->bias_values);
}

enum { MOST = 4 };

static cublasStatus_t propose(const product *p, int requested, cublasLtMatmulHeuristicResult_t results[MOST], int *count)
{
    static const cublasLtMatmulPreferenceAttributes_t alignments[] = {
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES,
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES};
    cublasLtMatmulPreference_t preference;
    OK(cublasLtMatmulPreferenceCreate(&preference));
    OK(cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &p->s.workspace, sizeof(uint64_t)));
    for (int i = 0; i < MATRICES && p->s.alignment; i++)
        OK(cublasLtMatmulPreferenceSetAttribute(preference, alignments[i], &p->s.alignment, sizeof(uint32_t)));
    const cublasStatus_t status = cublasLtMatmulAlgoGetHeuristic(handle, p->desc, p->layouts[A], p->layouts[B], p->layouts[C],
                                                                 p->layouts[D], preference, requested, results, count);
    OK(cublasLtMatmulPreferenceDestroy(preference));
    return status;
}

/* The nth proposal that is one. */
static void choose(product *p, int nth)
{
    cublasLtMatmulHeuristicResult_t results[MOST];
    int count = 0;
    OK(propose(p, MOST, results, &count));
    for (int i = 0; i < count; i++) {
        if (results[i].state != CUBLAS_STATUS_SUCCESS || nth-- > 0) continue;
        p->algo = results[i].algo;
        p->workspace_bytes = results[i].workspaceSize;
        assert_int_equal(cudaFree(p->workspace), cudaSuccess);
        p->workspace = p->workspace_bytes ? device_alloc(p->workspace_bytes) : NULL;
        return;
    }
    fail_msg("no such proposal");
}

static cublasStatus_t multiply(const product *p, const void *c, void *d)
{
    return cublasLtMatmul(handle, p->desc, &p->s.alpha, p->device[A], p->layouts[A], p->device[B], p->layouts[B], &p->s.beta, c,
                          p->layouts[C], d, p->layouts[D], &p->algo, p->workspace, p->workspace_bytes, stream);
}

static int64_t at(const product *p, int i, int64_t row, int64_t col)
{
    return p->s.order[i] == CUBLASLT_ORDER_COL ? col * p->ld[i] + row : row * p->ld[i] + col;
}

/* By definition, in double; what lies between the lines of D stays. */
static void reference(const product *p, const float *c, float *d)
{
    const setup *s = &p->s;
    for (int batch = 0; batch < s->batch; batch++)
        for (int64_t i = 0; i < s->m; i++)
            for (int64_t j = 0; j < s->n; j++) {
                double sum = 0;
                for (int64_t q = 0; q < s->k; q++)
                    sum += (double)p->values[A][batch * p->offset[A] + (s->trans_a ? at(p, A, q, i) : at(p, A, i, q))] *
                           (double)p->values[B][batch * p->offset[B] + (s->trans_b ? at(p, B, j, q) : at(p, B, q, j))];
                sum *= (double)s->alpha;
                if (s->beta != 0) sum += (double)s->beta * (double)c[batch * p->offset[C] + at(p, C, i, j)];
                if (s->epilogue == CUBLASLT_EPILOGUE_BIAS || s->epilogue == CUBLASLT_EPILOGUE_RELU_BIAS) sum += (double)p->bias_values[i];
                if (s->epilogue == CUBLASLT_EPILOGUE_RELU || s->epilogue == CUBLASLT_EPILOGUE_RELU_BIAS) sum = sum < 0 ? 0 : sum;
                d[batch * p->offset[D] + at(p, D, i, j)] = (float)sum;
            }
}

/* Both algorithms give the right values. */
static void check_setup(const setup *s, double tolerance, const char *what)
{
    product p;
    product_create(s, &p);
    float *want = calloc((size_t)p.count[D], sizeof(float)), *got = calloc((size_t)p.count[D], sizeof(float));
    memcpy(want, p.values[D], (size_t)p.count[D] * sizeof(float));
    reference(&p, p.values[C], want);
    for (int nth = 0; nth < 2; nth++) {
        choose(&p, nth);
        OK(multiply(&p, p.device[C], p.device[D]));
        read_numbers(stream, got, p.device[D], p.count[D], number_of(s->out_type));
        assert_close(got, want, p.count[D], tolerance, what);
    }
    free(want);
    free(got);
    product_destroy(&p);
}

static void test_products_are_right(void **state)
{
    (void)state;
    for (int bits = 0; bits < 64; bits++) {
        setup s = good();
        s.trans_a = bits & 1;
        s.trans_b = bits >> 1 & 1;
        s.order[A] = bits >> 2 & 1;
        s.order[B] = bits >> 3 & 1;
        s.order[C] = s.order[D] = bits >> 4 & 1;
        s.batch = bits & 32 ? 3 : 1;
        s.beta = 0.5f;
        s.alpha = 2;
        for (int i = 0; i < MATRICES; i++)
            s.gap[i] = i;
        check_setup(&s, 1e-12, "orders and operations");
    }
    static const struct {
        int32_t in, out;
        double tolerance;
    } types[] = {{CUDA_R_16F, CUDA_R_16F, 2e-7},
                 {CUDA_R_16F, CUDA_R_32F, 1e-12},
                 {CUDA_R_16BF, CUDA_R_16BF, 1e-5},
                 {CUDA_R_16BF, CUDA_R_32F, 1e-12}};
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        setup s = good();
        s.type = types[i].in;
        s.out_type = types[i].out;
        s.epilogue = CUBLASLT_EPILOGUE_RELU_BIAS;
        check_setup(&s, types[i].tolerance, "types");
    }
    static const uint32_t epilogues[] = {CUBLASLT_EPILOGUE_BIAS, CUBLASLT_EPILOGUE_RELU};
    for (int i = 0; i < 2; i++) {
        setup s = good();
        s.m = 37;
        s.n = 35;
        s.k = 130;
        s.epilogue = epilogues[i];
        check_setup(&s, 1e-12, "epilogues");
    }
    setup tf32 = good();
    tf32.compute = CUBLAS_COMPUTE_32F_FAST_TF32;
    check_setup(&tf32, 1e-6, "TF32");
}

static void test_bias_gradients(void **state)
{
    (void)state;
    for (int of_b = 0; of_b < 2; of_b++) {
        setup s = good();
        s.epilogue = of_b ? CUBLASLT_EPILOGUE_BGRADB : CUBLASLT_EPILOGUE_BGRADA;
        product p;
        product_create(&s, &p);
        const int64_t count = of_b ? s.n : s.m;
        float want[16] = {0}, got[16];
        for (int64_t i = 0; i < count; i++)
            for (int64_t q = 0; q < s.k; q++)
                want[i] += of_b ? p.values[B][at(&p, B, q, i)] : p.values[A][at(&p, A, q, i)];
        choose(&p, 1);
        OK(multiply(&p, p.device[C], p.device[D]));
        read_numbers(stream, got, p.bias, count, DNN_F32);
        assert_close(got, want, count, 1e-12, "bias gradient");
        product_destroy(&p);
    }
}

static void test_in_place_and_device_scalars(void **state)
{
    (void)state;
    setup s = good();
    s.beta = -3;
    s.pointer_mode = CUBLASLT_POINTER_MODE_DEVICE;
    product p;
    product_create(&s, &p);
    float *want = calloc((size_t)p.count[D], sizeof(float)), *got = calloc((size_t)p.count[D], sizeof(float)),
          scalars[2] = {s.alpha, s.beta};
    float *device = device_numbers(stream, scalars, 2, DNN_F32);
    memcpy(want, p.values[D], (size_t)p.count[D] * sizeof(float));
    reference(&p, p.values[D], want);
    choose(&p, 1);
    OK(cublasLtMatmul(handle, p.desc, device, p.device[A], p.layouts[A], p.device[B], p.layouts[B], device + 1, p.device[D], p.layouts[C],
                      p.device[D], p.layouts[D], NULL, NULL, 0, stream));
    read_numbers(stream, got, p.device[D], p.count[D], DNN_F32);
    assert_close(got, want, p.count[D], 1e-12, "in place");
    EXPECT(multiply(&p, p.device[D], p.device[D]), CUBLAS_STATUS_EXECUTION_FAILED, "alpha"); /* host scalars in device mode */
    assert_int_equal(cudaFree(device), cudaSuccess);
    free(want);
    free(got);
    product_destroy(&p);
}

/* ---- heuristics ---- */

static void test_heuristics(void **state)
{
    (void)state;
    cublasLtMatmulHeuristicResult_t results[MOST];
    int count = 0;
    setup s = good();
    s.k = 200;
    product p;
    product_create(&s, &p);
    OK(propose(&p, MOST, results, &count));
    assert_int_equal(count, 3);
    assert_int_equal(results[0].state, CUBLAS_STATUS_SUCCESS);
    assert_int_equal(results[0].workspaceSize % 2, 1);
    assert_int_not_equal(results[1].state, CUBLAS_STATUS_SUCCESS);
    assert_int_equal(results[2].workspaceSize, 0);
    float *first = calloc((size_t)p.count[D], sizeof(float)), *second = calloc((size_t)p.count[D], sizeof(float));
    choose(&p, 0);
    OK(multiply(&p, p.device[C], p.device[D]));
    read_numbers(stream, first, p.device[D], p.count[D], DNN_F32);
    choose(&p, 1);
    OK(multiply(&p, p.device[C], p.device[D]));
    read_numbers(stream, second, p.device[D], p.count[D], DNN_F32);
    assert_memory_not_equal(first, second, (size_t)p.count[D] * sizeof(float));
    p.algo = results[1].algo;
    EXPECT(multiply(&p, p.device[C], p.device[D]), CUBLAS_STATUS_INVALID_VALUE, "never came from the heuristics");
    OK(propose(&p, 1, results, &count));
    assert_int_equal(count, 1);
    p.s.workspace = 100;
    OK(propose(&p, MOST, results, &count));
    assert_int_equal(count, 1);
    assert_int_equal(results[0].workspaceSize, 0);
    EXPECT(propose(&p, 0, results, &count), CUBLAS_STATUS_INVALID_VALUE, "0 requested");
    p.s.alignment = 24;
    EXPECT(propose(&p, 1, results, &count), CUBLAS_STATUS_INVALID_VALUE, "24 bytes is no power of two");
    free(first);
    free(second);
    product_destroy(&p);
}

/* ---- mistakes ---- */

static void test_attributes(void **state)
{
    (void)state;
    cublasLtMatrixLayout_t layout;
    cublasLtMatmulDesc_t desc;
    cublasLtMatmulPreference_t preference;
    const int32_t number = 1;
    const int64_t wide = 1;
    OK(cublasLtMatrixLayoutCreate(&layout, CUDA_R_32F, 4, 5, 4));
    OK(cublasLtMatmulDescCreate(&desc, CUBLAS_COMPUTE_32F, CUDA_R_32F));
    EXPECT(cublasLtMatmulPreferenceCreate(&preference), CUBLAS_STATUS_ALLOC_FAILED, NULL); /* injected, see main */
    OK(cublasLtMatmulPreferenceCreate(&preference));
    EXPECT(cublasLtMatrixLayoutSetAttribute(layout, CUBLASLT_MATRIX_LAYOUT_ORDER, &wide, sizeof(wide)), CUBLAS_STATUS_INVALID_VALUE,
           "has 4 bytes, not 8");
    EXPECT(cublasLtMatrixLayoutSetAttribute(layout, CUBLASLT_MATRIX_LAYOUT_LD, &number, sizeof(number)), CUBLAS_STATUS_INVALID_VALUE,
           "has 8 bytes, not 4");
    EXPECT(cublasLtMatrixLayoutSetAttribute(layout, CUBLASLT_MATRIX_LAYOUT_ORDER, NULL, 4), CUBLAS_STATUS_INVALID_VALUE, "NULL");
    EXPECT(cublasLtMatmulDescSetAttribute(desc, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &number, sizeof(number)), CUBLAS_STATUS_INVALID_VALUE,
           "has 8 bytes, not 4");
    EXPECT(cublasLtMatmulDescSetAttribute(desc, (cublasLtMatmulDescAttributes_t)9, &number, sizeof(number)), CUBLAS_STATUS_INVALID_VALUE,
           "no attribute 9");
    EXPECT(cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &number, sizeof(number)),
           CUBLAS_STATUS_INVALID_VALUE, "has 8 bytes");
    EXPECT(cublasLtMatmulDescSetAttribute((cublasLtMatmulDesc_t)(void *)layout, CUBLASLT_MATMUL_DESC_TRANSA, &number, sizeof(number)),
           CUBLAS_STATUS_INVALID_VALUE, "is no matmul descriptor");
    EXPECT(cublasLtMatrixLayoutCreate(NULL, CUDA_R_32F, 4, 5, 4), CUBLAS_STATUS_INVALID_VALUE, "NULL");
    OK(cublasLtMatrixLayoutDestroy(layout));
    EXPECT(cublasLtMatrixLayoutDestroy(layout), CUBLAS_STATUS_INVALID_VALUE, "was destroyed");
    OK(cublasLtMatmulDescDestroy(desc));
    OK(cublasLtMatmulPreferenceDestroy(preference));
    OK(cublasLtMatrixLayoutDestroy(NULL)); /* as cuBLASLt */
    EXPECT(cublasLtDestroy(NULL), CUBLAS_STATUS_INVALID_VALUE, "no handle");
    EXPECT(cublasLtCreate(NULL), CUBLAS_STATUS_INVALID_VALUE, "NULL");
    assert_string_equal(cublasLtGetStatusName(CUBLAS_STATUS_NOT_SUPPORTED), "CUBLAS_STATUS_NOT_SUPPORTED");
    assert_string_equal(cublasLtGetStatusString(CUBLAS_STATUS_NOT_SUPPORTED), "the requested functionality is not supported");
    assert_string_equal(cublasLtGetStatusString((cublasStatus_t)5), "unrecognized status");
    assert_int_equal(cublasLtGetVersion(), 130100);
}

/* A problem that does not fit together: found by the heuristics and by the product alike. */
#define WRONG(change, status, report)                                                                                                      \
    do {                                                                                                                                   \
        setup s = good();                                                                                                                  \
        product p;                                                                                                                         \
        cublasLtMatmulHeuristicResult_t results[MOST];                                                                                     \
        int count = 0;                                                                                                                     \
        change;                                                                                                                            \
        product_create(&s, &p);                                                                                                            \
        EXPECT(propose(&p, MOST, results, &count), status, report);                                                                        \
        EXPECT(multiply(&p, p.device[C], p.device[D]), status, report);                                                                    \
        product_destroy(&p);                                                                                                               \
    } while (0)

static void test_problems(void **state)
{
    (void)state;
    WRONG(s.k_off = 1, CUBLAS_STATUS_INVALID_VALUE, "op(A) [5, 9] times op(B) [10, 7]");
    WRONG(s.n_off = -1, CUBLAS_STATUS_INVALID_VALUE, "is no D [5, 6]");
    WRONG(s.gap[A] = -1, CUBLAS_STATUS_INVALID_VALUE, "A [9, 5]: a leading dimension of 8 makes columns of 9 overlap");
    WRONG(s.order[B] = CUBLASLT_ORDER_ROW; s.gap[B] = -1, CUBLAS_STATUS_INVALID_VALUE, "makes rows of 7 overlap");
    WRONG(s.order[A] = 2, CUBLAS_STATUS_NOT_SUPPORTED, "order 2");
    WRONG(s.m = 0; s.gap[C] = s.gap[D] = 1, CUBLAS_STATUS_INVALID_VALUE, "is [9, 0]");
    WRONG(s.trans_a = CUBLAS_OP_C, CUBLAS_STATUS_NOT_SUPPORTED, "operations 2, 0, 0");
    WRONG(s.compute = CUBLAS_COMPUTE_16F, CUBLAS_STATUS_NOT_SUPPORTED, "compute type 64");
    WRONG(s.scale = CUDA_R_16F, CUBLAS_STATUS_NOT_SUPPORTED, "scale type 2");
    WRONG(s.out_type = CUDA_R_16F, CUBLAS_STATUS_NOT_SUPPORTED, "no product");
    WRONG(s.type = s.out_type = CUDA_R_16BF; s.compute = CUBLAS_COMPUTE_32F_FAST_TF32, CUBLAS_STATUS_NOT_SUPPORTED, "no product");
    WRONG(s.epilogue = 3, CUBLAS_STATUS_NOT_SUPPORTED, "epilogue 3");
    WRONG(s.epilogue = CUBLASLT_EPILOGUE_BIAS; s.bias_type = CUDA_R_16BF, CUBLAS_STATUS_NOT_SUPPORTED, "a bias of data type 14");
    WRONG(s.epilogue = CUBLASLT_EPILOGUE_BIAS; s.order[C] = s.order[D] = CUBLASLT_ORDER_ROW, CUBLAS_STATUS_NOT_SUPPORTED, "row-major D");
    WRONG(s.pointer_mode = 7, CUBLAS_STATUS_NOT_SUPPORTED, "pointer mode 7");
}

static cublasStatus_t multiply_at(const product *p, void *const at[MATRICES], void *workspace, size_t bytes, cudaStream_t on)
{
    return cublasLtMatmul(handle, p->desc, &p->s.alpha, at[A], p->layouts[A], at[B], p->layouts[B], &p->s.beta, at[C], p->layouts[C], at[D],
                          p->layouts[D], &p->algo, workspace, bytes, on);
}

static void test_calls(void **state)
{
    (void)state;
    enum { BYTES = 4096 };
    setup s = good();
    s.beta = 1;
    s.epilogue = CUBLASLT_EPILOGUE_BIAS;
    product p, q;
    product_create(&s, &p);
    choose(&p, 0);
    char *memory = device_alloc(4 * BYTES), *host = calloc(1, BYTES);
    void *at[MATRICES];
    cudaStream_t elsewhere;
#define CALL(change, workspace, bytes, on, status, report)                                                                                 \
    do {                                                                                                                                   \
        for (int i = 0; i < MATRICES; i++)                                                                                                 \
            at[i] = p.device[i];                                                                                                           \
        change;                                                                                                                            \
        EXPECT(multiply_at(&p, at, workspace, bytes, on), status, report);                                                                 \
    } while (0)
    CALL((void)0, p.workspace, p.workspace_bytes, stream, CUBLAS_STATUS_SUCCESS, NULL);
    CALL(at[B] = NULL, p.workspace, p.workspace_bytes, stream, CUBLAS_STATUS_INVALID_VALUE, "B is NULL");
    CALL((void)0, p.workspace, p.workspace_bytes - 1, stream, CUBLAS_STATUS_INVALID_VALUE, "needs a workspace of");
    CALL((void)0, NULL, p.workspace_bytes, stream, CUBLAS_STATUS_INVALID_VALUE, "a workspace of");
    CALL((void)0, memory + 8, p.workspace_bytes, stream, CUBLAS_STATUS_INVALID_VALUE, "aligned to 16 bytes");
    CALL((void)0, p.workspace, p.workspace_bytes + 1, stream, CUBLAS_STATUS_EXECUTION_FAILED, "workspace");
    CALL((void)0, p.workspace, p.workspace_bytes, NULL, CUBLAS_STATUS_INVALID_VALUE, "legacy");
    CALL(at[A] = memory + 8, p.workspace, p.workspace_bytes, stream, CUBLAS_STATUS_INVALID_VALUE, "A at");
    CALL(at[A] = host, p.workspace, p.workspace_bytes, stream, CUBLAS_STATUS_EXECUTION_FAILED, "not device memory");
    CALL(at[D] = memory + 4 * BYTES - 16, p.workspace, p.workspace_bytes, stream, CUBLAS_STATUS_EXECUTION_FAILED, "D has");
    CALL(at[D] = at[A], p.workspace, p.workspace_bytes, stream, CUBLAS_STATUS_INVALID_VALUE, "D and A overlap");
    CALL(at[D] = memory; at[C] = memory + 16, p.workspace, p.workspace_bytes, stream, CUBLAS_STATUS_INVALID_VALUE, "D and C overlap");
    CALL((void)0, p.device[B], p.workspace_bytes, stream, CUBLAS_STATUS_INVALID_VALUE, "workspace and B overlap");
    assert_int_equal(cudaSetDevice(1), cudaSuccess);
    assert_int_equal(cudaStreamCreateWithFlags(&elsewhere, cudaStreamNonBlocking), cudaSuccess);
    assert_int_equal(cudaSetDevice(0), cudaSuccess);
    CALL((void)0, p.workspace, p.workspace_bytes, elsewhere, CUBLAS_STATUS_INVALID_VALUE, "another device");
#undef CALL
    /* A bias less aligned than the one at the heuristics, none, and host memory. */
    const void *biases[] = {(char *)p.bias + 4, NULL, host};
    static const char *const texts[] = {"less aligned", "needs a bias pointer", "bias"};
    for (int i = 0; i < 3; i++) {
        set_desc(&p, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &biases[i], sizeof(void *));
        EXPECT(multiply(&p, p.device[C], p.device[D]), i < 2 ? CUBLAS_STATUS_INVALID_VALUE : CUBLAS_STATUS_EXECUTION_FAILED, texts[i]);
    }
    /* Another problem's algorithm; the alignment that a silent preference promises. */
    s.n = 8;
    s.alignment = 0;
    product_create(&s, &q);
    q.algo = p.algo;
    EXPECT(multiply(&q, q.device[C], q.device[D]), CUBLAS_STATUS_INVALID_VALUE, "chosen for another problem");
    choose(&q, 1);
    OK(multiply(&q, q.device[C], q.device[D]));
    for (int i = 0; i < MATRICES; i++)
        at[i] = q.device[i];
    at[A] = memory + 128;
    EXPECT(multiply_at(&q, at, NULL, 0, stream), CUBLAS_STATUS_INVALID_VALUE, "promised an alignment of 256 bytes");
    const float *on_device = (const float *)(const void *)memory;
    EXPECT(cublasLtMatmul(handle, q.desc, on_device, at[A], q.layouts[A], at[B], q.layouts[B], &s.beta, at[C], q.layouts[C], at[D],
                          q.layouts[D], &q.algo, NULL, 0, stream),
           CUBLAS_STATUS_INVALID_VALUE, "alpha is device memory");
    product_destroy(&p);
    product_destroy(&q);
    assert_int_equal(cudaStreamDestroy(elsewhere), cudaSuccess);
    assert_int_equal(cudaFree(memory), cudaSuccess);
    free(host);
}

static void test_leaks(void **state)
{
    (void)state;
    expect_leak("leak", "never destroyed: 2 cuBLASLt objects, one is a matrix layout");
}

static int leak(void)
{
    cublasLtMatrixLayout_t layout;
    OK(cublasLtCreate(&handle));
    OK(cublasLtMatrixLayoutCreate(&layout, CUDA_R_32F, 4, 5, 4));
    return 0;
}

int main(int argc, char **argv)
{
    (void)argv;
    if (argc > 1) return leak();
    setenv("GPU_DOUBLE_STRICT", "0", 1);
    setenv("GPU_DOUBLE_FAIL", "cublasLtMatmulPreferenceCreate:1=3", 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_attributes),     cmocka_unit_test(test_products_are_right),
        cmocka_unit_test(test_bias_gradients), cmocka_unit_test(test_in_place_and_device_scalars),
        cmocka_unit_test(test_heuristics),     cmocka_unit_test(test_problems),
        cmocka_unit_test(test_calls),          cmocka_unit_test(test_leaks),
    };
    return cmocka_run_group_tests(tests, setup_all, teardown_all);
}
