/* Immediate kernels on flat vectors, in chunks over the threads: what decides about a step, the tree's additions. */
#include "core/backend/cpu/cpu_impl.h"
#include "core/backend/host.h"
#include "core/backend/step_formulas.h"

#include <math.h>

enum { CHUNK = 1 << 14, SUM_GROUPS = 64 };

static int64_t chunks_in(int64_t n)
{
    return (n + CHUNK - 1) / CHUNK;
}

static int64_t chunk_length(int64_t n, int64_t first)
{
    return n - first < CHUNK ? n - first : CHUNK;
}

/* Groups of whole chunks, cut by n alone and added in order. Squares of f32 cannot overflow f64, so the sum is finite when they all are. */
static double sum_squares(const fut_cpu *cpu, int64_t n, const float *x)
{
    double group_sum[SUM_GROUPS] = {0}, sum = 0;
    int64_t chunks = chunks_in(n);
#pragma omp parallel for num_threads(cpu->threads) schedule(static)
    for (int64_t group = 0; group < SUM_GROUPS; group++)
        for (int64_t chunk = chunks * group / SUM_GROUPS; chunk < chunks * (group + 1) / SUM_GROUPS; chunk++) {
            const float *part = x + chunk * CHUNK;
            double squares;
            cpu->simd->dot(chunk_length(n, chunk * CHUNK), part, part, &squares);
            group_sum[group] += squares;
        }
    for (int group = 0; group < SUM_GROUPS; group++)
        sum += group_sum[group];
    return sum;
}

fut_status fut_cpu_step_check(fut_backend *bk, int64_t n, fut_dtype real, const void *g, const double *loss, int64_t loss_count,
                              fut_step_control *control, fut_stream *s)
{
    (void)s;
    FUT_TRY(fut_cpu_check_dtype(bk, "step_check", FUT_F32, real));
    double squares = sum_squares(fut_cpu_of(bk), n, g);
    bool finite = isfinite(squares);
    for (int64_t i = 0; i < loss_count; i++)
        finite = finite && isfinite(loss[i]);
    fut_step_decide(squares, finite, control);
    return FUT_OK;
}

fut_status fut_cpu_update_stats(fut_backend *bk, int64_t n, fut_dtype real, double momentum, int64_t shards,
                                const fut_step_control *control, const void *sum, void *running, fut_stream *s)
{
    (void)s;
    FUT_TRY(fut_cpu_check_dtype(bk, "update_stats", FUT_F32, real));
    if (control->finite) fut_cpu_of(bk)->simd->axpby(n, momentum / (double)shards, sum, 1 - momentum, running);
    return FUT_OK;
}

fut_status fut_cpu_scale_gradient(fut_backend *bk, int64_t n, fut_dtype real, const fut_step_control *control, void *x, fut_stream *s)
{
    (void)s;
    FUT_TRY(fut_cpu_check_dtype(bk, "scale_gradient", FUT_F32, real));
    fut_cpu_of(bk)->simd->axpby(n, control->scale, x, 0, x);
    return FUT_OK;
}

fut_status fut_cpu_add(fut_backend *bk, int64_t n, fut_dtype dtype, const void *x, void *y, fut_stream *s)
{
    (void)s;
    const fut_cpu *cpu = fut_cpu_of(bk);
    FUT_CHECK(dtype == FUT_F32 || dtype == FUT_F64, FUT_ERR_UNSUPPORTED, "cpu backend, add: %s; it has f32 and f64", fut_dtype_name(dtype));
#pragma omp parallel for num_threads(cpu->threads) schedule(static)
    for (int64_t chunk = 0; chunk < chunks_in(n); chunk++) {
        int64_t first = chunk * CHUNK, end = first + chunk_length(n, first);
        if (dtype == FUT_F32)
            for (int64_t i = first; i < end; i++)
                ((float *)y)[i] += ((const float *)x)[i];
        else
            for (int64_t i = first; i < end; i++)
                ((double *)y)[i] += ((const double *)x)[i];
    }
    return FUT_OK;
}

fut_status fut_cpu_tree_rows(fut_backend *bk, int64_t rows, int64_t n, double *in, double *out, fut_stream *s)
{
    (void)bk;
    (void)s;
    fut_host_tree_rows(rows, n, in, out);
    return FUT_OK;
}
