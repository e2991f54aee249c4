#include "core/base/mem.h"
#include "core/base/str.h"
#include "data/pack_impl.h"

#include <string.h>

enum { NAMED_MAX = 10, MIN_IMAGES_TRIED = 100 };

static fut_status append_name(fut_str *text, const char *name)
{
    return fut_str_append_escaped(text, name, strlen(name));
}

/* The smallest min_images with which the stratified split would be accepted, and the people it would keep; 0 if none up to
 * MIN_IMAGES_TRIED. */
static fut_status find_min_images(const fut_pack_options *options, const int32_t *labels, int64_t n, int64_t n_people, int64_t *least_out,
                                  int64_t *people_out)
{
    fut_status st = FUT_OK;
    int64_t *count = NULL;
    int32_t *kept = NULL;
    *least_out = 0;
    FUT_TRY_GOTO(FUT_NEW_ARRAY(n_people, &count), out);
    FUT_TRY_GOTO(FUT_NEW_ARRAY(n, &kept), out);
    for (int64_t i = 0; i < n; i++)
        count[labels[i]]++;
    for (int64_t least = 2; least <= MIN_IMAGES_TRIED; least++) {
        int64_t n_kept = 0;
        int64_t people = 0;
        for (int64_t k = 0; k < n_people; k++)
            people += count[k] >= least;
        for (int64_t i = 0; i < n; i++)
            if (count[labels[i]] >= least) kept[n_kept++] = labels[i];
        if (people < 2) goto out;
        fut_split split = {0};
        fut_split_report report = {0};
        FUT_TRY_GOTO(fut_split_stratified(kept, n_kept, options->fractions, options->seed, &split, &report), out);
        bool accepted = report.refusal == FUT_SPLIT_OK;
        fut_split_fini(&split);
        fut_split_report_fini(&report);
        if (!accepted) continue;
        *least_out = least;
        *people_out = people;
        goto out;
    }
out:
    fut_mem_free(kept);
    fut_mem_free(count);
    return st;
}

static fut_status append_few(fut_str *text, const fut_split_report *report, const char *const *names)
{
    for (int64_t i = 0; i < report->n_few && i < NAMED_MAX; i++) {
        FUT_TRY(fut_str_append(text, i == 0 ? "" : ", ", i == 0 ? 0 : 2));
        FUT_TRY(append_name(text, names[report->few[i]]));
    }
    if (report->n_few > NAMED_MAX) FUT_TRY(fut_str_printf(text, " and %lld more", (long long)(report->n_few - NAMED_MAX)));
    return FUT_OK;
}

/* Why the stratified split is impossible, in the words of photos and people. */
static fut_status append_why(fut_str *text, const fut_split_report *report, const char *const *names)
{
    const char *first = report->call == 1 ? "train" : "val";
    const char *second = report->call == 1 ? "val and test" : "test";
    switch (report->refusal) {
    case FUT_SPLIT_FEW_IMAGES:
        FUT_TRY(fut_str_printf(text,
                               report->call == 1
                                   ? "%lld of %lld people have a single photo: "
                                   : "after train took its share, %lld of %lld people have a single photo left for val and test: ",
                               (long long)report->n_few, (long long)report->n_classes));
        return append_few(text, report, names);
    case FUT_SPLIT_TRAIN_SMALL:
        return fut_str_printf(text, "%s would get %lld photos, fewer than its %lld people", first, (long long)report->n_first,
                              (long long)report->n_classes);
    default:
        return fut_str_printf(text, "%s would get %lld photos, fewer than its %lld people", second, (long long)report->n_second,
                              (long long)report->n_classes);
    }
}

static fut_status refuse(const fut_pack_options *options, const fut_split_report *report, const int32_t *labels, int64_t n,
                         const char *const *names, int64_t n_people)
{
    fut_status st = FUT_OK;
    fut_str text = {0};
    int64_t least = 0;
    int64_t people = 0;
    FUT_TRY_GOTO(append_why(&text, report, names), out);
    FUT_TRY_GOTO(find_min_images(options, labels, n, n_people, &least, &people), out);
    FUT_TRY_GOTO(fut_str_printf(&text, ". Choose: --split identity keeps everyone and puts whole people into one part"), out);
    if (least > 0)
        FUT_TRY_GOTO(fut_str_printf(&text, "; --min-images %lld leaves out people with fewer photos and keeps %lld of %lld",
                                    (long long)least, (long long)people, (long long)n_people),
                     out);
    st = FUT_FAIL(FUT_ERR_DATA, "the stratified split is impossible, as in scikit-learn: %s", fut_str_text(&text));
out:
    fut_str_fini(&text);
    return st;
}

fut_status fut_pack_split(const fut_pack_options *options, const int32_t *labels, int64_t n, const char *const *names, int64_t n_people,
                          fut_split *split_out)
{
    if (options->method == FUT_SPLIT_IDENTITY) return fut_split_identity(labels, n, n_people, options->fractions, options->seed, split_out);
    fut_split_report report = {0};
    FUT_TRY(fut_split_stratified(labels, n, options->fractions, options->seed, split_out, &report));
    fut_status st = report.refusal == FUT_SPLIT_OK ? FUT_OK : refuse(options, &report, labels, n, names, n_people);
    fut_split_report_fini(&report);
    return st;
}
