#include "launch/bench_plan.h"

#include "core/nn/describe.h"
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

/* Links of one GPU: to the others of its node, and to other nodes. */
typedef struct network {
    const char *name;
    double node, between; /* bytes a second a GPU and direction */
    double latency;       /* seconds a message */
} network;
static const network networks[] = {
    {"NVLink 4 + InfiniBand NDR, 400 Gb/s a GPU", 450e9, 50e9, 5e-6},
    {"PCIe 5 + Ethernet, 100 Gb/s a node of 8", 50e9, 12.5e9 / 8, 20e-6},
    {"PCIe 4 + Ethernet, 25 Gb/s a node of 8", 25e9, 3.125e9 / 8, 30e-6},
};
enum { GPUS_A_NODE = 8 };

typedef struct row {
    const char *kind;
    fut_net_traffic sum;
    double least; /* seconds: the larger of bytes and flops, layer by layer */
    int layers, by_memory;
} row;

static double least_of(double bytes, double flops, const fut_bench_device *d)
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
    r->least += least_of(t->forward, t->forward_flops, d) + least_of(t->backward, t->backward_flops, d);
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
        double least = least_of(t.forward, t.forward_flops, d) + least_of(t.backward, t.backward_flops, d);
        (void)snprintf(out, sizeof out, "%lldx%lldx%lld", (long long)layer.out[0], (long long)layer.out[1], (long long)layer.out[2]);
        (void)printf("  %-36s %-16s %-14s %10.3f %10.3f %9.2f  %s\n", layer.name, layer.kind, out, bytes / 1e6, flops / 1e9, least * 1e6,
                     bytes / d->bandwidth > flops / d->flops ? "memory" : "arithmetic");
    }
    (void)printf("\n");
}

/* Seconds of the sum of `bytes` over W ranks: parts scattered to their rank and gathered again, each rank sending (W - 1) / W of the vector
 * twice, W - 1 messages each time. A node's links carry what stays in the node; what leaves it goes over the link between nodes at the same
 * time. */
static double sum_seconds(const network *net, double bytes, int ranks)
{
    int local = ranks < GPUS_A_NODE ? ranks : GPUS_A_NODE;
    double part = bytes / ranks;
    double inside = 2 * part * (local - 1) / net->node;
    double outside = 2 * part * (ranks - local) / net->between;
    return (inside > outside ? inside : outside) + 2 * (ranks - 1) * net->latency;
}

/* Seconds of gathering everybody's embeddings, B x D f32 in all. */
static double gather_seconds(const network *net, double bytes, int ranks)
{
    int local = ranks < GPUS_A_NODE ? ranks : GPUS_A_NODE;
    double part = bytes / ranks;
    double inside = part * (local - 1) / net->node;
    double outside = part * (ranks - local) / net->between;
    return (inside > outside ? inside : outside) + (ranks - 1) * net->latency;
}

static void print_networks(const fut_net *net, int64_t n, double step)
{
    static const int ranks[] = {8, 64, 512};
    double leaf = (double)fut_net_leaf_count(net) * 4;
    double embeddings = (double)n * (double)fut_net_get_spec(net)->embedding * 4;
    (void)printf(
        "\nOver ranks, one GPU and one such shard each: gradients and statistics %.1f MB summed, embeddings of all ranks gathered\n"
        "  %-44s %6s %10s %10s  %s\n",
        leaf / 1e6, "network", "GPUs", "sum ms", "gather ms", "sum / least step");
    for (size_t i = 0; i < sizeof networks / sizeof networks[0]; i++)
        for (size_t k = 0; k < sizeof ranks / sizeof ranks[0]; k++) {
            double sum = sum_seconds(&networks[i], leaf, ranks[k]);
            (void)printf("  %-44s %6d %10.3f %10.3f  %8.2f\n", networks[i].name, ranks[k], sum * 1e3,
                         gather_seconds(&networks[i], embeddings * ranks[k], ranks[k]) * 1e3, sum / step);
        }
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
    double parameters = (double)fut_net_param_count(net);
    fut_net_traffic update = {.backward = parameters * 4 * PARAMETER_TOUCHES};
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
    print_networks(net, n, total.least);
}

static fut_status print_memory(fut_net *net, int64_t n)
{
    fut_net_memory m;
    double mib = 1024.0 * 1024.0;
    double parameters = (double)fut_net_param_count(net) * 4 / mib;
    FUT_TRY(fut_net_measure(net, n, true, &m));
    (void)printf("\n  memory of this shard: activations kept %.1f MiB, shared %.1f; parameters %.1f, gradients %.1f, AdamW's moments %.1f: "
                 "%.1f MiB\n",
                 (double)m.slot / mib, (double)m.shared / mib, parameters, parameters, 2 * parameters,
                 (double)(m.slot + m.shared) / mib + 4 * parameters);
    return FUT_OK;
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
    if (d.flops == 0) d.flops = h100_flops[config->precision];
    if (d.bandwidth == 0) d.bandwidth = h100_bandwidth;
    FUT_TRY_GOTO(fut_model_create(config, &place, mean, std, NULL, &bk, &net), out);
    (void)printf("%s, %lld px, %lld photos in one shard, activations in %s, on a device of %.0f TFLOP/s and %.0f GB/s\n\n",
                 config->model.backbone, (long long)config->data.size, (long long)config->train.batch,
                 fut_dtype_name(fut_net_get_spec(net)->dtype), d.flops / 1e12, d.bandwidth / 1e9);
    print_plan(net, config->train.batch, &d, every);
    FUT_TRY_GOTO(print_memory(net, config->train.batch), out);
out:
    fut_net_destroy(&net);
    fut_backend_destroy(&bk);
    return st;
}
