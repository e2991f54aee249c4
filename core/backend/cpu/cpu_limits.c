/* What this machine does at best with the backend's threads. The best of many short trials: other processes only ever take away. */
#include "core/backend/cpu/cpu_impl.h"

#include "core/base/clock.h"
#include "core/base/mem.h"

#include <string.h>

enum { TRIALS = 200, ROUNDS = 1 << 16, LAPS = 4, PIECES = 16, MAX_LANES = 16 };
static const size_t piece = (size_t)8 << 20; /* bytes copied at once; all pieces are larger than caches */

static double flops(const fut_cpu *cpu, bool bf16)
{
    double best = 0, work = 2.0 * FUT_SIMD_CHAINS * ROUNDS * cpu->simd->lanes * (bf16 ? 2 : 1) * cpu->threads;
    for (int trial = 0; trial < TRIALS; trial++) {
        double start = fut_clock_now();
#pragma omp parallel num_threads(cpu->threads)
        {
            float out[MAX_LANES] = {0};
            cpu->simd->multiply_adds(ROUNDS, bf16, out);
        }
        double rate = work / (fut_clock_now() - start);
        if (rate > best) best = rate;
    }
    return best;
}

static double bandwidth(const fut_cpu *cpu, const char *from, char *to)
{
    double best = 0;
    size_t part = piece / (size_t)cpu->threads;
    for (size_t i = 0; i < LAPS * PIECES; i++) {
        size_t at = i % PIECES * piece;
        double start = fut_clock_now();
#pragma omp parallel for num_threads(cpu->threads) schedule(static)
        for (int t = 0; t < cpu->threads; t++)
            memcpy(to + at + (size_t)t * part, from + at + (size_t)t * part, part);
        double rate = 2 * (double)part * cpu->threads / (fut_clock_now() - start);
        if (rate > best) best = rate;
    }
    return best;
}

fut_status fut_cpu_limits(fut_backend *bk, fut_dtype dtype, fut_backend_limits *limits_out)
{
    fut_status st = FUT_OK;
    const fut_cpu *cpu = fut_cpu_of(bk);
    void *from = NULL, *to = NULL;
    FUT_TRY_GOTO(fut_mem_alloc(PIECES, piece, &from), out);
    FUT_TRY_GOTO(fut_mem_alloc(PIECES, piece, &to), out);
    *limits_out = (fut_backend_limits){flops(cpu, dtype == FUT_BF16 && cpu->has_bf16), bandwidth(cpu, from, to)};
out:
    fut_mem_free(from);
    fut_mem_free(to);
    return st;
}
