#include "launch/bench.h"

#include "core/base/clock.h"
#include "core/base/mem.h"
#include "core/base/rng.h"
#include "launch/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PHOTOS_A_PERSON = 4 };

/* A batch of noise in the backend's host memory, handed out again and again. */
typedef struct noise {
    fut_backend *bk;
    fut_batch batch;
    uint8_t *rgb;
    int64_t *image, *label, *row, *shard_first;
} noise;

static void noise_fini(noise *n)
{
    if (n->rgb != NULL) n->bk->free_host(n->bk, n->rgb);
    void *blocks[] = {n->image, n->label, n->row, n->shard_first};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        fut_mem_free(blocks[i]);
}

static fut_status noise_init(const fut_engine *g, noise *n)
{
    const fut_config *config = g->config;
    int64_t batch = config->train.batch;
    int64_t photo = config->data.size * config->data.size * 3;
    fut_philox philox = fut_philox_key((uint64_t)config->seed, FUT_RNG_DEAL);
    *n = (noise){.bk = g->bk};
    FUT_TRY(FUT_NEW_ARRAY(batch, &n->image));
    FUT_TRY(FUT_NEW_ARRAY(batch, &n->label));
    FUT_TRY(FUT_NEW_ARRAY(batch, &n->row));
    FUT_TRY(FUT_NEW_ARRAY(g->shards + 1, &n->shard_first));
    for (int s = 0; s < g->shards; s++)
        fut_shard_range(s, g->shards, batch, &n->shard_first[s], &n->shard_first[s + 1]);
    for (int64_t i = 0; i < batch; i++) {
        n->image[i] = i;
        n->label[i] = i / PHOTOS_A_PERSON;
    }
    fut_philox_permutation(philox, 0, batch, n->row);
    int64_t mine = n->shard_first[g->my_end] - n->shard_first[g->my_first];
    FUT_TRY(g->bk->alloc_host(g->bk, (size_t)(mine * photo), (void **)&n->rgb));
    uint64_t state = 1;
    for (int64_t i = 0; i < mine * photo; i++) {
        state = state * 6364136223846793005ULL + 1442695040888963407ULL;
        n->rgb[i] = (uint8_t)(state >> 56);
    }
    n->batch = (fut_batch){
        .n = batch, .image = n->image, .label = n->label, .row = n->row, .shard_first = n->shard_first, .rgb = n->rgb, .images = mine};
    return FUT_OK;
}

static fut_status next_noise(void *context, int64_t step, fut_batch *batch_out)
{
    (void)step;
    *batch_out = ((noise *)context)->batch;
    return FUT_OK;
}

/* One pass of steps and what it took. */
typedef struct series {
    double *seconds;       /* [steps] between two outcomes, or of a step where the device is the host */
    double *copy, *reduce; /* [steps] exposed; marked steps only */
    int64_t steps;
} series;

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, int64_t n)
{
    qsort(values, (size_t)n, sizeof *values, by_value);
    return values[n / 2];
}

static fut_status exposed(const fut_engine *g, fut_mark from, fut_mark to, double *seconds_out)
{
    return g->bk->event_seconds(g->bk, g->marks[from], g->marks[to], seconds_out);
}

/* Steps [first, first + warm_up + steps) one after the other as the trainer runs them; the first warm_up are not counted. */
static fut_status run_steps(fut_engine *g, fut_feed *feed, int64_t first, int64_t warm_up, series *out, fut_bench_result *r)
{
    double last = fut_clock_now();
    bool marked = g->marks[0] != NULL;
    int64_t lag = g->info.asynchronous && !marked ? 1 : 0;
    int64_t count = warm_up + out->steps;
    for (int64_t i = 0; i < count + lag; i++) {
        fut_inputs in;
        fut_step_timer timer;
        const fut_step_outcome *outcome = NULL;
        fut_loss_report report;
        if (i < count) {
            fut_step_timer_begin(&timer);
            FUT_TRY(fut_feed_next(feed, first + i, &in));
            FUT_TRY(fut_engine_step(g, first + i, &in, &(fut_step_wish){.lr = 1e-4}, &timer));
            FUT_TRY(fut_feed_ahead(feed, i + 1 < count ? first + i + 1 : -1));
        }
        if (i < lag) continue;
        FUT_TRY(fut_engine_outcome(g, first + i - lag, &outcome));
        double now = fut_clock_now();
        int64_t at = i - lag - warm_up;
        double summed = 0;
        double exposed_sum = 0;
        if (at >= 0) out->seconds[at] = now - last;
        last = now;
        if (at >= 0 && marked) {
            FUT_TRY(exposed(g, FUT_MARK_BEGIN, FUT_MARK_INPUTS, &out->copy[at]));
            FUT_TRY(exposed(g, FUT_MARK_COMPUTED, FUT_MARK_REDUCED, &out->reduce[at]));
            FUT_TRY(fut_tree_read_marks(g->tree, g->marks[FUT_MARK_BEGIN], g->marks[FUT_MARK_COMPUTED]));
        }
        if (at >= 0) fut_exposure_add(&r->exposure, g, &summed, &exposed_sum);
        fut_loss_read(g->loss, outcome->sums, &report);
        r->loss = report.loss;
    }
    return FUT_OK;
}

static void describe(const fut_engine *g, size_t free_before, fut_bench_result *r)
{
    fut_net_memory memory;
    fut_backend_info now;
    g->bk->info(g->bk, &now);
    fut_net_memory_use(g->net, &memory);
    r->ranks = fut_comm_size(g->comm);
    r->shards = g->shards;
    r->threads = g->threads;
    r->images = g->config->train.batch;
    r->asynchronous = g->info.asynchronous;
    (void)snprintf(r->backend, sizeof r->backend, "%s", g->bk->name);
    (void)snprintf(r->device, sizeof r->device, "%s", g->info.device);
    (void)snprintf(r->library, sizeof r->library, "%s", g->info.library);
    r->parameters = memory.params;
    r->slot = memory.slot;
    r->slots = g->slots;
    r->shared = memory.shared;
    r->resident = fut_mem_resident_peak();
    r->state = (size_t)g->optim->slots * (size_t)g->optim->count * sizeof(float);
    if (g->info.asynchronous && free_before > now.bytes_free) r->device_used = free_before - now.bytes_free;
}

/* The steps as a run has them; then, on a device, marked ones. */
static fut_status measure(fut_engine *g, fut_feed *feed, const fut_bench_options *options, series *s, fut_bench_result *r)
{
    FUT_TRY(run_steps(g, feed, 0, options->warm_up, s, r));
    r->step = median(s->seconds, s->steps);
    r->fastest = s->seconds[0];
    r->slowest = s->seconds[s->steps - 1];
    if (!g->info.asynchronous) return FUT_OK;
    FUT_TRY(fut_engine_mark(g));
    FUT_TRY(fut_exposure_init(g, &r->exposure));
    FUT_TRY(run_steps(g, feed, options->warm_up + s->steps, 1, s, r));
    r->enqueued = median(s->seconds, s->steps);
    r->exposed_copy = median(s->copy, s->steps);
    r->exposed_reduce = median(s->reduce, s->steps);
    return FUT_OK;
}

static fut_status first_step(fut_engine *g, fut_feed *feed, double started, fut_bench_result *r)
{
    series none = {.steps = 0};
    FUT_TRY(run_steps(g, feed, 0, 1, &none, r));
    r->first = fut_clock_now() - started;
    return FUT_OK;
}

static fut_status decide_shards(const fut_config *config, const fut_comm *comm, int *shards_out)
{
    int64_t shards = fut_comm_size(comm);
    (void)fut_str_to_i64(config->train.shards, &shards);
    FUT_CHECK(shards >= fut_comm_size(comm) && shards <= FUT_SHARDS_MAX, FUT_ERR_CONFIG,
              "%lld shards on %d ranks: every rank needs a shard, and at most %d are supported", (long long)shards, fut_comm_size(comm),
              FUT_SHARDS_MAX);
    FUT_TRY(fut_config_check_shards(config, shards));
    *shards_out = (int)shards;
    return FUT_OK;
}

void fut_bench_result_fini(fut_bench_result *result)
{
    fut_exposure_fini(&result->exposure);
}

fut_status fut_bench_run(const fut_config *config, fut_comm *comm, const fut_bench_options *options, fut_bench_result *result_out)
{
    fut_status st = FUT_OK;
    double started = fut_clock_now();
    fut_engine_options engine_options = {.threads = (int)config->train.threads,
                                         .classes = (config->train.batch + PHOTOS_A_PERSON - 1) / PHOTOS_A_PERSON,
                                         .mean = {.5, .5, .5},
                                         .std = {.25, .25, .25}};
    int64_t photo = config->data.size * config->data.size * 3;
    fut_engine *g = NULL;
    fut_feed *feed = NULL;
    fut_str tuning = {0};
    noise n = {0};
    series s = {.steps = options->steps};
    *result_out = (fut_bench_result){0};
    FUT_TRY_GOTO(decide_shards(config, comm, &engine_options.shards), out);
    FUT_TRY_GOTO(fut_engine_create(config, comm, &engine_options, &g), out);
    FUT_TRY_GOTO(fut_engine_plan(g, &(fut_engine_sizes){.batch = {config->train.batch}, .batches = 1}, NULL, NULL, &tuning), out);
    FUT_TRY_GOTO(fut_net_init(g->net, (uint64_t)config->seed), out);
    FUT_TRY_GOTO(fut_optim_begin(g->optim, fut_net_params(g->net)), out);
    FUT_TRY_GOTO(noise_init(g, &n), out);
    FUT_TRY_GOTO(fut_feed_create(g->bk, g->device_comm, (fut_feed_source){next_noise, &n}, g->shards, config->train.batch, n.batch.images,
                                 photo, &feed),
                 out);
    FUT_TRY_GOTO(FUT_NEW_ARRAY(s.steps, &s.seconds), out);
    FUT_TRY_GOTO(FUT_NEW_ARRAY(s.steps, &s.copy), out);
    FUT_TRY_GOTO(FUT_NEW_ARRAY(s.steps, &s.reduce), out);
    FUT_TRY_GOTO(fut_engine_share_state(g), out);
    FUT_TRY_GOTO(fut_exposure_init(g, &result_out->exposure), out);
    FUT_TRY_GOTO(first_step(g, feed, started, result_out), out);
    FUT_TRY_GOTO(measure(g, feed, options, &s, result_out), out);
    describe(g, g->bytes_free_before, result_out);
out:
    fut_feed_destroy(&feed);
    noise_fini(&n);
    fut_engine_destroy(&g);
    fut_str_fini(&tuning);
    fut_mem_free(s.seconds);
    fut_mem_free(s.copy);
    fut_mem_free(s.reduce);
    return st;
}
