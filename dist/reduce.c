#include "dist/reduce.h"

#include "core/base/mem.h"

#include <stdbool.h>
#include <string.h>

enum { LEVELS_MAX = 12 }; /* 2^11 > FUT_SHARDS_MAX */

void fut_shard_range(int64_t part, int64_t parts, int64_t n, int64_t *first_out, int64_t *end_out)
{
    int64_t size = n / parts;
    int64_t larger = n % parts;
    *first_out = part * size + (part < larger ? part : larger);
    *end_out = *first_out + size + (part < larger ? 1 : 0);
}

/* ---- the shape of the tree ----------------------------------------------------------------------------------------------------- */

/* A stack of finished nodes, left to right. Each names its node and the buffer that holds its sum. */
typedef struct node {
    int level;
    int64_t index; /* covers shards [index << level, (index + 1) << level) */
    int buffer;
} node;

typedef struct stack {
    node at[2 * LEVELS_MAX];
    int count;
} stack;

/* Called when the right node is to be added to the left; the right buffer is free afterwards. NULL: only the shape is wanted. */
typedef void (*merge_fn)(void *context, int left, int right);

/* Push a node and complete every parent that it completes. */
static void push(stack *s, node n, int shards, merge_fn merge, void *context)
{
    int top_level = 0;
    while (((int64_t)1 << top_level) < shards)
        top_level++;
    while (n.level < top_level) {
        bool is_right = n.index % 2 == 1;
        bool right_is_empty = !is_right && ((n.index + 1) << n.level) >= shards;
        node *left = s->count > 0 ? &s->at[s->count - 1] : NULL;
        if (is_right && left != NULL && left->level == n.level && left->index == n.index - 1) {
            if (merge != NULL) merge(context, left->buffer, n.buffer);
            n.buffer = left->buffer;
            s->count--;
        } else if (!right_is_empty) {
            break;
        }
        n.level++;
        n.index /= 2;
    }
    s->at[s->count++] = n;
}

/* The nodes that a rank holds after adding all its leaves. */
static void nodes_of_rank(int rank, int ranks, int shards, stack *out)
{
    int64_t first = 0;
    int64_t end = 0;
    out->count = 0;
    fut_shard_range(rank, ranks, shards, &first, &end);
    for (int64_t s = first; s < end; s++)
        push(out, (node){.index = s}, shards, NULL, NULL);
}

int fut_tree_nodes(int rank, int ranks, int shards)
{
    stack s;
    nodes_of_rank(rank, ranks, shards, &s);
    return s.count;
}

/* ---- vectors ------------------------------------------------------------------------------------------------------------------- */

/* A range of the vector that is summed over the ranks by itself: rank c completes the tree for part c of it. */
typedef struct bucket {
    int64_t first, end;
    int64_t *part_count, *part_offset; /* [size]; offsets from the start of the vector */
} bucket;

struct fut_tree {
    fut_comm *comm;
    fut_backend *bk;
    int shards;
    int64_t count, stride; /* of the vector; from one buffer to the next: ALIGNED whole, so that every buffer is as aligned as the first */
    fut_dtype dtype;
    int64_t first_shard, end_shard, next; /* my shards, and the one to be begun next */
    stack mine;                           /* my nodes; during the last leaf without it */
    node leaf;                            /* being written */
    char *buffers;                        /* [n_buffers][count]: sums of my nodes */
    int n_buffers;
    uint32_t used;  /* bit i: buffer i holds a node */
    stack *theirs;  /* [size] nodes of every rank */
    char *received; /* everybody's nodes of my part of a bucket */
    char *sum;      /* [count]; more than one rank */
    fut_message *messages;
    bucket *buckets;          /* from the front of the vector to its end */
    int n_buckets, n_reduced; /* reduced from the end */
    int64_t *parts;           /* what the buckets' arrays point into */
    fut_stream *stream;       /* of the reduction */
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

static int largest_stack(int first, int end, int shards)
{
    stack s = {0};
    int most = 0;
    for (int shard = first; shard < end; shard++) {
        if (s.count + 1 > most) most = s.count + 1;
        push(&s, (node){.index = shard}, shards, NULL, NULL);
    }
    return most;
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
    for (int b = 0; b < t->n_buckets; b++) {
        bucket *to = &t->buckets[b];
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
    }
    return FUT_OK;
}

/* What a tree over several ranks has besides: the others' nodes, room for them, and for the sum. */
static fut_status create_exchange(fut_tree *t)
{
    int rank = fut_comm_rank(t->comm);
    int ranks = fut_comm_size(t->comm);
    size_t width = fut_dtype_size(t->dtype);
    int64_t nodes = 0;
    int64_t part = 0;
    FUT_TRY(FUT_NEW_ARRAY(ranks, &t->theirs));
    for (int r = 0; r < ranks; r++) {
        nodes_of_rank(r, ranks, t->shards, &t->theirs[r]);
        nodes += t->theirs[r].count;
    }
    for (int b = 0; b < t->n_buckets; b++)
        if (t->buckets[b].part_count[rank] > part) part = t->buckets[b].part_count[rank];
    FUT_TRY(FUT_NEW_ARRAY(nodes + (int64_t)ranks * t->theirs[rank].count, &t->messages));
    FUT_TRY(t->bk->alloc(t->bk, (size_t)(nodes * part) * width, (void **)&t->received));
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
    *t = (fut_tree){.comm = comm, .bk = bk, .shards = shards, .count = count, .stride = round_up(count, ALIGNED), .dtype = dtype};
    fut_shard_range(fut_comm_rank(comm), ranks, shards, &t->first_shard, &t->end_shard);
    t->next = t->first_shard;
    t->n_buffers = largest_stack((int)t->first_shard, (int)t->end_shard, shards);
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
    void *device[] = {t->buffers, t->received, t->sum};
    for (size_t i = 0; i < sizeof device / sizeof *device; i++)
        if (device[i] != NULL) t->bk->free(t->bk, device[i]);
    if (t->reduced != NULL) t->bk->event_destroy(t->bk, t->reduced);
    if (t->computed != NULL) t->bk->event_destroy(t->bk, t->computed);
    if (t->stream != NULL) t->bk->stream_destroy(t->bk, t->stream);
    fut_mem_free(t->theirs);
    fut_mem_free(t->messages);
    fut_mem_free(t->buckets);
    fut_mem_free(t->parts);
    fut_mem_free(t);
    *tree = NULL;
}

fut_status fut_tree_begin_leaf(fut_tree *t, int shard, void **leaf_out)
{
    FUT_CHECK(shard == t->next && shard < t->end_shard, FUT_ERR_INTERNAL, "shard %d was added out of turn: %lld of [%lld, %lld) is next",
              shard, (long long)t->next, (long long)t->first_shard, (long long)t->end_shard);
    t->next++;
    t->leaf = (node){.index = shard, .buffer = take_buffer(t)};
    t->n_reduced = 0;
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
static fut_status merge_leaf(fut_tree *t, int64_t first, int64_t end, uint32_t *used, fut_stream *stream, stack *after)
{
    size_t width = fut_dtype_size(t->dtype);
    range_merge merge = {.tree = t,
                         .nodes = t->buffers + (size_t)first * width,
                         .stride = (size_t)t->stride * width,
                         .count = end - first,
                         .used = used,
                         .stream = stream};
    *after = t->mine;
    push(after, t->leaf, t->shards, merge_range, &merge);
    return merge.st;
}

/* Send my nodes' part r of a bucket to rank r, collect everybody's nodes of my part into `received`. */
static fut_status scatter_nodes(fut_tree *t, const bucket *b, const stack *mine, const char *what)
{
    int rank = fut_comm_rank(t->comm);
    int ranks = fut_comm_size(t->comm);
    size_t width = fut_dtype_size(t->dtype);
    size_t part_bytes = (size_t)b->part_count[rank] * width;
    int n_recv = 0;
    int slot = 0;
    for (int r = 0; r < ranks; r++)
        for (int i = 0; i < t->theirs[r].count; i++, slot++) {
            char *to = t->received + (size_t)slot * part_bytes;
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
    return fut_comm_exchange(t->comm, send, n_send, t->messages, n_recv, t->dtype, what);
}

/* Complete the tree for my part of a bucket from the nodes received, in the order of ranks, and gather all parts. */
static fut_status complete_bucket(fut_tree *t, const bucket *b, const char *what)
{
    int rank = fut_comm_rank(t->comm);
    int ranks = fut_comm_size(t->comm);
    size_t width = fut_dtype_size(t->dtype);
    size_t part_bytes = (size_t)b->part_count[rank] * width;
    range_merge merge = {.tree = t, .nodes = t->received, .stride = part_bytes, .count = b->part_count[rank], .stream = t->stream};
    stack all = {0};
    int slot = 0;
    for (int r = 0; r < ranks; r++)
        for (int i = 0; i < t->theirs[r].count; i++, slot++) {
            node n = t->theirs[r].at[i];
            n.buffer = slot;
            push(&all, n, t->shards, merge_range, &merge);
        }
    FUT_TRY(merge.st);
    FUT_TRY(t->bk->copy(t->bk, t->sum + (size_t)b->part_offset[rank] * width, t->received + (size_t)all.at[0].buffer * part_bytes,
                        part_bytes, t->stream));
    return fut_comm_all_gatherv(t->comm, t->sum, b->part_count, b->part_offset, t->dtype, what);
}

/* Sum one bucket over my last leaf and all ranks, on the tree's stream, once what is enqueued now has been computed. */
static fut_status reduce_bucket(fut_tree *t, const bucket *b, const char *what)
{
    stack mine;
    FUT_TRY(t->bk->event_record(t->bk, t->computed, NULL));
    FUT_TRY(t->bk->event_wait(t->bk, t->stream, t->computed));
    FUT_TRY(merge_leaf(t, b->first, b->end, NULL, t->stream, &mine));
    if (fut_comm_size(t->comm) == 1) return FUT_OK;
    fut_comm_set_stream(t->comm, t->stream);
    fut_status st = scatter_nodes(t, b, &mine, what);
    if (st == FUT_OK) st = complete_bucket(t, b, what);
    fut_comm_set_stream(t->comm, NULL);
    return st;
}

fut_status fut_tree_leaf_ready(fut_tree *t, int64_t first, const char *what)
{
    if (t->next < t->end_shard) { /* not the last leaf: add it when it is whole, where it was computed */
        stack after;
        if (first > 0) return FUT_OK;
        FUT_TRY(merge_leaf(t, 0, t->count, &t->used, NULL, &after));
        t->mine = after;
        return FUT_OK;
    }
    while (t->n_reduced < t->n_buckets) {
        const bucket *b = &t->buckets[t->n_buckets - 1 - t->n_reduced];
        if (b->first < first) break;
        FUT_TRY(reduce_bucket(t, b, what));
        t->n_reduced++;
    }
    return FUT_OK;
}

fut_status fut_tree_finish(fut_tree *t, const void **sum_out, const char *what)
{
    FUT_CHECK(t->next == t->end_shard && t->n_reduced == t->n_buckets, FUT_ERR_INTERNAL, "%s: shard %lld of rank %d is not complete", what,
              (long long)t->next, fut_comm_rank(t->comm));
    FUT_TRY(t->bk->event_record(t->bk, t->reduced, t->stream));
    FUT_TRY(t->bk->event_wait(t->bk, NULL, t->reduced));
    push(&t->mine, t->leaf, t->shards, NULL, NULL);
    *sum_out = fut_comm_size(t->comm) == 1 ? buffer_at(t, t->mine.at[0].buffer) : t->sum;
    t->mine.count = 0;
    t->used = 0;
    t->next = t->first_shard;
    return FUT_OK;
}

/* ---- a few numbers ------------------------------------------------------------------------------------------------------------- */

typedef struct row_merge {
    double *rows;
    int n;
} row_merge;

static void merge_rows(void *context, int left, int right)
{
    row_merge *m = context;
    for (int i = 0; i < m->n; i++)
        m->rows[left * m->n + i] += m->rows[right * m->n + i];
}

fut_status fut_tree_sum_f64(fut_comm *comm, int shards, const double *my_rows, int64_t stride, int n, double *sum_out, const char *what)
{
    double rows[FUT_SHARDS_MAX * FUT_TREE_SUM_MAX];
    int64_t counts[FUT_SHARDS_MAX];
    int64_t offsets[FUT_SHARDS_MAX];
    int rank = fut_comm_rank(comm);
    int ranks = fut_comm_size(comm);
    FUT_CHECK(n >= 1 && n <= FUT_TREE_SUM_MAX && shards <= FUT_SHARDS_MAX && ranks <= shards, FUT_ERR_INTERNAL, "%s: %d sums of %d shards",
              what, n, shards);
    for (int r = 0; r < ranks; r++) {
        int64_t end = 0;
        fut_shard_range(r, ranks, shards, &offsets[r], &end);
        counts[r] = (end - offsets[r]) * n;
        offsets[r] *= n;
    }
    for (int64_t s = 0; s < counts[rank] / n; s++)
        memcpy(rows + offsets[rank] + s * n, my_rows + s * stride, (size_t)n * sizeof *rows);
    FUT_TRY(fut_comm_all_gatherv(comm, rows, counts, offsets, FUT_F64, what));
    row_merge merge = {.rows = rows, .n = n};
    stack all = {0};
    for (int s = 0; s < shards; s++)
        push(&all, (node){.index = s, .buffer = s}, shards, merge_rows, &merge);
    memcpy(sum_out, rows + all.at[0].buffer * n, (size_t)n * sizeof *rows);
    return FUT_OK;
}
