/* Time of a training step's forward and backward, kernel by kernel.
 *
 *     bench_step BACKBONE SIZE BATCH THREADS [f32|bf16] [all]
 *
 * Prints the kinds of kernels, largest first, with their share; with `all` every op of the network. The net's own time is what is left. */
#include "core/base/clock.h"
#include "core/nn/net.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STEPS = 8, MAX_OPS = 512, PASSES = 4 }; /* forward, dx, dparam, forward made again */

/* An op that passes calls on to another and keeps the least time of each pass: the machine may be doing other things too. */
typedef struct timed_op {
    fut_op op;
    fut_op_ops ops;
    fut_op *inner;
    const char *kind;
    char shape[64];
    double seconds[PASSES], bytes;
} timed_op;

static timed_op ops[MAX_OPS];
static int op_count;
static fut_backend planners; /* the backend's own planners */

static fut_status timed(timed_op *t, int pass, fut_status (*run)(fut_op *, const fut_op_args *), const fut_op_args *args)
{
    if (!run) return FUT_OK;
    double start = fut_clock_now();
    fut_status st = run(t->inner, args);
    double took = fut_clock_now() - start;
    if (t->seconds[pass] == 0 || took < t->seconds[pass]) t->seconds[pass] = took;
    return st;
}

static fut_status prepare(fut_op *op, const fut_op_args *args)
{
    timed_op *t = (timed_op *)op;
    return t->inner->ops->prepare ? t->inner->ops->prepare(t->inner, args) : FUT_OK;
}
static fut_status forward(fut_op *op, const fut_op_args *args)
{
    timed_op *t = (timed_op *)op;
    return timed(t, 0, t->inner->ops->forward, args);
}
static fut_status backward_data(fut_op *op, const fut_op_args *args)
{
    timed_op *t = (timed_op *)op;
    return timed(t, 1, t->inner->ops->backward_data, args);
}
static fut_status backward_params(fut_op *op, const fut_op_args *args)
{
    timed_op *t = (timed_op *)op;
    return timed(t, 2, t->inner->ops->backward_params, args);
}
static void destroy(fut_op *op)
{
    timed_op *t = (timed_op *)op;
    fut_op_destroy(&t->inner);
}
static fut_status forward_again(fut_op *op, const fut_op_args *args)
{
    timed_op *t = (timed_op *)op;
    return timed(t, 3, t->inner->ops->forward_again, args);
}

static fut_status wrap(fut_backend *bk, fut_status st, const char *kind, fut_shape4 shape, fut_dtype dtype, const char *detail,
                       fut_op **op_out)
{
    if (st != FUT_OK || op_count == MAX_OPS) return st;
    timed_op *t = &ops[op_count++];
    t->op = **op_out;
    t->inner = *op_out;
    t->ops = (fut_op_ops){
        .prepare = prepare,
        .forward = forward,
        .forward_again = t->inner->ops->forward_again ? forward_again : NULL,
        .backward_data = backward_data,
        .backward_params = backward_params,
        .destroy = destroy,
    };
    t->op.ops = &t->ops;
    t->kind = kind;
    t->bytes = (double)bk->act_bytes(bk, shape, dtype);
    snprintf(t->shape, sizeof t->shape, "%5lldx%3lldx%3lld %s", (long long)shape.c, (long long)shape.h, (long long)shape.w, detail);
    *op_out = &t->op;
    return FUT_OK;
}

static fut_status plan_conv(fut_backend *bk, const fut_conv_desc *d, fut_op **op_out)
{
    char detail[48];
    snprintf(detail, sizeof detail, "-> %lld %lldx%lld/%lld", (long long)d->out_c, (long long)d->kh, (long long)d->kw,
             (long long)d->stride);
    const char *kind = d->groups > 1 ? "conv depthwise" : d->kh == 1 ? "conv 1x1" : "conv dense";
    return wrap(bk, planners.conv(bk, d, op_out), kind, d->x, d->dtype, detail, op_out);
}
static fut_status plan_norm(fut_backend *bk, const fut_norm_act_desc *d, fut_op **op_out)
{
    const char *detail = d->residual ? "residual" : d->act == FUT_ACT_NONE ? "" : "act";
    return wrap(bk, planners.norm_act(bk, d, op_out), "norm_act", d->x, d->dtype, detail, op_out);
}
static fut_status plan_se(fut_backend *bk, const fut_se_desc *d, fut_op **op_out)
{
    return wrap(bk, planners.squeeze_excite(bk, d, op_out), "squeeze_excite", d->x, d->dtype, "", op_out);
}
static fut_status plan_pool(fut_backend *bk, fut_shape4 x, fut_dtype dtype, fut_dtype real, fut_op **op_out)
{
    return wrap(bk, planners.global_pool(bk, x, dtype, real, op_out), "global_pool", x, dtype, "", op_out);
}

static void print_kinds(double wall)
{
    static const char *kinds[] = {"conv dense", "conv 1x1", "conv depthwise", "norm_act", "squeeze_excite", "global_pool"};
    double rest = wall;
    printf("%-16s %9s %9s %9s %9s %7s\n", "ms a step", "forward", "dx", "dparam", "again", "share");
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
        double pass[PASSES] = {0}, sum = 0;
        for (int i = 0; i < op_count; i++)
            for (int p = 0; p < PASSES; p++)
                if (strcmp(ops[i].kind, kinds[k]) == 0) pass[p] += ops[i].seconds[p];
        for (int p = 0; p < PASSES; p++)
            sum += pass[p];
        rest -= sum;
        printf("%-16s %9.2f %9.2f %9.2f %9.2f %6.1f%%\n", kinds[k], pass[0] * 1e3, pass[1] * 1e3, pass[2] * 1e3, pass[3] * 1e3,
               100 * sum / wall);
    }
    printf("%-16s %39.2f %6.1f%%\n", "other", rest * 1e3, 100 * rest / wall);
}

static void print_ops(void)
{
    for (int i = 0; i < op_count; i++)
        printf("%-16s %-34s %8.2f %8.2f %8.2f ms   %6.1f MB  %s\n", ops[i].kind, ops[i].shape, ops[i].seconds[0] * 1e3,
               ops[i].seconds[1] * 1e3, ops[i].seconds[2] * 1e3, ops[i].bytes / 1e6, ops[i].op.impl);
}

static fut_status run(int argc, char **argv)
{
    fut_status st = FUT_OK;
    int64_t size = atoll(argv[2]), batch = atoll(argv[3]);
    fut_backend *bk = NULL;
    fut_net *net = NULL;
    void *embeddings = NULL, *leaf = NULL;
    uint8_t *rgb = malloc((size_t)(batch * size * size * 3));
    FUT_CHECK_GOTO(rgb, FUT_ERR_NO_MEMORY, out, "no memory for %lld images", (long long)batch);
    for (int64_t i = 0; i < batch * size * size * 3; i++)
        rgb[i] = (uint8_t)(rand() >> 7);
    fut_net_spec spec = {.backbone = argv[1],
                         .embedding = 512,
                         .size = size,
                         .real = FUT_F32,
                         .mean = {.5, .5, .5},
                         .std = {.5, .5, .5},
                         .dtype = argc > 5 && strcmp(argv[5], "bf16") == 0 ? FUT_BF16 : FUT_F32};
    FUT_TRY_GOTO(fut_backend_create("cpu", &(fut_backend_options){.threads = atoi(argv[4])}, &bk), out);
    planners = *bk;
    bk->conv = plan_conv;
    bk->norm_act = plan_norm;
    bk->squeeze_excite = plan_se;
    bk->global_pool = plan_pool;
    FUT_TRY_GOTO(fut_net_create(bk, &spec, &net), out);
    FUT_TRY_GOTO(fut_net_init(net, 1), out);
    FUT_TRY_GOTO(bk->alloc(bk, (size_t)(batch * 512) * sizeof(float), &embeddings), out);
    FUT_TRY_GOTO(bk->alloc(bk, (size_t)fut_net_leaf_count(net) * sizeof(float), &leaf), out);
    double start = fut_clock_now();
    FUT_TRY_GOTO(fut_net_reserve(net, 1, batch, true), out);
    double planned = fut_clock_now() - start, wall = 0, best = 1e9;
    for (int step = 0; step < STEPS; step++) {
        start = fut_clock_now();
        fut_net_params_changed(net);
        FUT_TRY_GOTO(fut_net_forward(net, 0, batch, rgb, embeddings), out);
        FUT_TRY_GOTO(fut_net_backward(net, 0, batch, embeddings, leaf, NULL), out);
        double took = fut_clock_now() - start;
        wall += took;
        if (took < best) best = took;
    }
    printf("%s, %lld px, batch %lld, %s threads, %s: %.1f img/s (best step %.1f), plan %.0f ms\n", argv[1], (long long)size,
           (long long)batch, argv[4], fut_dtype_name(spec.dtype), (double)(batch * STEPS) / wall, (double)batch / best, planned * 1e3);
    print_kinds(best);
    if (argc > 6) print_ops();
out:
    if (bk) bk->free(bk, embeddings);
    if (bk) bk->free(bk, leaf);
    fut_net_destroy(&net);
    fut_backend_destroy(&bk);
    free(rgb);
    return st;
}

int main(int argc, char **argv)
{
    if (argc < 5) {
        fprintf(stderr, "usage: %s BACKBONE SIZE BATCH THREADS [f32|bf16] [all]\n", argv[0]);
        return 64;
    }
    fut_status st = run(argc, argv);
    if (st != FUT_OK) fprintf(stderr, "%s: %s\n", fut_trail_place(), fut_trail_message());
    return fut_status_exit_code(st);
}
