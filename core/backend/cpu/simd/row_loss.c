/* Row losses (row_loss.h), vectorised: sums are kept lane by lane along a row and added over the lanes at its end, an order that depends on
 * the batch alone. */
#include "core/backend/cpu/simd/pairs.h"
#include "core/backend/cpu/simd/simd.h"

/* ---- losses: each writes g, the unweighted derivative by v, and adds to the sums ---- */

static void contrastive_row(const fut_row_loss *k, int64_t batch, const float *v, const uint8_t *kind, float *g, double *sums)
{
    real loss_pos = {0}, loss_neg = {0}, kept_pos = {0}, kept_neg = {0};
    for (int64_t j = 0; j < batch; j += REALS) {
        const pairs p = pairs_load(v, kind, batch, j);
        const real excess = k->sign * real_select(p.pos, p.v - k->pos_margin, k->neg_margin - p.v), loss = real_positive_part(excess);
        const truth kept = pairs_kept(k, loss), pos = p.pos & kept, neg = p.neg & kept;
        real_store(g + j, real_where(excess > 0, real_where(pos, real_set(k->sign)) - real_where(neg, real_set(k->sign))), batch - j);
        loss_pos += real_where(pos, loss);
        loss_neg += real_where(neg, loss);
        kept_pos += real_where(pos, real_set(1));
        kept_neg += real_where(neg, real_set(1));
    }
    sums[FUT_ROW_LOSS] += real_sum(loss_pos);
    sums[FUT_ROW_LOSS_NEG] += real_sum(loss_neg);
    sums[FUT_ROW_KEPT] += real_sum(kept_pos);
    sums[FUT_ROW_KEPT_NEG] += real_sum(kept_neg);
}

static void bce_row(const fut_row_loss *k, int64_t batch, const float *v, const uint8_t *kind, float *g, double *sums)
{
    const float *scale = k->logit_scale, *shift = k->logit_shift;
    const double by_value = -k->sign * (scale == NULL ? 1 : (double)*scale), b = *shift;
    const int kept_neg = fut_row_kept_neg(k);
    real loss_pos = {0}, loss_neg = {0}, count_pos = {0}, count_neg = {0};
    real slope_pos = {0}, slope_neg = {0}, slope_value_pos = {0}, slope_value_neg = {0};
    for (int64_t j = 0; j < batch; j += REALS) {
        const pairs p = pairs_load(v, kind, batch, j);
        const real z = by_value * p.v + b, turned = real_select(p.pos, -z, z), loss = pairs_log_one_more_of(turned);
        const truth kept = pairs_kept(k, loss), pos = p.pos & kept, neg = p.neg & kept;
        const real sigmoid = real_sigmoid(turned), slope = real_where(neg, sigmoid) - real_where(pos, sigmoid);
        real_store(g + j, by_value * slope, batch - j);
        loss_pos += real_where(pos, loss);
        loss_neg += real_where(neg, loss);
        count_pos += real_where(pos, real_set(1));
        count_neg += real_where(neg, real_set(1));
        slope_pos += real_where(pos, slope);
        slope_neg += real_where(neg, slope);
        slope_value_pos += real_where(pos, slope * p.v);
        slope_value_neg += real_where(neg, slope * p.v);
    }
    sums[FUT_ROW_LOSS] += real_sum(loss_pos);
    sums[FUT_ROW_LOSS_NEG] += real_sum(loss_neg);
    sums[FUT_ROW_KEPT] += real_sum(count_pos);
    sums[kept_neg] += real_sum(count_neg);
    sums[FUT_ROW_SLOPE_POS] += real_sum(slope_pos);
    sums[FUT_ROW_SLOPE_NEG] += real_sum(slope_neg);
    sums[FUT_ROW_SLOPE_VALUE_POS] += real_sum(slope_value_pos);
    sums[FUT_ROW_SLOPE_VALUE_NEG] += real_sum(slope_value_neg);
}

/* fut_row_triplet of REALS negatives. */
typedef struct triplets {
    truth count;
    real loss, slope, anchor_share;
} triplets;

FUT_INLINE triplets triplets_of(const fut_row_loss *k, double v_pos, real v_neg, real v_swap)
{
    const real gap = k->sign * (v_neg - v_pos), further = k->sign * (v_neg - v_swap);
    const real inside = k->margin - gap + real_positive_part(further);
    triplets t = {.loss = k->smooth ? pairs_softplus(inside) : real_positive_part(inside), .anchor_share = real_set(1)};
    t.count = (gap > k->triplet_above) & (gap <= k->triplet_up_to) & pairs_kept(k, t.loss);
    t.slope = real_where(t.count, k->smooth ? pairs_softplus_slope(inside) : real_where(inside > 0, real_set(1)));
    if (k->swap) t.anchor_share = real_select(further < 0, real_set(1), real_where(further == 0, real_set(0.5)));
    return t;
}

/* Of an anchor; with swap, all_v [batch, batch] has the positives' rows. */
static void triplet_row(const fut_row_loss *k, int64_t batch, const float *v, const float *all_v, const uint8_t *kind, float *g,
                        double *sums)
{
    real losses = {0}, kept = {0};
    for (int64_t p = 0; p < batch; p++) {
        const float *swap = k->swap ? all_v + p * batch : v;
        real slopes = {0};
        if (kind[p] != FUT_PAIR_POSITIVE) continue;
        for (int64_t j = 0; j < batch; j += REALS) {
            const pairs n = pairs_load(v, kind, batch, j);
            const triplets t = triplets_of(k, v[p], n.v, real_load(swap + j, batch - j));
            const real slope = real_where(n.neg, t.slope), before = real_load(g + j, batch - j);
            real_store(g + j, before - k->sign * slope * t.anchor_share, batch - j);
            slopes += slope;
            losses += real_where(n.neg & t.count, t.loss);
            kept += real_where(n.neg & t.count, real_set(1));
        }
        g[p] = (float)(k->sign * real_sum(slopes));
    }
    sums[FUT_ROW_LOSS] += real_sum(losses);
    sums[FUT_ROW_KEPT] += real_sum(kept);
}

/* What anchor a's triplets with the positive p leave to p's own values: v, kind of the anchor, swap and g of p. */
static void swapped_row(const fut_row_loss *k, int64_t batch, int64_t p, const float *v, const float *swap, const uint8_t *kind, float *g)
{
    for (int64_t j = 0; j < batch; j += REALS) {
        const pairs n = pairs_load(v, kind, batch, j);
        const triplets t = triplets_of(k, v[p], n.v, real_load(swap + j, batch - j));
        const real change = k->sign * real_where(n.neg, t.slope) * (1 - t.anchor_share);
        real_store(g + j, real_load(g + j, batch - j) - change, batch - j);
    }
}

static void sides_of(const fut_row_loss *k, int64_t batch, const float *v, const uint8_t *kind, fut_row_side *pos_out,
                     fut_row_side *neg_out)
{
    const real one = real_set(1), none = real_set(-INFINITY);
    real count_pos = {0}, count_neg = {0}, sum_pos = {0}, sum_neg = {0}, top_pos = none, top_neg = none, exps_pos = {0}, exps_neg = {0};
    for (int64_t j = 0; j < batch; j += REALS) {
        const pairs p = pairs_load(v, kind, batch, j);
        const real x = pairs_exponent(k, p.pos, p.v);
        count_pos += real_where(p.pos, one);
        count_neg += real_where(p.neg, one);
        sum_pos += real_where(p.pos, x);
        sum_neg += real_where(p.neg, x);
        top_pos = real_max(real_select(p.pos, x, none), top_pos);
        top_neg = real_max(real_select(p.neg, x, none), top_neg);
    }
    *pos_out = (fut_row_side){.count = real_sum(count_pos), .top = real_largest(top_pos), .exponents = real_sum(sum_pos)};
    *neg_out = (fut_row_side){.count = real_sum(count_neg), .top = real_largest(top_neg), .exponents = real_sum(sum_neg)};
    for (int64_t j = 0; j < batch; j += REALS) {
        const pairs p = pairs_load(v, kind, batch, j);
        const real top = real_select(p.pos, real_set(pos_out->top), real_set(neg_out->top));
        const real e = real_exp(pairs_exponent(k, p.pos, p.v) - top);
        exps_pos += real_where(p.pos, e);
        exps_neg += real_where(p.neg, e);
    }
    pos_out->exps = real_sum(exps_pos);
    neg_out->exps = real_sum(exps_neg);
}

/* Losses with an item a row. */
static void exponents_row(const fut_row_loss *k, int64_t batch, const float *v, const uint8_t *kind, float *g, double *sums)
{
    fut_row_side pos, neg;
    sides_of(k, batch, v, kind, &pos, &neg);
    const fut_row_result r = fut_row_result_of(k, &pos, &neg);
    if (!fut_row_keeps(k, r.loss)) return;
    sums[FUT_ROW_LOSS] += r.loss;
    sums[FUT_ROW_KEPT] += 1;
    for (int64_t j = 0; j < batch; j += REALS) {
        const pairs p = pairs_load(v, kind, batch, j);
        const real soft = real_select(p.pos, real_set(r.soft_pos), real_set(r.soft_neg));
        const real log_sum = real_select(p.pos, real_set(r.log_pos), real_set(r.log_neg));
        const real share = real_where(soft > 0, soft * real_exp(pairs_exponent(k, p.pos, p.v) - log_sum));
        const real grad = pairs_exponent_slope(k, p.pos, p.v) * (real_where(p.pos, real_set(r.flat)) + share);
        real_store(g + j, real_where(p.pos | p.neg, grad), batch - j);
    }
}

static void ntxent_row(const fut_row_loss *k, int64_t batch, const float *v, const uint8_t *kind, float *g, double *sums)
{
    fut_row_side pos, neg;
    sides_of(k, batch, v, kind, &pos, &neg);
    const double log_neg = fut_row_log_sum(&neg), slope = fut_row_exponent_slope(k, true, 0);
    real losses = {0}, kept = {0}, shares = {0};
    for (int64_t j = 0; j < batch; j += REALS) {
        const pairs p = pairs_load(v, kind, batch, j);
        if (!truth_any(p.pos)) continue; /* few are */
        const real z = log_neg - pairs_exponent(k, p.pos, p.v), loss = pairs_log_one_more_of(z);
        const truth count = p.pos & pairs_kept(k, loss);
        const real share = real_where(count, real_sigmoid(z));
        losses += real_where(count, loss);
        kept += real_where(count, real_set(1));
        shares += share;
        real_store(g + j, -slope * share, batch - j);
    }
    const double whole = slope * real_sum(shares);
    for (int64_t j = 0; j < batch; j += REALS) {
        const pairs p = pairs_load(v, kind, batch, j);
        const real grad = whole * real_exp(pairs_exponent(k, p.pos, p.v) - log_neg);
        real_store(g + j, real_select(p.neg, grad, real_load(g + j, batch - j)), batch - j);
    }
    sums[FUT_ROW_LOSS] += real_sum(losses);
    sums[FUT_ROW_KEPT] += real_sum(kept);
}

/* ---- what every loss counts ---- */

static void count_row(int64_t batch, const float *v, const uint8_t *kind, const float *g, double *sums)
{
    const real one = real_set(1);
    real count_pos = {0}, count_neg = {0}, value_pos = {0}, value_neg = {0}, active_pos = {0}, active_neg = {0};
    for (int64_t j = 0; j < batch; j += REALS) {
        const pairs p = pairs_load(v, kind, batch, j);
        const real active = real_where(real_load(g + j, batch - j) != 0, one);
        count_pos += real_where(p.pos, one);
        count_neg += real_where(p.neg, one);
        value_pos += real_where(p.pos, p.v);
        value_neg += real_where(p.neg, p.v);
        active_pos += real_where(p.pos, active);
        active_neg += real_where(p.neg, active);
    }
    sums[FUT_ROW_COUNT_POS] += real_sum(count_pos);
    sums[FUT_ROW_COUNT_NEG] += real_sum(count_neg);
    sums[FUT_ROW_VALUE_POS] += real_sum(value_pos);
    sums[FUT_ROW_VALUE_NEG] += real_sum(value_neg);
    sums[FUT_ROW_ACTIVE_POS] += real_sum(active_pos);
    sums[FUT_ROW_ACTIVE_NEG] += real_sum(active_neg);
}

/* g from the derivative by v to that by s. */
static void close_row(const fut_row_loss *k, int64_t batch, const float *v, float *g)
{
    if (!k->l2) return;
    for (int64_t j = 0; j < batch; j += REALS) {
        const real values = real_load(v + j, batch - j);
        real_store(g + j, real_where(values > 0, -real_load(g + j, batch - j) / values), batch - j);
    }
}

void FUT_SIMD_NAME(end_row)(const fut_row_loss *k, int64_t batch, const float *v, const uint8_t *kind, float *g, double *sums)
{
    count_row(batch, v, kind, g, sums);
    close_row(k, batch, v, g);
}

void FUT_SIMD_NAME(loss_row)(const fut_row_loss *k, int64_t batch, const float *v, const uint8_t *kind, float *g, double *sums)
{
    memset(g, 0, (size_t)batch * sizeof *g);
    switch (k->kind) {
    case FUT_ROW_CONTRASTIVE:
        contrastive_row(k, batch, v, kind, g, sums);
        break;
    case FUT_ROW_TRIPLET:
        triplet_row(k, batch, v, NULL, kind, g, sums);
        break;
    case FUT_ROW_BCE:
        bce_row(k, batch, v, kind, g, sums);
        break;
    case FUT_ROW_NTXENT:
        ntxent_row(k, batch, v, kind, g, sums);
        break;
    case FUT_ROW_MULTI_SIMILARITY:
    case FUT_ROW_SUPCON:
    case FUT_ROW_CIRCLE:
    case FUT_ROW_ARCFACE:
    case FUT_ROW_COSFACE:
        exponents_row(k, batch, v, kind, g, sums);
    }
    FUT_SIMD_NAME(end_row)(k, batch, v, kind, g, sums);
}

void FUT_SIMD_NAME(swap_loss_row)(const fut_pair_rows *rows, int64_t r, const fut_row_loss *k, const float *v, const uint8_t *kind,
                                  float *g, double *sums)
{
    const int64_t batch = rows->refs;
    const float *own = v + r * batch;
    float *to = g + r * batch;
    memset(to, 0, (size_t)batch * sizeof *to);
    for (int64_t i = 0; i < rows->n; i++)
        if (rows->row[i] == r) {
            triplet_row(k, batch, own, v, kind + i * batch, to, sums);
            count_row(batch, own, kind + i * batch, to, sums);
        }
    for (int64_t i = 0; i < rows->n; i++)
        if (kind[i * batch + r] == FUT_PAIR_POSITIVE) swapped_row(k, batch, r, v + rows->row[i] * batch, own, kind + i * batch, to);
    close_row(k, batch, own, to);
}

void FUT_SIMD_NAME(weigh_row)(const fut_row_loss *k, int64_t batch, const uint8_t *kind, const double *total, float *g)
{
    const float of_positive = (float)fut_row_weight(k, total, FUT_ROW_KEPT),
                of_negative = (float)fut_row_weight(k, total, fut_row_kept_neg(k));
    for (int64_t j = 0; j < batch; j++)
        g[j] *= kind == NULL || kind[j] == FUT_PAIR_POSITIVE ? of_positive : of_negative;
}
