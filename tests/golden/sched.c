/* Schedules against torch.optim.lr_scheduler (make_sched.py), epoch by epoch and past their ends, and what is warned of. */
#include "core/sched/sched.h"
#include "core/base/yaml.h"
#include "tests/support/support.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define FOLDER FUT_TEST_SOURCE_DIR "/tests/golden/sched/"
enum { EPOCHS = 105 };

typedef struct sched_config {
    fut_opt_variant scheduler;
} sched_config;

static const fut_opt table[] = {FUT_OPT_VARIANT(sched_config, scheduler, "cosine", fut_sched_choices, ""), FUT_OPT_END};

static void configure(const char *text, sched_config *config)
{
    fut_yaml_node *root = NULL;
    FUT_TEST_OK(fut_opt_defaults(table, config));
    FUT_TEST_OK(fut_yaml_parse_text("case", text, strlen(text), &root));
    FUT_TEST_OK(fut_opt_load(table, config, root));
    fut_yaml_destroy(&root);
}

static FILE *open_golden(const char *name)
{
    char path[1024];
    snprintf(path, sizeof path, FOLDER "%s", name);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "#%*[^\n]"), 0);
    return f;
}

static void check_rate(const char *text, double base, int64_t epoch, double got, double want)
{
    /* torch's recursions gather rounding of the size of the base rate */
    if (!(fabs(got - want) <= 1e-13 * base))
        fail_msg("%s, base %g, epoch %lld: %.17g, torch %.17g", text, base, (long long)epoch, got, want);
}

static void rates_of_torch(void **state)
{
    (void)state;
    static const fut_sched_state none = {0};
    char text[256], per_step[300];
    double base, want;
    int cases = 0;
    FILE *f = open_golden("rates.txt");
    for (; fscanf(f, " case %lf %255[^\n]", &base, text) == 2; cases++) {
        sched_config config = {0}, steps = {0};
        configure(text, &config);
        snprintf(per_step, sizeof per_step, "%.*s, per: step}", (int)strlen(text) - 1, text);
        configure(per_step, &steps);
        for (int epoch = 0; epoch < EPOCHS; epoch++) {
            assert_int_equal(fscanf(f, "%lf", &want), 1);
            double got = fut_sched_lr(&config.scheduler, base, (fut_sched_place){.epoch = epoch, .step = 7 * epoch}, &none);
            check_rate(text, strstr(text, "eta_min: 0.001") != NULL ? 1e-3 : base, epoch, got, want);
            /* counting steps is the same function of another count */
            assert_true(fut_sched_lr(&steps.scheduler, base, (fut_sched_place){.epoch = 1000, .step = epoch}, &none) == got);
        }
        fut_opt_fini(table, &config);
        fut_opt_fini(table, &steps);
    }
    assert_true(feof(f));
    assert_int_equal(cases, 15);
    fclose(f);
}

static void plateaus_of_torch(void **state)
{
    (void)state;
    char text[256];
    double base, want, value;
    int cases = 0, epochs, falls = 0;
    FILE *f = open_golden("plateau.txt");
    for (; fscanf(f, " case %lf %d %255[^\n]", &base, &epochs, text) == 3; cases++) {
        sched_config config = {0};
        fut_sched_state memory = {0};
        double before = base;
        configure(text, &config);
        assert_int_equal(fut_sched_monitors(&config.scheduler), strstr(text, "loss")  ? FUT_MONITOR_LOSS
                                                                : strstr(text, "eer") ? FUT_MONITOR_EER
                                                                                      : FUT_MONITOR_AUC);
        for (int epoch = 0; epoch < epochs; epoch++) {
            fut_sched_place place = {.epoch = epoch, .step = epoch};
            assert_int_equal(fscanf(f, "%lf %lf", &want, &value), 2);
            double got = fut_sched_lr(&config.scheduler, base, place, &memory);
            check_rate(text, base, epoch, got, want);
            falls += got < before;
            before = got;
            fut_sched_observe(&config.scheduler, base, place, value, &memory);
        }
        fut_opt_fini(table, &config);
    }
    assert_true(feof(f));
    assert_int_equal(cases, 6);
    assert_true(falls > 20);
    fclose(f);
}

/* What is seen while warming up does not count, and the rate is not the plateau's yet. */
static void plateau_waits_for_the_warm_up(void **state)
{
    (void)state;
    sched_config config = {0};
    fut_sched_state memory = {0};
    configure("scheduler: {type: plateau, patience: 0, warmup: 4, warmup_from: 0.5}", &config);
    for (int epoch = 0; epoch < 4; epoch++) {
        fut_sched_place place = {.epoch = epoch};
        check_rate("warm-up", 1, epoch, fut_sched_lr(&config.scheduler, 1, place, &memory), .5 + .125 * epoch);
        fut_sched_observe(&config.scheduler, 1, place, 1, &memory);
        assert_int_equal(memory.seen, 0);
    }
    for (int epoch = 4; epoch < 6; epoch++)
        fut_sched_observe(&config.scheduler, 1, (fut_sched_place){.epoch = epoch}, 1, &memory);
    check_rate("after two equal values", 1, 6, fut_sched_lr(&config.scheduler, 1, (fut_sched_place){.epoch = 6}, &memory), .1);
    fut_opt_fini(table, &config);
}

/* Values before and after cannot be compared: any is the best at first, and a rate that fell stays there. */
static void plateau_forgets_its_best(void **state)
{
    (void)state;
    static const char *const watches[] = {"loss", "auc"};
    for (int i = 0; i < 2; i++) {
        sched_config config = {0};
        fut_sched_state memory = {0};
        char text[128];
        bool more = i == 1;
        (void)snprintf(text, sizeof text, "scheduler: {type: plateau, patience: 0, monitor: %s}", watches[i]);
        configure(text, &config);
        for (int epoch = 0; epoch < 2; epoch++)
            fut_sched_observe(&config.scheduler, 1, (fut_sched_place){.epoch = epoch}, .5, &memory);
        fut_sched_forget_best(&config.scheduler, &memory);
        fut_sched_observe(&config.scheduler, 1, (fut_sched_place){.epoch = 2}, more ? .1 : 7, &memory);
        check_rate(text, 1, 3, fut_sched_lr(&config.scheduler, 1, (fut_sched_place){.epoch = 3}, &memory), .1);
        assert_true(memory.best == (more ? .1 : 7));
        fut_opt_fini(table, &config);
    }
}

static void warn_run(const char *text, fut_sched_run run, const char *want)
{
    sched_config config = {0};
    fut_str got = {0};
    configure(text, &config);
    FUT_TEST_OK(fut_sched_warn(&config.scheduler, &run, &got));
    if (want[0] == '\0') assert_string_equal(fut_str_text(&got), "");
    if (strstr(fut_str_text(&got), want) == NULL) fail_msg("%s: '%s' does not say '%s'", text, fut_str_text(&got), want);
    fut_str_fini(&got);
    fut_opt_fini(table, &config);
}

static void warn(const char *text, int64_t epochs, const char *want)
{
    warn_run(text, (fut_sched_run){.epochs = epochs, .evaluations = epochs}, want);
}

static void warnings(void **state)
{
    (void)state;
    warn("scheduler: {type: cosine, t_max: 50}", 50, "");
    warn("scheduler: {type: cosine, t_max: 50}", 51, ""); /* epochs 0..50: the last one has eta_min */
    warn("scheduler: {type: cosine, t_max: 50}", 52,
         "scheduler.t_max is 50 but the run has 52 epochs: after epoch 50 the learning rate rises again");
    warn("scheduler: {type: cosine, t_max: 50, warmup: 10}", 62, "62 epochs: after epoch 60 the learning rate rises again");
    warn("scheduler: {type: cosine, t_max: 50}", 24, "it ends with the learning rate still high");
    warn("scheduler: {type: cosine, t_max: 50}", 1, "but the run has 1 epoch: it ends");
    warn("scheduler: {type: cosine, t_max: 50, per: step}", 1000, ""); /* how many steps that is is not known */
    warn_run("scheduler: {type: cosine, t_max: 50, per: step}", (fut_sched_run){.steps = 1000}, "has 1000 steps: after step 50");
    warn("scheduler: constant", 1000000, "");
    warn("scheduler: {type: constant, warmup: 10}", 10, "it ends before the schedule begins");
    warn("scheduler: {type: step, step_size: 10}", 30, "");
    warn("scheduler: {type: step, step_size: 30}", 30, "never falls");
    warn("scheduler: {type: step, step_size: 2}", 30, "fall 15 times");
    warn("scheduler: {type: multi_step, milestones: [10, 20]}", 21, "");
    warn("scheduler: {type: multi_step, milestones: [10, 20]}", 20, "never gets there");
    warn("scheduler: {type: exponential, gamma: 0.9}", 20, "");
    warn("scheduler: {type: exponential, gamma: 0.5}", 20, "most of the run learns nothing");
    warn("scheduler: {type: exponential, gamma: 0.999}", 20, "longer than the run");
    warn("scheduler: {type: polynomial, total_iters: 20}", 20, "");
    warn("scheduler: {type: polynomial, total_iters: 20}", 21, "after epoch 20 the learning rate is 0");
    warn("scheduler: {type: polynomial, total_iters: 20}", 9, "still high");
    warn("scheduler: {type: plateau, patience: 3}", 5, "");
    warn("scheduler: {type: plateau, patience: 3}", 4, "never falls");
    warn_run("scheduler: plateau", (fut_sched_run){.epochs = 50}, "eval.every is 0");
}

static void refuse(const char *text, const char *why)
{
    sched_config config = {0};
    fut_yaml_node *root = NULL;
    FUT_TEST_OK(fut_opt_defaults(table, &config));
    FUT_TEST_OK(fut_yaml_parse_text("case", text, strlen(text), &root));
    FUT_TEST_FAILS(fut_opt_load(table, &config, root), FUT_ERR_CONFIG, why);
    fut_yaml_destroy(&root);
    fut_opt_fini(table, &config);
}

static void options_out_of_range(void **state)
{
    (void)state;
    refuse("scheduler: {type: step, step_size: 0}", "step_size");
    refuse("scheduler: {type: step, gamma: 0}", "gamma");
    refuse("scheduler: {type: multi_step, milestones: [0]}", "milestones");
    refuse("scheduler: {type: exponential, gamma: 1.5}", "gamma");
    refuse("scheduler: {type: polynomial, total_iters: 0}", "total_iters");
    refuse("scheduler: {type: plateau, factor: 1}", "factor");
    refuse("scheduler: {type: plateau, monitor: accuracy}", "monitor");
    refuse("scheduler: {type: cosine, warmup: -1}", "warmup");
    refuse("scheduler: {type: constant, warmup_from: 2}", "warmup_from");
    refuse("scheduler: {type: constant, per: batch}", "per");
    refuse("scheduler: {type: poly}", "polynomial");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rates_of_torch),           cmocka_unit_test(plateaus_of_torch), cmocka_unit_test(plateau_waits_for_the_warm_up),
        cmocka_unit_test(plateau_forgets_its_best), cmocka_unit_test(warnings),          cmocka_unit_test(options_out_of_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
