/* Matrix products. Every element is one chain of additions a KC of k, the chains added in order: its bits depend on its row of a and its
 * column of b alone, not on where in a block it lies or on how wide the vectors are. */
#include "core/backend/cpu/simd/simd.h"
#include "core/backend/cpu/simd/vec.h"

/* A tile's sums stay in registers: TILE_ROWS x TILE_VECS vectors of them, fewer where there are only 16 registers. */
#ifdef __AVX512F__
enum { TILE_ROWS = 8 };
#else
enum { TILE_ROWS = 4 };
#endif
enum { TILE_VECS = 2, TILE_COLS = TILE_VECS * LANES, KC = 256, ROWS_PACKED = FUT_SIMD_MATMUL_ROWS };

static int64_t at_most(int64_t n, int64_t limit)
{
    return n < limit ? n : limit;
}

/* k lines of n values, `stride` apart, to lines of `whole`. A copy whose length the compiler knows is a few moves; of any other it may make
 * a string instruction, which takes longer to start than a line to move. */
FUT_INLINE void copy_lines(int64_t k, int64_t n, int64_t whole, const float *from, int64_t stride, float *packed)
{
    for (int64_t i = 0; i < k && n == whole; i++)
        memcpy(packed + i * whole, from + i * stride, (size_t)whole * sizeof *packed);
    for (int64_t i = 0; i < k && n < whole; i++)
        memcpy(packed + i * whole, from + i * stride, (size_t)n * sizeof *packed);
}

enum { SQUARE = 8 };
typedef float square_row __attribute__((vector_size(SQUARE * sizeof(float))));
typedef square_row square_row_in_memory __attribute__((aligned(4), may_alias));
typedef int32_t places __attribute__((vector_size(SQUARE * sizeof(float))));

/* to [SQUARE, SQUARE], its rows to_row apart, is from transposed: elements, pairs and halves of rows change places. */
FUT_INLINE void transpose_square(const float *const from[SQUARE], float *to, int64_t to_row)
{
    const places low = {0, 8, 1, 9, 4, 12, 5, 13}, high = {2, 10, 3, 11, 6, 14, 7, 15};
    const places low_pair = {0, 1, 8, 9, 4, 5, 12, 13}, high_pair = {2, 3, 10, 11, 6, 7, 14, 15};
    const places low_half = {0, 1, 2, 3, 8, 9, 10, 11}, high_half = {4, 5, 6, 7, 12, 13, 14, 15};
    square_row row[SQUARE], pair[SQUARE], four[SQUARE];
    for (int r = 0; r < SQUARE; r++)
        row[r] = *(const square_row_in_memory *)from[r];
    for (int r = 0; r < SQUARE; r += 2) {
        pair[r] = __builtin_shuffle(row[r], row[r + 1], low);
        pair[r + 1] = __builtin_shuffle(row[r], row[r + 1], high);
    }
    for (int r = 0; r < SQUARE; r += 4)
        for (int i = 0; i < 2; i++) {
            four[r + 2 * i] = __builtin_shuffle(pair[r + i], pair[r + 2 + i], low_pair);
            four[r + 2 * i + 1] = __builtin_shuffle(pair[r + i], pair[r + 2 + i], high_pair);
        }
    for (int r = 0; r < SQUARE / 2; r++) {
        *(square_row_in_memory *)(to + r * to_row) = __builtin_shuffle(four[r], four[r + 4], low_half);
        *(square_row_in_memory *)(to + (r + 4) * to_row) = __builtin_shuffle(four[r], four[r + 4], high_half);
    }
}

/* Rows first to first + SQUARE of lines of n contiguous values become columns of packed [n, whole]. */
FUT_INLINE void transpose_lines(int64_t n, int64_t whole, const float *const from[SQUARE], float *packed)
{
    int64_t i = 0;
    for (; i + SQUARE <= n; i += SQUARE) {
        const float *at[SQUARE];
        for (int r = 0; r < SQUARE; r++)
            at[r] = from[r] + i;
        transpose_square(at, packed + i * whole, whole);
    }
    for (; i < n; i++)
        for (int r = 0; r < SQUARE; r++)
            packed[i * whole + r] = from[r][i];
}

/* The rows of one tile, [k, TILE_ROWS], those past the last zero. */
static void pack_tile_rows(const fut_simd_matmul *mm, int64_t row, int64_t k0, int64_t k, float *packed)
{
    const int64_t rows = at_most(mm->rows - row, TILE_ROWS);
    const float *a = mm->a + k0 * mm->a_col;
    if (rows < TILE_ROWS) memset(packed, 0, (size_t)(k * TILE_ROWS) * sizeof *packed);
    if (mm->a_row == 1 && !mm->pick) {
        copy_lines(k, rows, TILE_ROWS, a + row, mm->a_col, packed);
        return;
    }
    if (rows == SQUARE && mm->a_col == 1) { /* where tiles are as high */
        const float *from[SQUARE];
        for (int r = 0; r < SQUARE; r++)
            from[r] = a + (mm->pick ? mm->pick[row + r] : row + r) * mm->a_row;
        transpose_lines(k, SQUARE, from, packed);
        return;
    }
    for (int64_t r = 0; r < rows; r++) {
        const float *from = a + (mm->pick ? mm->pick[row + r] : row + r) * mm->a_row;
        for (int64_t i = 0; i < k; i++)
            packed[i * TILE_ROWS + r] = from[i * mm->a_col];
    }
}

/* [k, TILE_COLS] of the columns from col on, those past the last zero. */
static void pack_cols(const fut_simd_matmul *mm, int64_t col, int64_t k0, int64_t k, float *packed)
{
    enum { DEPTH = 16 }; /* of transposed columns: few enough cache lines to stay near */
    const int64_t cols = at_most(mm->cols - col, TILE_COLS);
    const float *b = mm->b + k0 * mm->b_row + col * mm->b_col;
    if (cols < TILE_COLS) memset(packed, 0, (size_t)(k * TILE_COLS) * sizeof *packed);
    if (mm->b_col == 1) {
        copy_lines(k, cols, TILE_COLS, b, mm->b_row, packed);
        return;
    }
    int64_t col0 = 0;
    for (; col0 + SQUARE <= cols && mm->b_row == 1; col0 += SQUARE) {
        const float *from[SQUARE];
        for (int c = 0; c < SQUARE; c++)
            from[c] = b + (col0 + c) * mm->b_col;
        transpose_lines(k, TILE_COLS, from, packed + col0);
    }
    for (int64_t i0 = 0; i0 < k && col0 < cols; i0 += DEPTH)
        for (int64_t c = col0; c < cols; c++)
            for (int64_t i = i0; i < at_most(k, i0 + DEPTH); i++)
                packed[i * TILE_COLS + c] = b[i * mm->b_row + c * mm->b_col];
}

/* The rows of a tile as they were packed, or, where few of them are not 0 (a miner's choices), those alone, row by row. */
typedef struct nonzero {
    float value;
    int32_t at; /* of k */
} nonzero;

typedef struct tile {
    float *a; /* [k, TILE_ROWS], or nonzero [sum of count] */
    bool is_sparse;
    int count[TILE_ROWS];
} tile;
enum { SPARSE = 8, SAMPLE = 128 }; /* at most one of so many */

static int count_nonzeros(int n, const float *a)
{
    int count = 0;
    for (int i = 0; i < n; i++)
        count += a[i] != 0;
    return count;
}

static void list_nonzeros(int64_t k, tile *t)
{
    nonzero list[KC * TILE_ROWS / SPARSE];
    int n = 0, all = (int)k * TILE_ROWS;
    t->is_sparse = false;
    if (count_nonzeros(all < SAMPLE ? all : SAMPLE, t->a) > SAMPLE / 2) return; /* most products are of dense matrices */
    t->is_sparse = count_nonzeros(all, t->a) * SPARSE <= all;
    if (!t->is_sparse) return;
    for (int r = 0; r < TILE_ROWS; r++) {
        int first = n;
        for (int i = 0; i < k; i++)
            if (t->a[i * TILE_ROWS + r] != 0) list[n++] = (nonzero){.value = t->a[i * TILE_ROWS + r], .at = i};
        t->count[r] = n - first;
    }
    memcpy(t->a, list, (size_t)n * sizeof *list);
}

/* One element's way from sums to c, as a whole tile takes it. */
typedef struct tile_end {
    bool first, last; /* of the chains */
    float alpha;
    const float *bias; /* of the tile's columns, or NULL */
} tile_end;

FUT_INLINE void end_row(const vec sum[TILE_VECS], const tile_end *end, float *c)
{
    for (int v = 0; v < TILE_VECS; v++) {
        float *to = c + v * LANES;
        vec value = end->first ? sum[v] : vec_load(to) + sum[v];
        if (end->last && end->alpha != 1) value *= end->alpha;
        if (end->last && end->bias) value += vec_load(end->bias + v * LANES);
        vec_store(to, value);
    }
}

FUT_INLINE void add_dense_tile(int64_t k, const float *a, const float *b, const tile_end *end, float *c, int64_t c_row)
{
    vec sum[TILE_ROWS][TILE_VECS] = {{{0}}};
    for (int64_t i = 0; i < k; i++, a += TILE_ROWS, b += TILE_COLS)
        for (int r = 0; r < TILE_ROWS; r++)
            for (int v = 0; v < TILE_VECS; v++)
                sum[r][v] += a[r] * vec_load(b + v * LANES);
    for (int r = 0; r < TILE_ROWS; r++)
        end_row(sum[r], end, c + r * c_row);
}

/* Adding 0 times a number changes no sum, so a chain without its zeros has the same bits. */
FUT_INLINE void add_sparse_tile(const int *count, const nonzero *a, const float *b, const tile_end *end, float *c, int64_t c_row)
{
    for (int r = 0; r < TILE_ROWS; a += count[r++]) {
        vec sum[TILE_VECS] = {{0}};
        for (int i = 0; i < count[r]; i++)
            for (int v = 0; v < TILE_VECS; v++)
                sum[v] += a[i].value * vec_load(b + a[i].at * TILE_COLS + v * LANES);
        end_row(sum, end, c + r * c_row);
    }
}

FUT_INLINE void add_tile(int64_t k, const tile *t, const float *b, const tile_end *end, float *c, int64_t c_row)
{
    if (t->is_sparse)
        add_sparse_tile(t->count, (const nonzero *)t->a, b, end, c, c_row);
    else
        add_dense_tile(k, t->a, b, end, c, c_row);
}

/* A tile that hangs over the edge of c: through a whole one. */
static void add_part_of_tile(int64_t k, const tile *t, const float *b, const tile_end *end, int64_t rows, int64_t cols, float *c,
                             int64_t c_row)
{
    float whole[TILE_ROWS * TILE_COLS] = {0}, bias[TILE_COLS] = {0};
    tile_end inside = *end;
    if (end->bias) {
        memcpy(bias, end->bias, (size_t)cols * sizeof *bias);
        inside.bias = bias;
    }
    if (!end->first)
        for (int64_t r = 0; r < rows; r++)
            memcpy(whole + r * TILE_COLS, c + r * c_row, (size_t)cols * sizeof *c);
    add_tile(k, t, b, &inside, whole, TILE_COLS);
    for (int64_t r = 0; r < rows; r++)
        memcpy(c + r * c_row, whole + r * TILE_COLS, (size_t)cols * sizeof *c);
}

void FUT_SIMD_NAME(matmul)(const fut_simd_matmul *mm)
{
    float a[ROWS_PACKED * KC], b[KC * TILE_COLS];
    tile tiles[ROWS_PACKED / TILE_ROWS];
    for (int64_t k0 = 0; k0 == 0 || k0 < mm->k; k0 += KC) {
        const int64_t k = at_most(mm->k - k0, KC);
        tile_end end = {.first = k0 == 0, .last = k0 + k == mm->k, .alpha = mm->alpha};
        for (int64_t row = 0; row < mm->rows; row += TILE_ROWS) {
            tile *t = &tiles[row / TILE_ROWS];
            t->a = a + row * k;
            pack_tile_rows(mm, row, k0, k, t->a);
            list_nonzeros(k, t);
        }
        for (int64_t col = 0; col < mm->cols; col += TILE_COLS) {
            const int64_t cols = at_most(mm->cols - col, TILE_COLS);
            pack_cols(mm, col, k0, k, b);
            end.bias = mm->bias ? mm->bias + col : NULL;
            for (int64_t row = 0; row < mm->rows; row += TILE_ROWS) {
                const int64_t rows = at_most(mm->rows - row, TILE_ROWS);
                const tile *t = &tiles[row / TILE_ROWS];
                float *c = mm->c + row * mm->c_row + col;
                if (rows == TILE_ROWS && cols == TILE_COLS)
                    add_tile(k, t, b, &end, c, mm->c_row);
                else
                    add_part_of_tile(k, t, b, &end, rows, cols, c, mm->c_row);
            }
        }
    }
}

/* Dot products, each lane by lane and then over the lanes; several rows at a time, since an addition waits for the one before it. */
FUT_INLINE void dot_rows(int rows, int64_t cols, const float *w, const float *x, const float *bias, float *y)
{
    vec sum[TILE_ROWS] = {{0}};
    int64_t c = 0;
    for (; c + LANES <= cols; c += LANES)
        for (int r = 0; r < rows; r++)
            sum[r] += vec_load(w + r * cols + c) * vec_load(x + c);
    if (c < cols)
        for (int r = 0; r < rows; r++)
            sum[r] += vec_load_part(w + r * cols + c, cols - c) * vec_load_part(x + c, cols - c);
    for (int r = 0; r < rows; r++)
        y[r] = vec_sum(sum[r]) + (bias ? bias[r] : 0);
}

void FUT_SIMD_NAME(matvec)(int64_t rows, int64_t cols, const float *w, const float *x, const float *bias, float *y)
{
    int64_t r = 0;
    for (; r + TILE_ROWS <= rows; r += TILE_ROWS)
        dot_rows(TILE_ROWS, cols, w + r * cols, x, bias ? bias + r : NULL, y + r);
    for (; r < rows; r++)
        dot_rows(1, cols, w + r * cols, x, bias ? bias + r : NULL, y + r);
}

FUT_INLINE void add_columns(int vecs, int64_t rows, int64_t cols, const float *w, const float *x, float alpha, float *y)
{
    vec sum[TILE_ROWS] = {{0}};
    for (int64_t r = 0; r < rows; r++)
        for (int v = 0; v < vecs; v++)
            sum[v] += x[r] * vec_load(w + r * cols + v * LANES);
    for (int v = 0; v < vecs; v++)
        vec_store(y + v * LANES, alpha * sum[v]);
}

void FUT_SIMD_NAME(matvec_transposed)(int64_t rows, int64_t cols, const float *w, const float *x, float alpha, float *y)
{
    int64_t c = 0;
    for (; c + TILE_ROWS * LANES <= cols; c += TILE_ROWS * LANES)
        add_columns(TILE_ROWS, rows, cols, w + c, x, alpha, y + c);
    for (; c + LANES <= cols; c += LANES)
        add_columns(1, rows, cols, w + c, x, alpha, y + c);
    if (c == cols) return;
    vec sum = {0};
    for (int64_t r = 0; r < rows; r++)
        sum += x[r] * vec_load_part(w + r * cols + c, cols - c);
    vec_store_part(y + c, alpha * sum, cols - c);
}
