/* Scores of all pairs of embeddings, tile by tile.
 *
 * A panel of PANEL reference rows is transposed in groups of LANES: [PANEL / LANES][dim][LANES]. ROWS query rows at a time run over it;
 * each lane adds its products in the order of the dimensions, so that a score does not depend on the tiling or the vector width. */
#include "core/base/mem.h"
#include "core/metric/metric.h"
#include "core/metric/metric_impl.h"

#include <stdlib.h>

enum { LANES = 16, ROWS = 8, PANEL = 128, WHOLE_ROWS = 256 };

typedef float lanes __attribute__((vector_size(LANES * sizeof(float))));

/* The best of three compiled versions is picked at load time; not under ThreadSanitizer, whose runtime is not up that early. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_THREAD__)
#define FUT_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define FUT_CLONES
#endif

typedef struct member {
    int64_t label, row;
} member;

typedef struct all_pairs {
    fut_metric_set query, reference;
    bool is_self; /* reference is query: each unordered pair once */
    int64_t dim;
    member *query_member, *reference_member; /* sorted by label, then row; the same array when is_self */
} all_pairs;

float fut_metric_score(const float *a, const float *b, int64_t dim)
{
    float sum = 0;
    for (int64_t d = 0; d < dim; d++)
        sum += a[d] * b[d];
    return sum;
}

/* score_out [ROWS][PANEL] = query rows times a panel of `groups` groups. */
FUT_CLONES static void score_tile(const float *const row[ROWS], const lanes *panel, int64_t groups, int64_t dim,
                                  float score_out[ROWS][PANEL])
{
    for (int64_t g = 0; g < groups; g++) {
        const lanes *column = panel + g * dim;
        lanes sum[ROWS] = {{0}};
        for (int64_t d = 0; d < dim; d++)
            for (int r = 0; r < ROWS; r++)
                sum[r] += row[r][d] * column[d];
        for (int r = 0; r < ROWS; r++)
            memcpy(&score_out[r][g * LANES], &sum[r], sizeof sum[r]);
    }
}

static const float *embedding_of(const fut_rows *rows, int64_t i, int64_t dim)
{
    return rows->set->embedding + fut_rows_at(rows, i) * dim;
}

/* Rows [first, first + n) of the reference; lanes past n are 0. */
static void pack_panel(const fut_rows *reference, int64_t dim, int64_t first, int64_t n, float *panel)
{
    memset(panel, 0, (size_t)(dim * PANEL) * sizeof *panel);
    for (int64_t j = 0; j < n; j++) {
        const float *row = embedding_of(reference, first + j, dim);
        float *lane = panel + (j / LANES) * dim * LANES + j % LANES;
        for (int64_t d = 0; d < dim; d++)
            lane[d * LANES] = row[d];
    }
}

/* ROWS query rows from i on against a panel of n rows. Past the end of the queries: the last row again. */
static void score_panel(const fut_rows *query, int64_t i, const float *panel, int64_t n, int64_t dim, float score_out[ROWS][PANEL])
{
    const float *row[ROWS];
    for (int64_t r = 0; r < ROWS; r++)
        row[r] = embedding_of(query, i + r < query->n ? i + r : query->n - 1, dim);
    score_tile(row, (const lanes *)(const void *)panel, (n + LANES - 1) / LANES, dim, score_out);
}

/* Query rows i .. i + ROWS - 1 against a panel. */
static void visit_tile(const all_pairs *p, int64_t i, int64_t first, int64_t n, const float *panel, fut_score_visit visit, void *context)
{
    float score[ROWS][PANEL];
    uint8_t same[PANEL];
    score_panel(&(fut_rows){.set = &p->query, .n = p->query.n}, i, panel, n, p->dim, score);
    for (int64_t r = 0; r < ROWS && i + r < p->query.n; r++) {
        int64_t start = p->is_self && i + r + 1 > first ? i + r + 1 - first : 0;
        if (start >= n) continue;
        for (int64_t j = start; j < n; j++)
            same[j] = p->query.label[i + r] == p->reference.label[first + j];
        visit(context,
              &(fut_score_block){
                  .score = score[r] + start, .same = same + start, .n = n - start, .a = i + r, .b = first + start, .panel = first / PANEL});
    }
}

/* scratch: the panel, transposed. */
static void all_pairs_scan(const void *self, int64_t panel, void *scratch, fut_score_visit visit, void *context)
{
    const all_pairs *p = self;
    int64_t first = panel * PANEL;
    int64_t n = p->reference.n - first < PANEL ? p->reference.n - first : PANEL;
    int64_t rows = p->is_self ? first + n - 1 : p->query.n; /* the last row of a set has no later partner */
    pack_panel(&(fut_rows){.set = &p->reference, .n = p->reference.n}, p->dim, first, n, scratch);
    for (int64_t i = 0; i < rows; i += ROWS)
        visit_tile(p, i, first, n, scratch, visit, context);
}

/* WHOLE_ROWS queries at a time: a panel is packed once for all of them. */
fut_status fut_similarity_rows(const fut_rows *query, const fut_rows *reference, int64_t dim, fut_row_visit visit, void *context)
{
    fut_status st = FUT_OK;
    float *panel = NULL;
    float *whole = NULL; /* [WHOLE_ROWS, reference->n] */
    FUT_TRY_GOTO(FUT_NEW_ARRAY(dim * PANEL, &panel), out);
    FUT_TRY_GOTO(FUT_NEW_ARRAY(WHOLE_ROWS * reference->n, &whole), out);
    for (int64_t from = 0; from < query->n; from += WHOLE_ROWS) {
        int64_t count = query->n - from < WHOLE_ROWS ? query->n - from : WHOLE_ROWS;
        for (int64_t first = 0; first < reference->n; first += PANEL) {
            int64_t n = reference->n - first < PANEL ? reference->n - first : PANEL;
            pack_panel(reference, dim, first, n, panel);
            for (int64_t i = 0; i < count; i += ROWS) {
                float score[ROWS][PANEL];
                score_panel(query, from + i, panel, n, dim, score);
                for (int64_t r = 0; r < ROWS && i + r < count; r++)
                    memcpy(whole + (i + r) * reference->n + first, score[r], (size_t)n * sizeof **score);
            }
        }
        for (int64_t i = 0; i < count; i++)
            visit(context, from + i, whole + i * reference->n);
    }
out:
    fut_mem_free(panel);
    fut_mem_free(whole);
    return st;
}

static int compare_members(const void *a, const void *b)
{
    const member *x = a;
    const member *y = b;
    if (x->label != y->label) return x->label < y->label ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

static fut_status sort_members(const fut_metric_set *set, member **member_out)
{
    FUT_TRY(FUT_NEW_ARRAY(set->n, member_out));
    for (int64_t i = 0; i < set->n; i++)
        (*member_out)[i] = (member){.label = set->label[i], .row = i};
    qsort(*member_out, (size_t)set->n, sizeof **member_out, compare_members);
    return FUT_OK;
}

/* Walk the same pairs by label; score them into score_out unless it is NULL. Returns how many there are. */
static int64_t walk_same(const all_pairs *p, float *score_out)
{
    int64_t count = 0;
    int64_t from = 0; /* first reference member of the query's label */
    for (int64_t q = 0; q < p->query.n; q++) {
        const member *query = &p->query_member[q];
        while (from < p->reference.n && p->reference_member[from].label < query->label)
            from++;
        for (int64_t r = p->is_self ? q + 1 : from; r < p->reference.n && p->reference_member[r].label == query->label; r++) {
            const float *a = p->query.embedding + query->row * p->dim;
            const float *b = p->reference.embedding + p->reference_member[r].row * p->dim;
            if (score_out != NULL) score_out[count] = fut_metric_score(a, b, p->dim);
            count++;
        }
    }
    return count;
}

static void all_pairs_collect_same(const void *self, float *score_out)
{
    (void)walk_same(self, score_out);
}

/* Rows longer than 1 would make scores that are no cosines; a row of zeros is allowed, it is like nobody. */
fut_status fut_similarity_check(const fut_metric_set *set, int64_t dim)
{
    FUT_CHECK(set->n >= 0, FUT_ERR_SHAPE, "%lld embeddings", (long long)set->n);
    for (int64_t i = 0; i < set->n; i++) {
        const float *row = set->embedding + i * dim;
        double length2 = 0;
        for (int64_t d = 0; d < dim; d++)
            length2 += (double)row[d] * (double)row[d];
        FUT_CHECK(length2 <= 1.01, FUT_ERR_NUMERIC, "embedding %lld of %lld has length %g, must be 1", (long long)i, (long long)set->n,
                  sqrt(length2));
    }
    return FUT_OK;
}

static fut_status all_pairs_init(all_pairs *p)
{
    FUT_TRY(fut_similarity_check(&p->query, p->dim));
    if (!p->is_self) FUT_TRY(fut_similarity_check(&p->reference, p->dim));
    FUT_TRY(sort_members(&p->query, &p->query_member));
    p->reference_member = p->query_member;
    return p->is_self ? FUT_OK : sort_members(&p->reference, &p->reference_member);
}

fut_status fut_metric_embeddings(const fut_metric_set *query, const fut_metric_set *reference_or_null, int64_t dim,
                                 const fut_metric_options *options_or_null, fut_verification *out)
{
    fut_status st = FUT_OK;
    fut_metric_options options = options_or_null != NULL ? *options_or_null : (fut_metric_options){0};
    const fut_metric_team *team = options.team;
    fut_verification v = {0};
    all_pairs pairs = {.query = *query, .reference = *query, .is_self = reference_or_null == NULL, .dim = dim};
    FUT_CHECK(dim >= 1 && options.n_hardest >= 0 && options.n_folds == 0, FUT_ERR_SHAPE, "dimension %lld, %lld hardest pairs, %d folds",
              (long long)dim, (long long)options.n_hardest, options.n_folds);
    if (!pairs.is_self) pairs.reference = *reference_or_null;
    st = all_pairs_init(&pairs);
    if (team != NULL) st = team->agree(team->context, st);
    if (st != FUT_OK) goto out;

    int64_t n_pairs = pairs.is_self ? query->n * (query->n - 1) / 2 : query->n * pairs.reference.n;
    fut_score_source source = {.n_same = walk_same(&pairs, NULL),
                               .score_min = -1,
                               .score_max = 1,
                               .panels = (pairs.reference.n + PANEL - 1) / PANEL,
                               .scratch_bytes = (size_t)(dim * PANEL) * sizeof(float),
                               .scan = all_pairs_scan,
                               .collect_same = all_pairs_collect_same,
                               .self = &pairs};
    source.n_different = n_pairs - source.n_same;
    FUT_TRY_GOTO(fut_verification_fill(&source, &options, &v), out);
    *out = v;
    v = (fut_verification){0};
out:
    if (pairs.reference_member != pairs.query_member) fut_mem_free(pairs.reference_member);
    fut_mem_free(pairs.query_member);
    fut_verification_fini(&v);
    return st;
}
