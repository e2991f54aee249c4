/* Arithmetic that the cuDNN and the cuBLASLt double share: numbers as the device stores them, and one matrix product in f32. Runs on the
 * streams' workers: no state. */
#ifndef GPU_DOUBLE_DNN_MATH_H
#define GPU_DOUBLE_DNN_MATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum dnn_number { DNN_F32, DNN_F16, DNN_BF16 } dnn_number;

size_t dnn_size(dnn_number number);

/* count numbers at src, as f32; with tf32 rounded to 10 bits of mantissa (nearest, ties away: what tensor cores see of an f32). */
void dnn_load(float *dst, const void *src, dnn_number number, int64_t count, bool tf32);

/* Rounds to nearest even. */
void dnn_store(void *dst, const float *src, dnn_number number, int64_t count);

/* c[m, n] += a[m, k] b[k, n]. a(i, p) is a[i * a_row + p * a_step]; b and c have contiguous rows, b_row and c_row apart. Every sum runs
 * over p in the order first, first + 1, ..., k - 1, 0, ..., first - 1: the same first gives the same bits, another first (mostly) others.
 */
void dnn_multiply(int64_t m, int64_t n, int64_t k, const float *a, int64_t a_row, int64_t a_step, const float *b, int64_t b_row, float *c,
                  int64_t c_row, int64_t first);

/* malloc or abort: the double has no way to report that it has no memory itself. */
void *dnn_alloc(size_t bytes);

#endif
