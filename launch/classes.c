#include "launch/classes.h"

#include "core/base/mem.h"

fut_status fut_classes_init(const fut_dataset *dataset, int64_t min_images, fut_classes *classes_out)
{
    int64_t n = 0, count = fut_dataset_get_info(dataset)->n_identities;
    const int64_t *part = fut_dataset_get_part(dataset, FUT_PART_TRAIN, &n);
    const int32_t *label_of = fut_dataset_get_labels(dataset);
    int64_t *of = NULL;
    FUT_TRY(FUT_NEW_ARRAY(count, &of)); /* first how many photos each has */
    for (int64_t i = 0; i < n; i++)
        of[label_of[part[i]]]++;
    classes_out->n = 0;
    for (int64_t label = 0; label < count; label++)
        of[label] = of[label] > 0 && of[label] >= min_images ? classes_out->n++ : -1;
    classes_out->of = of;
    return FUT_OK;
}

void fut_classes_fini(fut_classes *classes)
{
    fut_mem_free(classes->of);
    *classes = (fut_classes){0};
}
