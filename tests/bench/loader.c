/* Speed of reading batches: bench_loader FILE THREADS BATCH BATCHES. Photos in a scattered order, each checked against its checksum and
 * flipped at random, as a training run reads them; those of an `original` file are decoded and resized. Prints photos a second by the
 * clock, and milliseconds of the processor a photo. */
#include "data/loader.h"
#include "core/base/clock.h"
#include "core/base/mem.h"
#include "core/base/yaml.h"
#include "data/augment.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

enum { DEPTH = 4, STRIDE = 7919 /* a prime, so that every photo has its turn */ };

typedef struct flip_config {
    fut_opt_variants augment;
} flip_config;

static const fut_opt options[] = {
    FUT_OPT_VARIANTS(flip_config, augment, "[flip]", fut_augment_choices, ""),
    FUT_OPT_END,
};

static double processor_seconds(void)
{
    struct rusage usage;
    (void)getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) + 1e-6 * (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

/* Every batch is waited for, looked at in one place and given back. */
static fut_status read_all(fut_loader *loader, int64_t n_images, int64_t batch, int64_t batches, int64_t *image, int64_t *position)
{
    unsigned seen = 0;
    for (int64_t submitted = 0, step = 0; step < batches; step++) {
        for (; submitted < batches && fut_loader_room(loader) > 0; submitted++) {
            for (int64_t i = 0; i < batch; i++) {
                image[i] = (submitted * batch + i) * STRIDE % n_images;
                position[i] = i;
            }
            FUT_TRY(fut_loader_submit(loader, &(fut_loader_request){.step = submitted, .n = batch, .image = image, .position = position}));
        }
        fut_loader_batch got;
        FUT_TRY(fut_loader_wait(loader, step, &got));
        seen += got.rgb[0];
        fut_loader_release(loader);
    }
    (void)fprintf(stderr, "(%u)\n", seen);
    return FUT_OK;
}

static fut_status run(const char *file, int threads, int64_t batch, int64_t batches)
{
    fut_status st = FUT_OK;
    flip_config config = {0};
    fut_yaml_node *root = NULL;
    fut_dataset *dataset = NULL;
    fut_loader *loader = NULL;
    int64_t *image = NULL;
    int64_t *position = NULL;
    FUT_TRY_GOTO(fut_yaml_parse_text("bench", "{}", 2, &root), out);
    FUT_TRY_GOTO(fut_opt_load(options, &config, root), out);
    FUT_TRY_GOTO(fut_dataset_open(file, &dataset), out);
    FUT_TRY_GOTO(FUT_NEW_ARRAY(batch, &image), out);
    FUT_TRY_GOTO(FUT_NEW_ARRAY(batch, &position), out);
    fut_loader_config loads = {.threads = threads, .depth = DEPTH, .max_images = batch, .augment = &config.augment};
    FUT_TRY_GOTO(fut_loader_create(dataset, &loads, &loader), out);
    double started = fut_clock_now();
    double used = processor_seconds();
    FUT_TRY_GOTO(read_all(loader, fut_dataset_get_info(dataset)->n_images, batch, batches, image, position), out);
    (void)printf("%.1f %.4f\n", (double)(batch * batches) / (fut_clock_now() - started),
                 1e3 * (processor_seconds() - used) / (double)(batch * batches));
out:
    fut_loader_destroy(&loader);
    fut_dataset_close(&dataset);
    fut_mem_free(image);
    fut_mem_free(position);
    fut_yaml_destroy(&root);
    fut_opt_fini(options, &config);
    return st;
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        (void)fprintf(stderr, "usage: bench_loader FILE THREADS BATCH BATCHES\n");
        return 64;
    }
    fut_status st = run(argv[1], atoi(argv[2]), atoll(argv[3]), atoll(argv[4]));
    if (st != FUT_OK) (void)fprintf(stderr, "%s\n", fut_trail_message());
    return st == FUT_OK ? 0 : 1;
}
