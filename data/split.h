/* Splitting images into train, val and test.
 *
 * stratified: the article's two calls of scikit-learn's StratifiedShuffleSplit, bit for bit: the first with test_size = val + test, the
 * second on the remainder (labels in the first call's shuffled order) with test_size = test / (val + test); val is the second call's first
 * output. Every person is in every part.
 * identity: whole people are dealt, so that no person is in two parts. */
#ifndef FUT_DATA_SPLIT_H
#define FUT_DATA_SPLIT_H

#include "core/base/status.h"
#include "data/dataset.h"

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Image indices of each part. {0} is empty. */
typedef struct fut_split {
    int64_t n[FUT_PART_COUNT];
    int64_t *index[FUT_PART_COUNT];
} fut_split;

/* Why scikit-learn would refuse, for a message that names people. */
typedef enum fut_split_refusal {
    FUT_SPLIT_OK,
    FUT_SPLIT_FEW_IMAGES,  /* some class has fewer than 2 members */
    FUT_SPLIT_TRAIN_SMALL, /* fewer images in the first output than classes */
    FUT_SPLIT_TEST_SMALL   /* fewer images in the second output than classes */
} fut_split_refusal;

/* StratifiedShuffleSplit(n_splits=1, test_size, random_state=seed).split(x, labels), first yield.
 * Shape:  labels [n], any values >= 0; n > 0
 * Owns:   *train_out and *test_out, release with fut_mem_free; both NULL when refused
 * Errors: FUT_ERR_NO_MEMORY; a refusal is not an error, it is *refusal_out. Source: sklearn/model_selection/_split.py. */
fut_status fut_split_stratified_shuffle(const int32_t *labels, int64_t n, double test_size, uint32_t seed, int64_t **train_out,
                                        int64_t *n_train_out, int64_t **test_out, int64_t *n_test_out,
                                        fut_split_refusal *refusal_out) FUT_MUST_CHECK;

/* Where a stratified split was refused: which of the two calls, why, with the counts. */
typedef struct fut_split_report {
    fut_split_refusal refusal;
    int call;                  /* 1 or 2 */
    int64_t n_first, n_second; /* outputs of that call */
    int64_t n_classes;
    int32_t *few; /* labels with fewer than 2 members at that call; owned, fut_split_report_fini */
    int64_t n_few;
} fut_split_report;
void fut_split_report_fini(fut_split_report *report);

/* The article's split. fractions are positive and add up to 1. When refused, *split_out is empty and *report_out says why.
 * Owns: *split_out, release with fut_split_fini; *report_out. Errors: FUT_ERR_NO_MEMORY, FUT_ERR_CONFIG (fractions). */
fut_status fut_split_stratified(const int32_t *labels, int64_t n, const double fractions[FUT_PART_COUNT], uint32_t seed,
                                fut_split *split_out, fut_split_report *report_out) FUT_MUST_CHECK;

/* Whole people: RandomState(seed).permutation of the identities [0, n_identities); the first ceil(test * C) are test, the next
 * ceil(val * C) val, the rest train (at least one each). Inside a part, images keep their order. A fraction of 0 leaves a part empty.
 * Errors: FUT_ERR_DATA (too few people), FUT_ERR_CONFIG (fractions). */
fut_status fut_split_identity(const int32_t *labels, int64_t n, int64_t n_identities, const double fractions[FUT_PART_COUNT], uint32_t seed,
                              fut_split *split_out) FUT_MUST_CHECK;
void fut_split_fini(fut_split *split);

#ifdef __cplusplus
}
#endif

#endif
