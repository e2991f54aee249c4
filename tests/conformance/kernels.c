/* Every row of kernels.def on the `cpu` backend against `ref`.
 *
 * Inputs are random; outputs, saved memory and scratch start as NaN, so that a place not written or read too early shows. Every block has
 * guard bytes around it. The measure is the normalised mean square error, sum (got - want)^2 / sum want^2: below 1e-7 in f32, and below
 * 1e-4 with bf16 activations, whose 8 bits of mantissa round every element by up to 2^-9. A new row needs a function test_<row>: without
 * one this file does not compile. */
#include "core/backend/backend.h"
#include "core/base/mem.h"
#include "tests/support/support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double tolerance_f32 = 1e-7, tolerance_bf16 = 1e-4;
enum { GUARD = 64, GUARD_BYTE = 0xa5, MAX_BLOCKS = 32, THREADS = 2 };

static fut_backend *cpu, *ref;

/* Device blocks of one run of a kernel. */
typedef struct blocks {
    fut_backend *bk;
    int count;
    char *base[MAX_BLOCKS];
    size_t bytes[MAX_BLOCKS];
} blocks;

/* A block of NaNs (every byte 0xff) between guards. */
static void *block_new(blocks *all, size_t bytes)
{
    assert_true(all->count < MAX_BLOCKS);
    void *base = NULL;
    FUT_TEST_OK(all->bk->alloc(all->bk, bytes + 2 * GUARD, &base));
    memset(base, GUARD_BYTE, bytes + 2 * GUARD);
    memset((char *)base + GUARD, 0xff, bytes);
    all->base[all->count] = base;
    all->bytes[all->count++] = bytes;
    return (char *)base + GUARD;
}

static void *block_of(blocks *all, const void *host, size_t bytes)
{
    void *device = block_new(all, bytes);
    FUT_TEST_OK(all->bk->upload(all->bk, device, host, bytes, NULL));
    return device;
}

static void blocks_release(blocks *all)
{
    for (int i = 0; i < all->count; i++) {
        for (size_t k = 0; k < GUARD; k++)
            if ((unsigned char)all->base[i][k] != GUARD_BYTE || (unsigned char)all->base[i][GUARD + all->bytes[i] + k] != GUARD_BYTE)
                fail_msg("block %d of %zu bytes was written outside", i, all->bytes[i]);
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

static void *import_act(blocks *all, fut_shape4 shape, fut_dtype dtype, const float *plain)
{
    void *act = block_new(all, all->bk->act_bytes(all->bk, shape, dtype));
    blocks staging = {.bk = all->bk};
    void *device = block_of(&staging, plain, (size_t)count_of(shape) * sizeof(float));
    FUT_TEST_OK(all->bk->act_import(all->bk, shape, dtype, FUT_F32, device, act, NULL));
    blocks_release(&staging);
    return act;
}

static void *new_act(blocks *all, fut_shape4 shape, fut_dtype dtype)
{
    return block_new(all, all->bk->act_bytes(all->bk, shape, dtype));
}

/* Lanes past the channels must be zero: another kernel may read them. One channel's size tells the block. */
static void check_padding(fut_backend *bk, fut_shape4 shape, fut_dtype dtype, const void *act)
{
    size_t element = fut_dtype_size(dtype);
    int64_t lanes = (int64_t)(bk->act_bytes(bk, (fut_shape4){1, 1, 1, 1}, dtype) / element), tail = shape.c % lanes;
    if (shape.c == 3 || tail == 0) return;
    int64_t channel_blocks = shape.c / lanes + 1, pixels = shape.h * shape.w;
    for (int64_t n = 0; n < shape.n; n++)
        for (int64_t i = 0; i < pixels; i++) {
            const char *pixel = (const char *)act + (size_t)(((n + 1) * channel_blocks - 1) * pixels + i) * (size_t)lanes * element;
            for (size_t byte = (size_t)tail * element; byte < (size_t)lanes * element; byte++)
                if (pixel[byte] != 0) fail_msg("padding lanes of image %lld, pixel %lld are not zero", (long long)n, (long long)i);
        }
}

static float *export_act(fut_backend *bk, fut_shape4 shape, fut_dtype dtype, const void *act)
{
    blocks staging = {.bk = bk};
    float *host = host_new(count_of(shape));
    size_t bytes = (size_t)count_of(shape) * sizeof(float);
    void *device = block_new(&staging, bytes);
    check_padding(bk, shape, dtype, act);
    FUT_TEST_OK(bk->act_export(bk, shape, dtype, FUT_F32, act, device, NULL));
    FUT_TEST_OK(bk->download(bk, host, device, bytes, NULL));
    blocks_release(&staging);
    return host;
}

/* What is left of x in an activation of `dtype`: the other side shall start from the same values. */
static float *as_stored(fut_shape4 shape, fut_dtype dtype, const float *x)
{
    blocks all = {.bk = cpu};
    float *stored = export_act(cpu, shape, dtype, import_act(&all, shape, dtype, x));
    blocks_release(&all);
    return stored;
}

static float *download(fut_backend *bk, const void *device, int64_t n)
{
    float *host = host_new(n);
    FUT_TEST_OK(bk->download(bk, host, device, (size_t)n * sizeof(float), NULL));
    return host;
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
    return dtype == FUT_F32 ? tolerance_f32 : tolerance_bf16;
}

/* bf16 is tested where the processor has it. */
static bool has_bf16(void)
{
    fut_op *op = NULL;
    fut_status st = cpu->global_pool(cpu, (fut_shape4){1, 16, 2, 2}, FUT_BF16, FUT_F32, &op);
    fut_op_destroy(&op);
    fut_trail_clear();
    return st == FUT_OK;
}

/* What a planned op computes, as plain f32 on the host; NULL where it has no such output. */
typedef struct results {
    float *y, *y_eval, *dx, *dresidual, *batch[2], *dparam[4];
} results;

static void compare(const char *kernel, int at, const char *output, const float *got, const float *want, int64_t n, double tolerance)
{
    char what[128];
    snprintf(what, sizeof what, "%s case %d, %s", kernel, at, output);
    if (got) check_near(what, got, want, n, tolerance);
}

#include "tests/conformance/kernels_immediate.inc"
#include "tests/conformance/kernels_planned.inc"

/* ---- what belongs to no row ---- */

static void test_refusals(void **state)
{
    (void)state;
    fut_op *op = NULL;
    fut_shape4 shape = {2, 16, 4, 4};
    fut_conv_desc conv = {.x = shape, .out_c = 16, .kh = 1, .kw = 1, .stride = 1, .groups = 1, .dtype = FUT_F32, .real = FUT_F64};
    FUT_TEST_FAILS(cpu->conv(cpu, &conv, &op), FUT_ERR_UNSUPPORTED, "cpu backend, conv: parameters of f64");
    conv.real = FUT_F32;
    conv.groups = 2;
    FUT_TEST_FAILS(cpu->conv(cpu, &conv, &op), FUT_ERR_UNSUPPORTED, "2 groups");
    conv.groups = 1;
    conv.kh = 7;
    FUT_TEST_FAILS(cpu->conv(cpu, &conv, &op), FUT_ERR_SHAPE, "does not fit");
    FUT_TEST_FAILS(cpu->global_pool(cpu, shape, FUT_F16, FUT_F32, &op), FUT_ERR_UNSUPPORTED, "activations of f16");
    if (!has_bf16()) FUT_TEST_FAILS(cpu->global_pool(cpu, shape, FUT_BF16, FUT_F32, &op), FUT_ERR_UNSUPPORTED, "no avx512_bf16");
    assert_null(op);
}

static void test_registry(void **state)
{
    (void)state;
    fut_backend *bk = NULL;
    fut_backend_info info;
    FUT_TEST_FAILS(fut_backend_create("cpuu", 1, &bk), FUT_ERR_CONFIG, "did you mean 'cpu'");
    FUT_TEST_FAILS(fut_backend_create("quantum", 1, &bk), FUT_ERR_CONFIG, "'auto' takes the best");
    FUT_TEST_FAILS(fut_backend_create("cpu", 0, &bk), FUT_ERR_CONFIG, "0 threads");
    assert_null(bk);
    FUT_TEST_OK(fut_backend_create("auto", 1, &bk));
    bk->info(bk, &info);
    print_message("  %s; %s; %d thread, %zu MB free\n", info.device, info.library, info.threads, info.bytes_free >> 20);
    assert_int_equal(info.threads, 1);
    assert_non_null(strstr(info.library, "oneDNN"));
    assert_true(info.bytes_free > 0);
    fut_backend_destroy(&bk);
    assert_null(bk);
    fut_backend_destroy(&bk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define FUT_KERNEL(name, args) cmocka_unit_test(test_##name),
#include "core/backend/kernels.def"
#undef FUT_KERNEL
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_no_allocation),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_registry),
    };
    FUT_TEST_OK(fut_backend_create("cpu", THREADS, &cpu));
    FUT_TEST_OK(fut_backend_create("ref", 1, &ref));
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    fut_backend_destroy(&cpu);
    fut_backend_destroy(&ref);
    return failed;
}
