/* REALS pairs of a row at a time, and the formulas of row_formulas.h for them. Private to core/backend/cpu/simd. */
#ifndef FUT_CORE_BACKEND_CPU_SIMD_PAIRS_H
#define FUT_CORE_BACKEND_CPU_SIMD_PAIRS_H

#include "core/backend/cpu/simd/real.h"
#include "core/backend/row_formulas.h"

/* Lanes past the row's end are neither positive nor negative. */
typedef struct pairs {
    real v;
    truth pos, neg;
} pairs;

/* The pairs from j on. */
FUT_INLINE pairs pairs_load(const float *v, const uint8_t *kind, int64_t batch, int64_t j)
{
    const truth kinds = real_load_bytes(kind + j, batch - j);
    return (pairs){real_load(v + j, batch - j), kinds == FUT_PAIR_POSITIVE, kinds == FUT_PAIR_NEGATIVE};
}

FUT_INLINE truth pairs_kept(const fut_row_loss *k, real loss)
{
    return (loss > k->low) & (loss < k->high);
}

/* log(1 + exp(z)); like torch's, z itself above 20. */
FUT_INLINE real pairs_softplus(real z)
{
    const truth high = z > 20;
    return real_select(high, z, real_log1p(real_exp(real_select(high, real_set(20), z))));
}

FUT_INLINE real pairs_softplus_slope(real z)
{
    return real_select(z > 20, real_set(1), real_sigmoid(z));
}

/* log(1 + exp(z)) for any z; z may be -inf. */
FUT_INLINE real pairs_log_one_more_of(real z)
{
    return real_positive_part(z) + real_log1p(real_exp(-real_max(z, -z)));
}

/* Logits of classes: a row has one positive, so its lane is worth a loop. */
FUT_INLINE real pairs_logit(const fut_row_loss *k, truth positive, real v)
{
    for (int lane = 0; lane < REALS && truth_any(positive); lane++)
        if (positive[lane]) v[lane] = fut_row_margin_cosine(k, v[lane]);
    return k->scale * v;
}

FUT_INLINE real pairs_logit_slope(const fut_row_loss *k, truth positive, real v)
{
    real slope = real_set(1);
    for (int lane = 0; lane < REALS && truth_any(positive); lane++)
        if (positive[lane]) slope[lane] = fut_row_margin_cosine_slope(k, v[lane]);
    return k->scale * slope;
}

FUT_INLINE real pairs_exponent(const fut_row_loss *k, truth positive, real v)
{
    if (fut_row_is_softmax(k)) return pairs_logit(k, positive, v);
    if (k->kind == FUT_ROW_MULTI_SIMILARITY) return k->sign * real_select(positive, k->alpha * (v - k->base), k->beta * (k->base - v));
    if (k->kind == FUT_ROW_CIRCLE)
        return k->gamma *
               real_select(positive, -real_positive_part(1 + k->m - v) * (v - (1 - k->m)), real_positive_part(v + k->m) * (v - k->m));
    return -k->sign / k->temperature * v;
}

FUT_INLINE real pairs_exponent_slope(const fut_row_loss *k, truth positive, real v)
{
    if (fut_row_is_softmax(k)) return pairs_logit_slope(k, positive, v);
    if (k->kind == FUT_ROW_MULTI_SIMILARITY) return k->sign * real_select(positive, real_set(k->alpha), real_set(-k->beta));
    if (k->kind == FUT_ROW_CIRCLE) return k->gamma * real_select(positive, -real_positive_part(1 + k->m - v), real_positive_part(v + k->m));
    return real_set(-k->sign / k->temperature);
}

#endif
