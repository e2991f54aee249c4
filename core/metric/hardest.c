#include "core/metric/metric_impl.h"

/* Is x less bad than y? A total order, so that the pairs kept do not depend on the order in which they come. */
static bool is_milder(const fut_hard_pair *x, const fut_hard_pair *y, float sign)
{
    if (x->score != y->score) return sign * x->score < sign * y->score;
    return x->a != y->a ? x->a > y->a : x->b > y->b;
}

static void swap(fut_hard_pair *x, fut_hard_pair *y)
{
    fut_hard_pair z = *x;
    *x = *y;
    *y = z;
}

static void sift_down(fut_hardest *h, int64_t n)
{
    for (int64_t at = 0;;) {
        int64_t mildest = at;
        for (int64_t child = 2 * at + 1; child <= 2 * at + 2 && child < n; child++)
            if (is_milder(&h->pair[child], &h->pair[mildest], h->sign)) mildest = child;
        if (mildest == at) return;
        swap(&h->pair[at], &h->pair[mildest]);
        at = mildest;
    }
}

static void sift_up(fut_hardest *h, int64_t at)
{
    for (int64_t parent = (at - 1) / 2; at > 0 && is_milder(&h->pair[at], &h->pair[parent], h->sign); parent = (at - 1) / 2) {
        swap(&h->pair[at], &h->pair[parent]);
        at = parent;
    }
}

void fut_hardest_add(fut_hardest *hardest, int64_t a, int64_t b, float score)
{
    fut_hard_pair pair = {.a = a, .b = b, .score = score};
    if (hardest->n < hardest->max) {
        hardest->pair[hardest->n] = pair;
        sift_up(hardest, hardest->n++);
    } else if (hardest->max > 0 && is_milder(&hardest->pair[0], &pair, hardest->sign)) {
        hardest->pair[0] = pair;
        sift_down(hardest, hardest->n);
    }
}

void fut_hardest_sort(fut_hardest *hardest)
{
    for (int64_t n = hardest->n - 1; n > 0; n--) { /* heap sort: the mildest goes last */
        swap(&hardest->pair[0], &hardest->pair[n]);
        sift_down(hardest, n);
    }
}
