/* The CPU backend's convolutions of many photos, which it may compute part by part: scratch does not grow with them, and what comes out is
 * what photos give alone. */
#include "core/backend/backend.h"
#include "core/base/mem.h"
#include "tests/support/support.h"

#include <string.h>

/* Winograd on AVX-512, in parts and a rest. */
enum { PHOTOS = 35, CHANNELS = 48, OUT = 192, SIZE = 14, X = CHANNELS * SIZE * SIZE, Y = OUT * SIZE * SIZE, W = OUT * CHANNELS * 9 };

static fut_backend *bk;

static float *numbers(int64_t n, uint64_t seed)
{
    float *array = NULL;
    FUT_TEST_OK(FUT_NEW_ARRAY(n, &array));
    uint64_t state = seed;
    for (int64_t i = 0; i < n; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        array[i] = (float)(state >> 40) / (float)(1 << 23) - 1;
    }
    return array;
}

static fut_op *conv_of(int64_t n)
{
    fut_op *op = NULL;
    fut_conv_desc desc = {.x = {n, CHANNELS, SIZE, SIZE},
                          .out_c = OUT,
                          .kh = 3,
                          .kw = 3,
                          .stride = 1,
                          .pad_top = 1,
                          .pad_left = 1,
                          .pad_bottom = 1,
                          .pad_right = 1,
                          .groups = 1,
                          .dtype = FUT_F32,
                          .real = FUT_F32,
                          .need_dx = true};
    FUT_TEST_OK(bk->conv(bk, &desc, &op));
    return op;
}

/* All passes of a convolution; channels are whole blocks, so that a photo's activation is X or Y numbers whatever their order. */
static void run(fut_op *op, const float *x, const float *w, const float *dy, float *y, float *dx, float *dw)
{
    fut_op_args args = {.x = x, .y = y, .dy = dy, .dx = dx, .param = {w}, .dparam = {dw}};
    FUT_TEST_OK(bk->alloc(bk, op->scratch_bytes, &args.scratch));
    memset(args.scratch, 0xff, op->scratch_bytes);
    FUT_TEST_OK(op->ops->prepare(op, &args));
    FUT_TEST_OK(op->ops->forward(op, &args));
    FUT_TEST_OK(op->ops->backward_data(op, &args));
    FUT_TEST_OK(op->ops->backward_params(op, &args));
    bk->free(bk, args.scratch);
}

static void photos_are_alone_in_a_batch(void **state)
{
    (void)state;
    float *x = numbers((int64_t)PHOTOS * X, 1), *w = numbers(W, 2), *dy = numbers((int64_t)PHOTOS * Y, 3);
    float *y = numbers((int64_t)PHOTOS * Y, 4), *dx = numbers((int64_t)PHOTOS * X, 5), *dw = numbers(W, 6);
    float *y_alone = numbers(Y, 7), *dx_alone = numbers(X, 8), *dw_alone = numbers(W, 9), *dw_sum = NULL;
    FUT_TEST_OK(FUT_NEW_ARRAY(W, &dw_sum));
    fut_op *together = conv_of(PHOTOS), *alone = conv_of(1);
    run(together, x, w, dy, y, dx, dw);
    for (int i = 0; i < PHOTOS; i++) {
        run(alone, x + (int64_t)i * X, w, dy + (int64_t)i * Y, y_alone, dx_alone, dw_alone);
        FUT_TEST_CLOSE_F32(y + (int64_t)i * Y, y_alone, Y, 0, 2e-4);
        FUT_TEST_CLOSE_F32(dx + (int64_t)i * X, dx_alone, X, 0, 4e-4);
        for (int k = 0; k < W; k++)
            dw_sum[k] += dw_alone[k];
    }
    FUT_TEST_CLOSE_F32(dw, dw_sum, W, 0, 2e-3);
    fut_op_destroy(&together);
    fut_op_destroy(&alone);
    float *blocks[] = {x, w, dy, y, dx, dw, y_alone, dx_alone, dw_alone, dw_sum};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        fut_mem_free(blocks[i]);
}

static void scratch_does_not_grow_with_photos(void **state)
{
    (void)state;
    fut_op *op = conv_of(PHOTOS), *twice = conv_of((int64_t)2 * PHOTOS);
    assert_true(twice->scratch_bytes <= op->scratch_bytes);
    fut_op_destroy(&op);
    fut_op_destroy(&twice);
}

static int open_backend(void **state)
{
    (void)state;
    fut_backend_options options = {.threads = 2, .deterministic = true};
    FUT_TEST_OK(fut_backend_create("cpu", &options, &bk));
    return 0;
}

static int close_backend(void **state)
{
    (void)state;
    fut_backend_destroy(&bk);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(photos_are_alone_in_a_batch),
        cmocka_unit_test(scratch_does_not_grow_with_photos),
    };
    return cmocka_run_group_tests(tests, open_backend, close_backend);
}
