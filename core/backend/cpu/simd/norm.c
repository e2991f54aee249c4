/* Batch norm, activation and residual, on one plane.
 *
 * A kernel's body is written once with its activation, residual and element type as constants of an inlined function; DISPATCH makes one
 * straight loop of each combination. Sums run in f32 over CHUNK pixels and in f64 over chunks. */
#include "core/backend/cpu/simd/simd.h"
#include "core/backend/cpu/simd/vec.h"

enum { CHUNK = 256, CHAINS = 4 };

typedef enum residual_kind { RESIDUAL_NONE, RESIDUAL_INSIDE, RESIDUAL_AFTER, RESIDUAL_KINDS } residual_kind;

static int combination(const fut_simd_norm *norm)
{
    residual_kind residual = !norm->residual ? RESIDUAL_NONE : norm->residual_after ? RESIDUAL_AFTER : RESIDUAL_INSIDE;
    return ((int)norm->act * RESIDUAL_KINDS + (int)residual) * 2 + norm->bf16;
}

#define DISPATCH_TYPE(body, act, residual, ...)                                                                                            \
    case ((act)*RESIDUAL_KINDS + (residual)) * 2:                                                                                          \
        body((act), (residual), false, __VA_ARGS__);                                                                                       \
        break;                                                                                                                             \
    case ((act)*RESIDUAL_KINDS + (residual)) * 2 + 1:                                                                                      \
        body((act), (residual), true, __VA_ARGS__);                                                                                        \
        break;
#define DISPATCH_ACT(body, act, ...)                                                                                                       \
    DISPATCH_TYPE(body, act, RESIDUAL_NONE, __VA_ARGS__)                                                                                   \
    DISPATCH_TYPE(body, act, RESIDUAL_INSIDE, __VA_ARGS__)                                                                                 \
    DISPATCH_TYPE(body, act, RESIDUAL_AFTER, __VA_ARGS__)
#define DISPATCH(norm, body, ...)                                                                                                          \
    switch (combination(norm)) {                                                                                                           \
        DISPATCH_ACT(body, FUT_ACT_NONE, __VA_ARGS__)                                                                                      \
        DISPATCH_ACT(body, FUT_ACT_RELU, __VA_ARGS__)                                                                                      \
        DISPATCH_ACT(body, FUT_ACT_RELU6, __VA_ARGS__)                                                                                     \
        DISPATCH_ACT(body, FUT_ACT_SILU, __VA_ARGS__)                                                                                      \
        DISPATCH_ACT(body, FUT_ACT_PRELU, __VA_ARGS__)                                                                                     \
    }

FUT_INLINE void add_to_f64(double *sum, vec v)
{
    float lane[LANES];
    vec_store(lane, v);
    for (int l = 0; l < LANES; l++)
        sum[l] += lane[l];
}

/* Ask for pixel i of the plane that comes next: planes are small and far apart, which hides them from the processor's own look-ahead. */
FUT_INLINE void fetch(const void *plane, int64_t i, bool bf16, int64_t next)
{
    __builtin_prefetch((const char *)plane + i * LANES * (bf16 ? 2 : 4) + next, 0, 2);
}
FUT_INLINE void fetch_to_write(const void *plane, int64_t i, bool bf16, int64_t next)
{
    __builtin_prefetch((const char *)plane + i * LANES * (bf16 ? 2 : 4) + next, 1, 2);
}

/* One pass: sums of x - c and of its squares, where c is the first pixel. A sample is never further from the mean than sqrt(pixels)
 * standard deviations, and rarely than three, so little cancels. */
FUT_INLINE void stats(const void *x, int64_t pixels, bool bf16, int64_t next, double *mean, double *squares)
{
    double sum[LANES] = {0}, square[LANES] = {0};
    float centre[LANES];
    vec c = vec_load_pixel(x, 0, bf16);
    vec_store(centre, c);
    for (int64_t first = 0; first < pixels; first += CHUNK) {
        int64_t last = first + CHUNK < pixels ? first + CHUNK : pixels, i = first;
        vec s[CHAINS] = {{0}}, q[CHAINS] = {{0}};
        for (; i + CHAINS <= last; i += CHAINS)
            for (int k = 0; k < CHAINS; k++) {
                vec d = vec_load_pixel(x, i + k, bf16) - c;
                fetch(x, i + k, bf16, next);
                s[k] += d;
                q[k] += d * d;
            }
        for (; i < last; i++) {
            vec d = vec_load_pixel(x, i, bf16) - c;
            fetch(x, i, bf16, next);
            s[0] += d;
            q[0] += d * d;
        }
        add_to_f64(sum, (s[0] + s[1]) + (s[2] + s[3]));
        add_to_f64(square, (q[0] + q[1]) + (q[2] + q[3]));
    }
    for (int l = 0; l < LANES; l++) {
        double shift = sum[l] / (double)pixels;
        mean[l] = (double)centre[l] + shift;
        squares[l] = square[l] - sum[l] * shift;
    }
}

void FUT_SIMD_NAME(plane_stats)(const fut_simd_norm *norm, const void *x, int64_t pixels, double *mean, double *squares)
{
    if (norm->bf16)
        stats(x, pixels, true, norm->next, mean, squares);
    else
        stats(x, pixels, false, norm->next, mean, squares);
}

FUT_INLINE vec load_slope(fut_act_kind act, const fut_simd_norm *norm)
{
    return act == FUT_ACT_PRELU ? vec_load(norm->slope) : vec_set(0);
}

FUT_INLINE void forward(fut_act_kind act, residual_kind residual, bool bf16, const fut_simd_norm *norm, const void *x, const void *r,
                        void *y, int64_t pixels)
{
    vec scale = vec_load(norm->scale), shift = vec_load(norm->shift), slope = load_slope(act, norm);
    for (int64_t i = 0; i < pixels; i++) {
        vec z = vec_load_pixel(x, i, bf16) * scale + shift;
        fetch(x, i, bf16, norm->next);
        fetch_to_write(y, i, bf16, norm->next);
        if (residual == RESIDUAL_INSIDE) z += vec_load_pixel(r, i, bf16);
        vec value = vec_act(act, z, slope);
        if (residual == RESIDUAL_AFTER) value += vec_load_pixel(r, i, bf16);
        vec_store_pixel(y, i, value, bf16);
    }
}

void FUT_SIMD_NAME(plane_norm_act)(const fut_simd_norm *norm, const void *x, const void *r, void *y, int64_t pixels)
{
    DISPATCH(norm, forward, norm, x, r, y, pixels)
}

/* What backward knows of a pixel. */
typedef struct pixel {
    vec x, z, dy, dz;
} pixel;

FUT_INLINE pixel backward_pixel(fut_act_kind act, residual_kind residual, bool bf16, vec scale, vec shift, vec slope, const void *x,
                                const void *r, const void *dy, int64_t i)
{
    pixel p = {.x = vec_load_pixel(x, i, bf16), .dy = vec_load_pixel(dy, i, bf16)};
    p.dz = p.dy;
    if (act == FUT_ACT_NONE) return p;
    p.z = p.x * scale + shift;
    if (residual == RESIDUAL_INSIDE) p.z += vec_load_pixel(r, i, bf16);
    p.dz = vec_act_grad(act, p.z, slope, p.dy);
    return p;
}

/* What the sums of a chunk take from pixel i; chain k of them. */
#define ADD_PIXEL(i, k)                                                                                                                    \
    do {                                                                                                                                   \
        pixel p_ = backward_pixel(act, residual, bf16, scale, shift, slope, x, r, dy, (i));                                                \
        fetch(x, (i), bf16, norm->next);                                                                                                   \
        fetch(dy, (i), bf16, norm->next);                                                                                                  \
        if (dz) fetch_to_write(dz, (i), bf16, norm->next);                                                                                 \
        if (dz) vec_store_pixel(dz, (i), p_.dz, bf16);                                                                                     \
        s[k] += p_.dz;                                                                                                                     \
        q[k] += p_.dz * (p_.x - mean);                                                                                                     \
        if (act == FUT_ACT_PRELU) n[k] += vec_select(p_.z > 0, vec_set(0), p_.dy * p_.z);                                                  \
    } while (0)

FUT_INLINE void backward_sums(fut_act_kind act, residual_kind residual, bool bf16, const fut_simd_norm *norm, const void *x, const void *r,
                              const void *dy, void *dz, int64_t pixels, double *dz_sum, double *dzx_sum, double *slope_sum)
{
    vec scale = vec_load(norm->scale), shift = vec_load(norm->shift), mean = vec_load(norm->mean), slope = load_slope(act, norm);
    for (int64_t first = 0; first < pixels; first += CHUNK) {
        int64_t last = first + CHUNK < pixels ? first + CHUNK : pixels, i = first;
        vec s[CHAINS] = {{0}}, q[CHAINS] = {{0}}, n[CHAINS] = {{0}};
        for (; i + CHAINS <= last; i += CHAINS)
            for (int k = 0; k < CHAINS; k++)
                ADD_PIXEL(i + k, k);
        for (; i < last; i++)
            ADD_PIXEL(i, 0);
        add_to_f64(dz_sum, (s[0] + s[1]) + (s[2] + s[3]));
        add_to_f64(dzx_sum, (q[0] + q[1]) + (q[2] + q[3]));
        if (act == FUT_ACT_PRELU) add_to_f64(slope_sum, (n[0] + n[1]) + (n[2] + n[3]));
    }
}

void FUT_SIMD_NAME(plane_norm_act_sums)(const fut_simd_norm *norm, const void *x, const void *r, const void *dy, void *dz, int64_t pixels,
                                        double *dz_sum, double *dzx_sum, double *slope_sum)
{
    for (int l = 0; l < LANES; l++)
        dz_sum[l] = dzx_sum[l] = 0;
    for (int l = 0; norm->act == FUT_ACT_PRELU && l < LANES; l++)
        slope_sum[l] = 0;
    DISPATCH(norm, backward_sums, norm, x, r, dy, dz, pixels, dz_sum, dzx_sum, slope_sum)
}

FUT_INLINE void backward_grad(fut_act_kind act, residual_kind residual, bool bf16, const fut_simd_norm *norm, const void *x, const void *r,
                              const void *dy, void *dx, void *dr, int64_t pixels)
{
    vec scale = vec_load(norm->scale), shift = vec_load(norm->shift), slope = load_slope(act, norm);
    vec dz_coef = vec_load(norm->dz_coef), x_coef = vec_load(norm->x_coef), offset = vec_load(norm->offset);
    for (int64_t i = 0; i < pixels; i++) {
        pixel p = backward_pixel(act, residual, bf16, scale, shift, slope, x, r, dy, i);
        if (dx != dy) fetch_to_write(dx, i, bf16, norm->next);
        vec_store_pixel(dx, i, p.dz * dz_coef + (p.x * x_coef + offset), bf16);
        if (residual != RESIDUAL_NONE && dr) vec_store_pixel(dr, i, residual == RESIDUAL_AFTER ? p.dy : p.dz, bf16);
    }
}

void FUT_SIMD_NAME(plane_norm_act_grad)(const fut_simd_norm *norm, const void *x, const void *r, const void *dy, void *dx, void *dr,
                                        int64_t pixels)
{
    DISPATCH(norm, backward_grad, norm, x, r, dy, dx, dr, pixels)
}
