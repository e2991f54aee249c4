/* The vectorised kernels of the CPU backend, one table an instruction set; core/backend/cpu picks the table at run time.
 * Sources here are compiled once per instruction set (cmake/kernels.cmake), so nothing in them may have a fixed external name:
 * FUT_SIMD_NAME makes it. */
#ifndef FUT_CORE_BACKEND_CPU_SIMD_H
#define FUT_CORE_BACKEND_CPU_SIMD_H

#include "core/backend/backend.h"

/* What norm_act's planes share, for one block of channels. */
typedef struct fut_simd_norm {
    fut_act_kind act;
    bool residual, residual_after, bf16;
    const float *scale, *shift;             /* z = scale x + shift */
    const float *slope;                     /* prelu only */
    const float *mean;                      /* sums only */
    const float *dz_coef, *x_coef, *offset; /* grad only */
    int64_t next;                           /* bytes from this plane to the one that comes after it, of every operand */
} fut_simd_norm;

/* A max pool of planes [h, w, lanes] to [out_h, out_w, lanes]. */
typedef struct fut_simd_pool {
    int64_t h, w, out_h, out_w, kernel, stride, pad;
    bool bf16;
} fut_simd_pool;

/* A depthwise convolution of planes [h, w, lanes] to [out_h, out_w, lanes]. */
typedef struct fut_simd_depthwise {
    int64_t h, w, out_h, out_w, k, stride, pad_top, pad_left;
    bool bf16;
} fut_simd_depthwise;

/* c [rows, cols] = alpha a [rows, k] b [k, cols] + bias [cols], by strides: a's element (r, i) is a[pick[r] * a_row + i * a_col], its row r
 * where pick is NULL; b's (i, c) is b[i * b_row + c * b_col]; bias may be NULL. An element's bits depend on its row of a and its column of
 * b only, not on the block it is computed in. */
typedef struct fut_simd_matmul {
    int64_t rows, cols, k;
    const int64_t *pick;
    const float *a;
    int64_t a_row, a_col;
    const float *b;
    int64_t b_row, b_col;
    float *c;
    int64_t c_row;
    float alpha;
    const float *bias;
} fut_simd_matmul;
enum { FUT_SIMD_MATMUL_ROWS = 128 }; /* of a block: they lie packed on the stack */

/* Constants of one Adam step; torch.optim.Adam and AdamW. */
typedef struct fut_simd_adam {
    float unscale;      /* g *= unscale */
    float decay;        /* p *= decay (decoupled), else 1 */
    float weight_decay; /* g += weight_decay p (coupled), else 0 */
    float beta1_rest, beta2, beta2_rest, eps;
    float step_size;        /* lr / (1 - beta1^t) */
    float correction2_sqrt; /* sqrt(1 - beta2^t) */
} fut_simd_adam;

/* Constants of one step of torch.optim.SGD. */
typedef struct fut_simd_sgd {
    float unscale, weight_decay; /* g = unscale g + weight_decay p */
    float keep, take;            /* buffer = keep buffer + take g */
    float gradient, buffer;      /* p -= gradient g + buffer buffer */
} fut_simd_sgd;

/* Constants of one schedule-free step. */
typedef struct fut_simd_schedule_free {
    float unscale, weight_decay;
    float beta2, beta2_rest, correction, eps; /* AdamW: g / (sqrt(v / correction) + eps) */
    float toward_z;                           /* y += toward_z (z - y) */
    float y_step, z_step;                     /* y += y_step g, z -= z_step g */
} fut_simd_schedule_free;

enum { FUT_SIMD_CHAINS = 12 }; /* of multiply_adds: more than a processor has in flight */

typedef struct fut_simd {
    const char *isa;
    int lanes; /* channels of one block of an activation */
#define FUT_SIMD(name, args) void(*name) args;
#include "core/backend/cpu/simd/simd.def"
#undef FUT_SIMD
} fut_simd;

extern const fut_simd fut_simd_table_sse2, fut_simd_table_avx2, fut_simd_table_avx512;

#define FUT_SIMD_PASTE2(a, b) a##_##b
#define FUT_SIMD_PASTE(a, b) FUT_SIMD_PASTE2(a, b)
#define FUT_SIMD_NAME(name) FUT_SIMD_PASTE(fut_simd_##name, FUT_ISA)

#ifdef FUT_ISA
#define FUT_SIMD(name, args) void FUT_SIMD_NAME(name) args;
#include "core/backend/cpu/simd/simd.def"
#undef FUT_SIMD
#endif

#endif
