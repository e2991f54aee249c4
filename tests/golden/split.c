/* data/split against scikit-learn's StratifiedShuffleSplit (make_split.py), index for index. */
#include "data/split.h"
#include "core/base/mem.h"
#include "tests/golden/labels.h"
#include "tests/support/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { IMAGES_MAX = 4096, LINE_BYTES = 8192 };

static void single_calls(void **state)
{
    (void)state;
    static int32_t labels[IMAGES_MAX];
    char line[LINE_BYTES];
    FILE *file = open_golden("split/calls.txt");
    int cases = 0;
    while (next_case(file, line, LINE_BYTES)) {
        unsigned long long label_seed, train_hash, test_hash;
        long long n;
        int classes, skew, outcome;
        double test_size;
        unsigned seed;
        assert_int_equal(sscanf(line, "%llu %lld %d %d %lf %u %d %llx %llx", &label_seed, &n, &classes, &skew, &test_size, &seed, &outcome,
                                &train_hash, &test_hash),
                         9);
        assert_true(n <= IMAGES_MAX);
        draw_labels(label_seed, n, classes, skew, labels);
        int64_t *train = NULL;
        int64_t *test = NULL;
        int64_t n_train = 0;
        int64_t n_test = 0;
        fut_split_refusal refusal = FUT_SPLIT_OK;
        FUT_TEST_OK(fut_split_stratified_shuffle(labels, n, test_size, seed, &train, &n_train, &test, &n_test, &refusal));
        if ((int)refusal != outcome) fail_msg("outcome %d, scikit-learn has %d: %s", (int)refusal, outcome, line);
        if (outcome == 0 && (fnv(train, n_train, FNV_START) != train_hash || fnv(test, n_test, FNV_START) != test_hash))
            fail_msg("indices differ: %s", line);
        fut_mem_free(train);
        fut_mem_free(test);
        cases++;
    }
    (void)fclose(file);
    assert_int_equal(cases, 600);
}

static void the_article(void **state)
{
    (void)state;
    static int32_t labels[IMAGES_MAX];
    char line[LINE_BYTES];
    FILE *file = open_golden("split/article.txt");
    int cases = 0;
    while (next_case(file, line, LINE_BYTES)) {
        unsigned long long label_seed, hash[FUT_PART_COUNT];
        long long n;
        int classes, skew, outcome, call;
        double fractions[FUT_PART_COUNT];
        unsigned seed;
        assert_int_equal(sscanf(line, "%llu %lld %d %d %lf %lf %lf %u %d %d %llx %llx %llx", &label_seed, &n, &classes, &skew,
                                &fractions[0], &fractions[1], &fractions[2], &seed, &outcome, &call, &hash[0], &hash[1], &hash[2]),
                         13);
        assert_true(n <= IMAGES_MAX);
        draw_labels(label_seed, n, classes, skew, labels);
        fut_split split = {0};
        fut_split_report report = {0};
        FUT_TEST_OK(fut_split_stratified(labels, n, fractions, seed, &split, &report));
        if ((int)report.refusal != outcome || (outcome != 0 && report.call != call))
            fail_msg("outcome %d at call %d: %s", (int)report.refusal, report.call, line);
        for (int part = 0; part < FUT_PART_COUNT && outcome == 0; part++)
            if (fnv(split.index[part], split.n[part], FNV_START) != hash[part]) fail_msg("%s differs: %s", fut_part_names[part], line);
        if (outcome != 0) assert_int_equal(split.n[0] + split.n[1] + split.n[2], 0);
        if (outcome == FUT_SPLIT_FEW_IMAGES) assert_true(report.n_few > 0);
        fut_split_report_fini(&report);
        fut_split_fini(&split);
        cases++;
    }
    (void)fclose(file);
    assert_int_equal(cases, 300);
}

/* Numbers up to '|' or the end of line; *at moves behind the bar. */
static int64_t read_numbers(char **at, int64_t *out)
{
    int64_t n = 0;
    for (char *token = strsep(at, "|"); token != NULL; token = NULL) {
        char *save = NULL;
        for (char *word = strtok_r(token, " \n", &save); word != NULL; word = strtok_r(NULL, " \n", &save))
            out[n++] = strtoll(word, NULL, 10);
    }
    return n;
}

static void in_full(void **state)
{
    (void)state;
    char line[LINE_BYTES];
    FILE *file = open_golden("split/full.txt");
    int cases = 0;
    while (next_case(file, line, LINE_BYTES)) {
        int64_t number[3][256];
        int64_t n[3];
        int32_t labels[256];
        char *at = line;
        double test_size = 0;
        unsigned seed = 0;
        assert_int_equal(sscanf(strsep(&at, "|"), "%lf %u", &test_size, &seed), 2);
        for (int i = 0; i < 3; i++)
            n[i] = read_numbers(&at, number[i]);
        for (int64_t i = 0; i < n[0]; i++)
            labels[i] = (int32_t)number[0][i];
        int64_t *train = NULL;
        int64_t *test = NULL;
        int64_t n_train = 0;
        int64_t n_test = 0;
        fut_split_refusal refusal = FUT_SPLIT_OK;
        FUT_TEST_OK(fut_split_stratified_shuffle(labels, n[0], test_size, seed, &train, &n_train, &test, &n_test, &refusal));
        assert_int_equal(n_train, n[1]);
        assert_int_equal(n_test, n[2]);
        assert_memory_equal(train, number[1], (size_t)n_train * sizeof *train);
        assert_memory_equal(test, number[2], (size_t)n_test * sizeof *test);
        fut_mem_free(train);
        fut_mem_free(test);
        cases++;
    }
    (void)fclose(file);
    assert_int_equal(cases, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(single_calls),
        cmocka_unit_test(the_article),
        cmocka_unit_test(in_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
