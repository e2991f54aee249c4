/* Every row of kernels.def on one backend against `ref`: the one that fut_test_backend names, else `cpu`.
 *
 * Inputs are random; outputs, saved memory and scratch start as NaN, so that a place not written or read too early shows. Every block has
 * guard bytes around it, which are NaNs too, so that reading outside shows as well. Device memory is reached by upload and download alone.
 * The measure is the normalised mean square error, sum (got - want)^2 / sum want^2: below 1e-7 in f32; below 1e-4 with bf16 activations,
 * whose 8 bits of mantissa round every element by up to 2^-9, and below 2e-6 with f16, which has 11. A new row needs a function test_<row>:
 * without one this file does not compile. */
#include "core/backend/backend.h"
#include "core/base/mem.h"
#include "tests/support/support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double tolerance_f32 = 1e-7, tolerance_bf16 = 1e-4, tolerance_f16 = 2e-6;
enum { GUARD = 64, MAX_BLOCKS = 32, THREADS = 2, SIDES = 2 };

static const fut_backend_options options = {.threads = THREADS, .deterministic = true};
static fut_backend *tested, *ref;
static fut_dtype dtypes[3]; /* activations that `tested` has; f32 first */
static int dtype_count;

/* A kernel runs on both sides: 0 is the backend under test, 1 is ref. */
static fut_backend *side_of(int side)
{
    return side == 0 ? tested : ref;
}

static void put(fut_backend *bk, void *device, const void *host, size_t bytes)
{
    FUT_TEST_OK(bk->upload(bk, device, host, bytes, NULL));
    FUT_TEST_OK(bk->sync(bk, NULL));
}

static void get(fut_backend *bk, void *host, const void *device, size_t bytes)
{
    FUT_TEST_OK(bk->download(bk, host, device, bytes, NULL));
    FUT_TEST_OK(bk->sync(bk, NULL));
}

/* Device blocks of one run of a kernel. */
typedef struct blocks {
    fut_backend *bk;
    int count;
    char *base[MAX_BLOCKS];
    size_t bytes[MAX_BLOCKS];
} blocks;

/* A NaN in every floating dtype, and not 0xff alone. */
static unsigned char guard_byte(size_t k)
{
    return k % 2 ? 0xff : 0xc1;
}

static unsigned char *host_bytes(size_t bytes)
{
    unsigned char *staging = malloc(bytes);
    assert_non_null(staging);
    return staging;
}

/* A block between guards: a copy of host, or NaNs (every byte 0xff) where host is NULL. */
static void *block_of(blocks *all, const void *host, size_t bytes)
{
    assert_true(all->count < MAX_BLOCKS);
    void *base = NULL;
    unsigned char *staging = host_bytes(bytes + 2 * GUARD);
    for (size_t k = 0; k < GUARD; k++)
        staging[k] = staging[GUARD + bytes + k] = guard_byte(k);
    memset(staging + GUARD, 0xff, bytes);
    if (host) memcpy(staging + GUARD, host, bytes);
    FUT_TEST_OK(all->bk->alloc(all->bk, bytes + 2 * GUARD, &base));
    put(all->bk, base, staging, bytes + 2 * GUARD);
    free(staging);
    all->base[all->count] = base;
    all->bytes[all->count++] = bytes;
    return (char *)base + GUARD;
}

static void *block_new(blocks *all, size_t bytes)
{
    return block_of(all, NULL, bytes);
}

static void *block_f32(blocks *all, const float *host, int64_t n)
{
    return block_of(all, host, (size_t)n * sizeof(float));
}

static void blocks_release(blocks *all)
{
    for (int i = 0; i < all->count; i++) {
        size_t bytes = all->bytes[i];
        unsigned char *staging = host_bytes(bytes + 2 * GUARD);
        get(all->bk, staging, all->base[i], bytes + 2 * GUARD);
        for (size_t k = 0; k < GUARD; k++)
            if (staging[k] != guard_byte(k) || staging[GUARD + bytes + k] != guard_byte(k))
                fail_msg("block %d of %zu bytes was written outside", i, bytes);
        free(staging);
        all->bk->free(all->bk, all->base[i]);
    }
    all->count = 0;
}

/* Host arrays of a test; freed together. */
static float *held[256];
static int held_count;

static float *host_new(int64_t n)
{
    assert_true(held_count < 256);
    float *array = malloc((size_t)n * sizeof *array);
    assert_non_null(array);
    return held[held_count++] = array;
}

static void host_release(void)
{
    while (held_count > 0)
        free(held[--held_count]);
}

/* Uniform in centre +- spread, the same for a seed everywhere. */
static float *host_random(int64_t n, uint32_t seed, double centre, double spread)
{
    float *array = host_new(n);
    uint64_t state = seed * 0x9e3779b97f4a7c15u + 1;
    for (int64_t i = 0; i < n; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        array[i] = (float)(centre + spread * ((double)(state >> 40) / (double)(1 << 23) - 1));
    }
    return array;
}

static float *download(fut_backend *bk, const void *device, int64_t n)
{
    float *host = host_new(n);
    get(bk, host, device, (size_t)n * sizeof(float));
    return host;
}

static int64_t count_of(fut_shape4 s)
{
    return s.n * s.c * s.h * s.w;
}

static void check_near(const char *what, const float *got, const float *want, int64_t n, double tolerance)
{
    double error = 0, norm = 0;
    for (int64_t i = 0; i < n; i++) {
        double apart = (double)got[i] - (double)want[i];
        error += apart * apart;
        norm += (double)want[i] * (double)want[i];
    }
    if (!(error <= tolerance * norm))
        fail_msg("%s: normalised error %g of %lld values, at most %g", what, error / norm, (long long)n, tolerance);
}

static void compare(const char *kernel, int at, const char *output, const float *got, const float *want, int64_t n, double tolerance)
{
    char what[128];
    snprintf(what, sizeof what, "%s case %d, %s", kernel, at, output);
    if (got) check_near(what, got, want, n, tolerance);
}

/* ---- activations ---- */

static void *new_act(blocks *all, fut_shape4 shape, fut_dtype dtype)
{
    return block_new(all, all->bk->act_bytes(all->bk, shape, dtype));
}

static void *import_act(blocks *all, fut_shape4 shape, fut_dtype dtype, const float *plain)
{
    void *act = new_act(all, shape, dtype);
    blocks staging = {.bk = all->bk};
    void *device = block_f32(&staging, plain, count_of(shape));
    FUT_TEST_OK(all->bk->act_import(all->bk, shape, dtype, FUT_F32, device, act, NULL));
    blocks_release(&staging);
    return act;
}

/* Lanes past the channels must be zero: another kernel may read them. One channel's size tells the block; a layout without has one lane. */
static void check_padding(fut_backend *bk, fut_shape4 shape, fut_dtype dtype, const void *act)
{
    size_t element = fut_dtype_size(dtype), bytes = bk->act_bytes(bk, shape, dtype);
    int64_t lanes = (int64_t)(bk->act_bytes(bk, (fut_shape4){1, 1, 1, 1}, dtype) / element), tail = shape.c % lanes;
    if (shape.c == 3 || tail == 0) return;
    int64_t channel_blocks = shape.c / lanes + 1, pixels = shape.h * shape.w;
    unsigned char *host = host_bytes(bytes);
    get(bk, host, act, bytes);
    for (int64_t n = 0; n < shape.n; n++)
        for (int64_t i = 0; i < pixels; i++) {
            const unsigned char *pixel = host + (size_t)(((n + 1) * channel_blocks - 1) * pixels + i) * (size_t)lanes * element;
            for (size_t byte = (size_t)tail * element; byte < (size_t)lanes * element; byte++)
                if (pixel[byte] != 0) fail_msg("padding lanes of image %lld, pixel %lld are not zero", (long long)n, (long long)i);
        }
    free(host);
}

static float *export_act(fut_backend *bk, fut_shape4 shape, fut_dtype dtype, const void *act)
{
    blocks staging = {.bk = bk};
    void *device = block_new(&staging, (size_t)count_of(shape) * sizeof(float));
    check_padding(bk, shape, dtype, act);
    FUT_TEST_OK(bk->act_export(bk, shape, dtype, FUT_F32, act, device, NULL));
    float *host = download(bk, device, count_of(shape));
    blocks_release(&staging);
    return host;
}

/* What is left of x in an activation of `dtype`: the other side shall start from the same values. */
static float *as_stored(fut_shape4 shape, fut_dtype dtype, const float *x)
{
    blocks all = {.bk = tested};
    float *stored = export_act(tested, shape, dtype, import_act(&all, shape, dtype, x));
    blocks_release(&all);
    return stored;
}

static void give_op_memory(blocks *all, const fut_op *op, fut_op_args *args)
{
    args->saved = block_new(all, op->saved_bytes);
    args->scratch = block_new(all, op->scratch_bytes);
}

static fut_dtype dtype_for(const fut_backend *bk, fut_dtype dtype)
{
    return bk == ref ? FUT_F32 : dtype;
}

static double tolerance_for(fut_dtype dtype)
{
    return dtype == FUT_F32 ? tolerance_f32 : dtype == FUT_BF16 ? tolerance_bf16 : tolerance_f16;
}

/* A dtype is tested where the backend has it on this device. */
static bool has_dtype(fut_dtype dtype)
{
    fut_op *op = NULL;
    fut_status st = tested->global_pool(tested, (fut_shape4){1, 16, 2, 2}, dtype, FUT_F32, &op);
    fut_op_destroy(&op);
    fut_trail_clear();
    return st == FUT_OK;
}

static void find_dtypes(void)
{
    static const fut_dtype all[] = {FUT_F32, FUT_BF16, FUT_F16};
    for (int i = 0; i < 3; i++)
        if (has_dtype(all[i])) dtypes[dtype_count++] = all[i];
    assert_true(dtype_count > 0 && dtypes[0] == FUT_F32);
}

/* What a planned op computes, as plain f32 on the host; NULL where it has no such output. */
typedef struct results {
    float *y, *y_eval, *dx, *dresidual, *batch[2], *dparam[4];
} results;

#include "tests/conformance/kernels_immediate.inc"
#include "tests/conformance/kernels_optim.inc"
#include "tests/conformance/kernels_pairs.inc"
#include "tests/conformance/kernels_pairs_difference.inc"
#include "tests/conformance/kernels_pairs_drawn.inc"
#include "tests/conformance/kernels_planned.inc"

#include "tests/conformance/kernels_folded.inc" /* after the cases of conv */

#include "tests/conformance/kernels_device.inc"

int main(void)
{
    const struct CMUnitTest tests[] = {
#define FUT_KERNEL(name, args) cmocka_unit_test(test_##name),
#include "core/backend/kernels.def"
#undef FUT_KERNEL
        cmocka_unit_test(test_same_bits),  cmocka_unit_test(test_no_allocation),
        cmocka_unit_test(test_refusals),   cmocka_unit_test(test_memory),
        cmocka_unit_test(test_streams),    cmocka_unit_test(test_recording),
        cmocka_unit_test(test_info),       cmocka_unit_test(test_registry),
        cmocka_unit_test(test_references), cmocka_unit_test(test_similarity_rows_alone),
    };
    fut_backend_info info;
    FUT_TEST_OK(fut_backend_create(fut_test_backend("cpu"), &options, &tested));
    FUT_TEST_OK(fut_backend_create("ref", &options, &ref));
    tested->info(tested, &info);
    print_message("backend %s: %s; %s\n", tested->name, info.device, info.library);
    find_dtypes();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    fut_backend_destroy(&tested);
    fut_backend_destroy(&ref);
    return failed;
}
