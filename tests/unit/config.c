/* The configuration of a run: defaults, overrides, checks between fields, the lint, printing, failed allocations. */
#include "launch/config.h"

#include "core/base/mem.h"
#include "tests/support/support.h"

#include <stdio.h>
#include <string.h>

static void load(const char *const *sets, int n, fut_config **config_out)
{
    FUT_TEST_OK(fut_config_load(NULL, sets, n, config_out));
}

#define LOAD(config_out, ...)                                                                                                              \
    load((const char *const[]){"data.file=x.h5", __VA_ARGS__}, (int)(sizeof(const char *[]){"", __VA_ARGS__} / sizeof(char *)), config_out)
#define REFUSED(text, ...)                                                                                                                 \
    do {                                                                                                                                   \
        const char *const sets[] = {"data.file=x.h5", __VA_ARGS__};                                                                        \
        fut_config *refused = NULL;                                                                                                        \
        FUT_TEST_FAILS(fut_config_load(NULL, sets, (int)(sizeof sets / sizeof *sets), &refused), FUT_ERR_CONFIG, text);                    \
        assert_null(refused);                                                                                                              \
    } while (0)

static void defaults_are_the_articles(void **state)
{
    (void)state;
    fut_config *c = NULL;
    LOAD(&c, "seed=5");
    assert_string_equal(c->data.file, "x.h5");
    assert_int_equal(c->seed, 5);
    assert_int_equal(c->data.size, 224);
    assert_int_equal(c->data.normalize, FUT_NORMALIZE_IMAGENET);
    assert_string_equal(c->model.backbone, "tf_efficientnetv2_b0");
    assert_int_equal(c->model.embedding, 512);
    assert_int_equal(c->sampler.m, 4);
    assert_int_equal(c->sampler.length, 100000);
    assert_int_equal(c->train.batch, 32);
    assert_int_equal(c->train.epochs, 50);
    assert_true(c->train.save_every == 300);
    assert_string_equal(c->loss.choice->name, "contrastive");
    assert_string_equal(c->optimizer.choice->name, "adamw");
    assert_string_equal(c->scheduler.choice->name, "cosine");
    fut_config_destroy(&c);
    assert_null(c);
    fut_config_destroy(&c);
}

static void fields_are_checked_against_each_other(void **state)
{
    (void)state;
    fut_config *c = NULL;
    FUT_TEST_FAILS(fut_config_load(NULL, NULL, 0, &c), FUT_ERR_CONFIG, "data.file is missing");
    REFUSED("train.shards is '0'", "train.shards=0");
    REFUSED("train.shards is 'four'", "train.shards=four");
    REFUSED("train.batch 16 over 9 shards", "train.batch=16", "train.shards=9");
    REFUSED("sampler.batch_size 10 is not a multiple of sampler.m 4", "sampler.batch_size=10");
    REFUSED("sampler.batch_size 400 is larger than sampler.length 100", "sampler.batch_size=400", "sampler.length=100");
    REFUSED("did you mean batch", "train.bacth=3");
    REFUSED("train.batch", "train.batch=1");
    LOAD(&c, "train.batch=18", "train.shards=9");
    fut_config_destroy(&c);
}

static void a_file_is_named_in_its_errors(void **state)
{
    (void)state;
    fut_test_dir dir = {0};
    char path[FUT_TEST_PATH_MAX];
    fut_config *c = NULL;
    fut_test_dir_create(&dir);
    const char text[] = "data: {file: y.h5}\ntrain: {batch: 4, shards: 4}\n";
    fut_test_write_file(fut_test_dir_path(&dir, "c.yaml", path), text, sizeof text - 1);
    FUT_TEST_FAILS(fut_config_load(path, NULL, 0, &c), FUT_ERR_CONFIG, "c.yaml: train.batch 4 over 4 shards");
    const char *const larger[] = {"train.batch=64"};
    FUT_TEST_OK(fut_config_load(path, larger, 1, &c));
    assert_int_equal(c->train.batch, 64);
    assert_string_equal(c->data.file, "y.h5");
    fut_config_destroy(&c);
    FUT_TEST_FAILS(fut_config_load(fut_test_dir_path(&dir, "none.yaml", path), NULL, 0, &c), FUT_ERR_NO_INPUT, "none.yaml");
    fut_test_dir_remove(&dir);
}

static void lint_refuses_what_cannot_learn(void **state)
{
    (void)state;
    fut_config *c = NULL;
    const char *const allowed[] = {"something", "collapsed_minimum"};
    LOAD(&c, "loss.pos_margin=0.05", "loss.neg_margin=1");
    FUT_TEST_FAILS(fut_config_lint(c, NULL, 0), FUT_ERR_CONFIG, "--allow collapsed_minimum");
    FUT_TEST_FAILS(fut_config_lint(c, allowed, 1), FUT_ERR_CONFIG, "cannot learn");
    FUT_TEST_OK(fut_config_lint(c, allowed, 2));
    fut_config_destroy(&c);
    LOAD(&c, "loss.pos_margin=1", "loss.neg_margin=0.05");
    FUT_TEST_OK(fut_config_lint(c, NULL, 0));
    fut_config_destroy(&c);
}

/* Settings, as --set gives them; what --allow takes (NULL: they pass), and a piece of the proof. */
static void lint_takes_two_sections(void **state)
{
    (void)state;
    static const struct {
        const char *set[3], *name, *proof;
    } cases[] = {
        {{"sampler.m=1", "sampler.batch_size=64", "train.batch=32"}, "no_positives", "never has two photos of one person"},
        {{"sampler.m=1", "sampler.batch_size=64", "train.batch=48"}, NULL, NULL},
        {{"sampler.m=1", "sampler.batch_size=0", "train.batch=32"}, NULL, NULL},
        {{"sampler.m=8", "train.batch=4", "seed=1"}, "one_identity", "a batch of 4 photos with sampler.m 8 is of one person alone"},
        {{"sampler.m=8", "train.batch=6", "seed=1"}, NULL, NULL},
        {{"optimizer=schedule_free_adamw", "update.ema=0.9", "scheduler=constant"}, "two_averages", "would be kept and never looked at"},
        {{"optimizer=adamw", "update.ema=0.9", "seed=1"}, NULL, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fut_config *c = NULL;
        LOAD(&c, cases[i].set[0], cases[i].set[1], cases[i].set[2]);
        if (cases[i].name == NULL) {
            FUT_TEST_OK(fut_config_lint(c, NULL, 0));
        } else {
            FUT_TEST_FAILS(fut_config_lint(c, NULL, 0), FUT_ERR_CONFIG, cases[i].proof);
            FUT_TEST_OK(fut_config_lint(c, &cases[i].name, 1));
        }
        fut_config_destroy(&c);
    }
}

/* A later --set never silently undoes an earlier one; names are checked before anything is opened. */
static void settings_are_not_lost(void **state)
{
    (void)state;
    fut_config *c = NULL;
    REFUSED("--set \"optimizer=sgd\" would undo the --set of its 'lr'", "optimizer.lr=0.5", "optimizer=sgd");
    LOAD(&c, "optimizer=sgd", "optimizer.lr=0.5", "optimizer.lr=0.25");
    assert_string_equal(c->optimizer.choice->name, "sgd");
    assert_true(*(const double *)c->optimizer.config == 0.25);
    fut_config_destroy(&c);
    LOAD(&c, "optimizer.type=sgd", "optimizer.lr=0.5");
    fut_config_destroy(&c);
    REFUSED("no backend is called 'cuad'; did you mean 'cuda'?", "backend=cuad");
    REFUSED("no backend is called 'opencl'; there are ref, cpu, cuda, and auto takes the best one here", "backend=opencl");
    REFUSED("there is no backbone \"resnet19\"; did you mean resnet18?", "model.backbone=resnet19");
    REFUSED("there is no backbone \"vgg\"; there are ", "model.backbone=vgg");
}

/* What `config show` prints is a configuration with the same values. */
static void printed_configuration_loads_again(void **state)
{
    (void)state;
    fut_test_dir dir = {0};
    char path[FUT_TEST_PATH_MAX];
    fut_config *c = NULL;
    fut_config *again = NULL;
    fut_str printed = {0};
    fut_str reprinted = {0};
    fut_test_dir_create(&dir);
    LOAD(&c, "run=\"runs/a: b #c\"", "optimizer.lr=1.25e-7", "train.save_every=90 s", "data.augment=[flip]", "seed=4294967295",
         "eval.best=auc");
    FUT_TEST_OK(fut_config_print(c, &printed));
    fut_test_write_file(fut_test_dir_path(&dir, "c.yaml", path), printed.data, printed.length);
    FUT_TEST_OK(fut_config_load(path, NULL, 0, &again));
    FUT_TEST_OK(fut_config_print(again, &reprinted));
    assert_string_equal(fut_str_text(&reprinted), fut_str_text(&printed));
    assert_string_equal(again->run, "runs/a: b #c");
    assert_true(again->train.save_every == 90);
    assert_int_equal(again->eval.best, FUT_BEST_AUC);
    fut_str_fini(&printed);
    fut_str_fini(&reprinted);
    fut_config_destroy(&c);
    fut_config_destroy(&again);
    fut_test_dir_remove(&dir);
}

static void normalization_follows_the_choice(void **state)
{
    (void)state;
    const double data_mean[3] = {.1, .2, .3};
    const double data_std[3] = {.4, .5, .6};
    const char *const names[] = {"data.normalize=imagenet", "data.normalize=half", "data.normalize=dataset"};
    const double want_mean[] = {.485, .5, .1};
    const double want_std[] = {.229, .5, .4};
    for (int i = 0; i < 3; i++) {
        fut_config *c = NULL;
        double mean[3];
        double std[3];
        LOAD(&c, names[i]);
        fut_config_normalization(c, data_mean, data_std, mean, std);
        assert_true(mean[0] == want_mean[i] && std[0] == want_std[i]);
        fut_config_destroy(&c);
    }
}

static void survives_any_failed_allocation(void **state)
{
    (void)state;
    fut_test_dir dir = {0};
    char path[FUT_TEST_PATH_MAX];
    fut_test_dir_create(&dir);
    const char text[] = "data: {file: y.h5, augment: [flip]}\nloss: {type: contrastive, pos_margin: 1}\ntrain: {batch: 8}\n";
    const char *const sets[] = {"optimizer.lr=1e-3"};
    fut_test_write_file(fut_test_dir_path(&dir, "c.yaml", path), text, sizeof text - 1);
    int64_t held = fut_mem_bytes();
    fut_status st = FUT_ERR_NO_MEMORY;
    int64_t n = 0;
    while (st != FUT_OK) {
        fut_config *c = NULL;
        fut_mem_fail_after(++n);
        st = fut_config_load(path, sets, 1, &c);
        fut_mem_fail_after(0);
        fut_config_destroy(&c);
        assert_int_equal(fut_mem_bytes(), held);
        if (st != FUT_OK) assert_int_equal(st, FUT_ERR_NO_MEMORY);
        fut_trail_clear();
        assert_true(n < 10000);
    }
    assert_true(n > 10);
    fut_test_dir_remove(&dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_the_articles),         cmocka_unit_test(fields_are_checked_against_each_other),
        cmocka_unit_test(a_file_is_named_in_its_errors),     cmocka_unit_test(lint_refuses_what_cannot_learn),
        cmocka_unit_test(lint_takes_two_sections),           cmocka_unit_test(settings_are_not_lost),
        cmocka_unit_test(printed_configuration_loads_again), cmocka_unit_test(normalization_follows_the_choice),
        cmocka_unit_test(survives_any_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
