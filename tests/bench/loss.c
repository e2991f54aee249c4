/* Milliseconds of each loss, and of miners in front of it, forward and backward, on one batch of 4 photos a person.
 * usage: bench_loss [BACKEND [THREADS [BATCH [DIM]]]], default cpu 2 1024 512. tests/bench/loss.py is the peer's side. */
#include "core/loss/loss.h"
#include "core/base/clock.h"
#include "core/base/mem.h"
#include "core/base/yaml.h"
#include "core/miner/miner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct bench_config {
    fut_opt_variant loss, miner;
} bench_config;

static const fut_opt table[] = {FUT_OPT_VARIANT(bench_config, loss, "contrastive", fut_loss_choices, ""),
                                FUT_OPT_VARIANT(bench_config, miner, "none", fut_miner_choices, ""), FUT_OPT_END};

static const char *const configs[] = {
    "{loss: contrastive}",
    "{loss: {type: contrastive, distance: l2, pos_margin: 0, neg_margin: 1}}",
    "{loss: triplet}",
    "{loss: {type: triplet, swap: true}}",
    "{loss: multi_similarity}",
    "{loss: supcon}",
    "{loss: ntxent}",
    "{loss: circle}",
    "{loss: triplet, miner: batch_hard}",
    "{loss: multi_similarity, miner: multi_similarity}",
};

/* What a rank with one shard does of a step; d loss / d e into de. */
typedef struct bench_run {
    fut_backend *bk;
    fut_loss *loss;
    int64_t n, dim;
    void *e, *dh, *de;
    int64_t *row, *label;
    double *sums;
} bench_run;

static fut_status once(const bench_run *r)
{
    FUT_TRY(fut_loss_begin(r->loss, r->n, r->e, r->label, r->row));
    FUT_TRY(fut_loss_rows(r->loss, r->n, r->row, r->sums));
    if (!fut_loss_is_symmetric(r->loss)) {
        FUT_TRY(fut_loss_spread(r->loss, r->n, r->row, r->sums, r->dh));
        FUT_TRY(fut_loss_take(r->loss, r->dh));
    }
    FUT_TRY(fut_loss_grad(r->loss, r->n, r->row, r->sums, r->de, NULL));
    return r->bk->sync(r->bk, NULL);
}

static fut_status measure(const char *text, bench_run *r)
{
    bench_config config = {0};
    fut_row_miner miner;
    fut_yaml_node *root = NULL;
    double best = 1e9;
    FUT_TRY(fut_opt_defaults(table, &config));
    FUT_TRY(fut_yaml_parse_text("bench", text, strlen(text), &root));
    FUT_TRY(fut_opt_load(table, &config, root));
    FUT_TRY(fut_miner_describe(&config.miner, &miner));
    int64_t before = fut_mem_bytes();
    FUT_TRY(fut_loss_create(r->bk, &config.loss, &miner, FUT_F32, r->n, r->n, r->dim, &r->loss));
    double megabytes = (double)(fut_mem_bytes() - before) / (1 << 20);
    for (int i = 0; i < 4; i++) {
        double start = fut_clock_now();
        FUT_TRY(once(r));
        double took = fut_clock_now() - start;
        if (took < best) best = took;
    }
    printf("%-78s %8.1f ms %8.1f MiB\n", text, 1e3 * best, megabytes);
    fut_loss_destroy(&r->loss);
    fut_yaml_destroy(&root);
    fut_opt_fini(table, &config);
    return FUT_OK;
}

static fut_status run(const char *backend, int threads, int64_t n, int64_t dim)
{
    bench_run r = {.n = n, .dim = dim};
    size_t values = (size_t)(n * dim) * sizeof(float);
    float *e = NULL;
    int64_t *row = NULL, *label = NULL;
    FUT_TRY(fut_backend_create(backend, &(fut_backend_options){.threads = threads}, &r.bk));
    FUT_TRY(FUT_NEW_ARRAY(n * dim, &e));
    FUT_TRY(FUT_NEW_ARRAY(n, &row));
    FUT_TRY(FUT_NEW_ARRAY(n, &label));
    srand(1);
    for (int64_t i = 0; i < n * dim; i++)
        e[i] = (float)rand() / (float)RAND_MAX - 0.5F;
    for (int64_t i = 0; i < n; i++) {
        row[i] = i;
        label[i] = i / 4;
    }
    FUT_TRY(r.bk->alloc(r.bk, values, &r.e));
    FUT_TRY(r.bk->alloc(r.bk, values, &r.dh));
    FUT_TRY(r.bk->alloc(r.bk, values, &r.de));
    FUT_TRY(r.bk->alloc(r.bk, (size_t)n * sizeof *row, (void **)&r.row));
    FUT_TRY(r.bk->alloc(r.bk, (size_t)n * sizeof *label, (void **)&r.label));
    FUT_TRY(r.bk->alloc(r.bk, FUT_LOSS_SUMS * sizeof(double), (void **)&r.sums));
    FUT_TRY(r.bk->upload(r.bk, r.e, e, values, NULL));
    FUT_TRY(r.bk->upload(r.bk, r.row, row, (size_t)n * sizeof *row, NULL));
    FUT_TRY(r.bk->upload(r.bk, r.label, label, (size_t)n * sizeof *label, NULL));
    FUT_TRY(r.bk->sync(r.bk, NULL));
    for (size_t i = 0; i < sizeof configs / sizeof *configs; i++)
        FUT_TRY(measure(configs[i], &r));
    return FUT_OK; /* the process ends here */
}

int main(int argc, char **argv)
{
    const char *backend = argc > 1 ? argv[1] : "cpu";
    int threads = argc > 2 ? atoi(argv[2]) : 2;
    int64_t n = argc > 3 ? atoll(argv[3]) : 1024, dim = argc > 4 ? atoll(argv[4]) : 512;
    if (run(backend, threads, n, dim) == FUT_OK) return 0;
    fprintf(stderr, "%s\n", fut_trail_message());
    return 1;
}
