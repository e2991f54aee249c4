#include "dist/gather.h"

#include "dist/reduce.h"

fut_status fut_gather_rows(fut_comm *comm, int shards, const int64_t *shard_first, int64_t dim, float *rows, const char *what)
{
    int64_t counts[FUT_SHARDS_MAX];
    int64_t offsets[FUT_SHARDS_MAX];
    int ranks = fut_comm_size(comm);
    FUT_CHECK(ranks <= shards && shards <= FUT_SHARDS_MAX, FUT_ERR_INTERNAL, "%s: %d shards over %d ranks", what, shards, ranks);
    for (int r = 0; r < ranks; r++) {
        int64_t first = 0;
        int64_t end = 0;
        fut_shard_range(r, ranks, shards, &first, &end);
        offsets[r] = shard_first[first] * dim;
        counts[r] = (shard_first[end] - shard_first[first]) * dim;
    }
    return fut_comm_all_gatherv(comm, rows, counts, offsets, FUT_F32, what);
}
