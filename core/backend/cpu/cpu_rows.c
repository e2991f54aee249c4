/* Immediate kernels of row losses: rows are dealt to the threads. */
#include "core/backend/cpu/cpu_impl.h"
#include "core/backend/draw_formulas.h"
#include "core/backend/row_formulas.h"

#include <math.h>
#include <string.h>

#define REAL float
#define FN(name) name##_f32
#include "core/backend/host_drawn_loss.inc"
#include "core/backend/host_memory.inc"

/* Rows are summed in this many groups, cut by n alone, and the groups added in order. */
enum { SUM_GROUPS = 64 };

enum { TILE = 16 }; /* floats of a cache line */

fut_status fut_cpu_l2_rows(fut_backend *bk, const fut_pair_rows *rows, fut_dtype real, const void *norm, const void *h,
                           const void *ref_norm, const void *r, void *v, fut_stream *s)
{
    (void)s;
    const fut_cpu *cpu = fut_cpu_of(bk);
    FUT_TRY(fut_cpu_check_dtype(bk, "l2_rows", FUT_F32, real));
#pragma omp parallel for num_threads(cpu->threads) schedule(static)
    for (int64_t i = 0; i < rows->n; i++)
        cpu->simd->l2_row(rows, i, norm, h, ref_norm, r, (float *)v + i * rows->refs);
    return FUT_OK;
}

fut_status fut_cpu_select_pairs(fut_backend *bk, const fut_pair_rows *rows, const fut_row_miner *miner, fut_dtype real, const void *v,
                                uint8_t *kind, fut_stream *s)
{
    (void)s;
    const fut_cpu *cpu = fut_cpu_of(bk);
    FUT_TRY(fut_cpu_check_dtype(bk, "select_pairs", FUT_F32, real));
#pragma omp parallel for num_threads(cpu->threads) schedule(static)
    for (int64_t i = 0; i < rows->n; i++)
        cpu->simd->select_row(rows, i, miner, (const float *)v + i * rows->refs, kind + i * rows->refs);
    return FUT_OK;
}

fut_status fut_cpu_remember_rows(fut_backend *bk, int64_t n, fut_dtype real, const fut_row_memory *memory, const void *e,
                                 const int64_t *label, const int64_t *image, fut_stream *s)
{
    (void)s;
    FUT_TRY(fut_cpu_check_dtype(bk, "remember_rows", FUT_F32, real));
    remember_rows_f32(n, memory, e, label, image);
    return FUT_OK;
}

static void add_groups(double sums[SUM_GROUPS][FUT_ROW_SUMS], double *sums_out)
{
    for (int k = 0; k < FUT_ROW_SUMS; k++) {
        sums_out[k] = 0;
        for (int group = 0; group < SUM_GROUPS; group++)
            sums_out[k] += sums[group][k];
    }
}

fut_status fut_cpu_row_loss(fut_backend *bk, const fut_pair_rows *rows, const fut_row_loss *loss, fut_dtype real, const void *v,
                            const uint8_t *kind, void *g, double *sums_out, fut_stream *s)
{
    (void)s;
    const fut_cpu *cpu = fut_cpu_of(bk);
    double sums[SUM_GROUPS][FUT_ROW_SUMS] = {{0}};
    FUT_TRY(fut_cpu_check_dtype(bk, "row_loss", FUT_F32, real));
#pragma omp parallel for num_threads(cpu->threads) schedule(static)
    for (int64_t group = 0; group < SUM_GROUPS; group++)
        for (int64_t i = rows->n * group / SUM_GROUPS; i < rows->n * (group + 1) / SUM_GROUPS; i++) {
            int64_t at = i * rows->refs;
            cpu->simd->loss_row(loss, rows->refs, (const float *)v + at, kind + at, (float *)g + at, sums[group]);
        }
    add_groups(sums, sums_out);
    return FUT_OK;
}

fut_status fut_cpu_draw_triplets(fut_backend *bk, const fut_pair_rows *rows, const fut_row_miner *miner, fut_dtype real,
                                 const fut_step_control *control, void *v, uint8_t *kind, fut_row_draw *draw, fut_stream *s)
{
    (void)s;
    static const fut_row_miner all_pairs = {.kind = FUT_MINER_ALL_PAIRS};
    const fut_cpu *cpu = fut_cpu_of(bk);
    const int64_t step = control == NULL ? 0 : control->steps;
    FUT_TRY(fut_cpu_check_dtype(bk, "draw_triplets", FUT_F32, real));
#pragma omp parallel for num_threads(cpu->threads) schedule(static)
    for (int64_t i = 0; i < rows->n; i++) {
        const int64_t at = i * rows->refs;
        cpu->simd->select_row(rows, i, &all_pairs, NULL, kind + at);
        draw_row_f32(rows, i, miner, step, (float *)v + at, kind + at, draw + at);
    }
    return FUT_OK;
}

fut_status fut_cpu_drawn_loss(fut_backend *bk, const fut_pair_rows *rows, const fut_row_loss *loss, fut_dtype real, const void *v,
                              const uint8_t *kind, const fut_row_draw *draw, void *g, double *sums_out, fut_stream *s)
{
    (void)s;
    const fut_cpu *cpu = fut_cpu_of(bk);
    double sums[SUM_GROUPS][FUT_ROW_SUMS] = {{0}};
    FUT_TRY(fut_cpu_check_dtype(bk, "drawn_loss", FUT_F32, real));
#pragma omp parallel for num_threads(cpu->threads) schedule(static)
    for (int64_t group = 0; group < SUM_GROUPS; group++)
        for (int64_t i = rows->n * group / SUM_GROUPS; i < rows->n * (group + 1) / SUM_GROUPS; i++) {
            const int64_t at = i * rows->refs;
            drawn_loss_row_f32(loss, rows->refs, (const float *)v + at, draw + at, (float *)g + at, sums[group]);
            cpu->simd->end_row(loss, rows->refs, (const float *)v + at, kind + at, (float *)g + at, sums[group]);
        }
    add_groups(sums, sums_out);
    return FUT_OK;
}

fut_status fut_cpu_swap_loss(fut_backend *bk, const fut_pair_rows *rows, const fut_row_loss *loss, fut_dtype real, const void *v,
                             const uint8_t *kind, void *g, double *sums_out, fut_stream *s)
{
    (void)s;
    const fut_cpu *cpu = fut_cpu_of(bk);
    double sums[SUM_GROUPS][FUT_ROW_SUMS] = {{0}};
    FUT_TRY(fut_cpu_check_dtype(bk, "swap_loss", FUT_F32, real));
#pragma omp parallel for num_threads(cpu->threads) schedule(static)
    for (int64_t group = 0; group < SUM_GROUPS; group++)
        for (int64_t r = rows->refs * group / SUM_GROUPS; r < rows->refs * (group + 1) / SUM_GROUPS; r++)
            cpu->simd->swap_loss_row(rows, r, loss, v, kind, g, sums[group]);
    add_groups(sums, sums_out);
    return FUT_OK;
}

fut_status fut_cpu_row_loss_weigh(fut_backend *bk, const fut_pair_rows *rows, const fut_row_loss *loss, fut_dtype real, const uint8_t *kind,
                                  const double *total, void *g, fut_stream *s)
{
    (void)s;
    const fut_cpu *cpu = fut_cpu_of(bk);
    FUT_TRY(fut_cpu_check_dtype(bk, "row_loss_weigh", FUT_F32, real));
#pragma omp parallel for num_threads(cpu->threads) schedule(static)
    for (int64_t i = 0; i < rows->n; i++)
        cpu->simd->weigh_row(loss, rows->refs, kind == NULL ? NULL : kind + i * rows->refs, total, (float *)g + i * rows->refs);
    return FUT_OK;
}

fut_status fut_cpu_logit_params(fut_backend *bk, const fut_row_loss *loss, fut_dtype real, const double *sums, const double *total,
                                void *dscale, void *dshift, fut_stream *s)
{
    (void)s;
    FUT_TRY(fut_cpu_check_dtype(bk, "logit_params", FUT_F32, real));
    const fut_row_line grad = fut_row_line_grad(loss, sums, total);
    if (dscale != NULL) *(float *)dscale = (float)grad.a;
    *(float *)dshift = (float)grad.b;
    return FUT_OK;
}

fut_status fut_cpu_gather_rows(fut_backend *bk, int64_t n, int64_t d, fut_dtype real, const int64_t *row, const void *src, void *dst,
                               fut_stream *s)
{
    (void)s;
    FUT_TRY(fut_cpu_check_dtype(bk, "gather_rows", FUT_F32, real));
    for (int64_t i = 0; i < n; i++)
        memcpy((float *)dst + i * d, (const float *)src + row[i] * d, (size_t)d * sizeof(float));
    return FUT_OK;
}

fut_status fut_cpu_add_rows(fut_backend *bk, int64_t n, int64_t d, fut_dtype real, const int64_t *row, const void *src, void *dst,
                            fut_stream *s)
{
    (void)s;
    FUT_TRY(fut_cpu_check_dtype(bk, "add_rows", FUT_F32, real));
    for (int64_t i = 0; i < n; i++)
        for (int64_t c = 0; c < d; c++)
            ((float *)dst)[row[i] * d + c] += ((const float *)src)[i * d + c];
    return FUT_OK;
}

fut_status fut_cpu_rows_times_transposed(fut_backend *bk, const fut_pair_rows *rows, fut_dtype real, const void *g, const void *h_rows,
                                         void *dr, fut_stream *s)
{
    (void)s;
    FUT_TRY(fut_cpu_check_dtype(bk, "rows_times_transposed", FUT_F32, real));
    fut_simd_matmul mm = {.rows = rows->refs,
                          .cols = rows->dim,
                          .k = rows->n,
                          .a = g,
                          .a_row = 1,
                          .a_col = rows->refs,
                          .b = h_rows,
                          .b_row = rows->dim,
                          .b_col = 1,
                          .c = dr,
                          .c_row = rows->dim,
                          .alpha = 1};
    fut_cpu_matmul(fut_cpu_of(bk), &mm);
    return FUT_OK;
}

/* A tile and its mirror image at once, each line moved once a way: lines a large power of two apart push each other out of a cache. */
static void add_tile_transposed(int64_t n, int64_t i0, int64_t j0, float *g)
{
    const int64_t rows = n - i0 < TILE ? n - i0 : TILE, cols = n - j0 < TILE ? n - j0 : TILE;
    float upper[TILE][TILE], lower[TILE][TILE];
    for (int64_t i = 0; i < rows; i++)
        memcpy(upper[i], g + (i0 + i) * n + j0, (size_t)cols * sizeof *g);
    for (int64_t j = 0; j < cols; j++)
        memcpy(lower[j], g + (j0 + j) * n + i0, (size_t)rows * sizeof *g);
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < cols; j++) {
            upper[i][j] += lower[j][i];
            lower[j][i] = upper[i][j];
        }
    for (int64_t i = 0; i < rows; i++)
        memcpy(g + (i0 + i) * n + j0, upper[i], (size_t)cols * sizeof *g);
    for (int64_t j = 0; j < cols && j0 != i0; j++)
        memcpy(g + (j0 + j) * n + i0, lower[j], (size_t)rows * sizeof *g);
}

fut_status fut_cpu_add_transposed(fut_backend *bk, int64_t n, fut_dtype real, void *g, fut_stream *s)
{
    (void)s;
    const fut_cpu *cpu = fut_cpu_of(bk);
    FUT_TRY(fut_cpu_check_dtype(bk, "add_transposed", FUT_F32, real));
#pragma omp parallel for num_threads(cpu->threads) schedule(dynamic)
    for (int64_t i = 0; i < n; i += TILE)
        for (int64_t j = i; j < n; j += TILE)
            add_tile_transposed(n, i, j, g);
    return FUT_OK;
}
