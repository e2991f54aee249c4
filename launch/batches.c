#include "launch/batches.h"

#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/base/rng.h"
#include "dist/reduce.h"

#include <string.h>

struct fut_batches {
    const fut_config *config;
    fut_comm *comm;
    const fut_dataset *dataset;
    const fut_classes *classes;
    fut_sampler *sampler;          /* rank 0 only */
    fut_sampler_state epoch_start; /* rank 0 only */
    fut_loader *loader;
    int shards, my_first, my_end;
    int64_t size; /* photos of a full batch */
    int64_t pass_length, per_epoch;
    int64_t *pass;             /* [pass_length] ids */
    int64_t next, next_submit; /* batches of this epoch handed out and submitted */
    int64_t step_of_first;     /* step of batch 0 of this epoch */
    bool holding;              /* a loader batch is out */
    int64_t *label, *row, *shard_first;
    int64_t *image, *position; /* scratch of submit */
};

static int64_t batch_size_at(const fut_batches *b, int64_t index)
{
    int64_t left = b->pass_length - index * b->size;
    return left < b->size ? left : b->size;
}

/* Deal positions 0..n-1 to shards: the same on every rank, whatever the number of ranks. */
static void deal(const fut_batches *b, int64_t step, int64_t n, int64_t *row_out, int64_t *shard_first_out)
{
    fut_philox philox = fut_philox_key((uint64_t)b->config->seed, FUT_RNG_DEAL);
    fut_philox_permutation(philox, (uint64_t)step, n, row_out);
    for (int s = 0; s < b->shards; s++)
        fut_shard_range(s, b->shards, n, &shard_first_out[s], &shard_first_out[s + 1]);
}

static fut_status create_sampler(fut_batches *b)
{
    fut_status st = FUT_OK;
    const fut_config_sampler *from = &b->config->sampler;
    fut_sampler_config config = {
        .m = from->m, .batch = from->batch_size, .length = from->length, .min_images = from->min_images, .seed = (uint32_t)b->config->seed};
    int64_t n = 0;
    const int64_t *part = fut_dataset_get_part(b->dataset, FUT_PART_TRAIN, &n);
    const int32_t *label_of = fut_dataset_get_labels(b->dataset);
    int32_t *labels = NULL;
    FUT_TRY_GOTO(FUT_NEW_ARRAY(n, &labels), out);
    for (int64_t i = 0; i < n; i++)
        labels[i] = label_of[part[i]];
    FUT_TRY_GOTO(fut_sampler_create(&config, part, labels, n, &b->sampler), out);
    fut_sampler_counts counts = fut_sampler_get_counts(b->sampler);
    FUT_INFO("training on %lld photos: %lld people, %lld left out by sampler.min_images", (long long)n, (long long)counts.n_people,
             (long long)counts.n_left_out);
    if (b->config->memory.size > n)
        FUT_WARN("memory.size is %lld for %lld photos: each stands in it several times, most of them as they were long ago",
                 (long long)b->config->memory.size, (long long)n);
    if (counts.n_repeating > 0)
        FUT_WARN("%lld of %lld people have fewer than %lld training photos, so the sampler repeats theirs", (long long)counts.n_repeating,
                 (long long)counts.n_people, (long long)from->m);
    if (counts.n_single > 0)
        FUT_WARN(
            "%lld people have one training photo: they make no positive pair, only crowd the batch; sampler.min_images: 2 leaves them out",
            (long long)counts.n_single);
out:
    fut_mem_free(labels);
    return st;
}

static fut_status create_loader(fut_batches *b, fut_backend *bk)
{
    int64_t my_max = 0;
    int64_t full = b->size < b->pass_length ? b->size : b->pass_length;
    for (int s = b->my_first; s < b->my_end; s++) {
        int64_t first = 0;
        int64_t end = 0;
        fut_shard_range(s, b->shards, full, &first, &end);
        my_max += end - first;
    }
    fut_loader_config config = {.threads = (int)b->config->data.threads,
                                .depth = FUT_BATCHES_AHEAD,
                                .max_images = my_max,
                                .height = b->config->data.size,
                                .width = b->config->data.size,
                                .augment = &b->config->data.augment,
                                .seed = (uint64_t)b->config->seed,
                                .bk = bk};
    return fut_loader_create(b->dataset, &config, &b->loader);
}

fut_status fut_batches_create(const fut_config *config, fut_comm *comm, fut_backend *bk, const fut_dataset *dataset,
                              const fut_classes *classes, int shards, int my_first, int my_end, fut_batches **batches_out)
{
    fut_status st = FUT_OK;
    fut_batches *b = NULL;
    FUT_TRY_GOTO(FUT_NEW(&b), out);
    b->config = config;
    b->comm = comm;
    b->dataset = dataset;
    b->classes = classes;
    b->shards = shards;
    b->my_first = my_first;
    b->my_end = my_end;
    b->size = config->train.batch;
    if (fut_comm_rank(comm) == 0) st = create_sampler(b);
    FUT_TRY_GOTO(fut_comm_agree(comm, st), out); /* before the others wait for what rank 0 alone can make */
    if (fut_comm_rank(comm) == 0) b->pass_length = fut_sampler_pass_length(b->sampler);
    FUT_TRY_GOTO(fut_comm_broadcast(comm, &b->pass_length, 1, FUT_I64, 0, "pass length"), out);
    FUT_CHECK_GOTO(b->size <= b->pass_length, FUT_ERR_CONFIG, out,
                   "train.batch %lld is larger than a pass of the sampler, %lld photos: use a smaller batch or a larger sampler.length",
                   (long long)b->size, (long long)b->pass_length);
    b->per_epoch = b->pass_length / b->size;
    int64_t last = b->pass_length % b->size;
    int64_t least = fut_config_shard_min(config) * shards;
    if (last >= (least > 2 ? least : 2))
        b->per_epoch++;
    else if (last > 0)
        FUT_INFO("the last batch of a pass has %lld photo%s, fewer than %lld a shard: it is dropped", (long long)last, last == 1 ? "" : "s",
                 (long long)(least > 1 ? least / shards : 2));
    FUT_TRY_GOTO(FUT_NEW_ARRAY(b->pass_length, &b->pass), out);
    FUT_TRY_GOTO(FUT_NEW_ARRAY(b->size, &b->label), out);
    FUT_TRY_GOTO(FUT_NEW_ARRAY(b->size, &b->row), out);
    FUT_TRY_GOTO(FUT_NEW_ARRAY(b->size, &b->image), out);
    FUT_TRY_GOTO(FUT_NEW_ARRAY(b->size, &b->position), out);
    FUT_TRY_GOTO(FUT_NEW_ARRAY(shards + 1, &b->shard_first), out);
    FUT_TRY_GOTO(create_loader(b, bk), out);
    *batches_out = b;
    b = NULL;
out:
    fut_batches_destroy(&b);
    return st;
}

void fut_batches_destroy(fut_batches **batches)
{
    if (*batches == NULL) return;
    fut_batches *b = *batches;
    fut_loader_destroy(&b->loader);
    fut_sampler_destroy(&b->sampler);
    fut_sampler_state_fini(&b->epoch_start);
    void *blocks[] = {b->pass, b->label, b->row, b->image, b->position, b->shard_first};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        fut_mem_free(blocks[i]);
    fut_mem_free(b);
    *batches = NULL;
}

int64_t fut_batches_per_epoch(const fut_batches *batches)
{
    return batches->per_epoch;
}

int64_t fut_batches_short(const fut_batches *b)
{
    int64_t last = batch_size_at(b, b->per_epoch - 1);
    return last < b->size ? last : 0;
}

/* Queue this rank's photos of one batch: the positions that `deal` gives its shards. */
static fut_status submit(fut_batches *b, int64_t index)
{
    int64_t n = batch_size_at(b, index);
    int64_t step = b->step_of_first + index;
    deal(b, step, n, b->position, b->shard_first);
    const int64_t *mine = b->position + b->shard_first[b->my_first];
    int64_t count = b->shard_first[b->my_end] - b->shard_first[b->my_first];
    for (int64_t i = 0; i < count; i++)
        b->image[i] = b->pass[index * b->size + mine[i]];
    fut_loader_request request = {.step = step, .n = count, .image = b->image, .position = mine};
    return fut_loader_submit(b->loader, &request);
}

static fut_status read_ahead(fut_batches *b)
{
    while (b->next_submit < b->per_epoch && fut_loader_room(b->loader) > 0)
        FUT_TRY(submit(b, b->next_submit++));
    return FUT_OK;
}

fut_status fut_batches_begin_epoch(fut_batches *b, int64_t skip, int64_t first_step)
{
    if (b->holding) fut_loader_release(b->loader);
    b->holding = false;
    if (fut_comm_rank(b->comm) == 0) {
        bool last = false;
        fut_sampler_state_fini(&b->epoch_start);
        FUT_TRY(fut_sampler_get_state(b->sampler, &b->epoch_start));
        for (int64_t at = 0, n = 0; !last; at += n)
            fut_sampler_next(b->sampler, b->pass_length - at, b->pass + at, &n, &last);
    }
    FUT_TRY(fut_comm_broadcast(b->comm, b->pass, b->pass_length, FUT_I64, 0, "image ids of an epoch"));
    b->next = b->next_submit = skip;
    b->step_of_first = first_step - skip;
    return read_ahead(b);
}

fut_status fut_batches_next(fut_batches *b, int64_t step, fut_batch *batch_out)
{
    fut_loader_batch loaded;
    const int32_t *label_of = fut_dataset_get_labels(b->dataset);
    if (b->holding) fut_loader_release(b->loader);
    b->holding = false;
    FUT_TRY(read_ahead(b));
    FUT_TRY(fut_loader_wait(b->loader, step, &loaded));
    b->holding = true;
    int64_t index = b->next++;
    int64_t n = batch_size_at(b, index);
    const int64_t *image = b->pass + index * b->size;
    deal(b, step, n, b->row, b->shard_first);
    for (int64_t i = 0; i < n; i++)
        b->label[i] = b->classes->of[label_of[image[i]]];
    *batch_out = (fut_batch){
        .n = n, .image = image, .label = b->label, .row = b->row, .shard_first = b->shard_first, .rgb = loaded.rgb, .images = loaded.n};
    return FUT_OK;
}

const fut_sampler_state *fut_batches_sampler_state(const fut_batches *batches)
{
    return &batches->epoch_start;
}

fut_status fut_batches_restore(fut_batches *batches, const fut_sampler_state *state)
{
    return fut_sampler_set_state(batches->sampler, state);
}

int64_t fut_batches_images_read(const fut_batches *batches)
{
    return fut_loader_get_stats(batches->loader).images;
}
