#include "launch/feed.h"

#include "core/base/mem.h"

#include <string.h>

enum { NOTHING = -1 };

/* One of the two batches on the device. */
typedef struct place {
    uint8_t *rgb;
    int64_t *numbers;      /* device [3][max_batch]: labels, image ids, rows */
    int64_t *host_numbers; /* pinned, what is uploaded */
    int64_t *shard_first;
    int64_t n;
    fut_event *uploaded, *used;
} place;

struct fut_feed {
    fut_backend *bk;
    fut_comm *comm;
    fut_feed_source source;
    int shards;
    int64_t max_batch, photo;
    bool carries; /* the device's memory is not the host's */
    place places[FUT_FEED_PLACES];
    int current;        /* place handed out last */
    int64_t ahead_step; /* what the other place holds, or NOTHING */
    int uploading;      /* place whose upload may still read the loader's memory, or NOTHING */
    fut_stream *copies;
};

static fut_status create_place(fut_feed *f, int64_t max_images, place *p)
{
    fut_backend *bk = f->bk;
    size_t numbers = (size_t)(3 * f->max_batch) * sizeof(int64_t);
    FUT_TRY(bk->alloc(bk, (size_t)(max_images * f->photo), (void **)&p->rgb));
    FUT_TRY(bk->alloc(bk, numbers, (void **)&p->numbers));
    FUT_TRY(bk->alloc_host(bk, numbers, (void **)&p->host_numbers));
    FUT_TRY(FUT_NEW_ARRAY(f->shards + 1, &p->shard_first));
    FUT_TRY(bk->event_create(bk, &p->uploaded));
    return bk->event_create(bk, &p->used);
}

static void destroy_place(fut_backend *bk, place *p)
{
    if (p->rgb != NULL) bk->free(bk, p->rgb);
    if (p->numbers != NULL) bk->free(bk, p->numbers);
    if (p->host_numbers != NULL) bk->free_host(bk, p->host_numbers);
    fut_mem_free(p->shard_first);
    if (p->uploaded != NULL) bk->event_destroy(bk, p->uploaded);
    if (p->used != NULL) bk->event_destroy(bk, p->used);
}

fut_status fut_feed_create(fut_backend *bk, fut_comm *comm, fut_feed_source source, int shards, int64_t max_batch, int64_t max_images,
                           int64_t photo, fut_feed **feed_out)
{
    fut_status st = FUT_OK;
    fut_feed *f = NULL;
    fut_backend_info info;
    bk->info(bk, &info);
    FUT_TRY_GOTO(FUT_NEW(&f), out);
    *f = (fut_feed){.bk = bk,
                    .comm = comm,
                    .source = source,
                    .shards = shards,
                    .max_batch = max_batch,
                    .photo = photo,
                    .carries = info.asynchronous,
                    .ahead_step = NOTHING,
                    .uploading = NOTHING};
    for (int i = 0; i < FUT_FEED_PLACES && f->carries; i++)
        FUT_TRY_GOTO(create_place(f, max_images, &f->places[i]), out);
    FUT_TRY_GOTO(bk->stream_create(bk, &f->copies), out);
    *feed_out = f;
    f = NULL;
out:
    fut_feed_destroy(&f);
    return st;
}

void fut_feed_destroy(fut_feed **feed)
{
    if (*feed == NULL) return;
    fut_backend *bk = (*feed)->bk;
    for (int i = 0; i < FUT_FEED_PLACES; i++)
        destroy_place(bk, &(*feed)->places[i]);
    if ((*feed)->copies != NULL) bk->stream_destroy(bk, (*feed)->copies);
    fut_mem_free(*feed);
    *feed = NULL;
}

/* Send a batch up to a place, once the step that read the place before is through. */
static fut_status upload(fut_feed *f, const fut_batch *batch, place *p)
{
    fut_backend *bk = f->bk;
    size_t numbers = (size_t)batch->n * sizeof(int64_t);
    p->n = batch->n;
    memcpy(p->shard_first, batch->shard_first, (size_t)(f->shards + 1) * sizeof(int64_t));
    memcpy(p->host_numbers, batch->label, numbers);
    memcpy(p->host_numbers + f->max_batch, batch->image, numbers);
    memcpy(p->host_numbers + 2 * f->max_batch, batch->row, numbers);
    FUT_TRY(bk->event_wait(bk, f->copies, p->used));
    FUT_TRY(bk->upload(bk, p->rgb, batch->rgb, (size_t)(batch->images * f->photo), f->copies));
    FUT_TRY(bk->upload(bk, p->numbers, p->host_numbers, (size_t)(3 * f->max_batch) * sizeof(int64_t), f->copies));
    return bk->event_record(bk, p->uploaded, f->copies);
}

/* The host waits for the upload on its way: from then on the loader may have its memory back. */
static fut_status finish_upload(fut_feed *f)
{
    if (f->uploading != NOTHING) FUT_TRY(fut_comm_wait(f->comm, f->bk, f->places[f->uploading].uploaded, "upload of a batch"));
    f->uploading = NOTHING;
    return FUT_OK;
}

/* Read the batch of `step` and send it to the place that is not handed out. The loader takes the previous batch's memory back here. */
static fut_status fetch(fut_feed *f, int64_t step)
{
    fut_batch batch;
    int to = 1 - f->current;
    FUT_TRY(finish_upload(f));
    FUT_TRY(f->source.next(f->source.context, step, &batch));
    FUT_TRY(upload(f, &batch, &f->places[to]));
    f->uploading = to;
    f->ahead_step = step;
    return FUT_OK;
}

static fut_status next_on_host(fut_feed *f, int64_t step, fut_inputs *inputs_out)
{
    fut_batch batch;
    FUT_TRY(f->source.next(f->source.context, step, &batch));
    *inputs_out = (fut_inputs){
        .n = batch.n, .shard_first = batch.shard_first, .image = batch.image, .label = batch.label, .row = batch.row, .rgb = batch.rgb};
    return FUT_OK;
}

fut_status fut_feed_next(fut_feed *f, int64_t step, fut_inputs *inputs_out)
{
    if (!f->carries) return next_on_host(f, step, inputs_out);
    if (f->ahead_step != step) FUT_TRY(fetch(f, step));
    f->ahead_step = NOTHING;
    f->current = 1 - f->current;
    const place *p = &f->places[f->current];
    *inputs_out = (fut_inputs){.n = p->n,
                               .shard_first = p->shard_first,
                               .label = p->numbers,
                               .image = p->numbers + f->max_batch,
                               .row = p->numbers + 2 * f->max_batch,
                               .rgb = p->rgb,
                               .place = f->current,
                               .uploaded = p->uploaded};
    return FUT_OK;
}

fut_status fut_feed_ahead(fut_feed *f, int64_t step)
{
    if (!f->carries) return FUT_OK;
    FUT_TRY(f->bk->event_record(f->bk, f->places[f->current].used, NULL));
    return step < 0 ? finish_upload(f) : fetch(f, step);
}

fut_status fut_inputs_wait(fut_backend *bk, const fut_inputs *inputs)
{
    return inputs->uploaded == NULL ? FUT_OK : bk->event_wait(bk, NULL, inputs->uploaded);
}
