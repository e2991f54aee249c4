/* Time of the tree's sum of one vector a rank beside MPI's own all-reduce, for vectors of 1 KiB to 64 MiB. tests/bench/reduce.sh prints the
 * table.
 *
 *     mpirun -n N bench_reduce
 *
 * Prints a row a length: ranks, KiB, then microseconds, median of the rounds, a round being as long as its slowest rank: the tree at once,
 * in buckets of 4 MiB, MPI_Allreduce, which blocks; and the ratio of the faster tree to it. */
#include "dist/reduce.h"
#include "core/base/clock.h"
#include "core/base/mem.h"
#include "dist/boot.h"
#include "dist/gather.h"

#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS_MAX = 201, ROUNDS_MIN = 9, WARM_UP = 2, BUCKET = 4 << 20, SHORTEST = 1 << 10, LONGEST = 64 << 20 };
typedef enum method { AT_ONCE, IN_BUCKETS, BY_MPI, METHODS } method;

typedef struct bench {
    fut_comm *comm;
    fut_backend *bk;
    fut_tree *tree[2]; /* by method */
    int64_t count;
    float *sum; /* [count] */
    double *all;
    double times[METHODS][ROUNDS_MAX];
} bench;

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static fut_status sum_by_tree(bench *b, fut_tree *tree, double *seconds_out)
{
    void *leaf = NULL;
    const void *total = NULL;
    FUT_TRY(fut_tree_begin_leaf(tree, fut_comm_rank(b->comm), &leaf));
    memset(leaf, 0, (size_t)b->count * sizeof(float));
    FUT_TRY(fut_comm_barrier(b->comm, "round"));
    double at = fut_clock_now();
    FUT_TRY(fut_tree_leaf_ready(tree, 0, "tree"));
    FUT_TRY(fut_tree_finish(tree, &total, "tree"));
    *seconds_out = fut_clock_now() - at;
    return FUT_OK;
}

static fut_status sum_by_mpi(bench *b, double *seconds_out)
{
    memset(b->sum, 0, (size_t)b->count * sizeof(float));
    FUT_TRY(fut_comm_barrier(b->comm, "round"));
    double at = fut_clock_now();
    int code = MPI_Allreduce(MPI_IN_PLACE, b->sum, (int)b->count, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
    *seconds_out = fut_clock_now() - at;
    FUT_CHECK(code == MPI_SUCCESS, FUT_ERR_IO, "MPI_Allreduce: %d", code);
    return FUT_OK;
}

/* Each method once, the longest time of all ranks. */
static fut_status measure_round(bench *b, int round)
{
    double *mine = b->all + (ptrdiff_t)METHODS * fut_comm_rank(b->comm);
    for (int m = AT_ONCE; m <= IN_BUCKETS; m++)
        FUT_TRY(sum_by_tree(b, b->tree[m], &mine[m]));
    FUT_TRY(sum_by_mpi(b, &mine[BY_MPI]));
    FUT_TRY(fut_gather_rows(b->comm, fut_comm_size(b->comm), NULL, METHODS, FUT_F64, b->all, "times"));
    for (int m = 0; m < METHODS && round >= 0; m++) {
        b->times[m][round] = 0;
        for (int r = 0; r < fut_comm_size(b->comm); r++)
            if (b->all[r * METHODS + m] > b->times[m][round]) b->times[m][round] = b->all[r * METHODS + m];
    }
    return FUT_OK;
}

static void print_row(bench *b, int rounds)
{
    double us[METHODS];
    for (int m = 0; m < METHODS; m++) {
        qsort(b->times[m], (size_t)rounds, sizeof *b->times[m], by_value);
        us[m] = 1e6 * b->times[m][rounds / 2];
    }
    double tree = us[AT_ONCE] < us[IN_BUCKETS] ? us[AT_ONCE] : us[IN_BUCKETS];
    if (fut_comm_rank(b->comm) == 0)
        (void)printf("| %d | %lld | %.1f | %.1f | %.1f | %.2f |\n", fut_comm_size(b->comm), (long long)(b->count / 256), us[AT_ONCE],
                     us[IN_BUCKETS], us[BY_MPI], tree / us[BY_MPI]);
}

static fut_status measure_length(bench *b, int64_t count)
{
    fut_status st = FUT_OK;
    int64_t rounds = (int64_t)ROUNDS_MAX * (1 << 16) / count; /* as few as take about as long */
    if (rounds > ROUNDS_MAX) rounds = ROUNDS_MAX;
    if (rounds < ROUNDS_MIN) rounds = ROUNDS_MIN;
    b->count = count;
    for (int m = AT_ONCE; m <= IN_BUCKETS; m++)
        FUT_TRY_GOTO(
            fut_tree_create(b->comm, b->bk, fut_comm_size(b->comm), count, FUT_F32, m == AT_ONCE ? 0 : (size_t)BUCKET, &b->tree[m]), out);
    for (int round = -WARM_UP; round < rounds; round++)
        FUT_TRY_GOTO(measure_round(b, round), out);
    print_row(b, (int)rounds);
out:
    for (int m = AT_ONCE; m <= IN_BUCKETS; m++)
        fut_tree_destroy(&b->tree[m]);
    return st;
}

static fut_status measure(fut_comm *comm)
{
    fut_status st = FUT_OK;
    static bench b;
    b.comm = comm;
    FUT_CHECK(fut_comm_size(comm) > 1, FUT_ERR_USAGE, "mpirun -n N bench_reduce, with at least 2 ranks");
    FUT_TRY_GOTO(fut_backend_create("cpu", &(fut_backend_options){.threads = 1}, &b.bk), out);
    FUT_TRY_GOTO(FUT_NEW_ARRAY(LONGEST / sizeof(float), &b.sum), out);
    FUT_TRY_GOTO(FUT_NEW_ARRAY((int64_t)METHODS * fut_comm_size(comm), &b.all), out);
    for (int64_t bytes = SHORTEST; bytes <= LONGEST; bytes *= 4)
        FUT_TRY_GOTO(measure_length(&b, bytes / (int64_t)sizeof(float)), out);
out:
    fut_mem_free(b.sum);
    fut_mem_free(b.all);
    fut_backend_destroy(&b.bk);
    return st;
}

int main(void)
{
    fut_comm *comm = NULL;
    fut_status st = fut_boot(&comm);
    if (st == FUT_OK) st = fut_boot_finish(&comm, measure(comm));
    if (st != FUT_OK) (void)fprintf(stderr, "bench_reduce: %s\n", fut_trail_message());
    return fut_status_exit_code(st);
}
