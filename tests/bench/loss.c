/* Milliseconds, processor milliseconds and peak memory of losses and the miners in front of them, forward and backward, on one batch of 4
 * photos a person: a line a case, the median of REPEATS. tests/bench/loss.sh prints them beside a peer's (tests/bench/loss.py).
 *
 *     bench_loss BACKEND THREADS BATCH DIM REPEATS '{loss: triplet, miner: batch_hard}'... */
#include "core/loss/loss.h"
#include "core/base/clock.h"
#include "core/base/mem.h"
#include "core/base/yaml.h"
#include "core/miner/miner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { REPEATS_MAX = 64 };

typedef struct bench_config {
    fut_opt_variant loss, miner;
} bench_config;

static const fut_opt table[] = {FUT_OPT_VARIANT(bench_config, loss, "contrastive", fut_loss_choices, ""),
                                FUT_OPT_VARIANT(bench_config, miner, "none", fut_miner_choices, ""), FUT_OPT_END};

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
    if (fut_loss_spreads(r->loss)) {
        FUT_TRY(fut_loss_spread(r->loss, r->n, r->row, r->sums, r->dh));
        FUT_TRY(fut_loss_take(r->loss, r->dh));
    }
    FUT_TRY(fut_loss_grad(r->loss, r->n, r->row, r->sums, r->de, NULL));
    return r->bk->sync(r->bk, NULL);
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, int n)
{
    qsort(values, (size_t)n, sizeof *values, by_size);
    return values[n / 2];
}

/* Of this process, all threads together, in seconds. */
static double processor_time(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* A line of /proc/self/status, in MiB. */
static double status_mib(const char *name)
{
    char line[256];
    double kib = 0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, name, strlen(name)) == 0) kib = strtod(line + strlen(name), NULL);
    if (f) fclose(f);
    return kib / 1024;
}

/* From here on VmHWM is of what follows. */
static void reset_peak(void)
{
    FILE *f = fopen("/proc/self/clear_refs", "w");
    if (!f) return;
    fputs("5", f);
    fclose(f);
}

static fut_status measure(const char *text, int repeats, bench_run *r)
{
    bench_config config = {0};
    fut_row_miner miner;
    fut_yaml_node *root = NULL;
    double wall[REPEATS_MAX], processor[REPEATS_MAX];
    FUT_TRY(fut_opt_defaults(table, &config));
    FUT_TRY(fut_yaml_parse_text("bench", text, strlen(text), &root));
    FUT_TRY(fut_opt_load(table, &config, root));
    FUT_TRY(fut_miner_describe(&config.miner, &miner));
    reset_peak();
    const double before = status_mib("VmRSS:");
    FUT_TRY(fut_loss_create(r->bk, &config.loss, &miner, FUT_F32, &(fut_loss_sizes){.batch = r->n, .rows = r->n, .dim = r->dim}, &r->loss));
    FUT_TRY(once(r)); /* touches its memory for the first time */
    for (int i = 0; i < repeats; i++) {
        const double start = fut_clock_now(), processor_start = processor_time();
        FUT_TRY(once(r));
        wall[i] = fut_clock_now() - start;
        processor[i] = processor_time() - processor_start;
    }
    printf("%.2f %.2f %.1f\n", 1e3 * median(wall, repeats), 1e3 * median(processor, repeats), status_mib("VmHWM:") - before);
    fflush(stdout);
    fut_loss_destroy(&r->loss);
    fut_yaml_destroy(&root);
    fut_opt_fini(table, &config);
    return FUT_OK;
}

static fut_status run(const char *backend, int threads, int64_t n, int64_t dim, int repeats, char **cases, int count)
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
    for (int i = 0; i < count; i++)
        FUT_TRY(measure(cases[i], repeats, &r));
    return FUT_OK; /* the process ends here */
}

int main(int argc, char **argv)
{
    const int repeats = argc > 6 ? atoi(argv[5]) : 0;
    if (repeats < 1 || repeats > REPEATS_MAX) {
        fprintf(stderr, "usage: bench_loss BACKEND THREADS BATCH DIM REPEATS CASE...\n");
        return 2;
    }
    if (run(argv[1], atoi(argv[2]), atoll(argv[3]), atoll(argv[4]), repeats, argv + 6, argc - 6) == FUT_OK) return 0;
    fprintf(stderr, "%s\n", fut_trail_message());
    return 1;
}
