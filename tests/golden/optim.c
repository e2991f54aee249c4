/* Optimizers against their peers (make_optim.py) over 200 steps: ref in f64 to the last digits, ref and cpu in f32 as near to f64 as three
 * times the peer's own f32 is. And golden values by hand for three parameters. */
#include "core/optim/optim.h"
#include "core/base/yaml.h"
#include "tests/golden/net_fill.h"
#include "tests/support/device.h"

#include <stdio.h>

#define FOLDER FUT_TEST_SOURCE_DIR "/tests/golden/optim/"
enum { COUNT = 37 };

typedef struct optim_config {
    fut_opt_variant optimizer;
} optim_config;

static const fut_opt table[] = {FUT_OPT_VARIANT(optim_config, optimizer, "adamw", fut_optim_choices, ""), FUT_OPT_END};

typedef struct trial {
    fut_backend *bk;
    fut_optim *optim;
    optim_config config;
    double p[COUNT], g[COUNT]; /* f32 or f64, host */
    void *device_p, *device_g, *device_lr;
    size_t bytes; /* of each */
} trial;

static void begin(trial *t, const char *backend, fut_dtype real, int64_t count, const char *settings)
{
    fut_yaml_node *root = NULL;
    *t = (trial){.bk = NULL};
    FUT_TEST_OK(fut_opt_defaults(table, &t->config));
    FUT_TEST_OK(fut_yaml_parse_text("case", settings, strlen(settings), &root));
    FUT_TEST_OK(fut_opt_load(table, &t->config, root));
    fut_yaml_destroy(&root);
    FUT_TEST_OK(fut_backend_create(backend, &(fut_backend_options){.threads = 1}, &t->bk));
    FUT_TEST_OK(fut_optim_create(t->bk, &t->config.optimizer, real, count, &t->optim));
    double lr = fut_optim_base_lr(t->optim);
    t->bytes = (size_t)count * fut_dtype_size(real);
    t->device_p = fut_test_device(t->bk, NULL, t->bytes);
    t->device_g = fut_test_device(t->bk, NULL, t->bytes);
    t->device_lr = fut_test_device(t->bk, &lr, sizeof lr);
}

/* One step with the gradient g. */
static void step(trial *t, const void *g)
{
    fut_test_to_device(t->bk, t->device_g, g, t->bytes);
    FUT_TEST_OK(fut_optim_check(t->optim, t->device_g, NULL, 0));
    FUT_TEST_OK(fut_optim_step(t->optim, t->device_lr, t->device_p, t->device_g));
}

static int64_t steps_taken(trial *t)
{
    fut_step_control control;
    FUT_TEST_OK(fut_optim_get_control(t->optim, &control));
    return control.steps;
}

static void end(trial *t)
{
    t->bk->free(t->bk, t->device_p);
    t->bk->free(t->bk, t->device_g);
    t->bk->free(t->bk, t->device_lr);
    fut_optim_destroy(&t->optim);
    fut_backend_destroy(&t->bk);
    fut_opt_fini(table, &t->config);
}

static double gradient(int64_t step, int64_t i)
{
    double u = net_fill_signed_unit(net_fill_hash("gradients"), (step - 1) * COUNT + i);
    return i % 7 == 6 ? 0 : u * pow(10, -(double)(i % 9));
}

/* The two tensors of make_optim.py, its groups, clipping and average. */
static void arrange(trial *t, double clip, bool grouped, double ema)
{
    static const fut_optim_tensor tensors[] = {{0, 20, 4, 2, 1}, {20, 17, 17, 1, 2}};
    fut_optim_plan plan = {
        .tensor = tensors, .tensors = 2, .lr = {0, 1, 1}, .weight_decay = {0, 1, 1}, .ema = ema, .evaluate_ema = ema > 0};
    fut_step_control control;
    if (grouped) {
        plan.lr[1] = .1;
        plan.weight_decay[2] = 0;
    }
    FUT_TEST_OK(fut_optim_arrange(t->optim, &plan));
    FUT_TEST_OK(fut_optim_get_control(t->optim, &control));
    control.clip_norm = clip;
    FUT_TEST_OK(fut_optim_set_control(t->optim, &control));
    FUT_TEST_OK(fut_optim_begin(t->optim, t->device_p));
}

/* The largest distance from the numbers that follow in f, relative to the largest of them. */
static double distance(FILE *f, const trial *t, fut_dtype real)
{
    double largest = 0, error = 0, want;
    for (int64_t i = 0; i < COUNT; i++) {
        assert_int_equal(fscanf(f, "%lf", &want), 1);
        largest = fmax(largest, fabs(want));
        double off = fabs(net_fill_load(real, t->p, i) - want);
        if (!(off <= error)) error = off;
    }
    return error / largest;
}

/* What is evaluated after the last step, in p. */
static void take_average(trial *t)
{
    void *average = fut_test_device(t->bk, NULL, t->bytes);
    FUT_TEST_OK(fut_optim_average(t->optim, t->device_p, average));
    fut_test_from_device(t->bk, t->p, average, t->bytes);
    t->bk->free(t->bk, average);
}

static void check(const char *name, const char *backend, fut_dtype real)
{
    char path[1024], settings[256];
    double clip, ema, spread, worst = 0;
    int grouped, taken = 0;
    bool averaged = false;
    trial t;
    snprintf(path, sizeof path, FOLDER "%s.txt", name);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "#%*[^\n] %255[^\n] clip %lf grouped %d ema %lf spread %lf", settings, &clip, &grouped, &ema, &spread), 5);
    begin(&t, backend, real, COUNT, settings);
    for (int64_t i = 0; i < COUNT; i++)
        net_fill_store(real, t.p, i, net_fill_signed_unit(net_fill_hash("parameters"), i));
    fut_test_to_device(t.bk, t.device_p, t.p, t.bytes);
    arrange(&t, clip, grouped, ema);
    for (int until; fscanf(f, "%d", &until) == 1;) {
        for (; taken < until; taken++) {
            for (int64_t i = 0; i < COUNT; i++)
                net_fill_store(real, t.g, i, gradient(taken + 1, i));
            step(&t, t.g);
        }
        averaged = until < 0;
        if (averaged)
            take_average(&t);
        else
            fut_test_from_device(t.bk, t.p, t.device_p, t.bytes);
        double off = distance(f, &t, real);
        if (!(off <= worst)) worst = off;
    }
    assert_int_equal(steps_taken(&t), 200);
    assert_true(averaged == fut_optim_has_average(t.optim));
    double tolerance = real == FUT_F64 ? 1e-13 : 3 * spread;
    print_message("%s on %s %s: relative error %.2g, the peer's own in f32 %.2g\n", name, backend, fut_dtype_name(real), worst, spread);
    if (!(worst <= tolerance)) fail_msg("above %g", tolerance);
    end(&t);
    fclose(f);
}

static void two_hundred_steps_of_the_peer(void **state)
{
    (void)state;
    const char *const names[] = {"adamw_article",
                                 "adamw_decay",
                                 "adamw_betas",
                                 "adamw_grouped",
                                 "adam_plain",
                                 "adam_decay",
                                 "sgd_plain",
                                 "sgd_momentum",
                                 "sgd_nesterov",
                                 "sgd_clipped",
                                 "sgd_grouped",
                                 "radam",
                                 "radam_decay",
                                 "radam_decoupled",
                                 "ranger",
                                 "ranger_lazy",
                                 "ranger_uncentred",
                                 "schedule_free_adamw",
                                 "schedule_free_adamw_r",
                                 "schedule_free_sgd"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        check(names[i], "ref", FUT_F64);
        check(names[i], "ref", FUT_F32);
        check(names[i], fut_test_backend("cpu"), FUT_F32);
    }
}

/* What the peers have in f32 after 1, 3 and 8 steps, or after 8. */
static void three_parameters(void **state)
{
    (void)state;
    static const double p0[3] = {.5, -.25, 1}, g[3][3] = {{.1, -.2, .3}, {-.05, .4, 0}, {.2, .2, -.1}};
    static const double adamw[3][3] = {
        {.48995, -.23997499, .98989999}, {.480607778, -.248780072, .980110705}, {.449221015, -.267678261, .956921458}};
    static const struct {
        const char *settings;
        double p[3], x[3];
    } after_8[] = {
        {"optimizer: {type: adamw, lr: 1e-2, weight_decay: 1e-2}", {.449221015, -.267678261, .956921458}, {0}},
        {"optimizer: {type: adam, lr: 1e-2, weight_decay: 1e-2}", {.447694689, -.267363816, .955130458}, {0}},
        {"optimizer: {type: sgd, lr: .1, momentum: .9, weight_decay: 1e-2}", {.270362377, -.542057872, .69674927}, {0}},
        {"optimizer: {type: sgd, lr: .1, momentum: .9, weight_decay: 1e-2, nesterov: true}", {.235462219, -.609660983, .65080601}, {0}},
        {"optimizer: {type: radam, lr: 1e-2}", {.495839119, -.252823025, .992458701}, {0}},
        {"optimizer: {type: ranger, lr: 1e-2, weight_decay: 1e-2}", {.497451931, -.251323849, .995488644}, {0}},
        {"optimizer: {type: schedule_free_adamw, lr: 1e-2, weight_decay: 1e-2, warmup_steps: 4}",
         {.475246727, -.26621443, .986145854},
         {.47620663, -.264867991, .987057686}},
    };
    for (size_t i = 0; i < sizeof after_8 / sizeof *after_8; i++) {
        trial t;
        begin(&t, "ref", FUT_F64, 3, after_8[i].settings);
        fut_test_to_device(t.bk, t.device_p, p0, sizeof p0);
        FUT_TEST_OK(fut_optim_begin(t.optim, t.device_p));
        for (int n = 1; n <= 8; n++) {
            step(&t, g[(n - 1) % 3]);
            fut_test_from_device(t.bk, t.p, t.device_p, t.bytes);
            if (i == 0 && (n == 1 || n == 3 || n == 8)) FUT_TEST_CLOSE_F64(t.p, adamw[n / 3], 3, 0, 3e-7);
        }
        FUT_TEST_CLOSE_F64(t.p, after_8[i].p, 3, 0, 3e-7);
        if (after_8[i].x[0] != 0) {
            take_average(&t);
            FUT_TEST_CLOSE_F64(t.p, after_8[i].x, 3, 0, 3e-7);
        }
        end(&t);
    }
}

/* A frozen tensor keeps its bits under every optimizer, whatever its gradient, which counts neither in the norm nor as not finite. */
static void frozen_tensors(void **state)
{
    (void)state;
    static const fut_optim_tensor tensors[] = {{0, 20, 4, 2, 1}, {20, 17, 17, 1, 0}};
    const fut_optim_plan plan = {.tensor = tensors, .tensors = 2, .lr = {1, 0}, .weight_decay = {1, 0}, .ema = .5, .evaluate_ema = true};
    for (int o = 0; fut_optim_choices[o] != NULL; o++) {
        float before[COUNT], after[COUNT], g[COUNT];
        char settings[128];
        double squares = 0;
        fut_step_control control;
        trial t;
        snprintf(settings, sizeof settings, "optimizer: {type: %s, weight_decay: 0.1}", fut_optim_choices[o]->name);
        begin(&t, fut_test_backend("cpu"), FUT_F32, COUNT, settings);
        for (int64_t i = 0; i < COUNT; i++) {
            before[i] = (float)net_fill_signed_unit(net_fill_hash("parameters"), i);
            g[i] = i < 20 ? (i % 2 ? NAN : 1e30f) : .5f;
            if (i >= 20) squares += .25;
        }
        fut_test_to_device(t.bk, t.device_p, before, t.bytes);
        FUT_TEST_OK(fut_optim_arrange(t.optim, &plan));
        FUT_TEST_OK(fut_optim_begin(t.optim, t.device_p));
        for (int n = 0; n < 8; n++)
            step(&t, g);
        fut_test_from_device(t.bk, after, t.device_p, t.bytes);
        assert_int_equal(steps_taken(&t), 8);
        FUT_TEST_OK(fut_optim_get_control(t.optim, &control));
        FUT_TEST_CLOSE_F64(&control.squares, &squares, 1, 1e-12, 0);
        if (memcmp(after, before, 20 * sizeof(float)) != 0)
            fail_msg("%s changes what is frozen: %g is now %g", settings, before[0], after[0]);
        for (int64_t i = 20; i < COUNT; i++)
            assert_true(after[i] != before[i] && isfinite(after[i]));
        end(&t);
    }
}

static void refuse(const char *text, const char *why)
{
    optim_config config = {0};
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
    for (int o = 0; fut_optim_choices[o] != NULL; o++) {
        char text[128];
        snprintf(text, sizeof text, "optimizer: {type: %s, lr: -1}", fut_optim_choices[o]->name);
        refuse(text, "lr");
        snprintf(text, sizeof text, "optimizer: {type: %s, weight_decay: 2}", fut_optim_choices[o]->name);
        refuse(text, "weight_decay");
    }
    refuse("optimizer: {type: sgd, momentum: 1}", "momentum");
    refuse("optimizer: {type: sgd, dampening: -0.1}", "dampening");
    refuse("optimizer: {type: sgd, nesterov: 1}", "nesterov");
    refuse("optimizer: {type: radam, beta2: 0.5}", "beta2");
    refuse("optimizer: {type: ranger, k: 0}", "k");
    refuse("optimizer: {type: ranger, alpha: 0}", "alpha");
    refuse("optimizer: {type: ranger, first_sync: never}", "first_sync");
    refuse("optimizer: {type: schedule_free_adamw, beta1: 0}", "beta1");
    refuse("optimizer: {type: schedule_free_sgd, warmup_steps: -1}", "warmup_steps");
    refuse("optimizer: {type: schedulefree}", "schedule_free");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(two_hundred_steps_of_the_peer), cmocka_unit_test(three_parameters),
                                       cmocka_unit_test(frozen_tensors), cmocka_unit_test(options_out_of_range)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
