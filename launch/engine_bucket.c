/* How much of the gradients is summed at once: measured at the start of a run, then kept. */
#include "launch/engine.h"

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/str.h"
#include "dist/order.h"

enum {
    ROUNDS = 4, /* the first one warms up */
    CANDIDATES = 4,
    MEASURED_MAX = 16 << 20 /* elements: of a longer vector, this much */
};

static const int64_t candidates_kib[CANDIDATES] = {1024, 4096, 16384, 0}; /* 0: all at once */
static const double near_enough = 1.1;                                    /* of the fastest */

/* Seconds of one sum of all that the tree sums, on this rank; it needs what every other rank sends. */
static fut_status time_round(fut_engine *g, fut_tree *tree, int64_t count, fut_event *done, double *seconds_out)
{
    void *leaf = NULL;
    const void *sum = NULL;
    FUT_TRY(fut_tree_begin_leaf(tree, fut_comm_rank(g->comm), &leaf));
    FUT_TRY(g->bk->fill_zero(g->bk, leaf, (size_t)count * sizeof(float), NULL));
    FUT_TRY(g->bk->event_record(g->bk, done, NULL));
    FUT_TRY(fut_comm_wait(g->device_comm, g->bk, done, "measurement of buckets"));
    FUT_TRY(fut_comm_barrier(g->comm, "measurement of buckets"));
    double began = fut_clock_now();
    FUT_TRY(fut_tree_leaf_ready(tree, 0, "measurement of buckets"));
    FUT_TRY(fut_tree_finish(tree, &sum, "measurement of buckets"));
    FUT_TRY(g->bk->event_record(g->bk, done, NULL));
    FUT_TRY(fut_comm_wait(g->device_comm, g->bk, done, "measurement of buckets"));
    *seconds_out = fut_clock_now() - began;
    return FUT_OK;
}

/* The fastest of some rounds in buckets of this size, one leaf a rank. Collective. */
static fut_status time_bucket(fut_engine *g, int64_t kib, int64_t count, fut_event *done, double *seconds_out)
{
    fut_tree *tree = NULL;
    fut_status st = fut_tree_create(g->device_comm, g->bk, fut_comm_size(g->comm), count, FUT_F32, (size_t)kib << 10, &tree);
    st = fut_comm_agree(g->comm, st);
    for (int round = 0; st == FUT_OK && round < ROUNDS; round++) {
        double seconds = 0;
        st = time_round(g, tree, count, done, &seconds);
        if (round <= 1 || seconds < *seconds_out) *seconds_out = seconds;
    }
    fut_tree_destroy(&tree);
    return st;
}

/* "1 MiB 13.2 ms, 4 MiB 11.0 ms, all 12.8 ms" */
static fut_status describe(const double *seconds, int64_t bytes, fut_str *text)
{
    for (int i = 0; i + 1 < CANDIDATES; i++)
        if (candidates_kib[i] << 10 < bytes)
            FUT_TRY(fut_str_printf(text, "%lld MiB %.3g ms, ", (long long)(candidates_kib[i] >> 10), seconds[i] * 1e3));
    return fut_str_printf(text, "all %.3g ms", seconds[CANDIDATES - 1] * 1e3);
}

/* The smallest that is near the fastest: small ones are ready early and hide behind more of the backward, too small ones cost messages. */
static fut_status choose(fut_engine *g, const double *seconds, int64_t bytes)
{
    fut_str text = {0};
    double fastest = seconds[0];
    int chosen = 0;
    for (int i = 1; i < CANDIDATES; i++)
        if (seconds[i] < fastest) fastest = seconds[i];
    while (seconds[chosen] > near_enough * fastest)
        chosen++;
    int64_t whole = (fut_net_leaf_count(g->net) * (int64_t)sizeof(float) + 1023) >> 10;
    g->bucket = candidates_kib[chosen] == 0 || candidates_kib[chosen] > whole ? whole : candidates_kib[chosen];
    fut_status st = describe(seconds, bytes, &text);
    if (st == FUT_OK)
        FUT_INFO("gradients are summed in buckets of %lld KiB, the smallest within a tenth of the fastest of: %s (train.bucket)",
                 (long long)g->bucket, fut_str_text(&text));
    fut_str_fini(&text);
    return st;
}

/* Time the sizes on the ranks' own communicator; rank 0 decides. One that is no smaller than the vector is all of it. */
static fut_status measure(fut_engine *g, int64_t count)
{
    int64_t bytes = count * (int64_t)sizeof(float);
    double seconds[CANDIDATES] = {0};
    fut_event *done = NULL;
    fut_status st = fut_comm_agree(g->comm, g->bk->event_create(g->bk, &done));
    for (int i = CANDIDATES - 1; i >= 0 && st == FUT_OK; i--) {
        seconds[i] = seconds[CANDIDATES - 1];
        if (candidates_kib[i] << 10 < bytes) st = time_bucket(g, candidates_kib[i], count, done, &seconds[i]);
    }
    if (done != NULL) g->bk->event_destroy(g->bk, done);
    FUT_TRY(st);
    FUT_TRY(fut_order_broadcast(g->comm, seconds, sizeof seconds, "measurement of buckets"));
    return fut_comm_agree(g->comm, choose(g, seconds, bytes));
}

fut_status fut_engine_choose_bucket(fut_engine *g, int64_t known)
{
    int64_t asked = fut_config_bucket(g->config);
    int64_t count = fut_net_leaf_count(g->net);
    if (count > MEASURED_MAX) count = MEASURED_MAX;
    g->bucket = asked > 0 ? asked : known;
    bool is_small = count * (int64_t)sizeof(float) <= candidates_kib[0] << 10;
    return g->bucket > 0 || fut_comm_size(g->comm) == 1 || is_small ? FUT_OK : measure(g, count);
}
