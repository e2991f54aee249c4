#include "dist/reduce_impl.h"

#include "core/base/clock.h"
#include "core/base/mem.h"

#include <stdbool.h>
#include <string.h>

/* A range of the vector that is summed over the ranks by itself: rank c completes the tree for part c of it. */
typedef struct bucket {
    int64_t first, end;
    int64_t *part_count, *part_offset; /* [size]; offsets from the start of the vector */
} bucket;

/* What a bucket that is under way needs. */
typedef struct lane {
    char *received;                 /* everybody's nodes of my part of it */
    fut_transfer *scatter, *gather; /* NULL where the communicator has none */
} lane;

struct fut_tree {
    fut_comm *comm;
    fut_backend *bk;
    int shards;
    int64_t count, stride; /* of the vector; from one buffer to the next: ALIGNED whole, so that every buffer is as aligned as the first */
    fut_dtype dtype;
    int64_t first_shard, end_shard, next; /* my shards, and the one to be begun next */
    fut_tree_stack mine;                  /* my nodes; during the last leaf without it */
    fut_tree_node leaf;                   /* being written */
    char *buffers;                        /* [n_buffers][count]: sums of my nodes */
    int n_buffers;
    uint32_t used;          /* bit i: buffer i holds a node */
    fut_tree_stack *theirs; /* [size] nodes of every rank */
    char *sum;              /* [count]; more than one rank */
    fut_message *messages;
    lane lanes[FUT_TREE_LANES]; /* a bucket's is that of its place in the order */
    int n_lanes;
    bucket *buckets;     /* in the order in which they are summed: from the end of the vector to its front */
    fut_tree_span *span; /* of each */
    int n_buckets;
    int ready, begun, added, done; /* buckets that have come so far, done <= added <= begun <= ready, in their order: messages match so */
    bool overlaps;
    double mark;        /* clock: until then the caller's time is accounted for */
    int64_t *parts;     /* what the buckets' arrays point into */
    fut_stream *stream; /* of the reduction */
    fut_event *computed, *reduced;
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
    int ranks = fut_comm_size(t->comm);
    int64_t length = fut_tree_bucket(ranks, t->count, t->dtype, bucket_bytes);
    t->n_buckets = (int)((t->count + length - 1) / length);
    FUT_TRY(FUT_NEW_ARRAY(t->n_buckets, &t->buckets));
    FUT_TRY(FUT_NEW_ARRAY((int64_t)2 * ranks * t->n_buckets, &t->parts));
    FUT_TRY(FUT_NEW_ARRAY(t->n_buckets, &t->span));
    for (int b = 0; b < t->n_buckets; b++) {
        bucket *to = &t->buckets[t->n_buckets - 1 - b];
        to->first = b * length;
        to->end = to->first + length < t->count ? to->first + length : t->count;
        to->part_count = t->parts + (ptrdiff_t)2 * ranks * b;
        to->part_offset = to->part_count + ranks;
        for (int r = 0; r < ranks; r++) {
            int64_t end = 0;
            fut_shard_range(r, ranks, to->end - to->first, &to->part_offset[r], &end);
            to->part_count[r] = end - to->part_offset[r];
            to->part_offset[r] += to->first;
        }
        t->span[t->n_buckets - 1 - b].count = to->end - to->first;
    }
    return FUT_OK;
}

/* Lanes for buckets of whose nodes I receive `bytes`. Where no call waits all is in the order of the stream, and one lane serves. */
static fut_status create_lanes(fut_tree *t, size_t bytes, int scattered)
{
    int channels[2];
    int ranks = fut_comm_size(t->comm);
    int lanes = t->n_buckets < FUT_TREE_LANES ? t->n_buckets : FUT_TREE_LANES;
    for (int i = 0; i < 2; i++)
        FUT_TRY(fut_comm_take_channel(t->comm, &channels[i]));
    for (int i = 0; i < lanes && (i == 0 || t->lanes[0].scatter != NULL); i++) {
        lane *l = &t->lanes[t->n_lanes++];
        FUT_TRY(fut_transfer_create(t->comm, channels[0], scattered, &l->scatter));
        FUT_TRY(fut_transfer_create(t->comm, channels[1], 2 * (ranks - 1), &l->gather));
        FUT_TRY(t->bk->alloc(t->bk, bytes, (void **)&l->received));
    }
    return FUT_OK;
}

/* What a tree over several ranks has besides: the others' nodes, room for them, and for the sum. */
static fut_status create_exchange(fut_tree *t)
{
    int rank = fut_comm_rank(t->comm);
    int ranks = fut_comm_size(t->comm);
    size_t width = fut_dtype_size(t->dtype);
    int nodes = 0;
    int64_t part = 0;
    FUT_TRY(FUT_NEW_ARRAY(ranks, &t->theirs));
    for (int r = 0; r < ranks; r++) {
        fut_tree_nodes_of_rank(r, ranks, t->shards, &t->theirs[r]);
        nodes += t->theirs[r].count;
    }
    for (int b = 0; b < t->n_buckets; b++)
        if (t->buckets[b].part_count[rank] > part) part = t->buckets[b].part_count[rank];
    int scattered = nodes + (ranks - 2) * t->theirs[rank].count; /* received from the others, and sent to each of them */
    FUT_TRY(FUT_NEW_ARRAY(scattered, &t->messages));
    FUT_TRY(create_lanes(t, (size_t)nodes * (size_t)part * width, scattered));
    return t->bk->alloc(t->bk, (size_t)t->count * width, (void **)&t->sum);
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
    if (ranks > 1) FUT_TRY_GOTO(create_exchange(t), out);
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
    void *device[] = {t->buffers, t->sum};
    for (size_t i = 0; i < sizeof device / sizeof *device; i++)
        if (device[i] != NULL) t->bk->free(t->bk, device[i]);
    for (int i = 0; i < t->n_lanes; i++) {
        fut_transfer_destroy(t->comm, &t->lanes[i].scatter);
        fut_transfer_destroy(t->comm, &t->lanes[i].gather);
        if (t->lanes[i].received != NULL) t->bk->free(t->bk, t->lanes[i].received);
    }
    if (t->reduced != NULL) t->bk->event_destroy(t->bk, t->reduced);
    if (t->computed != NULL) t->bk->event_destroy(t->bk, t->computed);
    if (t->stream != NULL) t->bk->stream_destroy(t->bk, t->stream);
    fut_mem_free(t->theirs);
    fut_mem_free(t->messages);
    fut_mem_free(t->buckets);
    fut_mem_free(t->span);
    fut_mem_free(t->parts);
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

fut_status fut_tree_begin_leaf(fut_tree *t, int shard, void **leaf_out)
{
    FUT_CHECK(shard == t->next && shard < t->end_shard, FUT_ERR_INTERNAL, "shard %d was added out of turn: %lld of [%lld, %lld) is next",
              shard, (long long)t->next, (long long)t->first_shard, (long long)t->end_shard);
    t->next++;
    t->leaf = (fut_tree_node){.index = shard, .buffer = take_buffer(t)};
    t->ready = t->begun = t->added = t->done = 0;
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

/* ---- buckets: ready -> begun: my nodes are on their way -> added: my part is complete, all parts are on their way -> done ----------- */

static lane *lane_of(fut_tree *t, int i)
{
    return &t->lanes[i % t->n_lanes];
}

/* The caller's time since the last mark went into this. */
static void charge(fut_tree *t, double *seconds)
{
    double now = fut_clock_now();
    *seconds += now - t->mark;
    t->mark = now;
}

/* Send my nodes' part r of a bucket to rank r, collect everybody's nodes of my part in the lane. */
static fut_status scatter_nodes(fut_tree *t, const bucket *b, const lane *l, const fut_tree_stack *mine, const char *what)
{
    int rank = fut_comm_rank(t->comm);
    int ranks = fut_comm_size(t->comm);
    size_t width = fut_dtype_size(t->dtype);
    size_t part_bytes = (size_t)b->part_count[rank] * width;
    int n_recv = 0;
    int slot = 0;
    for (int r = 0; r < ranks; r++)
        for (int i = 0; i < t->theirs[r].count; i++, slot++) {
            char *to = l->received + (size_t)slot * part_bytes;
            if (r == rank)
                FUT_TRY(
                    t->bk->copy(t->bk, to, buffer_at(t, mine->at[i].buffer) + (size_t)b->part_offset[rank] * width, part_bytes, t->stream));
            else
                t->messages[n_recv++] = (fut_message){.peer = r, .count = b->part_count[rank], .data = to};
        }
    fut_message *send = t->messages + n_recv;
    int n_send = 0;
    for (int r = 0; r < ranks; r++)
        for (int i = 0; i < mine->count && r != rank; i++)
            send[n_send++] = (fut_message){
                .peer = r, .count = b->part_count[r], .data = buffer_at(t, mine->at[i].buffer) + (size_t)b->part_offset[r] * width};
    return fut_comm_exchange_begin(t->comm, send, n_send, t->messages, n_recv, t->dtype, l->scatter, what);
}

/* Complete the tree for my part of a bucket from the nodes received, in the order of ranks, and gather all parts. */
static fut_status add_nodes(fut_tree *t, const bucket *b, const lane *l, const char *what)
{
    int rank = fut_comm_rank(t->comm);
    int ranks = fut_comm_size(t->comm);
    size_t width = fut_dtype_size(t->dtype);
    size_t part_bytes = (size_t)b->part_count[rank] * width;
    range_merge merge = {.tree = t, .nodes = l->received, .stride = part_bytes, .count = b->part_count[rank], .stream = t->stream};
    fut_tree_stack all = {0};
    int slot = 0;
    for (int r = 0; r < ranks; r++)
        for (int i = 0; i < t->theirs[r].count; i++, slot++) {
            fut_tree_node n = t->theirs[r].at[i];
            n.buffer = slot;
            fut_tree_push(&all, n, t->shards, merge_range, &merge);
        }
    FUT_TRY(merge.st);
    FUT_TRY(t->bk->copy(t->bk, t->sum + (size_t)b->part_offset[rank] * width, l->received + (size_t)all.at[0].buffer * part_bytes,
                        part_bytes, t->stream));
    return fut_comm_all_gatherv_begin(t->comm, t->sum, b->part_count, b->part_offset, t->dtype, l->gather, what);
}

/* Add my last leaf to my nodes, on the tree's stream, once what is enqueued now has been computed, and send them. */
static fut_status begin_bucket(fut_tree *t, const char *what)
{
    fut_tree_stack mine;
    const bucket *b = &t->buckets[t->begun];
    fut_tree_span *span = &t->span[t->begun];
    *span = (fut_tree_span){.count = span->count, .began = t->mark};
    FUT_TRY(t->bk->event_record(t->bk, t->computed, NULL));
    FUT_TRY(t->bk->event_wait(t->bk, t->stream, t->computed));
    FUT_TRY(merge_leaf(t, b->first, b->end, NULL, t->stream, &mine));
    if (fut_comm_size(t->comm) > 1) FUT_TRY(scatter_nodes(t, b, lane_of(t, t->begun), &mine, what));
    t->begun++;
    charge(t, &span->worked);
    return FUT_OK;
}

static fut_status add_bucket(fut_tree *t, const char *what)
{
    if (fut_comm_size(t->comm) > 1) FUT_TRY(add_nodes(t, &t->buckets[t->added], lane_of(t, t->added), what));
    charge(t, &t->span[t->added].worked);
    t->added++;
    return FUT_OK;
}

/* Have the messages of the i-th bucket come? Taking them in is work. */
static fut_status has_come(fut_tree *t, int i, bool gathered, bool *come_out, const char *what)
{
    *come_out = true;
    if (fut_comm_size(t->comm) == 1) return FUT_OK;
    const lane *l = lane_of(t, i);
    FUT_TRY(fut_transfer_test(t->comm, gathered ? l->gather : l->scatter, come_out, what));
    charge(t, &t->span[i].worked);
    return FUT_OK;
}

/* The oldest bucket that is not done is, if its messages have come. */
static fut_status end_bucket(fut_tree *t, bool *ended_out, const char *what)
{
    FUT_TRY(has_come(t, t->done, true, ended_out, what));
    if (!*ended_out) return FUT_OK;
    t->span[t->done].whole = t->mark - t->span[t->done].began;
    t->done++;
    return FUT_OK;
}

/* Every bucket goes on as far as it can without waiting. */
static fut_status advance(fut_tree *t, const char *what)
{
    bool goes = true;
    t->mark = fut_clock_now();
    while (goes && t->done < t->ready) {
        goes = false;
        if (t->done < t->added) FUT_TRY(end_bucket(t, &goes, what));
        bool come = false;
        if (t->added < t->begun) FUT_TRY(has_come(t, t->added, false, &come, what));
        if (come) FUT_TRY(add_bucket(t, what));
        bool begins = t->begun < t->ready && (t->n_lanes == 0 || t->begun < t->done + t->n_lanes);
        if (begins) FUT_TRY(begin_bucket(t, what));
        goes = goes || come || begins;
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

/* For the messages that let the oldest bucket go on which is not added, else for those of the oldest that is not done. All ranks have begun
 * what the oldest of all waits for, so that one always goes on. */
static fut_status wait_for_messages(fut_tree *t, const char *what)
{
    int i = t->added < t->begun ? t->added : t->done;
    const lane *l = lane_of(t, i);
    FUT_TRY(fut_transfer_wait(t->comm, t->added < t->begun ? l->scatter : l->gather, what));
    charge(t, &t->span[i].waited);
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
    fut_tree_push(&t->mine, t->leaf, t->shards, NULL, NULL);
    *sum_out = fut_comm_size(t->comm) == 1 ? buffer_at(t, t->mine.at[0].buffer) : t->sum;
    t->mine.count = 0;
    t->used = 0;
    t->next = t->first_shard;
    return FUT_OK;
}
