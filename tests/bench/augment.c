/* Time of each augmentation on one image, whenever it is applied: bench_augment [SIZE], 112 pixels by default. One thread. */
#include "data/augment.h"
#include "core/base/clock.h"
#include "core/base/mem.h"
#include "core/base/yaml.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { IMAGES = 400, ROUNDS = 5 };

typedef struct list_config {
    fut_opt_variants augment;
} list_config;

static const fut_opt options[] = {
    FUT_OPT_VARIANTS(list_config, augment, "[]", fut_augment_choices, ""),
    FUT_OPT_END,
};

/* Of the fastest round, in milliseconds an image. */
static double measure(const fut_opt_variants *list, fut_image *image, void *scratch)
{
    double best = 1e9;
    for (int round = 0; round < ROUNDS; round++) {
        double start = fut_clock_now();
        for (int i = 0; i < IMAGES; i++)
            fut_augment_apply(list, 0, i, 0, image, scratch);
        double took = (fut_clock_now() - start) * 1e3 / IMAGES;
        if (took < best) best = took;
    }
    return best;
}

static fut_status run(const fut_opt_choice *choice, fut_image *image)
{
    fut_status st = FUT_OK;
    list_config config = {0};
    fut_yaml_node *root = NULL;
    fut_str text = {0};
    void *scratch = NULL;
    bool has_p = strcmp(choice->options[0].name, "p") == 0;
    FUT_TRY_GOTO(fut_str_printf(&text, "augment: [{type: %s%s}]\n", choice->name, has_p ? ", p: 1" : ""), out);
    FUT_TRY_GOTO(fut_yaml_parse_text("bench", text.data, text.length, &root), out);
    FUT_TRY_GOTO(fut_opt_load(options, &config, root), out);
    FUT_TRY_GOTO(fut_mem_alloc(fut_augment_scratch_bytes(&config.augment, image->height, image->width), 1, &scratch), out);
    for (int64_t i = 0; i < 3 * image->height * image->width; i++)
        image->rgb[i] = (uint8_t)(i * 2654435761 >> 13);
    (void)printf("%-20s %8.4f ms\n", choice->name, measure(&config.augment, image, scratch));
out:
    fut_mem_free(scratch);
    fut_yaml_destroy(&root);
    fut_str_fini(&text);
    fut_opt_fini(options, &config);
    return st;
}

int main(int argc, char **argv)
{
    int size = argc > 1 ? atoi(argv[1]) : 112;
    fut_image image = {0};
    fut_status st = fut_image_create(size, size, &image);
    for (int i = 0; st == FUT_OK && fut_augment_choices[i] != NULL; i++)
        st = run(fut_augment_choices[i], &image);
    fut_image_fini(&image);
    if (st != FUT_OK) (void)fprintf(stderr, "%s\n", fut_trail_message());
    return st == FUT_OK ? 0 : 1;
}
