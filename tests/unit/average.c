/* The average in the network's place: it comes with the statistics that its own parameters have on the training photos, and goes without a
 * trace. */
#include "launch/average.h"

#include "core/base/mem.h"
#include "data/loader.h"
#include "tests/support/support.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { PHOTOS = 64, SIZE = 16, PHOTO = SIZE * SIZE * 3, EMBEDDING = 8 };

typedef struct trial {
    fut_test_dir dir;
    fut_config *config;
    fut_comm *comm;
    fut_dataset *dataset;
    fut_engine *engine;
    fut_average *average;
    int64_t params, stats;
} trial;

static void begin(trial *t, const char *const *more, int count)
{
    char file[FUT_TEST_PATH_MAX], text[2][FUT_TEST_PATH_MAX + 32];
    const char *sets[16] = {text[0],          text[1],          "data.size=16", "model.backbone=tiny", "model.embedding=8",
                            "train.batch=64", "train.threads=1"};
    fut_str tuning = {0};
    fut_engine_options options = {.shards = 1, .threads = 1, .std = {1, 1, 1}};
    *t = (trial){.config = NULL};
    fut_test_dir_create(&t->dir);
    fut_test_make_dataset(fut_test_dir_path(&t->dir, "faces.h5", file), 20, 4, SIZE); /* 16 people to train on */
    snprintf(text[0], sizeof text[0], "data.file=%s", file);
    snprintf(text[1], sizeof text[1], "backend=%s", fut_test_backend("cpu"));
    memcpy(sets + 7, more, (size_t)count * sizeof *more);
    FUT_TEST_OK(fut_config_load(NULL, sets, 7 + count, &t->config));
    FUT_TEST_OK(fut_comm_create_self(&t->comm));
    FUT_TEST_OK(fut_dataset_open(file, &t->dataset));
    FUT_TEST_OK(fut_engine_create(t->config, t->comm, &options, &t->engine));
    fut_engine_sizes sizes = {.batch = {t->config->train.batch}, .batches = 1};
    FUT_TEST_OK(fut_engine_plan(t->engine, &sizes, NULL, NULL, &tuning));
    FUT_TEST_OK(fut_net_init(t->engine->net, 1));
    FUT_TEST_OK(fut_optim_begin(t->engine->optim, fut_net_params(t->engine->net)));
    FUT_TEST_OK(fut_average_create(t->engine, t->dataset, &t->average));
    t->params = fut_net_param_count(t->engine->net);
    t->stats = fut_net_stat_count(t->engine->net);
    fut_str_fini(&tuning);
}

static void end(trial *t)
{
    fut_average_destroy(&t->average);
    fut_engine_destroy(&t->engine);
    fut_dataset_close(&t->dataset);
    fut_comm_destroy(&t->comm);
    fut_config_destroy(&t->config);
    fut_test_dir_remove(&t->dir);
}

/* On the host; the caller frees. */
static float *fetch(const trial *t, const void *device, int64_t count)
{
    fut_backend *bk = t->engine->bk;
    float *host = NULL;
    FUT_TEST_OK(FUT_NEW_ARRAY(count, &host));
    FUT_TEST_OK(bk->download(bk, host, device, (size_t)count * sizeof *host, NULL));
    FUT_TEST_OK(bk->sync(bk, NULL));
    return host;
}

/* The statistics of all training photos as one batch, from the leaf of a training step. */
static float *statistics_of_a_step(const trial *t)
{
    fut_engine *g = t->engine;
    fut_backend *bk = g->bk;
    int64_t n = 0;
    const int64_t *part = fut_dataset_get_part(t->dataset, FUT_PART_TRAIN, &n);
    fut_loader_config config = {.threads = 1, .depth = 1, .max_images = PHOTOS, .height = SIZE, .width = SIZE};
    fut_loader *loader = NULL;
    fut_loader_batch batch;
    void *rgb = NULL, *embeddings = NULL, *leaf = NULL;
    assert_int_equal(n, PHOTOS);
    FUT_TEST_OK(fut_loader_create(t->dataset, &config, &loader));
    FUT_TEST_OK(fut_loader_submit(loader, &(fut_loader_request){.n = n, .image = part}));
    FUT_TEST_OK(fut_loader_wait(loader, 0, &batch));
    FUT_TEST_OK(bk->alloc(bk, PHOTOS * PHOTO, &rgb));
    FUT_TEST_OK(bk->alloc(bk, PHOTOS * EMBEDDING * sizeof(float), &embeddings));
    FUT_TEST_OK(bk->alloc(bk, (size_t)(t->params + t->stats) * sizeof(float), &leaf));
    FUT_TEST_OK(bk->upload(bk, rgb, batch.rgb, PHOTOS * PHOTO, NULL));
    FUT_TEST_OK(fut_net_forward(g->net, 0, n, rgb, embeddings));
    FUT_TEST_OK(fut_net_backward(g->net, 0, n, embeddings, leaf, NULL));
    float *stats = fetch(t, (float *)leaf + t->params, t->stats);
    bk->free(bk, rgb);
    bk->free(bk, embeddings);
    bk->free(bk, leaf);
    fut_loader_release(loader);
    fut_loader_destroy(&loader);
    return stats;
}

/* Parameters of y and z that differ, so that x is neither. */
static void walk_on(const trial *t)
{
    fut_engine *g = t->engine;
    fut_backend *bk = g->bk;
    void *y = fut_net_params(g->net), *gradient = NULL;
    double lr = .1;
    void *device_lr = NULL;
    float *host = fetch(t, y, t->params);
    for (int64_t i = 0; i < t->params; i++)
        host[i] = .01f * (float)(i % 7 - 3);
    FUT_TEST_OK(bk->alloc(bk, (size_t)t->params * sizeof(float), &gradient));
    FUT_TEST_OK(bk->alloc(bk, sizeof lr, &device_lr));
    FUT_TEST_OK(bk->upload(bk, device_lr, &lr, sizeof lr, NULL));
    for (int n = 0; n < 3; n++) {
        FUT_TEST_OK(bk->upload(bk, gradient, host, (size_t)t->params * sizeof(float), NULL));
        FUT_TEST_OK(fut_optim_check(g->optim, gradient, NULL, 0));
        FUT_TEST_OK(fut_optim_step(g->optim, device_lr, y, gradient));
    }
    FUT_TEST_OK(bk->sync(bk, NULL));
    fut_net_params_changed(g->net);
    bk->free(bk, gradient);
    bk->free(bk, device_lr);
    fut_mem_free(host);
}

static void check_average(const char *const *more, int count)
{
    trial t;
    begin(&t, more, count);
    fut_net *net = t.engine->net;
    walk_on(&t);
    float *trained = fetch(&t, fut_net_params(net), t.params), *running = fetch(&t, fut_net_stats(net), t.stats);
    assert_null(fut_average_held(t.average));
    FUT_TEST_OK(fut_average_enter(t.average));
    FUT_TEST_OK(fut_average_enter(t.average)); /* nothing to do */
    assert_non_null(fut_average_held(t.average));
    float *x = fetch(&t, fut_net_params(net), t.params), *estimated = fetch(&t, fut_net_stats(net), t.stats);
    float *held = fetch(&t, fut_average_held(t.average)->params, t.params), *want = statistics_of_a_step(&t);
    assert_memory_equal(held, trained, (size_t)t.params * sizeof(float));
    assert_memory_not_equal(x, trained, (size_t)t.params * sizeof(float));
    for (int64_t i = 0; i < t.stats; i++)
        if (!(fabsf(estimated[i] - want[i]) <= 1e-4f * fmaxf(1, fabsf(want[i]))))
            fail_msg("statistic %lld is %g, a step over the same photos has %g", (long long)i, (double)estimated[i], (double)want[i]);
    assert_memory_not_equal(estimated, running, (size_t)t.stats * sizeof(float));
    FUT_TEST_OK(fut_average_leave(t.average));
    float *params_after = fetch(&t, fut_net_params(net), t.params), *stats_after = fetch(&t, fut_net_stats(net), t.stats);
    assert_memory_equal(params_after, trained, (size_t)t.params * sizeof(float));
    assert_memory_equal(stats_after, running, (size_t)t.stats * sizeof(float));
    float *all[] = {trained, running, x, estimated, held, want, params_after, stats_after};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        fut_mem_free(all[i]);
    end(&t);
}

static void schedule_free(void **state)
{
    (void)state;
    check_average((const char *[]){"optimizer=schedule_free_sgd"}, 1);
    check_average((const char *[]){"optimizer=schedule_free_adamw"}, 1);
}

static void moving_average(void **state)
{
    (void)state;
    check_average((const char *[]){"optimizer=sgd", "update.ema=0.5"}, 2);
}

static void none_where_what_is_trained_is_evaluated(void **state)
{
    (void)state;
    trial t;
    begin(&t, (const char *[]){"optimizer=ranger", "update.ema=0.5", "update.evaluate=weights"}, 3);
    assert_null(t.average);
    FUT_TEST_OK(fut_average_enter(t.average));
    assert_null(fut_average_held(t.average));
    FUT_TEST_OK(fut_average_leave(t.average));
    end(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(schedule_free), cmocka_unit_test(moving_average),
                                       cmocka_unit_test(none_where_what_is_trained_is_evaluated)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
