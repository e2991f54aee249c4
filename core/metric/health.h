/* The health of a batch's embeddings: numbers by which a person, or an alarm, sees that training works.
 *
 *     similarity      cosine of two embeddings, whatever the loss compares; of pairs of one person, and of different people
 *     norm            length of an embedding
 *     effective rank  exp(-sum p log p) of p = s / sum s, where s are the singular values of the matrix of unit embeddings (Roy and
 *                     Vetterli, 2007). Not centred: all embeddings alike is 1, all at right angles is min(rows, dim).
 *
 * A large batch is looked at in part, so that the cost is bounded: some milliseconds of a processor. */
#ifndef FUT_CORE_METRIC_HEALTH_H
#define FUT_CORE_METRIC_HEALTH_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A batch of more than FUT_HEALTH_ROWS is looked at in runs of neighbours, spread evenly: a person's photos are neighbours. */
enum { FUT_HEALTH_ROWS = 128, FUT_HEALTH_RUN = 8, FUT_HEALTH_RUNS = FUT_HEALTH_ROWS / FUT_HEALTH_RUN };

/* Rows [first, first + count) of a batch. */
typedef struct fut_health_run {
    int64_t first, count;
} fut_health_run;

/* The runs of a batch of n; returns how many. Their counts sum up to min(n, FUT_HEALTH_ROWS). */
int fut_health_choose(int64_t n, fut_health_run runs_out[FUT_HEALTH_RUNS]);

typedef struct fut_spread {
    int64_t n;        /* how many were looked at */
    double mean, std; /* of the population; NaN where n is 0 */
} fut_spread;

typedef struct fut_health {
    fut_spread positive, negative; /* similarity of pairs of one person, of different people; no photo with itself */
    fut_spread norm;
    double effective_rank; /* 1 .. min(rows, dim); 0: there is no embedding but 0. NaN: some embedding is not finite */
} fut_health;

/* Doubles of work memory for n rows. */
int64_t fut_health_work(int64_t n, int64_t dim);
/* Shape: e [n, dim]; label, image [n]; work [fut_health_work(n, dim)]. A row of length 0 is similar to nothing (0). Allocates nothing.
 * Time: n^2 (dim + 4 n) / 2 additions and multiplications. */
void fut_health_measure(const float *e, const int64_t *label, const int64_t *image, int64_t n, int64_t dim, double *work,
                        fut_health *health_out);

#ifdef __cplusplus
}
#endif

#endif
