#include "cublaslt_double.h"
#include "dnn_math.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define TRY(expression)                                                                                                                    \
    do {                                                                                                                                   \
        const cublasStatus_t tried = (expression);                                                                                         \
        if (tried != CUBLAS_STATUS_SUCCESS) return tried;                                                                                  \
    } while (0)

enum { A, B, C, D, MATRICES };
static const char *const matrix_names[MATRICES] = {"A", "B", "C", "D"};

typedef struct problem {
    cublaslt_desc desc;
    cublaslt_layout matrix[MATRICES];
    int64_t m, n, k; /* D is [m, n] */
} problem;

_Static_assert(sizeof(cublaslt_desc) == 48 && sizeof(cublaslt_layout) == 48, "no padding");

/* ---- what fits together ---- */

static dnn_number number_of(int32_t type)
{
    return type == CUDA_R_32F ? DNN_F32 : type == CUDA_R_16F ? DNN_F16 : DNN_BF16;
}

static cublasStatus_t check_layout(const cublaslt_layout *l, const char *name)
{
    if (l->type != CUDA_R_32F && l->type != CUDA_R_16F && l->type != CUDA_R_16BF)
        return cublaslt_misuse(CUBLAS_STATUS_NOT_SUPPORTED, "%s: the double has f32, f16 and bf16, not data type %d", name, l->type);
    if (l->order != CUBLASLT_ORDER_COL && l->order != CUBLASLT_ORDER_ROW)
        return cublaslt_misuse(CUBLAS_STATUS_NOT_SUPPORTED, "%s: order %d is neither column- nor row-major", name, l->order);
    if (l->rows < 1 || l->cols < 1 || l->rows > INT32_MAX || l->cols > INT32_MAX)
        return cublaslt_misuse(CUBLAS_STATUS_INVALID_VALUE, "%s is [%" PRIu64 ", %" PRIu64 "]", name, l->rows, l->cols);
    const int64_t line = (int64_t)(l->order == CUBLASLT_ORDER_COL ? l->rows : l->cols);
    if (l->ld < line)
        return cublaslt_misuse(CUBLAS_STATUS_INVALID_VALUE,
                               "%s [%" PRIu64 ", %" PRIu64 "]: a leading dimension of %" PRId64 " makes %s of %" PRId64 " overlap", name,
                               l->rows, l->cols, l->ld, l->order == CUBLASLT_ORDER_COL ? "columns" : "rows", line);
    if (l->batch < 1) return cublaslt_misuse(CUBLAS_STATUS_INVALID_VALUE, "%s: a batch of %d", name, l->batch);
    return CUBLAS_STATUS_SUCCESS;
}

static int64_t elements_of(const cublaslt_layout *l, bool batch)
{
    const bool columns = l->order == CUBLASLT_ORDER_COL;
    const int64_t lines = (int64_t)(columns ? l->cols : l->rows), line = (int64_t)(columns ? l->rows : l->cols);
    return (lines - 1) * l->ld + line + (batch ? (l->batch - 1) * l->batch_offset : 0);
}

static size_t bytes_of(const cublaslt_layout *l)
{
    return (size_t)elements_of(l, true) * dnn_size(number_of(l->type));
}

static bool has_bias(const cublaslt_desc *d)
{
    return d->epilogue != CUBLASLT_EPILOGUE_DEFAULT && d->epilogue != CUBLASLT_EPILOGUE_RELU;
}

static bool is_gradient(const cublaslt_desc *d)
{
    return d->epilogue == CUBLASLT_EPILOGUE_BGRADA || d->epilogue == CUBLASLT_EPILOGUE_BGRADB;
}

static cublasStatus_t check_types(const problem *p)
{
    const cublaslt_desc *d = &p->desc;
    const int32_t in = p->matrix[A].type, out = p->matrix[D].type;
    const bool tf32 = d->compute == CUBLAS_COMPUTE_32F_FAST_TF32;
    if (!tf32 && d->compute != CUBLAS_COMPUTE_32F && d->compute != CUBLAS_COMPUTE_32F_PEDANTIC)
        return cublaslt_misuse(CUBLAS_STATUS_NOT_SUPPORTED, "compute type %d; the double has 32F, 32F_PEDANTIC and 32F_FAST_TF32",
                               d->compute);
    if (d->scale != CUDA_R_32F) return cublaslt_misuse(CUBLAS_STATUS_NOT_SUPPORTED, "scale type %d with 32F compute; it is f32", d->scale);
    if (p->matrix[B].type != in || p->matrix[C].type != out || (out != in && out != CUDA_R_32F) || (tf32 && in != CUDA_R_32F))
        return cublaslt_misuse(CUBLAS_STATUS_NOT_SUPPORTED, "no product with compute type %d of data types A %d, B %d, C %d, D %d",
                               d->compute, in, p->matrix[B].type, p->matrix[C].type, out);
    if (has_bias(d) && d->bias_type != -1 && d->bias_type != out)
        return cublaslt_misuse(CUBLAS_STATUS_NOT_SUPPORTED, "a bias of data type %d for a D of %d", d->bias_type, out);
    return CUBLAS_STATUS_SUCCESS;
}

static cublasStatus_t check_desc(const problem *p)
{
    const cublaslt_desc *d = &p->desc;
    if ((d->trans_a != CUBLAS_OP_N && d->trans_a != CUBLAS_OP_T) || (d->trans_b != CUBLAS_OP_N && d->trans_b != CUBLAS_OP_T) ||
        d->trans_c != CUBLAS_OP_N)
        return cublaslt_misuse(CUBLAS_STATUS_NOT_SUPPORTED, "operations %d, %d, %d of A, B, C", d->trans_a, d->trans_b, d->trans_c);
    if (d->pointer_mode != CUBLASLT_POINTER_MODE_HOST && d->pointer_mode != CUBLASLT_POINTER_MODE_DEVICE)
        return cublaslt_misuse(CUBLAS_STATUS_NOT_SUPPORTED, "pointer mode %d; the double has one alpha and beta, of host or device",
                               d->pointer_mode);
    switch (d->epilogue) {
    case CUBLASLT_EPILOGUE_DEFAULT:
    case CUBLASLT_EPILOGUE_RELU:
        return CUBLAS_STATUS_SUCCESS;
    case CUBLASLT_EPILOGUE_BIAS:
    case CUBLASLT_EPILOGUE_RELU_BIAS:
    case CUBLASLT_EPILOGUE_BGRADA:
    case CUBLASLT_EPILOGUE_BGRADB:
        if (p->matrix[D].order == CUBLASLT_ORDER_ROW) return cublaslt_misuse(CUBLAS_STATUS_NOT_SUPPORTED, "a bias with a row-major D");
        if (p->matrix[D].batch > 1) return cublaslt_misuse(CUBLAS_STATUS_NOT_SUPPORTED, "a bias with a batch");
        return CUBLAS_STATUS_SUCCESS;
    default:
        return cublaslt_misuse(CUBLAS_STATUS_NOT_SUPPORTED, "epilogue %u", d->epilogue);
    }
}

static cublasStatus_t check_shapes(problem *p)
{
    const cublaslt_layout *m = p->matrix;
    const bool ta = p->desc.trans_a == CUBLAS_OP_T, tb = p->desc.trans_b == CUBLAS_OP_T;
    const uint64_t rows = ta ? m[A].cols : m[A].rows, inner_a = ta ? m[A].rows : m[A].cols, inner_b = tb ? m[B].cols : m[B].rows,
                   cols = tb ? m[B].rows : m[B].cols;
    if (inner_a != inner_b || rows != m[D].rows || cols != m[D].cols || m[C].rows != m[D].rows || m[C].cols != m[D].cols)
        return cublaslt_misuse(CUBLAS_STATUS_INVALID_VALUE,
                               "op(A) [%" PRIu64 ", %" PRIu64 "] times op(B) [%" PRIu64 ", %" PRIu64 "] plus C [%" PRIu64 ", %" PRIu64
                               "] is no D [%" PRIu64 ", %" PRIu64 "]",
                               rows, inner_a, inner_b, cols, m[C].rows, m[C].cols, m[D].rows, m[D].cols);
    for (int i = 0; i < MATRICES; i++)
        if (m[i].batch != m[D].batch)
            return cublaslt_misuse(CUBLAS_STATUS_INVALID_VALUE, "a batch of %d for %s, of %d for D", m[i].batch, matrix_names[i],
                                   m[D].batch);
    if (m[D].batch > 1 && m[D].batch_offset < elements_of(&m[D], false))
        return cublaslt_misuse(CUBLAS_STATUS_INVALID_VALUE, "the matrices of D's batch overlap");
    p->m = (int64_t)rows;
    p->n = (int64_t)cols;
    p->k = (int64_t)inner_a;
    return CUBLAS_STATUS_SUCCESS;
}

static cublasStatus_t read_problem(cublasLtHandle_t handle, cublasLtMatmulDesc_t desc, cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                   cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d, problem *p)
{
    const cublasLtMatrixLayout_t layouts[MATRICES] = {a, b, c, d};
    memset(p, 0, sizeof(*p));
    if (!cublaslt_find(handle, CUBLASLT_HANDLE))
        return cublaslt_misuse(CUBLAS_STATUS_NOT_INITIALIZED, "%p is no handle, or was destroyed", (void *)handle);
    const cublaslt_object *o = cublaslt_find(desc, CUBLASLT_DESC);
    if (!o) return cublaslt_misuse(CUBLAS_STATUS_INVALID_VALUE, "%p is no matmul descriptor, or was destroyed", (void *)desc);
    memcpy(&p->desc, &o->is.desc, sizeof(p->desc));
    for (int i = 0; i < MATRICES; i++) {
        o = cublaslt_find(layouts[i], CUBLASLT_LAYOUT);
        if (!o)
            return cublaslt_misuse(CUBLAS_STATUS_INVALID_VALUE, "%s: %p is no matrix layout, or was destroyed", matrix_names[i],
                                   (void *)layouts[i]);
        memcpy(&p->matrix[i], &o->is.layout, sizeof(p->matrix[i]));
        TRY(check_layout(&p->matrix[i], matrix_names[i]));
    }
    TRY(check_types(p));
    TRY(check_desc(p));
    return check_shapes(p);
}

/* ---- algorithms ---- */

enum { SPLIT = 1, PLAIN = 2 };

/* What the opaque words of cublasLtMatmulAlgo_t hold. */
typedef struct algorithm {
    uint64_t magic, id, problem, workspace;
    uint32_t alignment[MATRICES]; /* that the preference promised */
    uint32_t bias_alignment;      /* of the pointer that was set then; NULL promises all */
} algorithm;
_Static_assert(sizeof(algorithm) <= sizeof(cublasLtMatmulAlgo_t), "an algorithm must fit");
static const uint64_t magic = 0x6770755F646F7562u;

/* FNV-1a. Where the bias is does not matter, nor the pointer mode. */
static uint64_t hash_of(const problem *p)
{
    problem q;
    memcpy(&q, p, sizeof(q));
    q.desc.bias = NULL;
    q.desc.pointer_mode = 0;
    uint64_t hash = 0xCBF29CE484222325u;
    for (size_t i = 0; i < sizeof(q); i++)
        hash = (hash ^ ((const unsigned char *)&q)[i]) * 0x100000001B3u;
    return hash;
}

/* Of a bias: up to the 16 bytes of the widest load. */
static uint32_t alignment_of(const void *pointer)
{
    const uintptr_t bits = (uintptr_t)pointer | 16;
    return (uint32_t)(bits & (~bits + 1));
}

static cublasLtMatmulHeuristicResult_t result_of(const algorithm *a)
{
    cublasLtMatmulHeuristicResult_t r = {.workspaceSize = a->workspace, .state = CUBLAS_STATUS_SUCCESS, .wavesCount = 0.5f};
    memcpy(&r.algo, a, sizeof(*a));
    return r;
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t handle, cublasLtMatmulDesc_t desc, cublasLtMatrixLayout_t Adesc,
                                              cublasLtMatrixLayout_t Bdesc, cublasLtMatrixLayout_t Cdesc, cublasLtMatrixLayout_t Ddesc,
                                              cublasLtMatmulPreference_t preference, int requested,
                                              cublasLtMatmulHeuristicResult_t results[], int *returned)
{
    int status;
    if (gpu_double_enter("cublasLtMatmulAlgoGetHeuristic", &status)) return (cublasStatus_t)status;
    problem p;
    TRY(read_problem(handle, desc, Adesc, Bdesc, Cdesc, Ddesc, &p));
    const cublaslt_object *o = cublaslt_find(preference, CUBLASLT_PREFERENCE);
    if (!o || !results || !returned || requested < 1)
        return cublaslt_misuse(CUBLAS_STATUS_INVALID_VALUE, "the heuristics: no preference, no room for results, or %d requested",
                               requested);
    const cublaslt_preference *want = &o->is.preference;
    algorithm a = {.magic = magic, .problem = hash_of(&p), .id = SPLIT, .workspace = (uint64_t)(p.m * p.n) * 4 + 13};
    a.bias_alignment = alignment_of(p.desc.bias);
    for (int i = 0; i < MATRICES; i++) {
        a.alignment[i] = want->alignment[i];
        if (a.alignment[i] == 0 || a.alignment[i] & (a.alignment[i] - 1))
            return cublaslt_misuse(CUBLAS_STATUS_INVALID_VALUE, "%s: a promised alignment of %u bytes is no power of two", matrix_names[i],
                                   a.alignment[i]);
    }
    int count = 0;
    if (a.workspace <= want->workspace && want->reduction_mask & CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE) {
        results[count++] = result_of(&a);
        if (count < requested) {
            memset(&results[count], 0xFF, sizeof(results[count]));
            results[count++].state = CUBLAS_STATUS_NOT_SUPPORTED;
        }
    }
    a.id = PLAIN;
    a.workspace = 0;
    if (count < requested) results[count++] = result_of(&a);
    *returned = count;
    return CUBLAS_STATUS_SUCCESS;
}

/* ---- the product ---- */

typedef struct job {
    problem problem;
    const void *in[C + 1]; /* A, B, C */
    void *out, *workspace;
    size_t workspace_bytes;
    const void *alpha, *beta; /* of device mode */
    float alpha_value, beta_value;
    bool split;
} job;

static const char *at_batch(const cublaslt_layout *l, const void *base, int32_t batch)
{
    return (const char *)base + (size_t)(batch * l->batch_offset) * dnn_size(number_of(l->type));
}

/* A matrix as f32, without the gaps of its leading dimension; element (i, j) is at i * *row + j * *col. */
static float *take(const cublaslt_layout *l, const char *base, bool transposed, bool tf32, int64_t *row, int64_t *col)
{
    const bool columns = l->order == CUBLASLT_ORDER_COL;
    const int64_t lines = (int64_t)(columns ? l->cols : l->rows), line = (int64_t)(columns ? l->rows : l->cols);
    float *values = dnn_alloc((size_t)(lines * line) * sizeof(float));
    for (int64_t i = 0; i < lines; i++)
        dnn_load(values + i * line, base + (size_t)(i * l->ld) * dnn_size(number_of(l->type)), number_of(l->type), line, tf32);
    *row = columns != transposed ? 1 : line;
    *col = columns != transposed ? line : 1;
    return values;
}

/* b as [k, n] with contiguous rows. */
static float *contiguous(float *b, int64_t k, int64_t n, int64_t row, int64_t col)
{
    float *to = dnn_alloc((size_t)(k * n) * sizeof(float));
    for (int64_t p = 0; p < k; p++)
        for (int64_t j = 0; j < n; j++)
            to[p * n + j] = b[p * row + j * col];
    free(b);
    return to;
}

/* Sums of the rows of op(A), or of the columns of op(B), over k. */
static void give_bias_gradient(const job *j, const float *a, int64_t a_row, int64_t a_step, const float *b)
{
    const problem *p = &j->problem;
    const bool of_a = p->desc.epilogue == CUBLASLT_EPILOGUE_BGRADA;
    const int64_t count = of_a ? p->m : p->n;
    float *sums = dnn_alloc((size_t)count * sizeof(float));
    for (int64_t i = 0; i < count; i++) {
        sums[i] = 0;
        for (int64_t q = 0; q < p->k; q++)
            sums[i] += of_a ? a[i * a_row + q * a_step] : b[q * p->n + i];
    }
    dnn_store(gpu_double_access(p->desc.bias), sums, number_of(p->matrix[D].type), count);
    free(sums);
}

/* D, line by line, from the product [m, n]. */
static void give(const job *j, const float *product, const char *c, char *d, float alpha, float beta)
{
    const problem *p = &j->problem;
    const cublaslt_layout *to = &p->matrix[D], *old = &p->matrix[C];
    const bool columns = to->order == CUBLASLT_ORDER_COL;
    const int64_t lines = columns ? p->n : p->m, line = columns ? p->m : p->n;
    const bool relu = p->desc.epilogue == CUBLASLT_EPILOGUE_RELU || p->desc.epilogue == CUBLASLT_EPILOGUE_RELU_BIAS;
    float *values = dnn_alloc((size_t)line * sizeof(float)), *bias = dnn_alloc((size_t)line * sizeof(float)), *old_values = NULL;
    int64_t old_row = 0, old_col = 0;
    if (beta != 0) old_values = take(old, c, false, false, &old_row, &old_col);
    memset(bias, 0, (size_t)line * sizeof(float));
    if (has_bias(&p->desc) && !is_gradient(&p->desc)) dnn_load(bias, gpu_double_access(p->desc.bias), number_of(to->type), line, false);
    for (int64_t l = 0; l < lines; l++) {
        for (int64_t e = 0; e < line; e++) {
            const int64_t row = columns ? e : l, col = columns ? l : e;
            float value = alpha * product[row * p->n + col] + bias[e];
            if (beta != 0) value += beta * old_values[row * old_row + col * old_col];
            values[e] = relu && value < 0 ? 0 : value;
        }
        dnn_store(d + (size_t)(l * to->ld) * dnn_size(number_of(to->type)), values, number_of(to->type), line);
    }
    free(values);
    free(bias);
    free(old_values);
}

static void run(void *arg)
{
    const job *j = arg;
    const problem *p = &j->problem;
    const bool tf32 = p->desc.compute == CUBLAS_COMPUTE_32F_FAST_TF32;
    const float alpha = j->alpha ? *(const float *)gpu_double_access(j->alpha) : j->alpha_value;
    const float beta = j->beta ? *(const float *)gpu_double_access(j->beta) : j->beta_value;
    if (j->workspace_bytes) memset(gpu_double_access(j->workspace), 0xA5, j->workspace_bytes);
    float *product = dnn_alloc((size_t)(p->m * p->n) * sizeof(float));
    for (int32_t batch = 0; batch < p->matrix[D].batch; batch++) {
        const char *base[MATRICES];
        for (int i = A; i <= C; i++)
            base[i] = at_batch(&p->matrix[i], gpu_double_access(j->in[i]), batch);
        int64_t a_row, a_step, b_row, b_col;
        float *a = take(&p->matrix[A], base[A], p->desc.trans_a == CUBLAS_OP_T, tf32, &a_row, &a_step);
        float *b = take(&p->matrix[B], base[B], p->desc.trans_b == CUBLAS_OP_T, tf32, &b_row, &b_col);
        b = contiguous(b, p->k, p->n, b_row, b_col);
        memset(product, 0, (size_t)(p->m * p->n) * sizeof(float));
        dnn_multiply(p->m, p->n, p->k, a, a_row, a_step, b, p->n, product, p->n, j->split ? p->k / 2 : 0);
        if (is_gradient(&p->desc)) give_bias_gradient(j, a, a_row, a_step, b);
        give(j, product, base[C],
             (char *)gpu_double_access(j->out) + (size_t)(batch * p->matrix[D].batch_offset) * dnn_size(number_of(p->matrix[D].type)),
             alpha, beta);
        free(a);
        free(b);
    }
    free(product);
}

/* ---- the call ---- */

static cublasStatus_t read_scalar(const char *name, int32_t mode, const void *pointer, const void **device, float *value)
{
    if (!pointer) return cublaslt_misuse(CUBLAS_STATUS_INVALID_VALUE, "%s is NULL", name);
    if (mode == CUBLASLT_POINTER_MODE_DEVICE) {
        *device = pointer;
        return CUBLAS_STATUS_SUCCESS;
    }
    if (gpu_double_translate(pointer) != pointer)
        return cublaslt_misuse(CUBLAS_STATUS_INVALID_VALUE, "%s is device memory, the pointer mode says host", name);
    memcpy(value, pointer, sizeof(*value));
    return CUBLAS_STATUS_SUCCESS;
}

static cublasStatus_t check_algorithm(const problem *p, const cublasLtMatmulAlgo_t *algo, const void *const base[MATRICES], job *j)
{
    if (!algo) return CUBLAS_STATUS_SUCCESS; /* cuBLASLt asks its heuristics itself */
    algorithm a;
    memcpy(&a, algo, sizeof(a));
    if (a.magic != magic)
        return cublaslt_misuse(CUBLAS_STATUS_INVALID_VALUE, "this algorithm never came from the heuristics, or its state was no success");
    if (a.problem != hash_of(p)) return cublaslt_misuse(CUBLAS_STATUS_INVALID_VALUE, "the algorithm was chosen for another problem");
    if (j->workspace_bytes < a.workspace)
        return cublaslt_misuse(CUBLAS_STATUS_INVALID_VALUE, "the algorithm needs a workspace of %" PRIu64 " bytes, there are %zu",
                               a.workspace, j->workspace_bytes);
    for (int i = 0; i < MATRICES; i++)
        if ((uintptr_t)base[i] % a.alignment[i])
            return cublaslt_misuse(CUBLAS_STATUS_INVALID_VALUE, "%s at %p: the preference promised an alignment of %u bytes",
                                   matrix_names[i], base[i], a.alignment[i]);
    if (has_bias(&p->desc) && alignment_of(p->desc.bias) < a.bias_alignment)
        return cublaslt_misuse(CUBLAS_STATUS_INVALID_VALUE,
                               "the bias at %p is less aligned than that of the heuristics (NULL promises 16 bytes)", p->desc.bias);
    j->split = a.id == SPLIT;
    return CUBLAS_STATUS_SUCCESS;
}

static bool overlap(const gpu_double_range *a, const gpu_double_range *b)
{
    const char *p = a->ptr, *q = b->ptr;
    return a->bytes && b->bytes && p < q + b->bytes && q < p + a->bytes;
}

/* C may be D itself. */
static bool is_in_place(const problem *p, const void *const base[MATRICES])
{
    return base[C] == base[D] && memcmp(&p->matrix[C], &p->matrix[D], sizeof(p->matrix[C])) == 0;
}

static cublasStatus_t enqueue(const job *j, const void *const base[MATRICES], cudaStream_t stream)
{
    enum { BIAS = MATRICES, WORKSPACE, ALPHA, BETA, RANGES };
    const problem *p = &j->problem;
    const size_t bias_count = has_bias(&p->desc) ? (size_t)(p->desc.epilogue == CUBLASLT_EPILOGUE_BGRADB ? p->n : p->m) : 0;
    const bool reads_c = j->beta || j->beta_value != 0;
    gpu_double_range ranges[RANGES] = {
        [BIAS] = {p->desc.bias, bias_count * dnn_size(number_of(p->matrix[D].type)), "bias", is_gradient(&p->desc)},
        [WORKSPACE] = {j->workspace, j->workspace_bytes, "workspace", true},
        [ALPHA] = {j->alpha, j->alpha ? sizeof(float) : 0, "alpha", false},
        [BETA] = {j->beta, j->beta ? sizeof(float) : 0, "beta", false},
    };
    for (int i = 0; i < MATRICES; i++)
        ranges[i] = (gpu_double_range){base[i], i == C && (!reads_c || is_in_place(p, base)) ? 0 : bytes_of(&p->matrix[i]), matrix_names[i],
                                       i == D};
    for (int a = 0; a < RANGES; a++)
        for (int b = 0; b < a; b++)
            if (overlap(&ranges[a], &ranges[b]) && (ranges[a].write || ranges[b].write))
                return cublaslt_misuse(CUBLAS_STATUS_INVALID_VALUE, "%s and %s overlap", ranges[a].what, ranges[b].what);
    job *enqueued = malloc(sizeof(*enqueued));
    if (!enqueued) return CUBLAS_STATUS_ALLOC_FAILED;
    *enqueued = *j;
    return gpu_double_enqueue(stream, "cublasLtMatmul", run, enqueued, free, ranges, RANGES) == cudaSuccess
               ? CUBLAS_STATUS_SUCCESS
               : CUBLAS_STATUS_EXECUTION_FAILED;
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t desc, const void *alpha, const void *a,
                              cublasLtMatrixLayout_t Adesc, const void *b, cublasLtMatrixLayout_t Bdesc, const void *beta, const void *c,
                              cublasLtMatrixLayout_t Cdesc, void *d, cublasLtMatrixLayout_t Ddesc, const cublasLtMatmulAlgo_t *algo,
                              void *workspace, size_t workspaceSizeInBytes, cudaStream_t stream)
{
    int status;
    if (gpu_double_enter("cublasLtMatmul", &status)) return (cublasStatus_t)status;
    const void *const base[MATRICES] = {a, b, c, d};
    job j = {.in = {a, b, c}, .out = d, .workspace = workspace, .workspace_bytes = workspaceSizeInBytes};
    TRY(read_problem(handle, desc, Adesc, Bdesc, Cdesc, Ddesc, &j.problem));
    for (int i = 0; i < MATRICES; i++)
        if (!base[i]) return cublaslt_misuse(CUBLAS_STATUS_INVALID_VALUE, "%s is NULL", matrix_names[i]);
    if (has_bias(&j.problem.desc) && !j.problem.desc.bias)
        return cublaslt_misuse(CUBLAS_STATUS_INVALID_VALUE, "the epilogue needs a bias pointer");
    if (!stream) return cublaslt_misuse(CUBLAS_STATUS_INVALID_VALUE, "stream 0, the legacy default stream, waits for all others");
    if (gpu_double_stream_device(stream) != cublaslt_find(handle, CUBLASLT_HANDLE)->is.device)
        return cublaslt_misuse(CUBLAS_STATUS_INVALID_VALUE, "the stream is of another device than the handle");
    if (workspaceSizeInBytes && (!workspace || (uintptr_t)workspace % 16))
        return cublaslt_misuse(CUBLAS_STATUS_INVALID_VALUE, "a workspace of %zu bytes at %p; it is aligned to 16 bytes",
                               workspaceSizeInBytes, workspace);
    TRY(read_scalar("alpha", j.problem.desc.pointer_mode, alpha, &j.alpha, &j.alpha_value));
    TRY(read_scalar("beta", j.problem.desc.pointer_mode, beta, &j.beta, &j.beta_value));
    TRY(check_algorithm(&j.problem, algo, base, &j));
    return enqueue(&j, base, stream);
}
