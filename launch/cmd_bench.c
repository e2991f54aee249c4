#include "core/base/str.h"
#include "dist/boot.h"
#include "launch/args.h"
#include "launch/bench.h"
#include "launch/bench_layers.h"
#include "launch/bench_plan.h"
#include "launch/command.h"

#include <stdio.h>
#include <string.h>

static const fut_arg args_table[] = {
    FUT_ARG_OPTIONAL("CONFIG", "configuration; its data.file, sampler and schedule are not used"),
    FUT_ARG_REPEATED('s', "set", "KEY=VALUE", "override one key, e.g. --set model.backbone=resnet50"),
    FUT_ARG_VALUE('n', "steps", "N", "20", "steps that are measured"),
    FUT_ARG_VALUE(0, "warm-up", "N", "4", "steps before them"),
    FUT_ARG_FLAG(0, "json", "print an object"),
    FUT_ARG_FLAG(0, "plan", "measure nothing: print what a step must move and compute, kind by kind, and the least time that takes"),
    FUT_ARG_FLAG(0, "layers", "every layer: its time, rates, share of this machine's limits, and kernels; with --plan: what it must do"),
    FUT_ARG_VALUE(0, "peak", "TFLOPS", NULL, "with --plan: what the device computes; an H100's by default"),
    FUT_ARG_VALUE(0, "bandwidth", "GB/S", NULL, "with --plan: what its memory moves; an H100's by default"),
    FUT_ARG_END,
};

static const char intro[] = "Measure how fast a configuration trains on this machine, or with mpirun on these: whole steps (forward, loss "
                            "over all pairs, backward,\n"
                            "reduction, optimizer) on photos of noise that are uploaded as a run's are. On a GPU also what of the uploads "
                            "and reductions is not hidden\n"
                            "behind the computation, by the device's own clock, and what replaying a recorded step saves.";

static const char *const no_data = "data.file=noise";

static fut_status load(const fut_args *args, fut_config **config_out)
{
    const char *sets[64] = {no_data};
    int count = fut_args_count(args, "set");
    FUT_CHECK(count < 63, FUT_ERR_USAGE, "more than 62 --set");
    for (int i = 0; i < count; i++)
        sets[i + 1] = fut_args_get_at(args, "set", i);
    return fut_config_load(fut_args_get(args, "CONFIG"), sets, count + 1, config_out);
}

static double mib(size_t bytes)
{
    return (double)bytes / (1024.0 * 1024.0);
}

static fut_status print_text(const fut_config *config, const fut_bench_result *r)
{
    size_t kept = (size_t)r->slots * r->slot;
    (void)printf("%s, %lld px, batch %lld in %d shard%s on %d rank%s\n", config->model.backbone, (long long)config->data.size,
                 (long long)r->images, r->shards, r->shards == 1 ? "" : "s", r->ranks, r->ranks == 1 ? "" : "s");
    (void)printf("  backend %s on %s\n  %s\n", r->backend, r->device, r->library);
    (void)printf("  step              %9.2f ms   (%.2f to %.2f)\n", r->step * 1e3, r->fastest * 1e3, r->slowest * 1e3);
    (void)printf("  photos a second   %9.1f\n", (double)r->images / r->step);
    (void)printf("  first step after  %9.2f s\n", r->first);
    if (r->asynchronous) {
        (void)printf("  enqueued anew     %9.2f ms   replaying saves %.2f ms of gaps between kernels\n", r->enqueued * 1e3,
                     (r->enqueued - r->step) * 1e3);
        (void)printf("  exposed copy      %9.3f ms\n  exposed reduce    %9.3f ms\n", r->exposed_copy * 1e3, r->exposed_reduce * 1e3);
    }
    (void)printf("  memory            %9.1f MiB  parameters %.1f, optimizer %.1f, activations of %d shard%s %.1f, shared %.1f\n",
                 mib(r->parameters + r->state + kept + r->shared), mib(r->parameters), mib(r->state), r->slots, r->slots == 1 ? "" : "s",
                 mib(kept), mib(r->shared));
    (void)printf("  process           %9.1f MiB  at most, with program and libraries; `futago bench --plan` names its parts\n",
                 mib(r->resident));
    if (r->device_used > 0) (void)printf("  device memory     %9.1f MiB  with the libraries' own\n", mib(r->device_used));
    fut_str table = {0};
    fut_status st = fut_exposure_print(&r->exposure, &table);
    if (st == FUT_OK && table.length > 0) (void)printf("sums of gradients, a step:\n%s\n", fut_str_text(&table));
    fut_str_fini(&table);
    return st;
}

static fut_status print_json(const fut_config *config, const fut_bench_result *r)
{
    fut_str device = {0};
    fut_str library = {0};
    fut_str buckets = {0};
    fut_status st = fut_exposure_print_json(&r->exposure, &buckets);
    if (st == FUT_OK) st = fut_str_append_json(&device, r->device, strlen(r->device));
    if (st == FUT_OK) st = fut_str_append_json(&library, r->library, strlen(r->library));
    if (st == FUT_OK)
        (void)printf(
            "{\"backbone\":\"%s\",\"size\":%lld,\"batch\":%lld,\"shards\":%d,\"ranks\":%d,\"threads\":%d,\"backend\":\"%s\","
            "\"device\":%s,\"library\":%s,\"img_per_s\":%.6g,\"step_ms\":%.6g,\"step_ms_min\":%.6g,\"step_ms_max\":%.6g,"
            "\"first_step_s\":%.6g,\"enqueued_ms\":%.6g,\"exposed_copy_ms\":%.6g,\"exposed_reduce_ms\":%.6g,\"parameters_bytes\":%zu,"
            "\"optimizer_bytes\":%zu,\"slots\":%d,\"slot_bytes\":%zu,\"shared_bytes\":%zu,\"device_bytes\":%zu,\"resident_bytes\":%zu,"
            "\"buckets\":%s,\"loss\":%.9g}\n",
            config->model.backbone, (long long)config->data.size, (long long)r->images, r->shards, r->ranks, r->threads, r->backend,
            fut_str_text(&device), fut_str_text(&library), (double)r->images / r->step, r->step * 1e3, r->fastest * 1e3, r->slowest * 1e3,
            r->first, r->enqueued * 1e3, r->exposed_copy * 1e3, r->exposed_reduce * 1e3, r->parameters, r->state, r->slots, r->slot,
            r->shared, r->device_used, r->resident, fut_str_text(&buckets), r->loss);
    fut_str_fini(&device);
    fut_str_fini(&library);
    fut_str_fini(&buckets);
    return st;
}

static fut_status plan(const fut_config *config, const fut_args *args)
{
    fut_bench_device device = {0};
    if (fut_args_is_given(args, "peak")) FUT_TRY(fut_args_get_f64(args, "peak", 1e-6, 1e9, &device.flops));
    if (fut_args_is_given(args, "bandwidth")) FUT_TRY(fut_args_get_f64(args, "bandwidth", 1e-6, 1e9, &device.bandwidth));
    device.flops *= 1e12;
    device.bandwidth *= 1e9;
    return fut_bench_print_plan(config, &device, fut_args_is_given(args, "layers"));
}

static fut_status bench(fut_comm *comm, int argc, char **argv)
{
    fut_status st = FUT_OK;
    fut_args *args = NULL;
    fut_config *config = NULL;
    fut_bench_options options = {0};
    fut_bench_result result = {0};
    st = fut_args_parse(args_table, intro, argc, argv, &args);
    if (st == FUT_OK && args != NULL) {
        st = fut_args_get_i64(args, "steps", 1, 100000, &options.steps);
        if (st == FUT_OK) st = fut_args_get_i64(args, "warm-up", 0, 100000, &options.warm_up);
        if (st == FUT_OK) st = load(args, &config);
    }
    FUT_TRY_GOTO(fut_comm_agree(comm, st), out);
    if (args == NULL) goto out;
    if (fut_args_is_given(args, "plan")) {
        if (fut_comm_rank(comm) == 0) st = plan(config, args);
        goto out;
    }
    if (fut_args_is_given(args, "layers")) {
        if (fut_comm_rank(comm) == 0) st = fut_bench_print_layers(config, options.warm_up + options.steps);
        goto out;
    }
    fut_comm_set_deadline(comm, config->train.deadline);
    FUT_TRY_GOTO(fut_bench_run(config, comm, &options, &result), out);
    if (fut_comm_rank(comm) == 0) st = fut_args_is_given(args, "json") ? print_json(config, &result) : print_text(config, &result);
out:
    fut_bench_result_fini(&result);
    fut_config_destroy(&config);
    fut_args_destroy(&args);
    return st;
}

fut_status fut_cmd_bench(int argc, char **argv)
{
    fut_comm *comm = NULL;
    FUT_TRY(fut_boot(&comm));
    return fut_boot_finish(&comm, bench(comm, argc, argv));
}
