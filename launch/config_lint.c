/* The lint of a configuration: what provably cannot learn or contradicts itself is refused with the proof and the remedy, and what is
 * likely a mistake is warned of. What a section's own options say is that section's lint; here stands what takes two of them. */
#include "core/base/log.h"
#include "core/loss/loss.h"
#include "core/miner/miner.h"
#include "core/optim/optim.h"
#include "core/sched/sched.h"
#include "launch/config.h"

#include <string.h>

static bool is_allowed(const char *name, const char *const *allowed, int count)
{
    for (int i = 0; i < count; i++)
        if (strcmp(name, allowed[i]) == 0) return true;
    return false;
}

typedef const char *lint_of(const fut_config *config, fut_str *text);

static const char *lint_loss(const fut_config *config, fut_str *text)
{
    const fut_loss_type *loss = config->loss.choice->payload;
    return loss->lint == NULL ? NULL : loss->lint(config->loss.config, text);
}

static const char *lint_miner(const fut_config *config, fut_str *text)
{
    const fut_miner_type *miner = config->miner.choice->payload;
    return miner == NULL || miner->lint == NULL ? NULL : miner->lint(config->miner.config, text);
}

static const char *lint_optimizer(const fut_config *config, fut_str *text)
{
    const fut_optim_type *optim = config->optimizer.choice->payload;
    return optim->lint == NULL ? NULL : optim->lint(config->optimizer.config, text);
}

static const char *lint_two_averages(const fut_config *config, fut_str *text)
{
    const fut_optim_type *optim = config->optimizer.choice->payload;
    if (optim->average == NULL || config->update.ema == 0) return NULL;
    fut_status st = fut_str_printf(text,
                                   "%s evaluates an average of its own, so update.ema %g would be kept and never looked at: set update.ema "
                                   "to 0, or take another optimizer",
                                   config->optimizer.choice->name, config->update.ema);
    return st == FUT_OK ? "two_averages" : NULL;
}

/* Does the loss see pairs of two batches? */
static bool looks_back(const fut_config *config)
{
    return config->memory.size > config->train.batch;
}

/* The sampler draws the people of its batches without repetition. */
static const char *lint_no_positives(const fut_config *config, fut_str *text)
{
    if (fut_loss_is_of_classes(&config->loss) || looks_back(config)) return NULL;
    if (config->sampler.m > 1 || config->sampler.batch_size == 0 || config->sampler.batch_size % config->train.batch != 0) return NULL;
    fut_status st =
        fut_str_printf(text,
                       "with sampler.m 1 and sampler.batch_size %lld a batch never has two photos of one person, since its people are "
                       "drawn without repetition: no loss sees a positive pair. Set sampler.m to 2 or more, such as 4",
                       (long long)config->sampler.batch_size);
    return st == FUT_OK ? "no_positives" : NULL;
}

/* The sampler's order has m photos of a person in a row, from the start of an epoch on. */
static const char *lint_one_identity(const fut_config *config, fut_str *text)
{
    if (fut_loss_is_of_classes(&config->loss) || looks_back(config)) return NULL;
    if (config->sampler.m % config->train.batch != 0) return NULL;
    fut_status st =
        fut_str_printf(text,
                       "a batch of %lld photos with sampler.m %lld is of one person alone: no loss sees a negative pair, and a network "
                       "that maps every photo to one point is as good as any. Use a larger train.batch, such as %lld",
                       (long long)config->train.batch, (long long)config->sampler.m, (long long)(8 * config->sampler.m));
    return st == FUT_OK ? "one_identity" : NULL;
}

static fut_status refuse_unless_allowed(const fut_config *config, lint_of *lint, const char *const *allowed, int allowed_count)
{
    fut_str text = {0};
    fut_status st = FUT_OK;
    const char *name = lint(config, &text);
    if (name != NULL && is_allowed(name, allowed, allowed_count))
        FUT_WARN_ONCE("allowed by --allow %s: %s", name, fut_str_text(&text));
    else if (name != NULL)
        st = FUT_FAIL(FUT_ERR_CONFIG, "%s. To run it all the same: --allow %s", fut_str_text(&text), name);
    fut_str_fini(&text);
    return st;
}

/* A schedule-free optimizer finds its average by the learning rates it has seen. */
static void warn_schedule_free(const fut_config *config)
{
    const fut_optim_type *optim = config->optimizer.choice->payload;
    if (optim->average == NULL) return;
    if (strcmp(config->scheduler.choice->name, "constant") != 0)
        FUT_WARN_ONCE("%s takes the place of a schedule: under scheduler: %s its later steps, which should count most, hardly move; "
                      "use scheduler: constant",
                      config->optimizer.choice->name, config->scheduler.choice->name);
    if (optim->weight_decay(config->optimizer.config) > 0 && config->update.weight_decay == FUT_DECAY_ALL)
        FUT_WARN_ONCE("optimizer.weight_decay acts on y and through it on the average that is evaluated, norms and biases too: "
                      "update.weight_decay: weights leaves those alone");
}

/* Before the run's end. */
static int64_t evaluations(const fut_config *config)
{
    if (config->eval.every == 0) return 0;
    return config->train.steps > 0 ? -1 : config->train.epochs / config->eval.every;
}

fut_status fut_config_lint(const fut_config *config, const char *const *allowed, int allowed_count)
{
    fut_status st = FUT_OK;
    static lint_of *const lints[] = {lint_loss, lint_miner, lint_optimizer, lint_two_averages, lint_no_positives, lint_one_identity};
    fut_str text = {0};
    fut_sched_run run = {
        .epochs = config->train.steps == 0 ? config->train.epochs : 0, .steps = config->train.steps, .evaluations = evaluations(config)};
    fut_row_miner miner;
    FUT_TRY(fut_miner_describe(&config->miner, &miner));
    FUT_TRY(fut_loss_check_miner(&config->loss, &miner));
    FUT_TRY(fut_loss_check_memory(&config->loss, config->memory.size, config->train.batch));
    for (size_t i = 0; i < sizeof lints / sizeof *lints; i++)
        FUT_TRY(refuse_unless_allowed(config, lints[i], allowed, allowed_count));
    FUT_TRY_GOTO(fut_sched_warn(&config->scheduler, &run, &text), out);
    if (text.length > 0) FUT_WARN_ONCE("%s", fut_str_text(&text));
    text.length = 0;
    FUT_TRY_GOTO(fut_loss_warn(&config->loss, &text), out);
    if (text.length > 0) FUT_WARN_ONCE("%s", fut_str_text(&text));
    warn_schedule_free(config);
    if (config->sampler.m < 2 && !fut_loss_is_of_classes(&config->loss) && !looks_back(config))
        FUT_WARN_ONCE("sampler.m is 1: a batch has positive pairs only by chance");
out:
    fut_str_fini(&text);
    return st;
}
