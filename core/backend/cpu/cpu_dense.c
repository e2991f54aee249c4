/* Immediate kernels on plain matrices: products in blocks over the threads, linear layers, rows of unit length. */
#include "core/backend/cpu/cpu_impl.h"

#include <math.h>
#include <string.h>

/* Columns of a block: as many as leave every thread several blocks. */
enum { BLOCK_ROWS = FUT_SIMD_MATMUL_ROWS, BLOCK_COLS_MAX = 512, BLOCK_COLS_MIN = 64, BLOCKS_PER_THREAD = 4 };

static int64_t blocks_in(int64_t n, int64_t block)
{
    return (n + block - 1) / block;
}

static int64_t block_at(int64_t n, int64_t block, int64_t from)
{
    return n - from < block ? n - from : block;
}

void fut_cpu_matmul(const fut_cpu *cpu, const fut_simd_matmul *mm)
{
    int64_t block_cols = BLOCK_COLS_MAX, row_blocks = blocks_in(mm->rows, BLOCK_ROWS);
    while (block_cols > BLOCK_COLS_MIN && row_blocks * blocks_in(mm->cols, block_cols) < (int64_t)BLOCKS_PER_THREAD * cpu->threads)
        block_cols /= 2;
#pragma omp parallel for num_threads(cpu->threads) schedule(static)
    for (int64_t i = 0; i < row_blocks * blocks_in(mm->cols, block_cols); i++) {
        const int64_t row = i % row_blocks * BLOCK_ROWS, col = i / row_blocks * block_cols;
        fut_simd_matmul block = *mm;
        block.rows = block_at(mm->rows, BLOCK_ROWS, row);
        block.cols = block_at(mm->cols, block_cols, col);
        if (mm->pick)
            block.pick += row;
        else
            block.a += row * mm->a_row;
        block.b += col * mm->b_col;
        block.c += row * mm->c_row + col;
        if (mm->bias) block.bias += col;
        cpu->simd->matmul(&block);
    }
}

/* c[j][i] = c[i][j] for the block's columns j past its last row. */
static void mirror(const fut_simd_matmul *block, float *c, int64_t row, int64_t col)
{
    enum { ROWS = 8, COLS = 16 }; /* few enough cache lines of either side to stay near */
    const int64_t end = row + block->rows, last = col + block->cols;
    for (int64_t j0 = col > end ? col : end; j0 < last; j0 += COLS)
        for (int64_t i0 = row; i0 < end; i0 += ROWS)
            for (int64_t j = j0; j < j0 + block_at(last, COLS, j0); j++)
                for (int64_t i = i0; i < i0 + block_at(end, ROWS, i0); i++)
                    c[j * block->c_row + i] = c[i * block->c_row + j];
}

void fut_cpu_matmul_gram(const fut_cpu *cpu, const fut_simd_matmul *mm)
{
    const int64_t row_blocks = blocks_in(mm->rows, BLOCK_ROWS), col_blocks = blocks_in(mm->cols, BLOCK_COLS_MAX);
#pragma omp parallel for num_threads(cpu->threads) schedule(dynamic)
    for (int64_t i = 0; i < row_blocks * col_blocks; i++) {
        const int64_t row = i % row_blocks * BLOCK_ROWS, next = (i / row_blocks + 1) * BLOCK_COLS_MAX;
        const int64_t col = next - BLOCK_COLS_MAX > row ? next - BLOCK_COLS_MAX : row;
        fut_simd_matmul block = *mm;
        if (col >= next) continue;
        block.rows = block_at(mm->rows, BLOCK_ROWS, row);
        block.cols = block_at(mm->cols, next - col, col);
        block.a += row * mm->a_row;
        block.b += col * mm->b_col;
        block.c += row * mm->c_row + col;
        cpu->simd->matmul(&block);
        mirror(&block, mm->c, row, col);
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
    fut_simd_matmul mm = {.rows = n,
                          .cols = m,
                          .k = k,
                          .a = x,
                          .a_row = k,
                          .a_col = 1,
                          .b = w,
                          .b_row = 1,
                          .b_col = k,
                          .c = y,
                          .c_row = m,
                          .alpha = 1,
                          .bias = b};
    fut_cpu_matmul(fut_cpu_of(bk), &mm);
    return FUT_OK;
}

fut_status fut_cpu_linear_backward(fut_backend *bk, int64_t n, int64_t k, int64_t m, fut_dtype real, const void *x, const void *w,
                                   const void *dy, void *dx, void *dw, void *db, fut_stream *s)
{
    (void)s;
    FUT_TRY(fut_cpu_check_dtype(bk, "linear_backward", FUT_F32, real));
    fut_simd_matmul to_dx = {
        .rows = n, .cols = k, .k = m, .a = dy, .a_row = m, .a_col = 1, .b = w, .b_row = k, .b_col = 1, .c = dx, .c_row = k, .alpha = 1};
    fut_simd_matmul to_dw = {
        .rows = m, .cols = k, .k = n, .a = dy, .a_row = 1, .a_col = m, .b = x, .b_row = k, .b_col = 1, .c = dw, .c_row = k, .alpha = 1};
    fut_cpu_matmul(fut_cpu_of(bk), &to_dx);
    fut_cpu_matmul(fut_cpu_of(bk), &to_dw);
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
