/* Every optimizer with every schedule, by the registries: a run that goes on from a checkpoint in the middle of an epoch ends with the same
 * last checkpoint as the undisturbed run: parameters, statistics, what is exported, the optimizer's and the schedule's memory. */
#include "core/base/mem.h"
#include "core/optim/optim.h"
#include "core/sched/sched.h"
#include "launch/model.h"
#include "launch/run_folder.h"
#include "launch/trainer.h"
#include "launch/update.h"
#include "tests/support/support.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { SAVED = 5, LAST = 12, SETS_MAX = 32, TEXT_MAX = FUT_TEST_PATH_MAX + 64 };

typedef struct trial {
    fut_test_dir dir;
    char file[FUT_TEST_PATH_MAX], run[FUT_TEST_PATH_MAX];
    const char *optimizer, *scheduler;
    bool ema;
} trial;

static fut_config *load_config(const trial *t)
{
    static const char *const fixed[] = {
        "data.size=16",      "model.backbone=tiny",  "model.embedding=8",     "train.batch=8",           "train.shards=2",
        "train.threads=1",   "train.epochs=3",       "train.save_steps=5",    "train.keep=100",          "train.log_every=12",
        "sampler.length=32", "sampler.m=2",          "data.augment=[flip]",   "scheduler.per=step",      "scheduler.warmup=2",
        "eval.every=1",      "update.clip_norm=0.5", "update.backbone_lr=.5", "update.frozen=conv_stem", "update.weight_decay=weights"};
    char text[6][TEXT_MAX];
    const char *sets[SETS_MAX];
    int count = 0;
    fut_config *config = NULL;
    snprintf(text[0], TEXT_MAX, "data.file=%s", t->file);
    snprintf(text[1], TEXT_MAX, "run=%s", t->run);
    snprintf(text[2], TEXT_MAX, "backend=%s", fut_test_backend("cpu"));
    snprintf(text[3], TEXT_MAX, "optimizer={type: %s, weight_decay: 0.01}", t->optimizer);
    snprintf(text[4], TEXT_MAX, "scheduler.type=%s", t->scheduler);
    snprintf(text[5], TEXT_MAX, "update.ema=%g", t->ema ? .9 : 0);
    for (int i = 0; i < 6; i++)
        sets[count++] = text[i];
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        sets[count++] = fixed[i];
    if (strcmp(t->scheduler, "plateau") == 0) { /* every evaluation lets the rate fall */
        sets[count++] = "scheduler.patience=0";
        sets[count++] = "scheduler.threshold=100";
        sets[count++] = "scheduler.factor=0.5";
    }
    FUT_TEST_OK(fut_config_load(NULL, sets, count, &config));
    return config;
}

static void train(const trial *t)
{
    fut_config *config = load_config(t);
    fut_comm *comm = NULL;
    FUT_TEST_OK(fut_comm_create_self(&comm));
    FUT_TEST_OK(fut_train(config, comm, 0));
    fut_comm_destroy(&comm);
    fut_config_destroy(&config);
}

/* What a checkpoint holds. */
typedef struct memory {
    fut_progress progress;
    fut_step_control control;
    fut_str packs; /* parameters and statistics as exported, as trained, slots */
} memory;

static void append_device(memory *m, fut_backend *bk, const void *device, int64_t count)
{
    float *host = NULL;
    FUT_TEST_OK(FUT_NEW_ARRAY(count, &host));
    FUT_TEST_OK(bk->download(bk, host, device, (size_t)count * sizeof *host, NULL));
    FUT_TEST_OK(fut_str_append(&m->packs, (const char *)host, (size_t)count * sizeof *host));
    fut_mem_free(host);
}

static void read_last(const trial *t, memory *m)
{
    static const double mean[3] = {0}, std[3] = {1, 1, 1};
    fut_str path = {0};
    fut_checkpoint_meta meta = {0};
    fut_config *config = load_config(t);
    fut_backend *bk = NULL;
    fut_net *net = NULL;
    fut_optim *optim = NULL;
    snprintf(config->backend, sizeof config->backend, "ref");
    FUT_TEST_OK(fut_model_create(config, &(fut_model_place){.threads = 1}, mean, std, NULL, &bk, &net));
    FUT_TEST_OK(fut_optim_create(bk, &config->optimizer, FUT_F32, fut_net_param_count(net), &optim));
    FUT_TEST_OK(fut_update_arrange(config, net, optim));
    FUT_TEST_OK(fut_run_checkpoint_path(t->run, LAST, &path));
    FUT_TEST_OK(fut_checkpoint_read_meta(fut_str_text(&path), &meta, &m->progress));
    for (int trained = 0; trained < 2; trained++) {
        FUT_TEST_OK(fut_checkpoint_read(fut_str_text(&path), net, trained ? optim : NULL, NULL));
        append_device(m, bk, fut_net_params(net), fut_net_param_count(net));
        append_device(m, bk, fut_net_stats(net), fut_net_stat_count(net));
    }
    for (int i = 0; i < optim->slots; i++)
        append_device(m, bk, optim->slot[i], optim->count);
    FUT_TEST_OK(fut_optim_get_control(optim, &m->control));
    fut_optim_destroy(&optim);
    fut_net_destroy(&net);
    fut_backend_destroy(&bk);
    fut_config_destroy(&config);
    fut_checkpoint_meta_fini(&meta);
    fut_str_fini(&path);
}

/* As if the run had died after it had saved step SAVED. */
static void go_back(const trial *t)
{
    fut_str path = {0};
    int64_t *steps = NULL, count = 0;
    bool has_saved = false;
    FUT_TEST_OK(fut_run_list_checkpoints(t->run, &steps, &count));
    for (int64_t i = 0; i < count; i++) {
        has_saved = has_saved || steps[i] == SAVED;
        path.length = 0;
        FUT_TEST_OK(fut_run_checkpoint_path(t->run, steps[i], &path));
        if (steps[i] > SAVED) assert_int_equal(unlink(fut_str_text(&path)), 0);
    }
    assert_true(has_saved);
    fut_mem_free(steps);
    fut_str_fini(&path);
}

static bool same(const memory *a, const memory *b)
{
    return memcmp(&a->progress, &b->progress, sizeof a->progress) == 0 && memcmp(&a->control, &b->control, sizeof a->control) == 0 &&
           a->packs.length == b->packs.length && memcmp(a->packs.data, b->packs.data, a->packs.length) == 0;
}

static void check(trial *t)
{
    memory whole = {0}, resumed = {0};
    char name[128];
    snprintf(name, sizeof name, "%s-%s", t->optimizer, t->scheduler);
    fut_test_dir_path(&t->dir, name, t->run);
    train(t);
    read_last(t, &whole);
    go_back(t);
    train(t);
    read_last(t, &resumed);
    assert_true(whole.control.steps == LAST && whole.progress.step == LAST);
    assert_int_equal(whole.progress.schedule.seen, strcmp(t->scheduler, "plateau") == 0 ? 3 : 0);
    if (!same(&whole, &resumed))
        fail_msg("%s with %s%s: a run resumed at step %d ends otherwise than the undisturbed one", t->optimizer, t->scheduler,
                 t->ema ? " and ema" : "", SAVED);
    fut_str_fini(&whole.packs);
    fut_str_fini(&resumed.packs);
}

/* On a device that takes its time, each optimizer and each schedule once. */
static void every_optimizer_with_every_schedule(void **state)
{
    (void)state;
    bool all = strcmp(fut_test_backend("cpu"), "cpu") == 0;
    int schedules = 0;
    trial t = {0};
    while (fut_sched_choices[schedules] != NULL)
        schedules++;
    fut_test_dir_create(&t.dir);
    fut_test_dir_path(&t.dir, "faces.h5", t.file);
    fut_test_make_dataset(t.file, 20, 4, 16);
    for (int o = 0; fut_optim_choices[o] != NULL; o++)
        for (int s = 0; s < schedules; s++) {
            if (!all && s != o % schedules) continue;
            const fut_optim_type *type = fut_optim_choices[o]->payload;
            t.optimizer = fut_optim_choices[o]->name;
            t.scheduler = fut_sched_choices[s]->name;
            t.ema = type->average == NULL && s % 2 == 1;
            check(&t);
        }
    fut_test_dir_remove(&t.dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_optimizer_with_every_schedule)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
