#include "launch/trainer.h"

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/sched/sched.h"
#include "dist/order.h"
#include "launch/evaluate.h"
#include "launch/signals.h"
#include "launch/trainer_impl.h"

#include <math.h>
#include <string.h>

/* What rank 0 decides about the next step; everyone obeys. */
typedef struct step_order {
    double lr;
    int32_t evaluate, save, stop;
} step_order;

static int64_t shard_rows(const fut_inputs *in, int shard)
{
    return in->shard_first[shard + 1] - in->shard_first[shard];
}

/* Where a step's time went. On a device that works behind the host's back the laps would time the enqueueing, so only the wait is one. */
static void lap(const fut_trainer *t, fut_step_timer *timer, fut_section section)
{
    if (!t->info.asynchronous) fut_step_timer_lap(timer, section);
}

/* ---- the parts of a step ------------------------------------------------------------------------------------------------------- */

static fut_status receive_order(fut_trainer *t, step_order *order)
{
    const fut_config *config = t->config;
    const fut_progress *p = &t->progress;
    bool last = p->step + 1 == t->total_steps;
    bool ends_epoch = p->batch + 1 == fut_batches_per_epoch(t->batches);
    bool evaluation_epoch = config->eval.every > 0 && (p->epoch + 1) % config->eval.every == 0;
    bool by_steps = config->train.save_steps > 0 && (p->step + 1) % config->train.save_steps == 0;
    bool by_time = config->train.save_every > 0 && fut_clock_now() - t->last_save >= config->train.save_every;
    *order = (step_order){.lr = fut_sched_lr(&config->scheduler, fut_optim_base_lr(t->optim), p->epoch),
                          .evaluate = last || (ends_epoch && evaluation_epoch),
                          .stop = t->stop_asked || fut_signals_stop()};
    order->save = last || order->stop || by_steps || by_time || fut_signals_take_save();
    return fut_order_broadcast(t->comm, order, sizeof *order, "order of a step");
}

/* Everything from here to `enqueue` is enqueued, never waited for, so that it can be recorded and replayed. */

static fut_status forward(fut_trainer *t, const fut_inputs *in)
{
    int64_t photo = t->config->data.size * t->config->data.size * 3;
    int64_t mine = in->shard_first[t->my_first];
    for (int s = t->my_first; s < t->my_end; s++) {
        int64_t first = in->shard_first[s];
        FUT_TRY(fut_net_forward(t->net, s - t->my_first, shard_rows(in, s), in->rgb + (first - mine) * photo, t->e_dealt + first * t->dim));
    }
    return FUT_OK;
}

/* Embeddings of every shard to every rank, back in the sampler's order. */
static fut_status gather(fut_trainer *t, const fut_inputs *in)
{
    FUT_TRY(fut_gather_rows(t->device_comm, t->shards, in->shard_first, t->dim, FUT_F32, t->e_dealt, "embeddings"));
    return t->bk->scatter_rows(t->bk, in->n, t->dim, FUT_F32, in->row, t->e_dealt, t->e, NULL);
}

/* The loss's sums over all shards. Whether a rank was asked to stop rides along, so that a signal to any of them reaches rank 0. */
static fut_status loss_sums(fut_trainer *t, const fut_inputs *in)
{
    fut_backend *bk = t->bk;
    int columns = t->loss->type->sums + 1;
    FUT_TRY(fut_loss_begin(t->loss, in->n, t->e, in->label, in->image));
    for (int s = t->my_first; s < t->my_end; s++) {
        double *row = t->loss_rows + (ptrdiff_t)s * columns;
        FUT_TRY(fut_loss_rows(t->loss, shard_rows(in, s), in->row + in->shard_first[s], row));
        FUT_TRY(bk->copy(bk, row + columns - 1, &t->scalars->stop, sizeof *row, NULL));
    }
    FUT_TRY(fut_gather_rows(t->device_comm, t->shards, NULL, columns, FUT_F64, t->loss_rows, "sums of the loss"));
    return bk->tree_rows(bk, t->shards, columns, t->loss_rows, t->loss_total, NULL);
}

static fut_status leaf_ready(void *trainer, int64_t first)
{
    return fut_tree_leaf_ready(((fut_trainer *)trainer)->tree, first, "gradients");
}

/* Gradient of every shard of mine, written into the tree, which sums it bucket by bucket while the backward goes on. */
static fut_status backward(fut_trainer *t, const fut_inputs *in, const void **leaf_sum_out, fut_step_timer *timer)
{
    fut_net_progress progress = {.ready = leaf_ready, .context = t};
    for (int s = t->my_first; s < t->my_end; s++) {
        void *leaf = NULL;
        int64_t n = shard_rows(in, s);
        FUT_TRY(fut_loss_grad(t->loss, n, in->row + in->shard_first[s], t->loss_total, t->de));
        if (t->config->precision == FUT_PRECISION_F16)
            FUT_TRY(t->bk->scale_gradient(t->bk, n * t->dim, FUT_F32, t->optim->control, t->de, NULL));
        lap(t, timer, FUT_SECTION_LOSS);
        FUT_TRY(fut_tree_begin_leaf(t->tree, s, &leaf));
        FUT_TRY(fut_net_backward(t->net, s - t->my_first, n, t->de, leaf, &progress));
        lap(t, timer, FUT_SECTION_BACKWARD);
    }
    return fut_tree_finish(t->tree, leaf_sum_out, "gradients");
}

static fut_status update(fut_trainer *t, const void *leaf_sum)
{
    FUT_TRY(fut_optim_check(t->optim, leaf_sum, t->loss_total, t->loss->type->sums));
    FUT_TRY(fut_optim_step(t->optim, &t->scalars->lr, fut_net_params(t->net), leaf_sum));
    return fut_net_update_stats(t->net, leaf_sum, t->shards, t->optim->control);
}

static fut_status work(fut_trainer *t, const fut_inputs *in, fut_step_timer *timer)
{
    const void *leaf_sum = NULL;
    FUT_TRY(forward(t, in));
    lap(t, timer, FUT_SECTION_FORWARD);
    FUT_TRY(gather(t, in));
    lap(t, timer, FUT_SECTION_REDUCE);
    FUT_TRY(loss_sums(t, in));
    lap(t, timer, FUT_SECTION_LOSS);
    FUT_TRY(backward(t, in, &leaf_sum, timer));
    lap(t, timer, FUT_SECTION_REDUCE);
    FUT_TRY(update(t, leaf_sum));
    lap(t, timer, FUT_SECTION_OPTIMIZER);
    return FUT_OK;
}

static void drop_recordings(fut_trainer *t)
{
    for (int i = 0; i < FUT_PLACES; i++) {
        if (t->recordings[i] != NULL) t->bk->recording_destroy(t->bk, t->recordings[i]);
        t->recordings[i] = NULL;
    }
}

static fut_status record(fut_trainer *t, const fut_inputs *in, fut_step_timer *timer)
{
    fut_backend *bk = t->bk;
    FUT_TRY(bk->record_begin(bk, NULL));
    fut_status st = work(t, in, timer);
    fut_status ended = bk->record_end(bk, NULL, &t->recordings[in->place]);
    return st != FUT_OK ? st : ended;
}

/* Enqueue a step's work. A device runs a full batch's step once, which plans and allocates; then it records the step in each of the two
 * places of its inputs and replays that from then on: one call instead of hundreds. */
static fut_status enqueue(fut_trainer *t, const fut_inputs *in, fut_step_timer *timer)
{
    bool full = in->n == t->config->train.batch;
    bool replays = t->info.asynchronous && full && t->recorded_moves == fut_net_moves(t->net);
    if (replays) {
        if (t->recordings[in->place] == NULL) FUT_TRY(record(t, in, timer));
        FUT_TRY(t->bk->replay(t->bk, t->recordings[in->place], NULL));
    } else {
        if (full) drop_recordings(t);
        FUT_TRY(work(t, in, timer));
        if (full) t->recorded_moves = fut_net_moves(t->net);
    }
    fut_net_step_taken(t->net);
    return FUT_OK;
}

/* ---- a step's outcome ---------------------------------------------------------------------------------------------------------- */

static int place_of(int64_t step)
{
    return (int)(step % FUT_PLACES);
}

static fut_status download_outcome(fut_trainer *t, fut_step_pending *pending, fut_step_outcome *to)
{
    fut_backend *bk = t->bk;
    size_t sums = (size_t)(t->loss->type->sums + 1) * sizeof(double);
    FUT_TRY(bk->download(bk, to->sums, t->loss_total, sums, NULL));
    FUT_TRY(bk->download(bk, &to->control, t->optim->control, sizeof to->control, NULL));
    return bk->event_record(bk, pending->done, NULL);
}

/* Read the outcome of `step`, if it is still on its way; waits for the device. A step whose gradient was not finite has changed nothing. */
static fut_status collect(fut_trainer *t, int64_t step)
{
    fut_step_pending *pending = &t->pending[place_of(step)];
    const fut_step_outcome *outcome = &t->outcomes[place_of(step)];
    fut_step_result *result = &pending->result;
    if (!pending->open) return FUT_OK;
    pending->open = false;
    FUT_TRY(fut_comm_wait(t->device_comm, t->bk, pending->done, "a step's outcome"));
    t->loss->type->report(outcome->sums, &result->loss);
    result->gradient_norm = sqrt(outcome->control.squares);
    t->stop_asked = outcome->sums[t->loss->type->sums] > 0;
    if (!outcome->control.finite && outcome->control.growth_every > 0 && isfinite(result->loss.loss))
        FUT_INFO("step %lld: the gradient passed the range of f16; skipped, loss scale now %g", (long long)result->step,
                 outcome->control.scale);
    else
        FUT_CHECK(
            outcome->control.finite, FUT_ERR_NUMERIC,
            "step %lld: the %s is not finite (loss %g, learning rate %g); the last checkpoint is from before it. Try a lower optimizer.lr",
            (long long)result->step, isfinite(result->loss.loss) ? "gradient" : "loss", result->loss.loss, result->lr);
    double wall = fut_step_timer_end(&pending->timer);
    if (t->info.asynchronous) { /* steps overlap: what one costs is the time between two outcomes */
        double now = fut_clock_now();
        if (t->last_done > pending->timer.started) wall = now - t->last_done;
        t->last_done = now;
    }
    if (fut_comm_rank(t->comm) == 0) fut_step_report_write(&t->report, result, &pending->timer, wall);
    return FUT_OK;
}

/* Every outcome is read: before anything that looks at the model, and at the end. */
static fut_status collect_all(fut_trainer *t)
{
    for (int64_t step = t->progress.step - FUT_PLACES; step < t->progress.step; step++)
        if (step >= 0) FUT_TRY(collect(t, step));
    return FUT_OK;
}

static fut_status upload_scalars(fut_trainer *t, const step_order *order)
{
    fut_step_scalars *scalars = &t->host_scalars[place_of(t->progress.step)];
    *scalars = (fut_step_scalars){.lr = order->lr, .stop = fut_signals_stop()};
    return t->bk->upload(t->bk, t->scalars, scalars, sizeof *scalars, NULL);
}

static fut_status train_step(fut_trainer *t, const step_order *order)
{
    fut_progress *p = &t->progress;
    fut_step_pending *pending = &t->pending[place_of(p->step)];
    fut_inputs in;
    fut_step_timer_begin(&pending->timer);
    FUT_TRY(fut_feed_next(t->feed, p->step, &in));
    fut_step_timer_lap(&pending->timer, FUT_SECTION_DATA);
    FUT_TRY(upload_scalars(t, order));
    FUT_TRY(enqueue(t, &in, &pending->timer));
    FUT_TRY(download_outcome(t, pending, &t->outcomes[place_of(p->step)]));
    pending->open = true;
    pending->result = (fut_step_result){.step = p->step + 1,
                                        .steps = t->total_steps,
                                        .epoch = p->epoch,
                                        .epochs = t->config->train.epochs,
                                        .images = in.n,
                                        .lr = order->lr};
    bool more = p->batch + 1 < fut_batches_per_epoch(t->batches) && p->step + 1 < t->total_steps;
    FUT_TRY(fut_feed_ahead(t->feed, more ? p->step + 1 : -1));
    if (!t->info.asynchronous)
        FUT_TRY(collect(t, p->step));
    else if (p->step > 0)
        FUT_TRY(collect(t, p->step - 1));
    p->step++;
    p->batch++;
    return FUT_OK;
}

/* ---- between steps ------------------------------------------------------------------------------------------------------------- */

static bool is_better(const fut_config *config, const fut_progress *p, double value)
{
    if (p->best_step < 0) return true;
    return config->eval.best == FUT_BEST_AUC ? value > p->best_value : value < p->best_value;
}

/* Validate; every rank learns the numbers that the checkpoint keeps. */
static fut_status evaluate(fut_trainer *t, bool *is_best_out)
{
    const fut_config *config = t->config;
    double started = fut_clock_now();
    fut_part_result result = {0};
    fut_progress *p = &t->progress;
    FUT_TRY(fut_evaluate_part(t->net, t->comm, t->dataset, (fut_eval_part)config->eval.part, config->eval.batch, (int)config->data.threads,
                              0, &config->loss, &result));
    if (fut_comm_rank(t->comm) == 0) {
        const fut_verification *v = &result.verification;
        double values[] = {[FUT_BEST_EER] = v->eer, [FUT_BEST_AUC] = v->auc, [FUT_BEST_LOSS] = result.loss};
        bool is_best = v->is_defined && is_better(config, p, values[config->eval.best]);
        if (v->is_defined) {
            p->threshold = v->at_eer.threshold;
            p->eer = v->eer;
        }
        if (is_best) {
            p->best_value = values[config->eval.best];
            p->best_step = p->step;
        }
        fut_eval_summary summary = {.step = p->step,
                                    .epoch = p->epoch,
                                    .part = fut_eval_part_names[config->eval.part],
                                    .loss = result.loss,
                                    .seconds = fut_clock_now() - started,
                                    .is_best = is_best,
                                    .verification = v};
        fut_step_report_evaluation(&t->report, &summary);
        if (result.paired_with_train && p->epoch == 0)
            FUT_WARN("nobody has two photos in the %s part, so it is paired with the training photos", summary.part);
    }
    fut_part_result_fini(&result);
    FUT_TRY(fut_order_broadcast(t->comm, p, sizeof *p, "result of an evaluation"));
    *is_best_out = p->best_step == p->step;
    return FUT_OK;
}

static fut_status begin_epoch_if_due(fut_trainer *t)
{
    fut_progress *p = &t->progress;
    if (p->batch < fut_batches_per_epoch(t->batches)) return FUT_OK;
    p->epoch++;
    p->batch = 0;
    return fut_batches_begin_epoch(t->batches, 0, p->step);
}

static fut_status train_loop(fut_trainer *t)
{
    step_order order = {0};
    while (t->progress.step < t->total_steps) {
        bool is_best = false;
        FUT_TRY(begin_epoch_if_due(t));
        FUT_TRY(receive_order(t, &order));
        FUT_TRY(train_step(t, &order));
        if (order.evaluate || order.save) FUT_TRY(collect_all(t));
        if (order.evaluate) FUT_TRY(evaluate(t, &is_best));
        if (order.save || is_best) FUT_TRY(fut_trainer_save(t, order.stop || t->progress.step == t->total_steps));
        if (order.stop && t->progress.step < t->total_steps)
            return fut_comm_agree(t->comm, FUT_FAIL(FUT_ERR_PREEMPTED,
                                                    "stopped on request after step %lld of %lld; the same command goes on from there",
                                                    (long long)t->progress.step, (long long)t->total_steps));
    }
    return FUT_OK;
}

static fut_status finish(fut_trainer *t)
{
    char digest[65];
    FUT_TRY(fut_model_digest(t->net, digest));
    FUT_INFO_ALL("read %lld photos for %d of %d shards", (long long)fut_batches_images_read(t->batches), t->my_end - t->my_first,
                 t->shards);
    FUT_INFO("done: %lld steps, model sha256 %s", (long long)t->progress.step, digest);
    FUT_INFO("next: futago eval %s", t->config->run);
    return FUT_OK;
}

fut_status fut_train(const fut_config *config, fut_comm *comm)
{
    fut_status st = FUT_OK;
    fut_trainer trainer = {0};
    FUT_TRY_GOTO(fut_trainer_open(config, comm, &trainer), out);
    FUT_TRY_GOTO(train_loop(&trainer), out);
    FUT_TRY_GOTO(finish(&trainer), out);
out:
    if (st != FUT_OK) fut_log_record(FUT_LOG_ERROR, "%s (%s)", fut_trail_message(), fut_trail_place());
    if (trainer.bk != NULL) drop_recordings(&trainer);
    fut_trainer_close(&trainer);
    return st;
}
