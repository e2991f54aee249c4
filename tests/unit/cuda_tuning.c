/* Choices of convolution algorithms: their text, who may read it, the cache file, and that a choice made earlier is the one that runs.
 * Runs on cuda alone, the GPU double's or a real one. */
#include "core/backend/backend.h"
#include "core/base/file.h"
#include "core/base/hash.h"
#include "tests/support/support.h"

#include <dirent.h>
#include <dlfcn.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static fut_backend *new_backend(const char *cache_folder)
{
    fut_backend *bk = NULL;
    fut_backend_options options = {.threads = 1, .deterministic = true, .cache_folder = cache_folder};
    FUT_TEST_OK(fut_backend_create("cuda", &options, &bk));
    return bk;
}

/* TensorFlow's padding at stride 2: 0 before, 1 after. */
static const fut_conv_desc desc = {.x = {2, 16, 8, 6},
                                   .out_c = 24,
                                   .kh = 3,
                                   .kw = 3,
                                   .stride = 2,
                                   .pad_bottom = 1,
                                   .pad_right = 1,
                                   .groups = 1,
                                   .dtype = FUT_BF16,
                                   .real = FUT_F32,
                                   .need_dx = true};
enum { X = 2 * 16 * 8 * 6, W = 24 * 16 * 3 * 3, Y = 2 * 24 * 4 * 3 };
static const fut_shape4 y_shape = {2, 24, 4, 3};

static void plan(fut_backend *bk)
{
    fut_op *op = NULL;
    FUT_TEST_OK(bk->conv(bk, &desc, &op));
    fut_op_destroy(&op);
}

static char *choices_of(fut_backend *bk)
{
    fut_str text = {0};
    FUT_TEST_OK(bk->tuning_get(bk, &text));
    char *copy = strdup(fut_str_text(&text));
    assert_non_null(copy);
    fut_str_fini(&text);
    return copy;
}

/* What a fresh backend chooses. */
static char *fresh_choices(void)
{
    fut_backend *bk = new_backend(NULL);
    plan(bk);
    char *text = choices_of(bk);
    fut_backend_destroy(&bk);
    return text;
}

/* `text` with its one `from` made `to`, and the checksum right again. The caller frees. */
static char *edited(const char *text, const char *from, const char *to)
{
    fut_str all = {0};
    const char *at = strstr(text, from);
    assert_non_null(at);
    FUT_TEST_OK(fut_str_append(&all, text, (size_t)(at - text)));
    FUT_TEST_OK(fut_str_printf(&all, "%s%s", to, at + strlen(from)));
    char *checksum = strstr(all.data, "checksum ");
    assert_non_null(checksum);
    (void)snprintf(checksum + 9, 17, "%016" PRIx64, fut_hash_xxh3(all.data, (size_t)(checksum - all.data)));
    checksum[25] = '\n';
    char *copy = strdup(all.data);
    assert_non_null(copy);
    fut_str_fini(&all);
    return copy;
}

/* The line of `text` that begins with `start`, with its end. The caller frees. */
static char *line_of(const char *text, const char *start)
{
    const char *at = strstr(text, start);
    assert_non_null(at);
    char *line = strndup(at, strcspn(at, "\n") + 1);
    assert_non_null(line);
    return line;
}

/* ---- text ---- */

static void test_text(void **state)
{
    (void)state;
    fut_backend *bk = new_backend(NULL);
    char *empty = choices_of(bk);
    assert_string_equal(empty, "");
    plan(bk);
    char *text = choices_of(bk);
    print_message("%s", text);
    for (int i = 0; i < 3; i++) {
        static const char *const starts[] = {"forward bf16 x 2,16,8,6 w 24,3,3 stride 2 pad 0,0,1,1 deterministic = engine ",
                                             "backward-data bf16 x 2,16,8,6", "backward-filter bf16 x 2,16,8,6"};
        assert_non_null(strstr(text, starts[i]));
    }
    plan(bk); /* the same shape again */
    char *again = choices_of(bk);
    assert_string_equal(again, text);
    fut_backend_destroy(&bk);

    bk = new_backend(NULL);
    FUT_TEST_OK(bk->tuning_set(bk, text));
    char *taken = choices_of(bk);
    assert_string_equal(taken, text);
    FUT_TEST_OK(bk->tuning_set(bk, ""));
    fut_backend_destroy(&bk);
    free(empty);
    free(text);
    free(again);
    free(taken);
}

static void refuse(const char *text, const char *message)
{
    fut_backend *bk = new_backend(NULL);
    FUT_TEST_FAILS(bk->tuning_set(bk, text), FUT_ERR_CONFIG, message);
    char *left = choices_of(bk);
    assert_string_equal(left, "");
    free(left);
    fut_backend_destroy(&bk);
}

/* `text` edited. */
static void refuse_edited(const char *text, const char *from, const char *to, const char *message)
{
    char *changed = edited(text, from, to);
    refuse(changed, message);
    free(changed);
}

static void test_refusals(void **state)
{
    (void)state;
    char *text = fresh_choices(), *gpu = line_of(text, "gpu "), message[512];
    refuse("hello\n", "'hello' are no choices of convolution algorithms");
    refuse("hello", "end too early");
    (void)snprintf(message, sizeof message, "chosen for gpu 'Tesla K80' and do not fit gpu '%.*s'", (int)strlen(gpu) - 5, gpu + 4);
    refuse_edited(text, gpu, "gpu Tesla K80\n", message);
    refuse_edited(text, "driver ", "driver 9", "chosen for driver '9");
    refuse_edited(text, "cudnn ", "cudnn 8", "chosen for cudnn '8");
    refuse_edited(text, "cudnn ", "cuddly ", "line 4: 'cuddly ");
    refuse_edited(text, " = engine ", " = motor ", "line 5: 'forward ");
    refuse_edited(text, " = engine ", " = engine x", "is not 'shape = engine N");
    refuse_edited(text, " = engine ", " = engine -1", "is not 'shape = engine N");
    refuse_edited(text, " = engine ", " = padded = engine ", "is not 'shape = engine N");
    refuse_edited(text, " = engine ", " = knobs 1 engine ", "is not 'shape = engine N");
    refuse_edited(text, " = engine ", " = engine 1 padding engine ", "is not 'shape = engine N");
    char *cut = strndup(text, strlen(text) - strlen("checksum 0123456789abcdef\n"));
    refuse(cut, "end too early");
    free(cut);
    char *damaged = strdup(text);
    *strstr(damaged, "2,16,8,6") = '3';
    refuse(damaged, "damaged: checksum ");
    free(damaged);
    char *longer = malloc(strlen(text) + 8);
    (void)snprintf(longer, strlen(text) + 8, "%smore\n", text);
    refuse(longer, "damaged: checksum ");
    free(longer);
    free(text);
    free(gpu);
}

/* ---- what a choice does ---- */

/* How often the GPU double was asked for a time; -1 on a real GPU. */
static int64_t times_asked(void)
{
    const char *folder = getenv("FUTAGO_MODULES");
    char path[FUT_TEST_PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/libgpu_double.so", folder ? folder : "");
    void *library = dlopen(path, RTLD_NOW | RTLD_NOLOAD);
    if (!library) return -1;
    uint64_t (*calls)(const char *) = NULL;
    *(void **)&calls = dlsym(library, "gpu_double_calls");
    assert_non_null(calls);
    int64_t times = (int64_t)calls("cudaEventElapsedTime");
    dlclose(library);
    return times;
}

static void *device_of(fut_backend *bk, const void *host, size_t bytes)
{
    void *device = NULL;
    FUT_TEST_OK(bk->alloc(bk, bytes, &device));
    if (host) FUT_TEST_OK(bk->upload(bk, device, host, bytes, NULL));
    FUT_TEST_OK(bk->sync(bk, NULL));
    return device;
}

static void *activation_of(fut_backend *bk, fut_shape4 shape, const float *plain)
{
    void *act = device_of(bk, NULL, bk->act_bytes(bk, shape, desc.dtype));
    void *device = device_of(bk, plain, (size_t)(shape.n * shape.c * shape.h * shape.w) * sizeof(float));
    FUT_TEST_OK(bk->act_import(bk, shape, desc.dtype, FUT_F32, device, act, NULL));
    FUT_TEST_OK(bk->sync(bk, NULL));
    bk->free(bk, device);
    return act;
}

static void export_to(fut_backend *bk, fut_shape4 shape, const void *act, float *plain)
{
    size_t bytes = (size_t)(shape.n * shape.c * shape.h * shape.w) * sizeof(float);
    void *device = device_of(bk, NULL, bytes);
    FUT_TEST_OK(bk->act_export(bk, shape, desc.dtype, FUT_F32, act, device, NULL));
    FUT_TEST_OK(bk->download(bk, plain, device, bytes, NULL));
    FUT_TEST_OK(bk->sync(bk, NULL));
    bk->free(bk, device);
}

/* What all passes give for inputs of small integers, whose products and sums bf16's passes hold exactly in f32. */
typedef struct outcome {
    float y[Y], dx[X], dw[W];
    char impl[128];
} outcome;

static float *integers(int64_t n, int64_t step, int64_t period)
{
    float *array = malloc((size_t)n * sizeof *array);
    assert_non_null(array);
    int64_t half = period / 2;
    for (int64_t i = 0; i < n; i++)
        array[i] = (float)(i * step % period - half);
    return array;
}

static void run(fut_backend *bk, outcome *out)
{
    fut_op *op = NULL;
    float *x = integers(X, 7, 5), *w = integers(W, 11, 3), *dy = integers(Y, 13, 7);
    FUT_TEST_OK(bk->conv(bk, &desc, &op));
    void *weight = device_of(bk, w, sizeof out->dw);
    fut_op_args args = {
        .x = activation_of(bk, desc.x, x),
        .y = device_of(bk, NULL, bk->act_bytes(bk, y_shape, desc.dtype)),
        .param = {weight},
        .dy = activation_of(bk, y_shape, dy),
        .dx = device_of(bk, NULL, bk->act_bytes(bk, desc.x, desc.dtype)),
        .dparam = {device_of(bk, NULL, sizeof out->dw)},
        .scratch = device_of(bk, NULL, op->scratch_bytes),
    };
    FUT_TEST_OK(op->ops->prepare(op, &args));
    FUT_TEST_OK(op->ops->forward(op, &args));
    FUT_TEST_OK(op->ops->backward_data(op, &args));
    FUT_TEST_OK(op->ops->backward_params(op, &args));
    export_to(bk, y_shape, args.y, out->y);
    export_to(bk, desc.x, args.dx, out->dx);
    FUT_TEST_OK(bk->download(bk, out->dw, args.dparam[0], sizeof out->dw, NULL));
    FUT_TEST_OK(bk->sync(bk, NULL));
    (void)snprintf(out->impl, sizeof out->impl, "%s", op->impl);
    fut_op_destroy(&op);
    void *blocks[] = {(void *)args.x, args.y, weight, (void *)args.dy, args.dx, args.dparam[0], args.scratch};
    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++)
        bk->free(bk, blocks[i]);
    free(x);
    free(w);
    free(dy);
}

static outcome want, got;

/* The passes give the same numbers under the choices of `text`, without measuring. */
static void run_as(const char *text)
{
    fut_backend *bk = new_backend(NULL);
    FUT_TEST_OK(bk->tuning_set(bk, text));
    int64_t before = times_asked();
    run(bk, &got);
    char *after = choices_of(bk);
    assert_int_equal(times_asked(), before);
    assert_string_equal(after, text);
    FUT_TEST_CLOSE_F32(got.y, want.y, Y, 0.01, 0);
    FUT_TEST_CLOSE_F32(got.dx, want.dx, X, 0.01, 0);
    FUT_TEST_CLOSE_F32(got.dw, want.dw, W, 0.01, 0);
    free(after);
    fut_backend_destroy(&bk);
}

static void test_choice_is_taken(void **state)
{
    (void)state;
    fut_backend *bk = new_backend(NULL);
    int64_t before = times_asked();
    run(bk, &want);
    if (before >= 0) assert_true(times_asked() > before);
    char *text = choices_of(bk);
    fut_backend_destroy(&bk);
    run_as(text);
    assert_string_equal(got.impl, want.impl);

    /* Padding that differs on two sides, and an image padded before: each works in place of the other. */
    static const char *const starts[] = {"forward ", "backward-data ", "backward-filter "};
    for (int i = 0; i < 3; i++) {
        char *line = line_of(text, starts[i]), other[512], *padded = strstr(line, " padded");
        int length = (int)(padded ? padded - line : (long)strlen(line) - 1);
        (void)snprintf(other, sizeof other, "%.*s%s\n", length, line, padded ? "" : " padded");
        char *changed = edited(text, line, other);
        run_as(changed);
        free(changed);
        free(line);
    }
    free(text);
}

/* An engine that is none: chosen anew, with a warning. */
static void test_choice_is_stale(void **state)
{
    (void)state;
    char *text = fresh_choices(), *stale = edited(text, " = engine ", " = engine 9999");
    fut_backend *bk = new_backend(NULL);
    FUT_TEST_OK(bk->tuning_set(bk, stale));
    run(bk, &got);
    FUT_TEST_CLOSE_F32(got.y, want.y, Y, 0.01, 0);
    char *after = choices_of(bk);
    assert_null(strstr(after, " = engine 9999"));
    free(after);
    free(stale);
    free(text);
    fut_backend_destroy(&bk);
}

/* ---- the cache ---- */

/* Path of the one file in `folder`. */
static void only_file(const char *folder, char *path_out)
{
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    int files = 0;
    for (struct dirent *at = readdir(dir); at; at = readdir(dir)) {
        if (at->d_name[0] == '.') continue;
        (void)snprintf(path_out, FUT_TEST_PATH_MAX, "%s/%s", folder, at->d_name);
        files++;
    }
    closedir(dir);
    assert_int_equal(files, 1);
}

static void check_file(const char *path, const char *text)
{
    fut_str found = {0};
    FUT_TEST_OK(fut_file_read(path, 1 << 20, &found));
    assert_string_equal(fut_str_text(&found), text);
    fut_str_fini(&found);
}

static void test_cache(void **state)
{
    (void)state;
    fut_test_dir dir = {0};
    char folder[FUT_TEST_PATH_MAX], file[FUT_TEST_PATH_MAX];
    fut_test_dir_create(&dir);
    (void)fut_test_dir_path(&dir, "a/b", folder);

    fut_backend *bk = new_backend(folder);
    plan(bk);
    fut_backend_destroy(&bk); /* nobody asked for the text */
    only_file(folder, file);
    print_message("  %s\n", file);

    bk = new_backend(folder);
    char *text = choices_of(bk);
    check_file(file, text);
    int64_t before = times_asked();
    plan(bk);
    assert_int_equal(times_asked(), before);
    fut_backend_destroy(&bk);

    /* Another card's, and damage: told, not used, and replaced. */
    char *gpu = line_of(text, "gpu "), *other = edited(text, gpu, "gpu Tesla K80\n");
    for (int i = 0; i < 2; i++) {
        fut_test_write_file(file, other, strlen(other));
        if (i == 1) fut_test_write_file(file, text, strlen(text) / 2);
        bk = new_backend(folder);
        char *none = choices_of(bk);
        assert_string_equal(none, "");
        plan(bk);
        char *fresh = choices_of(bk);
        check_file(file, fresh);
        free(none);
        free(fresh);
        fut_backend_destroy(&bk);
    }
    free(other);
    free(gpu);
    free(text);

    /* A folder that cannot be: told, and the run goes on. */
    bk = new_backend(file);
    plan(bk);
    char *kept = choices_of(bk);
    assert_non_null(strstr(kept, "forward "));
    free(kept);
    fut_backend_destroy(&bk);
    fut_test_dir_remove(&dir);
}

int main(void)
{
    if (strcmp(fut_test_backend("none"), "cuda") != 0) {
        printf("skipped: convolution algorithms are chosen on cuda alone; unit.cuda_tuning_cuda runs this on the GPU double\n");
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_choice_is_taken),
        cmocka_unit_test(test_choice_is_stale),
        cmocka_unit_test(test_cache),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
