/* data/sampler against pytorch-metric-learning's MPerClassSampler (make_sampler.py), index for index, over passes. */
#include "data/sampler.h"
#include "core/base/mem.h"
#include "tests/golden/labels.h"
#include "tests/support/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { IMAGES_MAX = 1024, PASS_MAX = 8192, LINE_BYTES = 8192, PASSES = 3 };

/* One pass in batches of `batch`; the last one is flagged, and only it. */
static int64_t read_pass(fut_sampler *sampler, int64_t batch, int64_t *out)
{
    int64_t n = 0;
    for (bool last = false; !last;) {
        int64_t got = 0;
        assert_true(n + batch <= PASS_MAX);
        fut_sampler_next(sampler, batch, out + n, &got, &last);
        assert_true(got >= 1 && got <= batch && (last || got == batch));
        n += got;
    }
    return n;
}

static void sequences(void **state)
{
    (void)state;
    static int32_t labels[IMAGES_MAX];
    static int64_t images[IMAGES_MAX];
    static int64_t pass[PASS_MAX];
    char line[LINE_BYTES];
    FILE *file = open_golden("sampler/cases.txt");
    int cases = 0;
    for (int64_t i = 0; i < IMAGES_MAX; i++)
        images[i] = i;
    while (next_case(file, line, LINE_BYTES)) {
        unsigned long long label_seed, want;
        long long n, m, batch, length, pass_length;
        int classes, skew;
        unsigned seed;
        assert_int_equal(sscanf(line, "%llu %lld %d %d %lld %lld %lld %u %lld %llx", &label_seed, &n, &classes, &skew, &m, &batch, &length,
                                &seed, &pass_length, &want),
                         10);
        assert_true(n <= IMAGES_MAX);
        draw_labels(label_seed, n, classes, skew, labels);
        const fut_sampler_config config = {.m = m, .batch = batch, .length = length, .seed = seed};
        fut_sampler *sampler = NULL;
        cases++;
        if (pass_length == 0) {
            FUT_TEST_FAILS(fut_sampler_create(&config, images, labels, n, &sampler), FUT_ERR_CONFIG, "batch");
            assert_null(sampler);
            continue;
        }
        FUT_TEST_OK(fut_sampler_create(&config, images, labels, n, &sampler));
        assert_int_equal(fut_sampler_pass_length(sampler), pass_length);
        uint64_t hash = FNV_START;
        for (int i = 0; i < PASSES; i++) {
            /* Cut differently each time: the cutting must not matter. */
            assert_int_equal(read_pass(sampler, 1 + 13 * i, pass), pass_length);
            hash = fnv(pass, pass_length, hash);
        }
        if (hash != want) fail_msg("sequence differs: %s", line);
        fut_sampler_destroy(&sampler);
    }
    (void)fclose(file);
    assert_int_equal(cases, 300);
}

static int64_t read_numbers(char *text, int64_t *out)
{
    int64_t n = 0;
    char *save = NULL;
    for (char *word = strtok_r(text, " \n", &save); word != NULL; word = strtok_r(NULL, " \n", &save))
        out[n++] = strtoll(word, NULL, 10);
    return n;
}

static void in_full(void **state)
{
    (void)state;
    char line[LINE_BYTES];
    FILE *file = open_golden("sampler/full.txt");
    int cases = 0;
    while (next_case(file, line, LINE_BYTES)) {
        int64_t given[256], want[256], images[256], got[PASS_MAX];
        int32_t labels[256];
        char *at = line;
        fut_sampler_config config = {0};
        long long m, batch, length;
        assert_int_equal(sscanf(strsep(&at, "|"), "%lld %lld %lld %u", &m, &batch, &length, &config.seed), 4);
        config.m = m;
        config.batch = batch;
        config.length = length;
        int64_t n = read_numbers(strsep(&at, "|"), given);
        int64_t n_want = read_numbers(strsep(&at, "|"), want);
        for (int64_t i = 0; i < n; i++) {
            labels[i] = (int32_t)given[i];
            images[i] = i;
        }
        fut_sampler *sampler = NULL;
        FUT_TEST_OK(fut_sampler_create(&config, images, labels, n, &sampler));
        assert_int_equal(read_pass(sampler, 32, got), n_want);
        assert_memory_equal(got, want, (size_t)n_want * sizeof *got);
        fut_sampler_destroy(&sampler);
        cases++;
    }
    (void)fclose(file);
    assert_int_equal(cases, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sequences),
        cmocka_unit_test(in_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
