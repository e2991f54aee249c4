/* Immediate kernels of losses: similarities of a shard's rows with the global batch, hinges over pairs. */
#include "core/backend/ref/ref_impl.h"

#define REF_BODY "core/backend/ref/ref_pairs.inc"
#include "core/backend/ref/ref_twice.inc"

fut_status fut_ref_similarity_rows(fut_backend *bk, const fut_pair_rows *rows, fut_dtype real, const void *h, const void *r, void *sim,
                                   fut_stream *s)
{
    (void)bk;
    (void)s;
    FUT_REF_RUN(similarity_rows, real, rows, h, r, sim);
}

fut_status fut_ref_rows_times(fut_backend *bk, const fut_pair_rows *rows, fut_dtype real, double scale, const void *g, const void *r,
                              void *dh, fut_stream *s)
{
    (void)bk;
    (void)s;
    FUT_REF_RUN(rows_times, real, rows, scale, g, r, dh);
}
