#include "launch/model.h"

#include "core/base/file.h"
#include "core/base/hash.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/loss/loss.h"
#include "launch/run_folder.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One of `users`' share of the machine's cores, but no more than this process may run on. */
static int share_of_cores(long users)
{
    cpu_set_t allowed;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    long share = cores / (users > 0 ? users : 1);
    long may_run = sched_getaffinity(0, sizeof allowed, &allowed) == 0 ? CPU_COUNT(&allowed) : cores;
    long threads = share < may_run ? share : may_run;
    return threads > 1 ? (int)threads : 1;
}

fut_model_place fut_model_place_of(const fut_comm *comm)
{
    int local_ranks = comm != NULL ? comm->local_size : 1;
    return (fut_model_place){
        .threads = share_of_cores(local_ranks), .device = comm != NULL ? comm->local_rank : 0, .ranks_on_node = local_ranks};
}

int fut_model_threads(const fut_comm *comm, int shards)
{
    int ranks = fut_comm_size(comm);
    return share_of_cores(((long)shards * comm->local_size + ranks - 1) / ranks);
}

static fut_dtype activation_dtype(int precision)
{
    switch ((fut_precision)precision) {
    case FUT_PRECISION_BF16:
        return FUT_BF16;
    case FUT_PRECISION_F16:
        return FUT_F16;
    case FUT_PRECISION_F32:
    case FUT_PRECISION_TF32:
        break;
    }
    return FUT_F32;
}

/* Where a device keeps what it has measured: $XDG_CACHE_HOME/futago, or ~/.cache/futago; nowhere without either. */
static fut_status cache_folder(fut_str *out)
{
    const char *cache = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");
    if (cache != NULL && cache[0] == '/') return fut_str_printf(out, "%s/futago", cache);
    if (home != NULL && home[0] == '/') return fut_str_printf(out, "%s/.cache/futago", home);
    return FUT_OK;
}

fut_status fut_model_create(const fut_config *config, const fut_model_place *place, const double mean[3], const double std[3],
                            const fut_params *loss, fut_backend **bk_out, fut_net **net_out)
{
    fut_status st = FUT_OK;
    fut_backend *bk = NULL;
    fut_str cache = {0};
    fut_backend_info info;
    fut_net_spec spec = {.backbone = config->model.backbone,
                         .embedding = config->model.embedding,
                         .embedding_norm = config->model.embedding_norm,
                         .batch_norm = config->model.batch_norm,
                         .size = config->data.size,
                         .dtype = activation_dtype(config->precision),
                         .real = FUT_F32};
    if (loss != NULL) spec.loss = *loss;
    memcpy(spec.mean, mean, sizeof spec.mean);
    memcpy(spec.std, std, sizeof spec.std);
    FUT_TRY_GOTO(cache_folder(&cache), out);
    fut_backend_options options = {.threads = place->threads,
                                   .device = place->device,
                                   .ranks_on_node = place->ranks_on_node,
                                   .tf32 = config->precision == FUT_PRECISION_TF32,
                                   .deterministic = config->deterministic,
                                   .cache_folder = cache.length > 0 ? fut_str_text(&cache) : NULL};
    FUT_TRY_GOTO(fut_backend_create(config->backend, &options, &bk), out);
    bk->info(bk, &info);
    FUT_INFO("backend %s on %s: %s, %d thread%s a rank", bk->name, info.device, info.library, place->threads,
             place->threads == 1 ? "" : "s");
    FUT_TRY_GOTO(fut_net_create(bk, &spec, net_out), out);
    *bk_out = bk;
    bk = NULL;
out:
    fut_str_fini(&cache);
    fut_backend_destroy(&bk);
    return st;
}

fut_status fut_model_describe(const fut_config *config, fut_str *out)
{
    static const char *const norms[] = {
        [FUT_EMBEDDING_NORM_OWN] = "", [FUT_EMBEDDING_NORM_NONE] = " without norm", [FUT_EMBEDDING_NORM_BATCH] = " with batch norm"};
    return fut_str_printf(out, "%s, embedding %lld%s, %lld px", config->model.backbone, (long long)config->model.embedding,
                          norms[config->model.embedding_norm], (long long)config->data.size);
}

fut_status fut_model_describe_loss(const fut_config *config, fut_str *out)
{
    fut_params params = fut_loss_params(&config->loss, 1, config->model.embedding);
    for (int i = 0; i < params.n; i++)
        FUT_TRY(fut_str_printf(out, "%s%s", i > 0 ? ", " : "", params.param[i].name));
    return FUT_OK;
}

fut_status fut_model_digest(fut_net *net, char hex_out[65])
{
    fut_status st = FUT_OK;
    fut_backend *bk = fut_net_backend(net);
    size_t param_bytes = (size_t)fut_net_param_count(net) * sizeof(float);
    size_t stat_bytes = (size_t)fut_net_stat_count(net) * sizeof(float);
    unsigned char digest[FUT_SHA256_BYTES];
    fut_sha256 stream;
    char *host = NULL;
    FUT_TRY_GOTO(FUT_NEW_ARRAY(param_bytes + stat_bytes, &host), out);
    FUT_TRY_GOTO(bk->download(bk, host, fut_net_params(net), param_bytes, NULL), out);
    FUT_TRY_GOTO(bk->download(bk, host + param_bytes, fut_net_stats(net), stat_bytes, NULL), out);
    FUT_TRY_GOTO(bk->sync(bk, NULL), out);
    fut_sha256_init(&stream);
    for (int64_t i = 0; i < fut_net_tensor_count(net); i++) {
        const fut_net_tensor *tensor = fut_net_tensor_at(net, i);
        const char *pack = tensor->trainable ? host : host + param_bytes;
        fut_sha256_update(&stream, pack + (size_t)tensor->offset * sizeof(float), (size_t)tensor->count * sizeof(float));
    }
    fut_sha256_digest(&stream, digest);
    fut_hash_hex(digest, sizeof digest, hex_out);
out:
    fut_mem_free(host);
    return st;
}

/* "best" and "last" are links in the run folder. */
static fut_status checkpoint_path(const char *run, const char *which, fut_str *path)
{
    bool best = strcmp(which, "best") == 0;
    if (!best && strcmp(which, "last") != 0) return fut_str_printf(path, "%s", which);
    FUT_TRY(fut_run_path(run, best ? "best.h5" : "last.h5", path));
    bool take_last = best && !fut_file_exists(fut_str_text(path));
    if (take_last) FUT_TRY(fut_run_path(run, "last.h5", path));
    FUT_CHECK(fut_file_exists(fut_str_text(path)), FUT_ERR_NO_INPUT, "%s: no checkpoint there; is it the folder of a run that has trained?",
              run);
    if (take_last) FUT_INFO("no best checkpoint yet, taking the last one");
    return FUT_OK;
}

fut_status fut_trained_open(const char *run, const char *which, const char *precision, const fut_model_place *place, fut_trained *out_)
{
    fut_status st = FUT_OK;
    fut_trained t = {.threads = place->threads};
    fut_params loss = {.n = 0};
    fut_str config_path = {0};
    fut_str set = {0};
    FUT_TRY_GOTO(checkpoint_path(run, which, &t.path), out);
    FUT_TRY_GOTO(fut_checkpoint_read_meta(fut_str_text(&t.path), &t.meta, &t.progress), out);
    FUT_TRY_GOTO(fut_run_path(run, "config.yaml", &config_path), out);
    if (precision != NULL) FUT_TRY_GOTO(fut_str_printf(&set, "precision=%s", precision), out);
    const char *const sets[] = {fut_str_text(&set)};
    FUT_TRY_GOTO(fut_config_load(fut_str_text(&config_path), sets, precision != NULL ? 1 : 0, &t.config), out);
    if (fut_loss_tells_probability(&t.config->loss)) loss = fut_loss_params(&t.config->loss, 0, t.config->model.embedding);
    FUT_TRY_GOTO(fut_model_create(t.config, place, t.meta.mean, t.meta.std, &loss, &t.bk, &t.net), out);
    FUT_TRY_GOTO(fut_checkpoint_read(fut_str_text(&t.path), t.net, NULL, NULL), out);
    *out_ = t;
    t = (fut_trained){0};
out:
    fut_str_fini(&config_path);
    fut_str_fini(&set);
    fut_trained_close(&t);
    return st;
}

fut_status fut_trained_threshold(const fut_trained *t, double *threshold_out)
{
    FUT_CHECK(t->progress.eer >= 0, FUT_ERR_NO_INPUT, "%s: the run was never evaluated, so there is no threshold yet: give --threshold",
              fut_str_text(&t->path));
    *threshold_out = t->progress.threshold;
    return FUT_OK;
}

bool fut_trained_tells_probability(const fut_trained *trained)
{
    return fut_loss_tells_probability(&trained->config->loss);
}

fut_status fut_trained_probability(const fut_trained *trained, const float *a, const float *b, double *probability_out)
{
    float *params = NULL;
    const int64_t n = fut_net_loss_param_count(trained->net);
    FUT_TRY(FUT_NEW_ARRAY(n, &params));
    fut_status st = trained->bk->download(trained->bk, params, fut_net_loss_params(trained->net), (size_t)n * sizeof *params, NULL);
    if (st == FUT_OK) st = trained->bk->sync(trained->bk, NULL);
    if (st == FUT_OK) *probability_out = fut_loss_probability(&trained->config->loss, params, trained->config->model.embedding, a, b);
    fut_mem_free(params);
    return st;
}

void fut_trained_close(fut_trained *t)
{
    fut_net_destroy(&t->net);
    fut_backend_destroy(&t->bk);
    fut_config_destroy(&t->config);
    fut_checkpoint_meta_fini(&t->meta);
    fut_str_fini(&t->path);
}
