/* Weight gradient of depthwise convolutions with kernels of 5 or 7, or as large as the image. A task is one block of channels and one group
 * of images; the groups are cut by the number of images alone and added in order, so that threads change nothing. */
#include "core/backend/cpu/cpu_impl.h"

#include <string.h>

enum { MAX_GROUPS = 8 };

bool fut_cpu_depthwise_has(const fut_conv_desc *desc)
{
    bool covers = desc->kw > 3 && desc->kh == desc->x.h && desc->kw == desc->x.w &&
                  desc->pad_top + desc->pad_bottom + desc->pad_left + desc->pad_right == 0;
    return desc->groups > 1 && desc->kh == desc->kw && (desc->kw == 5 || desc->kw == 7 || covers);
}

fut_status fut_cpu_depthwise_init(const fut_backend *bk, const fut_conv_desc *desc, fut_cpu_depthwise *plan_out)
{
    fut_simd_depthwise shape = {
        .h = desc->x.h,
        .w = desc->x.w,
        .out_h = (desc->x.h + desc->pad_top + desc->pad_bottom - desc->kh) / desc->stride + 1,
        .out_w = (desc->x.w + desc->pad_left + desc->pad_right - desc->kw) / desc->stride + 1,
        .k = desc->kw,
        .stride = desc->stride,
        .pad_top = desc->pad_top,
        .pad_left = desc->pad_left,
        .bf16 = desc->dtype == FUT_BF16,
    };
    fut_shape4 y = {desc->x.n, desc->x.c, shape.out_h, shape.out_w};
    *plan_out = (fut_cpu_depthwise){.shape = shape, .channels = desc->x.c, .images = desc->x.n};
    FUT_TRY(fut_cpu_layout_of(bk, "conv", desc->x, desc->dtype, &plan_out->x));
    return fut_cpu_layout_of(bk, "conv", y, desc->dtype, &plan_out->y);
}

static int64_t groups_of(const fut_cpu_depthwise *plan)
{
    return plan->images < MAX_GROUPS ? plan->images : MAX_GROUPS;
}

/* Reals of one group's gradient of one block of channels. */
static int64_t block_reals(const fut_cpu_depthwise *plan)
{
    return plan->shape.k * plan->shape.k * plan->x.lanes;
}

size_t fut_cpu_depthwise_scratch_bytes(const fut_cpu_depthwise *plan)
{
    return (size_t)(plan->x.blocks * groups_of(plan) * block_reals(plan)) * sizeof(float);
}

/* The groups' sums, from [groups, k * k, lanes] to channels of [c, k * k]. */
static void join_block(const fut_cpu_depthwise *plan, const float *partial, int64_t b, float *dw)
{
    int64_t taps = plan->shape.k * plan->shape.k, reals = block_reals(plan);
    for (int64_t lane = 0; lane < plan->x.lanes && b * plan->x.lanes + lane < plan->channels; lane++)
        for (int64_t tap = 0; tap < taps; tap++) {
            double sum = 0;
            for (int64_t group = 0; group < groups_of(plan); group++)
                sum += (double)partial[group * reals + tap * plan->x.lanes + lane];
            dw[(b * plan->x.lanes + lane) * taps + tap] = (float)sum;
        }
}

void fut_cpu_depthwise_run(const fut_cpu *cpu, const fut_cpu_depthwise *plan, const void *x, const void *dy, float *dw, void *scratch)
{
    int64_t groups = groups_of(plan), reals = block_reals(plan), tasks = plan->x.blocks * groups;
    memset(scratch, 0, fut_cpu_depthwise_scratch_bytes(plan));
#pragma omp parallel for num_threads(cpu->threads) schedule(static)
    for (int64_t task = 0; task < tasks; task++) {
        int64_t b = task / groups, group = task % groups;
        for (int64_t n = plan->images * group / groups; n < plan->images * (group + 1) / groups; n++) {
            int64_t plane = n * plan->x.blocks + b;
            cpu->simd->plane_depthwise_dw(&plan->shape, fut_cpu_plane(x, &plan->x, plane), fut_cpu_plane(dy, &plan->y, plane),
                                          (float *)scratch + task * reals);
        }
    }
    for (int64_t b = 0; b < plan->x.blocks; b++)
        join_block(plan, (const float *)scratch + b * groups * reals, b, dw);
}
