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

static int64_t my_first_row(const fut_trainer *t, const fut_batch *batch)
{
    return batch->shard_first[t->my_first];
}

static int64_t shard_rows(const fut_batch *batch, int shard)
{
    return batch->shard_first[shard + 1] - batch->shard_first[shard];
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

static fut_status forward(fut_trainer *t, const fut_batch *batch)
{
    int64_t photo = t->config->data.size * t->config->data.size * 3;
    for (int s = t->my_first; s < t->my_end; s++) {
        int64_t first = batch->shard_first[s];
        const uint8_t *rgb = batch->rgb + (first - my_first_row(t, batch)) * photo;
        FUT_TRY(fut_net_forward(t->net, s - t->my_first, shard_rows(batch, s), rgb, t->e_dealt + first * t->dim));
    }
    return FUT_OK;
}

/* Embeddings of every shard to every rank, back in the sampler's order. */
static fut_status gather(fut_trainer *t, const fut_batch *batch)
{
    FUT_TRY(fut_gather_rows(t->comm, t->shards, batch->shard_first, t->dim, t->e_dealt, "embeddings"));
    for (int64_t i = 0; i < batch->n; i++)
        memcpy(t->e + batch->row[i] * t->dim, t->e_dealt + i * t->dim, (size_t)t->dim * sizeof *t->e);
    return FUT_OK;
}

/* The loss's sums over all shards. Whether a rank was asked to stop rides along, so that a signal to any of them reaches rank 0. */
static fut_status loss_sums(fut_trainer *t, const fut_batch *batch, double *sums_out)
{
    double mine[FUT_SHARDS_MAX][FUT_LOSS_SUMS_MAX + 1];
    double total[FUT_LOSS_SUMS_MAX + 1];
    int n = t->loss->type->sums;
    FUT_TRY(fut_loss_begin(t->loss, batch->n, t->e, batch->label, batch->image));
    for (int s = t->my_first; s < t->my_end; s++) {
        FUT_TRY(fut_loss_rows(t->loss, shard_rows(batch, s), batch->row + batch->shard_first[s], mine[s - t->my_first]));
        mine[s - t->my_first][n] = fut_signals_stop();
    }
    FUT_TRY(fut_tree_sum_f64(t->comm, t->shards, &mine[0][0], FUT_LOSS_SUMS_MAX + 1, n + 1, total, "sums of the loss"));
    memcpy(sums_out, total, (size_t)n * sizeof *total);
    t->stop_asked = total[n] > 0;
    return FUT_OK;
}

/* Gradient of every shard of mine; each goes into the tree as soon as it is there. */
static fut_status backward(fut_trainer *t, const fut_batch *batch, const double *sums, fut_step_timer *timer)
{
    for (int s = t->my_first; s < t->my_end; s++) {
        FUT_TRY(fut_loss_grad(t->loss, shard_rows(batch, s), batch->row + batch->shard_first[s], sums, t->de));
        fut_step_timer_lap(timer, FUT_SECTION_LOSS);
        FUT_TRY(fut_net_backward(t->net, s - t->my_first, shard_rows(batch, s), t->de, t->leaf));
        fut_step_timer_lap(timer, FUT_SECTION_BACKWARD);
        FUT_TRY(fut_tree_add(t->tree, s, t->leaf));
        fut_step_timer_lap(timer, FUT_SECTION_REDUCE);
    }
    return fut_tree_finish(t->tree, t->leaf_sum, "gradients");
}

static fut_status update(fut_trainer *t, const step_order *order, fut_step_result *result)
{
    double squares = 0;
    bool finite = true;
    FUT_TRY(t->bk->sum_squares(t->bk, fut_net_param_count(t->net), FUT_F32, t->leaf_sum, &squares, &finite, NULL));
    FUT_CHECK(
        finite && isfinite(result->loss.loss), FUT_ERR_NUMERIC,
        "step %lld: the %s is not finite (loss %g, learning rate %g); the last checkpoint is from before it. Try a lower optimizer.lr",
        (long long)result->step, finite ? "loss" : "gradient", result->loss.loss, order->lr);
    result->gradient_norm = sqrt(squares);
    FUT_TRY(fut_optim_step(t->optim, order->lr, fut_net_params(t->net), t->leaf_sum));
    FUT_TRY(fut_net_update_stats(t->net, t->leaf_sum, t->shards));
    fut_net_params_changed(t->net);
    return FUT_OK;
}

static fut_status train_step(fut_trainer *t, const step_order *order)
{
    double sums[FUT_LOSS_SUMS_MAX];
    fut_batch batch;
    fut_step_timer timer;
    fut_step_timer_begin(&timer);
    FUT_TRY(fut_batches_next(t->batches, t->progress.step, &batch));
    fut_step_timer_lap(&timer, FUT_SECTION_DATA);
    FUT_TRY(forward(t, &batch));
    fut_step_timer_lap(&timer, FUT_SECTION_FORWARD);
    FUT_TRY(gather(t, &batch));
    fut_step_timer_lap(&timer, FUT_SECTION_REDUCE);
    FUT_TRY(loss_sums(t, &batch, sums));
    fut_step_timer_lap(&timer, FUT_SECTION_LOSS);
    FUT_TRY(backward(t, &batch, sums, &timer));
    fut_step_timer_lap(&timer, FUT_SECTION_REDUCE);
    fut_step_result result = {.step = t->progress.step + 1,
                              .steps = t->total_steps,
                              .epoch = t->progress.epoch,
                              .epochs = t->config->train.epochs,
                              .images = batch.n,
                              .lr = order->lr};
    t->loss->type->report(sums, &result.loss);
    FUT_TRY(update(t, order, &result));
    fut_step_timer_lap(&timer, FUT_SECTION_OPTIMIZER);
    t->progress.step++;
    t->progress.batch++;
    if (fut_comm_rank(t->comm) == 0) fut_step_report_write(&t->report, &result, &timer, fut_step_timer_end(&timer));
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
    fut_trainer_close(&trainer);
    return st;
}
