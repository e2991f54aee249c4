/* Where a query's own photos stand in its ranking, without sorting the ranking.
 *
 * Own photos, best first:        m_0        m_1              m_2
 * Foreign photos between them:   beats[0] |  beats[1]  |  beats[2]  |  (below m_2: of no interest)
 * m_i stands at place  i + 1 + beats[0] + .. + beats[i]. */
#include "core/base/mem.h"
#include "core/metric/metric_impl.h"

#include <stdlib.h>

/* A photo in a ranking. */
typedef struct standing {
    float score;
    int64_t row;
} standing;

typedef struct ranker {
    const fut_rows *query;
    bool is_self;
    int64_t n_reference;
    int64_t *people; /* [n_people] labels of the reference */
    int64_t n_people;
    int64_t *person; /* [n_reference] place of each row's label in people */
    int64_t *seen;   /* [n_people] the last query that met this person above its own */
    standing *own;   /* [most photos of one person] */
    int64_t *beats;  /* likewise */
    int64_t rank_count[FUT_CMC_RANKS];
    fut_retrieval sum;
} ranker;

static bool stands_before(const standing *x, const standing *y)
{
    return x->score != y->score ? x->score > y->score : x->row < y->row;
}

static int compare_standings(const void *a, const void *b)
{
    return stands_before(a, b) ? -1 : stands_before(b, a) ? 1 : 0;
}

/* The first own photo that x stands before; n if there is none. */
static int64_t place_among(const standing *own, int64_t n, const standing *x)
{
    int64_t low = 0;
    int64_t high = n;
    while (low < high) {
        int64_t middle = (low + high) / 2;
        if (stands_before(x, &own[middle])) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

/* Own photos of a query's person, best first; returns how many. */
static int64_t collect_own(ranker *r, int64_t query, int64_t person, const float *score)
{
    int64_t n = 0;
    for (int64_t j = 0; person >= 0 && j < r->n_reference; j++)
        if (r->person[j] == person && !(r->is_self && j == query)) r->own[n++] = (standing){.score = score[j], .row = j};
    qsort(r->own, (size_t)n, sizeof *r->own, compare_standings);
    return n;
}

/* Fill beats [n]; returns the rank of the person among people. */
static int64_t collect_foreign(ranker *r, int64_t query, int64_t person, const float *score, int64_t n)
{
    int64_t rank = 1;
    float lowest = r->own[n - 1].score;
    memset(r->beats, 0, (size_t)n * sizeof *r->beats);
    for (int64_t j = 0; j < r->n_reference; j++) {
        if (score[j] < lowest || r->person[j] == person) continue;
        int64_t place = place_among(r->own, n, &(standing){.score = score[j], .row = j});
        if (place < n) r->beats[place]++;
        if (place > 0 || r->seen[r->person[j]] == query) continue;
        r->seen[r->person[j]] = query;
        rank++;
    }
    return rank;
}

static void add_retrieval(fut_retrieval *sum, const int64_t *beats, int64_t n)
{
    int64_t place = 0;
    int64_t hits_at_5 = 0;
    int64_t hits_at_10 = 0;
    int64_t hits_at_r = 0;
    double all = 0;
    double at_r = 0;
    for (int64_t i = 0; i < n; i++) {
        place += beats[i] + 1;
        double precision = (double)(i + 1) / (double)place;
        all += precision;
        hits_at_5 += place <= 5;
        hits_at_10 += place <= 10;
        if (place > n) continue;
        at_r += precision;
        hits_at_r++;
    }
    sum->n_queries++;
    sum->precision_at_1 += beats[0] == 0;
    sum->precision_at_5 += (double)hits_at_5; /* divided in mean_of, so that the sum is exact */
    sum->precision_at_10 += (double)hits_at_10;
    sum->r_precision += (double)hits_at_r / (double)n;
    sum->map_at_r += at_r / (double)n;
    sum->map += all / (double)n;
}

static void rank_row(void *context, int64_t query, const float *score)
{
    ranker *r = context;
    int64_t person = fut_people_find(r->people, r->n_people, fut_rows_label(r->query, query));
    int64_t n = collect_own(r, query, person, score);
    if (n == 0) {
        r->sum.n_lone++;
        return;
    }
    int64_t rank = collect_foreign(r, query, person, score, n);
    if (rank <= FUT_CMC_RANKS) r->rank_count[rank - 1]++;
    add_retrieval(&r->sum, r->beats, n);
}

static fut_status ranker_init(ranker *r, const fut_rows *reference)
{
    int64_t most = 0;
    FUT_TRY(fut_people_list(reference, &r->people, &r->n_people));
    FUT_TRY(FUT_NEW_ARRAY(reference->n, &r->person));
    FUT_TRY(FUT_NEW_ARRAY(r->n_people, &r->seen));
    for (int64_t j = 0; j < reference->n; j++) {
        r->person[j] = fut_people_find(r->people, r->n_people, fut_rows_label(reference, j));
        int64_t photos = ++r->seen[r->person[j]]; /* counts, for now */
        most = photos > most ? photos : most;
    }
    for (int64_t c = 0; c < r->n_people; c++)
        r->seen[c] = -1;
    FUT_TRY(FUT_NEW_ARRAY(most, &r->own));
    return FUT_NEW_ARRAY(most, &r->beats);
}

static void ranker_fini(ranker *r)
{
    fut_mem_free(r->people);
    fut_mem_free(r->person);
    fut_mem_free(r->seen);
    fut_mem_free(r->own);
    fut_mem_free(r->beats);
}

static fut_retrieval mean_of(const fut_retrieval *sum)
{
    double n = sum->n_queries > 0 ? (double)sum->n_queries : 1;
    return (fut_retrieval){.n_queries = sum->n_queries,
                           .n_lone = sum->n_lone,
                           .precision_at_1 = sum->precision_at_1 / n,
                           .precision_at_5 = sum->precision_at_5 / (5 * n),
                           .precision_at_10 = sum->precision_at_10 / (10 * n),
                           .r_precision = sum->r_precision / n,
                           .map_at_r = sum->map_at_r / n,
                           .map = sum->map / n};
}

fut_status fut_rank_fill(const fut_rows *query, const fut_rows *reference, bool is_self, int64_t dim, fut_retrieval *retrieval_or_null,
                         fut_closed_set *closed)
{
    fut_status st = FUT_OK;
    int64_t found = 0;
    ranker r = {.query = query, .is_self = is_self, .n_reference = reference->n};
    FUT_TRY_GOTO(ranker_init(&r, reference), out);
    FUT_TRY_GOTO(fut_similarity_rows(query, reference, dim, rank_row, &r), out);
    *closed = (fut_closed_set){.n_probes = r.sum.n_queries, .n_gallery = reference->n, .n_people = r.n_people};
    for (int k = 0; k < FUT_CMC_RANKS && closed->n_probes > 0; k++) {
        found += r.rank_count[k];
        closed->cmc[k] = (double)found / (double)closed->n_probes;
    }
    if (retrieval_or_null != NULL) *retrieval_or_null = mean_of(&r.sum);
out:
    ranker_fini(&r);
    return st;
}
