/* First parameters: each tensor is one Philox stream, so that they do not depend on rank, backend, threads or order. */
#include "core/base/mem.h"
#include "core/base/rng.h"
#include "core/nn/net_impl.h"

/* Values drawn by all threads before they go to the device. Even, since they are drawn in pairs. */
enum { AT_ONCE = 1 << 18, WORTH_THREADS = 1 << 12 };

/* Values 2 b and 2 b + 1 of a tensor. */
static void draw_pair(fut_tensor_init init, fut_philox philox, uint64_t stream, uint64_t b, double pair_out[2])
{
    switch (init.kind) {
    case FUT_INIT_NORMAL:
        fut_philox_normal_pair(philox, stream, b, pair_out);
        for (int i = 0; i < 2; i++)
            pair_out[i] *= init.scale;
        break;
    case FUT_INIT_UNIFORM:
        fut_philox_uniform_pair(philox, stream, b, pair_out);
        for (int i = 0; i < 2; i++)
            pair_out[i] = init.scale * (2 * pair_out[i] - 1);
        break;
    case FUT_INIT_CONSTANT:
        pair_out[0] = pair_out[1] = init.scale;
        break;
    }
}

static void store(fut_dtype real, void *pack, int64_t at, double value)
{
    if (real == FUT_F64)
        ((double *)pack)[at] = value;
    else
        ((float *)pack)[at] = (float)value;
}

/* Values [first, first + n) of tensor t; first is even. */
static void draw_part(const fut_net *net, fut_philox philox, int t, int64_t first, int64_t n, int threads, void *part)
{
#pragma omp parallel for num_threads(threads) schedule(static) if (n >= WORTH_THREADS)
    for (int64_t i = 0; i < n; i += 2) {
        double pair[2] = {0};
        draw_pair(net->graph->inits[t], philox, (uint64_t)t, (uint64_t)(first + i) / 2, pair);
        store(net->spec.real, part, i, pair[0]);
        if (i + 1 < n) store(net->spec.real, part, i + 1, pair[1]);
    }
}

static fut_status init_tensor(fut_net *net, fut_philox philox, int t, int threads, void *part)
{
    const fut_net_tensor *tensor = &net->graph->tensors[t];
    size_t real_bytes = fut_dtype_size(net->spec.real);
    char *pack = tensor->trainable ? net->params : net->stats;
    for (int64_t first = 0; first < tensor->count; first += AT_ONCE) {
        int64_t n = tensor->count - first < AT_ONCE ? tensor->count - first : AT_ONCE;
        draw_part(net, philox, t, first, n, threads, part);
        FUT_TRY(net->bk->upload(net->bk, pack + (size_t)(tensor->offset + first) * real_bytes, part, (size_t)n * real_bytes, NULL));
        FUT_TRY(net->bk->sync(net->bk, NULL));
    }
    return FUT_OK;
}

fut_status fut_net_init(fut_net *net, uint64_t seed)
{
    fut_status st = FUT_OK;
    void *part = NULL;
    fut_backend_info info;
    net->bk->info(net->bk, &info);
    FUT_TRY_GOTO(fut_mem_alloc(AT_ONCE, fut_dtype_size(net->spec.real), &part), out);
    for (int t = 0; t < net->graph->tensor_count; t++)
        FUT_TRY_GOTO(init_tensor(net, fut_philox_key(seed, FUT_RNG_INIT), t, info.threads > 0 ? info.threads : 1, part), out);
    net->steps = 0;
    fut_net_params_changed(net);
out:
    fut_mem_free(part);
    return st;
}
