/* Time of the tree sum over shards beside MPI's own all-reduce of one vector a rank. tests/bench/reduce.sh prints the table.
 *
 *     mpirun -n N bench_reduce COUNT SHARDS
 *
 * Prints one line: ranks, shards, elements, then milliseconds, median of the rounds, a round being as long as its slowest rank:
 * adding my leaves; finishing across ranks; MPI's all-reduce. */
#include "dist/reduce.h"
#include "core/base/clock.h"
#include "core/base/mem.h"
#include "dist/boot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 21, WARM_UP = 3, PHASES = 3 };

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Seconds of each phase of one round on this rank. */
static fut_status measure_round(fut_comm *comm, fut_tree *tree, int shards, int64_t count, const float *leaf, float *sum, double *seconds)
{
    int64_t first = 0;
    int64_t end = 0;
    const void *total = NULL;
    fut_shard_range(fut_comm_rank(comm), fut_comm_size(comm), shards, &first, &end);
    FUT_TRY(fut_comm_barrier(comm, "round"));
    double at = fut_clock_now();
    for (int64_t s = first; s < end; s++) {
        void *to = NULL;
        FUT_TRY(fut_tree_begin_leaf(tree, (int)s, &to));
        memcpy(to, leaf, (size_t)count * sizeof *leaf);
        if (s + 1 < end) FUT_TRY(fut_tree_leaf_ready(tree, 0, "tree"));
    }
    seconds[0] = fut_clock_now() - at;
    FUT_TRY(fut_comm_barrier(comm, "round"));
    at = fut_clock_now();
    FUT_TRY(fut_tree_leaf_ready(tree, 0, "tree"));
    FUT_TRY(fut_tree_finish(tree, &total, "tree"));
    seconds[1] = fut_clock_now() - at;
    memcpy(sum, leaf, (size_t)count * sizeof *sum);
    FUT_TRY(fut_comm_barrier(comm, "round"));
    at = fut_clock_now();
    FUT_TRY(fut_comm_all_reduce_sum(comm, sum, count, FUT_F32, "all-reduce"));
    seconds[2] = fut_clock_now() - at;
    return FUT_OK;
}

/* The longest of all ranks, phase by phase. */
static fut_status slowest(fut_comm *comm, double *all, double *seconds)
{
    int64_t counts[FUT_SHARDS_MAX];
    int64_t offsets[FUT_SHARDS_MAX];
    int rank = fut_comm_rank(comm);
    for (int r = 0; r < fut_comm_size(comm); r++) {
        counts[r] = PHASES;
        offsets[r] = (int64_t)r * PHASES;
    }
    memcpy(all + offsets[rank], seconds, PHASES * sizeof *seconds);
    FUT_TRY(fut_comm_all_gatherv(comm, all, counts, offsets, FUT_F64, "times"));
    for (int r = 0; r < fut_comm_size(comm); r++)
        for (int p = 0; p < PHASES; p++)
            if (all[r * PHASES + p] > seconds[p]) seconds[p] = all[r * PHASES + p];
    return FUT_OK;
}

static fut_status measure(fut_comm *comm, int64_t count, int shards)
{
    fut_status st = FUT_OK;
    fut_backend *bk = NULL;
    fut_tree *tree = NULL;
    float *leaf = NULL;
    float *sum = NULL;
    double *all = NULL;
    double times[PHASES][ROUNDS];
    FUT_TRY_GOTO(fut_backend_create("cpu", &(fut_backend_options){.threads = 1}, &bk), out);
    FUT_TRY_GOTO(fut_tree_create(comm, bk, shards, count, FUT_F32, 0, &tree), out);
    FUT_TRY_GOTO(FUT_NEW_ARRAY(count, &leaf), out);
    FUT_TRY_GOTO(FUT_NEW_ARRAY(count, &sum), out);
    FUT_TRY_GOTO(FUT_NEW_ARRAY(fut_comm_size(comm) * PHASES, &all), out);
    for (int64_t i = 0; i < count; i++)
        leaf[i] = (float)(i % 1000) * 1e-3F;
    for (int round = -WARM_UP; round < ROUNDS; round++) {
        double seconds[PHASES] = {0};
        FUT_TRY_GOTO(measure_round(comm, tree, shards, count, leaf, sum, seconds), out);
        FUT_TRY_GOTO(slowest(comm, all, seconds), out);
        for (int p = 0; p < PHASES && round >= 0; p++)
            times[p][round] = seconds[p] * 1e3;
    }
    for (int p = 0; p < PHASES; p++)
        qsort(times[p], ROUNDS, sizeof *times[p], by_value);
    if (fut_comm_rank(comm) == 0)
        (void)printf("%5d %6d %9lld %9.2f %10.2f %11.2f\n", fut_comm_size(comm), shards, (long long)count, times[0][ROUNDS / 2],
                     times[1][ROUNDS / 2], times[2][ROUNDS / 2]);
out:
    fut_mem_free(all);
    fut_mem_free(sum);
    fut_mem_free(leaf);
    fut_tree_destroy(&tree);
    fut_backend_destroy(&bk);
    return st;
}

int main(int argc, char **argv)
{
    fut_comm *comm = NULL;
    if (argc != 3) {
        (void)fprintf(stderr, "usage: bench_reduce COUNT SHARDS\n");
        return 64;
    }
    fut_status st = fut_boot(&comm);
    if (st == FUT_OK) st = fut_boot_finish(&comm, measure(comm, strtoll(argv[1], NULL, 10), (int)strtol(argv[2], NULL, 10)));
    if (st != FUT_OK) (void)fprintf(stderr, "bench_reduce: %s\n", fut_trail_message());
    return fut_status_exit_code(st);
}
