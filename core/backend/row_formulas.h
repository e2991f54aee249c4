/* The formulas of row losses, one pair or one row at a time, in double: kernels of every backend bring the loops. FUT_FORMULA_FN is what
 * stands before a function there. */
#ifndef FUT_CORE_BACKEND_ROW_FORMULAS_H
#define FUT_CORE_BACKEND_ROW_FORMULAS_H

#include "core/backend/row_loss.h"

#include <math.h>

#ifndef FUT_FORMULA_FN
#define FUT_FORMULA_FN static inline
#endif

/* ---- the choice of pairs ---- */

/* What a row and a reference are to each other. */
FUT_FORMULA_FN uint8_t fut_row_pair_kind(int64_t label, int64_t image, int64_t ref_label, int64_t ref_image)
{
    if (ref_label < 0 || ref_image == image) return FUT_PAIR_LEFT_OUT;
    return ref_label == label ? FUT_PAIR_POSITIVE : FUT_PAIR_NEGATIVE;
}

/* What pair_margin and multi_similarity do with a pair; nearest_neg and farthest_pos of its row, +inf and -inf without any. */
FUT_FORMULA_FN bool fut_row_mines(const fut_row_miner *m, bool positive, double far, double nearest_neg, double farthest_pos)
{
    if (m->kind == FUT_MINER_PAIR_MARGIN) return positive ? far > m->sign * m->pos_margin : far < m->sign * m->neg_margin;
    return positive ? far + m->epsilon > nearest_neg : far - m->epsilon < farthest_pos;
}

/* Which pair of a side a strategy takes: the farthest or the nearest of those strictly between two bounds. */
typedef struct fut_row_pick {
    bool positive, farthest;
    double above, below;
} fut_row_pick;

FUT_FORMULA_FN bool fut_row_pick_takes(const fut_row_pick *pick, uint8_t kind, double far)
{
    return kind == (pick->positive ? FUT_PAIR_POSITIVE : FUT_PAIR_NEGATIVE) && far > pick->above && far < pick->below;
}

/* Does the choice of the positive wait for that of the negative? */
FUT_FORMULA_FN bool fut_row_picks_negative_first(const fut_row_miner *m)
{
    return m->pos == FUT_STRATEGY_SEMIHARD;
}

/* The pick of one side; other: far of the other side's choice, where there is one and the strategy asks for it. */
FUT_FORMULA_FN fut_row_pick fut_row_pick_of(const fut_row_miner *m, bool positive, double other)
{
    const fut_miner_strategy strategy = positive ? m->pos : m->neg;
    fut_row_pick pick = {positive, positive ? strategy != FUT_STRATEGY_EASY : strategy == FUT_STRATEGY_EASY, -INFINITY, INFINITY};
    if (strategy == FUT_STRATEGY_SEMIHARD && positive) pick.below = other;
    if (strategy == FUT_STRATEGY_SEMIHARD && !positive) pick.above = other;
    return pick;
}

/* What is left of a pair once the row's choices (places, -1 for none) are known. */
FUT_FORMULA_FN uint8_t fut_row_picked(const fut_row_miner *m, uint8_t kind, int64_t j, int64_t chosen_pos, int64_t chosen_neg)
{
    const bool all_pos = m->pos == FUT_STRATEGY_ALL, all_neg = m->neg == FUT_STRATEGY_ALL;
    const bool whole = all_pos || all_neg || (chosen_pos >= 0 && chosen_neg >= 0);
    const bool taken = kind == FUT_PAIR_POSITIVE ? all_pos || j == chosen_pos : all_neg || j == chosen_neg;
    return whole && taken ? kind : (uint8_t)FUT_PAIR_LEFT_OUT;
}

/* ---- items and what they weigh ---- */

FUT_FORMULA_FN double fut_row_positive_part(double x)
{
    return x > 0 ? x : 0;
}

FUT_FORMULA_FN bool fut_row_keeps(const fut_row_loss *k, double loss)
{
    return loss > k->low && loss < k->high;
}

/* Where the items that negatives belong to are counted. */
FUT_FORMULA_FN int fut_row_kept_neg(const fut_row_loss *k)
{
    return k->kind == FUT_ROW_CONTRASTIVE || k->balanced ? FUT_ROW_KEPT_NEG : FUT_ROW_KEPT;
}

/* d total / d item of an item that is kept, of those that `kept` counts. total: of all shards. The peer's SupCon and NT-Xent are 0 unless
 * the batch has positives and negatives. */
FUT_FORMULA_FN double fut_row_weight(const fut_row_loss *k, const double *total, int kept)
{
    const double share = k->balanced ? 0.5 : 1;
    const bool needs_both = k->kind == FUT_ROW_SUPCON || k->kind == FUT_ROW_NTXENT;
    if (needs_both && !(total[FUT_ROW_COUNT_POS] > 0 && total[FUT_ROW_COUNT_NEG] > 0)) return 0;
    if (!k->mean) return share;
    return total[kept] > 0 ? share / total[kept] : 0;
}

/* ds of a pair, given dv: the value's own derivative. */
FUT_FORMULA_FN double fut_row_value_grad(const fut_row_loss *k, double v, double dv)
{
    if (!k->l2) return dv;
    return v > 0 ? -dv / v : 0;
}

/* Distances below the root of this are taken from the difference of the two rows. */
#define FUT_ROW_NEAR 0.01

/* |h|^2 of a row that was divided by max(|e|, 1e-12). */
FUT_FORMULA_FN double fut_row_unit_square(double norm)
{
    return norm < 1e-12 ? norm / 1e-12 * (norm / 1e-12) : 1;
}

FUT_FORMULA_FN double fut_row_sigmoid(double z)
{
    return 1 / (1 + exp(-z));
}

/* log(1 + exp(z)) for any z; z may be -inf. */
FUT_FORMULA_FN double fut_row_log_one_more_of(double z)
{
    return z > 0 ? z + log1p(exp(-z)) : log1p(exp(z));
}

/* log(1 + exp(z)); like torch's, z itself above 20. */
FUT_FORMULA_FN double fut_row_softplus(double z)
{
    return z > 20 ? z : log1p(exp(z));
}

FUT_FORMULA_FN double fut_row_softplus_slope(double z)
{
    return z > 20 ? 1 : fut_row_sigmoid(z);
}

/* ---- contrastive and triplet: hinges ---- */

/* What is inside the hinge [.]+ of a pair. */
FUT_FORMULA_FN double fut_row_excess(const fut_row_loss *k, bool positive, double v)
{
    return k->sign * (positive ? v - k->pos_margin : k->neg_margin - v);
}

/* ---- bce: a classifier of pairs ---- */

/* Logit a s + b of a similarity s, or of a distance turned round; a, b: what k's pointers point to. */
typedef struct fut_row_line {
    double a, b;
} fut_row_line;

/* A pair's loss, - log of the probability of what it is; its derivative by the logit, and the logit's by v. */
typedef struct fut_row_logit {
    double loss, slope, by_value;
} fut_row_logit;

FUT_FORMULA_FN fut_row_logit fut_row_logit_of(const fut_row_loss *k, fut_row_line line, bool positive, double v)
{
    const double by_value = -k->sign * line.a, z = by_value * v + line.b, turned = positive ? -z : z;
    const double slope = positive ? -fut_row_sigmoid(turned) : fut_row_sigmoid(turned);
    const fut_row_logit logit = {fut_row_log_one_more_of(turned), slope, by_value};
    return logit;
}

/* d loss / da and db of rows that have these sums. */
FUT_FORMULA_FN fut_row_line fut_row_line_grad(const fut_row_loss *k, const double *sums, const double *total)
{
    const double pos = fut_row_weight(k, total, FUT_ROW_KEPT), neg = fut_row_weight(k, total, fut_row_kept_neg(k));
    const fut_row_line grad = {-k->sign * (pos * sums[FUT_ROW_SLOPE_VALUE_POS] + neg * sums[FUT_ROW_SLOPE_VALUE_NEG]),
                               pos * sums[FUT_ROW_SLOPE_POS] + neg * sums[FUT_ROW_SLOPE_NEG]};
    return grad;
}

/* A triplet's loss, and its derivative by what is inside; how much of that is the anchor's with the negative, and not the positive's. */
typedef struct fut_row_triplet {
    bool counts;
    double loss, slope, anchor_share;
} fut_row_triplet;

/* v_swap: of the positive with the negative; v_neg where there is no swap. Equal values share the gradient, as torch's minimum does. */
FUT_FORMULA_FN fut_row_triplet fut_row_triplet_of(const fut_row_loss *k, double v_pos, double v_neg, double v_swap)
{
    const double gap = k->sign * (v_neg - v_pos), further = k->sign * (v_neg - v_swap);
    const double inside = k->margin - gap + fut_row_positive_part(further);
    fut_row_triplet t = {false, 0, 0, !k->swap || further < 0 ? 1 : further > 0 ? 0 : 0.5};
    if (!(gap > k->triplet_above && gap <= k->triplet_up_to)) return t;
    t.loss = k->smooth ? fut_row_softplus(inside) : inside > 0 ? inside : 0;
    t.counts = fut_row_keeps(k, t.loss);
    if (t.counts) t.slope = k->smooth ? fut_row_softplus_slope(inside) : inside > 0 ? 1 : 0;
    return t;
}

/* ---- losses of exponents: a row's loss is a function of its pairs' x(v), through sums of exp(x) ---- */

/* Softmax over classes, the right one's cosine made worse by a margin. */
FUT_FORMULA_FN bool fut_row_is_softmax(const fut_row_loss *k)
{
    return k->kind == FUT_ROW_ARCFACE || k->kind == FUT_ROW_COSFACE;
}

/* The right class's cosine with its margin. arcface: cos(angle + margin), and beyond the angle where that would rise again a line. */
FUT_FORMULA_FN double fut_row_margin_cosine(const fut_row_loss *k, double v)
{
    const double pi = 3.14159265358979323846;
    if (k->kind == FUT_ROW_COSFACE) return v - k->margin;
    const double cosine = v > 1 ? 1 : v < -1 ? -1 : v, angle = acos(cosine);
    return angle <= pi - k->margin ? cos(angle + k->margin) : cosine - k->margin * sin(k->margin);
}

/* Its derivative by the cosine, which is held to [-1, 1] for the angle's sake: 0 where there is no angle, and at its ends, where arccos has
 * no derivative (torch's is infinite there). */
FUT_FORMULA_FN double fut_row_margin_cosine_slope(const fut_row_loss *k, double v)
{
    const double pi = 3.14159265358979323846;
    if (k->kind == FUT_ROW_COSFACE) return 1;
    if (!(v > -1 && v < 1)) return 0;
    const double angle = acos(v);
    return angle <= pi - k->margin ? sin(angle + k->margin) / sin(angle) : 1;
}

FUT_FORMULA_FN double fut_row_exponent(const fut_row_loss *k, bool positive, double v)
{
    if (fut_row_is_softmax(k)) return k->scale * (positive ? fut_row_margin_cosine(k, v) : v);
    if (k->kind == FUT_ROW_MULTI_SIMILARITY) return k->sign * (positive ? k->alpha * (v - k->base) : k->beta * (k->base - v));
    if (k->kind == FUT_ROW_CIRCLE)
        return positive ? -k->gamma * fut_row_positive_part(1 + k->m - v) * (v - (1 - k->m))
                        : k->gamma * fut_row_positive_part(v + k->m) * (v - k->m);
    return -k->sign * v / k->temperature;
}

/* dx/dv; circle's factor is a weight that the gradient leaves alone, as in its paper. */
FUT_FORMULA_FN double fut_row_exponent_slope(const fut_row_loss *k, bool positive, double v)
{
    if (fut_row_is_softmax(k)) return k->scale * (positive ? fut_row_margin_cosine_slope(k, v) : 1);
    if (k->kind == FUT_ROW_MULTI_SIMILARITY) return k->sign * (positive ? k->alpha : -k->beta);
    if (k->kind == FUT_ROW_CIRCLE)
        return positive ? -k->gamma * fut_row_positive_part(1 + k->m - v) : k->gamma * fut_row_positive_part(v + k->m);
    return -k->sign / k->temperature;
}

/* Of one row's positives and negatives: how many, the largest x (-inf without any), the sum of exp(x - largest), the sum of x. */
typedef struct fut_row_side {
    double count, top, exps, exponents;
} fut_row_side;

/* log of the sum of exp(x); -inf without any. */
FUT_FORMULA_FN double fut_row_log_sum(const fut_row_side *side)
{
    return side->count > 0 ? side->top + log(side->exps) : side->top;
}

/* A row's loss, and its derivative: by x of a positive flat + soft_pos exp(x - log_pos), of a negative soft_neg exp(x - log_neg). */
typedef struct fut_row_result {
    double loss, flat, soft_pos, soft_neg, log_pos, log_neg;
} fut_row_result;

/* Logarithm of 1 + the side's sum of exp(x), which is 0 without any. */
FUT_FORMULA_FN double fut_row_log_one_more(const fut_row_side *side)
{
    if (!(side->count > 0)) return 0;
    const double top = fut_row_positive_part(side->top);
    return top + log(exp(-top) + side->exps * exp(side->top - top));
}

FUT_FORMULA_FN double fut_row_log_add(double a, double b)
{
    return a > b ? a + log1p(exp(b - a)) : b + log1p(exp(a - b));
}

/* Of multi_similarity, supcon, circle, arcface and cosface: cross entropy is supcon's with one positive. */
FUT_FORMULA_FN fut_row_result fut_row_result_of(const fut_row_loss *k, const fut_row_side *pos, const fut_row_side *neg)
{
    fut_row_result r = {0, 0, 0, 0, fut_row_log_sum(pos), fut_row_log_sum(neg)};
    if (k->kind == FUT_ROW_MULTI_SIMILARITY) {
        r.log_pos = fut_row_log_one_more(pos);
        r.log_neg = fut_row_log_one_more(neg);
        r.loss = r.log_pos / k->alpha + r.log_neg / k->beta;
        r.soft_pos = 1 / k->alpha;
        r.soft_neg = 1 / k->beta;
    } else if ((k->kind == FUT_ROW_SUPCON || fut_row_is_softmax(k)) && pos->count > 0) {
        const double all = neg->count > 0 ? fut_row_log_add(r.log_pos, r.log_neg) : r.log_pos;
        r.loss = all - pos->exponents / pos->count;
        r.flat = -1 / pos->count;
        r.soft_pos = r.soft_neg = 1;
        r.log_pos = r.log_neg = all;
    } else if (k->kind == FUT_ROW_CIRCLE && pos->count > 0 && neg->count > 0) {
        r.loss = fut_row_softplus(r.log_pos + r.log_neg);
        r.soft_pos = r.soft_neg = fut_row_softplus_slope(r.log_pos + r.log_neg);
    }
    return r;
}

/* d row's loss / dv of one of its pairs. */
FUT_FORMULA_FN double fut_row_result_grad(const fut_row_loss *k, const fut_row_result *r, bool positive, double v)
{
    const double x = fut_row_exponent(k, positive, v), slope = fut_row_exponent_slope(k, positive, v);
    if (positive) return slope * (r->flat + (r->soft_pos > 0 ? r->soft_pos * exp(x - r->log_pos) : 0));
    return slope * (r->soft_neg > 0 ? r->soft_neg * exp(x - r->log_neg) : 0);
}

#endif
