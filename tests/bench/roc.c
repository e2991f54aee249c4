/* Seconds of the verification metrics over all pairs of N embeddings, and the peak of the process. tests/bench/roc.py is scikit-learn's
 * side, on the file this writes. usage: bench_roc [N [DIM [PHOTOS_A_PERSON [FILE [THREADS]]]]], default 10000 512 6, no file, 2. */
#include "core/base/clock.h"
#include "core/base/mem.h"
#include "core/base/rng.h"
#include "core/metric/metric.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

/* A direction for each person plus noise for each photo, rows of length 1: same and different pairs overlap. */
static void draw(float *embedding, int64_t n, int64_t dim, int64_t photos)
{
    fut_philox rng = fut_philox_key(1, FUT_RNG_TEST);
    for (int64_t i = 0; i < n; i++) {
        float *row = embedding + i * dim;
        double squares = 0;
        for (int64_t d = 0; d < dim; d++) {
            double x =
                0.4 * fut_philox_normal(rng, (uint64_t)(i / photos), (uint64_t)d) + fut_philox_normal(rng, (uint64_t)(n + i), (uint64_t)d);
            row[d] = (float)x;
            squares += x * x;
        }
        for (int64_t d = 0; d < dim; d++)
            row[d] = (float)(row[d] / sqrt(squares));
    }
}

static void print_peak(const char *when)
{
    struct rusage usage;
    (void)getrusage(RUSAGE_SELF, &usage);
    (void)printf("%s: peak %.0f MB\n", when, (double)usage.ru_maxrss / 1024);
}

static int write_file(const char *path, const float *embedding, int64_t n, int64_t dim)
{
    FILE *file = fopen(path, "wb");
    if (file == NULL) return 1;
    size_t count = (size_t)(n * dim);
    bool written = fwrite(embedding, sizeof *embedding, count, file) == count;
    return fclose(file) == 0 && written ? 0 : 1;
}

int main(int argc, char **argv)
{
    fut_verification v = {0};
    float *embedding = NULL;
    int64_t *label = NULL;
    int64_t n = argc > 1 ? atoll(argv[1]) : 10000;
    int64_t dim = argc > 2 ? atoll(argv[2]) : 512;
    int64_t photos = argc > 3 ? atoll(argv[3]) : 6;
    if (FUT_NEW_ARRAY(n * dim, &embedding) != FUT_OK || FUT_NEW_ARRAY(n, &label) != FUT_OK) return 1;
    draw(embedding, n, dim, photos);
    for (int64_t i = 0; i < n; i++)
        label[i] = i / photos;
    if (argc > 4 && write_file(argv[4], embedding, n, dim) != 0) return 1;
    print_peak("embeddings");
    double started = fut_clock_now();
    fut_metric_set set = {.embedding = embedding, .label = label, .n = n};
    if (fut_metric_embeddings(&set, NULL, dim, &(fut_metric_options){.n_hardest = 12, .threads = argc > 5 ? atoi(argv[5]) : 2}, &v) !=
        FUT_OK)
        return 1;
    (void)printf("%lld pairs, %lld same: %.2f s, AUC %.9f, EER %.9f, TAR at 1e-6 %.9f\n", (long long)(v.n_same + v.n_different),
                 (long long)v.n_same, fut_clock_now() - started, v.auc, v.eer, v.tar[FUT_METRIC_FARS - 1].at.tar);
    print_peak("metrics");
    fut_verification_fini(&v);
    fut_mem_free(embedding);
    fut_mem_free(label);
    return 0;
}
