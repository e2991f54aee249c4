#include "launch/dataset_summary.h"

#include "core/base/log.h"
#include "core/base/mem.h"

#include <stdlib.h>
#include <string.h>

/* Images a person: smallest, median, largest, and how many people have a single one. */
typedef struct spread {
    int64_t min, median, max, n_single;
} spread;

static int by_value(const void *a, const void *b)
{
    int64_t va = *(const int64_t *)a;
    int64_t vb = *(const int64_t *)b;
    return va < vb ? -1 : va > vb;
}

static fut_status measure(const fut_dataset *dataset, spread *out)
{
    int64_t c = fut_dataset_get_info(dataset)->n_identities;
    const int64_t *first = fut_dataset_get_first(dataset);
    int64_t *count = NULL;
    FUT_TRY(FUT_NEW_ARRAY(c, &count));
    *out = (spread){0};
    for (int64_t k = 0; k < c; k++) {
        count[k] = first[k + 1] - first[k];
        out->n_single += count[k] == 1;
    }
    qsort(count, (size_t)c, sizeof *count, by_value);
    out->min = count[0];
    out->median = count[c / 2];
    out->max = count[c - 1];
    fut_mem_free(count);
    return FUT_OK;
}

/* People who have a photo in the part. */
static fut_status count_people(const fut_dataset *dataset, fut_part part, int64_t *people_out)
{
    const int32_t *labels = fut_dataset_get_labels(dataset);
    int64_t n = 0;
    const int64_t *images = fut_dataset_get_part(dataset, part, &n);
    uint8_t *seen = NULL;
    FUT_TRY(FUT_NEW_ARRAY(fut_dataset_get_info(dataset)->n_identities, &seen));
    *people_out = 0;
    for (int64_t i = 0; i < n; i++) {
        *people_out += seen[labels[images[i]]] == 0;
        seen[labels[images[i]]] = 1;
    }
    fut_mem_free(seen);
    return FUT_OK;
}

fut_status fut_dataset_summary_text(const fut_dataset *dataset, fut_str *out)
{
    const fut_dataset_info *info = fut_dataset_get_info(dataset);
    spread s;
    FUT_TRY(measure(dataset, &s));
    FUT_TRY(fut_str_printf(out, "%s\n", fut_dataset_get_path(dataset)));
    FUT_TRY(fut_str_printf(out, "  photos       %lld of %lld people, %lld x %lld, stored %s", (long long)info->n_images,
                           (long long)info->n_identities, (long long)info->width, (long long)info->height,
                           fut_encoding_names[info->encoding]));
    if (info->crop < 1) FUT_TRY(fut_str_printf(out, ", the centred %g of each side", info->crop));
    FUT_TRY(
        fut_str_printf(out, "\n  a person     %lld to %lld photos, median %lld", (long long)s.min, (long long)s.max, (long long)s.median));
    if (s.n_single > 0) FUT_TRY(fut_str_printf(out, "; %lld people with a single photo", (long long)s.n_single));
    FUT_TRY(fut_str_printf(out, "\n  train pixels mean %.4f %.4f %.4f, deviation %.4f %.4f %.4f\n", info->mean[0], info->mean[1],
                           info->mean[2], info->std[0], info->std[1], info->std[2]));
    FUT_TRY(fut_str_printf(out, "  split        %s %g/%g/%g, seed %lld\n", fut_split_method_names[info->method],
                           info->fractions[FUT_PART_TRAIN], info->fractions[FUT_PART_VAL], info->fractions[FUT_PART_TEST],
                           (long long)info->split_seed));
    FUT_TRY(fut_str_printf(out, "  %-12s %10s %10s %16s %16s\n", "", "photos", "people", "same pairs", "different pairs"));
    for (int part = 0; part < FUT_PART_COUNT; part++) {
        int64_t n = 0;
        int64_t people = 0;
        int64_t positive = 0;
        int64_t negative = 0;
        (void)fut_dataset_get_part(dataset, (fut_part)part, &n);
        fut_dataset_count_pairs(dataset, (fut_part)part, &positive, &negative);
        FUT_TRY(count_people(dataset, (fut_part)part, &people));
        FUT_TRY(fut_str_printf(out, "    %-10s %10lld %10lld %16lld %16lld\n", fut_part_names[part], (long long)n, (long long)people,
                               (long long)positive, (long long)negative));
    }
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
    spread s;
    FUT_TRY(measure(dataset, &s));
    FUT_TRY(fut_str_printf(out, "{\"file\": "));
    FUT_TRY(fut_str_append_json(out, path, strlen(path)));
    FUT_TRY(fut_str_printf(out,
                           ", \"images\": %lld, \"identities\": %lld, \"width\": %lld, \"height\": %lld, \"encoding\": \"%s\", "
                           "\"crop\": %.17g, ",
                           (long long)info->n_images, (long long)info->n_identities, (long long)info->width, (long long)info->height,
                           fut_encoding_names[info->encoding], info->crop));
    FUT_TRY(fut_str_printf(out, "\"images_per_identity\": {\"min\": %lld, \"median\": %lld, \"max\": %lld, \"single\": %lld}, ",
                           (long long)s.min, (long long)s.median, (long long)s.max, (long long)s.n_single));
    FUT_TRY(append_triple(out, "mean", info->mean));
    FUT_TRY(append_triple(out, "std", info->std));
    FUT_TRY(fut_str_printf(out, "\"split\": {\"method\": \"%s\", \"seed\": %lld, ", fut_split_method_names[info->method],
                           (long long)info->split_seed));
    FUT_TRY(append_triple(out, "fractions", info->fractions));
    for (int part = 0; part < FUT_PART_COUNT; part++) {
        int64_t n = 0;
        int64_t people = 0;
        int64_t positive = 0;
        int64_t negative = 0;
        (void)fut_dataset_get_part(dataset, (fut_part)part, &n);
        fut_dataset_count_pairs(dataset, (fut_part)part, &positive, &negative);
        FUT_TRY(count_people(dataset, (fut_part)part, &people));
        FUT_TRY(fut_str_printf(out,
                               "\"%s\": {\"images\": %lld, \"identities\": %lld, \"positive_pairs\": %lld, \"negative_pairs\": %lld}%s",
                               fut_part_names[part], (long long)n, (long long)people, (long long)positive, (long long)negative,
                               part + 1 < FUT_PART_COUNT ? ", " : "}, "));
    }
    return fut_str_printf(out, "\"fingerprint\": \"%016llx\", \"tool_version\": \"%s\", \"created\": \"%s\"",
                          (unsigned long long)info->fingerprint, info->tool_version, info->created);
}

void fut_dataset_warn(const fut_dataset *dataset)
{
    for (int part = 0; part < FUT_PART_COUNT; part++) {
        int64_t n = 0;
        int64_t positive = 0;
        int64_t negative = 0;
        (void)fut_dataset_get_part(dataset, (fut_part)part, &n);
        fut_dataset_count_pairs(dataset, (fut_part)part, &positive, &negative);
        if (positive > 0) continue;
        if (part == FUT_PART_TRAIN)
            FUT_WARN("nobody has two photos in the train part: nothing says what makes two photos alike, training cannot work");
        else if (n == 0)
            FUT_WARN("the %s part is empty", fut_part_names[part]);
        else
            FUT_WARN(
                "nobody has two photos in the %s part, so it has no pair of the same person; evaluation pairs its %lld photos with the "
                "training photos of the same people and says so",
                fut_part_names[part], (long long)n);
    }
}
