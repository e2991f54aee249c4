#include "launch/dataset_summary.h"

#include "core/base/log.h"
#include "core/base/mem.h"

#include <stdlib.h>
#include <string.h>

enum {
    USUAL_M = 4,         /* photos a person of a batch: sampler.m's default */
    FEW_SHARE = 10,      /* warn where more than one person in so many has fewer */
    DOMINANT_TIMES = 10, /* ... or has so many times the median of photos */
    FEW_PEOPLE = 100,
    MEDIUM_PEOPLE = 1000, /* configs/medium.yaml is made for 1,000 to 2,000 people, */
    LARGE_PEOPLE = 3163,  /* configs/large.yaml for 5,000 and more: the boundary is sqrt(2,000 * 5,000) */
};

/* Of a part. Triplets are (anchor, another photo of the person, a photo of somebody else), exact below 2^53. */
typedef struct part_size {
    int64_t photos, people;
    int64_t positive, negative;
    double triplets;
    /* Photos a person, over the people of the part. */
    int64_t min, median, max;
    int64_t n_single, n_few, n_dominant; /* people with one photo, with fewer than USUAL_M, with over DOMINANT_TIMES the median */
    int64_t largest;                     /* label of the person with most */
} part_size;

static int by_value(const void *a, const void *b)
{
    int64_t va = *(const int64_t *)a;
    int64_t vb = *(const int64_t *)b;
    return va < vb ? -1 : va > vb;
}

/* counts [n_identities] photos of each person; sorted on return. */
static void measure_people(int64_t *counts, int64_t n, part_size *size)
{
    for (int64_t k = 0; k < n; k++) {
        int64_t c = counts[k];
        size->photos += c;
        size->people += c > 0;
        if (c > counts[size->largest]) size->largest = k;
    }
    for (int64_t k = 0; k < n; k++)
        size->triplets += (double)counts[k] * (double)(counts[k] - 1) * (double)(size->photos - counts[k]);
    qsort(counts, (size_t)n, sizeof *counts, by_value);
    const int64_t *present = counts + (n - size->people);
    if (size->people == 0) return;
    size->min = present[0];
    size->median = present[size->people / 2];
    size->max = present[size->people - 1];
    for (int64_t k = 0; k < size->people; k++) {
        size->n_single += present[k] == 1;
        size->n_few += present[k] < USUAL_M;
        size->n_dominant += present[k] > DOMINANT_TIMES * size->median;
    }
}

/* A part, or the whole file for FUT_PART_COUNT. */
static fut_status measure(const fut_dataset *dataset, int part, part_size *size_out)
{
    int64_t n_people = fut_dataset_get_info(dataset)->n_identities;
    const int64_t *first = fut_dataset_get_first(dataset);
    const int32_t *labels = fut_dataset_get_labels(dataset);
    int64_t *counts = NULL;
    FUT_TRY(FUT_NEW_ARRAY(n_people, &counts));
    *size_out = (part_size){0};
    if (part == FUT_PART_COUNT) {
        for (int64_t k = 0; k < n_people; k++)
            counts[k] = first[k + 1] - first[k];
    } else {
        int64_t n = 0;
        const int64_t *images = fut_dataset_get_part(dataset, (fut_part)part, &n);
        for (int64_t i = 0; i < n; i++)
            counts[labels[images[i]]]++;
        fut_dataset_count_pairs(dataset, (fut_part)part, &size_out->positive, &size_out->negative);
    }
    measure_people(counts, n_people, size_out);
    fut_mem_free(counts);
    return FUT_OK;
}

static const char *fitting_config(int64_t train_people)
{
    if (train_people < MEDIUM_PEOPLE) return "configs/small.yaml";
    return train_people < LARGE_PEOPLE ? "configs/medium.yaml" : "configs/large.yaml";
}

fut_status fut_dataset_summary_text(const fut_dataset *dataset, fut_str *out)
{
    const fut_dataset_info *info = fut_dataset_get_info(dataset);
    part_size whole;
    int64_t train_people = 0;
    FUT_TRY(measure(dataset, FUT_PART_COUNT, &whole));
    FUT_TRY(fut_str_printf(out, "%s\n", fut_dataset_get_path(dataset)));
    FUT_TRY(fut_str_printf(out, "  photos       %lld of %lld people, %lld x %lld, stored %s", (long long)info->n_images,
                           (long long)info->n_identities, (long long)info->width, (long long)info->height,
                           fut_encoding_names[info->encoding]));
    if (info->crop < 1) FUT_TRY(fut_str_printf(out, ", the centred %g of each side", info->crop));
    if (whole.min == whole.max)
        FUT_TRY(fut_str_printf(out, "\n  a person     %lld photo%s", (long long)whole.min, whole.min == 1 ? "" : "s"));
    else
        FUT_TRY(fut_str_printf(out, "\n  a person     %lld to %lld photos, median %lld", (long long)whole.min, (long long)whole.max,
                               (long long)whole.median));
    if (whole.n_single > 0)
        FUT_TRY(fut_str_printf(out, "; %lld %s with a single photo", (long long)whole.n_single, whole.n_single == 1 ? "person" : "people"));
    FUT_TRY(fut_str_printf(out, "\n  train pixels mean %.4f %.4f %.4f, deviation %.4f %.4f %.4f\n", info->mean[0], info->mean[1],
                           info->mean[2], info->std[0], info->std[1], info->std[2]));
    FUT_TRY(fut_str_printf(out, "  split        %s %g/%g/%g, seed %lld\n", fut_split_method_names[info->method],
                           info->fractions[FUT_PART_TRAIN], info->fractions[FUT_PART_VAL], info->fractions[FUT_PART_TEST],
                           (long long)info->split_seed));
    FUT_TRY(fut_str_printf(out, "  %-12s %10s %10s %14s %16s %20s\n", "", "photos", "people", "same pairs", "different pairs", "triplets"));
    for (int part = 0; part < FUT_PART_COUNT; part++) {
        part_size size;
        FUT_TRY(measure(dataset, part, &size));
        if (part == FUT_PART_TRAIN) train_people = size.people;
        FUT_TRY(fut_str_printf(out, "    %-10s %10lld %10lld %14lld %16lld %20.0f\n", fut_part_names[part], (long long)size.photos,
                               (long long)size.people, (long long)size.positive, (long long)size.negative, size.triplets));
    }
    FUT_TRY(fut_str_printf(out, "  recipe       %s fits %lld people to train on%s\n", fitting_config(train_people), (long long)train_people,
                           train_people < FEW_PEOPLE ? ", though it is made for hundreds: start from model.weights" : ""));
    return fut_str_printf(out, "  fingerprint  %016llx, futago %s, %s\n", (unsigned long long)info->fingerprint, info->tool_version,
                          info->created);
}

static fut_status append_triple(fut_str *out, const char *name, const double v[3])
{
    return fut_str_printf(out, "\"%s\": [%.17g, %.17g, %.17g], ", name, v[0], v[1], v[2]);
}

fut_status fut_dataset_summary_json(const fut_dataset *dataset, fut_str *out)
{
    const fut_dataset_info *info = fut_dataset_get_info(dataset);
    const char *path = fut_dataset_get_path(dataset);
    part_size size;
    int64_t train_people = 0;
    FUT_TRY(measure(dataset, FUT_PART_COUNT, &size));
    FUT_TRY(fut_str_printf(out, "{\"file\": "));
    FUT_TRY(fut_str_append_json(out, path, strlen(path)));
    FUT_TRY(fut_str_printf(out,
                           ", \"images\": %lld, \"identities\": %lld, \"width\": %lld, \"height\": %lld, \"encoding\": \"%s\", "
                           "\"crop\": %.17g, ",
                           (long long)info->n_images, (long long)info->n_identities, (long long)info->width, (long long)info->height,
                           fut_encoding_names[info->encoding], info->crop));
    FUT_TRY(fut_str_printf(out, "\"images_per_identity\": {\"min\": %lld, \"median\": %lld, \"max\": %lld, \"single\": %lld}, ",
                           (long long)size.min, (long long)size.median, (long long)size.max, (long long)size.n_single));
    FUT_TRY(append_triple(out, "mean", info->mean));
    FUT_TRY(append_triple(out, "std", info->std));
    FUT_TRY(fut_str_printf(out, "\"split\": {\"method\": \"%s\", \"seed\": %lld, ", fut_split_method_names[info->method],
                           (long long)info->split_seed));
    FUT_TRY(append_triple(out, "fractions", info->fractions));
    for (int part = 0; part < FUT_PART_COUNT; part++) {
        FUT_TRY(measure(dataset, part, &size));
        if (part == FUT_PART_TRAIN) train_people = size.people;
        FUT_TRY(fut_str_printf(out,
                               "\"%s\": {\"images\": %lld, \"identities\": %lld, \"positive_pairs\": %lld, \"negative_pairs\": %lld, "
                               "\"triplets\": %.0f, \"median\": %lld, \"below_%d\": %lld, \"dominant\": %lld}%s",
                               fut_part_names[part], (long long)size.photos, (long long)size.people, (long long)size.positive,
                               (long long)size.negative, size.triplets, (long long)size.median, USUAL_M, (long long)size.n_few,
                               (long long)size.n_dominant, part + 1 < FUT_PART_COUNT ? ", " : "}, "));
    }
    return fut_str_printf(out, "\"config\": \"%s\", \"fingerprint\": \"%016llx\", \"tool_version\": \"%s\", \"created\": \"%s\"",
                          fitting_config(train_people), (unsigned long long)info->fingerprint, info->tool_version, info->created);
}

/* ---- warnings ---- */

static void warn_of_pairs(int part, const part_size *size)
{
    if (size->positive > 0) return;
    if (part == FUT_PART_TRAIN)
        FUT_WARN("nobody has two photos in the train part: nothing says what makes two photos alike, training cannot work");
    else if (size->photos == 0)
        FUT_WARN("the %s part is empty", fut_part_names[part]);
    else
        FUT_WARN("nobody has two photos in the %s part, so it has no pair of the same person; evaluation pairs its %lld photos with the "
                 "training photos of the same people and says so",
                 fut_part_names[part], (long long)size->photos);
}

static double percent(int64_t part, int64_t whole)
{
    return 100.0 * (double)part / (double)whole;
}

/* Of the train part. */
static fut_status warn_of_imbalance(const fut_dataset *dataset, const part_size *size)
{
    fut_str name = {0};
    if (size->positive > 0 && size->n_few * FEW_SHARE > size->people)
        FUT_WARN(
            "%lld of %lld people (%.0f %%) have fewer than %d training photos, %lld of them a single one: a batch repeats their photos, "
            "and a photo with itself is no pair; sampler.min_images leaves such people out, sampler.m: 2 asks for less",
            (long long)size->n_few, (long long)size->people, percent(size->n_few, size->people), USUAL_M, (long long)size->n_single);
    if (size->n_dominant == 0) return FUT_OK;
    size_t length = 0;
    const char *text = fut_dataset_get_identity_name(dataset, size->largest, &length);
    fut_status st = fut_str_append_escaped(&name, text, length);
    if (st == FUT_OK)
        FUT_WARN(
            "people with more than %d times the median of %lld training photos: %lld; the largest, %s, has %lld, %.1f %% of all. Everyone "
            "is trained on equally often, so most of these photos are seen less often than others'",
            DOMINANT_TIMES, (long long)size->median, (long long)size->n_dominant, fut_str_text(&name), (long long)size->max,
            percent(size->max, size->photos));
    fut_str_fini(&name);
    return st;
}

fut_status fut_dataset_warn(const fut_dataset *dataset)
{
    for (int part = 0; part < FUT_PART_COUNT; part++) {
        part_size size;
        FUT_TRY(measure(dataset, part, &size));
        warn_of_pairs(part, &size);
        if (part == FUT_PART_TRAIN) FUT_TRY(warn_of_imbalance(dataset, &size));
    }
    return FUT_OK;
}
