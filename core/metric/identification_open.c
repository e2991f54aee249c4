/* FNIR at FPIR: what the most similar enrolled photo of each probe decides. */
#include "core/base/mem.h"
#include "core/metric/metric_impl.h"

#include <stdlib.h>

static const double FPIRS[FUT_OPEN_SET_FPIRS] = {1e-1, 1e-2, 1e-3};

typedef struct searches {
    const fut_rows *probe, *gallery;
    int64_t *people; /* enrolled */
    int64_t n_people;
    float *found;    /* [n_found] mated probes whose most similar photo is their person's: its score */
    float *nonmated; /* [n_nonmated] highest scores */
    int64_t n_found, n_mated, n_nonmated;
} searches;

static void search_row(void *context, int64_t probe, const float *score)
{
    searches *s = context;
    int64_t top = 0; /* of equals the first */
    for (int64_t j = 1; j < s->gallery->n; j++)
        if (score[j] > score[top]) top = j;
    int64_t label = fut_rows_label(s->probe, probe);
    if (fut_people_find(s->people, s->n_people, label) < 0) {
        s->nonmated[s->n_nonmated++] = score[top];
        return;
    }
    s->n_mated++;
    if (fut_rows_label(s->gallery, top) == label) s->found[s->n_found++] = score[top];
}

static int descending(const void *a, const void *b)
{
    float x = *(const float *)a;
    float y = *(const float *)b;
    return (x < y) - (x > y);
}

/* How many of a descending list are above a score. */
static int64_t count_above(const float *list, int64_t n, float score)
{
    int64_t low = 0;
    int64_t high = n;
    while (low < high) {
        int64_t middle = (low + high) / 2;
        if (list[middle] > score) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* The lowest threshold whose FPIR keeps to the target lies just above the first non-mated score that must be refused. */
static fut_fnir_at_fpir fnir_at(const searches *s, double target)
{
    double n = (double)s->n_nonmated;
    int64_t allowed = 0;
    while (allowed < s->n_nonmated && (double)(allowed + 1) / n <= target)
        allowed++;
    float refused = s->nonmated[allowed]; /* every target is below 1, so there is one */
    int64_t false_alarms = count_above(s->nonmated, s->n_nonmated, refused);
    int64_t found = count_above(s->found, s->n_found, refused);
    float lowest = found > 0 ? s->found[found - 1] : INFINITY;
    if (false_alarms > 0) lowest = fminf(lowest, s->nonmated[false_alarms - 1]);
    return (fut_fnir_at_fpir){.target = target,
                              .fpir = (double)false_alarms / n,
                              .fnir = 1 - (double)found / (double)s->n_mated,
                              .threshold = isinf(lowest) ? (double)nextafterf(refused, INFINITY) : ((double)refused + (double)lowest) / 2,
                              .is_resolved = n * target >= 1 - 1e-9};
}

fut_status fut_open_set_fill(const fut_rows *probe, const fut_rows *gallery, int64_t dim, fut_open_set *open)
{
    fut_status st = FUT_OK;
    searches s = {.probe = probe, .gallery = gallery};
    *open = (fut_open_set){.n_gallery = gallery->n};
    if (gallery->n == 0) return FUT_OK;
    FUT_TRY_GOTO(fut_people_list(gallery, &s.people, &s.n_people), out);
    FUT_TRY_GOTO(FUT_NEW_ARRAY(probe->n, &s.found), out);
    FUT_TRY_GOTO(FUT_NEW_ARRAY(probe->n, &s.nonmated), out);
    FUT_TRY_GOTO(fut_similarity_rows(probe, gallery, dim, search_row, &s), out);
    qsort(s.found, (size_t)s.n_found, sizeof *s.found, descending);
    qsort(s.nonmated, (size_t)s.n_nonmated, sizeof *s.nonmated, descending);
    open->n_people = s.n_people;
    open->n_mated = s.n_mated;
    open->n_nonmated = s.n_nonmated;
    open->is_defined = s.n_mated > 0 && s.n_nonmated > 0;
    for (int i = 0; i < FUT_OPEN_SET_FPIRS && open->is_defined; i++)
        open->at[i] = fnir_at(&s, FPIRS[i]);
out:
    fut_mem_free(s.people);
    fut_mem_free(s.found);
    fut_mem_free(s.nonmated);
    return st;
}
