/* Immediate kernels on plain matrices: products in blocks over the threads, linear layers, rows of unit length. */
#include "core/backend/cpu/cpu_impl.h"

#include <math.h>
#include <string.h>

/* Blocks are small enough that a shard's batch makes several for each thread, and that the b of one stays in cache. */
enum { BLOCK_ROWS = 32, BLOCK_COLS = 64 };

static int64_t blocks_in(int64_t n, int64_t block)
{
    return (n + block - 1) / block;
}

typedef struct matmul_block {
    fut_simd_matmul mm;
    int64_t row, col;
} matmul_block;

/* Block i of a product, the row blocks of one block of columns together: they share its b. */
static matmul_block cut_block(const fut_simd_matmul *whole, int64_t i)
{
    int64_t row_blocks = blocks_in(whole->rows, BLOCK_ROWS);
    matmul_block block = {*whole, i % row_blocks * BLOCK_ROWS, i / row_blocks * BLOCK_COLS};
    if (block.mm.rows - block.row < BLOCK_ROWS)
        block.mm.rows -= block.row;
    else
        block.mm.rows = BLOCK_ROWS;
    if (block.mm.cols - block.col < BLOCK_COLS)
        block.mm.cols -= block.col;
    else
        block.mm.cols = BLOCK_COLS;
    block.mm.c += block.row * whole->c_row + block.col;
    return block;
}

void fut_cpu_matmul_nt(const fut_cpu *cpu, const fut_simd_matmul *mm, const int64_t *pick, const float *bias)
{
    int64_t blocks = blocks_in(mm->rows, BLOCK_ROWS) * blocks_in(mm->cols, BLOCK_COLS);
#pragma omp parallel for num_threads(cpu->threads) schedule(static)
    for (int64_t i = 0; i < blocks; i++) {
        matmul_block block = cut_block(mm, i);
        if (!pick) block.mm.a += block.row * mm->a_row;
        block.mm.b += block.col * mm->b_row;
        cpu->simd->matmul_nt(&block.mm, pick ? pick + block.row : NULL, bias ? bias + block.col : NULL);
    }
}

void fut_cpu_matmul_nn(const fut_cpu *cpu, const fut_simd_matmul *mm, float alpha)
{
    int64_t blocks = blocks_in(mm->rows, BLOCK_ROWS) * blocks_in(mm->cols, BLOCK_COLS);
#pragma omp parallel for num_threads(cpu->threads) schedule(static)
    for (int64_t i = 0; i < blocks; i++) {
        matmul_block block = cut_block(mm, i);
        block.mm.a += block.row * mm->a_row;
        block.mm.b += block.col;
        cpu->simd->matmul_nn(&block.mm, alpha);
    }
}

void fut_cpu_sum_rows(int64_t rows, int64_t cols, int64_t stride, const float *x, float *sum_out)
{
    for (int64_t c = 0; c < cols; c++) {
        double sum = 0;
        for (int64_t r = 0; r < rows; r++)
            sum += (double)x[r * stride + c];
        sum_out[c] = (float)sum;
    }
}

fut_status fut_cpu_linear(fut_backend *bk, int64_t n, int64_t k, int64_t m, fut_dtype real, const void *x, const void *w, const void *b,
                          void *y, fut_stream *s)
{
    (void)s;
    FUT_TRY(fut_cpu_check_dtype(bk, "linear", FUT_F32, real));
    fut_simd_matmul mm = {.rows = n, .cols = m, .k = k, .a = x, .a_row = k, .a_col = 1, .b = w, .b_row = k, .c = y, .c_row = m};
    fut_cpu_matmul_nt(fut_cpu_of(bk), &mm, NULL, b);
    return FUT_OK;
}

fut_status fut_cpu_linear_backward(fut_backend *bk, int64_t n, int64_t k, int64_t m, fut_dtype real, const void *x, const void *w,
                                   const void *dy, void *dx, void *dw, void *db, fut_stream *s)
{
    (void)s;
    FUT_TRY(fut_cpu_check_dtype(bk, "linear_backward", FUT_F32, real));
    fut_simd_matmul to_dx = {.rows = n, .cols = k, .k = m, .a = dy, .a_row = m, .a_col = 1, .b = w, .b_row = k, .c = dx, .c_row = k};
    fut_simd_matmul to_dw = {.rows = m, .cols = k, .k = n, .a = dy, .a_row = 1, .a_col = m, .b = x, .b_row = k, .c = dw, .c_row = k};
    fut_cpu_matmul_nn(fut_cpu_of(bk), &to_dx, 1);
    fut_cpu_matmul_nn(fut_cpu_of(bk), &to_dw, 1);
    if (db) fut_cpu_sum_rows(n, m, m, dy, db);
    return FUT_OK;
}

/* The floor of torch.nn.functional.normalize. */
static double floored(double norm)
{
    return norm > 1e-12 ? norm : 1e-12;
}

fut_status fut_cpu_normalize_rows(fut_backend *bk, int64_t n, int64_t d, fut_dtype real, const void *e, void *h, void *norm, fut_stream *s)
{
    (void)s;
    const fut_cpu *cpu = fut_cpu_of(bk);
    FUT_TRY(fut_cpu_check_dtype(bk, "normalize_rows", FUT_F32, real));
#pragma omp parallel for num_threads(cpu->threads) schedule(static)
    for (int64_t i = 0; i < n; i++) {
        const float *row = (const float *)e + i * d;
        double squares;
        cpu->simd->dot(d, row, row, &squares);
        double length = sqrt(squares);
        ((float *)norm)[i] = (float)length;
        cpu->simd->axpby(d, 1 / floored(length), row, 0, (float *)h + i * d);
    }
    return FUT_OK;
}

fut_status fut_cpu_normalize_rows_backward(fut_backend *bk, int64_t n, int64_t d, fut_dtype real, const int64_t *row, const void *h,
                                           const void *norm, const void *dh, void *de, fut_stream *s)
{
    (void)s;
    const fut_cpu *cpu = fut_cpu_of(bk);
    FUT_TRY(fut_cpu_check_dtype(bk, "normalize_rows_backward", FUT_F32, real));
#pragma omp parallel for num_threads(cpu->threads) schedule(static)
    for (int64_t i = 0; i < n; i++) {
        int64_t at = row ? row[i] : i;
        const float *unit = (const float *)h + at * d, *gradient = (const float *)dh + i * d;
        float *out = (float *)de + i * d;
        double along, length = floored((double)((const float *)norm)[at]), shrink = 1 / length;
        cpu->simd->dot(d, gradient, unit, &along);
        if (length == floored(0)) along = 0; /* h is e / floor there, not a unit vector */
        for (int64_t j = 0; j < d; j++)
            out[j] = (float)(((double)gradient[j] - along * (double)unit[j]) * shrink);
    }
    return FUT_OK;
}

fut_status fut_cpu_scatter_rows(fut_backend *bk, int64_t n, int64_t d, fut_dtype real, const int64_t *row, const void *src, void *dst,
                                fut_stream *s)
{
    (void)s;
    FUT_TRY(fut_cpu_check_dtype(bk, "scatter_rows", FUT_F32, real));
    for (int64_t i = 0; i < n; i++)
        memcpy((float *)dst + row[i] * d, (const float *)src + i * d, (size_t)d * sizeof(float));
    return FUT_OK;
}
