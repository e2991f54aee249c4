#include "launch/inspect_model.h"

#include "core/nn/describe.h"
#include "launch/model.h"

#include <stdio.h>
#include <string.h>

typedef struct totals {
    int64_t params, macs;
    fut_net_memory training, inference;
    int64_t batch;
} totals;

static fut_status measure(const fut_config *config, const fut_net *net, totals *t)
{
    *t = (totals){.batch = config->train.batch};
    for (int i = 0; i < fut_net_layer_count(net); i++) {
        fut_net_layer layer;
        fut_net_layer_get(net, i, &layer);
        t->params += layer.params;
        t->macs += layer.macs;
    }
    FUT_TRY(fut_net_measure(net, t->batch, true, &t->training));
    return fut_net_measure(net, t->batch, false, &t->inference);
}

/* ---- for people ---- */

/* 23508032 as "23,508,032". */
static const char *grouped(int64_t value, char text[32])
{
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%lld", (long long)value), at = 0;
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0) text[at++] = ',';
        text[at++] = digits[i];
    }
    text[at] = '\0';
    return text;
}

/* A row of the table, without spaces at its end. */
static void print_row(int name_width, const char *kind, const char *name, const char *detail, const char *out, const char *params,
                      const char *macs)
{
    char row[256];
    int length = snprintf(row, sizeof row, "  %-14s  %-*s  %-16s  %-16s  %10s  %9s", kind, name_width, name, detail, out, params, macs);
    while (length > 0 && row[length - 1] == ' ')
        length--;
    (void)printf("%.*s\n", length, row);
}

static void print_layer(const fut_net_layer *layer, int name_width)
{
    char out[48], params[32] = "", macs[32] = "";
    if (layer->out[1] * layer->out[2] > 1)
        (void)snprintf(out, sizeof out, "%lld x %lld x %lld", (long long)layer->out[0], (long long)layer->out[1], (long long)layer->out[2]);
    else
        (void)snprintf(out, sizeof out, "%lld", (long long)layer->out[0]);
    if (layer->params > 0) (void)grouped(layer->params, params);
    if (layer->macs > 0) (void)snprintf(macs, sizeof macs, "%.2f", (double)layer->macs / 1e6);
    print_row(name_width, layer->kind, layer->name, layer->detail, out, params, macs);
}

static void print_layers(const fut_net *net)
{
    fut_net_layer layer;
    int name_width = 0;
    for (int i = 0; i < fut_net_layer_count(net); i++) {
        fut_net_layer_get(net, i, &layer);
        if ((int)strlen(layer.name) > name_width) name_width = (int)strlen(layer.name);
    }
    print_row(name_width, "layer", "tensors", "", "makes", "parameters", "MACs/10^6");
    for (int i = 0; i < fut_net_layer_count(net); i++) {
        fut_net_layer_get(net, i, &layer);
        print_layer(&layer, name_width);
    }
}

static void print_memory(const char *what, size_t bytes)
{
    (void)printf("  %-43s %10.1f MiB\n", what, (double)bytes / (1024.0 * 1024.0));
}

static void print_text(const fut_net *net, const char *title, const totals *t)
{
    char count[32];
    fut_backend_info info;
    fut_backend *bk = fut_net_backend(net);
    bk->info(bk, &info);
    (void)printf("%s, activations in %s\n\n", title, fut_dtype_name(fut_net_get_spec(net)->dtype));
    print_layers(net);
    (void)printf("\n  parameters  %s\n", grouped(t->params, count));
    (void)printf("  forward     %.3f billion multiply-adds a photo\n\n", (double)t->macs / 1e9);
    (void)printf("memory of %lld photos in one shard, backend %s on %s\n", (long long)t->batch, bk->name, info.device);
    print_memory("training: activations kept for backward", t->training.slot);
    print_memory("training: gradients of activations, scratch", t->training.shared);
    print_memory("inference: activations, scratch", t->inference.shared);
    print_memory("parameters and statistics", t->training.params);
    print_memory("their gradients", t->training.params);
}

/* ---- for programs ---- */

static void print_json(const fut_net *net, const totals *t)
{
    const fut_net_spec *spec = fut_net_get_spec(net);
    (void)printf("{\"model\":\"%s\",\"size\":%lld,\"embedding\":%lld,\"dtype\":\"%s\",\"backend\":\"%s\",\"layers\":[", spec->backbone,
                 (long long)spec->size, (long long)spec->embedding, fut_dtype_name(spec->dtype), fut_net_backend(net)->name);
    for (int i = 0; i < fut_net_layer_count(net); i++) {
        fut_net_layer layer;
        fut_net_layer_get(net, i, &layer);
        (void)printf("%s{\"kind\":\"%s\",\"name\":\"%s\",\"detail\":\"%s\",\"out\":[%lld,%lld,%lld],\"params\":%lld,\"macs\":%lld}",
                     i > 0 ? "," : "", layer.kind, layer.name, layer.detail, (long long)layer.out[0], (long long)layer.out[1],
                     (long long)layer.out[2], (long long)layer.params, (long long)layer.macs);
    }
    (void)printf("],\"params\":%lld,\"macs\":%lld,\"batch\":%lld,\"memory\":{\"training_kept\":%zu,\"training_shared\":%zu,"
                 "\"inference\":%zu,\"parameters\":%zu}}\n",
                 (long long)t->params, (long long)t->macs, (long long)t->batch, t->training.slot, t->training.shared, t->inference.shared,
                 t->training.params);
}

fut_status fut_inspect_model(const fut_config *config, bool json)
{
    static const double mean[3] = {0}, std[3] = {1, 1, 1};
    fut_status st = FUT_OK;
    fut_backend *bk = NULL;
    fut_net *net = NULL;
    fut_str title = {0};
    totals t;
    fut_model_place place = fut_model_place_of(NULL);
    FUT_TRY_GOTO(fut_model_create(config, &place, mean, std, NULL, &bk, &net), out);
    FUT_TRY_GOTO(fut_model_describe(config, &title), out);
    FUT_TRY_GOTO(measure(config, net, &t), out);
    if (json)
        print_json(net, &t);
    else
        print_text(net, fut_str_text(&title), &t);
out:
    fut_str_fini(&title);
    fut_net_destroy(&net);
    fut_backend_destroy(&bk);
    return st;
}
