/* Optimizers' passes over the parameter pack, in chunks over the threads, and in a chunk in runs of one parameter group. */
#include "core/backend/cpu/cpu_impl.h"
#include "core/backend/host_optim.h"

enum { CHUNK = 1 << 14 };

static int64_t chunks_in(int64_t n)
{
    return (n + CHUNK - 1) / CHUNK;
}

typedef struct optim_pass {
    const fut_param_groups *groups;
    union {
        fut_simd_adam adam;
        fut_simd_sgd sgd;
        fut_simd_schedule_free schedule_free;
    } constants[FUT_PARAM_GROUPS];
    float *p;
    const float *g;
    float *slot[2]; /* NULL where there is none */
} optim_pass;

/* Parameters [first, first + n), all of one group. */
typedef void run_pass(const fut_simd *simd, const optim_pass *pass, int group, int64_t first, int64_t n);

static void over_groups(const fut_simd *simd, const optim_pass *pass, run_pass *run, int64_t first, int64_t end)
{
    if (pass->groups == NULL) {
        run(simd, pass, 0, first, end - first);
        return;
    }
    const uint8_t *of = pass->groups->of;
    for (int64_t next; first < end; first = next) {
        for (next = first + 1; next < end && of[next] == of[first];)
            next++;
        run(simd, pass, of[first], first, next - first);
    }
}

static void over_chunks(const fut_cpu *cpu, int64_t n, const optim_pass *pass, run_pass *run)
{
#pragma omp parallel for num_threads(cpu->threads) schedule(static)
    for (int64_t chunk = 0; chunk < chunks_in(n); chunk++)
        over_groups(cpu->simd, pass, run, chunk * CHUNK, chunk * CHUNK + CHUNK < n ? chunk * CHUNK + CHUNK : n);
}

static void run_adam(const fut_simd *simd, const optim_pass *pass, int group, int64_t first, int64_t n)
{
    simd->adam(n, &pass->constants[group].adam, pass->p + first, pass->g + first, pass->slot[0] + first, pass->slot[1] + first);
}

fut_status fut_cpu_adam(fut_backend *bk, int64_t n, fut_dtype real, const fut_adam_args *args, const double *lr,
                        const fut_step_control *control, const fut_param_groups *groups, void *p, const void *g, void *m, void *v,
                        fut_stream *s)
{
    (void)s;
    optim_pass all = {.groups = groups, .p = p, .g = g, .slot = {m, v}};
    FUT_TRY(fut_cpu_check_dtype(bk, "adam", FUT_F32, real));
    if (!control->finite) return FUT_OK;
    for (int k = 0; k < FUT_PARAM_GROUPS; k++) {
        fut_host_adam rates = fut_host_adam_rates(args, *lr, control, groups, k);
        all.constants[k].adam = (fut_simd_adam){.unscale = (float)control->unscale,
                                                .decay = (float)rates.keep,
                                                .weight_decay = (float)rates.into_gradient,
                                                .beta1_rest = (float)(1 - args->beta1),
                                                .beta2 = (float)args->beta2,
                                                .beta2_rest = (float)(1 - args->beta2),
                                                .eps = (float)rates.eps,
                                                .step_size = (float)rates.step,
                                                .correction2_sqrt = (float)rates.root};
    }
    over_chunks(fut_cpu_of(bk), n, &all, run_adam);
    return FUT_OK;
}

static void run_sgd(const fut_simd *simd, const optim_pass *pass, int group, int64_t first, int64_t n)
{
    simd->sgd(n, &pass->constants[group].sgd, pass->p + first, pass->g + first, pass->slot[0] + first);
}

fut_status fut_cpu_sgd(fut_backend *bk, int64_t n, fut_dtype real, const fut_sgd_args *args, const double *lr,
                       const fut_step_control *control, const fut_param_groups *groups, void *p, const void *g, void *buffer, fut_stream *s)
{
    (void)s;
    optim_pass all = {.groups = groups, .p = p, .g = g, .slot = {buffer, NULL}};
    FUT_TRY(fut_cpu_check_dtype(bk, "sgd", FUT_F32, real));
    if (!control->finite) return FUT_OK;
    for (int k = 0; k < FUT_PARAM_GROUPS; k++) {
        fut_host_sgd rates = fut_host_sgd_rates(args, *lr, control, groups, k);
        all.constants[k].sgd = (fut_simd_sgd){.unscale = (float)control->unscale,
                                              .weight_decay = (float)rates.into_gradient,
                                              .keep = (float)rates.keep,
                                              .take = (float)rates.take,
                                              .gradient = (float)(rates.step * rates.gradient),
                                              .buffer = (float)(rates.step * rates.buffer)};
    }
    over_chunks(fut_cpu_of(bk), n, &all, run_sgd);
    return FUT_OK;
}

static void run_schedule_free(const fut_simd *simd, const optim_pass *pass, int group, int64_t first, int64_t n)
{
    simd->schedule_free(n, &pass->constants[group].schedule_free, pass->p + first, pass->g + first, pass->slot[0] + first,
                        pass->slot[1] != NULL ? pass->slot[1] + first : NULL);
}

fut_status fut_cpu_schedule_free(fut_backend *bk, int64_t n, fut_dtype real, const fut_schedule_free_args *args, const double *lr,
                                 fut_step_control *control, const fut_param_groups *groups, void *p, const void *g, void *z, void *v,
                                 fut_stream *s)
{
    (void)s;
    optim_pass all = {.groups = groups, .p = p, .g = g, .slot = {z, v}};
    double rate = *lr;
    FUT_TRY(fut_cpu_check_dtype(bk, "schedule_free", FUT_F32, real));
    if (!control->finite) return FUT_OK;
    double toward_z = fut_host_schedule_free_advance(args, &rate, control);
    for (int k = 0; k < FUT_PARAM_GROUPS; k++) {
        fut_host_schedule_free rates = fut_host_schedule_free_rates(args, rate, toward_z, control, groups, k);
        all.constants[k].schedule_free = (fut_simd_schedule_free){.unscale = (float)control->unscale,
                                                                  .weight_decay = (float)rates.into_gradient,
                                                                  .beta2 = (float)args->beta2,
                                                                  .beta2_rest = (float)(1 - args->beta2),
                                                                  .correction = (float)rates.correction,
                                                                  .eps = (float)args->eps,
                                                                  .toward_z = (float)rates.toward_z,
                                                                  .y_step = (float)rates.y_step,
                                                                  .z_step = (float)rates.z_step};
    }
    over_chunks(fut_cpu_of(bk), n, &all, run_schedule_free);
    return FUT_OK;
}

static void lerp(const fut_cpu *cpu, int64_t n, float weight, const float *x, float *y)
{
#pragma omp parallel for simd num_threads(cpu->threads) schedule(static)
    for (int64_t i = 0; i < n; i++)
        y[i] += weight * (x[i] - y[i]);
}

fut_status fut_cpu_lookahead(fut_backend *bk, int64_t n, fut_dtype real, const fut_lookahead_args *args, const fut_step_control *control,
                             void *p, void *slow, fut_stream *s)
{
    FUT_TRY(fut_cpu_check_dtype(bk, "lookahead", FUT_F32, real));
    if (!control->finite || control->steps % args->every != 0) return FUT_OK;
    if (args->lazy && control->steps == args->every) return bk->copy(bk, slow, p, (size_t)n * sizeof(float), s);
    lerp(fut_cpu_of(bk), n, (float)args->alpha, p, slow);
    return bk->copy(bk, p, slow, (size_t)n * sizeof(float), s);
}

fut_status fut_cpu_center_rows(fut_backend *bk, int64_t rows, fut_dtype real, const int64_t *row, void *x, fut_stream *s)
{
    (void)s;
    const fut_cpu *cpu = fut_cpu_of(bk);
    FUT_TRY(fut_cpu_check_dtype(bk, "center_rows", FUT_F32, real));
#pragma omp parallel for num_threads(cpu->threads) schedule(static)
    for (int64_t r = 0; r < rows; r++) {
        float *first = (float *)x + row[2 * r];
        int64_t length = row[2 * r + 1];
        double sum = 0;
        for (int64_t i = 0; i < length; i++)
            sum += (double)first[i];
        float mean = (float)(sum / (double)length);
        for (int64_t i = 0; i < length; i++)
            first[i] -= mean;
    }
    return FUT_OK;
}

fut_status fut_cpu_lerp(fut_backend *bk, int64_t n, fut_dtype real, double weight, const fut_step_control *control, const void *x, void *y,
                        fut_stream *s)
{
    (void)s;
    FUT_TRY(fut_cpu_check_dtype(bk, "lerp", FUT_F32, real));
    if (control == NULL || control->finite) lerp(fut_cpu_of(bk), n, (float)weight, x, y);
    return FUT_OK;
}
