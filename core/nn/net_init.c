/* First parameters: each tensor is one Philox stream, so that they do not depend on rank, backend or order. */
#include "core/base/mem.h"
#include "core/base/rng.h"
#include "core/nn/net_impl.h"

static double draw(fut_tensor_init init, fut_philox philox, uint64_t stream, uint64_t i)
{
    switch (init.kind) {
    case FUT_INIT_NORMAL:
        return init.scale * fut_philox_normal(philox, stream, i);
    case FUT_INIT_UNIFORM:
        return init.scale * (2 * fut_philox_uniform(philox, stream, i) - 1);
    case FUT_INIT_CONSTANT:
        break;
    }
    return init.scale;
}

static void store(fut_dtype real, void *pack, int64_t at, double value)
{
    if (real == FUT_F64)
        ((double *)pack)[at] = value;
    else
        ((float *)pack)[at] = (float)value;
}

/* Draw every tensor of one pack into host memory and upload it. */
static fut_status init_pack(fut_net *net, uint64_t seed, bool trainable, int64_t count, void *pack)
{
    fut_status st = FUT_OK;
    void *host = NULL;
    size_t real_bytes = fut_dtype_size(net->spec.real);
    fut_philox philox = fut_philox_key(seed, FUT_RNG_INIT);
    FUT_TRY_GOTO(fut_mem_alloc((size_t)count, real_bytes, &host), out);
    for (int t = 0; t < net->graph->tensor_count; t++) {
        const fut_net_tensor *tensor = &net->graph->tensors[t];
        if (tensor->trainable != trainable) continue;
        for (int64_t i = 0; i < tensor->count; i++)
            store(net->spec.real, host, tensor->offset + i, draw(net->graph->inits[t], philox, (uint64_t)t, (uint64_t)i));
    }
    FUT_TRY_GOTO(net->bk->upload(net->bk, pack, host, (size_t)count * real_bytes, NULL), out);
    FUT_TRY_GOTO(net->bk->sync(net->bk, NULL), out);
out:
    fut_mem_free(host);
    return st;
}

fut_status fut_net_init(fut_net *net, uint64_t seed)
{
    FUT_TRY(init_pack(net, seed, true, net->graph->param_count, net->params));
    FUT_TRY(init_pack(net, seed, false, net->graph->stat_count, net->stats));
    net->steps = 0;
    fut_net_params_changed(net);
    return FUT_OK;
}
