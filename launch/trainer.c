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
    *order = (step_order){.lr = fut_sched_lr(&config->scheduler, fut_optim_base_lr(t->engine->optim),
                                             (fut_sched_place){.epoch = p->epoch, .step = p->step}, &p->schedule),
                          .evaluate = last || (ends_epoch && evaluation_epoch),
                          .stop = t->stop_asked || fut_signals_stop() || p->step + 1 == t->until};
    order->save = last || order->stop || by_steps || by_time || fut_signals_take_save();
    return fut_order_broadcast(t->comm, order, sizeof *order, "order of a step");
}

/* ---- a step -------------------------------------------------------------------------------------------------------------------- */

/* Read the outcome of `step`, if it is still on its way; waits for the device. A step whose gradient was not finite has changed nothing. */
static fut_status collect(fut_trainer *t, int64_t step)
{
    fut_step_pending *pending = &t->pending[step % FUT_IN_FLIGHT];
    const fut_step_outcome *outcome = NULL;
    fut_step_result *result = &pending->result;
    const fut_loss *loss = t->engine->loss;
    if (!pending->open) return FUT_OK;
    pending->open = false;
    FUT_TRY(fut_engine_outcome(t->engine, step, &outcome));
    fut_loss_read(loss, outcome->sums, &result->loss);
    result->looked = t->engine->vitals != NULL && fut_step_report_is_due(result->step, result->steps, t->config->train.log_every);
    if (result->looked) fut_vitals_read(t->engine->vitals, (int)(step % FUT_IN_FLIGHT), &result->vitals);
    result->gradient_norm = sqrt(outcome->control.squares);
    t->stop_asked = outcome->sums[FUT_LOSS_SUMS] > 0;
    if (!outcome->control.finite && outcome->control.growth_every > 0 && isfinite(result->loss.loss))
        FUT_INFO("step %lld: the gradient passed the range of f16; skipped, loss scale now %g", (long long)result->step,
                 outcome->control.scale);
    else
        FUT_CHECK(
            outcome->control.finite, FUT_ERR_NUMERIC,
            "step %lld: the %s is not finite (loss %g, learning rate %g); the last checkpoint is from before it. Try a lower optimizer.lr",
            (long long)result->step, isfinite(result->loss.loss) ? "gradient" : "loss", result->loss.loss, result->lr);
    fut_exposure_add(&t->exposure, t->engine, &result->summed, &result->exposed);
    double wall = fut_step_timer_end(&pending->timer);
    if (t->engine->info.asynchronous) { /* steps overlap: what one costs is the time between two outcomes */
        double now = fut_clock_now();
        if (t->last_done > pending->timer.started) wall = now - t->last_done;
        t->last_done = now;
        fut_step_timer_give_device(&pending->timer, wall);
    }
    if (fut_comm_rank(t->comm) == 0) fut_step_report_write(&t->report, result, &pending->timer, wall);
    return fut_pace_step(t->pace, result->step, &pending->timer, wall, &t->report);
}

/* Every outcome is read: before anything that looks at the model, and at the end. */
static fut_status collect_all(fut_trainer *t)
{
    for (int64_t step = t->progress.step - FUT_IN_FLIGHT; step < t->progress.step; step++)
        if (step >= 0) FUT_TRY(collect(t, step));
    return FUT_OK;
}

/* What was looked at a step ago is compared, and a look that is due begins: it is copied while the next step computes. */
static fut_status look_at_replicas(fut_trainer *t)
{
    int64_t every = t->config->train.check_replicas;
    FUT_TRY(fut_replicas_compare(t->replicas));
    return every > 0 && t->progress.step % every == 0 ? fut_replicas_look(t->replicas, t->progress.step) : FUT_OK;
}

static fut_status train_step(fut_trainer *t, const step_order *order)
{
    fut_progress *p = &t->progress;
    fut_step_pending *pending = &t->pending[p->step % FUT_IN_FLIGHT];
    bool more = p->batch + 1 < fut_batches_per_epoch(t->batches) && p->step + 1 < t->total_steps;
    fut_inputs in;
    fut_step_timer_begin(&pending->timer);
    fut_comm_phase(t->comm, FUT_PHASE_READ, -1);
    FUT_TRY(fut_feed_next(t->feed, p->step, &in));
    fut_step_timer_lap(&pending->timer, FUT_SECTION_DATA);
    fut_step_wish wish = {.lr = order->lr,
                          .stop = fut_signals_stop(),
                          .look = fut_step_report_is_due(p->step + 1, t->total_steps, t->config->train.log_every)};
    FUT_TRY(fut_engine_step(t->engine, p->step, &in, &wish, &pending->timer));
    pending->open = true;
    pending->result = (fut_step_result){
        .step = p->step + 1, .steps = t->total_steps, .epoch = p->epoch, .epochs = t->total_epochs, .images = in.n, .lr = order->lr};
    FUT_TRY(fut_feed_ahead(t->feed, more ? p->step + 1 : -1));
    if (!t->engine->info.asynchronous)
        FUT_TRY(collect(t, p->step));
    else if (p->step > 0)
        FUT_TRY(collect(t, p->step - 1));
    p->step++;
    p->batch++;
    return look_at_replicas(t);
}

/* ---- between steps ------------------------------------------------------------------------------------------------------------- */

static bool is_better(const fut_config *config, const fut_progress *p, double value)
{
    if (p->best_step < 0) return true;
    return config->eval.best == FUT_BEST_AUC ? value > p->best_value : value < p->best_value;
}

/* A schedule that follows evaluations hears of this one. Rank 0. */
static void tell_schedule(const fut_trainer *t, const fut_verification *v, double loss, fut_progress *p)
{
    const fut_opt_variant *scheduler = &t->config->scheduler;
    double value[] = {[FUT_MONITOR_LOSS] = loss, [FUT_MONITOR_EER] = v->eer, [FUT_MONITOR_AUC] = v->auc};
    fut_sched_monitor monitor = fut_sched_monitors(scheduler);
    double base = fut_optim_base_lr(t->engine->optim);
    double before = p->schedule.lr;
    if (monitor == FUT_MONITOR_NONE || !v->is_defined) return;
    fut_sched_observe(scheduler, base, (fut_sched_place){.epoch = p->epoch + 1, .step = p->step}, value[monitor], &p->schedule);
    if (p->schedule.seen > 1 && p->schedule.lr < before)
        FUT_INFO("scheduler: no better for a while (best %g, now %g): learning rate %g", p->schedule.best, value[monitor], p->schedule.lr);
}

/* Validate; every rank learns the numbers that the checkpoint keeps. */
static fut_status evaluate(fut_trainer *t, bool *is_best_out)
{
    const fut_config *config = t->config;
    double started = fut_clock_now();
    fut_part_result result = {0};
    fut_progress *p = &t->progress;
    FUT_TRY(fut_evaluate_part(t->engine->net, t->comm, t->dataset, (fut_eval_part)config->eval.part, config->eval.batch,
                              (int)config->data.threads, 0, &(fut_eval_loss){&config->loss, &t->classes}, &result));
    fut_engine_forget_recordings(t->engine);
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
        tell_schedule(t, v, result.loss, p);
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

/* The model as it is kept, by its digest: what two runs that should agree are compared by. */
static fut_status report_model(fut_trainer *t, const char *event)
{
    char digest[65];
    FUT_TRY(fut_model_digest(t->engine->net, digest));
    FUT_INFO("%s: %lld step%s, model sha256 %s", event, (long long)t->progress.step, t->progress.step == 1 ? "" : "s", digest);
    if (fut_comm_rank(t->comm) == 0) fut_step_report_model(&t->report, t->progress.step, event, digest);
    return FUT_OK;
}

/* What the sums of gradients cost the steps of this start, bucket by bucket. Rank 0. */
static fut_status report_exposure(fut_trainer *t)
{
    fut_str text = {0};
    fut_str object = {0};
    fut_status st = FUT_OK;
    if (t->exposure.steps == 0 || fut_comm_rank(t->comm) != 0) return FUT_OK;
    FUT_TRY_GOTO(fut_exposure_print(&t->exposure, &text), out);
    FUT_INFO("sums of gradients, rank 0, a step:\n%s", fut_str_text(&text));
    FUT_TRY_GOTO(fut_str_printf(&object, "{\"step\":%lld,\"event\":\"buckets\",\"buckets\":", (long long)t->progress.step), out);
    FUT_TRY_GOTO(fut_exposure_print_json(&t->exposure, &object), out);
    FUT_TRY_GOTO(fut_str_printf(&object, "}"), out);
    fut_step_report_event(&t->report, fut_str_text(&object));
out:
    fut_str_fini(&text);
    fut_str_fini(&object);
    return st;
}

/* Evaluate and save, of what is trained or of its average. */
static fut_status look_at_model(fut_trainer *t, const step_order *order)
{
    bool is_best = false;
    FUT_TRY(collect_all(t));
    fut_comm_phase(t->comm, FUT_PHASE_EVALUATE, -1);
    FUT_TRY(fut_replicas_look(t->replicas, t->progress.step)); /* what is saved was the same everywhere */
    FUT_TRY(fut_replicas_compare(t->replicas));
    FUT_TRY(fut_average_enter(t->average));
    if (order->evaluate) FUT_TRY(evaluate(t, &is_best));
    if (order->save || is_best) FUT_TRY(fut_trainer_save(t, order->stop || t->progress.step == t->total_steps));
    if (order->stop && t->progress.step < t->total_steps) {
        FUT_TRY(report_exposure(t));
        FUT_TRY(report_model(t, "stopped"));
    }
    return fut_average_leave(t->average);
}

static fut_status train_loop(fut_trainer *t)
{
    step_order order = {0};
    if (t->until > 0 && t->progress.step >= t->until && t->progress.step < t->total_steps)
        return fut_comm_agree(t->comm, FUT_FAIL(FUT_ERR_PREEMPTED, "the run was to stop after step %lld and has come to step %lld already",
                                                (long long)t->until, (long long)t->progress.step));
    while (t->progress.step < t->total_steps) {
        fut_comm_phase(t->comm, FUT_PHASE_ORDER, t->progress.step + 1);
        FUT_TRY(begin_epoch_if_due(t));
        FUT_TRY(receive_order(t, &order));
        FUT_TRY(train_step(t, &order));
        fut_saver_poll(t->saver);
        if (order.evaluate || order.save) FUT_TRY(look_at_model(t, &order));
        if (order.stop && t->progress.step < t->total_steps)
            return fut_comm_agree(t->comm, FUT_FAIL(FUT_ERR_PREEMPTED,
                                                    "stopped on request after step %lld of %lld; the same command %sgoes on from there",
                                                    (long long)t->progress.step, (long long)t->total_steps,
                                                    t->progress.step == t->until ? "without --until, or with a later one, " : ""));
    }
    return FUT_OK;
}

static fut_status finish(fut_trainer *t)
{
    FUT_TRY(fut_average_enter(t->average)); /* what is exported */
    FUT_INFO_ALL("read %lld photos for %d of %d shard%s", (long long)fut_batches_images_read(t->batches),
                 t->engine->my_end - t->engine->my_first, t->engine->shards, t->engine->shards == 1 ? "" : "s");
    FUT_TRY(report_exposure(t));
    FUT_TRY(report_model(t, "done"));
    FUT_INFO("next: futago eval %s", t->config->run);
    return FUT_OK;
}

fut_status fut_train(const fut_config *config, fut_comm *comm, int64_t until)
{
    fut_status st = FUT_OK;
    fut_trainer trainer = {.until = until};
    FUT_TRY_GOTO(fut_trainer_open(config, comm, &trainer), out);
    FUT_TRY_GOTO(train_loop(&trainer), out);
    FUT_TRY_GOTO(finish(&trainer), out);
out:
    if (st != FUT_OK) fut_log_record(FUT_LOG_ERROR, "%s (%s)", fut_trail_message(), fut_trail_place());
    fut_trainer_close(&trainer);
    return st;
}
