/* Who is enrolled and who is searched for, in each protocol. */
#include "core/metric/identification.h"

#include "core/base/mem.h"
#include "core/metric/metric_impl.h"

#include <stdlib.h>

static int compare_labels(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

fut_status fut_people_list(const fut_rows *rows, int64_t **label_out, int64_t *n_out)
{
    int64_t *label = NULL;
    int64_t n = 0;
    FUT_TRY(FUT_NEW_ARRAY(rows->n, &label));
    for (int64_t i = 0; i < rows->n; i++)
        label[i] = fut_rows_label(rows, i);
    qsort(label, (size_t)rows->n, sizeof *label, compare_labels);
    for (int64_t i = 0; i < rows->n; i++)
        if (n == 0 || label[i] != label[n - 1]) label[n++] = label[i];
    *label_out = label;
    *n_out = n;
    return FUT_OK;
}

int64_t fut_people_find(const int64_t *people, int64_t n, int64_t label)
{
    const int64_t *found = n > 0 ? bsearch(&label, people, (size_t)n, sizeof *people, compare_labels) : NULL;
    return found != NULL ? found - people : -1;
}

/* A division of the photos: who is enrolled, with which rows, and which rows are searched for. */
typedef struct division {
    fut_rows query, reference; /* the same set where there is no reference */
    bool is_self;
    int64_t *people; /* [n_people] labels of the query set */
    int64_t n_people;
    int64_t *photos; /* [n_people] reference rows of each */
    bool *enrolled;  /* [n_people] */
    int64_t *gallery, *probe;
    int64_t n_gallery, n_probe;
} division;

static void division_fini(division *d)
{
    fut_mem_free(d->people);
    fut_mem_free(d->photos);
    fut_mem_free(d->enrolled);
    fut_mem_free(d->gallery);
    fut_mem_free(d->probe);
}

static fut_status division_init(division *d)
{
    FUT_TRY(fut_people_list(&d->query, &d->people, &d->n_people));
    FUT_TRY(FUT_NEW_ARRAY(d->n_people, &d->photos));
    FUT_TRY(FUT_NEW_ARRAY(d->n_people, &d->enrolled));
    FUT_TRY(FUT_NEW_ARRAY(d->reference.n, &d->gallery));
    FUT_TRY(FUT_NEW_ARRAY(d->query.n, &d->probe));
    for (int64_t j = 0; j < d->reference.n; j++) {
        int64_t person = fut_people_find(d->people, d->n_people, fut_rows_label(&d->reference, j));
        if (person >= 0) d->photos[person]++;
    }
    return FUT_OK;
}

/* Of people who could be both enrolled and searched for, every second one, beginning with the first. */
static void enroll_alternately(division *d)
{
    bool is_turn = true;
    for (int64_t c = 0; c < d->n_people; c++) {
        bool could_be_both = d->photos[c] >= (d->is_self ? 2 : 1);
        d->enrolled[c] = could_be_both && is_turn;
        if (could_be_both) is_turn = !is_turn;
    }
}

static void enroll_everybody(division *d)
{
    for (int64_t c = 0; c < d->n_people; c++)
        d->enrolled[c] = true;
}

/* Deal the rows. In one set, an enrolled person's first row is the gallery's. */
static void deal(division *d)
{
    d->n_gallery = 0;
    d->n_probe = 0;
    if (d->is_self) {
        memset(d->photos, 0, (size_t)d->n_people * sizeof *d->photos); /* now: enrolled rows of each */
        for (int64_t i = 0; i < d->query.n; i++) {
            int64_t person = fut_people_find(d->people, d->n_people, fut_rows_label(&d->query, i));
            if (d->enrolled[person] && d->photos[person]++ == 0)
                d->gallery[d->n_gallery++] = i;
            else
                d->probe[d->n_probe++] = i;
        }
        return;
    }
    for (int64_t j = 0; j < d->reference.n; j++) {
        int64_t person = fut_people_find(d->people, d->n_people, fut_rows_label(&d->reference, j));
        if (person >= 0 && d->enrolled[person]) d->gallery[d->n_gallery++] = j;
    }
    for (int64_t i = 0; i < d->query.n; i++)
        d->probe[d->n_probe++] = i;
}

static fut_status measure(division *d, int64_t dim, fut_identification *id)
{
    FUT_TRY(fut_rank_fill(&d->query, &d->reference, d->is_self, dim, &id->retrieval, &id->leave_one_out));
    FUT_TRY(division_init(d));
    fut_rows gallery = {.set = d->reference.set, .row = d->gallery};
    fut_rows probe = {.set = d->query.set, .row = d->probe};
    enroll_alternately(d);
    deal(d);
    gallery.n = d->n_gallery;
    probe.n = d->n_probe;
    FUT_TRY(fut_open_set_fill(&probe, &gallery, dim, &id->open_set));
    if (!d->is_self) return FUT_OK;
    enroll_everybody(d);
    deal(d);
    gallery.n = d->n_gallery;
    probe.n = d->n_probe;
    return fut_rank_fill(&probe, &gallery, false, dim, NULL, &id->one_enrolled);
}

fut_status fut_metric_identification(const fut_metric_set *query, const fut_metric_set *reference_or_null, int64_t dim,
                                     fut_identification *out)
{
    fut_identification id = {.has_reference = reference_or_null != NULL};
    division d = {.query = {.set = query, .n = query->n}, .is_self = reference_or_null == NULL};
    d.reference = d.is_self ? d.query : (fut_rows){.set = reference_or_null, .n = reference_or_null->n};
    FUT_CHECK(dim >= 1, FUT_ERR_SHAPE, "dimension %lld", (long long)dim);
    FUT_TRY(fut_similarity_check(query, dim));
    if (!d.is_self) FUT_TRY(fut_similarity_check(reference_or_null, dim));
    fut_status st = measure(&d, dim, &id);
    division_fini(&d);
    if (st == FUT_OK) *out = id;
    return st;
}
