/* A few numbers a shard, summed by the tree: every rank gets all rows and adds them. */
#include "dist/reduce_impl.h"

#include <string.h>

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
    fut_tree_stack all = {0};
    for (int s = 0; s < shards; s++)
        fut_tree_push(&all, (fut_tree_node){.index = s, .buffer = s}, shards, merge_rows, &merge);
    memcpy(sum_out, rows + all.at[0].buffer * n, (size_t)n * sizeof *rows);
    return FUT_OK;
}
