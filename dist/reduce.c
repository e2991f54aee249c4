#include "dist/reduce_impl.h"

#include "core/base/clock.h"
#include "core/base/mem.h"

#include <stdbool.h>
#include <string.h>

/* A range of the vector that is summed over the ranks by itself. */
typedef struct bucket {
    int64_t first, end;
    int step; /* 2 s: stage s is to begin; 2 s + 1: its messages are under way */
} bucket;

/* What a bucket that is under way needs. */
typedef struct lane {
    char *received;
    fut_transfer *down, *up; /* NULL where the communicator has none */
} lane;

struct fut_tree {
    fut_comm *comm;
    fut_backend *bk;
    int shards;
    int64_t count, stride; /* of the vector; from one buffer to the next: ALIGNED whole, so that every buffer is as aligned as the first */
    fut_dtype dtype;
    int64_t first_shard, end_shard, next; /* my shards, and the one to be begun next */
    fut_tree_stack mine, whole;           /* my nodes, during the last leaf without it; and with it */
    fut_tree_node leaf;                   /* being written */
    char *buffers;                        /* [n_buffers][count]: sums of my nodes; in the end the first of them is the sum of all */
    int n_buffers;
    uint32_t used; /* bit i: buffer i holds a node */
    fut_tree_ranks ranks;
    lane lanes[FUT_TREE_LANES]; /* a bucket's is that of its place in the order */
    int n_lanes;
    bucket *buckets;     /* in the order in which they are summed: from the end of the vector to its front */
    fut_tree_span *span; /* of each */
    int n_buckets;
    int ready, begun, done; /* buckets that have come so far, done <= begun <= ready */
    bool overlaps;
    double mark;        /* clock: until then the caller's time is accounted for */
    fut_stream *stream; /* of the reduction */
    fut_event *computed, *reduced;
    fut_event **marks; /* [2 buckets] when each began and ended; NULL: not wanted */
};

static char *buffer_at(const fut_tree *t, int buffer)
{
    return t->buffers + (size_t)buffer * (size_t)t->stride * fut_dtype_size(t->dtype);
}

static int take_buffer(fut_tree *t)
{
    int free_one = 0;
    while (t->used & (1U << free_one))
        free_one++;
    t->used |= 1U << free_one;
    return free_one;
}

/* Elements that buffers, buckets and the parts of all buckets but the last are multiples of: what wide loads and libraries like. */
enum { ALIGNED = 64 };

static int64_t round_up(int64_t n, int64_t unit)
{
    return (n + unit - 1) / unit * unit;
}

int64_t fut_tree_bucket(int ranks, int64_t count, fut_dtype dtype, size_t bucket_bytes)
{
    int64_t length = round_up((int64_t)(bucket_bytes / fut_dtype_size(dtype)), (int64_t)ALIGNED * ranks);
    return length == 0 || length > count ? count : length;
}

static fut_status create_buckets(fut_tree *t, size_t bucket_bytes)
{
    int64_t length = fut_tree_bucket(fut_comm_size(t->comm), t->count, t->dtype, bucket_bytes);
    t->n_buckets = (int)((t->count + length - 1) / length);
    FUT_TRY(FUT_NEW_ARRAY(t->n_buckets, &t->buckets));
    FUT_TRY(FUT_NEW_ARRAY(t->n_buckets, &t->span));
    for (int i = 0; i < t->n_buckets; i++) {
        int64_t first = (t->n_buckets - 1 - i) * length;
        t->buckets[i] = (bucket){.first = first, .end = first + length < t->count ? first + length : t->count};
        t->span[i].count = t->buckets[i].end - first;
    }
    return FUT_OK;
}

/* Lanes for the longest bucket, which is the last. Where no call waits all is in the order of the stream, and one lane serves. */
static fut_status create_lanes(fut_tree *t)
{
    int channels[2];
    int lanes = t->n_buckets < FUT_TREE_LANES ? t->n_buckets : FUT_TREE_LANES;
    int64_t room = fut_tree_ranks_room(&t->ranks, t->span[t->n_buckets - 1].count);
    for (int i = 0; i < 2; i++)
        FUT_TRY(fut_comm_take_channel(t->comm, &channels[i]));
    for (int i = 0; i < lanes && (i == 0 || t->lanes[0].down != NULL); i++) {
        lane *l = &t->lanes[t->n_lanes++];
        FUT_TRY(fut_transfer_create(t->comm, channels[0], t->ranks.messages_most, &l->down));
        FUT_TRY(fut_transfer_create(t->comm, channels[1], t->ranks.messages_most, &l->up));
        FUT_TRY(t->bk->alloc(t->bk, (size_t)room * fut_dtype_size(t->dtype), (void **)&l->received));
    }
    return FUT_OK;
}

fut_status fut_tree_create(fut_comm *comm, fut_backend *bk, int shards, int64_t count, fut_dtype dtype, size_t bucket_bytes,
                           fut_tree **tree_out)
{
    fut_status st = FUT_OK;
    fut_tree *t = NULL;
    int ranks = fut_comm_size(comm);
    FUT_CHECK(ranks <= shards && shards <= FUT_SHARDS_MAX, FUT_ERR_INTERNAL, "a tree of %d shards over %d ranks", shards, ranks);
    FUT_CHECK(dtype == FUT_F32 || dtype == FUT_F64, FUT_ERR_INTERNAL, "a tree of %s", fut_dtype_name(dtype));
    FUT_TRY_GOTO(FUT_NEW(&t), out);
    *t = (fut_tree){
        .comm = comm, .bk = bk, .shards = shards, .count = count, .stride = round_up(count, ALIGNED), .dtype = dtype, .overlaps = true};
    fut_shard_range(fut_comm_rank(comm), ranks, shards, &t->first_shard, &t->end_shard);
    t->next = t->first_shard;
    t->n_buffers = fut_tree_largest_stack((int)t->first_shard, (int)t->end_shard, shards);
    FUT_TRY_GOTO(bk->alloc(bk, (size_t)t->n_buffers * (size_t)t->stride * fut_dtype_size(dtype), (void **)&t->buffers), out);
    FUT_TRY_GOTO(create_buckets(t, bucket_bytes), out);
    FUT_TRY_GOTO(fut_tree_ranks_init(comm, bk, shards, dtype, &t->ranks), out);
    if (ranks > 1) FUT_TRY_GOTO(create_lanes(t), out);
    FUT_TRY_GOTO(bk->stream_create(bk, &t->stream), out);
    FUT_TRY_GOTO(bk->event_create(bk, &t->computed), out);
    FUT_TRY_GOTO(bk->event_create(bk, &t->reduced), out);
    *tree_out = t;
    t = NULL;
out:
    fut_tree_destroy(&t);
    return st;
}

void fut_tree_destroy(fut_tree **tree)
{
    fut_tree *t = *tree;
    if (t == NULL) return;
    if (t->buffers != NULL) t->bk->free(t->bk, t->buffers);
    for (int i = 0; i < t->n_lanes; i++) {
        fut_transfer_destroy(t->comm, &t->lanes[i].down);
        fut_transfer_destroy(t->comm, &t->lanes[i].up);
        if (t->lanes[i].received != NULL) t->bk->free(t->bk, t->lanes[i].received);
    }
    if (t->reduced != NULL) t->bk->event_destroy(t->bk, t->reduced);
    if (t->computed != NULL) t->bk->event_destroy(t->bk, t->computed);
    if (t->stream != NULL) t->bk->stream_destroy(t->bk, t->stream);
    fut_tree_ranks_fini(&t->ranks);
    for (int i = 0; t->marks != NULL && i < 2 * t->n_buckets; i++)
        if (t->marks[i] != NULL) t->bk->event_destroy(t->bk, t->marks[i]);
    fut_mem_free(t->marks);
    fut_mem_free(t->buckets);
    fut_mem_free(t->span);
    fut_mem_free(t);
    *tree = NULL;
}

void fut_tree_set_overlap(fut_tree *t, bool overlaps)
{
    t->overlaps = overlaps;
}

const fut_tree_span *fut_tree_spans(const fut_tree *t, int *buckets_out)
{
    *buckets_out = t->n_buckets;
    return t->span;
}

fut_status fut_tree_mark(fut_tree *t)
{
    if (t->marks == NULL) FUT_TRY(FUT_NEW_ARRAY(2 * t->n_buckets, &t->marks));
    for (int i = 0; i < 2 * t->n_buckets; i++)
        if (t->marks[i] == NULL) FUT_TRY(t->bk->event_create(t->bk, &t->marks[i]));
    return FUT_OK;
}

static fut_status leave_mark(const fut_tree *t, int place)
{
    return t->marks == NULL ? FUT_OK : t->bk->event_record(t->bk, t->marks[place], t->stream);
}

fut_status fut_tree_read_marks(fut_tree *t, fut_event *from, fut_event *computed)
{
    double all_computed = 0;
    FUT_TRY(t->bk->event_seconds(t->bk, from, computed, &all_computed));
    for (int b = 0; b < t->n_buckets; b++) {
        double began = 0;
        double ended = 0;
        FUT_TRY(t->bk->event_seconds(t->bk, from, t->marks[2 * b], &began));
        FUT_TRY(t->bk->event_seconds(t->bk, from, t->marks[2 * b + 1], &ended));
        double hidden_until = began > all_computed ? began : all_computed;
        t->span[b] = (fut_tree_span){
            .count = t->span[b].count, .waited = ended > hidden_until ? ended - hidden_until : 0, .whole = ended - began, .began = began};
    }
    return FUT_OK;
}

fut_status fut_tree_begin_leaf(fut_tree *t, int shard, void **leaf_out)
{
    FUT_CHECK(shard == t->next && shard < t->end_shard, FUT_ERR_INTERNAL, "shard %d was added out of turn: %lld of [%lld, %lld) is next",
              shard, (long long)t->next, (long long)t->first_shard, (long long)t->end_shard);
    t->next++;
    t->leaf = (fut_tree_node){.index = shard, .buffer = take_buffer(t)};
    t->ready = t->begun = t->done = 0;
    *leaf_out = buffer_at(t, t->leaf.buffer);
    return FUT_OK;
}

/* A merge of two nodes of a range of the vector. Merges are called back without a status: the first error is kept. */
typedef struct range_merge {
    fut_tree *tree;
    char *nodes;    /* node i's range begins at nodes + i * stride */
    size_t stride;  /* bytes */
    int64_t count;  /* elements of the range */
    uint32_t *used; /* buffers to give back, or NULL */
    fut_stream *stream;
    fut_status st;
} range_merge;

static void merge_range(void *context, int left, int right)
{
    range_merge *m = context;
    fut_backend *bk = m->tree->bk;
    if (m->st == FUT_OK)
        m->st = bk->add(bk, m->count, m->tree->dtype, m->nodes + (size_t)right * m->stride, m->nodes + (size_t)left * m->stride, m->stream);
    if (m->used != NULL) *m->used &= ~(1U << right);
}

/* Add the leaf to my nodes, over [first, end) of the vector; the stack that results into `after`. */
static fut_status merge_leaf(fut_tree *t, int64_t first, int64_t end, uint32_t *used, fut_stream *stream, fut_tree_stack *after)
{
    size_t width = fut_dtype_size(t->dtype);
    range_merge merge = {.tree = t,
                         .nodes = t->buffers + (size_t)first * width,
                         .stride = (size_t)t->stride * width,
                         .count = end - first,
                         .used = used,
                         .stream = stream};
    *after = t->mine;
    fut_tree_push(after, t->leaf, t->shards, merge_range, &merge);
    return merge.st;
}

/* ---- buckets: ready -> begun, stage by stage -> done -------------------------------------------------------------------------------- */

static lane *lane_of(fut_tree *t, int i)
{
    return &t->lanes[i % t->n_lanes];
}

static fut_tree_bucket_way way_of(fut_tree *t, int i)
{
    const bucket *b = &t->buckets[i];
    const lane *l = lane_of(t, i);
    return (fut_tree_bucket_way){.first = b->first,
                                 .count = b->end - b->first,
                                 .mine = &t->whole,
                                 .buffers = t->buffers,
                                 .stride = t->stride,
                                 .received = l->received,
                                 .down = l->down,
                                 .up = l->up,
                                 .stream = t->stream};
}

/* The caller's time since the last mark went into this. */
static void charge(fut_tree *t, double *seconds)
{
    double now = fut_clock_now();
    *seconds += now - t->mark;
    t->mark = now;
}

/* Add my last leaf to my nodes, on the tree's stream, once what is enqueued now has been computed. */
static fut_status begin_bucket(fut_tree *t)
{
    bucket *b = &t->buckets[t->begun];
    fut_tree_span *span = &t->span[t->begun];
    *span = (fut_tree_span){.count = span->count, .began = t->mark};
    b->step = 0;
    FUT_TRY(t->bk->event_record(t->bk, t->computed, NULL));
    FUT_TRY(t->bk->event_wait(t->bk, t->stream, t->computed));
    FUT_TRY(leave_mark(t, 2 * t->begun));
    FUT_TRY(merge_leaf(t, b->first, b->end, NULL, t->stream, &t->whole));
    t->begun++;
    charge(t, &span->worked);
    return FUT_OK;
}

/* Messages match in the order in which they are sent: a bucket begins a stage after the one before it. */
static bool may_begin(const fut_tree *t, int i)
{
    return t->buckets[i].step < 2 * t->ranks.stages && (i == t->done || t->buckets[i - 1].step > t->buckets[i].step);
}

/* One step of a bucket, if it can be made without waiting: its stage begins, or ends as its messages have come. */
static fut_status step_bucket(fut_tree *t, int i, bool *goes_out, const char *what)
{
    bucket *b = &t->buckets[i];
    int stage = b->step / 2;
    *goes_out = may_begin(t, i);
    if (t->ranks.stages == 0) return FUT_OK;
    fut_tree_bucket_way way = way_of(t, i);
    if (b->step % 2 == 0) {
        if (*goes_out) FUT_TRY(fut_tree_ranks_begin(&t->ranks, stage, &way, what));
    } else {
        FUT_TRY(fut_transfer_test(t->comm, fut_tree_ranks_transfer(&t->ranks, stage, &way), goes_out, what));
        if (*goes_out) FUT_TRY(fut_tree_ranks_end(&t->ranks, stage, &way));
    }
    if (*goes_out) b->step++;
    charge(t, &t->span[i].worked);
    return FUT_OK;
}

static bool is_complete(const fut_tree *t, int i)
{
    return t->buckets[i].step == 2 * t->ranks.stages;
}

/* Every bucket goes on as far as it can without waiting. */
static fut_status advance(fut_tree *t, const char *what)
{
    bool goes = true;
    t->mark = fut_clock_now();
    while (goes) {
        goes = false;
        for (int i = t->done; i < t->begun; i++)
            for (bool steps = true; steps; goes = goes || steps)
                FUT_TRY(step_bucket(t, i, &steps, what));
        for (; t->done < t->begun && is_complete(t, t->done); t->done++) {
            FUT_TRY(leave_mark(t, 2 * t->done + 1));
            t->span[t->done].whole = t->mark - t->span[t->done].began;
        }
        if (t->begun < t->ready && (t->n_lanes == 0 || t->begun < t->done + t->n_lanes)) {
            FUT_TRY(begin_bucket(t));
            goes = true;
        }
    }
    return FUT_OK;
}

/* All enqueued in the tree's stream, where the communicator has one. */
static fut_status advance_on_stream(fut_tree *t, const char *what)
{
    fut_comm_set_stream(t->comm, t->stream);
    fut_status st = advance(t, what);
    fut_comm_set_stream(t->comm, NULL);
    return st;
}

/* For the messages of the oldest bucket. Of all that wait, those at its earliest stage wait for ranks that have begun it: they go on. */
static fut_status wait_for_messages(fut_tree *t, const char *what)
{
    fut_tree_bucket_way way = way_of(t, t->done);
    FUT_TRY(fut_transfer_wait(t->comm, fut_tree_ranks_transfer(&t->ranks, t->buckets[t->done].step / 2, &way), what));
    charge(t, &t->span[t->done].waited);
    return FUT_OK;
}

fut_status fut_tree_leaf_ready(fut_tree *t, int64_t first, const char *what)
{
    if (t->next < t->end_shard) { /* not the last leaf: add it when it is whole, where it was computed */
        fut_tree_stack after;
        if (first > 0) return FUT_OK;
        FUT_TRY(merge_leaf(t, 0, t->count, &t->used, NULL, &after));
        t->mine = after;
        return FUT_OK;
    }
    if (!t->overlaps && first > 0) return FUT_OK;
    while (t->ready < t->n_buckets && t->buckets[t->ready].first >= first)
        t->ready++;
    return advance_on_stream(t, what);
}

fut_status fut_tree_finish(fut_tree *t, const void **sum_out, const char *what)
{
    FUT_CHECK(t->next == t->end_shard && t->ready == t->n_buckets, FUT_ERR_INTERNAL, "%s: shard %lld of rank %d is not complete", what,
              (long long)t->next, fut_comm_rank(t->comm));
    FUT_TRY(advance_on_stream(t, what));
    while (t->done < t->n_buckets) {
        FUT_TRY(wait_for_messages(t, what));
        FUT_TRY(advance_on_stream(t, what));
    }
    FUT_TRY(t->bk->event_record(t->bk, t->reduced, t->stream));
    FUT_TRY(t->bk->event_wait(t->bk, NULL, t->reduced));
    *sum_out = buffer_at(t, t->whole.at[0].buffer);
    t->mine.count = 0;
    t->used = 0;
    t->next = t->first_shard;
    return FUT_OK;
}
