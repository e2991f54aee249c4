#include "data/loader.h"

#include "core/base/clock.h"
#include "core/base/mem.h"
#include "data/augment.h"
#include "data/image.h"

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

enum { ERROR_TEXT_MAX = 4096 };

/* One batch on its way. Claimed, loaded and error are the lock's; the rest is written before the batch is queued and only read after. */
typedef struct slot {
    int64_t step, n;
    int64_t *image, *position; /* [max_images] */
    bool has_position;
    uint8_t *rgb;            /* [max_images, height, width, 3] */
    int64_t claimed, loaded; /* images taken by a thread; images done */
    fut_status error;        /* of the first image, in the batch's order, that could not be read */
    int64_t error_at;
    char error_text[ERROR_TEXT_MAX];
} slot;

/* Batches are counted from the loader's birth; batch i lives in slot i % depth.
 *
 *     released <= handed <= submitted <= released + depth        filling <= submitted: older batches have all been claimed */
struct fut_loader {
    const fut_dataset *dataset;
    fut_loader_config config;
    int64_t source_height, source_width;
    pthread_mutex_t lock;
    pthread_cond_t work;  /* something to claim, or stop */
    pthread_cond_t ready; /* a batch is whole */
    bool is_stopping;
    int64_t released, handed, submitted, filling;
    fut_loader_stats stats;
    slot *slots;
    pthread_t *threads;
    int n_threads; /* started */
};

static slot *slot_of(const fut_loader *loader, int64_t batch)
{
    return &loader->slots[batch % loader->config.depth];
}

static size_t image_bytes(const fut_loader *loader)
{
    return (size_t)loader->config.height * (size_t)loader->config.width * 3;
}

/* ---- the threads ---- */

/* What a thread works with. */
typedef struct workspace {
    fut_image source; /* where the dataset's image stands before it is resized; empty where it has the right size already */
    void *scratch;    /* of resizing and of the augmentations */
} workspace;

static size_t scratch_bytes(const fut_loader *loader)
{
    const fut_loader_config *config = &loader->config;
    size_t resizing = fut_image_resize_scratch_bytes(loader->source_width, loader->source_height, config->width, config->height);
    size_t augmenting = config->augment != NULL ? fut_augment_scratch_bytes(config->augment, config->height, config->width) : 0;
    return resizing > augmenting ? resizing : augmenting;
}

/* Image i of a batch, into its place. */
static fut_status load_image(const fut_loader *loader, const slot *s, int64_t i, const workspace *with)
{
    const fut_loader_config *config = &loader->config;
    fut_image image = {.height = config->height, .width = config->width, .rgb = s->rgb + (size_t)i * image_bytes(loader)};
    const fut_image *source = &with->source;
    bool resized = source->rgb != NULL;
    FUT_TRY(fut_dataset_read(loader->dataset, s->image[i], resized ? source->rgb : image.rgb));
    if (resized)
        fut_image_resize_into(source, &(fut_image_rect){0, 0, source->width, source->height}, config->width, config->height, with->scratch,
                              image.rgb);
    if (s->has_position && config->augment != NULL)
        fut_augment_apply(config->augment, config->seed, s->step, s->position[i], &image, with->scratch);
    return FUT_OK;
}

/* Wait for an image to load: its slot and place, or NULL when the loader stops. Called with the lock held. */
static slot *claim(fut_loader *loader, int64_t *i_out)
{
    for (;;) {
        if (loader->is_stopping) return NULL;
        if (loader->filling < loader->handed) loader->filling = loader->handed; /* their slots may hold later batches by now */
        while (loader->filling < loader->submitted) {
            slot *s = slot_of(loader, loader->filling);
            if (s->claimed < s->n) {
                *i_out = s->claimed++;
                return s;
            }
            loader->filling++;
        }
        (void)pthread_cond_wait(&loader->work, &loader->lock);
    }
}

/* The calling thread's error becomes the batch's, unless an earlier image has one. */
static void record_error(slot *s, int64_t i, fut_status st)
{
    if (s->error == FUT_OK || i < s->error_at) {
        s->error = st;
        s->error_at = i;
        (void)snprintf(s->error_text, sizeof s->error_text, "%s", fut_trail_message());
    }
    fut_trail_clear();
}

static void work(fut_loader *loader, const workspace *with)
{
    (void)pthread_mutex_lock(&loader->lock);
    int64_t i = 0;
    for (slot *s = claim(loader, &i); s != NULL; s = claim(loader, &i)) {
        (void)pthread_mutex_unlock(&loader->lock);
        double start = fut_clock_now();
        fut_status st = load_image(loader, s, i, with);
        double took = fut_clock_now() - start;
        (void)pthread_mutex_lock(&loader->lock);
        if (st != FUT_OK) record_error(s, i, st);
        loader->stats.busy_seconds += took;
        if (st == FUT_OK) {
            loader->stats.images++;
            loader->stats.bytes += 3 * loader->source_height * loader->source_width;
        }
        if (++s->loaded == s->n) (void)pthread_cond_signal(&loader->ready);
    }
    (void)pthread_mutex_unlock(&loader->lock);
}

typedef struct thread_start {
    fut_loader *loader;
    workspace workspace;
} thread_start;

static void destroy_start(thread_start *start)
{
    if (start == NULL) return;
    fut_image_fini(&start->workspace.source);
    fut_mem_free(start->workspace.scratch);
    fut_mem_free(start);
}

static void *thread_main(void *argument)
{
    thread_start *start = argument;
    work(start->loader, &start->workspace);
    destroy_start(start);
    return NULL;
}

static fut_status start_thread(fut_loader *loader)
{
    fut_status st = FUT_OK;
    thread_start *start = NULL;
    const fut_loader_config *config = &loader->config;
    FUT_TRY_GOTO(FUT_NEW(&start), out);
    start->loader = loader;
    if (loader->source_height != config->height || loader->source_width != config->width)
        FUT_TRY_GOTO(fut_image_create(loader->source_width, loader->source_height, &start->workspace.source), out);
    FUT_TRY_GOTO(fut_mem_alloc(scratch_bytes(loader), 1, &start->workspace.scratch), out);
    int error_number = pthread_create(&loader->threads[loader->n_threads], NULL, thread_main, start);
    FUT_CHECK_GOTO(error_number == 0, FUT_ERR_NO_MEMORY, out, "cannot start loader thread %d of %d: %s; lower the number of threads",
                   loader->n_threads + 1, config->threads, strerror(error_number));
    start = NULL;
    loader->n_threads++;
out:
    destroy_start(start);
    return st;
}

/* Signals are the main thread's: it decides what SIGUSR1 or SIGINT mean. */
static fut_status start_threads(fut_loader *loader)
{
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    fut_status st = FUT_OK;
    while (st == FUT_OK && loader->n_threads < loader->config.threads)
        st = start_thread(loader);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return st;
}

/* ---- life ---- */

static fut_status check_config(const fut_loader_config *config)
{
    FUT_CHECK(config->threads >= 1 && config->threads <= FUT_LOADER_THREADS_MAX, FUT_ERR_CONFIG, "%d loader threads are not in [1, %d]",
              config->threads, FUT_LOADER_THREADS_MAX);
    FUT_CHECK(config->depth >= 1 && config->depth <= FUT_LOADER_DEPTH_MAX, FUT_ERR_CONFIG, "%d batches ahead are not in [1, %d]",
              config->depth, FUT_LOADER_DEPTH_MAX);
    FUT_CHECK(config->max_images >= 1, FUT_ERR_CONFIG, "a loader for batches of %" PRId64 " images; at least 1 is needed",
              config->max_images);
    FUT_CHECK(config->height >= 0 && config->width >= 0 && (config->height == 0) == (config->width == 0), FUT_ERR_CONFIG,
              "%" PRId64 " x %" PRId64 " is not a size of images", config->width, config->height);
    return FUT_OK;
}

static fut_status alloc_pixels(fut_loader *loader, size_t bytes, uint8_t **rgb_out)
{
    fut_backend *bk = loader->config.bk;
    return bk != NULL ? bk->alloc_host(bk, bytes, (void **)rgb_out) : fut_mem_alloc(bytes, 1, (void **)rgb_out);
}

static void free_pixels(fut_loader *loader, uint8_t *rgb)
{
    fut_backend *bk = loader->config.bk;
    if (bk != NULL && rgb != NULL) bk->free_host(bk, rgb);
    if (bk == NULL) fut_mem_free(rgb);
}

static fut_status create_slots(fut_loader *loader)
{
    FUT_TRY(FUT_NEW_ARRAY(loader->config.depth, &loader->slots));
    for (int i = 0; i < loader->config.depth; i++) {
        slot *s = &loader->slots[i];
        FUT_TRY(FUT_NEW_ARRAY(loader->config.max_images, &s->image));
        FUT_TRY(FUT_NEW_ARRAY(loader->config.max_images, &s->position));
        FUT_TRY(alloc_pixels(loader, (size_t)loader->config.max_images * image_bytes(loader), &s->rgb));
    }
    return FUT_OK;
}

fut_status fut_loader_create(const fut_dataset *dataset, const fut_loader_config *config, fut_loader **loader_out)
{
    fut_status st = FUT_OK;
    fut_loader *loader = NULL;
    FUT_TRY_GOTO(check_config(config), out);
    FUT_TRY_GOTO(FUT_NEW(&loader), out);
    (void)pthread_mutex_init(&loader->lock, NULL);
    (void)pthread_cond_init(&loader->work, NULL);
    (void)pthread_cond_init(&loader->ready, NULL);
    const fut_dataset_info *info = fut_dataset_get_info(dataset);
    loader->dataset = dataset;
    loader->config = *config;
    loader->source_height = info->height;
    loader->source_width = info->width;
    if (config->height == 0) {
        loader->config.height = info->height;
        loader->config.width = info->width;
    }
    FUT_TRY_GOTO(create_slots(loader), out);
    FUT_TRY_GOTO(FUT_NEW_ARRAY(config->threads, &loader->threads), out);
    FUT_TRY_GOTO(start_threads(loader), out);
    *loader_out = loader;
    loader = NULL;
out:
    fut_loader_destroy(&loader);
    return st;
}

void fut_loader_destroy(fut_loader **loader)
{
    fut_loader *l = *loader;
    if (l == NULL) return;
    (void)pthread_mutex_lock(&l->lock);
    l->is_stopping = true;
    (void)pthread_cond_broadcast(&l->work);
    (void)pthread_mutex_unlock(&l->lock);
    for (int i = 0; i < l->n_threads; i++)
        (void)pthread_join(l->threads[i], NULL);
    for (int i = 0; l->slots != NULL && i < l->config.depth; i++) {
        fut_mem_free(l->slots[i].image);
        fut_mem_free(l->slots[i].position);
        free_pixels(l, l->slots[i].rgb);
    }
    fut_mem_free(l->slots);
    fut_mem_free(l->threads);
    (void)pthread_cond_destroy(&l->ready);
    (void)pthread_cond_destroy(&l->work);
    (void)pthread_mutex_destroy(&l->lock);
    fut_mem_free(l);
    *loader = NULL;
}

/* ---- batches. released, handed and submitted change on the caller's thread only, so it may read them without the lock ---- */

int fut_loader_room(const fut_loader *loader)
{
    return loader->config.depth - (int)(loader->submitted - loader->released);
}

fut_status fut_loader_submit(fut_loader *loader, const fut_loader_request *request)
{
    int64_t n_images = fut_dataset_get_info(loader->dataset)->n_images;
    FUT_CHECK(fut_loader_room(loader) > 0, FUT_ERR_INTERNAL, "step %" PRId64 ": all %d batches of the loader are in use", request->step,
              loader->config.depth);
    FUT_CHECK(request->n >= 0 && request->n <= loader->config.max_images, FUT_ERR_INTERNAL,
              "step %" PRId64 ": %" PRId64 " images, but the loader was made for %" PRId64, request->step, request->n,
              loader->config.max_images);
    for (int64_t i = 0; i < request->n; i++)
        FUT_CHECK(request->image[i] >= 0 && request->image[i] < n_images, FUT_ERR_INTERNAL,
                  "step %" PRId64 ": image %" PRId64 " is not in [0, %" PRId64 ")", request->step, request->image[i], n_images);
    slot *s = slot_of(loader, loader->submitted);
    size_t bytes = (size_t)request->n * sizeof *request->image;
    s->step = request->step;
    s->n = request->n;
    s->has_position = request->position != NULL;
    if (request->n > 0) memcpy(s->image, request->image, bytes);
    if (request->n > 0 && s->has_position) memcpy(s->position, request->position, bytes);
    s->claimed = 0;
    s->loaded = 0;
    s->error = FUT_OK;
    (void)pthread_mutex_lock(&loader->lock);
    loader->submitted++;
    (void)pthread_cond_broadcast(&loader->work);
    (void)pthread_mutex_unlock(&loader->lock);
    return FUT_OK;
}

fut_status fut_loader_wait(fut_loader *loader, int64_t step, fut_loader_batch *batch_out)
{
    FUT_CHECK(loader->handed < loader->submitted, FUT_ERR_INTERNAL, "step %" PRId64 ": the loader was not asked for it", step);
    slot *s = slot_of(loader, loader->handed);
    FUT_CHECK(s->step == step, FUT_ERR_INTERNAL, "step %" PRId64 ": the loader's next batch is step %" PRId64 "'s", step, s->step);
    double start = fut_clock_now();
    (void)pthread_mutex_lock(&loader->lock);
    while (s->loaded < s->n)
        (void)pthread_cond_wait(&loader->ready, &loader->lock);
    if (s->error == FUT_OK) loader->handed++;
    loader->stats.wait_seconds += fut_clock_now() - start;
    (void)pthread_mutex_unlock(&loader->lock);
    FUT_CHECK(s->error == FUT_OK, s->error, "%s", s->error_text);
    *batch_out = (fut_loader_batch){.step = step, .n = s->n, .image = s->image, .rgb = s->rgb};
    return FUT_OK;
}

void fut_loader_release(fut_loader *loader)
{
    if (loader->released < loader->handed) loader->released++;
}

fut_loader_stats fut_loader_get_stats(fut_loader *loader)
{
    (void)pthread_mutex_lock(&loader->lock);
    fut_loader_stats stats = loader->stats;
    (void)pthread_mutex_unlock(&loader->lock);
    return stats;
}
