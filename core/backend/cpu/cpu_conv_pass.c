/* A pass of a convolution, over all photos at once or in parts. */
#include "core/backend/cpu/cpu_impl.h"

/* From here on scratch is worth a loop: it no longer fits a core's caches anyway. */
enum { SCRATCH_MAX = 16 << 20 };

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* `n` photos by one primitive, or by one for the rest of a division in parts. */
static fut_status create_part(const fut_cpu *cpu, fut_dnnl_pass kind, const fut_conv_desc *desc, const fut_dnnl_tail *tail, int64_t n,
                              fut_dnnl_conv **conv_out)
{
    fut_conv_desc part = *desc;
    part.x.n = n;
    return fut_dnnl_conv_create(cpu->dnnl, kind, &part, cpu->simd->lanes, tail, conv_out);
}

/* In parts of `n` photos; the whole stays where its parts would want the weights in other layouts. */
static fut_status divide(const fut_cpu *cpu, const fut_conv_desc *desc, const fut_dnnl_tail *tail, int64_t n, fut_cpu_conv_pass *pass)
{
    fut_status st = FUT_OK;
    fut_dnnl_conv *part = NULL, *rest = NULL;
    FUT_TRY_GOTO(create_part(cpu, pass->kind, desc, tail, n, &part), out);
    if (desc->x.n % n != 0) FUT_TRY_GOTO(create_part(cpu, pass->kind, desc, tail, desc->x.n % n, &rest), out);
    if (rest && !fut_dnnl_conv_same_weights(part, rest)) goto out;
    fut_dnnl_conv_destroy(&pass->part);
    pass->part = part;
    pass->rest = rest;
    pass->parts = desc->x.n / n;

    part = rest = NULL;
out:
    fut_dnnl_conv_destroy(&part);
    fut_dnnl_conv_destroy(&rest);
    return st;
}

fut_status fut_cpu_conv_pass_create(const fut_cpu *cpu, fut_dnnl_pass kind, const fut_conv_desc *desc, const fut_dnnl_tail *tail,
                                    fut_cpu_conv_pass *pass_out)
{
    int64_t n = fut_dnnl_conv_part(cpu->dnnl, desc);
    *pass_out = (fut_cpu_conv_pass){.cpu = cpu, .kind = kind, .parts = 1};
    FUT_TRY(create_part(cpu, kind, desc, tail, desc->x.n, &pass_out->part));
    if (!pass_out->part) return FUT_OK;
    if (n > 0 && n < desc->x.n && fut_dnnl_conv_scratch_bytes(pass_out->part) > SCRATCH_MAX) FUT_TRY(divide(cpu, desc, tail, n, pass_out));
    bool divided = pass_out->parts > 1 || pass_out->rest;
    pass_out->scratch_bytes = fut_dnnl_conv_scratch_bytes(pass_out->part);
    if (pass_out->rest) pass_out->scratch_bytes = larger(pass_out->scratch_bytes, fut_dnnl_conv_scratch_bytes(pass_out->rest));
    if (kind != FUT_DNNL_BACKWARD_WEIGHTS || !divided) return FUT_OK;
    pass_out->sum_at = fut_cpu_aligned(pass_out->scratch_bytes);
    pass_out->scratch_bytes = pass_out->sum_at + fut_dnnl_conv_weight_bytes(pass_out->part);
    return FUT_OK;
}

void fut_cpu_conv_pass_destroy(fut_cpu_conv_pass *pass)
{
    fut_dnnl_conv_destroy(&pass->part);
    fut_dnnl_conv_destroy(&pass->rest);
}

/* Part i of the weight gradient is added to those before, in their order. */
static fut_status run_gradient(const fut_cpu_conv_pass *pass, fut_dnnl_conv *part, const void *x, float *dw, const void *dy, bool first,
                               void *scratch)
{
    float *out = first ? dw : (float *)((char *)scratch + pass->sum_at);
    size_t count = fut_dnnl_conv_weight_bytes(part) / sizeof(float);
    FUT_TRY(fut_dnnl_conv_run(part, x, out, NULL, dy, scratch));
    if (first) return FUT_OK;
#pragma omp parallel for simd num_threads(pass->cpu->threads) schedule(static)
    for (size_t i = 0; i < count; i++)
        dw[i] += out[i];
    return FUT_OK;
}

fut_status fut_cpu_conv_pass_run(const fut_cpu_conv_pass *pass, const void *x, const void *weights, const fut_dnnl_tail_args *tail,
                                 const void *y, void *scratch)
{
    fut_dnnl_tail_args part_tail = tail ? *tail : (fut_dnnl_tail_args){0};
    for (int64_t i = 0; i < pass->parts + (pass->rest ? 1 : 0); i++) {
        fut_dnnl_conv *part = i < pass->parts ? pass->part : pass->rest;
        size_t y_at = (size_t)i * fut_dnnl_conv_y_bytes(pass->part);
        const void *part_x = (const char *)x + (size_t)i * fut_dnnl_conv_x_bytes(pass->part);
        const void *part_y = (const char *)y + y_at;
        if (tail && tail->residual) part_tail.residual = (const char *)tail->residual + y_at;
        if (pass->kind == FUT_DNNL_BACKWARD_WEIGHTS)
            FUT_TRY(run_gradient(pass, part, part_x, (float *)(uintptr_t)weights, part_y, i == 0, scratch));
        else
            FUT_TRY(fut_dnnl_conv_run(part, part_x, weights, tail ? &part_tail : NULL, part_y, scratch));
    }
    return FUT_OK;
}
