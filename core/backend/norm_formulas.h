/* A batch norm over several shards, one channel at a time, for kernels of every backend. FUT_FORMULA_FN is what stands before a function
 * there. */
#ifndef FUT_CORE_BACKEND_NORM_FORMULAS_H
#define FUT_CORE_BACKEND_NORM_FORMULAS_H

#include "core/backend/backend.h"

#ifndef FUT_FORMULA_FN
#define FUT_FORMULA_FN static inline
#endif

/* What a shard of n values adds to the sums of all: sums [FUT_NORM_SUMS][channels] are n mean, the squares around the shard's own mean, and
 * n mean^2. mean and squares: of this shard. */
FUT_FORMULA_FN void fut_norm_shard_sums(double n, double mean, double squares, int64_t channels, int64_t c, double *sums)
{
    sums[c] = n * mean;
    sums[channels + c] = squares;
    sums[2 * channels + c] = n * mean * mean;
}

/* Mean of n values and the sum of squares around it, from the sums of all shards (Chan, Golub & LeVeque 1979). */
FUT_FORMULA_FN void fut_norm_join_sums(double n, int64_t channels, int64_t c, const double *sums, double *mean_out, double *squares_out)
{
    const double mean = sums[c] / n, apart = sums[2 * channels + c] - sums[c] * mean;
    *mean_out = mean;
    *squares_out = sums[channels + c] + (apart > 0 ? apart : 0);
}

#endif
