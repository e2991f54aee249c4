/* Optimizers' passes over a run of parameters of one group. */
#include "core/backend/cpu/simd/simd.h"

#include <math.h>

void FUT_SIMD_NAME(adam)(int64_t n, const fut_simd_adam *k, float *restrict p, const float *restrict g, float *restrict m,
                         float *restrict v)
{
    fut_simd_adam c = *k;
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        float gradient = g[i] * c.unscale + c.weight_decay * p[i];
        float mean = m[i] + c.beta1_rest * (gradient - m[i]);
        float square = c.beta2 * v[i] + c.beta2_rest * gradient * gradient;
        m[i] = mean;
        v[i] = square;
        p[i] = p[i] * c.decay - c.step_size * (mean / (sqrtf(square) / c.correction2_sqrt + c.eps));
    }
}

void FUT_SIMD_NAME(sgd)(int64_t n, const fut_simd_sgd *k, float *restrict p, const float *restrict g, float *restrict buffer)
{
    fut_simd_sgd c = *k;
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        float gradient = g[i] * c.unscale + c.weight_decay * p[i];
        float mean = c.keep * buffer[i] + c.take * gradient;
        buffer[i] = mean;
        p[i] -= c.gradient * gradient + c.buffer * mean;
    }
}

static void schedule_free_sgd(int64_t n, const fut_simd_schedule_free *k, float *restrict y, const float *restrict g, float *restrict z)
{
    fut_simd_schedule_free c = *k;
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        float gradient = g[i] * c.unscale + c.weight_decay * y[i];
        y[i] += c.toward_z * (z[i] - y[i]) + c.y_step * gradient;
        z[i] -= c.z_step * gradient;
    }
}

static void schedule_free_adamw(int64_t n, const fut_simd_schedule_free *k, float *restrict y, const float *restrict g, float *restrict z,
                                float *restrict v)
{
    fut_simd_schedule_free c = *k;
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        float gradient = g[i] * c.unscale;
        float square = c.beta2 * v[i] + c.beta2_rest * gradient * gradient;
        v[i] = square;
        gradient = gradient / (sqrtf(square / c.correction) + c.eps) + c.weight_decay * y[i];
        y[i] += c.toward_z * (z[i] - y[i]) + c.y_step * gradient;
        z[i] -= c.z_step * gradient;
    }
}

void FUT_SIMD_NAME(schedule_free)(int64_t n, const fut_simd_schedule_free *k, float *y, const float *g, float *z, float *v)
{
    if (v != NULL)
        schedule_free_adamw(n, k, y, g, z, v);
    else
        schedule_free_sgd(n, k, y, g, z);
}
