#include "core/metric/health.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum { QL_ITERATIONS = 60 };

int fut_health_choose(int64_t n, fut_health_run runs[FUT_HEALTH_RUNS])
{
    if (n <= FUT_HEALTH_ROWS) {
        runs[0] = (fut_health_run){.first = 0, .count = n};
        return 1;
    }
    for (int i = 0; i < FUT_HEALTH_RUNS; i++)
        runs[i] = (fut_health_run){.first = i * (n - FUT_HEALTH_RUN) / (FUT_HEALTH_RUNS - 1), .count = FUT_HEALTH_RUN};
    return FUT_HEALTH_RUNS;
}

/* ---- mean and deviation, one value at a time (Welford) ------------------------------------------------------------------------- */

typedef struct spread_sum {
    int64_t n;
    double mean, squares;
} spread_sum;

static void add_to_spread(spread_sum *sum, double x)
{
    double before = x - sum->mean;
    sum->n++;
    sum->mean += before / (double)sum->n;
    sum->squares += before * (x - sum->mean);
}

static fut_spread spread_of(const spread_sum *sum)
{
    if (sum->n == 0) return (fut_spread){.mean = NAN, .std = NAN};
    return (fut_spread){.n = sum->n, .mean = sum->mean, .std = sqrt(sum->squares / (double)sum->n)};
}

/* ---- eigenvalues of a symmetric matrix ----------------------------------------------------------------------------------------- */

static void add_scaled(int64_t n, double scale, const double *x, double *y)
{
    for (int64_t i = 0; i < n; i++)
        y[i] += scale * x[i];
}

static double dot(int64_t n, const double *x, const double *y)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += x[i] * y[i];
    return sum;
}

/* a [n, n] symmetric, used up -> diagonal d [n], and e [n - 1] beside it, of a tridiagonal matrix with the same eigenvalues: Householder's
 * reflections I - beta v v^T, A - v w^T - w v^T (Golub and Van Loan, 8.3.1). v, w: [n] work. */
static void tridiagonalise(int64_t n, double *a, double *d, double *e, double *v, double *w)
{
    for (int64_t k = 0; k + 1 < n; k++) {
        int64_t m = n - k - 1;
        double *rest = a + (k + 1) * n + k + 1;
        double *x = a + k * n + k + 1; /* row k right of the diagonal */
        double length = sqrt(dot(m, x, x));
        d[k] = a[k * n + k];
        e[k] = x[0] > 0 ? -length : length;
        memcpy(v, x, (size_t)m * sizeof *v);
        v[0] -= e[k];
        double squares = dot(m, v, v);
        if (squares == 0) continue;
        double beta = 2 / squares;
        memset(w, 0, (size_t)m * sizeof *w);
        for (int64_t i = 0; i < m; i++)
            add_scaled(m, beta * v[i], rest + i * n, w);
        add_scaled(m, -beta / 2 * dot(m, v, w), v, w);
        for (int64_t i = 0; i < m; i++) {
            add_scaled(m, -v[i], w, rest + i * n);
            add_scaled(m, -w[i], v, rest + i * n);
        }
    }
    d[n - 1] = a[n * n - 1];
}

/* One step of the implicit QL iteration on rows first .. last of the tridiagonal matrix, shifted by Wilkinson. */
static void ql_step(double *d, double *e, int64_t first, int64_t last)
{
    double g = (d[first + 1] - d[first]) / (2 * e[first]);
    double s = 1;
    double c = 1;
    double shift = 0;
    g = d[last] - d[first] + e[first] / (g + copysign(hypot(g, 1), g));
    for (int64_t i = last - 1; i >= first; i--) {
        double f = s * e[i];
        double b = c * e[i];
        double r = hypot(f, g);
        if (i + 1 < last) e[i + 1] = r;
        if (r == 0) { /* it has come apart */
            d[i + 1] -= shift;
            return;
        }
        s = f / r;
        c = g / r;
        g = d[i + 1] - shift;
        r = (d[i] - g) * s + 2 * c * b;
        shift = s * r;
        d[i + 1] = g + shift;
        g = c * r - b;
    }
    d[first] -= shift;
    e[first] = g;
}

/* d [n], e [n - 1] -> eigenvalues d, to about n eps of the largest. Returns 0 if it does not converge. */
static int ql(int64_t n, double *d, double *e)
{
    double scale = 0;
    for (int64_t i = 0; i < n; i++)
        scale = fmax(scale, fabs(d[i]) + (i + 1 < n ? fabs(e[i]) : 0));
    for (int64_t first = 0; first < n; first++) {
        for (int iteration = 0;; iteration++) {
            int64_t last = first;
            while (last + 1 < n && fabs(e[last]) > DBL_EPSILON * scale)
                last++;
            if (last == first) break;
            if (iteration == QL_ITERATIONS) return 0;
            ql_step(d, e, first, last);
        }
    }
    return 1;
}

/* From the eigenvalues of the products of unit rows, which are squares of singular values. */
static double rank_of(int64_t n, const double *eigenvalue)
{
    double largest = 0;
    double sum = 0;
    double entropy = 0;
    for (int64_t i = 0; i < n; i++)
        largest = fmax(largest, eigenvalue[i]);
    double zero = (double)n * DBL_EPSILON * largest; /* below: rounding errors */
    for (int64_t i = 0; i < n; i++)
        if (eigenvalue[i] > zero) sum += sqrt(eigenvalue[i]);
    for (int64_t i = 0; i < n; i++) {
        double p = eigenvalue[i] > zero ? sqrt(eigenvalue[i]) / sum : 0;
        if (p > 0) entropy -= p * log(p);
    }
    return sum > 0 ? exp(entropy) : 0;
}

/* ---- a batch ------------------------------------------------------------------------------------------------------------------- */

int64_t fut_health_work(int64_t n, int64_t dim)
{
    return n * (dim + n + 4);
}

/* unit [dim, n]: the embeddings at length 1, as columns, so that products of rows are sums of vectors. */
static fut_spread unit_columns(const float *e, int64_t n, int64_t dim, double *unit)
{
    spread_sum norms = {0};
    for (int64_t i = 0; i < n; i++) {
        double squares = 0;
        for (int64_t k = 0; k < dim; k++)
            squares += (double)e[i * dim + k] * (double)e[i * dim + k];
        double norm = sqrt(squares);
        double scale = norm > 0 ? 1 / norm : 0;
        for (int64_t k = 0; k < dim; k++)
            unit[k * n + i] = scale * (double)e[i * dim + k];
        add_to_spread(&norms, norm);
    }
    return spread_of(&norms);
}

static void products(int64_t n, int64_t dim, const double *unit, double *gram)
{
    memset(gram, 0, (size_t)(n * n) * sizeof *gram);
    for (int64_t i = 0; i < n; i++)
        for (int64_t k = 0; k < dim; k++)
            add_scaled(n - i, unit[k * n + i], unit + k * n + i, gram + i * n + i);
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < i; j++)
            gram[i * n + j] = gram[j * n + i];
}

void fut_health_measure(const float *e, const int64_t *label, const int64_t *image, int64_t n, int64_t dim, double *work, fut_health *out)
{
    double *unit = work;
    double *gram = unit + n * dim;
    double *diagonal = gram + n * n;
    double *beside = diagonal + n;
    spread_sum positive = {0};
    spread_sum negative = {0};
    *out = (fut_health){.norm = unit_columns(e, n, dim, unit), .effective_rank = NAN};
    products(n, dim, unit, gram);
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = i + 1; j < n; j++)
            if (image[i] != image[j]) add_to_spread(label[i] == label[j] ? &positive : &negative, gram[i * n + j]);
    out->positive = spread_of(&positive);
    out->negative = spread_of(&negative);
    if (n == 0 || !isfinite(out->norm.mean)) return;
    tridiagonalise(n, gram, diagonal, beside, beside + n, beside + 2 * n);
    if (ql(n, diagonal, beside)) out->effective_rank = rank_of(n, diagonal);
}
