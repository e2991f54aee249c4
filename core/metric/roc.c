/* From levels (metric_impl.h) to AUC, EER, operating points and the drawn ROC.
 *
 * Walking the levels downwards, the ROC goes flat over the gap of level[g], then rises over level[g + 1]:
 *
 *     (F, T) --gap--> (F + n_gap, T) --level--> (F + n_gap + n_tied, T + n_same)        in counts of accepted pairs */
#include "core/base/mem.h"
#include "core/metric/metric_impl.h"

static const double FARS[FUT_METRIC_FARS] = {1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6};

/* Where a walk stands: pairs accepted at level[g] and above. */
typedef struct place {
    int64_t g, different, same;
} place;

static place step_down(const fut_levels *l, place at)
{
    return (place){.g = at.g + 1,
                   .different = at.different + l->count[at.g].n_gap + l->count[at.g + 1].n_tied,
                   .same = at.same + l->level[at.g + 1].n_same};
}

static double far_of(const fut_levels *l, int64_t different)
{
    return (double)different / (double)l->n_different;
}

static double tar_of(const fut_levels *l, int64_t same)
{
    return (double)same / (double)l->n_same;
}

/* (n - same) / n, not 1 - same / n: the same rounding on both sides of FAR = FRR. */
static double frr_of(const fut_levels *l, int64_t same)
{
    return (double)(l->n_same - same) / (double)l->n_same;
}

static double accuracy_of(const fut_levels *l, int64_t different, int64_t same)
{
    return (double)(same + l->n_different - different) / (double)(l->n_same + l->n_different);
}

static float highest_score(const fut_levels *l)
{
    return l->count[0].n_gap > 0 ? l->count[0].gap_max : l->level[1].score;
}

/* accepted and refused: the lowest accepted and the highest refused score; a side without any is NaN. */
static double halfway(double accepted, double refused)
{
    if (isnan(accepted)) return (double)nextafterf((float)refused, INFINITY);
    return isnan(refused) ? accepted : accepted + (refused - accepted) / 2;
}

static double level_score(const fut_levels *l, int64_t g)
{
    return g >= 1 && g <= l->n ? (double)l->level[g].score : (double)NAN;
}

/* Highest score below level[g], lowest above level[g]. */
static double score_below(const fut_levels *l, int64_t g)
{
    return l->count[g].n_gap > 0 ? (double)l->count[g].gap_max : level_score(l, g + 1);
}

static double score_above(const fut_levels *l, int64_t g)
{
    return l->count[g - 1].n_gap > 0 ? (double)l->count[g - 1].gap_min : level_score(l, g - 1);
}

static fut_operating_point point_of(const fut_levels *l, double threshold, int64_t different, int64_t same)
{
    return (fut_operating_point){
        .threshold = threshold, .far = far_of(l, different), .tar = tar_of(l, same), .accuracy = accuracy_of(l, different, same)};
}

/* Accept level[at.g] and everything above. */
static fut_operating_point point_at(const fut_levels *l, place at)
{
    return point_of(l, halfway(level_score(l, at.g), score_below(l, at.g)), at.different, at.same);
}

static double area(const fut_levels *l)
{
    double sum = 0;
    for (place at = {0}; at.g < l->n;) {
        place next = step_down(l, at);
        double tied = (double)l->count[next.g].n_tied;
        sum += (double)l->level[next.g].n_same * ((double)(l->n_different - next.different) + tied / 2);
        at = next;
    }
    return sum / (double)l->n_same / (double)l->n_different;
}

static fut_operating_point best_accuracy(const fut_levels *l)
{
    place best = {0};
    for (place at = {0}; at.g < l->n;) {
        at = step_down(l, at);
        if (at.same - at.different > best.same - best.different) best = at;
    }
    return point_at(l, best);
}

static fut_tar_at_far tar_at_far(const fut_levels *l, double target)
{
    place best = {0};
    for (place at = {0}; at.g < l->n;) {
        at = step_down(l, at);
        if (far_of(l, at.different) > target) break;
        best = at;
    }
    return (fut_tar_at_far){.target = target, .at = point_at(l, best), .is_resolved = (double)l->n_different * target >= 1 - 1e-9};
}

/* The different pair of a given rank among all, 1 = highest score, with its neighbours. */
typedef struct found {
    float score;
    int64_t before, tied; /* different pairs above it, and of the same score */
    double above, below;  /* nearest other scores of different pairs; NaN if none */
} found;

static float score_in_bucket(const fut_ranked *r, int32_t low)
{
    return fut_score_of_key(r->bucket << 16 | (uint32_t)low);
}

static fut_status find_rank(const fut_levels *l, const fut_scanner *scanner, int64_t rank, fut_ranked *r, found *found_out)
{
    int64_t before = 0;
    int32_t bucket = FUT_SCORE_BUCKETS - 1;
    while (bucket > 0 && before + l->bucket[bucket] < rank)
        before += l->bucket[bucket--];
    FUT_TRY(fut_ranked_scan(scanner, bucket, r));

    found f = {.above = r->above, .below = r->below};
    int32_t low = FUT_SCORE_BUCKETS - 1;
    for (; low > 0 && before + r->low[low] < rank; low--) {
        before += r->low[low];
        if (r->low[low] > 0) f.above = (double)score_in_bucket(r, low);
    }
    f.score = score_in_bucket(r, low);
    f.before = before;
    f.tied = r->low[low];
    for (int32_t next = low - 1; next >= 0; next--) {
        if (r->low[next] == 0) continue;
        f.below = (double)score_in_bucket(r, next);
        break;
    }
    *found_out = f;
    return FUT_OK;
}

/* FAR reaches FRR inside the gap below at: the different pair with that rank is accepted or refused, whichever is nearer. */
static fut_status balance_in_gap(const fut_levels *l, const fut_scanner *scanner, fut_ranked *ranked, place at,
                                 fut_operating_point *point_out)
{
    found f;
    double balanced = frr_of(l, at.same) * (double)l->n_different; /* in (at.different, at.different + n_gap] */
    int64_t rank = (int64_t)ceil(balanced);
    if (rank <= at.different) rank = at.different + 1; /* rounding */
    if (rank > at.different + l->count[at.g].n_gap) rank = at.different + l->count[at.g].n_gap;
    FUT_TRY(find_rank(l, scanner, rank, ranked, &f));
    double upper = level_score(l, at.g);
    double lower = level_score(l, at.g + 1);
    double above = isnan(f.above) || upper < f.above ? upper : f.above;
    double below = isnan(f.below) || lower > f.below ? lower : f.below;
    bool accept = (double)(f.before + f.tied) - balanced <= balanced - (double)f.before;
    double threshold = accept ? halfway((double)f.score, below) : halfway(above, (double)f.score);
    *point_out = point_of(l, threshold, accept ? f.before + f.tied : f.before, at.same);
    return FUT_OK;
}

/* FAR passes FRR on the rise at level[next.g]: accept that level or refuse it. */
static fut_operating_point balance_at_level(const fut_levels *l, place at, place next)
{
    int64_t different = at.different + l->count[at.g].n_gap;
    double refused = frr_of(l, at.same) - far_of(l, different);
    double accepted = far_of(l, next.different) - frr_of(l, next.same);
    if (accepted <= refused) return point_at(l, next);
    return point_of(l, halfway(score_above(l, next.g), level_score(l, next.g)), different, at.same);
}

/* gap_out: the place above the gap that the EER falls into; g is -1 where it falls on a level. */
static void equal_errors(const fut_levels *l, fut_verification *v, place *gap_out)
{
    gap_out->g = -1;
    for (place at = {0};;) {
        int64_t flat_end = at.different + l->count[at.g].n_gap;
        double frr = frr_of(l, at.same);
        if (far_of(l, flat_end) >= frr) {
            v->eer = frr;
            if (far_of(l, at.different) < frr)
                *gap_out = at;
            else
                v->at_eer = point_at(l, at);
            return;
        }
        place next = step_down(l, at);
        double rise = tar_of(l, next.same) - tar_of(l, at.same);
        double run = far_of(l, next.different) - far_of(l, flat_end);
        double part = (frr - far_of(l, flat_end)) / (rise + run);
        if (part < 1) {
            v->eer = far_of(l, flat_end) + part * run;
            v->at_eer = balance_at_level(l, at, next);
            return;
        }
        at = next;
    }
}

/* The drawn curve: every vertex is offered, those near the last one kept are dropped. */
typedef struct drawing {
    fut_roc_point *point;
    int64_t n, capacity;
    double far_unit; /* stands for FAR 0 on the logarithmic axis */
} drawing;

static fut_status keep(drawing *d, const fut_roc_point *p)
{
    if (d->n == d->capacity) {
        void *block = d->point;
        int64_t capacity = d->capacity == 0 ? 256 : d->capacity * 2;
        FUT_TRY(fut_mem_grow(&block, (size_t)d->n, (size_t)capacity, sizeof *d->point));
        d->point = block;
        d->capacity = capacity;
    }
    d->point[d->n++] = *p;
    return FUT_OK;
}

static bool is_near_last(const drawing *d, const fut_roc_point *p)
{
    const fut_roc_point *last = &d->point[d->n - 1];
    double decades = log10(fmax(p->far, d->far_unit)) - log10(fmax(last->far, d->far_unit));
    return p->tar - last->tar < 1.0 / 512 && p->far - last->far < 1.0 / 512 && decades < 1.0 / 64;
}

static fut_status offer(drawing *d, double far, double tar, double threshold)
{
    fut_roc_point p = {.far = far, .tar = tar, .threshold = threshold};
    bool is_end = d->n == 0 || (far >= 1 && tar >= 1);
    return is_end || !is_near_last(d, &p) ? keep(d, &p) : FUT_OK;
}

static fut_status draw(const fut_levels *l, drawing *d)
{
    FUT_TRY(offer(d, 0, 0, (double)nextafterf(highest_score(l), INFINITY)));
    for (place at = {0};; at = step_down(l, at)) {
        const fut_level_count *count = &l->count[at.g];
        if (at.g > 0) FUT_TRY(offer(d, far_of(l, at.different), tar_of(l, at.same), (double)l->level[at.g].score));
        if (count->n_gap > 0) FUT_TRY(offer(d, far_of(l, at.different + count->n_gap), tar_of(l, at.same), (double)count->gap_min));
        if (at.g == l->n) return FUT_OK;
    }
}

fut_status fut_roc_fill(const fut_levels *levels, const fut_scanner *scanner, fut_ranked *ranked, fut_verification *v)
{
    place gap;
    drawing d = {.far_unit = 0.5 / (double)levels->n_different};
    v->auc = area(levels);
    v->at_best = best_accuracy(levels);
    for (int i = 0; i < FUT_METRIC_FARS; i++)
        v->tar[i] = tar_at_far(levels, FARS[i]);
    equal_errors(levels, v, &gap);
    FUT_TRY(gap.g >= 0 ? balance_in_gap(levels, scanner, ranked, gap, &v->at_eer) : fut_ranked_scan(scanner, FUT_NO_BUCKET, ranked));
    fut_status st = draw(levels, &d);
    v->roc = d.point; /* released with v, also on error */
    v->n_roc = d.n;
    return st;
}
