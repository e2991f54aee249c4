#include "launch/bench_memory.h"

#include "core/base/mem.h"
#include "core/nn/describe.h"
#include "core/optim/optim.h"
#include "launch/batches.h"

#include <stdio.h>

static const double mib = 1024.0 * 1024.0;

static double print_line(const char *what, double bytes)
{
    (void)printf("    %-52s %9.1f\n", what, bytes / mib);
    return bytes;
}

/* Embeddings as they are dealt, in the batch's order, of unit length, and two gradients; two values and a kind of every pair. */
static double loss_bytes(double batch, double dim)
{
    return 5 * batch * dim * sizeof(float) + batch * batch * (2 * sizeof(float) + 1);
}

/* Of this process, but for what futago allocated: that was most when its memory was, at the end of the plan. */
static double program_bytes(void)
{
    double all = (double)fut_mem_resident_peak(), counted = (double)fut_mem_peak();
    return all > counted ? all - counted : 0;
}

fut_status fut_bench_print_memory(const fut_config *config, fut_net *net)
{
    const fut_optim_type *optimizer = config->optimizer.choice->payload;
    fut_net_memory m;
    fut_backend_info info;
    char slots[64];
    double batch = (double)config->train.batch, photos = batch * (double)(config->data.size * config->data.size * 3);
    double parameters = (double)fut_net_param_count(net) * sizeof(float);
    int slot_count = optimizer->slots + (config->update.ema > 0);
    fut_net_backend(net)->info(fut_net_backend(net), &info);
    FUT_TRY(fut_net_measure(net, config->train.batch, true, &m));
    double program = info.asynchronous ? 0 : program_bytes();
    (void)snprintf(slots, sizeof slots, "optimizer: %s, %d slot%s", config->optimizer.choice->name, slot_count, slot_count == 1 ? "" : "s");

    (void)printf("\n  memory of a step, MiB\n");
    double step = print_line("activations kept for the backward", (double)m.slot);
    step += print_line("activations that are not, and scratch", (double)m.shared);
    step += print_line("parameters and statistics", (double)m.params);
    step += print_line("parameters in the kernels' layouts", (double)m.held);
    step += print_line("gradients", (double)m.params);
    step += print_line(slots, slot_count * parameters);
    step += print_line("photos, embeddings, pairs", photos + loss_bytes(batch, (double)config->model.embedding));
    if (program > 0) step += print_line("program, libraries and their kernels (measured)", program);
    (void)print_line("all", step);
    (void)printf("  and of a run, on rank 0\n");
    (void)print_line("photos read ahead", FUT_BATCHES_AHEAD * photos);
    (void)print_line("a copy that checkpoints are written from", (double)m.params + slot_count * parameters);
    (void)print_line("parameters of the step before, for their change", parameters);
    return FUT_OK;
}
