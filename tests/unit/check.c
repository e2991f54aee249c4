/* futago check: what it reads of a run, and where two of them part. */
#include "launch/check.h"

#include "tests/support/support.h"

#include <stdio.h>
#include <string.h>

static const char steps[] = "{\"step\":1,\"epoch\":0,\"loss\":0.5,\"gradient_norm\":2}\n"
                            "{\"step\":2,\"event\":\"stopped\",\"model_sha256\":\"aa\"}\n"
                            "{\"step\":2,\"epoch\":0,\"loss\":0.25,\"gradient_norm\":1}\n"
                            "{\"step\":2,\"event\":\"evaluation\",\"eer\":0.1}\n"
                            "{\"step\":3,\"epoch\":0,\"loss\":0.125,\"gradient_norm\":1.5}\n";

static void it_reads_steps_and_the_last_digest(void **state)
{
    (void)state;
    fut_test_dir dir = {0};
    char path[FUT_TEST_PATH_MAX];
    char text[1024];
    fut_check_step step[3];
    fut_check_case c = {.step = step};
    fut_test_dir_create(&dir);
    (void)fut_test_dir_path(&dir, "metrics.jsonl", path);
    (void)snprintf(text, sizeof text, "%s{\"step\":3,\"event\":\"done\",\"model_sha256\":\"bb\"}\n", steps);
    fut_test_write_file(path, text, strlen(text));
    FUT_TEST_OK(fut_check_read(path, 3, &c));
    assert_int_equal(c.n_steps, 3);
    assert_string_equal(c.sha256, "bb");
    assert_true(step[1].loss == 0.25 && step[2].gradient_norm == 1.5);
    /* A run that came to no end has no digest; one that went further than asked is cut. */
    fut_test_write_file(path, steps, strcspn(steps, "\n"));
    FUT_TEST_FAILS(fut_check_read(path, 3, &c), FUT_ERR_DATA, "1 steps and no digest");
    fut_test_write_file(path, text, strlen(text));
    FUT_TEST_OK(fut_check_read(path, 2, &c));
    assert_int_equal(c.n_steps, 2);
    fut_test_dir_remove(&dir);
}

static void it_says_where_two_part(void **state)
{
    (void)state;
    fut_check_step a[3] = {{0.5, 2}, {0.25, 1}, {0.125, 1.5}};
    fut_check_step b[3] = {{0.5, 2}, {0.25, 1}, {0.125, 1.5}};
    fut_check_plan plan = {.path = "c.yaml", .steps = 3};
    fut_check check = {.plan = &plan,
                       .n_cases = 2,
                       .cases = {{.name = "1 rank", .n_steps = 3, .step = a, .sha256 = "aa"},
                                 {.name = "2 ranks", .n_steps = 3, .step = b, .sha256 = "aa"}}};
    fut_check_case *c = &check.cases[1];
    fut_check_compare(&check.cases[0], c);
    assert_int_equal(c->verdict, FUT_CHECK_SAME);
    FUT_TEST_OK(fut_check_conclude(&check));

    b[1].gradient_norm = 1.25;
    fut_check_compare(&check.cases[0], c);
    assert_int_equal(c->verdict, FUT_CHECK_DIFFERS);
    assert_int_equal(c->parts_at, 2);
    FUT_TEST_FAILS(fut_check_conclude(&check), FUT_ERR_INTERNAL, "2 ranks: parts from 1 rank at step 2: the gradient norm is 1.25, not 1");

    b[1].gradient_norm = 1;
    (void)snprintf(c->sha256, sizeof c->sha256, "bb");
    fut_check_compare(&check.cases[0], c);
    assert_int_equal(c->parts_at, 4);
    FUT_TEST_FAILS(fut_check_conclude(&check), FUT_ERR_INTERNAL, "the models are not the same bits: sha256 bb..., not aa...");

    (void)snprintf(c->sha256, sizeof c->sha256, "aa");
    c->n_steps = 2;
    fut_check_compare(&check.cases[0], c);
    assert_int_equal(c->parts_at, 3);

    *c = (fut_check_case){.name = "2 ranks", .verdict = FUT_CHECK_FAILED, .exit_code = 74, .step = b};
    FUT_TEST_OK(fut_str_printf(&c->why, "a peer did not answer"));
    FUT_TEST_FAILS(fut_check_conclude(&check), FUT_ERR_INTERNAL, "ended with exit status 74: a peer did not answer");
    fut_str_fini(&c->why);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_reads_steps_and_the_last_digest),
        cmocka_unit_test(it_says_where_two_part),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
