/* The formulas of drawing triplets by distance (Wu et al., "Sampling matters in deep embedding learning", ICCV 2017, section 4), as
 * pytorch-metric-learning 2.9's DistanceWeightedMiner has them. An anchor with P positives, and with a negative that weighs anything, has
 * P + 1 draws: a positive, each as likely, and a negative, by weight. What a draw takes hangs on (key, step, the anchor's place, the
 * draw's number) alone. FUT_FORMULA_FN as in row_formulas.h. */
#ifndef FUT_CORE_BACKEND_DRAW_FORMULAS_H
#define FUT_CORE_BACKEND_DRAW_FORMULAS_H

#include "core/backend/row_loss.h"

#include <math.h>

#ifndef FUT_FORMULA_FN
#define FUT_FORMULA_FN static inline
#endif
#ifndef FUT_PHILOX_FN
#define FUT_PHILOX_FN FUT_FORMULA_FN
#endif
#include "core/base/philox.h"

/* What stands for the distance v of a pair. */
FUT_FORMULA_FN double fut_draw_distance(const fut_row_miner *m, double v)
{
    return v < m->cutoff ? m->cutoff : v;
}

/* May a negative at this distance be drawn? */
FUT_FORMULA_FN bool fut_draw_admits(const fut_row_miner *m, double distance)
{
    return distance > 0 && distance < 2 && distance < m->nonzero_loss_cutoff;
}

/* Log of 1 / the density of distances between random points of the unit sphere in dim dimensions. It has one minimum and no other
 * extreme, so that of some distances the nearest or the farthest weighs most. */
FUT_FORMULA_FN double fut_draw_log_weight(int64_t dim, double distance)
{
    const double d = (double)dim;
    return (2 - d) * log(distance) - (d - 3) / 2 * log(1 - 0.25 * distance * distance);
}

/* The largest log weight of a row's negatives, whose distances lie between these; -INFINITY without any (nearest > farthest). The peer
 * subtracts the largest of the whole batch, which in f32 leaves most rows without a weight once one pair of the batch is near. */
FUT_FORMULA_FN double fut_draw_top(int64_t dim, double nearest, double farthest)
{
    if (nearest > farthest) return -INFINITY;
    const double a = fut_draw_log_weight(dim, nearest), b = fut_draw_log_weight(dim, farthest);
    return a > b ? a : b;
}

/* Uniform in [0, 1): which negative and which positive a draw takes. */
typedef struct fut_draw_numbers {
    double negative, positive;
} fut_draw_numbers;

FUT_FORMULA_FN fut_draw_numbers fut_draw_numbers_of(uint64_t key, int64_t step, int64_t place, int64_t number)
{
    uint32_t words[4];
    fut_philox_block(key, (uint64_t)step, (uint64_t)place << 32 | (uint64_t)number, words);
    const fut_draw_numbers numbers = {fut_philox_unit(words[0], words[1]), fut_philox_unit(words[2], words[3])};
    return numbers;
}

/* Which of `count`, from 0. */
FUT_FORMULA_FN int64_t fut_draw_which(double number, int64_t count)
{
    const int64_t which = (int64_t)(number * (double)count);
    return which < count ? which : count - 1;
}

#endif
