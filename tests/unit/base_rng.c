/* core/base/rng: numpy's legacy RandomState (golden file made by tests/golden/make_numpy_rng.py), Philox (Random123's kat_vectors). */
#include "core/base/rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { VALUES_MAX = 2048 };

static void known_words_of_seed_42(void **state)
{
    (void)state;
    static const uint32_t words[] = {1608637542, 3421126067, 4083286876, 787846414};
    static const int64_t permutation[] = {8, 1, 5, 0, 7, 2, 9, 4, 3, 6};
    fut_mt19937 mt;
    fut_mt_seed(&mt, 42);
    for (int i = 0; i < 4; i++)
        assert_int_equal(fut_mt_next(&mt), words[i]);
    int64_t values[10];
    fut_mt_seed(&mt, 42);
    fut_mt_permutation(&mt, 10, values);
    assert_memory_equal(values, permutation, sizeof values);
}

/* The 10000th word of seed 5489, from the C++ standard ([rand.predef]). */
static void ten_thousandth_word(void **state)
{
    (void)state;
    fut_mt19937 mt;
    fut_mt_seed(&mt, 5489);
    for (int i = 1; i < 10000; i++)
        (void)fut_mt_next(&mt);
    assert_int_equal(fut_mt_next(&mt), 4123659995U);
}

static void compute(const char *name, const int64_t *args, int64_t *values_out, int64_t expected_count)
{
    static int64_t scratch[VALUES_MAX];
    fut_mt19937 mt;
    fut_mt_seed(&mt, (uint32_t)args[0]);
    if (strcmp(name, "words") == 0) {
        for (int64_t i = 0; i < expected_count; i++)
            values_out[i] = fut_mt_next(&mt);
    } else if (strcmp(name, "interval") == 0) {
        for (int64_t i = 0; i < expected_count; i++)
            values_out[i] = (int64_t)fut_mt_interval(&mt, (uint64_t)args[1]);
    } else if (strcmp(name, "permutation") == 0) {
        assert_int_equal(args[1], expected_count);
        fut_mt_permutation(&mt, args[1], values_out);
    } else if (strcmp(name, "choice") == 0) {
        assert_int_equal(args[2], expected_count);
        fut_mt_choice(&mt, args[1], args[2], (int)args[3], scratch, values_out);
    } else if (strcmp(name, "shuffles") == 0) {
        for (int64_t i = 0; i < args[1]; i++)
            values_out[i] = i;
        for (int64_t i = 0; i < args[2]; i++)
            fut_mt_shuffle(&mt, values_out, args[1]);
    } else {
        fail_msg("unknown golden line %s", name);
    }
}

static void equals_numpy(void **state)
{
    (void)state;
    static char line[65536];
    static int64_t expected[VALUES_MAX];
    static int64_t values[VALUES_MAX];
    FILE *file = fopen(FUT_TEST_SOURCE_DIR "/tests/golden/numpy_rng/legacy.txt", "r");
    assert_non_null(file);
    int lines = 0;
    while (fgets(line, sizeof line, file) != NULL) {
        char name[32];
        int64_t args[4] = {0};
        int used = 0;
        assert_int_equal(sscanf(line, "%31s%n", name, &used), 1);
        char *at = line + used;
        for (int i = 0; i < 4 && strncmp(at, " :", 2) != 0; i++)
            args[i] = strtoll(at, &at, 10);
        assert_int_equal(strncmp(at, " :", 2), 0);
        at += 2;
        int64_t count = 0;
        for (char *end = at;; at = end) {
            int64_t value = strtoll(at, &end, 10);
            if (end == at) break;
            assert_true(count < VALUES_MAX);
            expected[count++] = value;
        }
        compute(name, args, values, count);
        for (int64_t i = 0; i < count; i++)
            if (values[i] != expected[i])
                fail_msg("%s %lld %lld: value %lld is %lld, numpy says %lld", name, (long long)args[0], (long long)args[1], (long long)i,
                         (long long)values[i], (long long)expected[i]);
        lines++;
    }
    assert_int_equal(fclose(file), 0);
    assert_int_equal(lines, 92);
}

static void interval_of_zero_draws_nothing(void **state)
{
    (void)state;
    fut_mt19937 mt;
    fut_mt_seed(&mt, 7);
    uint32_t first = fut_mt_next(&mt);
    fut_mt_seed(&mt, 7);
    assert_int_equal(fut_mt_interval(&mt, 0), 0);
    assert_int_equal(fut_mt_next(&mt), first);
}

/* "philox4x32 10" of Random123's tests/kat_vectors: counter, key, result. */
static void philox_known_answers(void **state)
{
    (void)state;
    static const struct {
        uint32_t c[4], k[2], result[4];
    } rows[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}, {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint32_t words[4];
        fut_philox p = {.key = (uint64_t)rows[i].k[1] << 32 | rows[i].k[0]};
        fut_philox_words(p, (uint64_t)rows[i].c[1] << 32 | rows[i].c[0], (uint64_t)rows[i].c[3] << 32 | rows[i].c[2], words);
        assert_memory_equal(words, rows[i].result, sizeof words);
    }
}

static void philox_keys_differ(void **state)
{
    (void)state;
    assert_true(fut_philox_key(0, FUT_RNG_INIT).key != fut_philox_key(0, FUT_RNG_DEAL).key);
    assert_true(fut_philox_key(0, FUT_RNG_INIT).key != fut_philox_key(1, FUT_RNG_INIT).key);
    assert_true(fut_philox_key(5, FUT_RNG_TEST).key == fut_philox_key(5, FUT_RNG_TEST).key);
}

/* Moments and a chi-square over 64 cells; the limits are 5 standard errors. Streams of odd and even index are independent. */
static void philox_distributions(void **state)
{
    (void)state;
    enum { N = 200000, CELLS = 64 };
    fut_philox p = fut_philox_key(3, FUT_RNG_TEST);
    double sum = 0;
    double normal_sum = 0;
    double normal_square = 0;
    double normal_fourth = 0;
    double product = 0;
    int cells[CELLS] = {0};
    for (uint64_t i = 0; i < N; i++) {
        double u = fut_philox_uniform(p, 1, i);
        double z = fut_philox_normal(p, 2, i);
        assert_true(u >= 0 && u < 1 && isfinite(z));
        cells[(int)(u * CELLS)]++;
        sum += u;
        normal_sum += z;
        normal_square += z * z;
        normal_fourth += z * z * z * z;
        product += z * fut_philox_normal(p, 2, i ^ 1);
    }
    double chi = 0;
    for (int i = 0; i < CELLS; i++)
        chi += (cells[i] - (double)N / CELLS) * (cells[i] - (double)N / CELLS) * CELLS / N;
    assert_true(fabs(sum / N - 0.5) < 5 * sqrt(1.0 / 12 / N));
    assert_true(fabs(chi - (CELLS - 1)) < 5 * sqrt(2.0 * (CELLS - 1)));
    assert_true(fabs(normal_sum / N) < 5 * sqrt(1.0 / N));
    assert_true(fabs(normal_square / N - 1) < 5 * sqrt(2.0 / N));
    assert_true(fabs(normal_fourth / N - 3) < 5 * sqrt(96.0 / N));
    assert_true(fabs(product / N) < 5 * sqrt(2.0 / N));
}

static void philox_permutations_are_uniform(void **state)
{
    (void)state;
    enum { DRAWS = 24000 };
    fut_philox p = fut_philox_key(11, FUT_RNG_TEST);
    int counts[256] = {0};
    for (uint64_t a = 0; a < DRAWS; a++) {
        int64_t v[4];
        int seen = 0;
        fut_philox_permutation(p, a, 4, v);
        for (int i = 0; i < 4; i++)
            seen |= 1 << v[i];
        assert_int_equal(seen, 15);
        counts[v[0] * 64 + v[1] * 16 + v[2] * 4 + v[3]]++;
    }
    int kinds = 0;
    double chi = 0;
    for (int i = 0; i < 256; i++) {
        if (counts[i] == 0) continue;
        kinds++;
        chi += (counts[i] - DRAWS / 24.0) * (counts[i] - DRAWS / 24.0) / (DRAWS / 24.0);
    }
    assert_int_equal(kinds, 24);
    assert_true(chi < 23 + 5 * sqrt(2.0 * 23));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_words_of_seed_42), cmocka_unit_test(ten_thousandth_word),
        cmocka_unit_test(equals_numpy),           cmocka_unit_test(interval_of_zero_draws_nothing),
        cmocka_unit_test(philox_known_answers),   cmocka_unit_test(philox_keys_differ),
        cmocka_unit_test(philox_distributions),   cmocka_unit_test(philox_permutations_are_uniform),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
