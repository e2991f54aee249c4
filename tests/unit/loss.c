/* The lint of losses and miners, which a configuration that cannot learn runs into; miners that contradict themselves or the loss; batches
 * that were not planned for. */
#include "core/loss/loss.h"
#include "core/base/mem.h"
#include "core/base/yaml.h"
#include "core/miner/miner.h"
#include "tests/support/support.h"

#include <math.h>

#include <stdio.h>
#include <string.h>

typedef struct loss_config {
    fut_opt_variant loss, miner;
} loss_config;

static const fut_opt table[] = {FUT_OPT_VARIANT(loss_config, loss, "contrastive", fut_loss_choices, ""),
                                FUT_OPT_VARIANT(loss_config, miner, "none", fut_miner_choices, ""), FUT_OPT_END};

static void configure_text(const char *text, loss_config *config)
{
    fut_yaml_node *root = NULL;
    FUT_TEST_OK(fut_opt_defaults(table, config));
    FUT_TEST_OK(fut_yaml_parse_text("case", text, strlen(text), &root));
    FUT_TEST_OK(fut_opt_load(table, config, root));
    fut_yaml_destroy(&root);
}

static void configure(double pos_margin, double neg_margin, loss_config *config)
{
    char text[128];
    snprintf(text, sizeof text, "loss: {type: contrastive, pos_margin: %.17g, neg_margin: %.17g}", pos_margin, neg_margin);
    configure_text(text, config);
}

/* What `--allow` takes, or NULL; the proof into `proof`. */
static const char *lint(double pos_margin, double neg_margin, fut_str *proof)
{
    loss_config config = {0};
    configure(pos_margin, neg_margin, &config);
    const fut_loss_type *type = config.loss.choice->payload;
    const char *name = type->lint(config.loss.config, proof);
    fut_opt_fini(table, &config);
    return name;
}

static void margins_of_a_distance_are_refused(void **state)
{
    (void)state;
    fut_str proof = {0};
    assert_string_equal(lint(0.05, 1, &proof), "collapsed_minimum");
    assert_string_equal(
        fut_str_text(&proof),
        "contrastive loss on cosine similarity s with pos_margin 0.05 and neg_margin 1 cannot learn: positives cost [0.05 - s]+, which is "
        "zero once two photos of a person are barely alike, and negatives cost [s - 1]+, which is zero for every s <= 1. A network that "
        "maps every photo to one point (s = 1) has loss 0 and gradient 0. These margins are meant for distances; for similarities use "
        "pos_margin: 1, neg_margin: 0.05");
    fut_str_fini(&proof);
}

/* A lint refuses only what is proved: where a collapsed network pays for its negatives, or never has paid enough for its positives. */
static void margins_that_can_learn_pass(void **state)
{
    (void)state;
    static const double margins[][2] = {{1, 0.05}, {1, 0}, {0.05, 0.99}, {1.5, 1}, {-1, -1}};
    for (size_t i = 0; i < sizeof margins / sizeof *margins; i++) {
        fut_str proof = {0};
        assert_null(lint(margins[i][0], margins[i][1], &proof));
        assert_string_equal(fut_str_text(&proof), "");
        fut_str_fini(&proof);
    }
}

/* What `--allow` takes for the loss or the miner of a configuration, or NULL. */
static const char *lint_text(const char *text, fut_str *proof)
{
    loss_config config = {0};
    configure_text(text, &config);
    const fut_loss_type *loss = config.loss.choice->payload;
    const fut_miner_type *miner = config.miner.choice->payload;
    const char *name = loss->lint == NULL ? NULL : loss->lint(config.loss.config, proof);
    if (name == NULL && miner != NULL && miner->lint != NULL) name = miner->lint(config.miner.config, proof);
    fut_opt_fini(table, &config);
    return name;
}

static void settings_that_cannot_learn_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *name, *proof;
    } cases[] = {
        {"loss: {type: contrastive, distance: l2}", "collapsed_minimum", "every pair with a distance from 0.05 to 1 costs nothing"},
        {"loss: {type: contrastive, distance: l2, pos_margin: 0, neg_margin: 0}", "collapsed_minimum", "pos_margin: 0, neg_margin: 1"},
        {"loss: {type: contrastive, distance: l2, pos_margin: 0, neg_margin: 1}", NULL, ""},
        {"loss: {type: contrastive, distance: dot, pos_margin: 0, neg_margin: 1}", "collapsed_minimum", "one vector of squared length 1"},
        {"loss: {type: contrastive, distance: dot}", NULL, ""},
        {"loss: {type: triplet, margin: 0}", "collapsed_minimum", "every triplet costs [0]+ = 0"},
        {"loss: {type: triplet, margin: 0, smooth: true}", NULL, ""},
        {"loss: triplet", NULL, ""},
        {"loss: {type: triplet, distance: cosine, margin: 2.01}", "unreachable_margin",
         "a positive is nearer than a negative by 2 at most"},
        {"loss: {type: triplet, distance: cosine, margin: 2}", NULL, ""},
        {"loss: {type: triplet, distance: dot, margin: 9}", NULL, ""},
        {"loss: {type: contrastive, distance: l2, pos_margin: 2, neg_margin: 3}", "positives_cost_nothing", "no two unit vectors"},
        {"loss: {type: contrastive, distance: l2, pos_margin: 1.9, neg_margin: 3}", NULL, ""},
        {"miner: {type: multi_similarity, epsilon: -2}", "never_selects", "would have to be farther than a negative by more than 2"},
        {"miner: {type: multi_similarity, epsilon: -1.9}", NULL, ""},
        {"miner: {type: multi_similarity, distance: dot, epsilon: -2}", NULL, ""},
        {"miner: {type: triplet_margin, margin: 2, type_of_triplets: easy}", "never_selects", "of type easy with margin 2"},
        {"miner: {type: triplet_margin, margin: 1.9, type_of_triplets: easy}", NULL, ""},
        {"miner: {type: triplet_margin, margin: -2.1}", "never_selects", "of type all with margin -2.1"},
        {"miner: {type: triplet_margin, margin: -2}", NULL, ""},
        {"miner: pair_margin", NULL, ""},
        {"miner: {type: pair_margin, pos_margin: 2, neg_margin: 0}", "never_selects", "no two unit vectors are farther apart than 2"},
        {"miner: {type: pair_margin, distance: cosine, pos_margin: -1, neg_margin: 1}", "never_selects", "no similarity is below -1"},
        {"miner: {type: triplet_margin, margin: 0, type_of_triplets: semihard}", "never_selects", "semihard triplet with margin 0"},
        {"miner: {type: triplet_margin, margin: 0, type_of_triplets: hard}", NULL, ""},
        {"miner: {type: distance_weighted, cutoff: 1.4}", "never_selects", "every negative counts as at least 1.4 away"},
        {"miner: {type: distance_weighted, cutoff: 1.39}", NULL, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fut_str proof = {0};
        const char *name = lint_text(cases[i].text, &proof);
        if (cases[i].name == NULL ? name != NULL : name == NULL || strcmp(name, cases[i].name) != 0)
            fail_msg("%s: %s", cases[i].text, name == NULL ? "passes" : name);
        assert_non_null(strstr(fut_str_text(&proof), cases[i].proof));
        fut_str_fini(&proof);
    }
}

static void likely_mistakes_are_warned_of(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"loss: {type: arcface, margin: 0.5}",
         "loss.margin 0.5 is in degrees, which moves nobody: the paper's 0.5 are radians. If yours are, too, write loss.margin: 28.6"},
        {"loss: {type: arcface, margin: 1.6}", ""},
        {"loss: {type: arcface, margin: 0}", ""},
        {"loss: arcface", ""},
        {"loss: {type: arcface, scale: 1}", "of 100 the right one never gets more than 1 / (1 + 99 exp(-2)) = 0.069"},
        {"loss: {type: cosface, scale: 0.5}", "lets exponents differ by 1 at most"},
        {"loss: {type: cosface, scale: 1e5}", "one that is 0.001 less hard than the hardest weighs exp(-104)"},
        {"loss: {type: ntxent, temperature: 2}", "Use about 0.07"},
        {"loss: {type: ntxent, temperature: 2, distance: dot}", ""},
        {"loss: {type: ntxent, temperature: 1e-5, distance: dot}", "loss.temperature 1e-05: of what a photo is compared with"},
        {"loss: {type: supcon, temperature: 0.5}", ""},
        {"loss: {type: supcon, temperature: 1}", "exponents differ by 2 at most"},
        {"loss: {type: multi_similarity, alpha: 2e4}", "loss.alpha 20000"},
        {"loss: {type: multi_similarity, beta: 2e4}", "loss.beta 20000"},
        {"loss: {type: circle, gamma: 1e6}", "loss.gamma 1e+06"},
        {"loss: circle", ""},
        {"loss: multi_similarity", ""},
        {"loss: triplet", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fut_str text = {0};
        loss_config config = {0};
        configure_text(cases[i][0], &config);
        FUT_TEST_OK(fut_loss_warn(&config.loss, &text));
        if ((text.length == 0) != (cases[i][1][0] == '\0') || strstr(fut_str_text(&text), cases[i][1]) == NULL)
            fail_msg("%s: %s", cases[i][0], fut_str_text(&text));
        fut_opt_fini(table, &config);
        fut_str_fini(&text);
    }
}

static void miners_that_contradict_are_refused(void **state)
{
    (void)state;
    static const char *const words[] = {"easy", "hard", "semihard", "all"};
    fut_row_miner miner;
    for (int p = 0; p < 4; p++)
        for (int n = 0; n < 4; n++) {
            char text[128];
            loss_config config = {0};
            bool bad =
                (p == FUT_STRATEGY_SEMIHARD && n >= FUT_STRATEGY_SEMIHARD) || (n == FUT_STRATEGY_SEMIHARD && p >= FUT_STRATEGY_SEMIHARD);
            snprintf(text, sizeof text, "miner: {type: batch_easy_hard, pos_strategy: %s, neg_strategy: %s}", words[p], words[n]);
            configure_text(text, &config);
            if (bad)
                FUT_TEST_FAILS(fut_miner_describe(&config.miner, &miner), FUT_ERR_CONFIG,
                               "semihard compares with the other side's one choice");
            else
                FUT_TEST_OK(fut_miner_describe(&config.miner, &miner));
            fut_opt_fini(table, &config);
        }
    static const char *const pairs[][2] = {
        {"{loss: contrastive, miner: triplet_margin}", "a miner of triplets for the loss contrastive, which has pairs"},
        {"{loss: {type: triplet, distance: cosine}, miner: triplet_margin}", "the miner's distance is l2 and the loss's is cosine"},
        {"{loss: {type: triplet, swap: true}, miner: distance_weighted}", "swap would replace the negative's distance"},
        {"{loss: arcface, miner: batch_hard}", "a miner for the loss arcface"},
        {"{loss: cosface, miner: triplet_margin}", "a miner for the loss cosface"}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        loss_config config = {0};
        configure_text(pairs[i][0], &config);
        FUT_TEST_OK(fut_miner_describe(&config.miner, &miner));
        FUT_TEST_FAILS(fut_loss_check_miner(&config.loss, &miner), FUT_ERR_CONFIG, pairs[i][1]);
        fut_opt_fini(table, &config);
    }
}

static void unplanned_batches_are_refused(void **state)
{
    (void)state;
    enum { PLANNED = 4, ROWS = 2, DIM = 3 };
    loss_config config = {0};
    fut_backend *bk = NULL;
    fut_loss *loss = NULL;
    static const float e[(PLANNED + 1) * DIM] = {1};
    static const int64_t label[PLANNED + 1] = {0}, image[PLANNED + 1] = {0, 1, 2, 3, 4}, row[ROWS + 1] = {0, 1, 2};
    double sums[FUT_LOSS_SUMS] = {0};
    float de[(ROWS + 1) * DIM];
    configure(1, 0.05, &config);
    FUT_TEST_OK(fut_backend_create("cpu", &(fut_backend_options){.threads = 1}, &bk));
    FUT_TEST_OK(fut_loss_create(bk, &config.loss, NULL, FUT_F32, &(fut_loss_sizes){.batch = PLANNED, .rows = ROWS, .dim = DIM}, &loss));
    FUT_TEST_FAILS(fut_loss_begin(loss, PLANNED + 1, e, label, image), FUT_ERR_SHAPE, "a batch of 5, planned for 4");
    FUT_TEST_OK(fut_loss_begin(loss, PLANNED, e, label, image));
    FUT_TEST_FAILS(fut_loss_rows(loss, ROWS + 1, row, sums), FUT_ERR_SHAPE, "a shard of 3 rows, planned for 2");
    FUT_TEST_FAILS(fut_loss_grad(loss, ROWS + 1, row, sums, de, NULL), FUT_ERR_SHAPE, "a shard of 3 rows, planned for 2");
    fut_loss_destroy(&loss);
    fut_backend_destroy(&bk);
    fut_opt_fini(table, &config);
}

static void memories_that_make_no_sense_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t memory, batch;
        const char *why; /* NULL: it passes */
    } cases[] = {
        {"loss: contrastive", 0, 16, NULL},
        {"loss: contrastive", 16, 16, NULL},
        {"loss: contrastive", 15, 16, "memory.size 15 is smaller than train.batch 16"},
        {"loss: contrastive", 1, 32, "Use a memory.size of several batches, such as 256, or 0 for none"},
        {"loss: arcface", 64, 16, "a memory is of photos, and this loss compares each photo with the classes. Use memory.size: 0"},
        {"loss: cosface", 64, 16, "memory.size 64 for the loss cosface"},
        {"loss: arcface", 0, 16, NULL},
        {"loss: {type: triplet, swap: true}", 64, 16, "Use swap: false, or memory.size: 0"},
        {"loss: {type: triplet, swap: true}", 0, 16, NULL},
        {"loss: triplet", 64, 16, NULL},
        {"loss: {type: bce, head: difference}", 64, 16, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        loss_config config = {0};
        configure_text(cases[i].text, &config);
        if (cases[i].why == NULL)
            FUT_TEST_OK(fut_loss_check_memory(&config.loss, cases[i].memory, cases[i].batch));
        else
            FUT_TEST_FAILS(fut_loss_check_memory(&config.loss, cases[i].memory, cases[i].batch), FUT_ERR_CONFIG, cases[i].why);
        fut_opt_fini(table, &config);
    }
}

/* One photo of a batch went wrong: it leaves an empty place, and the batches after it meet no NaN. */
static void a_bad_photo_does_not_stay_in_the_memory(void **state)
{
    (void)state;
    enum { N = 4, DIM = 2, MEMORY = 8 };
    loss_config config = {0};
    fut_backend *bk = NULL;
    fut_loss *loss = NULL;
    fut_loss_report report;
    static const float bad[N * DIM] = {1, 0, NAN, 1, 0, 1, 1, 1}, good[N * DIM] = {1, 0.5F, 0, 1, 0.5F, 1, 1, 1};
    static const int64_t label[N] = {0, 0, 1, 1}, image[2][N] = {{0, 1, 2, 3}, {4, 5, 6, 7}}, row[N] = {0, 1, 2, 3};
    double sums[FUT_LOSS_SUMS] = {0};
    configure(1, 0.05, &config);
    FUT_TEST_OK(fut_backend_create("cpu", &(fut_backend_options){.threads = 1}, &bk));
    fut_loss_sizes sizes = {.batch = N, .rows = N, .dim = DIM, .memory = MEMORY};
    FUT_TEST_OK(fut_loss_create(bk, &config.loss, NULL, FUT_F32, &sizes, &loss));
    FUT_TEST_OK(fut_loss_begin(loss, N, bad, label, image[0]));
    FUT_TEST_OK(fut_loss_begin(loss, N, good, label, image[1]));
    FUT_TEST_OK(fut_loss_rows(loss, N, row, sums));
    fut_loss_read(loss, sums, &report);
    assert_true(isfinite(report.loss));
    assert_true(report.count_pos == 2 * 1 + 2 * 2 + 4 && report.count_neg == 2 * 2 + 2 * 1 + 8); /* with the three kept, and its own */
    fut_loss_destroy(&loss);
    fut_backend_destroy(&bk);
    fut_opt_fini(table, &config);
}

static void survives_any_failed_allocation(void **state)
{
    (void)state;
    loss_config config = {0};
    fut_backend *bk = NULL;
    fut_loss *loss = NULL;
    configure(1, 0.05, &config);
    FUT_TEST_OK(fut_backend_create("cpu", &(fut_backend_options){.threads = 1}, &bk));
    fut_loss_sizes sizes = {.batch = 4, .rows = 4, .dim = 2, .memory = 8};
    const int64_t held = fut_mem_bytes();
    int failed = 0;
    for (fut_status st = FUT_ERR_NO_MEMORY; st != FUT_OK; failed++) {
        fut_mem_fail_after(failed + 1);
        st = fut_loss_create(bk, &config.loss, NULL, FUT_F32, &sizes, &loss);
        fut_mem_fail_after(0);
        fut_loss_destroy(&loss);
        assert_int_equal(fut_mem_bytes(), held);
        assert_true(st == FUT_OK || st == FUT_ERR_NO_MEMORY);
        fut_trail_clear();
    }
    assert_true(failed > 10); /* the blocks of a loss, and its memory's */
    fut_backend_destroy(&bk);
    fut_opt_fini(table, &config);
}

/* Photos that lie on their person's weights, and opposite: the angle's derivative is infinite there, the gradient is not. */
static void a_loss_of_classes_is_finite_on_its_classes(void **state)
{
    (void)state;
    enum { N = 2, DIM = 2, CLASSES = 2 };
    loss_config config = {0};
    fut_backend *bk = NULL;
    fut_loss *loss = NULL;
    static const float e[N * DIM] = {3, 0, 0, -2}, w[CLASSES * DIM] = {1, 0, 0, 5};
    static const int64_t label[N] = {0, 1}, image[N] = {0, 1}, row[N] = {0, 1};
    double sums[FUT_LOSS_SUMS] = {0};
    float de[N * DIM], dw[CLASSES * DIM];
    fut_loss_report report;
    configure_text("{loss: arcface}", &config);
    FUT_TEST_OK(fut_backend_create("cpu", &(fut_backend_options){.threads = 1}, &bk));
    fut_loss_sizes sizes = {.batch = N, .rows = N, .dim = DIM, .classes = 1};
    FUT_TEST_FAILS(fut_loss_create(bk, &config.loss, NULL, FUT_F32, &sizes, &loss), FUT_ERR_CONFIG, "it needs at least 2");
    sizes.classes = CLASSES;
    FUT_TEST_OK(fut_loss_create(bk, &config.loss, NULL, FUT_F32, &sizes, &loss));
    fut_loss_bind_params(loss, w);
    FUT_TEST_OK(fut_loss_begin(loss, N, e, label, image));
    FUT_TEST_OK(fut_loss_rows(loss, N, row, sums));
    FUT_TEST_OK(fut_loss_grad(loss, N, row, sums, de, dw));
    fut_loss_read(loss, sums, &report);
    assert_true(isfinite(report.loss) && report.loss > 30);
    for (int i = 0; i < N * DIM; i++)
        assert_true(isfinite(de[i]) && isfinite(dw[i]));
    FUT_TEST_FAILS(fut_loss_grad(loss, N, row, sums, de, NULL), FUT_ERR_INTERNAL, "a loss with parameters, no gradient of them");
    fut_loss_destroy(&loss);
    fut_backend_destroy(&bk);
    fut_opt_fini(table, &config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(margins_of_a_distance_are_refused),       cmocka_unit_test(margins_that_can_learn_pass),
        cmocka_unit_test(settings_that_cannot_learn_are_refused),  cmocka_unit_test(likely_mistakes_are_warned_of),
        cmocka_unit_test(miners_that_contradict_are_refused),      cmocka_unit_test(a_loss_of_classes_is_finite_on_its_classes),
        cmocka_unit_test(unplanned_batches_are_refused),           cmocka_unit_test(memories_that_make_no_sense_are_refused),
        cmocka_unit_test(a_bad_photo_does_not_stay_in_the_memory), cmocka_unit_test(survives_any_failed_allocation)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
