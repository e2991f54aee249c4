#include "core/backend/host.h"

#include "core/base/clock.h"
#include "core/base/mem.h"

#include <string.h>

struct fut_event {
    double at; /* clock when it was recorded */
};

static fut_status host_alloc(fut_backend *bk, size_t bytes, void **ptr_out)
{
    (void)bk;
    return fut_mem_alloc(bytes, 1, ptr_out);
}

static void host_free(fut_backend *bk, void *ptr)
{
    (void)bk;
    fut_mem_free(ptr);
}

/* Device memory is host memory: upload, download and copy are one function. */
static fut_status host_copy(fut_backend *bk, void *dst, const void *src, size_t bytes, fut_stream *s)
{
    (void)bk;
    (void)s;
    if (bytes > 0) memmove(dst, src, bytes);
    return FUT_OK;
}

static fut_status host_fill_zero(fut_backend *bk, void *dst, size_t bytes, fut_stream *s)
{
    (void)bk;
    (void)s;
    if (bytes > 0) memset(dst, 0, bytes);
    return FUT_OK;
}

/* There is one stream, the caller. */
static fut_status host_stream_create(fut_backend *bk, fut_stream **s_out)
{
    (void)bk;
    *s_out = NULL;
    return FUT_OK;
}

static void host_stream_destroy(fut_backend *bk, fut_stream *s)
{
    (void)bk;
    (void)s;
}

static void *host_stream_native(fut_backend *bk, fut_stream *s)
{
    (void)bk;
    (void)s;
    return NULL;
}

static fut_status host_event_create(fut_backend *bk, fut_event **e_out)
{
    (void)bk;
    return FUT_NEW(e_out);
}

static void host_event_destroy(fut_backend *bk, fut_event *e)
{
    (void)bk;
    fut_mem_free(e);
}

static fut_status host_event_record(fut_backend *bk, fut_event *e, fut_stream *s)
{
    (void)bk;
    (void)s;
    e->at = fut_clock_now();
    return FUT_OK;
}

static fut_status host_event_wait(fut_backend *bk, fut_stream *s, fut_event *e)
{
    (void)bk;
    (void)s;
    (void)e;
    return FUT_OK;
}

static fut_status host_event_done(fut_backend *bk, fut_event *e, bool *done_out)
{
    (void)bk;
    (void)e;
    *done_out = true;
    return FUT_OK;
}

static fut_status host_event_seconds(fut_backend *bk, fut_event *from, fut_event *to, double *seconds_out)
{
    (void)bk;
    *seconds_out = to->at - from->at;
    return FUT_OK;
}

static fut_status host_sync(fut_backend *bk, fut_stream *s)
{
    (void)bk;
    (void)s;
    return FUT_OK;
}

/* fut_backend_info.asynchronous is false here, so nobody has a reason to record. */
static fut_status host_record_begin(fut_backend *bk, fut_stream *s)
{
    (void)s;
    return FUT_FAIL(FUT_ERR_UNSUPPORTED, "backend %s: work on the host is not recorded", bk->name);
}

static fut_status host_record_end(fut_backend *bk, fut_stream *s, fut_recording **recording_out)
{
    *recording_out = NULL;
    return host_record_begin(bk, s);
}

static fut_status host_replay(fut_backend *bk, fut_recording *recording, fut_stream *s)
{
    (void)recording;
    return host_record_begin(bk, s);
}

static void host_recording_destroy(fut_backend *bk, fut_recording *recording)
{
    (void)bk;
    (void)recording;
}

static fut_status host_tuning_get(fut_backend *bk, fut_str *text)
{
    (void)bk;
    (void)text;
    return FUT_OK;
}

/* What a GPU measured says nothing here, and changes nothing. */
static fut_status host_tuning_set(fut_backend *bk, const char *text)
{
    (void)bk;
    (void)text;
    return FUT_OK;
}

void fut_host_device_half(fut_backend *bk)
{
    bk->alloc = bk->alloc_host = host_alloc;
    bk->free = bk->free_host = host_free;
    bk->upload = bk->download = bk->copy = host_copy;
    bk->fill_zero = host_fill_zero;
    bk->stream_create = host_stream_create;
    bk->stream_destroy = host_stream_destroy;
    bk->stream_native = host_stream_native;
    bk->event_create = host_event_create;
    bk->event_destroy = host_event_destroy;
    bk->event_record = host_event_record;
    bk->event_wait = host_event_wait;
    bk->event_done = host_event_done;
    bk->event_seconds = host_event_seconds;
    bk->sync = host_sync;
    bk->record_begin = host_record_begin;
    bk->record_end = host_record_end;
    bk->replay = host_replay;
    bk->recording_destroy = host_recording_destroy;
    bk->tuning_get = host_tuning_get;
    bk->tuning_set = host_tuning_set;
}

void fut_host_tree_rows(int64_t rows, int64_t n, double *in, double *out)
{
    for (int64_t half = 1; half < rows; half *= 2)
        for (int64_t left = 0; left + half < rows; left += 2 * half)
            for (int64_t i = 0; i < n; i++)
                in[left * n + i] += in[(left + half) * n + i];
    memcpy(out, in, (size_t)n * sizeof *out);
}
