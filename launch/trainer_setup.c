#include "launch/trainer_impl.h"

#include "core/base/clock.h"
#include "core/base/file.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/nn/weights.h"
#include "dist/boot.h"
#include "dist/order.h"
#include "launch/agreement.h"
#include "launch/config_changes.h"
#include "launch/evaluate.h"
#include "launch/model.h"

#include <errno.h>
#include <string.h>

/* What rank 0 found in the run folder. */
typedef struct resume_point {
    int64_t step; /* -1: a new run */
    int64_t shards, threads, bucket;
    uint64_t dataset_fingerprint;
    fut_progress progress;
} resume_point;

/* ---- rank 0: the run folder ---------------------------------------------------------------------------------------------------- */

/* The newest checkpoint that reads and verifies; damaged ones are named and set aside. */
static fut_status find_newest_good(fut_trainer *t, resume_point *point, fut_checkpoint_meta *meta)
{
    fut_status st = FUT_OK;
    const char *run = t->config->run;
    fut_str path = {0};
    int64_t *steps = NULL;
    int64_t count = 0;
    bool was_saved = false;
    point->step = -1;
    FUT_TRY_GOTO(fut_run_list_checkpoints(run, &steps, &count), out);
    for (int64_t i = 0; i < count && point->step < 0; i++) {
        FUT_TRY_GOTO(fut_run_checkpoint_path(run, steps[i], &path), out);
        st = fut_checkpoint_read_meta(fut_str_text(&path), meta, &point->progress);
        if (st == FUT_OK) {
            point->step = steps[i];
        } else if (st == FUT_ERR_DATA) {
            FUT_WARN("%s; set aside as .damaged", fut_trail_message());
            fut_trail_clear();
            FUT_TRY_GOTO(fut_run_set_aside(run, steps[i]), out);
        } else {
            goto out;
        }
    }
    FUT_TRY_GOTO(fut_run_was_saved(run, &was_saved), out);
    FUT_CHECK_GOTO(point->step >= 0 || (count == 0 && !was_saved), FUT_ERR_DATA, out,
                   "%s: the run has been saved, but no good checkpoint is left, and a run is never started over silently: restore one into "
                   "%s/checkpoints, remove the folder to start over, or choose another `run:`",
                   run, run);
out:
    fut_mem_free(steps);
    fut_str_fini(&path);
    return st;
}

static const char *text_or_none(const fut_str *text)
{
    return text->length > 0 ? fut_str_text(text) : "none";
}

static fut_status check_resume(fut_trainer *t, const fut_checkpoint_meta *meta, resume_point *point)
{
    const char *run = t->config->run;
    int64_t shards = 0;
    bool fixed = fut_str_to_i64(t->config->train.shards, &shards);
    FUT_CHECK(strcmp(fut_str_text(&meta->model), fut_str_text(&t->meta.model)) == 0, FUT_ERR_CONFIG,
              "%s: its checkpoint is of another model: %s, the configuration asks for %s. Choose another `run:`", run,
              fut_str_text(&meta->model), fut_str_text(&t->meta.model));
    FUT_CHECK(
        strcmp(fut_str_text(&meta->loss), fut_str_text(&t->meta.loss)) == 0, FUT_ERR_CONFIG,
        "%s: the parameters of its checkpoint's loss are %s, those of the configuration's loss %s are %s. Put the loss back, or choose "
        "another `run:`",
        run, text_or_none(&meta->loss), t->config->loss.choice->name, text_or_none(&t->meta.loss));
    FUT_CHECK(
        !fixed || shards == meta->shards, FUT_ERR_CONFIG,
        "%s: train.shards is %lld, but the run was begun with %lld and its arithmetic depends on that: use train.shards: %lld or auto", run,
        (long long)shards, (long long)meta->shards, (long long)meta->shards);
    fut_config_changes changes = fut_config_log_changes(fut_str_text(&meta->config), fut_str_text(&t->meta.config));
    if (changes.best || (changes.loss && t->config->eval.best == FUT_BEST_LOSS)) point->progress.best_step = -1;
    if (changes.scheduler || (changes.loss && fut_sched_monitors(&t->config->scheduler) == FUT_MONITOR_LOSS))
        fut_sched_forget_best(&t->config->scheduler, &point->progress.schedule);
    point->shards = meta->shards;
    point->threads = meta->threads;
    point->bucket = meta->bucket;
    point->dataset_fingerprint = meta->dataset_fingerprint;
    return FUT_OK;
}

static fut_status open_folder(fut_trainer *t, resume_point *point, fut_checkpoint_meta *meta)
{
    fut_status st = FUT_OK;
    fut_str path = {0};
    const char *run = t->config->run;
    FUT_TRY_GOTO(fut_run_folder_open(run, &t->folder), out);
    FUT_TRY_GOTO(fut_run_path(run, "log.txt", &path), out);
    t->log_file = fopen(fut_str_text(&path), "a");
    if (t->log_file == NULL) {
        st = fut_file_errno("open", fut_str_text(&path), errno);
        goto out;
    }
    fut_log_set_file(t->log_file);
    FUT_TRY_GOTO(find_newest_good(t, point, meta), out);
    if (point->step >= 0) FUT_TRY_GOTO(check_resume(t, meta, point), out);
out:
    fut_str_fini(&path);
    return st;
}

/* The records of the run, once nothing can refuse it any more: a refused start must leave the folder as it was. */
static fut_status open_records(fut_trainer *t, const resume_point *point)
{
    fut_status st = FUT_OK;
    fut_str path = {0};
    const char *run = t->config->run;
    fut_run_folder_keep(t->folder);
    FUT_TRY_GOTO(fut_run_path(run, "config.yaml", &path), out);
    FUT_TRY_GOTO(fut_file_write(fut_str_text(&path), t->meta.config.data, t->meta.config.length), out);
    FUT_TRY_GOTO(fut_run_path(run, "metrics.jsonl", &path), out);
    FUT_TRY_GOTO(fut_step_report_open(&t->report, fut_str_text(&path), point->step < 0 ? 0 : point->step, t->config->train.log_every), out);
    if (point->step >= 0) FUT_TRY_GOTO(fut_run_link(run, "last.h5", point->step), out);
out:
    fut_str_fini(&path);
    return st;
}

/* ---- every rank ---------------------------------------------------------------------------------------------------------------- */

static fut_status decide_shards(fut_trainer *t, const resume_point *point)
{
    int64_t shards = point->step >= 0 ? point->shards : fut_comm_size(t->comm);
    if (point->step < 0) (void)fut_str_to_i64(t->config->train.shards, &shards);
    int ranks = fut_comm_size(t->comm);
    FUT_CHECK(shards <= FUT_SHARDS_MAX, FUT_ERR_CONFIG, "train.shards is %lld, at most %d are supported", (long long)shards,
              FUT_SHARDS_MAX);
    FUT_CHECK(ranks <= shards, FUT_ERR_CONFIG,
              "%d ranks for %lld shard%s: a run can use at most as many ranks as it has shards (train.shards, fixed when the run begins)",
              ranks, (long long)shards, shards == 1 ? "" : "s");
    FUT_TRY(fut_config_check_shards(t->config, shards));
    t->shards = (int)shards;
    FUT_INFO("%d shard%s on %d rank%s of at most %d", t->shards, t->shards == 1 ? "" : "s", ranks, ranks == 1 ? "" : "s", t->shards);
    return FUT_OK;
}

/* Where an evaluation has no loss, nothing may wait for it. */
static fut_status check_evaluated_loss(const fut_trainer *t)
{
    const fut_config *config = t->config;
    const char *part = fut_eval_part_names[config->eval.part];
    const char *why = fut_loss_is_of_classes(&config->loss) ? "nobody in it is trained on" : "nobody in it has two photos";
    bool by_monitor = fut_sched_monitors(&config->scheduler) == FUT_MONITOR_LOSS;
    bool has = false;
    if (fut_eval_part_size(t->dataset, (fut_eval_part)config->eval.part) == 0) return FUT_OK;
    FUT_TRY(fut_eval_has_loss(t->dataset, (fut_eval_part)config->eval.part, &(fut_eval_loss){&config->loss, &t->classes}, &has));
    if (has) return FUT_OK;
    FUT_CHECK(config->eval.best != FUT_BEST_LOSS && !by_monitor, FUT_ERR_CONFIG,
              "%s is loss, and the loss %s is not defined on the %s part: %s. Use eer or auc",
              by_monitor ? "scheduler.monitor" : "eval.best", config->loss.choice->name, part, why);
    FUT_INFO("the loss %s is not defined on the %s part, where %s: evaluations have no loss", config->loss.choice->name, part, why);
    return FUT_OK;
}

static fut_status open_dataset(fut_trainer *t, const resume_point *point)
{
    fut_status st = fut_dataset_open(t->config->data.file, &t->dataset);
    if (st != FUT_OK) {
        fut_trail_context("data.file");
        return st;
    }
    const fut_dataset_info *info = fut_dataset_get_info(t->dataset);
    FUT_CHECK(point->step < 0 || point->dataset_fingerprint == info->fingerprint, FUT_ERR_DATA,
              "%s: not the dataset that the checkpoint was trained on (fingerprint %016llx, the run's is %016llx). Choose another `run:`",
              t->config->data.file, (unsigned long long)info->fingerprint, (unsigned long long)point->dataset_fingerprint);
    if (info->encoding == FUT_ENCODING_RAW && t->config->data.size > info->width && fut_comm_rank(t->comm) == 0)
        FUT_WARN("%s was packed at %lld px and data.size is %lld: enlarged photos cost more and show no more; pack with --size %lld",
                 t->config->data.file, (long long)info->width, (long long)t->config->data.size, (long long)t->config->data.size);
    FUT_TRY(fut_classes_init(t->dataset, t->config->sampler.min_images, &t->classes));
    FUT_TRY(check_evaluated_loss(t));
    t->meta.dataset_fingerprint = info->fingerprint;
    t->meta.crop = info->crop;
    fut_config_normalization(t->config, info->mean, info->std, t->meta.mean, t->meta.std);
    return FUT_OK;
}

static fut_status create_engine(fut_trainer *t, const resume_point *point)
{
    fut_engine_options options = {.shards = t->shards,
                                  .threads = point->step >= 0 ? (int)point->threads : 0,
                                  .classes = t->classes.n,
                                  .vitals = true,
                                  .bucket = point->step >= 0 ? point->bucket : 0};
    if (t->config->train.threads > 0) options.threads = (int)t->config->train.threads;
    memcpy(options.mean, t->meta.mean, sizeof options.mean);
    memcpy(options.std, t->meta.std, sizeof options.std);
    FUT_TRY(fut_engine_create(t->config, t->comm, &options, &t->engine));
    t->meta.threads = t->engine->threads;
    t->meta.shards = t->shards;
    t->meta.bucket = t->engine->bucket;
    FUT_INFO("%s: %lld parameters", fut_str_text(&t->meta.model), (long long)fut_net_param_count(t->engine->net));
    return fut_comm_agree(t->comm, fut_str_printf(&t->meta.library, "%s", t->engine->info.library));
}

/* Plans for full and last batches, and for what an evaluation embeds at once: of its part, and of the training photos that it may be paired
 * with. */
static fut_status plan_engine(fut_trainer *t, const fut_checkpoint_meta *resumed)
{
    int64_t chunk = t->config->eval.batch;
    fut_engine_sizes sizes = {.batch = {t->config->train.batch, fut_batches_short(t->batches)},
                              .batches = 2,
                              .evaluation = {chunk, fut_eval_part_size(t->dataset, (fut_eval_part)t->config->eval.part) % chunk,
                                             fut_eval_part_size(t->dataset, FUT_EVAL_TRAIN) % chunk},
                              .evaluations = 3};
    return fut_engine_plan(t->engine, &sizes, fut_str_text(&resumed->tuning), fut_str_text(&resumed->library), &t->meta.tuning);
}

static fut_status next_batch(void *batches, int64_t step, fut_batch *batch_out)
{
    return fut_batches_next(batches, step, batch_out);
}

static fut_status create_feed(fut_trainer *t)
{
    int64_t size = t->config->data.size;
    const fut_engine *g = t->engine;
    int64_t mine = fut_engine_largest_shard(g) * (g->my_end - g->my_first);
    return fut_feed_create(g->bk, g->device_comm, (fut_feed_source){next_batch, t->batches}, t->shards, t->config->train.batch, mine,
                           size * size * 3, &t->feed);
}

static fut_status create_batches(fut_trainer *t)
{
    const fut_config_train *train = &t->config->train;
    FUT_TRY(fut_batches_create(t->config, t->comm, t->engine->bk, t->dataset, &t->classes, t->shards, t->engine->my_first,
                               t->engine->my_end, &t->batches));
    int64_t per_epoch = fut_batches_per_epoch(t->batches);
    t->total_steps = train->steps > 0 ? train->steps : train->epochs * per_epoch;
    t->total_epochs = (t->total_steps + per_epoch - 1) / per_epoch;
    return FUT_OK;
}

/* A schedule that counts what the configuration does not say, now that the run's length is known in both. */
static fut_status warn_of_schedule(const fut_trainer *t)
{
    bool by_steps = t->config->train.steps > 0;
    fut_sched_run run = {.epochs = by_steps ? t->total_epochs : 0, .steps = by_steps ? 0 : t->total_steps, .evaluations = -1};
    fut_str text = {0};
    fut_status st = fut_sched_warn(&t->config->scheduler, &run, &text);
    if (st == FUT_OK && text.length > 0) FUT_WARN("%s", fut_str_text(&text));
    fut_str_fini(&text);
    return st;
}

static fut_status load_checkpoint(fut_trainer *t, const resume_point *point, const fut_checkpoint_meta *meta)
{
    fut_status st = FUT_OK;
    fut_str path = {0};
    fut_sampler_state sampler = {0};
    FUT_TRY_GOTO(fut_run_checkpoint_path(t->config->run, point->step, &path), out);
    FUT_TRY_GOTO(fut_checkpoint_read(fut_str_text(&path), t->engine->net, t->engine->optim, &sampler), out);
    FUT_TRY_GOTO(fut_checkpoint_read_memory(fut_str_text(&path), t->engine->loss), out);
    FUT_TRY_GOTO(fut_batches_restore(t->batches, &sampler), out);
    if (strcmp(fut_str_text(&meta->library), fut_str_text(&t->meta.library)) != 0)
        FUT_WARN("the checkpoint was computed with %s, now it is %s: the run goes on, but not to the same bits",
                 fut_str_text(&meta->library), fut_str_text(&t->meta.library));
    FUT_INFO("resuming %s at step %lld", fut_str_text(&path), (long long)point->step);
out:
    fut_str_fini(&path);
    fut_sampler_state_fini(&sampler);
    return st;
}

/* resumed: of rank 0, what it found. */
static fut_status start_or_resume(fut_trainer *t, const resume_point *point, const fut_checkpoint_meta *resumed)
{
    fut_status st = FUT_OK;
    t->progress = point->step >= 0 ? point->progress : (fut_progress){.best_step = -1, .eer = -1};
    if (fut_comm_rank(t->comm) == 0) {
        if (point->step >= 0)
            st = load_checkpoint(t, point, resumed);
        else
            st = fut_net_init(t->engine->net, (uint64_t)t->config->seed);
        if (st == FUT_OK && point->step < 0 && t->config->model.weights[0] != '\0')
            st = fut_weights_load(t->engine->net, t->config->model.weights);
        if (st == FUT_OK && point->step < 0) st = fut_optim_begin(t->engine->optim, fut_net_params(t->engine->net));
        if (st == FUT_OK) st = open_records(t, point);
        if (st == FUT_OK) st = fut_saver_create(t->config->run, t->config->train.keep, &t->meta, &t->saver);
        if (st == FUT_OK) fut_saver_reserve(t->saver, t->engine->net, t->average != NULL, t->engine->optim);
    }
    FUT_TRY(fut_comm_agree(t->comm, st));
    FUT_TRY(fut_engine_share_state(t->engine));
    if (t->config->train.check_replicas > 0) FUT_TRY(fut_comm_agree(t->comm, fut_replicas_create(t->engine, &t->replicas)));
    FUT_TRY(fut_replicas_look(t->replicas, t->progress.step));
    FUT_TRY(fut_replicas_compare(t->replicas));
    return fut_batches_begin_epoch(t->batches, t->progress.batch, t->progress.step);
}

/* The recorders of all ranks, now that the folder is ours. */
static fut_status record_flight(fut_trainer *t)
{
    fut_str path = {0};
    fut_status st = fut_run_path(t->config->run, "flight", &path);
    if (st == FUT_OK) fut_watchdog_record(t->comm->watchdog, fut_str_text(&path), fut_comm_rank(t->comm), fut_comm_size(t->comm));
    fut_str_fini(&path);
    return fut_comm_agree(t->comm, st);
}

static fut_status open_run(fut_trainer *t, fut_checkpoint_meta *resumed)
{
    fut_status st = FUT_OK;
    fut_comm *comm = t->comm;
    resume_point point = {.step = -1};
    FUT_TRY(fut_model_describe(t->config, &t->meta.model));
    FUT_TRY(fut_model_describe_loss(t->config, &t->meta.loss));
    FUT_TRY(fut_config_print(t->config, &t->meta.config));
    if (fut_comm_rank(comm) == 0) st = open_folder(t, &point, resumed);
    FUT_TRY(fut_comm_agree(comm, st));
    FUT_TRY(record_flight(t));
    FUT_TRY(fut_agree_on_config(t->config, comm));
    FUT_TRY(fut_order_broadcast(comm, &point, sizeof point, "resume point"));
    FUT_TRY(fut_comm_agree(comm, decide_shards(t, &point)));
    FUT_TRY(fut_comm_agree(comm, open_dataset(t, &point)));
    FUT_TRY(create_engine(t, &point));
    FUT_TRY(fut_agree_on_data(t->dataset, &t->engine->info, comm));
    FUT_TRY(fut_comm_agree(comm, create_batches(t)));
    FUT_TRY(plan_engine(t, resumed));
    FUT_TRY(fut_comm_agree(comm, warn_of_schedule(t)));
    FUT_TRY(fut_comm_agree(comm, create_feed(t)));
    FUT_TRY(fut_comm_agree(comm, fut_exposure_init(t->engine, &t->exposure)));
    FUT_TRY(fut_pace_create(comm, t->engine->my_end - t->engine->my_first, &t->pace));
    FUT_TRY(fut_comm_agree(comm, fut_average_create(t->engine, t->dataset, &t->average)));
    return start_or_resume(t, &point, resumed);
}

fut_status fut_trainer_open(const fut_config *config, fut_comm *comm, fut_trainer *t)
{
    fut_checkpoint_meta resumed = {0};
    t->config = config;
    t->comm = comm;
    fut_status st = open_run(t, &resumed);
    fut_checkpoint_meta_fini(&resumed);
    t->last_save = fut_clock_now();
    return st;
}

void fut_trainer_close(fut_trainer *t)
{
    fut_comm_phase(t->comm, FUT_PHASE_FINALIZE, -1);
    fut_saver_destroy(&t->saver); /* first: it reads the network and still has something to say */
    fut_step_report_close(&t->report);
    fut_log_set_file(NULL);
    if (t->log_file != NULL) (void)fclose(t->log_file);
    fut_exposure_fini(&t->exposure);
    fut_pace_destroy(&t->pace);
    fut_feed_destroy(&t->feed);
    fut_batches_destroy(&t->batches);
    fut_average_destroy(&t->average);
    fut_replicas_destroy(&t->replicas);
    fut_engine_destroy(&t->engine);
    fut_classes_fini(&t->classes);
    fut_dataset_close(&t->dataset);
    fut_checkpoint_meta_fini(&t->meta);
    fut_run_folder_close(&t->folder);
}

/* ---- saving -------------------------------------------------------------------------------------------------------------------- */

fut_status fut_trainer_save(fut_trainer *t, bool must)
{
    fut_status st = FUT_OK;
    fut_comm_phase(t->comm, FUT_PHASE_SAVE, -1);
    if (fut_comm_rank(t->comm) == 0) {
        st = fut_run_folder_check(t->folder);
        if (st == FUT_OK)
            st = fut_saver_save(t->saver, must, &t->progress, t->engine->net, fut_average_held(t->average), t->engine->optim,
                                t->engine->loss, fut_batches_sampler_state(t->batches));
    }
    t->last_save = fut_clock_now();
    return fut_comm_agree(t->comm, st);
}
