#include "launch/bench_layers.h"

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/nn/describe.h"
#include "launch/model.h"

#include <stdio.h>
#include <string.h>

enum { KINDS_MAX = 16, OPTIMIZER_TOUCHES = 7 /* AdamW: g, p, m, v read; p, m, v written */ };

/* Seconds of every pass of every layer: the least seen, since other processes only ever take away. */
typedef struct stopwatch {
    fut_backend *bk;
    double start;
    double (*least)[FUT_NET_PASSES];
} stopwatch;

/* The buffers of a step. */
typedef struct bench_step {
    fut_backend *bk;
    fut_net *net;
    int64_t n;
    uint8_t *rgb;
    void *embeddings, *leaf, *m, *v;
} bench_step;

typedef struct kind_sum {
    const char *kind;
    double pass[FUT_NET_PASSES], least;
} kind_sum;

static void watch_begin(void *context)
{
    ((stopwatch *)context)->start = fut_clock_now();
}

static void watch_end(void *context, int layer, fut_net_pass pass)
{
    stopwatch *watch = context;
    double took = fut_clock_now() - watch->start, *least = &watch->least[layer][pass];
    if (*least == 0 || took < *least) *least = took;
}

static double larger(double a, double b)
{
    return a > b ? a : b;
}

static double least_seconds(const fut_net *net, int layer, int64_t n, const fut_backend_limits *limits)
{
    fut_net_traffic t;
    fut_net_layer_traffic(net, layer, n, &t);
    return larger(t.forward / limits->bandwidth, t.forward_flops / limits->flops) +
           larger(t.backward / limits->bandwidth, t.backward_flops / limits->flops);
}

static void print_layer(const bench_step *step, int i, const double pass[FUT_NET_PASSES], const fut_backend_limits *limits,
                        const char *impl)
{
    fut_net_layer layer;
    fut_net_traffic t;
    char what[80], out[48];
    fut_net_layer_get(step->net, i, &layer);
    fut_net_layer_traffic(step->net, i, step->n, &t);
    double kernels = pass[FUT_NET_FORWARD] + pass[FUT_NET_BACKWARD_DATA] + pass[FUT_NET_BACKWARD_PARAMS];
    (void)snprintf(what, sizeof what, "%s %s", layer.kind, layer.detail);
    (void)snprintf(out, sizeof out, "%lldx%lldx%lld", (long long)layer.out[0], (long long)layer.out[1], (long long)layer.out[2]);
    (void)printf("  %-32s %-22s %-13s", layer.name, what, out);
    for (int p = 0; p < FUT_NET_PASSES; p++)
        (void)printf(" %7.2f", pass[p] * 1e3);
    (void)printf(" %8.1f %7.1f %5.0f%%  %s\n", (t.forward_flops + t.backward_flops) / kernels / 1e9,
                 (t.forward + t.backward) / kernels / 1e9, 100 * least_seconds(step->net, i, step->n, limits) / kernels, impl);
}

static fut_status print_layers(const bench_step *step, double (*seconds)[FUT_NET_PASSES], const fut_backend_limits *limits)
{
    int copied = 0;
    (void)printf("  %-32s %-22s %-13s %7s %7s %7s %7s %7s %8s %7s %6s  %s\n", "layer", "kind", "makes", "copy", "forward", "again", "dx",
                 "dparam", "GFLOP/s", "GB/s", "limit", "computed by (forward | dx | dparam)");
    for (int i = 0; i < fut_net_layer_count(step->net); i++) {
        const char *impl = "";
        fut_net_layer layer;
        fut_net_layer_get(step->net, i, &layer);
        FUT_TRY(fut_net_layer_impl(step->net, i, step->n, &impl));
        print_layer(step, i, seconds[i], limits, impl);
        copied += seconds[i][FUT_NET_PREPARE] > 0;
        if (strstr(impl, "ref:")) FUT_WARN("%s (%s): computed by a library's reference loops, %s", layer.name, layer.detail, impl);
    }
    (void)printf("\n  Copies into other layouts: the weights of %d layers, once a step (copy), and their gradients back (in dparam); no "
                 "activation.\n\n",
                 copied);
    return FUT_OK;
}

static void print_kinds(const bench_step *step, double (*seconds)[FUT_NET_PASSES], const fut_backend_limits *limits, double whole)
{
    kind_sum sums[KINDS_MAX] = {{0}};
    int count = 0;
    double rest = whole;
    for (int i = 0; i < fut_net_layer_count(step->net); i++) {
        fut_net_layer layer;
        int at = 0;
        fut_net_layer_get(step->net, i, &layer);
        while (at < count && strcmp(sums[at].kind, layer.kind) != 0)
            at++;
        if (at == KINDS_MAX) continue;
        if (at == count) sums[count++].kind = layer.kind;
        for (int p = 0; p < FUT_NET_PASSES; p++)
            sums[at].pass[p] += seconds[i][p];
        sums[at].least += least_seconds(step->net, i, step->n, limits);
    }
    (void)printf("  %-16s %8s %8s %8s %8s %8s %7s %6s\n", "ms", "copy", "forward", "again", "dx", "dparam", "share", "limit");
    for (int k = 0; k < count; k++) {
        double sum = 0;
        (void)printf("  %-16s", sums[k].kind);
        for (int p = 0; p < FUT_NET_PASSES; p++) {
            (void)printf(" %8.2f", sums[k].pass[p] * 1e3);
            sum += sums[k].pass[p];
        }
        rest -= sum;
        (void)printf(" %6.1f%% %5.0f%%\n", 100 * sum / whole, 100 * sums[k].least / sum);
    }
    (void)printf("  %-16s %44.2f %6.1f%%\n  %-16s %44.2f   %.1f photos a second\n", "other", rest * 1e3, 100 * rest / whole, "all",
                 whole * 1e3, (double)step->n / whole);
}

/* AdamW's pass over as many parameters as the net has, beside a copy. */
static fut_status print_optimizer(const bench_step *step, int64_t steps, const fut_backend_limits *limits)
{
    fut_adam_args args = {.beta1 = .9, .beta2 = .999, .eps = 1e-8, .weight_decay = 1e-5, .decoupled = true};
    fut_step_control control = {.steps = 1, .scale = 1, .unscale = 1, .finite = 1};
    int64_t count = fut_net_param_count(step->net);
    double lr = 0, least = 1e9, bytes = (double)count * OPTIMIZER_TOUCHES * 4;
    for (int64_t i = 0; i < steps; i++) {
        double start = fut_clock_now();
        FUT_TRY(step->bk->adam(step->bk, count, FUT_F32, &args, &lr, &control, NULL, fut_net_params(step->net), step->leaf, step->m,
                               step->v, NULL));
        double took = fut_clock_now() - start;
        if (took < least) least = took;
    }
    (void)printf("  AdamW on %lld parameters: %.2f ms, %.1f GB/s, %.0f%% of a copy's\n", (long long)count, least * 1e3, bytes / least / 1e9,
                 100 * bytes / least / limits->bandwidth);
    return FUT_OK;
}

static fut_status alloc_step(const fut_config *config, bench_step *step)
{
    const fut_net_spec *spec = fut_net_get_spec(step->net);
    size_t pack = (size_t)fut_net_leaf_count(step->net) * sizeof(float), photos = (size_t)(step->n * spec->size * spec->size * 3);
    uint64_t state = 1;
    FUT_TRY(fut_net_init(step->net, (uint64_t)config->seed));
    FUT_TRY(fut_net_reserve(step->net, 1, step->n, true));
    FUT_TRY(step->bk->alloc(step->bk, photos, (void **)&step->rgb));
    FUT_TRY(step->bk->alloc(step->bk, (size_t)(step->n * spec->embedding) * sizeof(float), &step->embeddings));
    FUT_TRY(step->bk->alloc(step->bk, pack, &step->leaf));
    FUT_TRY(step->bk->alloc(step->bk, pack, &step->m));
    FUT_TRY(step->bk->alloc(step->bk, pack, &step->v));
    for (size_t i = 0; i < photos; i++) {
        state = state * 6364136223846793005ULL + 1442695040888963407ULL;
        step->rgb[i] = (uint8_t)(state >> 56);
    }
    return FUT_OK;
}

static void free_step(bench_step *step)
{
    void *blocks[] = {step->rgb, step->embeddings, step->leaf, step->m, step->v};
    for (size_t i = 0; step->bk && i < sizeof blocks / sizeof *blocks; i++)
        step->bk->free(step->bk, blocks[i]);
    fut_net_destroy(&step->net);
    fut_backend_destroy(&step->bk);
}

/* Forward and backward, the embeddings taken for their own gradient; *least_out seconds. */
static fut_status run_steps(bench_step *step, int64_t steps, double *least_out)
{
    *least_out = 1e9;
    for (int64_t i = 0; i < steps; i++) {
        double start = fut_clock_now();
        fut_net_params_changed(step->net);
        FUT_TRY(fut_net_forward(step->net, 0, step->n, step->rgb, step->embeddings));
        FUT_TRY(fut_net_backward(step->net, 0, step->n, step->embeddings, step->leaf, NULL));
        double took = fut_clock_now() - start;
        if (took < *least_out) *least_out = took;
    }
    return FUT_OK;
}

fut_status fut_bench_print_layers(const fut_config *config, int64_t steps)
{
    static const double mean[3] = {.5, .5, .5}, std[3] = {.25, .25, .25};
    fut_status st = FUT_OK;
    bench_step step = {.n = config->train.batch};
    stopwatch watch = {0};
    fut_net_probe probe = {.begin = watch_begin, .end = watch_end, .context = &watch};
    fut_backend_limits limits;
    fut_backend_info info;
    double whole = 0;
    fut_model_place place = fut_model_place_of(NULL);
    if (config->train.threads > 0) place.threads = (int)config->train.threads;
    FUT_TRY_GOTO(fut_model_create(config, &place, mean, std, NULL, &step.bk, &step.net), out);
    FUT_CHECK_GOTO(step.bk->limits, FUT_ERR_UNSUPPORTED, out,
                   "bench: backend %s does not measure its limits; --plan takes them from a data sheet", step.bk->name);
    FUT_TRY_GOTO(alloc_step(config, &step), out);
    FUT_TRY_GOTO(step.bk->limits(step.bk, fut_net_get_spec(step.net)->dtype, &limits), out);
    FUT_TRY_GOTO(FUT_NEW_ARRAY(fut_net_layer_count(step.net), &watch.least), out);
    fut_net_set_probe(step.net, &probe);
    FUT_TRY_GOTO(run_steps(&step, steps, &whole), out);
    step.bk->info(step.bk, &info);
    (void)printf("%s, %lld px, %lld photos in one shard, activations in %s\n  %s, %s\n  multiply-adds %.1f GFLOP/s, copies %.1f GB/s\n\n",
                 config->model.backbone, (long long)config->data.size, (long long)step.n, fut_dtype_name(fut_net_get_spec(step.net)->dtype),
                 info.device, info.library, limits.flops / 1e9, limits.bandwidth / 1e9);
    FUT_TRY_GOTO(print_layers(&step, watch.least, &limits), out);
    print_kinds(&step, watch.least, &limits, whole);
    FUT_TRY_GOTO(print_optimizer(&step, steps, &limits), out);
out:
    fut_mem_free(watch.least);
    free_step(&step);
    return st;
}
