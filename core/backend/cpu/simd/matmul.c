/* Small matrix products with one order of summation for every element, wherever it lies in a block: k ascending, lane by lane in
 * matmul_nt, one chain in matmul_nn. */
#include "core/backend/cpu/simd/simd.h"
#include "core/backend/cpu/simd/vec.h"

enum { TILE = 4, TILE_VECS = 2 };

FUT_INLINE void nt_tile(const fut_simd_matmul *mm, const int64_t *pick, const float *bias, int64_t row, int64_t col, int rows, int cols)
{
    vec acc[TILE][TILE] = {{{0}}};
    const float *a[TILE], *b[TILE];
    for (int r = 0; r < rows; r++)
        a[r] = mm->a + (pick ? pick[row + r] : row + r) * mm->a_row;
    for (int c = 0; c < cols; c++)
        b[c] = mm->b + (col + c) * mm->b_row;
    int64_t k = 0;
    for (; k + LANES <= mm->k; k += LANES)
        for (int r = 0; r < rows; r++)
            for (int c = 0; c < cols; c++)
                acc[r][c] += vec_load(a[r] + k) * vec_load(b[c] + k);
    if (k < mm->k)
        for (int r = 0; r < rows; r++)
            for (int c = 0; c < cols; c++)
                acc[r][c] += vec_load_part(a[r] + k, mm->k - k) * vec_load_part(b[c] + k, mm->k - k);
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < cols; c++)
            mm->c[(row + r) * mm->c_row + col + c] = vec_sum(acc[r][c]) + (bias ? bias[col + c] : 0);
}

void FUT_SIMD_NAME(matmul_nt)(const fut_simd_matmul *mm, const int64_t *pick, const float *bias)
{
    int64_t row = 0;
    for (; row + TILE <= mm->rows; row += TILE) {
        int64_t col = 0;
        for (; col + TILE <= mm->cols; col += TILE)
            nt_tile(mm, pick, bias, row, col, TILE, TILE);
        for (; col < mm->cols; col++)
            nt_tile(mm, pick, bias, row, col, TILE, 1);
    }
    for (; row < mm->rows; row++) {
        int64_t col = 0;
        for (; col + TILE <= mm->cols; col += TILE)
            nt_tile(mm, pick, bias, row, col, 1, TILE);
        for (; col < mm->cols; col++)
            nt_tile(mm, pick, bias, row, col, 1, 1);
    }
}

FUT_INLINE void nn_tile(const fut_simd_matmul *mm, float alpha, int64_t row, int64_t col, int rows, int vecs)
{
    vec acc[TILE][TILE_VECS] = {{{0}}};
    const float *a = mm->a + row * mm->a_row, *b = mm->b + col;
    for (int64_t k = 0; k < mm->k; k++)
        for (int r = 0; r < rows; r++)
            for (int v = 0; v < vecs; v++)
                acc[r][v] += a[r * mm->a_row + k * mm->a_col] * vec_load(b + k * mm->b_row + v * LANES);
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < vecs; v++)
            vec_store(mm->c + (row + r) * mm->c_row + col + v * LANES, alpha * acc[r][v]);
}

/* The last columns, fewer than a vector. */
FUT_INLINE void nn_tail(const fut_simd_matmul *mm, float alpha, int64_t row, int64_t col, int rows)
{
    int64_t lanes = mm->cols - col;
    vec acc[TILE] = {{0}};
    const float *a = mm->a + row * mm->a_row, *b = mm->b + col;
    for (int64_t k = 0; k < mm->k; k++) {
        vec part = vec_load_part(b + k * mm->b_row, lanes);
        for (int r = 0; r < rows; r++)
            acc[r] += a[r * mm->a_row + k * mm->a_col] * part;
    }
    for (int r = 0; r < rows; r++)
        vec_store_part(mm->c + (row + r) * mm->c_row + col, alpha * acc[r], lanes);
}

FUT_INLINE void nn_rows(const fut_simd_matmul *mm, float alpha, int64_t row, int rows)
{
    int64_t col = 0;
    for (; col + TILE_VECS * LANES <= mm->cols; col += TILE_VECS * LANES)
        nn_tile(mm, alpha, row, col, rows, TILE_VECS);
    for (; col + LANES <= mm->cols; col += LANES)
        nn_tile(mm, alpha, row, col, rows, 1);
    if (col < mm->cols) nn_tail(mm, alpha, row, col, rows);
}

void FUT_SIMD_NAME(matmul_nn)(const fut_simd_matmul *mm, float alpha)
{
    int64_t row = 0;
    for (; row + TILE <= mm->rows; row += TILE)
        nn_rows(mm, alpha, row, TILE);
    for (; row < mm->rows; row++)
        nn_rows(mm, alpha, row, 1);
}
