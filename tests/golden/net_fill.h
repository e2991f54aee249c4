/* Deterministic parameters and images: the same numbers as net_fill.py. */
#ifndef FUT_TESTS_GOLDEN_NET_FILL_H
#define FUT_TESTS_GOLDEN_NET_FILL_H

#include "core/base/mem.h"
#include "core/nn/net.h"
#include "tests/support/support.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const double net_fill_mean[3] = {0.485, 0.456, 0.406}, net_fill_std[3] = {0.229, 0.224, 0.225};

/* Word i of splitmix64 started at `seed`. */
static inline uint64_t net_fill_word(uint64_t seed, int64_t i)
{
    uint64_t z = seed + (uint64_t)(i + 1) * 0x9E3779B97F4A7C15U;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
    return z ^ (z >> 31);
}

static inline uint64_t net_fill_hash(const char *text)
{
    uint64_t h = 0xCBF29CE484222325U;
    for (; *text; text++)
        h = (h ^ (unsigned char)*text) * 0x100000001B3U;
    return h;
}

/* Number i of the stream of hash `stream`, uniform on [-1, 1). */
static inline double net_fill_signed_unit(uint64_t stream, int64_t i)
{
    return (double)(net_fill_word(stream, i) >> 11) * 0x1p-52 - 1;
}

/* Value i of a tensor; `stream` is the hash of its name. */
static inline double net_fill_value(const fut_net_tensor *t, uint64_t stream, int64_t i)
{
    double u = net_fill_signed_unit(stream, i);
    const char *leaf = strrchr(t->name, '.') + 1;
    if (t->rank == 2) return u / sqrt((double)t->dim[1]);
    if (t->rank == 4) {
        bool depthwise = t->dim[1] == 1;
        return u * sqrt(6.0 / (double)(t->dim[2] * t->dim[3] * (depthwise ? 1 : t->dim[0])));
    }
    if (strstr(t->name, "prelu") || (strlen(t->name) > 9 && strcmp(t->name + strlen(t->name) - 9, ".2.weight") == 0))
        return 0.25 + 0.25 * u;
    if (strncmp(t->name, "layer", 5) == 0 && strstr(t->name, ".bn3.weight")) return 0.25 + 0.0625 * u;
    if (strcmp(leaf, "weight") == 0) return 1 + 0.25 * u;
    if (strcmp(leaf, "running_var") == 0) return 1 + 0.5 * u;
    return 0.2 * u;
}

static inline void net_fill_store(fut_dtype real, void *values, int64_t i, double value)
{
    if (real == FUT_F64)
        ((double *)values)[i] = value;
    else
        ((float *)values)[i] = (float)value;
}

static inline double net_fill_load(fut_dtype real, const void *values, int64_t i)
{
    return real == FUT_F64 ? ((const double *)values)[i] : ((const float *)values)[i];
}

/* The next line that is no comment; false at the end. */
static inline bool net_fill_line(FILE *f, char *line, int max)
{
    do {
        if (!fgets(line, max, f)) return false;
    } while (line[0] == '#');
    return true;
}

/* Fill both packs. */
static inline void net_fill_tensors(fut_net *net)
{
    fut_backend *bk = fut_net_backend(net);
    fut_dtype real = fut_net_get_spec(net)->real;
    size_t bytes = fut_dtype_size(real);
    void *host[2] = {NULL, NULL};
    FUT_TEST_OK(fut_mem_alloc((size_t)fut_net_stat_count(net), bytes, &host[0]));
    FUT_TEST_OK(fut_mem_alloc((size_t)fut_net_param_count(net), bytes, &host[1]));
    for (int64_t t = 0; t < fut_net_tensor_count(net); t++) {
        const fut_net_tensor *tensor = fut_net_tensor_at(net, t);
        uint64_t stream = net_fill_hash(tensor->name);
        for (int64_t i = 0; i < tensor->count; i++)
            net_fill_store(real, host[tensor->trainable], tensor->offset + i, net_fill_value(tensor, stream, i));
    }
    FUT_TEST_OK(bk->upload(bk, fut_net_stats(net), host[0], (size_t)fut_net_stat_count(net) * bytes, NULL));
    FUT_TEST_OK(bk->upload(bk, fut_net_params(net), host[1], (size_t)fut_net_param_count(net) * bytes, NULL));
    FUT_TEST_OK(bk->sync(bk, NULL));
    fut_net_params_changed(net);
    fut_mem_free(host[0]);
    fut_mem_free(host[1]);
}

/* u8 [n, size, size, 3]; the caller frees it with fut_mem_free. */
static inline uint8_t *net_fill_images(int64_t n, int64_t size)
{
    uint8_t *rgb = NULL;
    FUT_TEST_OK(FUT_NEW_ARRAY(n * size * size * 3, &rgb));
    for (int64_t i = 0; i < n; i++)
        for (int64_t y = 0; y < size; y++)
            for (int64_t x = 0; x < size; x++)
                for (int64_t c = 0; c < 3; c++) {
                    int64_t at = (y * size + x) * 3 + c;
                    int64_t stripes = (x * (i + 1) * 3 + y * (9 - i) * 2 + c * 40) % 192;
                    rgb[i * size * size * 3 + at] = (uint8_t)((int64_t)(net_fill_word((uint64_t)i, at) >> 58) + stripes);
                }
    return rgb;
}

#endif
