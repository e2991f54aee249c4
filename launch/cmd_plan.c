#include "core/base/file.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/loss/loss.h"
#include "core/nn/describe.h"
#include "dist/reduce.h"
#include "launch/args.h"
#include "launch/command.h"
#include "launch/model.h"
#include "launch/plan_print.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

static const fut_arg args_table[] = {
    FUT_ARG_POSITIONAL("CONFIG", "configuration; its data.file need not exist"),
    FUT_ARG_REPEATED('n', "net", "FILE", "network, as in configs/networks/; several are set side by side"),
    FUT_ARG_VALUE('r', "ranks", "N", NULL, "one answer in detail; without it a table over 1, 2, 4, ... 1024"),
    FUT_ARG_REPEATED('s', "set", "KEY=VALUE", "override one key of CONFIG, e.g. --set precision=bf16"),
    FUT_ARG_VALUE(0, "photos", "N", NULL, "photos of a rank's shard; by default train.batch, over train.shards where that is a number"),
    FUT_ARG_VALUE(0, "people", "N", NULL, "people to train on, which a loss with a weight vector for each must be told"),
    FUT_ARG_VALUE(0, "peak", "TFLOPS", NULL, "what the device computes; an H100's by default"),
    FUT_ARG_VALUE(0, "bandwidth", "GB/S", NULL, "what its memory moves; an H100's by default"),
    FUT_ARG_VALUE(0, "compute", "MS", NULL, "measured: computation of one rank's step, instead of the least that the device allows"),
    FUT_ARG_VALUE(0, "bench", "FILE", NULL, "the same from `futago bench --json` of this configuration on one rank"),
    FUT_ARG_FLAG(0, "json", "print an object"),
    FUT_ARG_END,
};

static const char intro[] =
    "Say on paper, before anybody pays for the machines, how a configuration would train on many ranks: the time of a "
    "step and what of it is\n"
    "communication that nothing hides, the memory of a rank, what a checkpoint costs, the bottleneck, and what would "
    "help. Each rank has\n"
    "one shard; the global batch grows with the ranks.";

static fut_status load_config(const fut_args *args, fut_config **config_out)
{
    const char *sets[64] = {"data.file=none"};
    int count = fut_args_count(args, "set");
    FUT_CHECK(count < 62, FUT_ERR_USAGE, "more than 61 --set");
    for (int i = 0; i < count; i++)
        sets[i + 1] = fut_args_get_at(args, "set", i);
    sets[count + 1] = "backend=ref"; /* a plan is made of the network's shapes: no device is needed */
    return fut_config_load(fut_args_get(args, "CONFIG"), sets, count + 2, config_out);
}

static fut_status load_networks(const fut_args *args, fut_plan_question *q)
{
    int count = fut_args_count(args, "net");
    FUT_CHECK(count > 0, FUT_ERR_USAGE, "no network is named: --net configs/networks/nvlink_infiniband.yaml, or a file of your own");
    FUT_CHECK(count <= FUT_PLAN_NETWORKS_MAX, FUT_ERR_USAGE, "%d networks, at most %d", count, FUT_PLAN_NETWORKS_MAX);
    FUT_TRY(FUT_NEW_ARRAY(count, &q->network));
    for (q->networks = 0; q->networks < count; q->networks++)
        FUT_TRY(fut_network_file_load(fut_args_get_at(args, "net", q->networks), &q->network[q->networks]));
    return FUT_OK;
}

static fut_status read_photos(const fut_config *config, const fut_args *args, int64_t *photos_out)
{
    int64_t shards = 1;
    if (fut_args_is_given(args, "photos")) return fut_args_get_i64(args, "photos", 2, 65536, photos_out);
    if (strcmp(config->train.shards, "auto") != 0) (void)fut_str_to_i64(config->train.shards, &shards);
    *photos_out = (config->train.batch + shards - 1) / shards;
    return FUT_OK;
}

/* Only a loss of classes asks for them. */
static fut_status read_people(const fut_config *config, const fut_args *args, int64_t *people_out)
{
    *people_out = 1;
    if (!fut_loss_is_of_classes(&config->loss)) return FUT_OK;
    FUT_CHECK(fut_args_is_given(args, "people"), FUT_ERR_USAGE,
              "the loss %s has a weight vector for each person that is trained on: say how "
              "many with --people N",
              config->loss.choice->name);
    return fut_args_get_i64(args, "people", 2, (int64_t)1 << 31, people_out);
}

static fut_status field(const cJSON *object, const char *path, const char *name, double *value_out)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    FUT_CHECK(cJSON_IsNumber(item), FUT_ERR_CONFIG, "%s: no number '%s': expected what `futago bench --json` printed", path, name);
    *value_out = item->valuedouble;
    return FUT_OK;
}

/* What one rank computed a step, if it was of this network and shard. */
static fut_status read_measured(const cJSON *bench, const char *path, const fut_config *config, int64_t photos, double *seconds_out)
{
    double ranks = 0, shards = 0, batch = 0, size = 0, step = 0, copy = 0;
    const char *backbone = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(bench, "backbone"));
    FUT_TRY(field(bench, path, "ranks", &ranks));
    FUT_TRY(field(bench, path, "shards", &shards));
    FUT_TRY(field(bench, path, "batch", &batch));
    FUT_TRY(field(bench, path, "size", &size));
    FUT_TRY(field(bench, path, "step_ms", &step));
    FUT_TRY(field(bench, path, "exposed_copy_ms", &copy));
    FUT_CHECK(ranks == 1 && step > copy, FUT_ERR_CONFIG, "%s: a step of %g ms on %g ranks: measure one rank alone", path, step, ranks);
    FUT_CHECK(backbone != NULL && strcmp(backbone, config->model.backbone) == 0 && size == (double)config->data.size && shards > 0 &&
                  batch / shards == (double)photos,
              FUT_ERR_CONFIG, "%s: measured %s, %g px, %g photos in %g shards; planned is %s, %lld px, shards of %lld photos", path,
              backbone != NULL ? backbone : "?", size, batch, shards, config->model.backbone, (long long)config->data.size,
              (long long)photos);
    *seconds_out = (step - copy) * 1e-3 / shards;
    return FUT_OK;
}

static fut_status read_bench(const char *path, const fut_config *config, int64_t photos, double *seconds_out)
{
    fut_status st = FUT_OK;
    fut_str text = {0};
    cJSON *bench = NULL;
    FUT_TRY_GOTO(fut_file_read(path, 1 << 20, &text), out);
    bench = cJSON_ParseWithLength(fut_str_text(&text), text.length);
    FUT_TRY_GOTO(bench != NULL ? FUT_OK : FUT_FAIL(FUT_ERR_CONFIG, "%s: not JSON: expected what `futago bench --json` printed", path), out);
    st = read_measured(bench, path, config, photos, seconds_out);
out:
    cJSON_Delete(bench);
    fut_str_fini(&text);
    return st;
}

static fut_status read_device(const fut_args *args, int precision, fut_bench_device *device)
{
    if (fut_args_is_given(args, "peak")) FUT_TRY(fut_args_get_f64(args, "peak", 1e-6, 1e9, &device->flops));
    if (fut_args_is_given(args, "bandwidth")) FUT_TRY(fut_args_get_f64(args, "bandwidth", 1e-6, 1e9, &device->bandwidth));
    device->flops *= 1e12;
    device->bandwidth *= 1e9;
    fut_bench_device_complete(device, precision);
    return FUT_OK;
}

static const double zero_mean[3] = {0};
static const double unit_std[3] = {1, 1, 1};

/* Activations of two sizes of a shard, from the plans of the reference backend. It computes in f32: what is kept in 16 bits takes half. */
static fut_status measure(fut_config *config, const fut_net *net, fut_step_shard shard[2])
{
    fut_status st = FUT_OK;
    fut_backend *bk = NULL;
    fut_net *full = NULL;
    fut_net_memory memory;
    fut_model_place place = fut_model_place_of(NULL);
    int precision = config->precision;
    double share = (double)fut_dtype_size(fut_net_get_spec(net)->dtype) / (double)sizeof(float);
    config->precision = FUT_PRECISION_F32;
    FUT_TRY_GOTO(fut_model_create(config, &place, zero_mean, unit_std, NULL, &bk, &full), out);
    for (int i = 0; i < 2; i++) {
        FUT_TRY_GOTO(fut_net_measure(full, shard[i].photos, true, &memory), out);
        shard[i].activations = share * ((double)memory.slot + (double)memory.shared);
    }
out:
    config->precision = precision;
    fut_net_destroy(&full);
    fut_backend_destroy(&bk);
    return st;
}

/* The models of a shard and of one twice as large, which a measured time covers too: both are as much slower than the least. */
static fut_status make_models(const fut_args *args, fut_config *config, const fut_net *net, fut_plan_question *q)
{
    fut_step_shard shard[2] = {{0}};
    double compute = 0;
    int64_t people = 0;
    fut_bench_device device = {0};
    q->compute = "the least that the device allows";
    FUT_TRY(read_photos(config, args, &shard[0].photos));
    FUT_TRY(read_people(config, args, &people));
    shard[1].photos = 2 * shard[0].photos;
    FUT_TRY(measure(config, net, shard));
    FUT_TRY(read_device(args, config->precision, &device));
    if (fut_args_is_given(args, "compute")) {
        FUT_TRY(fut_args_get_f64(args, "compute", 1e-6, 1e9, &compute));
        compute *= 1e-3;
        q->compute = "as given";
    } else if (fut_args_is_given(args, "bench")) {
        FUT_TRY(read_bench(fut_args_get(args, "bench"), config, shard[0].photos, &compute));
        q->compute = "as measured";
    }
    FUT_TRY(fut_step_model_init(config, net, people, &shard[0], &device, compute, &q->model));
    FUT_TRY(fut_step_model_init(config, net, people, &shard[1], &device, 0, &q->twice));
    if (compute > 0) fut_step_model_slow_down(&q->twice, q->model.slower);
    return FUT_OK;
}

static fut_status read_ranks(const fut_args *args, int *ranks_out)
{
    int64_t ranks = 0;
    if (fut_args_is_given(args, "ranks")) FUT_TRY(fut_args_get_i64(args, "ranks", 1, FUT_SHARDS_MAX, &ranks));
    *ranks_out = (int)ranks;
    return FUT_OK;
}

static fut_status plan(const fut_args *args, fut_config *config)
{
    fut_status st = FUT_OK;
    fut_backend *bk = NULL;
    fut_net *net = NULL;
    fut_plan_question q = {.config = config};
    fut_model_place place = fut_model_place_of(NULL);
    FUT_TRY_GOTO(read_ranks(args, &q.ranks), out);
    FUT_TRY_GOTO(load_networks(args, &q), out);
    FUT_TRY_GOTO(fut_model_create(config, &place, zero_mean, unit_std, NULL, &bk, &net), out);
    FUT_TRY_GOTO(make_models(args, config, net, &q), out);
    if (fut_args_is_given(args, "json"))
        st = fut_plan_print_json(&q);
    else
        fut_plan_print_text(&q);
out:
    fut_step_model_fini(&q.twice);
    fut_step_model_fini(&q.model);
    fut_mem_free(q.network);
    fut_net_destroy(&net);
    fut_backend_destroy(&bk);
    return st;
}

fut_status fut_cmd_plan(int argc, char **argv)
{
    fut_status st = FUT_OK;
    fut_args *args = NULL;
    fut_config *config = NULL;
    FUT_TRY_GOTO(fut_args_parse(args_table, intro, argc, argv, &args), out);
    if (args == NULL) goto out;
    fut_log_set_level(FUT_LOG_WARN); /* the backend that makes the plan is none that trains */
    FUT_TRY_GOTO(load_config(args, &config), out);
    st = plan(args, config);
out:
    fut_config_destroy(&config);
    fut_args_destroy(&args);
    return st;
}
