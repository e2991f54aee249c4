#include "launch/bench_plan.h"

#include "core/nn/describe.h"
#include "launch/bench_memory.h"
#include "launch/model.h"

#include <stdio.h>
#include <string.h>

enum { KINDS_MAX = 16 };

/* NVIDIA H100 SXM5 data sheet, dense: TFLOP/s by precision, and its HBM3. */
static const double h100_flops[] = {
    [FUT_PRECISION_F32] = 67e12, [FUT_PRECISION_TF32] = 494e12, [FUT_PRECISION_BF16] = 989e12, [FUT_PRECISION_F16] = 989e12};
static const double h100_bandwidth = 3.35e12;

/* What a step's pass over the parameters moves, f32: the kernels' copies (read, written once), the check (read), AdamW (p, g, m, v read; p,
 * m, v written). */
enum { PARAMETER_TOUCHES = 2 + 1 + 7 };

typedef struct row {
    const char *kind;
    fut_net_traffic sum;
    double least; /* seconds: the larger of bytes and flops, layer by layer */
    int layers, by_memory;
} row;

void fut_bench_device_complete(fut_bench_device *d, int precision)
{
    if (d->flops == 0) d->flops = h100_flops[precision];
    if (d->bandwidth == 0) d->bandwidth = h100_bandwidth;
}

double fut_bench_update_bytes(int64_t params)
{
    return (double)params * 4 * PARAMETER_TOUCHES;
}

double fut_bench_least_seconds(const fut_bench_device *d, double bytes, double flops)
{
    double memory = bytes / d->bandwidth;
    double arithmetic = flops / d->flops;
    return memory > arithmetic ? memory : arithmetic;
}

static void add_layer(row *r, const fut_net_traffic *t, const fut_bench_device *d)
{
    double bytes = t->forward + t->backward;
    double flops = t->forward_flops + t->backward_flops;
    r->sum.forward += t->forward;
    r->sum.backward += t->backward;
    r->sum.forward_flops += t->forward_flops;
    r->sum.backward_flops += t->backward_flops;
    r->least += fut_bench_least_seconds(d, t->forward, t->forward_flops) + fut_bench_least_seconds(d, t->backward, t->backward_flops);
    r->layers++;
    r->by_memory += bytes / d->bandwidth > flops / d->flops;
}

static void print_row(const row *r, double whole)
{
    double bytes = r->sum.forward + r->sum.backward;
    double flops = r->sum.forward_flops + r->sum.backward_flops;
    (void)printf("  %-16s %6d %6d %10.3f %10.3f %12.1f %9.3f %6.1f%%\n", r->kind, r->layers, r->by_memory, bytes / 1e9, flops / 1e9,
                 bytes > 0 ? flops / bytes : 0, r->least * 1e3, 100 * r->least / whole);
}

static void print_layers(const fut_net *net, int64_t n, const fut_bench_device *d)
{
    (void)printf("  %-36s %-16s %-14s %10s %10s %9s  %s\n", "layer", "kind", "makes", "MB", "GFLOP", "least us", "bound by");
    for (int i = 0; i < fut_net_layer_count(net); i++) {
        fut_net_layer layer;
        fut_net_traffic t;
        char out[48];
        fut_net_layer_get(net, i, &layer);
        fut_net_layer_traffic(net, i, n, &t);
        double bytes = t.forward + t.backward;
        double flops = t.forward_flops + t.backward_flops;
        double least = fut_bench_least_seconds(d, t.forward, t.forward_flops) + fut_bench_least_seconds(d, t.backward, t.backward_flops);
        (void)snprintf(out, sizeof out, "%lldx%lldx%lld", (long long)layer.out[0], (long long)layer.out[1], (long long)layer.out[2]);
        (void)printf("  %-36s %-16s %-14s %10.3f %10.3f %9.2f  %s\n", layer.name, layer.kind, out, bytes / 1e6, flops / 1e9, least * 1e6,
                     bytes / d->bandwidth > flops / d->flops ? "memory" : "arithmetic");
    }
    (void)printf("\n");
}

static void print_plan(const fut_net *net, int64_t n, const fut_bench_device *d, bool every)
{
    row rows[KINDS_MAX] = {{0}};
    row total = {.kind = "all"};
    int count = 0;
    if (every) print_layers(net, n, d);
    for (int i = 0; i < fut_net_layer_count(net); i++) {
        fut_net_layer layer;
        fut_net_traffic t;
        int at = 0;
        fut_net_layer_get(net, i, &layer);
        fut_net_layer_traffic(net, i, n, &t);
        while (at < count && strcmp(rows[at].kind, layer.kind) != 0)
            at++;
        if (at == count && count < KINDS_MAX) rows[count++].kind = layer.kind;
        if (at < count) add_layer(&rows[at], &t, d);
        add_layer(&total, &t, d);
    }
    fut_net_traffic update = {.backward = fut_bench_update_bytes(fut_net_param_count(net))};
    row optimizer = {.kind = "parameters"};
    add_layer(&optimizer, &update, d);
    add_layer(&total, &update, d);
    (void)printf("  %-16s %6s %6s %10s %10s %12s %9s %7s\n", "kernels", "layers", "memory", "GB", "GFLOP", "FLOP a byte", "least ms",
                 "share");
    for (int i = 0; i < count; i++)
        print_row(&rows[i], total.least);
    print_row(&optimizer, total.least);
    print_row(&total, total.least);
    (void)printf("  (memory: layers bound by it; a byte is worth %.0f FLOP there)\n", d->flops / d->bandwidth);
    (void)printf("\n  least step %.3f ms, at most %.0f photos a second\n", total.least * 1e3, (double)n / total.least);
}

fut_status fut_bench_print_plan(const fut_config *config, const fut_bench_device *given, bool every)
{
    static const double mean[3] = {0};
    static const double std[3] = {1, 1, 1};
    fut_status st = FUT_OK;
    fut_backend *bk = NULL;
    fut_net *net = NULL;
    fut_bench_device d = *given;
    fut_model_place place = fut_model_place_of(NULL);
    fut_bench_device_complete(&d, config->precision);
    FUT_TRY_GOTO(fut_model_create(config, &place, mean, std, NULL, &bk, &net), out);
    (void)printf("%s, %lld px, %lld photos in one shard, activations in %s, on a device of %.0f TFLOP/s and %.0f GB/s\n\n",
                 config->model.backbone, (long long)config->data.size, (long long)config->train.batch,
                 fut_dtype_name(fut_net_get_spec(net)->dtype), d.flops / 1e12, d.bandwidth / 1e9);
    print_plan(net, config->train.batch, &d, every);
    FUT_TRY_GOTO(fut_bench_print_memory(config, net), out);
out:
    fut_net_destroy(&net);
    fut_backend_destroy(&bk);
    return st;
}
