#include "core/nn/buffers_impl.h"

#include "core/base/mem.h"

#include <stdbool.h>
#include <stdlib.h>

/* Largest first; equal sizes keep their order, so that a plan is the same everywhere. */
static int larger_first(const void *a, const void *b)
{
    const fut_buffer *x = *(fut_buffer *const *)a, *y = *(fut_buffer *const *)b;
    if (x->bytes != y->bytes) return x->bytes > y->bytes ? -1 : 1;
    return x < y ? -1 : x > y;
}

static size_t end_of(const fut_buffer *buffer)
{
    size_t end = buffer->offset + buffer->bytes;
    return (end + FUT_BUFFER_ALIGN - 1) / FUT_BUFFER_ALIGN * FUT_BUFFER_ALIGN;
}

static bool meet(const fut_buffer *a, const fut_buffer *b)
{
    return a->region == b->region && a->first <= b->last && b->first <= a->last;
}

/* Lowest gap among the placed buffers, which are sorted by offset. */
static size_t first_fit(const fut_buffer *buffer, fut_buffer *const *placed, int count)
{
    size_t offset = 0;
    for (int i = 0; i < count; i++) {
        if (!meet(buffer, placed[i])) continue;
        if (offset + buffer->bytes <= placed[i]->offset) break;
        if (end_of(placed[i]) > offset) offset = end_of(placed[i]);
    }
    return offset;
}

static void insert_by_offset(fut_buffer **placed, int count, fut_buffer *buffer)
{
    int i = count;
    for (; i > 0 && placed[i - 1]->offset > buffer->offset; i--)
        placed[i] = placed[i - 1];
    placed[i] = buffer;
}

fut_status fut_buffers_place(fut_buffer *buffers, int count, int regions, size_t *region_bytes_out)
{
    fut_status st = FUT_OK;
    fut_buffer **order = NULL, **placed = NULL;
    FUT_TRY_GOTO(FUT_NEW_ARRAY(count, &order), out);
    FUT_TRY_GOTO(FUT_NEW_ARRAY(count, &placed), out);
    for (int i = 0; i < count; i++)
        order[i] = &buffers[i];
    qsort(order, (size_t)count, sizeof *order, larger_first);
    for (int i = 0; i < regions; i++)
        region_bytes_out[i] = 0;
    for (int i = 0; i < count; i++) {
        fut_buffer *buffer = order[i];
        buffer->offset = first_fit(buffer, placed, i);
        insert_by_offset(placed, i, buffer);
        if (end_of(buffer) > region_bytes_out[buffer->region]) region_bytes_out[buffer->region] = end_of(buffer);
    }
out:
    fut_mem_free(order);
    fut_mem_free(placed);
    return st;
}
