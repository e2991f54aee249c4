/* Flat vectors: one pass over memory each. */
#include "core/backend/cpu/simd/simd.h"

/* In f64, over 16 chains that are added in order: the order depends on n alone. */
void FUT_SIMD_NAME(dot)(int64_t n, const float *x, const float *y, double *dot_out)
{
    enum { CHAINS = 16 };
    double chain[CHAINS] = {0}, sum = 0;
    int64_t i = 0;
    for (; i + CHAINS <= n; i += CHAINS)
        for (int k = 0; k < CHAINS; k++)
            chain[k] += (double)x[i + k] * (double)y[i + k];
    for (; i < n; i++)
        sum += (double)x[i] * (double)y[i];
    for (int k = 0; k < CHAINS; k++)
        sum += chain[k];
    *dot_out = sum;
}

void FUT_SIMD_NAME(axpby)(int64_t n, double a, const float *x, double b, float *y)
{
    if (b == 0) {
#pragma omp simd
        for (int64_t i = 0; i < n; i++)
            y[i] = (float)(a * (double)x[i]);
        return;
    }
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        y[i] = (float)(a * (double)x[i] + b * (double)y[i]);
}
