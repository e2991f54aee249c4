/* The lint of the contrastive loss, which a configuration that cannot learn runs into, and batches that were not planned for. */
#include "core/loss/loss.h"
#include "core/base/yaml.h"
#include "tests/support/support.h"

#include <stdio.h>
#include <string.h>

typedef struct loss_config {
    fut_opt_variant loss;
} loss_config;

static const fut_opt table[] = {FUT_OPT_VARIANT(loss_config, loss, "contrastive", fut_loss_choices, ""), FUT_OPT_END};

static void configure(double pos_margin, double neg_margin, loss_config *config)
{
    char text[128];
    fut_yaml_node *root = NULL;
    snprintf(text, sizeof text, "loss: {type: contrastive, pos_margin: %.17g, neg_margin: %.17g}", pos_margin, neg_margin);
    FUT_TEST_OK(fut_opt_defaults(table, config));
    FUT_TEST_OK(fut_yaml_parse_text("case", text, strlen(text), &root));
    FUT_TEST_OK(fut_opt_load(table, config, root));
    fut_yaml_destroy(&root);
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
    FUT_TEST_OK(fut_loss_create(bk, &config.loss, FUT_F32, PLANNED, ROWS, DIM, &loss));
    FUT_TEST_FAILS(fut_loss_begin(loss, PLANNED + 1, e, label, image), FUT_ERR_SHAPE, "a batch of 5, planned for 4");
    FUT_TEST_OK(fut_loss_begin(loss, PLANNED, e, label, image));
    FUT_TEST_FAILS(fut_loss_rows(loss, ROWS + 1, row, sums), FUT_ERR_SHAPE, "a shard of 3 rows, planned for 2");
    FUT_TEST_FAILS(fut_loss_grad(loss, ROWS + 1, row, sums, de), FUT_ERR_SHAPE, "a shard of 3 rows, planned for 2");
    fut_loss_destroy(&loss);
    fut_backend_destroy(&bk);
    fut_opt_fini(table, &config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(margins_of_a_distance_are_refused), cmocka_unit_test(margins_that_can_learn_pass),
                                       cmocka_unit_test(unplanned_batches_are_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
