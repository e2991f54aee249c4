#include "dist/reduce_impl.h"

#include <stdbool.h>
#include <stddef.h>

void fut_shard_range(int64_t part, int64_t parts, int64_t n, int64_t *first_out, int64_t *end_out)
{
    int64_t size = n / parts;
    int64_t larger = n % parts;
    *first_out = part * size + (part < larger ? part : larger);
    *end_out = *first_out + size + (part < larger ? 1 : 0);
}

void fut_tree_push(fut_tree_stack *s, fut_tree_node n, int shards, fut_tree_merge merge, void *context)
{
    int top_level = 0;
    while (((int64_t)1 << top_level) < shards)
        top_level++;
    while (n.level < top_level) {
        bool is_right = n.index % 2 == 1;
        bool right_is_empty = !is_right && ((n.index + 1) << n.level) >= shards;
        fut_tree_node *left = s->count > 0 ? &s->at[s->count - 1] : NULL;
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

void fut_tree_nodes_of_rank(int rank, int ranks, int shards, fut_tree_stack *out)
{
    int64_t first = 0;
    int64_t end = 0;
    out->count = 0;
    fut_shard_range(rank, ranks, shards, &first, &end);
    for (int64_t s = first; s < end; s++)
        fut_tree_push(out, (fut_tree_node){.index = s}, shards, NULL, NULL);
}

int fut_tree_nodes(int rank, int ranks, int shards)
{
    fut_tree_stack s;
    fut_tree_nodes_of_rank(rank, ranks, shards, &s);
    return s.count;
}

int fut_tree_largest_stack(int first, int end, int shards)
{
    fut_tree_stack s = {0};
    int most = 0;
    for (int shard = first; shard < end; shard++) {
        if (s.count + 1 > most) most = s.count + 1;
        fut_tree_push(&s, (fut_tree_node){.index = shard}, shards, NULL, NULL);
    }
    return most;
}
