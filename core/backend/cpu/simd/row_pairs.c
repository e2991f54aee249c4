/* A row's distances and the choice of its pairs (row_loss.h), vectorised. */
#include "core/backend/cpu/simd/pairs.h"
#include "core/backend/cpu/simd/simd.h"

static double distance(int64_t dim, const float *a, const float *b)
{
    real squares = {0};
    for (int64_t c = 0; c < dim; c += REALS) {
        const real d = real_load(a + c, dim - c) - real_load(b + c, dim - c);
        squares += d * d;
    }
    return sqrt(real_sum(squares));
}

/* Where two rows nearly agree, 2 - 2 s has few digits left: their difference has all. */
void FUT_SIMD_NAME(l2_row)(const fut_pair_rows *rows, int64_t i, const float *norm, const float *h, const float *ref_norm, const float *r,
                           float *v)
{
    const int64_t a = rows->row[i], refs = rows->refs, dim = rows->dim;
    const double mine = fut_row_unit_square(norm[a]);
    for (int64_t j = 0; j < refs; j++) {
        const double square = mine + fut_row_unit_square(ref_norm[j]) - 2 * (double)v[j];
        v[j] = square < FUT_ROW_NEAR ? 0 : (float)sqrt(square);
    }
    for (int64_t j = 0; j < refs; j++)
        if (v[j] == 0) v[j] = (float)distance(dim, h + a * dim, r + j * dim);
}

/* ---- the choice of pairs ---- */

FUT_INLINE truth takes(const fut_row_pick *pick, const pairs *p, real far)
{
    return (pick->positive ? p->pos : p->neg) & (far > pick->above) & (far < pick->below);
}

/* Place of what the pick takes, -1 for nothing, the lowest of equals; far_out is its far. */
static int64_t pick_place(const fut_row_pick *pick, double sign, int64_t batch, const float *v, const uint8_t *kind, double *far_out)
{
    const double direction = pick->farthest ? 1 : -1, none = -INFINITY;
    real most = real_set(none);
    for (int64_t j = 0; j < batch; j += REALS) {
        const pairs p = pairs_load(v, kind, batch, j);
        const real far = sign * p.v;
        most = real_max(real_select(takes(pick, &p, far), direction * far, real_set(none)), most);
    }
    *far_out = direction * real_largest(most);
    for (int64_t j = 0; j < batch; j += REALS) {
        const pairs p = pairs_load(v, kind, batch, j);
        const real far = sign * p.v;
        const truth found = takes(pick, &p, far) & (far == *far_out);
        if (truth_any(found)) return j + truth_first(found);
    }
    return -1;
}

static void mine_easy_hard(const fut_row_miner *m, int64_t batch, const float *v, uint8_t *kind)
{
    const bool first_is_positive = !fut_row_picks_negative_first(m);
    double far, ignored;
    const fut_row_pick first = fut_row_pick_of(m, first_is_positive, 0);
    const int64_t a = pick_place(&first, m->sign, batch, v, kind, &far);
    const fut_row_pick second = fut_row_pick_of(m, !first_is_positive, a < 0 ? 0 : far);
    const int64_t b = pick_place(&second, m->sign, batch, v, kind, &ignored);
    for (int64_t j = 0; j < batch; j++)
        kind[j] = fut_row_picked(m, kind[j], j, first_is_positive ? a : b, first_is_positive ? b : a);
}

static void mine_by_bounds(const fut_row_miner *m, int64_t batch, const float *v, uint8_t *kind)
{
    const real none = real_set(-INFINITY);
    real near = none, far = none; /* negatives' -far and positives' far */
    for (int64_t j = 0; j < batch; j += REALS) {
        const pairs p = pairs_load(v, kind, batch, j);
        near = real_max(real_select(p.neg, -m->sign * p.v, none), near);
        far = real_max(real_select(p.pos, m->sign * p.v, none), far);
    }
    const double nearest_neg = -real_largest(near), farthest_pos = real_largest(far);
    for (int64_t j = 0; j < batch; j++) {
        const bool mined = fut_row_mines(m, kind[j] == FUT_PAIR_POSITIVE, m->sign * v[j], nearest_neg, farthest_pos);
        kind[j] = mined ? kind[j] : (uint8_t)FUT_PAIR_LEFT_OUT;
    }
}

void FUT_SIMD_NAME(select_row)(const fut_pair_rows *rows, int64_t i, const fut_row_miner *m, const float *v, uint8_t *kind)
{
    const int64_t refs = rows->refs, label = rows->label[rows->row[i]], image = rows->image[rows->row[i]];
    const int64_t *ref_label = rows->ref_label ? rows->ref_label : rows->label;
    const int64_t *ref_image = rows->ref_label ? rows->ref_image : rows->image;
#pragma omp simd
    for (int64_t j = 0; j < refs; j++) {
        const uint8_t other = ref_label[j] == label ? FUT_PAIR_POSITIVE : FUT_PAIR_NEGATIVE; /* as fut_row_pair_kind, without a branch */
        kind[j] = (ref_label[j] < 0) | (ref_image[j] == image) ? (uint8_t)FUT_PAIR_LEFT_OUT : other;
    }
    if (m->kind == FUT_MINER_ALL_PAIRS) return;
    if (m->kind == FUT_MINER_EASY_HARD)
        mine_easy_hard(m, refs, v, kind);
    else
        mine_by_bounds(m, refs, v, kind);
}
