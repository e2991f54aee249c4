/* launch/args: every way of writing an option, and what is said of the wrong ones. */
#include "launch/args.h"
#include "core/base/mem.h"
#include "tests/support/support.h"

#include <string.h>

static const fut_arg table[] = {
    FUT_ARG_POSITIONAL("RUN", "run folder"),
    FUT_ARG_OPTIONAL("PART", "which part"),
    FUT_ARG_REST("MORE", "further files"),
    FUT_ARG_VALUE('o', "output", "FILE", NULL, "file to write"),
    FUT_ARG_VALUE(0, "size", "N", "224", "pixels"),
    FUT_ARG_VALUE(0, "crop", "F", "0.5", "fraction"),
    FUT_ARG_VALUE(0, "split", "stratified|identity", "identity", "how"),
    FUT_ARG_REPEATED('s', "set", "KEY=VALUE", "setting"),
    FUT_ARG_FLAG('f', "force", "replace"),
    FUT_ARG_END,
};

enum { WORDS_MAX = 32 };

static fut_status parse(const char *const *words, fut_args **args_out)
{
    static char *argv[WORDS_MAX];
    int argc = 0;
    argv[argc++] = (char *)"test";
    for (; words[argc - 1] != NULL; argc++)
        argv[argc] = (char *)words[argc - 1];
    return fut_args_parse(table, NULL, argc, argv, args_out);
}

#define PARSE(args_out, ...) parse((const char *const[]){__VA_ARGS__, NULL}, args_out)

static void defaults(void **state)
{
    (void)state;
    fut_args *args = NULL;
    int64_t size = 0;
    double crop = 0;
    int word = -1;
    FUT_TEST_OK(PARSE(&args, "runs/a"));
    assert_string_equal(fut_args_get(args, "RUN"), "runs/a");
    assert_null(fut_args_get(args, "PART"));
    assert_null(fut_args_get(args, "output"));
    assert_false(fut_args_is_given(args, "size"));
    assert_false(fut_args_is_given(args, "force"));
    assert_int_equal(fut_args_count(args, "set"), 0);
    FUT_TEST_OK(fut_args_get_i64(args, "size", 1, 1000, &size));
    FUT_TEST_OK(fut_args_get_f64(args, "crop", 0, 1, &crop));
    FUT_TEST_OK(fut_args_get_word(args, "split", &word));
    assert_int_equal(size, 224);
    assert_true(crop == 0.5);
    assert_int_equal(word, 1);
    FUT_TEST_FAILS(fut_args_get_i64(args, "output", 0, 1, &size), FUT_ERR_USAGE, "--output is missing: file to write");
    FUT_TEST_FAILS(fut_args_get_i64(args, "nonsense", 0, 1, &size), FUT_ERR_INTERNAL, "nonsense");
    fut_args_destroy(&args);
    assert_null(args);
    assert_int_equal(fut_mem_bytes(), 0);
}

static void every_spelling(void **state)
{
    (void)state;
    fut_args *args = NULL;
    int word = -1;
    FUT_TEST_OK(PARSE(&args, "--output=a=b", "runs/a", "-f", "--size", "7", "val", "-sx=1", "--set", "y=2", "-s", "z", "x.jpg", "--split",
                      "stratified", "--", "-odd"));
    assert_string_equal(fut_args_get(args, "output"), "a=b");
    assert_string_equal(fut_args_get(args, "RUN"), "runs/a");
    assert_string_equal(fut_args_get(args, "PART"), "val");
    assert_int_equal(fut_args_count(args, "MORE"), 2);
    assert_string_equal(fut_args_get_at(args, "MORE", 0), "x.jpg");
    assert_string_equal(fut_args_get_at(args, "MORE", 1), "-odd");
    assert_null(fut_args_get_at(args, "MORE", 2));
    assert_true(fut_args_is_given(args, "force"));
    assert_int_equal(fut_args_count(args, "set"), 3);
    assert_string_equal(fut_args_get_at(args, "set", 0), "x=1");
    assert_string_equal(fut_args_get_at(args, "set", 2), "z");
    FUT_TEST_OK(fut_args_get_word(args, "split", &word));
    assert_int_equal(word, 0);
    fut_args_destroy(&args);
    /* The last one wins; an empty value is a value; "-" is an operand. */
    FUT_TEST_OK(PARSE(&args, "-", "--output", "a", "-ob", "--output=", "--size=1", "--size=2"));
    assert_string_equal(fut_args_get(args, "RUN"), "-");
    assert_string_equal(fut_args_get(args, "output"), "");
    assert_string_equal(fut_args_get(args, "size"), "2");
    fut_args_destroy(&args);
}

static void mistakes(void **state)
{
    (void)state;
    fut_args *args = NULL;
    int64_t size = 0;
    FUT_TEST_FAILS(PARSE(&args, "--size=1"), FUT_ERR_USAGE, "futago test needs RUN: run folder");
    FUT_TEST_FAILS(PARSE(&args, "r", "--sise", "1"), FUT_ERR_USAGE, "no option --sise; did you mean --size?");
    FUT_TEST_FAILS(PARSE(&args, "r", "--outptu=x"), FUT_ERR_USAGE, "no option --outptu; did you mean --output?");
    FUT_TEST_FAILS(PARSE(&args, "r", "--zzzzzzzzzz"), FUT_ERR_USAGE, "no option --zzzzzzzzzz; futago test --help lists them");
    FUT_TEST_FAILS(PARSE(&args, "r", "-q"), FUT_ERR_USAGE, "no option -q");
    FUT_TEST_FAILS(PARSE(&args, "r", "--RUN=x"), FUT_ERR_USAGE, "no option --RUN");
    FUT_TEST_FAILS(PARSE(&args, "r", "--size"), FUT_ERR_USAGE, "--size needs a value: N");
    FUT_TEST_FAILS(PARSE(&args, "r", "--force=yes"), FUT_ERR_USAGE, "--force takes no value");
    FUT_TEST_FAILS(PARSE(&args, "r", "--split", "both"), FUT_ERR_USAGE, "--split is \"both\", must be one of stratified|identity");
    FUT_TEST_FAILS(PARSE(&args, "r", "--split", "strat"), FUT_ERR_USAGE, "must be one of");
    assert_null(args);
    FUT_TEST_OK(PARSE(&args, "r", "--size", "12x", "--crop", "nan"));
    FUT_TEST_FAILS(fut_args_get_i64(args, "size", 1, 99, &size), FUT_ERR_USAGE, "--size is \"12x\", must be a whole number from 1 to 99");
    double crop = 0;
    FUT_TEST_FAILS(fut_args_get_f64(args, "crop", 0, 1, &crop), FUT_ERR_USAGE, "--crop is \"nan\", must be a number from 0 to 1");
    fut_args_destroy(&args);
    assert_int_equal(fut_mem_bytes(), 0);
}

static void help_ends_the_command(void **state)
{
    (void)state;
    fut_args *args = NULL;
    FUT_TEST_OK(PARSE(&args, "--bad", "--help"));
    assert_null(args);
    FUT_TEST_OK(PARSE(&args, "--", "--help"));
    assert_non_null(args);
    fut_args_destroy(&args);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults),
        cmocka_unit_test(every_spelling),
        cmocka_unit_test(mistakes),
        cmocka_unit_test(help_ends_the_command),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
