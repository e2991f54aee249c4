/* Immediate kernels of losses: similarities of a shard's rows with the global batch, hinges over pairs. */
#include "core/backend/ref/ref_impl.h"

#define REF_BODY "core/backend/ref/ref_pairs.inc"

/* A pair counts unless it is an image with itself: the same place of the batch, or the same photo drawn twice. */
static bool pair_counts(const fut_pair_rows *rows, int64_t a, int64_t b)
{
    return a != b && rows->image[a] != rows->image[b];
}

/* What is inside the hinge [.]+ of a pair with value v. */
static double hinge_of(const fut_pair_hinge *hinge, bool positive, double v)
{
    return hinge->sign * (positive ? v - hinge->pos_margin : hinge->neg_margin - v);
}

/* Weight of an active pair: one over the sum that its side is divided by. */
static double weight_of(double sum)
{
    return sum > 0 ? 1 / sum : 0;
}

#include "core/backend/ref/ref_twice.inc"

fut_status fut_ref_similarity_rows(fut_backend *bk, const fut_pair_rows *rows, fut_dtype real, const void *h, void *sim, fut_stream *s)
{
    (void)bk;
    (void)s;
    FUT_REF_RUN(similarity_rows, real, rows, h, sim);
}

fut_status fut_ref_pair_hinge_sums(fut_backend *bk, const fut_pair_rows *rows, const fut_pair_hinge *hinge, fut_dtype real, const void *sim,
                                   double *sums, fut_stream *s)
{
    (void)bk;
    (void)s;
    FUT_REF_RUN(pair_hinge_sums, real, rows, hinge, sim, sums);
}

fut_status fut_ref_pair_hinge_grad(fut_backend *bk, const fut_pair_rows *rows, const fut_pair_hinge *hinge, fut_dtype real, const void *sim,
                                   const double *sums, void *g, fut_stream *s)
{
    (void)bk;
    (void)s;
    FUT_REF_RUN(pair_hinge_grad, real, rows, hinge, sim, sums, g);
}

fut_status fut_ref_rows_times(fut_backend *bk, const fut_pair_rows *rows, fut_dtype real, double scale, const void *g, const void *h,
                              void *dh, fut_stream *s)
{
    (void)bk;
    (void)s;
    FUT_REF_RUN(rows_times, real, rows, scale, g, h, dh);
}
