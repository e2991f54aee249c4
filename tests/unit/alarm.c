/* Alarms: raised by what has gone wrong for some lines, once an episode, and by nothing else. */
#include "launch/alarm.h"

#include "tests/support/support.h"

#include <math.h>
#include <string.h>

/* A line of a run that learns. */
static fut_step_result healthy(void)
{
    return (fut_step_result){
        .step = 10,
        .steps = 1000,
        .epochs = 10,
        .lr = 1e-3,
        .gradient_norm = 1,
        .loss = {.loss = 0.5, .active_pos = 10, .active_neg = 20, .count_pos = 48, .count_neg = 192},
        .looked = true,
        .vitals = {.health = {.positive = {.n = 24, .mean = 0.5, .std = 0.1},
                              .negative = {.n = 96, .mean = 0.1, .std = 0.2},
                              .norm = {.n = 16, .mean = 3, .std = 0.1},
                              .effective_rank = 6},
                   .update_ratio = 1e-3},
    };
}

/* Lines alike; returns the alarm raised, FUT_ALARMS where there is none, and the line in *line_out. There must not be two. */
static fut_alarm look(fut_alarms *alarms, const fut_step_result *r, double active, int lines, int *line_out, fut_alarm_message *m)
{
    fut_alarm found = FUT_ALARMS;
    for (int i = 1; i <= lines; i++) {
        fut_alarm_message raised[FUT_ALARMS];
        int count = fut_alarms_look(alarms, r, active, raised);
        if (count == 0) continue;
        if (count > 1 || found != FUT_ALARMS) fail_msg("a second alarm: %s", raised[0].text);
        assert_null(strpbrk(raised[0].text, "\"\\\n"));
        found = raised[0].alarm;
        *line_out = i;
        *m = raised[0];
    }
    return found;
}

static void check(const fut_step_result *r, double active, fut_alarm want, int at_line, const char *text)
{
    fut_alarms alarms = {0};
    fut_alarm_message m = {0};
    fut_step_result good = healthy();
    int line = 0;
    assert_int_equal(look(&alarms, &good, 30, 60, &line, &m), FUT_ALARMS);
    for (int episode = 0; episode < 2; episode++) { /* each is named once, however long it is */
        assert_int_equal(look(&alarms, r, active, 100, &line, &m), want);
        if (want != FUT_ALARM_CHANCE) assert_int_equal(line, at_line);
        if (strstr(m.text, text) == NULL) fail_msg("says: %s", m.text);
        assert_int_equal(look(&alarms, &good, 30, 60, &line, &m), FUT_ALARMS);
    }
}

static void each_condition_has_its_alarm(void **state)
{
    (void)state;
    fut_step_result r = healthy();
    r.vitals.health.positive.mean = 0.9999;
    r.vitals.health.negative.mean = 0.9998;
    r.vitals.health.effective_rank = 1.01;
    check(&r, 0, FUT_ALARM_COLLAPSED, 5, "its margins allow it");
    check(&r, 30, FUT_ALARM_COLLAPSED, 5, "effective rank 1.01");
    r.vitals.update_ratio = 0.05;
    check(&r, 30, FUT_ALARM_COLLAPSED, 5, "the updates are large");
    r.vitals.health.positive = (fut_spread){.mean = NAN, .std = NAN}; /* one photo a person */
    check(&r, 30, FUT_ALARM_COLLAPSED, 5, "positives none in the batch");

    r = healthy();
    r.vitals.health.norm.mean = 1e-4;
    check(&r, 30, FUT_ALARM_NORM, 3, "run to zero");
    r.vitals.health.norm.mean = 1e5;
    check(&r, 30, FUT_ALARM_NORM, 3, "explode");

    r = healthy();
    r.vitals.update_ratio = 0.2;
    check(&r, 30, FUT_ALARM_RATE, 3, "by 20%");
    r.vitals.update_ratio = 0.9;
    check(&r, 30, FUT_ALARM_RATE, 1, "by 90%");

    r = healthy();
    r.loss.active_pos = r.loss.active_neg = 0;
    check(&r, 0, FUT_ALARM_NO_ACTIVE, 10, "training is done");
    r.vitals.health.positive.mean = 0.2;
    check(&r, 0, FUT_ALARM_NO_ACTIVE, 10, "margins (or the miner's) ask for nothing");

    r = healthy();
    r.gradient_norm = 0;
    check(&r, 30, FUT_ALARM_GRADIENT, 10, "vanished");

    r = healthy();
    r.vitals.health.positive.mean = 0.101;
    check(&r, 30, FUT_ALARM_CHANCE, 0, "no more alike");
}

/* An untrained network may map all faces to nearly one point; it learns if they come apart. Noise is no alarm either. */
static void a_slow_start_is_no_alarm(void **state)
{
    (void)state;
    fut_alarms alarms = {0};
    fut_alarm_message raised[FUT_ALARMS];
    for (int i = 0; i < 200; i++) {
        fut_step_result r = healthy();
        double apart = 1e-5 * pow(1.1, i);
        if (apart < 1) {
            r.vitals.health.negative.mean = 1 - apart;
            r.vitals.health.positive.mean = 1 - apart / 2;
        }
        r.vitals.update_ratio = i % 3 == 0 ? 0.2 : 1e-3;
        r.vitals.health.norm.mean = i % 2 == 0 ? 100 : 0.1;
        int count = fut_alarms_look(&alarms, &r, i % 8 == 0 ? 1 : 0, raised);
        if (count > 0) fail_msg("line %d: %s", i, raised[0].text);
    }
}

/* What never came apart is given more time. */
static void alike_from_the_start(void **state)
{
    (void)state;
    fut_alarms alarms = {0};
    fut_alarm_message m = {0};
    fut_step_result r = healthy();
    int line = 0;
    r.vitals.health.positive.mean = 0.9999;
    r.vitals.health.negative.mean = 0.9998;
    assert_int_equal(look(&alarms, &r, 30, 100, &line, &m), FUT_ALARM_COLLAPSED);
    assert_int_equal(line, 30);
}

/* What is not there, or no number, raises nothing. */
static void no_number_is_no_alarm(void **state)
{
    (void)state;
    fut_alarms alarms = {0};
    fut_alarm_message m = {0};
    fut_step_result r = healthy();
    int line = 0;
    r.vitals.health = (fut_health){.positive = {.mean = NAN, .std = NAN},
                                   .negative = {.mean = NAN, .std = NAN},
                                   .norm = {.n = 16, .mean = NAN, .std = NAN},
                                   .effective_rank = NAN};
    r.vitals.update_ratio = NAN;
    r.gradient_norm = NAN;
    assert_int_equal(look(&alarms, &r, 30, 100, &line, &m), FUT_ALARMS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_condition_has_its_alarm),
        cmocka_unit_test(a_slow_start_is_no_alarm),
        cmocka_unit_test(alike_from_the_start),
        cmocka_unit_test(no_number_is_no_alarm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
