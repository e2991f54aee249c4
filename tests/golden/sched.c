/* Schedules against torch.optim.lr_scheduler (make_sched.py), epoch by epoch past t_max, and the warning about going past it. */
#include "core/sched/sched.h"
#include "core/base/yaml.h"
#include "tests/support/support.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define GOLDEN FUT_TEST_SOURCE_DIR "/tests/golden/sched/rates.txt"
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

static void rates_of_torch(void **state)
{
    (void)state;
    char type[32], text[128];
    double base, eta_min, want;
    int t_max, cases = 0;
    FILE *f = fopen(GOLDEN, "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "#%*[^\n]"), 0);
    for (; fscanf(f, " case %31s %lf %d %lf", type, &base, &t_max, &eta_min) == 4; cases++) {
        sched_config config = {0};
        if (strcmp(type, "cosine") == 0)
            snprintf(text, sizeof text, "scheduler: {type: cosine, t_max: %d, eta_min: %.17g}", t_max, eta_min);
        else
            snprintf(text, sizeof text, "scheduler: %s", type);
        configure(text, &config);
        for (int epoch = 0; epoch < EPOCHS; epoch++) {
            assert_int_equal(fscanf(f, "%lf", &want), 1);
            double got = fut_sched_lr(&config.scheduler, base, epoch);
            /* torch's recursion gathers rounding of the size of the base rate */
            if (!(fabs(got - want) <= 1e-13 * fmax(base, eta_min)))
                fail_msg("%s, base %g, epoch %d: %.17g, torch %.17g", text, base, epoch, got, want);
        }
        fut_opt_fini(table, &config);
    }
    assert_true(feof(f));
    assert_true(cases == 5);
    fclose(f);
}

static void warn(const char *text, int64_t epochs, const char *want)
{
    sched_config config = {0};
    fut_str got = {0};
    configure(text, &config);
    FUT_TEST_OK(fut_sched_warn(&config.scheduler, epochs, &got));
    assert_string_equal(fut_str_text(&got), want);
    fut_str_fini(&got);
    fut_opt_fini(table, &config);
}

static void warning_past_t_max(void **state)
{
    (void)state;
    warn("scheduler: {type: cosine, t_max: 50}", 50, "");
    warn("scheduler: {type: cosine, t_max: 50}", 51, ""); /* epochs 0..50: the last one has eta_min */
    warn("scheduler: {type: cosine, t_max: 50}", 52,
         "scheduler.t_max is 50 but the run has 52 epochs: after epoch 50 the learning rate rises again");
    warn("scheduler: constant", 1000000, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(rates_of_torch), cmocka_unit_test(warning_past_t_max)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
