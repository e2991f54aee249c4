#include "core/base/mem.h"
#include "dist/reduce_impl.h"

#include <stdbool.h>

/* Elements of the vector. */
typedef struct range {
    int64_t first, end;
} range;

static range part_of(range whole, int part, int parts)
{
    int64_t first = 0;
    int64_t end = 0;
    fut_shard_range(part, parts, whole.end - whole.first, &first, &end);
    return (range){.first = whole.first + first, .end = whole.first + end};
}

/* What a rank has of a range after so many pairings: of each the first half where its bit is 0, else the second. */
static range half_of(range whole, int rank, int pairings)
{
    for (int i = 0; i < pairings; i++)
        whole = part_of(whole, rank >> i & 1, 2);
    return whole;
}

static range whole_of(const fut_tree_bucket_way *b)
{
    return (range){.first = b->first, .end = b->first + b->count};
}

static int64_t length(range r)
{
    return r.end - r.first;
}

/* The rank of my place in a group. */
static int rank_of_group(const fut_tree_ranks *t, int group)
{
    int place = fut_comm_rank(t->comm) % (1 << t->pairings);
    return (group << t->pairings) + place;
}

static int my_group(const fut_tree_ranks *t)
{
    return fut_comm_rank(t->comm) >> t->pairings;
}

int fut_tree_pairings(int ranks, int shards)
{
    int pairings = 0;
    int each = shards / ranks;
    if (shards % ranks != 0 || (each & (each - 1)) != 0) return 0;
    while (ranks % (2 << pairings) == 0)
        pairings++;
    return pairings;
}

fut_status fut_tree_ranks_init(fut_comm *comm, fut_backend *bk, int shards, fut_dtype dtype, fut_tree_ranks *t)
{
    int ranks = fut_comm_size(comm);
    *t = (fut_tree_ranks){.comm = comm, .bk = bk, .shards = shards, .dtype = dtype, .pairings = fut_tree_pairings(ranks, shards)};
    t->groups = ranks >> t->pairings;
    t->stages = 2 * t->pairings + (t->groups > 1 ? 2 : 0);
    FUT_TRY(FUT_NEW_ARRAY(t->groups, &t->theirs));
    for (int g = 0; g < t->groups; g++) {
        fut_tree_stack *s = &t->theirs[g];
        fut_tree_nodes_of_rank(rank_of_group(t, g), ranks, shards, s);
        t->nodes += s->count;
        for (int i = 0; i < s->count; i++) {
            s->at[i].level += t->pairings;
            s->at[i].index >>= t->pairings;
        }
    }
    /* scattered: received from the other groups, and sent to each of them; gathered: one each; a pair's: two */
    int scattered = t->nodes + (t->groups - 2) * t->theirs[my_group(t)].count;
    t->messages_most = scattered > 2 * (t->groups - 1) ? scattered : 2 * (t->groups - 1);
    if (t->messages_most < 2) t->messages_most = 2;
    return FUT_NEW_ARRAY(t->messages_most, &t->messages);
}

void fut_tree_ranks_fini(fut_tree_ranks *t)
{
    fut_mem_free(t->theirs);
    fut_mem_free(t->messages);
}

int64_t fut_tree_ranks_room(const fut_tree_ranks *t, int64_t count)
{
    int64_t half = t->pairings > 0 ? (count + 1) / 2 : 0;
    int64_t parts = t->groups > 1 ? t->nodes * ((count >> t->pairings) / t->groups + 2) : 0;
    return half > parts ? half : parts;
}

static char *at(const fut_tree_ranks *t, const fut_tree_bucket_way *b, int node, int64_t element)
{
    return b->buffers + ((size_t)b->mine->at[node].buffer * (size_t)b->stride + (size_t)element) * fut_dtype_size(t->dtype);
}

static fut_message message_of(const fut_tree_ranks *t, const fut_tree_bucket_way *b, int peer, int node, range r)
{
    return (fut_message){.peer = peer, .count = length(r), .data = at(t, b, node, r.first)};
}

/* ---- pairs ----------------------------------------------------------------------------------------------------------------------- */

/* The two ranks of a pairing each take the half that is theirs of both nodes; added, it is a level of the tree. */
static fut_status send_half(const fut_tree_ranks *t, const fut_tree_bucket_way *b, int pairing, const char *what)
{
    int rank = fut_comm_rank(t->comm);
    int peer = rank ^ 1 << pairing;
    fut_message send = message_of(t, b, peer, 0, half_of(whole_of(b), peer, pairing + 1));
    fut_message recv = {.peer = peer, .count = length(half_of(whole_of(b), rank, pairing + 1)), .data = b->received};
    return fut_comm_exchange_begin(t->comm, &send, 1, &recv, 1, t->dtype, b->down, what);
}

static fut_status add_half(const fut_tree_ranks *t, const fut_tree_bucket_way *b, int pairing)
{
    range mine = half_of(whole_of(b), fut_comm_rank(t->comm), pairing + 1);
    return t->bk->add(t->bk, length(mine), t->dtype, b->received, at(t, b, 0, mine.first), b->stream);
}

/* And give each other their halves of the sum. */
static fut_status swap_halves(const fut_tree_ranks *t, const fut_tree_bucket_way *b, int pairing, const char *what)
{
    int rank = fut_comm_rank(t->comm);
    int peer = rank ^ 1 << pairing;
    fut_message send = message_of(t, b, peer, 0, half_of(whole_of(b), rank, pairing + 1));
    fut_message recv = message_of(t, b, peer, 0, half_of(whole_of(b), peer, pairing + 1));
    return fut_comm_exchange_begin(t->comm, &send, 1, &recv, 1, t->dtype, b->up, what);
}

/* ---- groups ---------------------------------------------------------------------------------------------------------------------- */

/* What the groups share out: the range that the pairings left me. */
static range shared(const fut_tree_ranks *t, const fut_tree_bucket_way *b)
{
    return half_of(whole_of(b), fut_comm_rank(t->comm), t->pairings);
}

static range my_part(const fut_tree_ranks *t, const fut_tree_bucket_way *b)
{
    return part_of(shared(t, b), my_group(t), t->groups);
}

/* Send my nodes' part g to group g, collect everybody's nodes of my part. */
static fut_status scatter_nodes(const fut_tree_ranks *t, const fut_tree_bucket_way *b, const char *what)
{
    range part = my_part(t, b);
    size_t part_bytes = (size_t)length(part) * fut_dtype_size(t->dtype);
    int n_recv = 0;
    int slot = 0;
    for (int g = 0; g < t->groups; g++)
        for (int i = 0; i < t->theirs[g].count; i++, slot++) {
            char *to = b->received + (size_t)slot * part_bytes;
            if (g == my_group(t))
                FUT_TRY(t->bk->copy(t->bk, to, at(t, b, i, part.first), part_bytes, b->stream));
            else
                t->messages[n_recv++] = (fut_message){.peer = rank_of_group(t, g), .count = length(part), .data = to};
        }
    fut_message *send = t->messages + n_recv;
    int n_send = 0;
    for (int g = 0; g < t->groups; g++)
        for (int i = 0; i < b->mine->count && g != my_group(t); i++)
            send[n_send++] = message_of(t, b, rank_of_group(t, g), i, part_of(shared(t, b), g, t->groups));
    return fut_comm_exchange_begin(t->comm, send, n_send, t->messages, n_recv, t->dtype, b->down, what);
}

/* A merge of two nodes that came. Merges are called back without a status: the first error is kept. */
typedef struct part_merge {
    const fut_tree_ranks *ranks;
    const fut_tree_bucket_way *way;
    int64_t count;
    fut_status st;
} part_merge;

static void merge_parts(void *context, int left, int right)
{
    part_merge *m = context;
    fut_backend *bk = m->ranks->bk;
    size_t bytes = (size_t)m->count * fut_dtype_size(m->ranks->dtype);
    char *received = m->way->received;
    if (m->st == FUT_OK)
        m->st = bk->add(bk, m->count, m->ranks->dtype, received + (size_t)right * bytes, received + (size_t)left * bytes, m->way->stream);
}

/* Complete the tree for my part from the nodes that came, in the order of ranks. */
static fut_status add_nodes(const fut_tree_ranks *t, const fut_tree_bucket_way *b)
{
    range part = my_part(t, b);
    size_t bytes = (size_t)length(part) * fut_dtype_size(t->dtype);
    part_merge merge = {.ranks = t, .way = b, .count = length(part)};
    fut_tree_stack all = {0};
    int slot = 0;
    for (int g = 0; g < t->groups; g++)
        for (int i = 0; i < t->theirs[g].count; i++, slot++) {
            fut_tree_node n = t->theirs[g].at[i];
            n.buffer = slot;
            fut_tree_push(&all, n, t->shards, merge_parts, &merge);
        }
    FUT_TRY(merge.st);
    return t->bk->copy(t->bk, at(t, b, 0, part.first), b->received + (size_t)all.at[0].buffer * bytes, bytes, b->stream);
}

/* Everybody's part to all groups. */
static fut_status gather_parts(const fut_tree_ranks *t, const fut_tree_bucket_way *b, const char *what)
{
    int others = 0;
    fut_message *send = t->messages;
    fut_message *recv = t->messages + t->groups - 1;
    for (int g = 0; g < t->groups; g++) {
        if (g == my_group(t)) continue;
        send[others] = message_of(t, b, rank_of_group(t, g), 0, my_part(t, b));
        recv[others++] = message_of(t, b, rank_of_group(t, g), 0, part_of(shared(t, b), g, t->groups));
    }
    return fut_comm_exchange_begin(t->comm, send, others, recv, others, t->dtype, b->up, what);
}

/* ---- stages: the pairs from the nearest to the farthest, the groups there and back, the pairs back ------------------------------- */

fut_transfer *fut_tree_ranks_transfer(const fut_tree_ranks *t, int stage, const fut_tree_bucket_way *b)
{
    return 2 * stage < t->stages ? b->down : b->up;
}

fut_status fut_tree_ranks_begin(const fut_tree_ranks *t, int stage, const fut_tree_bucket_way *b, const char *what)
{
    if (stage < t->pairings) return send_half(t, b, stage, what);
    if (stage >= t->stages - t->pairings) return swap_halves(t, b, t->stages - 1 - stage, what);
    return stage == t->pairings ? scatter_nodes(t, b, what) : gather_parts(t, b, what);
}

fut_status fut_tree_ranks_end(const fut_tree_ranks *t, int stage, const fut_tree_bucket_way *b)
{
    if (2 * stage >= t->stages) return FUT_OK;
    return stage < t->pairings ? add_half(t, b, stage) : add_nodes(t, b);
}
