#include "dist/cost.h"

#include "dist/reduce.h"

const char *const fut_cost_bound_names[FUT_COST_BOUNDS] = {
    [FUT_COST_MESSAGES] = "number of messages", [FUT_COST_NODE] = "link inside a node", [FUT_COST_BETWEEN] = "link between nodes"};

/* What rank r holds of `rows` rows: those of its shards. */
static int64_t rows_of_rank(const fut_cost_place *at, int64_t rows)
{
    int64_t first = 0;
    int64_t end = 0;
    int64_t row = 0;
    int64_t row_end = 0;
    int64_t none = 0;
    fut_shard_range(at->rank, at->ranks, at->shards, &first, &end);
    fut_shard_range(first, at->shards, rows, &row, &none);
    fut_shard_range(end - 1, at->shards, rows, &none, &row_end);
    return row_end - row;
}

fut_traffic fut_cost_gather(const fut_cost_place *at, int64_t rows, int64_t dim, fut_dtype dtype)
{
    int64_t others = at->ranks - 1;
    return (fut_traffic){.messages = others, .bytes = others * rows_of_rank(at, rows) * dim * (int64_t)fut_dtype_size(dtype)};
}

fut_traffic fut_cost_tree(const fut_cost_place *at, int64_t count, fut_dtype dtype, int64_t bucket_bytes)
{
    fut_traffic sum = {0};
    int64_t width = (int64_t)fut_dtype_size(dtype);
    int64_t others = at->ranks - 1;
    int64_t nodes = fut_tree_nodes(at->rank, at->ranks, at->shards);
    int64_t bucket = fut_tree_bucket(at->ranks, count, dtype, (size_t)bucket_bytes);
    if (others == 0) return sum;
    for (int64_t first = 0; first < count; first += bucket) {
        int64_t n = first + bucket < count ? bucket : count - first;
        int64_t part = 0;
        int64_t end = 0;
        fut_shard_range(at->rank, at->ranks, n, &part, &end);
        part = end - part;
        sum.messages += nodes * others + others;
        sum.bytes += (nodes * (n - part) + others * part) * width;
    }
    return sum;
}

static int rounds_of(int ranks)
{
    int rounds = 0;
    while (1 << rounds < ranks)
        rounds++;
    return rounds;
}

fut_traffic fut_cost_order(int ranks, int64_t bytes)
{
    return (fut_traffic){.messages = rounds_of(ranks), .bytes = rounds_of(ranks) * bytes};
}

/* ---- seconds ------------------------------------------------------------------------------------------------------------------- */

static int local_ranks(const fut_network *network, int ranks)
{
    return ranks < network->ranks_a_node ? ranks : (int)network->ranks_a_node;
}

fut_cost fut_cost_all_to_all(const fut_network *network, int ranks, double messages, double bytes)
{
    int local = local_ranks(network, ranks);
    int away = ranks - local;
    double seconds[FUT_COST_BOUNDS] = {
        [FUT_COST_MESSAGES] = messages * ((local - 1) * network->node.message + away * network->between.message),
        [FUT_COST_NODE] = (local - 1) * bytes / network->node.bandwidth,
        [FUT_COST_BETWEEN] = (double)local * away * bytes / network->between.bandwidth,
    };
    fut_cost cost = {0};
    if (ranks == 1) return cost;
    for (int i = 0; i < FUT_COST_BOUNDS; i++)
        if (seconds[i] > cost.seconds) cost = (fut_cost){.seconds = seconds[i], .bound = (fut_cost_bound)i};
    cost.seconds += away > 0 ? network->between.latency : network->node.latency;
    return cost;
}

fut_cost fut_cost_bucket(const fut_network *network, int ranks, double bytes, double memory, double launch)
{
    fut_cost cost = fut_cost_all_to_all(network, ranks, 1, bytes / ranks);
    cost.seconds = 2 * cost.seconds + (ranks - 1) * (3 * bytes / ranks / memory + launch);
    return cost;
}

double fut_cost_broadcast(const fut_network *network, int ranks, double bytes)
{
    int local = local_ranks(network, ranks);
    int inside = rounds_of(local);
    int away = rounds_of(ranks) - inside;
    return inside * (network->node.latency + network->node.message + bytes / network->node.bandwidth) +
           away * (network->between.latency + network->between.message + bytes / network->between.bandwidth);
}
