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

/* ---- vectors ------------------------------------------------------------------------------------------------------------------- */

struct fut_tree {
    fut_comm *comm;
    int shards;
    int64_t count;
    fut_dtype dtype;
    int64_t first, end, next; /* my shards, and the one to be added next */
    stack mine;
    char *buffers; /* [n_buffers][count]: sums of my nodes */
    int n_buffers;
    uint32_t used;  /* bit i: buffer i holds a node */
    stack *theirs;  /* [size] nodes of every rank */
    char *received; /* everybody's nodes of my part */
    fut_message *messages;
    int64_t *part_count, *part_offset; /* [size] */
};

static void add_vectors(void *to, const void *from, int64_t count, fut_dtype dtype)
{
    if (dtype == FUT_F32) {
        float *restrict a = to;
        const float *restrict b = from;
        for (int64_t i = 0; i < count; i++)
            a[i] += b[i];
    } else {
        double *restrict a = to;
        const double *restrict b = from;
        for (int64_t i = 0; i < count; i++)
            a[i] += b[i];
    }
}

static char *buffer_at(const fut_tree *t, int buffer)
{
    return t->buffers + (size_t)buffer * (size_t)t->count * fut_dtype_size(t->dtype);
}

static void merge_mine(void *context, int left, int right)
{
    fut_tree *t = context;
    add_vectors(buffer_at(t, left), buffer_at(t, right), t->count, t->dtype);
    t->used &= ~(1U << right);
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

fut_status fut_tree_create(fut_comm *comm, int shards, int64_t count, fut_dtype dtype, fut_tree **tree_out)
{
    fut_status st = FUT_OK;
    fut_tree *t = NULL;
    int rank = fut_comm_rank(comm);
    int ranks = fut_comm_size(comm);
    int64_t nodes = 0;
    FUT_CHECK(ranks <= shards && shards <= FUT_SHARDS_MAX, FUT_ERR_INTERNAL, "a tree of %d shards over %d ranks", shards, ranks);
    FUT_CHECK(dtype == FUT_F32 || dtype == FUT_F64, FUT_ERR_INTERNAL, "a tree of %s", fut_dtype_name(dtype));
    FUT_TRY_GOTO(FUT_NEW(&t), out);
    *t = (fut_tree){.comm = comm, .shards = shards, .count = count, .dtype = dtype};
    fut_shard_range(rank, ranks, shards, &t->first, &t->end);
    t->next = t->first;
    t->n_buffers = largest_stack((int)t->first, (int)t->end, shards);
    FUT_TRY_GOTO(fut_mem_alloc((size_t)t->n_buffers * (size_t)count, fut_dtype_size(dtype), (void **)&t->buffers), out);
    FUT_TRY_GOTO(FUT_NEW_ARRAY(ranks, &t->theirs), out);
    FUT_TRY_GOTO(FUT_NEW_ARRAY(2 * ranks, &t->part_count), out);
    t->part_offset = t->part_count + ranks;
    for (int r = 0; r < ranks; r++) {
        int64_t part_end = 0;
        nodes_of_rank(r, ranks, shards, &t->theirs[r]);
        nodes += t->theirs[r].count;
        fut_shard_range(r, ranks, count, &t->part_offset[r], &part_end);
        t->part_count[r] = part_end - t->part_offset[r];
    }
    FUT_TRY_GOTO(FUT_NEW_ARRAY(nodes + (int64_t)ranks * t->theirs[rank].count, &t->messages), out);
    FUT_TRY_GOTO(fut_mem_alloc((size_t)nodes * (size_t)t->part_count[rank], fut_dtype_size(dtype), (void **)&t->received), out);
    *tree_out = t;
    t = NULL;
out:
    fut_tree_destroy(&t);
    return st;
}

void fut_tree_destroy(fut_tree **tree)
{
    if (*tree == NULL) return;
    fut_mem_free((*tree)->buffers);
    fut_mem_free((*tree)->theirs);
    fut_mem_free((*tree)->received);
    fut_mem_free((*tree)->messages);
    fut_mem_free((*tree)->part_count);
    fut_mem_free(*tree);
    *tree = NULL;
}

fut_status fut_tree_add(fut_tree *t, int shard, const void *leaf)
{
    FUT_CHECK(shard == t->next && shard < t->end, FUT_ERR_INTERNAL, "shard %d was added out of turn: %lld of [%lld, %lld) is next", shard,
              (long long)t->next, (long long)t->first, (long long)t->end);
    t->next++;
    node n = {.index = shard, .buffer = take_buffer(t)};
    memcpy(buffer_at(t, n.buffer), leaf, (size_t)t->count * fut_dtype_size(t->dtype));
    push(&t->mine, n, t->shards, merge_mine, t);
    return FUT_OK;
}

/* Completion of the tree for my part: buffers are the nodes received, in the order of ranks. */
typedef struct part_merge {
    char *nodes;
    int64_t count;
    fut_dtype dtype;
} part_merge;

static char *part_at(const part_merge *p, int buffer)
{
    return p->nodes + (size_t)buffer * (size_t)p->count * fut_dtype_size(p->dtype);
}

static void merge_part(void *context, int left, int right)
{
    part_merge *p = context;
    add_vectors(part_at(p, left), part_at(p, right), p->count, p->dtype);
}

/* Send my nodes' part r to rank r, collect everybody's nodes of my part into `received`. */
static fut_status scatter_nodes(fut_tree *t, const char *what)
{
    int rank = fut_comm_rank(t->comm);
    int ranks = fut_comm_size(t->comm);
    size_t width = fut_dtype_size(t->dtype);
    part_merge part = {.nodes = t->received, .count = t->part_count[rank], .dtype = t->dtype};
    int n_recv = 0;
    int slot = 0;
    for (int r = 0; r < ranks; r++)
        for (int i = 0; i < t->theirs[r].count; i++, slot++) {
            if (r == rank)
                memcpy(part_at(&part, slot), buffer_at(t, t->mine.at[i].buffer) + (size_t)t->part_offset[rank] * width,
                       (size_t)part.count * width);
            else
                t->messages[n_recv++] = (fut_message){.peer = r, .count = part.count, .data = part_at(&part, slot)};
        }
    fut_message *send = t->messages + n_recv;
    int n_send = 0;
    for (int r = 0; r < ranks; r++)
        for (int i = 0; i < t->mine.count && r != rank; i++)
            send[n_send++] = (fut_message){
                .peer = r, .count = t->part_count[r], .data = buffer_at(t, t->mine.at[i].buffer) + (size_t)t->part_offset[r] * width};
    return fut_comm_exchange(t->comm, send, n_send, t->messages, n_recv, t->dtype, what);
}

fut_status fut_tree_finish(fut_tree *t, void *sum_out, const char *what)
{
    int rank = fut_comm_rank(t->comm);
    int ranks = fut_comm_size(t->comm);
    size_t width = fut_dtype_size(t->dtype);
    FUT_CHECK(t->next == t->end, FUT_ERR_INTERNAL, "%s: shard %lld of rank %d was not added", what, (long long)t->next, rank);
    if (ranks == 1) {
        memcpy(sum_out, buffer_at(t, t->mine.at[0].buffer), (size_t)t->count * width);
    } else {
        part_merge part = {.nodes = t->received, .count = t->part_count[rank], .dtype = t->dtype};
        stack all = {0};
        int slot = 0;
        FUT_TRY(scatter_nodes(t, what));
        for (int r = 0; r < ranks; r++)
            for (int i = 0; i < t->theirs[r].count; i++, slot++) {
                node n = t->theirs[r].at[i];
                n.buffer = slot;
                push(&all, n, t->shards, merge_part, &part);
            }
        memcpy((char *)sum_out + (size_t)t->part_offset[rank] * width, part_at(&part, all.at[0].buffer), (size_t)part.count * width);
        FUT_TRY(fut_comm_all_gatherv(t->comm, sum_out, t->part_count, t->part_offset, t->dtype, what));
    }
    t->mine.count = 0;
    t->used = 0;
    t->next = t->first;
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
