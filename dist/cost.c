#include "dist/cost.h"

#include "dist/reduce.h"

#include <stdbool.h>

const char *const fut_cost_bound_names[FUT_COST_BOUNDS] = {[FUT_COST_LATENCY] = "latency of the messages",
                                                           [FUT_COST_MEMORY] = "additions",
                                                           [FUT_COST_NODE] = "link inside a node",
                                                           [FUT_COST_BETWEEN] = "link between nodes"};

/* Where the rows of a rank begin, of all `rows`. */
static int64_t first_row(const fut_cost_place *at, int rank, int64_t rows)
{
    int64_t shard = 0;
    int64_t row = 0;
    int64_t end = 0;
    if (rank == at->ranks) return rows;
    fut_shard_range(rank, at->ranks, at->shards, &shard, &end);
    fut_shard_range(shard, at->shards, rows, &row, &end);
    return row;
}

static bool is_power_of_two(int n)
{
    return (n & (n - 1)) == 0;
}

static int smaller(int a, int b)
{
    return a < b ? a : b;
}

fut_traffic fut_cost_gather(const fut_cost_place *at, int64_t rows, int64_t dim, fut_dtype dtype)
{
    fut_traffic sum = {0};
    int64_t sent = 0;
    for (int have = 1; have < at->ranks; have *= 2) {
        int first = is_power_of_two(at->ranks) ? at->rank / have * have : at->rank;
        int end = first + smaller(have, at->ranks - have);
        int past = end > at->ranks ? end - at->ranks : 0;
        sum.messages += past > 0 ? 2 : 1;
        sent += first_row(at, end - past, rows) - first_row(at, first, rows) + first_row(at, past, rows);
    }
    sum.bytes = sent * dim * (int64_t)fut_dtype_size(dtype);
    return sum;
}

/* One bucket of n elements; bytes counts elements. */
static fut_traffic bucket_traffic(const fut_cost_place *at, int64_t n)
{
    fut_traffic sum = {0};
    int pairings = fut_tree_pairings(at->ranks, at->shards);
    int64_t others = (at->ranks >> pairings) - 1;
    int64_t nodes = pairings > 0 ? 1 : fut_tree_nodes(at->rank, at->ranks, at->shards);
    int64_t part = 0;
    int64_t end = 0;
    for (int i = 0; i < pairings; i++) {
        sum.messages += 2;
        sum.bytes += n; /* the other's half of my node, and later my half of the sum */
        n = at->rank >> i & 1 ? n / 2 : (n + 1) / 2;
    }
    fut_shard_range(at->rank >> pairings, others + 1, n, &part, &end);
    part = end - part;
    sum.messages += (nodes + 1) * others;
    sum.bytes += nodes * (n - part) + others * part;
    return sum;
}

fut_traffic fut_cost_tree(const fut_cost_place *at, int64_t count, fut_dtype dtype, int64_t bucket_bytes)
{
    fut_traffic sum = {0};
    int64_t bucket = fut_tree_bucket(at->ranks, count, dtype, (size_t)bucket_bytes);
    for (int64_t first = 0; first < count && at->ranks > 1; first += bucket) {
        fut_traffic t = bucket_traffic(at, first + bucket < count ? bucket : count - first);
        sum.messages += t.messages;
        sum.bytes += t.bytes * (int64_t)fut_dtype_size(dtype);
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

/* Seconds by what takes them. */
typedef struct bill {
    double of[FUT_COST_BOUNDS];
} bill;

/* Every rank sends `messages` of `bytes` in all; `away` of them go to other nodes, with bytes_away, which `crossing` ranks a node do. */
static void add_exchange(bill *to, const fut_network *network, int near, double bytes_near, int away, double bytes_away, int crossing)
{
    double inside = (bytes_near + bytes_away) / network->node.bandwidth;
    double between = crossing * bytes_away / network->between.bandwidth;
    to->of[FUT_COST_LATENCY] += near * network->node.message + away * network->between.message;
    to->of[FUT_COST_LATENCY] += away > 0 ? network->between.latency : network->node.latency;
    if (between > inside)
        to->of[FUT_COST_BETWEEN] += between;
    else
        to->of[FUT_COST_NODE] += inside;
}

/* One message of each rank to the one `distance` away, where ranks pair up or all move on. */
static void add_round(bill *to, const fut_network *network, int ranks, int distance, double bytes, bool in_pairs)
{
    int node = (int)network->ranks_a_node;
    bool stays = ranks <= node || (in_pairs && node % (2 * distance) == 0);
    int crossing = in_pairs ? node : smaller(distance, node);
    add_exchange(to, network, stays, stays ? bytes : 0, !stays, stays ? 0 : bytes, crossing);
}

static fut_cost total(const bill *b)
{
    fut_cost cost = {0};
    int most = 0;
    for (int i = 0; i < FUT_COST_BOUNDS; i++) {
        cost.seconds += b->of[i];
        if (b->of[i] > b->of[most]) most = i;
    }
    cost.bound = (fut_cost_bound)most;
    return cost;
}

fut_cost fut_cost_gather_seconds(const fut_network *network, int ranks, double bytes)
{
    bill b = {0};
    for (int have = 1; have < ranks; have *= 2)
        add_round(&b, network, ranks, have, smaller(have, ranks - have) * bytes, is_power_of_two(ranks));
    return total(&b);
}

static void add_additions(bill *to, int n, double bytes, double memory, double launch)
{
    to->of[FUT_COST_MEMORY] += n * (launch + 3 * bytes / memory);
}

fut_cost fut_cost_bucket(const fut_network *network, int ranks, double bytes, double memory, double launch)
{
    bill b = {0};
    int pairings = fut_tree_pairings(ranks, ranks);
    int groups = ranks >> pairings;
    int reach = 1 << pairings; /* from a rank to that of its place in the next group */
    int node = smaller(ranks, (int)network->ranks_a_node);
    int near = node > reach ? node / reach - 1 : 0;
    for (int i = 0; i < pairings; i++) {
        bytes /= 2;
        add_round(&b, network, ranks, 1 << i, bytes, true);
        add_round(&b, network, ranks, 1 << i, bytes, true);
        add_additions(&b, 1, bytes, memory, launch);
    }
    bytes /= groups;
    for (int way = 0; way < 2 && groups > 1; way++)
        add_exchange(&b, network, near, near * bytes, groups - 1 - near, (groups - 1 - near) * bytes, node);
    add_additions(&b, groups - 1, bytes, memory, launch);
    return total(&b);
}

double fut_cost_broadcast(const fut_network *network, int ranks, double bytes)
{
    int node = (int)network->ranks_a_node;
    double last = 0;
    for (int rank = 0; rank < ranks; rank++) {
        double heard = 0;
        for (int distance = 1 << rounds_of(ranks) >> 1; distance > 0; distance /= 2) {
            const fut_link *link = ranks <= node || node % (2 * distance) == 0 ? &network->node : &network->between;
            int holder = rank / (2 * distance) * 2 * distance;
            if (holder + distance < ranks) heard += link->message;
            if (rank & distance) heard += link->latency + bytes / link->bandwidth;
        }
        if (heard > last) last = heard;
    }
    return last;
}
