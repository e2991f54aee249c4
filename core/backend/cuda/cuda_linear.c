/* Linear layers by cuBLASLt, in f32 without TF32.
 *
 * cuBLASLt sees column-major matrices: row-major x [n, k] is its X [k, n]. So y = x w^T + b is Y [m, n] = W^T X + b, dx = dy w is
 * dX [k, n] = W dY, and dw = dy^T x is dW [k, m] = X dY^T. An algorithm is chosen once for a shape, by cuBLASLt's heuristics, and kept: the
 * same shape has the same bits. Parts of a split sum meet in the workspace, in a fixed order (CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE), or
 * not at all. */
#include "core/backend/cuda/cuda_impl.h"
#include "core/backend/cuda/kernels/kernels_vec.h"

#include "core/base/mem.h"

#include <string.h>

/* D [rows, cols] = op(A) [rows, depth] op(B) [depth, cols] (+ bias [rows]), all dense. */
typedef struct matmul_shape {
    int64_t rows, cols, depth;
    int64_t alignment;                /* bytes that all matrices are multiples of, at most 256 */
    int64_t bias;                     /* the same of the bias; 0: there is none */
    int64_t transpose_a, transpose_b; /* flags; as wide as the rest, so that a shape has no padding */
} matmul_shape;

typedef struct matmul {
    matmul_shape shape;
    cublasLtMatmulDesc_t desc;
    cublasLtMatrixLayout_t a, b, d;
    cublasLtMatmulAlgo_t algo;
} matmul;

struct fut_cuda_matmuls {
    matmul *plan;
    int count, capacity;
};

fut_status fut_cuda_matmuls_create(fut_cuda_matmuls **matmuls_out)
{
    return FUT_NEW(matmuls_out);
}

static void matmul_fini(matmul *mm)
{
    if (mm->desc) (void)cublasLtMatmulDescDestroy(mm->desc);
    if (mm->a) (void)cublasLtMatrixLayoutDestroy(mm->a);
    if (mm->b) (void)cublasLtMatrixLayoutDestroy(mm->b);
    if (mm->d) (void)cublasLtMatrixLayoutDestroy(mm->d);
    *mm = (matmul){0};
}

void fut_cuda_matmuls_destroy(fut_cuda_matmuls **matmuls)
{
    if (!*matmuls) return;
    for (int i = 0; i < (*matmuls)->count; i++)
        matmul_fini(&(*matmuls)->plan[i]);
    fut_mem_free((*matmuls)->plan);
    fut_mem_free(*matmuls);
    *matmuls = NULL;
}

static fut_status layout_create(int64_t rows, int64_t cols, cublasLtMatrixLayout_t *layout_out)
{
    return FUT_CUBLAS(cublasLtMatrixLayoutCreate(layout_out, CUDA_R_32F, (uint64_t)rows, (uint64_t)cols, rows));
}

static fut_status set_bias(matmul *mm, const void *bias)
{
    return FUT_CUBLAS(cublasLtMatmulDescSetAttribute(mm->desc, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias, sizeof(void *)));
}

static fut_status describe(matmul *mm)
{
    const matmul_shape *shape = &mm->shape;
    int32_t op_a = shape->transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N, op_b = shape->transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N;
    uint32_t epilogue = shape->bias ? CUBLASLT_EPILOGUE_BIAS : CUBLASLT_EPILOGUE_DEFAULT;
    FUT_CUBLAS_TRY(cublasLtMatmulDescCreate(&mm->desc, CUBLAS_COMPUTE_32F, CUDA_R_32F));
    FUT_CUBLAS_TRY(cublasLtMatmulDescSetAttribute(mm->desc, CUBLASLT_MATMUL_DESC_TRANSA, &op_a, sizeof op_a));
    FUT_CUBLAS_TRY(cublasLtMatmulDescSetAttribute(mm->desc, CUBLASLT_MATMUL_DESC_TRANSB, &op_b, sizeof op_b));
    FUT_CUBLAS_TRY(cublasLtMatmulDescSetAttribute(mm->desc, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue, sizeof epilogue));
    FUT_TRY(shape->transpose_a ? layout_create(shape->depth, shape->rows, &mm->a) : layout_create(shape->rows, shape->depth, &mm->a));
    FUT_TRY(shape->transpose_b ? layout_create(shape->cols, shape->depth, &mm->b) : layout_create(shape->depth, shape->cols, &mm->b));
    return layout_create(shape->rows, shape->cols, &mm->d);
}

static fut_status prefer(cublasLtMatmulPreference_t preference, int64_t alignment)
{
    static const cublasLtMatmulPreferenceAttributes_t aligned[] = {
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES,
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES};
    uint64_t workspace = FUT_CUDA_SCRATCH_BYTES;
    uint32_t schemes = CUBLASLT_REDUCTION_SCHEME_NONE | CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE, bytes = (uint32_t)alignment;
    FUT_CUBLAS_TRY(
        cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace, sizeof workspace));
    FUT_CUBLAS_TRY(cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &schemes, sizeof schemes));
    for (size_t i = 0; i < sizeof aligned / sizeof aligned[0]; i++)
        FUT_CUBLAS_TRY(cublasLtMatmulPreferenceSetAttribute(preference, aligned[i], &bytes, sizeof bytes));
    return FUT_OK;
}

static fut_status choose_algorithm(fut_cuda *cuda, matmul *mm)
{
    fut_status st = FUT_OK;
    cublasLtMatmulPreference_t preference = NULL;
    cublasLtMatmulHeuristicResult_t best;
    int found = 0;
    FUT_CUBLAS_TRY(cublasLtMatmulPreferenceCreate(&preference));
    FUT_TRY_GOTO(prefer(preference, mm->shape.alignment), out);
    FUT_CUBLAS_TRY_GOTO(cublasLtMatmulAlgoGetHeuristic(cuda->blas, mm->desc, mm->a, mm->b, mm->d, mm->d, preference, 1, &best, &found),
                        out);
    FUT_CHECK_GOTO(found > 0 && best.state == CUBLAS_STATUS_SUCCESS, FUT_ERR_UNSUPPORTED, out,
                   "cublasLtMatmulAlgoGetHeuristic: no algorithm for [%lld, %lld] times [%lld, %lld] in f32", (long long)mm->shape.rows,
                   (long long)mm->shape.depth, (long long)mm->shape.depth, (long long)mm->shape.cols);
    mm->algo = best.algo;
out:
    (void)cublasLtMatmulPreferenceDestroy(preference);
    return st;
}

/* The plan of a shape: kept, or made now. */
static fut_status find_matmul(fut_cuda *cuda, const matmul_shape *shape, const void *bias, matmul **mm_out)
{
    fut_cuda_matmuls *all = cuda->matmuls;
    for (int i = 0; i < all->count; i++)
        if (memcmp(&all->plan[i].shape, shape, sizeof *shape) == 0) {
            *mm_out = &all->plan[i];
            return FUT_OK;
        }
    fut_status st = FUT_OK;
    matmul made = {.shape = *shape};
    if (all->count == all->capacity) {
        int capacity = all->capacity + 16;
        FUT_TRY(fut_mem_grow((void **)&all->plan, (size_t)all->capacity, (size_t)capacity, sizeof *all->plan));
        all->capacity = capacity;
    }
    FUT_TRY_GOTO(describe(&made), out);
    if (bias) FUT_TRY_GOTO(set_bias(&made, bias), out); /* the heuristics look at how it is aligned */
    FUT_TRY_GOTO(choose_algorithm(cuda, &made), out);
    *mm_out = &all->plan[all->count];
    all->plan[all->count++] = made;
    made = (matmul){0};
out:
    matmul_fini(&made);
    return st;
}

static int64_t alignment_of(const void *a, const void *b, const void *d)
{
    uintptr_t bits = (uintptr_t)a | (uintptr_t)b | (uintptr_t)d | 256;
    return (int64_t)(bits & (~bits + 1));
}

static fut_status run_matmul(fut_backend *bk, matmul_shape shape, const void *a, const void *b, const void *bias, void *d,
                             const fut_stream *s)
{
    const float one = 1, zero = 0;
    matmul *mm = NULL;
    shape.alignment = alignment_of(a, b, d);
    shape.bias = bias ? alignment_of(bias, bias, bias) : 0;
    FUT_TRY(find_matmul(fut_cuda_of(bk), &shape, bias, &mm));
    if (bias) FUT_TRY(set_bias(mm, bias));
    return FUT_CUBLAS(cublasLtMatmul(fut_cuda_of(bk)->blas, mm->desc, &one, a, mm->a, b, mm->b, &zero, d, mm->d, d, mm->d, &mm->algo,
                                     fut_cuda_scratch(bk, s), FUT_CUDA_SCRATCH_BYTES, fut_cuda_stream(bk, s)));
}

fut_status fut_cuda_linear(fut_backend *bk, int64_t n, int64_t k, int64_t m, fut_dtype real, const void *x, const void *w, const void *b,
                           void *y, fut_stream *s)
{
    FUT_TRY(fut_cuda_check_dtype("linear", FUT_F32, real));
    return run_matmul(bk, (matmul_shape){.rows = m, .cols = n, .depth = k, .transpose_a = 1}, w, x, b, y, s);
}

fut_status fut_cuda_linear_backward(fut_backend *bk, int64_t n, int64_t k, int64_t m, fut_dtype real, const void *x, const void *w,
                                    const void *dy, void *dx, void *dw, void *db, fut_stream *s)
{
    FUT_TRY(fut_cuda_check_dtype("linear_backward", FUT_F32, real));
    FUT_TRY(run_matmul(bk, (matmul_shape){.rows = k, .cols = n, .depth = m}, w, dy, NULL, dx, s));
    FUT_TRY(run_matmul(bk, (matmul_shape){.rows = k, .cols = m, .depth = n, .transpose_b = 1}, x, dy, NULL, dw, s));
    return !db ? FUT_OK : FUT_CUDA(fut_cuda_launch_sum_rows(n, m, dy, db, fut_cuda_stream(bk, s)));
}
