#include "launch/checkpoint_impl.h"

#include "core/base/file.h"
#include "core/base/hash.h"
#include "core/base/mem.h"

#include <inttypes.h>
#include <string.h>

enum { FORMAT_VERSION = 3 };

static const char format_name[] = "futago-checkpoint";
static const char model_group[] = "/model";
static const char tracked_suffix[] = "num_batches_tracked";

void fut_checkpoint_meta_fini(fut_checkpoint_meta *meta)
{
    fut_str_fini(&meta->config);
    fut_str_fini(&meta->library);
    fut_str_fini(&meta->tuning);
    fut_str_fini(&meta->model);
    fut_str_fini(&meta->loss);
}

/* ---- tensors ------------------------------------------------------------------------------------------------------------------- */

fut_status fut_checkpoint_write_tensor(fut_h5 *h5, const char *name, fut_h5_type type, int rank, const int64_t *dims, const void *data)
{
    size_t bytes = fut_h5_type_bytes(type);
    for (int i = 0; i < rank; i++)
        bytes *= (size_t)dims[i];
    FUT_TRY(fut_h5_write(h5, name, type, rank, dims, data));
    return fut_h5_set_u64(h5, name, "xxh3", fut_hash_xxh3(data, bytes));
}

fut_status fut_checkpoint_read_tensor(fut_h5 *h5, const char *path, const char *name, fut_h5_type type, int rank, const int64_t *dims,
                                      void *data)
{
    uint64_t sum = 0;
    size_t bytes = fut_h5_type_bytes(type);
    for (int i = 0; i < rank; i++)
        bytes *= (size_t)dims[i];
    FUT_TRY(fut_h5_read(h5, name, type, rank, dims, data));
    FUT_TRY(fut_h5_get_u64(h5, name, "xxh3", &sum));
    FUT_CHECK(sum == fut_hash_xxh3(data, bytes), FUT_ERR_DATA, "%s: %s does not match its checksum", path, name);
    return FUT_OK;
}

/* A pack of the network on the host, and one tensor of it under a group. */
typedef struct host_pack {
    float *values;
    int64_t count;
} host_pack;

static fut_status host_pack_alloc(int64_t count, host_pack *pack_out)
{
    pack_out->count = count;
    return FUT_NEW_ARRAY(count, &pack_out->values);
}

static fut_status join_path(const char *group, const char *name, fut_str *path)
{
    path->length = 0;
    return fut_str_printf(path, "%s/%s", group, name);
}

/* A loss's tensor, "loss.W", is not the model's: it lies in /loss. */
static fut_status tensor_path(const char *group, const fut_net_tensor *tensor, fut_str *path)
{
    if (!tensor->of_loss || strcmp(group, model_group) != 0) return join_path(group, tensor->name, path);
    return join_path("/loss", strchr(tensor->name, '.') + 1, path);
}

/* Of both packs: the network's tensors and the loss's. */
static int64_t tensor_count(const fut_net *net)
{
    return fut_net_tensor_count(net) + fut_net_loss_tensor_count(net);
}

/* "bn1.running_var" -> "<group>/bn1.num_batches_tracked"; false for other tensors. */
static bool tracked_path(const char *group, const fut_net_tensor *tensor, fut_str *path, fut_status *st)
{
    static const char variance[] = "running_var";
    size_t length = strlen(tensor->name);
    if (length < sizeof variance || strcmp(tensor->name + length - (sizeof variance - 1), variance) != 0) return false;
    path->length = 0;
    *st = fut_str_printf(path, "%s/%.*s%s", group, (int)(length - (sizeof variance - 1)), tensor->name, tracked_suffix);
    return *st == FUT_OK;
}

static fut_status write_pack(fut_h5 *h5, const char *group, const fut_checkpoint_state *state, bool trainable, const float *values)
{
    fut_status st = FUT_OK;
    fut_str path = {0};
    for (int64_t i = 0; i < tensor_count(state->net); i++) {
        const fut_net_tensor *tensor = fut_net_tensor_at(state->net, i);
        if (tensor->trainable != trainable) continue;
        FUT_TRY_GOTO(tensor_path(group, tensor, &path), out);
        FUT_TRY_GOTO(fut_checkpoint_write_tensor(h5, fut_str_text(&path), FUT_H5_F32, tensor->rank, tensor->dim, values + tensor->offset),
                     out);
        if (!trainable && tracked_path(group, tensor, &path, &st))
            FUT_TRY_GOTO(fut_checkpoint_write_tensor(h5, fut_str_text(&path), FUT_H5_I64, 0, NULL, &state->steps_tracked), out);
        if (st != FUT_OK) goto out;
    }
out:
    fut_str_fini(&path);
    return st;
}

static fut_status read_pack(fut_h5 *h5, const char *file, const char *group, fut_net *net, bool trainable, host_pack *pack)
{
    fut_status st = FUT_OK;
    fut_str path = {0};
    for (int64_t i = 0; i < tensor_count(net); i++) {
        const fut_net_tensor *tensor = fut_net_tensor_at(net, i);
        if (tensor->trainable != trainable) continue;
        FUT_TRY_GOTO(tensor_path(group, tensor, &path), out);
        FUT_TRY_GOTO(
            fut_checkpoint_read_tensor(h5, file, fut_str_text(&path), FUT_H5_F32, tensor->rank, tensor->dim, pack->values + tensor->offset),
            out);
        if (!trainable && tracked_path(group, tensor, &path, &st))
            FUT_TRY_GOTO(fut_checkpoint_read_tensor(h5, file, fut_str_text(&path), FUT_H5_I64, 0, NULL, fut_net_steps_tracked(net)), out);
        if (st != FUT_OK) goto out;
    }
out:
    fut_str_fini(&path);
    return st;
}

/* ---- writing ------------------------------------------------------------------------------------------------------------------- */

static fut_status write_model(fut_h5 *h5, const fut_checkpoint_state *state)
{
    FUT_TRY(write_pack(h5, model_group, state, true, state->params));
    FUT_TRY(write_pack(h5, model_group, state, false, state->stats));
    if (!state->averaged) return FUT_OK;
    FUT_TRY(fut_h5_set_i64(h5, "/", "averaged", 1));
    FUT_TRY(write_pack(h5, "/trained", state, true, state->held_params));
    return write_pack(h5, "/trained", state, false, state->held_stats);
}

static fut_status write_optim(fut_h5 *h5, const fut_checkpoint_state *state)
{
    fut_status st = FUT_OK;
    fut_str group = {0};
    const fut_step_control *control = &state->control;
    for (int i = 0; i < state->slots; i++) {
        FUT_TRY_GOTO(join_path("/optimizer", state->slot_name[i], &group), out);
        FUT_TRY_GOTO(write_pack(h5, fut_str_text(&group), state, true, state->slot[i]), out);
    }
    FUT_TRY_GOTO(fut_h5_set_i64(h5, "/optimizer", "steps", control->steps), out);
    FUT_TRY_GOTO(fut_h5_set_f64(h5, "/optimizer", "loss_scale", &control->scale, 1), out);
    FUT_TRY_GOTO(fut_h5_set_i64(h5, "/optimizer", "good_steps", control->good_steps), out);
    FUT_TRY_GOTO(fut_h5_set_i64(h5, "/optimizer", "growth_every", control->growth_every), out);
    FUT_TRY_GOTO(fut_h5_set_f64(h5, "/optimizer", "lr_max", &control->lr_max, 1), out);
    FUT_TRY_GOTO(fut_h5_set_f64(h5, "/optimizer", "average_weight", &control->average_weight, 1), out);
out:
    fut_str_fini(&group);
    return st;
}

static fut_status write_sampler(fut_h5 *h5, const fut_sampler_state *sampler)
{
    int64_t words = FUT_MT_WORDS;
    FUT_TRY(fut_checkpoint_write_tensor(h5, "/sampler/mt_key", FUT_H5_U32, 1, &words, sampler->key));
    FUT_TRY(fut_checkpoint_write_tensor(h5, "/sampler/people", FUT_H5_I64, 1, &sampler->n_people, sampler->people));
    FUT_TRY(fut_h5_set_i64(h5, "/sampler", "mt_position", sampler->mt_position));
    FUT_TRY(fut_h5_set_i64(h5, "/sampler", "pass", sampler->pass));
    FUT_TRY(fut_h5_set_i64(h5, "/sampler", "position", sampler->position));
    return FUT_OK;
}

static fut_status write_progress(fut_h5 *h5, const fut_progress *p)
{
    FUT_TRY(fut_h5_set_i64(h5, "/progress", "step", p->step));
    FUT_TRY(fut_h5_set_i64(h5, "/progress", "epoch", p->epoch));
    FUT_TRY(fut_h5_set_i64(h5, "/progress", "batch", p->batch));
    FUT_TRY(fut_h5_set_i64(h5, "/progress", "best_step", p->best_step));
    FUT_TRY(fut_h5_set_f64(h5, "/progress", "best_value", &p->best_value, 1));
    FUT_TRY(fut_h5_set_f64(h5, "/progress", "threshold", &p->threshold, 1));
    FUT_TRY(fut_h5_set_f64(h5, "/progress", "eer", &p->eer, 1));
    FUT_TRY(fut_h5_set_i64(h5, "/schedule", "seen", p->schedule.seen));
    FUT_TRY(fut_h5_set_f64(h5, "/schedule", "lr", &p->schedule.lr, 1));
    FUT_TRY(fut_h5_set_f64(h5, "/schedule", "best", &p->schedule.best, 1));
    FUT_TRY(fut_h5_set_i64(h5, "/schedule", "bad", p->schedule.bad));
    FUT_TRY(fut_h5_set_i64(h5, "/schedule", "cooldown", p->schedule.cooldown));
    return FUT_OK;
}

static fut_status write_meta(fut_h5 *h5, const fut_checkpoint_meta *meta)
{
    int64_t config_bytes = (int64_t)meta->config.length;
    int64_t tuning_bytes = (int64_t)meta->tuning.length;
    FUT_TRY(fut_h5_set_text(h5, "/", "format", format_name));
    FUT_TRY(fut_h5_set_i64(h5, "/", "version", FORMAT_VERSION));
    FUT_TRY(fut_h5_set_i64(h5, "/", "shards", meta->shards));
    FUT_TRY(fut_h5_set_i64(h5, "/", "threads", meta->threads));
    FUT_TRY(fut_h5_set_i64(h5, "/", "bucket", meta->bucket));
    FUT_TRY(fut_h5_set_u64(h5, "/", "dataset_fingerprint", meta->dataset_fingerprint));
    FUT_TRY(fut_h5_set_text(h5, "/", "library", fut_str_text(&meta->library)));
    FUT_TRY(fut_h5_set_text(h5, "/", "model", fut_str_text(&meta->model)));
    if (meta->loss.length > 0) FUT_TRY(fut_h5_set_text(h5, "/", "loss", fut_str_text(&meta->loss)));
    FUT_TRY(fut_h5_set_f64(h5, "/", "mean", meta->mean, 3));
    FUT_TRY(fut_h5_set_f64(h5, "/", "std", meta->std, 3));
    FUT_TRY(fut_h5_set_f64(h5, "/", "crop", &meta->crop, 1));
    if (tuning_bytes > 0) {
        FUT_TRY(fut_h5_set_i64(h5, "/", "tuned", 1));
        FUT_TRY(fut_checkpoint_write_tensor(h5, "/tuning", FUT_H5_U8, 1, &tuning_bytes, fut_str_text(&meta->tuning)));
    }
    return fut_checkpoint_write_tensor(h5, "/config", FUT_H5_U8, 1, &config_bytes, fut_str_text(&meta->config));
}

fut_status fut_checkpoint_write(const char *path, const fut_checkpoint_meta *meta, const fut_checkpoint_state *state)
{
    fut_status st = FUT_OK;
    fut_file_atomic file = {0};
    fut_h5 *h5 = NULL;
    FUT_TRY_GOTO(fut_file_begin(path, &file), out);
    FUT_TRY_GOTO(fut_h5_create(file.temporary, &h5), out);
    FUT_TRY_GOTO(write_meta(h5, meta), out);
    FUT_TRY_GOTO(write_progress(h5, &state->progress), out);
    FUT_TRY_GOTO(write_model(h5, state), out);
    FUT_TRY_GOTO(write_optim(h5, state), out);
    FUT_TRY_GOTO(fut_checkpoint_write_memory(h5, state), out);
    FUT_TRY_GOTO(write_sampler(h5, &state->sampler), out);
    FUT_TRY_GOTO(fut_h5_set_i64(h5, "/", "complete", 1), out);
    FUT_TRY_GOTO(fut_h5_finish(&h5), out);
    FUT_TRY_GOTO(fut_file_commit(&file), out);
out:
    fut_h5_close(&h5);
    fut_file_abandon(&file);
    return st;
}

/* ---- reading ------------------------------------------------------------------------------------------------------------------- */

fut_status fut_checkpoint_open(const char *path, fut_h5 **h5_out)
{
    fut_status st = FUT_OK;
    fut_h5 *h5 = NULL;
    fut_str format = {0};
    int64_t version = 0;
    int64_t complete = 0;
    FUT_TRY_GOTO(fut_h5_open(path, &h5), out);
    FUT_CHECK_GOTO(fut_h5_has_attribute(h5, "/", "format"), FUT_ERR_DATA, out, "%s: not a futago checkpoint: it has no format attribute",
                   path);
    FUT_TRY_GOTO(fut_h5_get_text(h5, "/", "format", &format), out);
    FUT_CHECK_GOTO(strcmp(fut_str_text(&format), format_name) == 0, FUT_ERR_DATA, out,
                   "%s: not a checkpoint: its format is '%s', expected '%s'", path, fut_str_text(&format), format_name);
    FUT_TRY_GOTO(fut_h5_get_i64(h5, "/", "version", &version), out);
    FUT_CHECK_GOTO(version == FORMAT_VERSION, FUT_ERR_UNSUPPORTED, out,
                   "%s: checkpoint format version %" PRId64
                   ", this futago reads version %d: go on with the futago that wrote it, or choose another `run:`",
                   path, version, FORMAT_VERSION);
    FUT_CHECK_GOTO(fut_h5_has_attribute(h5, "/", "complete"), FUT_ERR_DATA, out, "%s: the checkpoint was not written to its end", path);
    FUT_TRY_GOTO(fut_h5_get_i64(h5, "/", "complete", &complete), out);
    *h5_out = h5;
    h5 = NULL;
out:
    fut_str_fini(&format);
    fut_h5_close(&h5);
    return st;
}

static fut_status read_progress(fut_h5 *h5, fut_progress *p)
{
    FUT_TRY(fut_h5_get_i64(h5, "/progress", "step", &p->step));
    FUT_TRY(fut_h5_get_i64(h5, "/progress", "epoch", &p->epoch));
    FUT_TRY(fut_h5_get_i64(h5, "/progress", "batch", &p->batch));
    FUT_TRY(fut_h5_get_i64(h5, "/progress", "best_step", &p->best_step));
    FUT_TRY(fut_h5_get_f64(h5, "/progress", "best_value", &p->best_value, 1));
    FUT_TRY(fut_h5_get_f64(h5, "/progress", "threshold", &p->threshold, 1));
    FUT_TRY(fut_h5_get_f64(h5, "/progress", "eer", &p->eer, 1));
    FUT_TRY(fut_h5_get_i64(h5, "/schedule", "seen", &p->schedule.seen));
    FUT_TRY(fut_h5_get_f64(h5, "/schedule", "lr", &p->schedule.lr, 1));
    FUT_TRY(fut_h5_get_f64(h5, "/schedule", "best", &p->schedule.best, 1));
    FUT_TRY(fut_h5_get_i64(h5, "/schedule", "bad", &p->schedule.bad));
    FUT_TRY(fut_h5_get_i64(h5, "/schedule", "cooldown", &p->schedule.cooldown));
    return FUT_OK;
}

static fut_status read_text(fut_h5 *h5, const char *path, const char *name, fut_str *text)
{
    fut_status st = FUT_OK;
    fut_h5_info info;
    char *bytes = NULL;
    FUT_TRY(fut_h5_get_info(h5, name, &info));
    FUT_CHECK(info.rank == 1 && info.count <= 1 << 20, FUT_ERR_DATA, "%s: %s is not a text of at most 1 MiB", path, name);
    FUT_TRY_GOTO(FUT_NEW_ARRAY(info.count + 1, &bytes), out);
    FUT_TRY_GOTO(fut_checkpoint_read_tensor(h5, path, name, FUT_H5_U8, 1, info.dims, bytes), out);
    FUT_TRY_GOTO(fut_str_append(text, bytes, (size_t)info.count), out);
out:
    fut_mem_free(bytes);
    return st;
}

fut_status fut_checkpoint_read_meta(const char *path, fut_checkpoint_meta *meta_out, fut_progress *progress_out)
{
    fut_status st = FUT_OK;
    fut_h5 *h5 = NULL;
    fut_checkpoint_meta meta = {0};
    FUT_TRY_GOTO(fut_checkpoint_open(path, &h5), out);
    FUT_TRY_GOTO(fut_h5_get_i64(h5, "/", "shards", &meta.shards), out);
    FUT_TRY_GOTO(fut_h5_get_i64(h5, "/", "threads", &meta.threads), out);
    if (fut_h5_has_attribute(h5, "/", "bucket")) FUT_TRY_GOTO(fut_h5_get_i64(h5, "/", "bucket", &meta.bucket), out);
    FUT_TRY_GOTO(fut_h5_get_u64(h5, "/", "dataset_fingerprint", &meta.dataset_fingerprint), out);
    FUT_TRY_GOTO(fut_h5_get_text(h5, "/", "library", &meta.library), out);
    FUT_TRY_GOTO(fut_h5_get_text(h5, "/", "model", &meta.model), out);
    if (fut_h5_has_attribute(h5, "/", "loss")) FUT_TRY_GOTO(fut_h5_get_text(h5, "/", "loss", &meta.loss), out);
    FUT_TRY_GOTO(fut_h5_get_f64(h5, "/", "mean", meta.mean, 3), out);
    FUT_TRY_GOTO(fut_h5_get_f64(h5, "/", "std", meta.std, 3), out);
    FUT_TRY_GOTO(fut_h5_get_f64(h5, "/", "crop", &meta.crop, 1), out);
    FUT_TRY_GOTO(read_text(h5, path, "/config", &meta.config), out);
    if (fut_h5_has_attribute(h5, "/", "tuned")) FUT_TRY_GOTO(read_text(h5, path, "/tuning", &meta.tuning), out);
    FUT_TRY_GOTO(read_progress(h5, progress_out), out);
    *meta_out = meta;
    meta = (fut_checkpoint_meta){0};
out:
    fut_checkpoint_meta_fini(&meta);
    fut_h5_close(&h5);
    return st;
}

static fut_status read_model(fut_h5 *h5, const char *path, const char *group, fut_net *net)
{
    fut_status st = FUT_OK;
    fut_backend *bk = fut_net_backend(net);
    host_pack params = {0};
    host_pack stats = {0};
    FUT_TRY_GOTO(host_pack_alloc(fut_net_param_count(net), &params), out);
    FUT_TRY_GOTO(host_pack_alloc(fut_net_stat_count(net), &stats), out);
    FUT_TRY_GOTO(read_pack(h5, path, group, net, true, &params), out);
    FUT_TRY_GOTO(read_pack(h5, path, group, net, false, &stats), out);
    FUT_TRY_GOTO(bk->upload(bk, fut_net_params(net), params.values, (size_t)params.count * sizeof(float), NULL), out);
    FUT_TRY_GOTO(bk->upload(bk, fut_net_stats(net), stats.values, (size_t)stats.count * sizeof(float), NULL), out);
    FUT_TRY_GOTO(bk->sync(bk, NULL), out);
    fut_net_params_changed(net);
out:
    fut_mem_free(params.values);
    fut_mem_free(stats.values);
    return st;
}

static fut_status read_optim(fut_h5 *h5, const char *path, fut_net *net, fut_optim *optim)
{
    fut_status st = FUT_OK;
    fut_str group = {0};
    host_pack slot = {0};
    fut_step_control control;
    int64_t growth_every = 0;
    FUT_TRY_GOTO(host_pack_alloc(optim->count, &slot), out);
    for (int i = 0; i < optim->slots; i++) {
        FUT_TRY_GOTO(join_path("/optimizer", optim->slot_name[i], &group), out);
        FUT_CHECK_GOTO(
            fut_h5_has(h5, fut_str_text(&group)), FUT_ERR_CONFIG, out,
            "%s: it has no %s, which the run now wants: its optimizer was another one, or update.ema was 0, and a run keeps both. "
            "Put them back, or choose another `run:`",
            path, fut_str_text(&group));
        FUT_TRY_GOTO(read_pack(h5, path, fut_str_text(&group), net, true, &slot), out);
        FUT_TRY_GOTO(optim->bk->upload(optim->bk, optim->slot[i], slot.values, (size_t)slot.count * sizeof(float), NULL), out);
        FUT_TRY_GOTO(optim->bk->sync(optim->bk, NULL), out);
    }
    FUT_TRY_GOTO(fut_optim_get_control(optim, &control), out);
    FUT_TRY_GOTO(fut_h5_get_i64(h5, "/optimizer", "steps", &control.steps), out);
    FUT_TRY_GOTO(fut_h5_get_i64(h5, "/optimizer", "growth_every", &growth_every), out);
    FUT_TRY_GOTO(fut_h5_get_f64(h5, "/optimizer", "lr_max", &control.lr_max, 1), out);
    FUT_TRY_GOTO(fut_h5_get_f64(h5, "/optimizer", "average_weight", &control.average_weight, 1), out);
    if (control.growth_every > 0 && growth_every > 0) { /* else one of the two runs has no dynamic loss scale */
        FUT_TRY_GOTO(fut_h5_get_f64(h5, "/optimizer", "loss_scale", &control.scale, 1), out);
        FUT_TRY_GOTO(fut_h5_get_i64(h5, "/optimizer", "good_steps", &control.good_steps), out);
    }
    FUT_TRY_GOTO(fut_optim_set_control(optim, &control), out);
out:
    fut_mem_free(slot.values);
    fut_str_fini(&group);
    return st;
}

static fut_status read_sampler(fut_h5 *h5, const char *path, fut_sampler_state *sampler)
{
    fut_h5_info info;
    int64_t words = FUT_MT_WORDS;
    FUT_TRY(fut_h5_get_info(h5, "/sampler/people", &info));
    FUT_CHECK(info.rank == 1, FUT_ERR_DATA, "%s: /sampler/people has %d dimensions, expected 1", path, info.rank);
    sampler->n_people = info.count;
    FUT_TRY(FUT_NEW_ARRAY(info.count, &sampler->people));
    FUT_TRY(fut_checkpoint_read_tensor(h5, path, "/sampler/people", FUT_H5_I64, 1, info.dims, sampler->people));
    FUT_TRY(fut_checkpoint_read_tensor(h5, path, "/sampler/mt_key", FUT_H5_U32, 1, &words, sampler->key));
    FUT_TRY(fut_h5_get_i64(h5, "/sampler", "mt_position", &sampler->mt_position));
    FUT_TRY(fut_h5_get_i64(h5, "/sampler", "pass", &sampler->pass));
    FUT_TRY(fut_h5_get_i64(h5, "/sampler", "position", &sampler->position));
    return FUT_OK;
}

fut_status fut_checkpoint_read(const char *path, fut_net *net, fut_optim *optim, fut_sampler_state *sampler)
{
    fut_status st = FUT_OK;
    fut_h5 *h5 = NULL;
    FUT_TRY_GOTO(fut_checkpoint_open(path, &h5), out);
    bool averaged = fut_h5_has_attribute(h5, "/", "averaged");
    FUT_TRY_GOTO(read_model(h5, path, averaged && optim != NULL ? "/trained" : model_group, net), out);
    if (optim != NULL) FUT_TRY_GOTO(read_optim(h5, path, net, optim), out);
    if (sampler != NULL) FUT_TRY_GOTO(read_sampler(h5, path, sampler), out);
out:
    fut_h5_close(&h5);
    return st;
}
