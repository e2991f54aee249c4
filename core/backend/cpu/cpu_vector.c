/* Immediate kernels on flat vectors: the optimizer's step, sums and combinations, in chunks over the threads. */
#include "core/backend/cpu/cpu_impl.h"

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

fut_status fut_cpu_adam(fut_backend *bk, int64_t n, fut_dtype real, const fut_adam_args *args, bool decoupled, void *p, const void *g,
                        void *m, void *v, fut_stream *s)
{
    (void)s;
    const fut_cpu *cpu = fut_cpu_of(bk);
    FUT_TRY(fut_cpu_check_dtype(bk, "adam", FUT_F32, real));
    fut_simd_adam step = {
        .decay = decoupled ? (float)(1 - args->lr * args->weight_decay) : 1,
        .weight_decay = decoupled ? 0 : (float)args->weight_decay,
        .beta1_rest = (float)(1 - args->beta1),
        .beta2 = (float)args->beta2,
        .beta2_rest = (float)(1 - args->beta2),
        .eps = (float)args->eps,
        .step_size = (float)(args->lr / (1 - pow(args->beta1, (double)args->step))),
        .correction2_sqrt = (float)sqrt(1 - pow(args->beta2, (double)args->step)),
    };
#pragma omp parallel for num_threads(cpu->threads) schedule(static)
    for (int64_t chunk = 0; chunk < chunks_in(n); chunk++) {
        int64_t first = chunk * CHUNK;
        cpu->simd->adam(chunk_length(n, first), &step, (float *)p + first, (const float *)g + first, (float *)m + first,
                        (float *)v + first);
    }
    return FUT_OK;
}

/* Groups of whole chunks, cut by n alone and added in order. Squares of f32 cannot overflow f64, so the sum is finite when they all are. */
fut_status fut_cpu_sum_squares(fut_backend *bk, int64_t n, fut_dtype real, const void *x, double *sum_out, bool *finite_out, fut_stream *s)
{
    (void)s;
    const fut_cpu *cpu = fut_cpu_of(bk);
    double group_sum[SUM_GROUPS] = {0}, sum = 0;
    FUT_TRY(fut_cpu_check_dtype(bk, "sum_squares", FUT_F32, real));
    int64_t chunks = chunks_in(n);
#pragma omp parallel for num_threads(cpu->threads) schedule(static)
    for (int64_t group = 0; group < SUM_GROUPS; group++)
        for (int64_t chunk = chunks * group / SUM_GROUPS; chunk < chunks * (group + 1) / SUM_GROUPS; chunk++) {
            const float *part = (const float *)x + chunk * CHUNK;
            double squares;
            cpu->simd->dot(chunk_length(n, chunk * CHUNK), part, part, &squares);
            group_sum[group] += squares;
        }
    for (int group = 0; group < SUM_GROUPS; group++)
        sum += group_sum[group];
    *sum_out = sum;
    *finite_out = isfinite(sum);
    return FUT_OK;
}

fut_status fut_cpu_axpby(fut_backend *bk, int64_t n, fut_dtype real, double a, const void *x, double b, void *y, fut_stream *s)
{
    (void)s;
    const fut_cpu *cpu = fut_cpu_of(bk);
    FUT_TRY(fut_cpu_check_dtype(bk, "axpby", FUT_F32, real));
#pragma omp parallel for num_threads(cpu->threads) schedule(static)
    for (int64_t chunk = 0; chunk < chunks_in(n); chunk++) {
        int64_t first = chunk * CHUNK;
        cpu->simd->axpby(chunk_length(n, first), a, (const float *)x + first, b, (float *)y + first);
    }
    return FUT_OK;
}
