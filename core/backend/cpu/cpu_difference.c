/* Weighed differences of rows: rows, or columns of the embeddings, are dealt to the threads. */
#include "core/backend/cpu/cpu_impl.h"

#include <math.h>
#include <string.h>

/* Partial sums side by side; columns that a thread has at a time. */
enum { LANES = 16, COLUMNS = 32 };

static float difference(int64_t dim, const float *w, const float *a, const float *b)
{
    float lane[LANES] = {0}, sum = 0;
    int64_t c = 0;
    for (; c + LANES <= dim; c += LANES)
        for (int64_t l = 0; l < LANES; l++)
            lane[l] += w[c + l] * fabsf(a[c + l] - b[c + l]);
    for (int64_t l = 0; c < dim; c++, l++)
        lane[l] += w[c] * fabsf(a[c] - b[c]);
    for (int64_t l = 0; l < LANES; l++)
        sum += lane[l];
    return sum;
}

/* to += g sign(a - b), of dim values. */
static void add_signs(int64_t dim, float g, const float *a, const float *b, float *to)
{
    for (int64_t c = 0; c < dim; c++)
        to[c] += g * (float)((a[c] > b[c]) - (a[c] < b[c]));
}

/* x *= scale w; x starts from 0 and has its sum. */
static void scale_by(int64_t dim, float scale, const float *w, float *x)
{
    for (int64_t c = 0; c < dim; c++)
        x[c] *= scale * w[c];
}

fut_status fut_cpu_difference_rows(fut_backend *bk, const fut_pair_rows *rows, fut_dtype real, const void *h, const void *r, const void *w,
                                   void *v, fut_stream *s)
{
    (void)s;
    const fut_cpu *cpu = fut_cpu_of(bk);
    FUT_TRY(fut_cpu_check_dtype(bk, "difference_rows", FUT_F32, real));
#pragma omp parallel for num_threads(cpu->threads) schedule(static)
    for (int64_t i = 0; i < rows->n; i++)
        for (int64_t j = 0; j < rows->refs; j++)
            ((float *)v)[i * rows->refs + j] =
                difference(rows->dim, w, (const float *)h + rows->row[i] * rows->dim, (const float *)r + j * rows->dim);
    return FUT_OK;
}

fut_status fut_cpu_difference_times(fut_backend *bk, const fut_pair_rows *rows, fut_dtype real, double scale, const void *g, const void *h,
                                    const void *r, const void *w, void *dh, fut_stream *s)
{
    (void)s;
    const fut_cpu *cpu = fut_cpu_of(bk);
    FUT_TRY(fut_cpu_check_dtype(bk, "difference_times", FUT_F32, real));
#pragma omp parallel for num_threads(cpu->threads) schedule(static)
    for (int64_t i = 0; i < rows->n; i++) {
        float *to = (float *)dh + i * rows->dim;
        memset(to, 0, (size_t)rows->dim * sizeof *to);
        for (int64_t j = 0; j < rows->refs; j++)
            add_signs(rows->dim, ((const float *)g)[i * rows->refs + j], (const float *)h + rows->row[i] * rows->dim,
                      (const float *)r + j * rows->dim, to);
        scale_by(rows->dim, (float)scale, w, to);
    }
    return FUT_OK;
}

fut_status fut_cpu_difference_times_transposed(fut_backend *bk, const fut_pair_rows *rows, fut_dtype real, const void *g, const void *h,
                                               const void *r, const void *w, void *dr, fut_stream *s)
{
    (void)s;
    const fut_cpu *cpu = fut_cpu_of(bk);
    FUT_TRY(fut_cpu_check_dtype(bk, "difference_times_transposed", FUT_F32, real));
#pragma omp parallel for num_threads(cpu->threads) schedule(static)
    for (int64_t j = 0; j < rows->refs; j++) {
        float *to = (float *)dr + j * rows->dim;
        memset(to, 0, (size_t)rows->dim * sizeof *to);
        for (int64_t i = 0; i < rows->n; i++)
            add_signs(rows->dim, ((const float *)g)[i * rows->refs + j], (const float *)r + j * rows->dim,
                      (const float *)h + rows->row[i] * rows->dim, to);
        scale_by(rows->dim, 1, w, to);
    }
    return FUT_OK;
}

fut_status fut_cpu_difference_weights(fut_backend *bk, const fut_pair_rows *rows, fut_dtype real, const void *g, const void *h,
                                      const void *r, void *dw, fut_stream *s)
{
    (void)s;
    const fut_cpu *cpu = fut_cpu_of(bk);
    FUT_TRY(fut_cpu_check_dtype(bk, "difference_weights", FUT_F32, real));
#pragma omp parallel for num_threads(cpu->threads) schedule(static)
    for (int64_t first = 0; first < rows->dim; first += COLUMNS) {
        const int64_t count = rows->dim - first < COLUMNS ? rows->dim - first : COLUMNS;
        double sum[COLUMNS] = {0};
        for (int64_t i = 0; i < rows->n; i++)
            for (int64_t j = 0; j < rows->refs; j++) {
                const float *a = (const float *)h + rows->row[i] * rows->dim + first, *b = (const float *)r + j * rows->dim + first;
                const float weight = ((const float *)g)[i * rows->refs + j];
                for (int64_t c = 0; c < count; c++)
                    sum[c] += (double)(weight * fabsf(a[c] - b[c]));
            }
        for (int64_t c = 0; c < count; c++)
            ((float *)dw)[first + c] = (float)sum[c];
    }
    return FUT_OK;
}
