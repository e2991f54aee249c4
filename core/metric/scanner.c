/* Threads and ranks over the panels of a source. */
#include "core/base/mem.h"
#include "core/metric/metric_impl.h"

fut_status fut_scanner_create(const fut_score_source *source, int threads, const fut_metric_team *team, fut_scanner *scanner_out)
{
    fut_scanner scanner = {.source = source, .team = team, .threads = threads > 1 ? threads : 1};
    FUT_TRY(FUT_NEW_ARRAY((int64_t)source->scratch_bytes * scanner.threads, &scanner.scratch));
    *scanner_out = scanner;
    return FUT_OK;
}

void fut_scanner_fini(fut_scanner *scanner)
{
    fut_mem_free(scanner->scratch);
    *scanner = (fut_scanner){0};
}

void fut_scanner_run(const fut_scanner *scanner, fut_score_visit visit, void *context, size_t stride)
{
    const fut_score_source *source = scanner->source;
    int rank = scanner->team != NULL ? scanner->team->rank : 0;
    int ranks = scanner->team != NULL ? scanner->team->ranks : 1;
    int64_t taken = 0;
#pragma omp parallel for num_threads(scanner->threads) schedule(static, 1)
    for (int thread = 0; thread < scanner->threads; thread++) {
        char *scratch = scanner->scratch + (size_t)thread * source->scratch_bytes;
        for (;;) {
            int64_t next = 0;
#pragma omp atomic capture
            next = taken++;
            /* Later panels of all pairs of one set have more pairs: they go first, so that threads end together. */
            int64_t panel = source->panels - 1 - (next * ranks + rank);
            if (panel < 0) break;
            source->scan(source->self, panel, scratch, visit, (char *)context + (size_t)thread * stride);
        }
    }
}

static void rank_block(void *context, const fut_score_block *block)
{
    fut_ranked *r = context;
    for (int64_t k = 0; k < block->n; k++) {
        if (block->same[k]) continue;
        uint32_t key = fut_score_key(block->score[k]);
        double score = (double)block->score[k];
        if (key >> 16 == r->bucket) {
            r->low[key & 0xffff]++;
        } else if (key >> 16 > r->bucket) {
            if (!(r->above <= score)) r->above = score;
        } else if (!(r->below >= score)) {
            r->below = score;
        }
    }
}

static void merge_ranked(void *into, const void *theirs)
{
    fut_ranked *r = into;
    const fut_ranked *from = theirs;
    for (int i = 0; i < FUT_SCORE_BUCKETS; i++)
        r->low[i] += from->low[i];
    r->above = fmin(r->above, from->above); /* of a number and NaN, the number */
    r->below = fmax(r->below, from->below);
}

fut_status fut_ranked_scan(const fut_scanner *scanner, int32_t bucket, fut_ranked *ranked)
{
    const fut_metric_team *team = scanner->team;
    bool alone = team == NULL || team->ranks == 1;
    if (!alone) FUT_TRY(team->broadcast(team->context, &bucket, sizeof bucket));
    if (bucket == FUT_NO_BUCKET) return FUT_OK;
    for (int i = 0; i < scanner->threads; i++) {
        memset(ranked[i].low, 0, sizeof ranked[i].low);
        ranked[i].bucket = (uint32_t)bucket;
        ranked[i].above = (double)NAN;
        ranked[i].below = (double)NAN;
    }
    fut_scanner_run(scanner, rank_block, ranked, sizeof *ranked);
    for (int i = 1; i < scanner->threads; i++)
        merge_ranked(&ranked[0], &ranked[i]);
    return alone ? FUT_OK : team->collect(team->context, &ranked[0], &ranked[scanner->threads], sizeof *ranked, merge_ranked, &ranked[0]);
}
