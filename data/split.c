#include "data/split.h"

#include "core/base/mem.h"
#include "core/base/rng.h"

#include <math.h>
#include <string.h>

/* Members of each class, classes numbered by ascending label: members of class c are member[first[c] .. first[c + 1]), ascending. */
typedef struct classes {
    int64_t n; /* classes */
    int64_t count_max;
    int64_t *count, *first, *member;
} classes;

static void classes_fini(classes *c)
{
    fut_mem_free(c->count);
    fut_mem_free(c->first);
    fut_mem_free(c->member);
    *c = (classes){0};
}

static fut_status classes_init(const int32_t *labels, int64_t n, classes *out)
{
    fut_status st = FUT_OK;
    classes c = {0};
    int64_t *place = NULL; /* first the count of a label, then where its next member goes */
    int64_t labels_end = 0;
    for (int64_t i = 0; i < n; i++)
        if (labels[i] >= labels_end) labels_end = (int64_t)labels[i] + 1;
    FUT_TRY_GOTO(FUT_NEW_ARRAY(labels_end, &place), out);
    for (int64_t i = 0; i < n; i++)
        c.n += place[labels[i]]++ == 0;
    FUT_TRY_GOTO(FUT_NEW_ARRAY(c.n, &c.count), out);
    FUT_TRY_GOTO(FUT_NEW_ARRAY(c.n + 1, &c.first), out);
    FUT_TRY_GOTO(FUT_NEW_ARRAY(n, &c.member), out);
    int64_t k = 0;
    int64_t at = 0;
    for (int64_t label = 0; label < labels_end; label++) {
        int64_t count = place[label];
        place[label] = at;
        if (count == 0) continue;
        c.count[k] = count;
        c.first[k++] = at;
        at += count;
        if (count > c.count_max) c.count_max = count;
    }
    c.first[k] = at;
    for (int64_t i = 0; i < n; i++)
        c.member[place[labels[i]]++] = i;
    *out = c;
    c = (classes){0};
out:
    classes_fini(&c);
    fut_mem_free(place);
    return st;
}

/* How many of n_draws fall on each class: sklearn.utils._approximate_mode, the mode of the multivariate hypergeometric distribution, ties
 * broken by the generator. remainder [n_classes], scratch [3 * n_classes]. */
static void approximate_mode(const int64_t *count, int64_t n_classes, int64_t n_draws, fut_mt19937 *mt, double *remainder, int64_t *scratch,
                             int64_t *drawn_out)
{
    int64_t *tied = scratch;
    int64_t *chosen = scratch + n_classes;
    int64_t *permuted = scratch + 2 * n_classes;
    int64_t total = 0;
    int64_t floored = 0;
    for (int64_t k = 0; k < n_classes; k++)
        total += count[k];
    for (int64_t k = 0; k < n_classes; k++) {
        /* The order of these operations decides which remainders tie: numpy's class_counts / class_counts.sum() * n_draws. */
        double continuous = (double)count[k] / (double)total * (double)n_draws;
        drawn_out[k] = (int64_t)floor(continuous);
        remainder[k] = continuous - floor(continuous);
        floored += drawn_out[k];
    }
    int64_t need = n_draws - floored;
    double below = INFINITY;
    while (need > 0) {
        double value = -1; /* the largest remainder not yet served */
        for (int64_t k = 0; k < n_classes; k++)
            if (remainder[k] < below && remainder[k] > value) value = remainder[k];
        if (value < 0) return;
        int64_t n_tied = 0;
        for (int64_t k = 0; k < n_classes; k++)
            if (remainder[k] == value) tied[n_tied++] = k;
        int64_t add = n_tied < need ? n_tied : need;
        /* Drawn even when all are taken: the generator moves. */
        fut_mt_choice(mt, n_tied, add, 0, permuted, chosen);
        for (int64_t i = 0; i < add; i++)
            drawn_out[tied[chosen[i]]]++;
        need -= add;
        below = value;
    }
}

static fut_split_refusal refusal_of(const classes *c, int64_t n_train, int64_t n_test)
{
    for (int64_t k = 0; k < c->n; k++)
        if (c->count[k] < 2) return FUT_SPLIT_FEW_IMAGES;
    if (n_train < c->n) return FUT_SPLIT_TRAIN_SMALL;
    if (n_test < c->n) return FUT_SPLIT_TEST_SMALL;
    return FUT_SPLIT_OK;
}

static int64_t test_count(int64_t n, double test_size)
{
    return (int64_t)ceil(test_size * (double)n);
}

fut_status fut_split_stratified_shuffle(const int32_t *labels, int64_t n, double test_size, uint32_t seed, int64_t **train_out,
                                        int64_t *n_train_out, int64_t **test_out, int64_t *n_test_out, fut_split_refusal *refusal_out)
{
    fut_status st = FUT_OK;
    classes c = {0};
    int64_t *train = NULL;
    int64_t *test = NULL;
    int64_t *into_train = NULL; /* of each class, also what is left after train, and test */
    int64_t *order = NULL;
    double *remainder = NULL;
    fut_mt19937 mt;
    int64_t n_test = test_count(n, test_size);
    int64_t n_train = n - n_test;
    *train_out = NULL;
    *test_out = NULL;
    *n_train_out = n_train;
    *n_test_out = n_test;
    FUT_TRY_GOTO(classes_init(labels, n, &c), out);
    *refusal_out = refusal_of(&c, n_train, n_test);
    if (*refusal_out != FUT_SPLIT_OK) goto out;

    FUT_TRY_GOTO(FUT_NEW_ARRAY(n_train, &train), out);
    FUT_TRY_GOTO(FUT_NEW_ARRAY(n_test, &test), out);
    FUT_TRY_GOTO(FUT_NEW_ARRAY(6 * c.n, &into_train), out);
    FUT_TRY_GOTO(FUT_NEW_ARRAY(c.count_max, &order), out);
    FUT_TRY_GOTO(FUT_NEW_ARRAY(c.n, &remainder), out);
    int64_t *left = into_train + c.n;
    int64_t *into_test = into_train + 2 * c.n;
    int64_t *scratch = into_train + 3 * c.n;

    fut_mt_seed(&mt, seed);
    approximate_mode(c.count, c.n, n_train, &mt, remainder, scratch, into_train);
    for (int64_t k = 0; k < c.n; k++)
        left[k] = c.count[k] - into_train[k];
    approximate_mode(left, c.n, n_test, &mt, remainder, scratch, into_test);
    int64_t at_train = 0;
    int64_t at_test = 0;
    for (int64_t k = 0; k < c.n; k++) {
        fut_mt_permutation(&mt, c.count[k], order);
        const int64_t *member = c.member + c.first[k];
        for (int64_t i = 0; i < into_train[k]; i++)
            train[at_train++] = member[order[i]];
        for (int64_t i = 0; i < into_test[k]; i++)
            test[at_test++] = member[order[into_train[k] + i]];
    }
    fut_mt_shuffle(&mt, train, n_train);
    fut_mt_shuffle(&mt, test, n_test);
    *train_out = train;
    *test_out = test;
    train = NULL;
    test = NULL;
out:
    fut_mem_free(remainder);
    fut_mem_free(order);
    fut_mem_free(into_train);
    fut_mem_free(test);
    fut_mem_free(train);
    classes_fini(&c);
    return st;
}

void fut_split_fini(fut_split *split)
{
    for (int part = 0; part < FUT_PART_COUNT; part++)
        fut_mem_free(split->index[part]);
    *split = (fut_split){0};
}

void fut_split_report_fini(fut_split_report *report)
{
    fut_mem_free(report->few);
    *report = (fut_split_report){0};
}

static fut_status check_fractions(const double fractions[FUT_PART_COUNT], double least)
{
    double sum = 0;
    for (int part = 0; part < FUT_PART_COUNT; part++) {
        FUT_CHECK(fractions[part] >= (part == FUT_PART_TRAIN ? 1e-9 : least) && fractions[part] <= 1, FUT_ERR_CONFIG,
                  "the %s fraction is %g, must be %s 0 and at most 1", fut_part_names[part], fractions[part],
                  part == FUT_PART_TRAIN || least > 0 ? "above" : "at least");
        sum += fractions[part];
    }
    FUT_CHECK(fabs(sum - 1) < 1e-6, FUT_ERR_CONFIG, "the fractions %g, %g, %g add up to %g, must be 1", fractions[0], fractions[1],
              fractions[2], sum);
    return FUT_OK;
}

/* Labels that have fewer than 2 of these images. */
static fut_status list_few(const int32_t *labels, int64_t n, fut_split_report *report)
{
    fut_status st = FUT_OK;
    classes c = {0};
    FUT_TRY_GOTO(classes_init(labels, n, &c), out);
    report->n_classes = c.n;
    FUT_TRY_GOTO(FUT_NEW_ARRAY(c.n, &report->few), out);
    for (int64_t k = 0; k < c.n; k++)
        if (c.count[k] < 2) report->few[report->n_few++] = labels[c.member[c.first[k]]];
out:
    classes_fini(&c);
    return st;
}

fut_status fut_split_stratified(const int32_t *labels, int64_t n, const double fractions[FUT_PART_COUNT], uint32_t seed,
                                fut_split *split_out, fut_split_report *report_out)
{
    fut_status st = FUT_OK;
    fut_split split = {0};
    fut_split_report report = {.call = 1};
    int64_t *rest = NULL;
    int32_t *rest_labels = NULL;
    int64_t n_rest = 0;
    *split_out = (fut_split){0};
    *report_out = (fut_split_report){0};
    FUT_TRY(check_fractions(fractions, 1e-9));
    double first_test = fractions[FUT_PART_VAL] + fractions[FUT_PART_TEST];

    FUT_TRY_GOTO(fut_split_stratified_shuffle(labels, n, first_test, seed, &split.index[FUT_PART_TRAIN], &report.n_first, &rest,
                                              &report.n_second, &report.refusal),
                 out);
    if (report.refusal != FUT_SPLIT_OK) {
        FUT_TRY_GOTO(list_few(labels, n, &report), out);
        goto refused;
    }
    split.n[FUT_PART_TRAIN] = report.n_first;
    n_rest = report.n_second;
    FUT_TRY_GOTO(FUT_NEW_ARRAY(n_rest, &rest_labels), out);
    for (int64_t i = 0; i < n_rest; i++)
        rest_labels[i] = labels[rest[i]];
    report.call = 2;
    FUT_TRY_GOTO(fut_split_stratified_shuffle(rest_labels, n_rest, fractions[FUT_PART_TEST] / first_test, seed, &split.index[FUT_PART_VAL],
                                              &report.n_first, &split.index[FUT_PART_TEST], &report.n_second, &report.refusal),
                 out);
    if (report.refusal != FUT_SPLIT_OK) {
        FUT_TRY_GOTO(list_few(rest_labels, n_rest, &report), out);
        goto refused;
    }
    split.n[FUT_PART_VAL] = report.n_first;
    split.n[FUT_PART_TEST] = report.n_second;
    for (int part = FUT_PART_VAL; part <= FUT_PART_TEST; part++)
        for (int64_t i = 0; i < split.n[part]; i++)
            split.index[part][i] = rest[split.index[part][i]];
    *split_out = split;
    split = (fut_split){0};
refused:
    *report_out = report;
    report = (fut_split_report){0};
out:
    fut_mem_free(rest_labels);
    fut_mem_free(rest);
    fut_split_report_fini(&report);
    fut_split_fini(&split);
    return st;
}

/* People of a part: as scikit-learn counts a test part, at least one where the fraction is not zero. */
static int64_t people_count(int64_t n_identities, double fraction)
{
    return fraction <= 0 ? 0 : (int64_t)ceil(fraction * (double)n_identities);
}

fut_status fut_split_identity(const int32_t *labels, int64_t n, int64_t n_identities, const double fractions[FUT_PART_COUNT], uint32_t seed,
                              fut_split *split_out)
{
    fut_status st = FUT_OK;
    fut_split split = {0};
    int64_t *order = NULL;
    uint8_t *part_of = NULL;
    fut_mt19937 mt;
    FUT_TRY(check_fractions(fractions, 0));
    int64_t n_test = people_count(n_identities, fractions[FUT_PART_TEST]);
    int64_t n_val = people_count(n_identities, fractions[FUT_PART_VAL]);
    FUT_CHECK(n_test + n_val < n_identities, FUT_ERR_DATA,
              "%lld people are too few for an identity split of %g, %g, %g: %lld would be test, %lld val and none train",
              (long long)n_identities, fractions[0], fractions[1], fractions[2], (long long)n_test, (long long)n_val);
    FUT_TRY_GOTO(FUT_NEW_ARRAY(n_identities, &order), out);
    FUT_TRY_GOTO(FUT_NEW_ARRAY(n_identities, &part_of), out);
    fut_mt_seed(&mt, seed);
    fut_mt_permutation(&mt, n_identities, order);
    for (int64_t i = 0; i < n_identities; i++)
        part_of[order[i]] = i < n_test ? FUT_PART_TEST : i < n_test + n_val ? FUT_PART_VAL : FUT_PART_TRAIN;
    for (int part = 0; part < FUT_PART_COUNT; part++) {
        int64_t count = 0;
        for (int64_t i = 0; i < n; i++)
            count += part_of[labels[i]] == part;
        FUT_TRY_GOTO(FUT_NEW_ARRAY(count, &split.index[part]), out);
        for (int64_t i = 0; i < n; i++)
            if (part_of[labels[i]] == part) split.index[part][split.n[part]++] = i;
    }
    *split_out = split;
    split = (fut_split){0};
out:
    fut_mem_free(part_of);
    fut_mem_free(order);
    fut_split_fini(&split);
    return st;
}
