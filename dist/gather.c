#include "dist/gather.h"

#include "dist/reduce.h"

fut_status fut_gather_rows(fut_comm *comm, int shards, const int64_t *shard_first, int64_t dim, fut_dtype dtype, void *rows,
                           const char *what)
{
    int64_t counts[FUT_SHARDS_MAX];
    int64_t offsets[FUT_SHARDS_MAX];
    int ranks = fut_comm_size(comm);
    FUT_CHECK(ranks <= shards && shards <= FUT_SHARDS_MAX, FUT_ERR_INTERNAL, "%s: %d shards over %d ranks", what, shards, ranks);
    for (int r = 0; r < ranks; r++) {
        int64_t first = 0;
        int64_t end = 0;
        fut_shard_range(r, ranks, shards, &first, &end);
        if (shard_first != NULL) {
            first = shard_first[first];
            end = shard_first[end];
        }
        offsets[r] = first * dim;
        counts[r] = (end - first) * dim;
    }
    return fut_comm_all_gatherv(comm, rows, counts, offsets, dtype, what);
}
