#include "dnn_math.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#pragma GCC optimize("O3") /* -O2 leaves most loops of gcc 12 scalar */

size_t dnn_size(dnn_number number)
{
    return number == DNN_F32 ? 4 : 2;
}

void *dnn_alloc(size_t bytes)
{
    void *block = malloc(bytes ? bytes : 1);
    if (!block) {
        fprintf(stderr, "gpu double: no host memory for %zu bytes of a kernel's intermediate values\n", bytes);
        abort();
    }
    return block;
}

static float from_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

static uint32_t to_bits(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

static bool is_finite(uint32_t bits)
{
    return (bits & 0x7F800000u) != 0x7F800000u;
}

static float round_to_tf32(float value)
{
    uint32_t bits = to_bits(value);
    return is_finite(bits) ? from_bits((bits + 0x1000u) & ~0x1FFFu) : value;
}

static float f16_to_f32(uint16_t half)
{
    const uint32_t sign = (uint32_t)(half & 0x8000u) << 16, magnitude = half & 0x7FFFu;
    if (magnitude >= 0x7C00u) return from_bits(sign | 0x7F800000u | (magnitude & 0x3FFu) << 13);
    /* Exponent bias moved by a multiplication, which also makes subnormals normal; exact. */
    return from_bits(sign | to_bits(from_bits(magnitude << 13) * 0x1p112f));
}

static uint16_t f32_to_f16(float value)
{
    const uint32_t bits = to_bits(value), magnitude = bits & 0x7FFFFFFFu;
    const uint16_t sign = (uint16_t)(bits >> 16 & 0x8000u);
    if (magnitude > 0x7F800000u) return (uint16_t)(sign | 0x7E00u);
    if (magnitude >= 0x477FF000u) return (uint16_t)(sign | 0x7C00u); /* 65520 and more: infinity */
    if (magnitude < 0x38800000u)                                     /* below 2^-14: an addition rounds to multiples of 2^-24 */
        return (uint16_t)(sign | (to_bits(from_bits(magnitude) + 0.5f) - 0x3F000000u));
    return (uint16_t)(sign | ((magnitude + 0xFFFu + (magnitude >> 13 & 1u) - 0x38000000u) >> 13));
}

static float bf16_to_f32(uint16_t bits)
{
    return from_bits((uint32_t)bits << 16);
}

static uint16_t f32_to_bf16(float value)
{
    const uint32_t bits = to_bits(value);
    if ((bits & 0x7FFFFFFFu) > 0x7F800000u) return (uint16_t)(bits >> 16 | 0x40u);
    return (uint16_t)((bits + 0x7FFFu + (bits >> 16 & 1u)) >> 16);
}

void dnn_load(float *dst, const void *src, dnn_number number, int64_t count, bool tf32)
{
    const uint16_t *half = src;
    if (number == DNN_F32) {
        const float *single = src;
        for (int64_t i = 0; i < count; i++)
            dst[i] = single[i];
        for (int64_t i = 0; tf32 && i < count; i++)
            dst[i] = round_to_tf32(dst[i]);
    } else if (number == DNN_F16) {
        for (int64_t i = 0; i < count; i++)
            dst[i] = f16_to_f32(half[i]);
    } else {
        for (int64_t i = 0; i < count; i++)
            dst[i] = bf16_to_f32(half[i]);
    }
}

void dnn_store(void *dst, const float *src, dnn_number number, int64_t count)
{
    uint16_t *half = dst;
    if (number == DNN_F32) {
        memcpy(dst, src, (size_t)count * sizeof(float));
    } else if (number == DNN_F16) {
        for (int64_t i = 0; i < count; i++)
            half[i] = f32_to_f16(src[i]);
    } else {
        for (int64_t i = 0; i < count; i++)
            half[i] = f32_to_bf16(src[i]);
    }
}

/* ---- the product ---- */

enum { ROWS = 4, LANES = 8, COLUMNS = 2 * LANES };
typedef float lanes __attribute__((vector_size(LANES * sizeof(float)), aligned(sizeof(float))));

typedef struct product {
    int64_t m, n, k, first;
    const float *a;
    int64_t a_row, a_step;
    const float *b;
    int64_t b_row;
    float *c;
    int64_t c_row;
} product;

#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* A tile of ROWS x COLUMNS sums kept in registers. */
ALWAYS_INLINE void tile(const product *p, int64_t i, int64_t j)
{
    lanes sum[ROWS][2] = {0};
    for (int part = 0; part < 2; part++) {
        const int64_t end = part == 0 ? p->k : p->first;
        for (int64_t q = part == 0 ? p->first : 0; q < end; q++) {
            const float *a = p->a + i * p->a_row + q * p->a_step;
            lanes b0, b1;
            memcpy(&b0, p->b + q * p->b_row + j, sizeof(b0));
            memcpy(&b1, p->b + q * p->b_row + j + LANES, sizeof(b1));
            for (int r = 0; r < ROWS; r++) {
                const float value = a[r * p->a_row];
                sum[r][0] += value * b0;
                sum[r][1] += value * b1;
            }
        }
    }
    for (int r = 0; r < ROWS; r++)
        for (int l = 0; l < LANES; l++) {
            float *c = p->c + (i + r) * p->c_row + j;
            c[l] += sum[r][0][l];
            c[LANES + l] += sum[r][1][l];
        }
}

/* What no whole tile covers: sums in the same order. */
ALWAYS_INLINE void edge(const product *p, int64_t i_begin, int64_t i_end, int64_t j_begin, int64_t j_end)
{
    for (int64_t i = i_begin; i < i_end; i++)
        for (int64_t j0 = j_begin; j0 < j_end; j0 += COLUMNS) {
            const int64_t width = j_end - j0 < COLUMNS ? j_end - j0 : COLUMNS;
            float sum[COLUMNS] = {0};
            for (int part = 0; part < 2; part++) {
                const int64_t end = part == 0 ? p->k : p->first;
                for (int64_t q = part == 0 ? p->first : 0; q < end; q++) {
                    const float value = p->a[i * p->a_row + q * p->a_step];
                    const float *b = p->b + q * p->b_row + j0;
                    for (int64_t l = 0; l < width; l++)
                        sum[l] += value * b[l];
                }
            }
            for (int64_t l = 0; l < width; l++)
                p->c[i * p->c_row + j0 + l] += sum[l];
        }
}

ALWAYS_INLINE void multiply(const product *p)
{
    const int64_t m = p->m - p->m % ROWS, n = p->n - p->n % COLUMNS;
    for (int64_t i = 0; i < m; i += ROWS)
        for (int64_t j = 0; j < n; j += COLUMNS)
            tile(p, i, j);
    edge(p, 0, m, n, p->n);
    edge(p, m, p->m, 0, p->n);
}

#if defined(__x86_64__)
/* No FMA: both variants, and so all machines, give the same bits. */
__attribute__((target("avx2"))) static void multiply_avx2(const product *p)
{
    multiply(p);
}
#endif

static void multiply_plain(const product *p)
{
    multiply(p);
}

void dnn_multiply(int64_t m, int64_t n, int64_t k, const float *a, int64_t a_row, int64_t a_step, const float *b, int64_t b_row, float *c,
                  int64_t c_row, int64_t first)
{
    const product p = {
        .m = m, .n = n, .k = k, .first = first, .a = a, .a_row = a_row, .a_step = a_step, .b = b, .b_row = b_row, .c = c, .c_row = c_row};
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2")) {
        multiply_avx2(&p);
        return;
    }
#endif
    multiply_plain(&p);
}
