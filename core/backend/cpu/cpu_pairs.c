/* Immediate kernels of losses: similarities of a shard's rows with the global batch, hinges over pairs. */
#include "core/backend/cpu/cpu_impl.h"

#include <string.h>

/* Rows are summed in this many groups, cut by n alone, and the groups added in order. */
enum { SUM_GROUPS = 64 };

fut_status fut_cpu_similarity_rows(fut_backend *bk, const fut_pair_rows *rows, fut_dtype real, const void *h, void *sim, fut_stream *s)
{
    (void)s;
    FUT_TRY(fut_cpu_check_dtype(bk, "similarity_rows", FUT_F32, real));
    fut_simd_matmul mm = {.rows = rows->n,
                          .cols = rows->batch,
                          .k = rows->dim,
                          .a = h,
                          .a_row = rows->dim,
                          .a_col = 1,
                          .b = h,
                          .b_row = rows->dim,
                          .c = sim,
                          .c_row = rows->batch};
    fut_cpu_matmul_nt(fut_cpu_of(bk), &mm, rows->row, NULL);
    return FUT_OK;
}

/* A pair counts unless it is an image with itself: the same place of the batch, or the same photo drawn twice. */
static bool pair_counts(const fut_pair_rows *rows, int64_t a, int64_t b)
{
    return a != b && rows->image[a] != rows->image[b];
}

/* What is inside the hinge [.]+ of a pair with value v. */
static double hinge_of(const fut_pair_hinge *hinge, bool positive, double v)
{
    return hinge->sign * (positive ? v - hinge->pos_margin : hinge->neg_margin - v);
}

static void add_row(const fut_pair_rows *rows, const fut_pair_hinge *hinge, int64_t i, const float *sim, double sums[FUT_PAIR_SUMS])
{
    int64_t a = rows->row[i];
    for (int64_t j = 0; j < rows->batch; j++) {
        if (!pair_counts(rows, a, j)) continue;
        bool positive = rows->label[a] == rows->label[j];
        double v = (double)sim[i * rows->batch + j], excess = hinge_of(hinge, positive, v);
        sums[positive ? FUT_PAIR_COUNT_POS : FUT_PAIR_COUNT_NEG] += 1;
        sums[positive ? FUT_PAIR_VALUE_POS : FUT_PAIR_VALUE_NEG] += v;
        if (excess > 0) {
            sums[positive ? FUT_PAIR_LOSS_POS : FUT_PAIR_LOSS_NEG] += excess;
            sums[positive ? FUT_PAIR_ACTIVE_POS : FUT_PAIR_ACTIVE_NEG] += 1;
        }
    }
}

fut_status fut_cpu_pair_hinge_sums(fut_backend *bk, const fut_pair_rows *rows, const fut_pair_hinge *hinge, fut_dtype real, const void *sim,
                                   double *sums_out, fut_stream *s)
{
    (void)s;
    const fut_cpu *cpu = fut_cpu_of(bk);
    double sums[SUM_GROUPS][FUT_PAIR_SUMS] = {{0}};
    FUT_TRY(fut_cpu_check_dtype(bk, "pair_hinge_sums", FUT_F32, real));
#pragma omp parallel for num_threads(cpu->threads) schedule(static)
    for (int64_t group = 0; group < SUM_GROUPS; group++)
        for (int64_t i = rows->n * group / SUM_GROUPS; i < rows->n * (group + 1) / SUM_GROUPS; i++)
            add_row(rows, hinge, i, sim, sums[group]);
    for (int k = 0; k < FUT_PAIR_SUMS; k++) {
        sums_out[k] = 0;
        for (int group = 0; group < SUM_GROUPS; group++)
            sums_out[k] += sums[group][k];
    }
    return FUT_OK;
}

/* Weight of an active pair: one over the sum that its side is divided by. */
static double weight_of(double sum)
{
    return sum > 0 ? 1 / sum : 0;
}

fut_status fut_cpu_pair_hinge_grad(fut_backend *bk, const fut_pair_rows *rows, const fut_pair_hinge *hinge, fut_dtype real, const void *sim,
                                   const double *sums, void *g, fut_stream *s)
{
    (void)s;
    const fut_cpu *cpu = fut_cpu_of(bk);
    FUT_TRY(fut_cpu_check_dtype(bk, "pair_hinge_grad", FUT_F32, real));
    float slope_pos = (float)(hinge->sign * weight_of(sums[hinge->per_pos]));
    float slope_neg = (float)(-hinge->sign * weight_of(sums[hinge->per_neg]));
#pragma omp parallel for num_threads(cpu->threads) schedule(static)
    for (int64_t i = 0; i < rows->n; i++)
        for (int64_t j = 0; j < rows->batch; j++) {
            int64_t at = i * rows->batch + j, a = rows->row[i];
            bool positive = rows->label[a] == rows->label[j];
            bool active = pair_counts(rows, a, j) && hinge_of(hinge, positive, (double)((const float *)sim)[at]) > 0;
            ((float *)g)[at] = !active ? 0 : positive ? slope_pos : slope_neg;
        }
    return FUT_OK;
}

fut_status fut_cpu_rows_times(fut_backend *bk, const fut_pair_rows *rows, fut_dtype real, double scale, const void *g, const void *h,
                              void *dh, fut_stream *s)
{
    (void)s;
    FUT_TRY(fut_cpu_check_dtype(bk, "rows_times", FUT_F32, real));
    fut_simd_matmul mm = {.rows = rows->n,
                          .cols = rows->dim,
                          .k = rows->batch,
                          .a = g,
                          .a_row = rows->batch,
                          .a_col = 1,
                          .b = h,
                          .b_row = rows->dim,
                          .c = dh,
                          .c_row = rows->dim};
    fut_cpu_matmul_nn(fut_cpu_of(bk), &mm, (float)scale);
    return FUT_OK;
}
