/* Weights: what is saved is loaded; a file that lies or does not fit is refused with what was found and expected. */
#include "core/nn/weights.h"
#include "core/base/mem.h"
#include "core/nn/safetensors.h"
#include "tests/support/support.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static fut_backend *bk;
static fut_test_dir dir;

static int setup(void **state)
{
    (void)state;
    fut_test_dir_create(&dir);
    return fut_backend_create("ref", &(fut_backend_options){.threads = 1}, &bk) == FUT_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    fut_test_dir_remove(&dir);
    fut_backend_destroy(&bk);
    return 0;
}

static fut_net *make_net(const char *backbone, int64_t embedding, fut_dtype real, uint64_t seed)
{
    fut_net_spec spec = {.backbone = backbone, .embedding = embedding, .size = 32, .dtype = real, .real = real, .std = {1, 1, 1}};
    fut_net *net = NULL;
    FUT_TEST_OK(fut_net_create(bk, &spec, &net));
    FUT_TEST_OK(fut_net_init(net, seed));
    return net;
}

static const char *path_of(const char *name)
{
    static char path[FUT_TEST_PATH_MAX];
    return fut_test_dir_path(&dir, name, path);
}

/* ---- the file format ------------------------------------------------------------------------------------------------------------- */

/* A file of the given header and `data_bytes` zeros, or of `data`. */
static const char *write_file(const char *header, const void *data, size_t data_bytes)
{
    static char bytes[1 << 16];
    uint64_t length = strlen(header);
    memset(bytes, 0, sizeof bytes);
    memcpy(bytes, &length, 8);
    memcpy(bytes + 8, header, length);
    if (data) memcpy(bytes + 8 + length, data, data_bytes);
    fut_test_write_file(path_of("x.safetensors"), bytes, 8 + length + data_bytes);
    return path_of("x.safetensors");
}

static void values_of_every_dtype(void **state)
{
    (void)state;
    struct {
        double f64[2];
        int64_t i64;
        float f32[2];
        uint16_t f16[6], bf16[2];
    } data = {{-1.5, 1e300}, -7, {0.25f, -3e38f}, {0x3c00, 0xc000, 0x0001, 0x7bff, 0x7c00, 0x8000}, {0x3f80, 0xc2f7}};
    const char *path = write_file("{\"__metadata__\":{\"format\":\"pt\"},"
                                  "\"d\":{\"dtype\":\"F64\",\"shape\":[2],\"data_offsets\":[0,16]},"
                                  "\"i\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[16,24]},"
                                  "\"f\":{\"shape\":[1,2],\"data_offsets\":[24,32],\"dtype\":\"F32\"},"
                                  "\"empty\":{\"dtype\":\"F32\",\"shape\":[0,3],\"data_offsets\":[32,32]},"
                                  "\"h\":{\"dtype\":\"F16\",\"shape\":[6],\"data_offsets\":[32,44]},"
                                  "\"b\":{\"dtype\":\"BF16\",\"shape\":[2],\"data_offsets\":[44,48]}}   ",
                                  &data, 48);
    fut_safetensors *file = NULL;
    double v[6];
    FUT_TEST_OK(fut_safetensors_open(path, &file));
    assert_int_equal(file->count, 6);
    assert_null(fut_safetensors_find(file, "__metadata__"));
    FUT_TEST_OK(fut_safetensors_read(file, fut_safetensors_find(file, "d"), v));
    assert_true(v[0] == -1.5 && v[1] == 1e300);
    FUT_TEST_OK(fut_safetensors_read(file, fut_safetensors_find(file, "i"), v));
    assert_true(v[0] == -7 && fut_safetensors_find(file, "i")->rank == 0);
    FUT_TEST_OK(fut_safetensors_read(file, fut_safetensors_find(file, "f"), v));
    assert_true(v[0] == 0.25 && v[1] == -3e38f);
    FUT_TEST_OK(fut_safetensors_read(file, fut_safetensors_find(file, "h"), v));
    assert_true(v[0] == 1 && v[1] == -2 && v[2] == ldexp(1, -24) && v[3] == 65504 && isinf(v[4]) && v[5] == 0 && signbit(v[5]));
    FUT_TEST_OK(fut_safetensors_read(file, fut_safetensors_find(file, "b"), v));
    assert_true(v[0] == 1 && v[1] == -123.5);
    fut_safetensors_close(&file);
    assert_null(file);
}

static void refused(const char *header, size_t data_bytes, const char *text)
{
    fut_safetensors *file = NULL;
    int64_t held = fut_mem_bytes();
    FUT_TEST_FAILS(fut_safetensors_open(write_file(header, NULL, data_bytes), &file), FUT_ERR_DATA, text);
    assert_null(file);
    assert_int_equal(fut_mem_bytes(), held);
}

static void lying_headers_are_refused(void **state)
{
    (void)state;
    refused("", 0, "no JSON object");
    refused("[]", 0, "no JSON object");
    refused("{\"a\":", 0, "no JSON object");
    refused("{} {}", 0, "no JSON object");
    refused("  {}", 0, "no JSON object"); /* a header begins with its brace */
    refused("{\"a\":1}", 0, "tensor a must have dtype, shape and data_offsets");
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"x\":1}}", 4, "and nothing else");
    refused("{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[1]}}", 4, "data_offsets of tensor a");
    refused("{\"a\":{\"dtype\":\"F8_E4M3\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1, "has dtype F8_E4M3, expected F32");
    refused("{\"a\":{\"dtype\":5,\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "has dtype of no name");
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":4,\"data_offsets\":[0,4]}}", 4, "no list");
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,4]}}", 4, "at most 8");
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", 4, "no whole number");
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[1.5],\"data_offsets\":[0,6]}}", 6, "no whole number");
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[1e300],\"data_offsets\":[0,6]}}", 6, "no whole number");
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296,4],\"data_offsets\":[0,0]}}", 0, "too large to be true");
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}", 4, "no [begin, end]");
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4,8]}}", 4, "no [begin, end]");
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4, "has 4 bytes, its dtype and shape take 8");
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 4, "describes 8 bytes of data, the file has 4");
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 9, "describes 4 bytes of data, the file has 9");
    refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", 8, "leave a gap");
    refused(
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}",
        8, "overlap");
    refused(
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}",
        8, "two tensors are called a");
}

static void deep_nesting_is_refused(void **state)
{
    (void)state;
    static char header[60000];
    memset(header, '[', sizeof header - 1);
    memcpy(header, "{\"a\":", 5);
    refused(header, 0, "no JSON object");
}

static void broken_files_are_refused(void **state)
{
    (void)state;
    fut_safetensors *file = NULL;
    const char *path = path_of("broken.safetensors");
    FUT_TEST_FAILS(fut_safetensors_open(path, &file), FUT_ERR_NO_INPUT, "broken.safetensors");
    fut_test_write_file(path, "abc", 3);
    FUT_TEST_FAILS(fut_safetensors_open(path, &file), FUT_ERR_DATA, "3 bytes, too short");
    fut_test_write_file(path, "\xff\xff\xff\xff\xff\xff\xff\xff{}", 10);
    FUT_TEST_FAILS(fut_safetensors_open(path, &file), FUT_ERR_DATA, "header of 18446744073709551615 bytes, the file has 2");
    fut_test_write_file(path, "\2\0\0\0\0\0\0\0{\0", 10);
    FUT_TEST_FAILS(fut_safetensors_open(path, &file), FUT_ERR_DATA, "NUL byte");
    FUT_TEST_FAILS(fut_safetensors_open(dir.path, &file), FUT_ERR_DATA, "too short");
    assert_int_equal(mkfifo(path_of("fifo"), 0600), 0); /* and does not wait for a writer */
    FUT_TEST_FAILS(fut_safetensors_open(path_of("fifo"), &file), FUT_ERR_DATA, "fifo");
    assert_null(file);
}

/* ---- the net's weights ----------------------------------------------------------------------------------------------------------- */

static void assert_same_tensors(fut_net *a, fut_net *b)
{
    size_t real = fut_dtype_size(fut_net_get_spec(a)->real);
    assert_memory_equal(fut_net_params(a), fut_net_params(b), (size_t)fut_net_param_count(a) * real);
    assert_memory_equal(fut_net_stats(a), fut_net_stats(b), (size_t)fut_net_stat_count(a) * real);
}

static void what_is_saved_is_loaded(void **state)
{
    (void)state;
    for (int real = FUT_F32; real <= FUT_F64; real++) {
        fut_net *saved = make_net("tiny", 8, (fut_dtype)real, 1), *loaded = make_net("tiny", 8, (fut_dtype)real, 2);
        *fut_net_steps_tracked(saved) = 123456789;
        FUT_TEST_OK(fut_weights_save(saved, path_of("w.safetensors")));
        FUT_TEST_OK(fut_weights_load(loaded, path_of("w.safetensors")));
        assert_same_tensors(saved, loaded);
        assert_int_equal(*fut_net_steps_tracked(loaded), 123456789);
        fut_net_destroy(&saved);
        fut_net_destroy(&loaded);
    }
}

static void loading_takes_effect(void **state)
{
    (void)state;
    fut_net *saved = make_net("tiny", 8, FUT_F32, 1), *loaded = make_net("tiny", 8, FUT_F32, 2);
    uint8_t rgb[32 * 32 * 3];
    float before[8], after[8], want[8];
    memset(rgb, 77, sizeof rgb);
    FUT_TEST_OK(fut_net_forward_eval(loaded, 1, rgb, before));
    FUT_TEST_OK(fut_weights_save(saved, path_of("w.safetensors")));
    FUT_TEST_OK(fut_weights_load(loaded, path_of("w.safetensors")));
    FUT_TEST_OK(fut_net_forward_eval(loaded, 1, rgb, after));
    FUT_TEST_OK(fut_net_forward_eval(saved, 1, rgb, want));
    assert_memory_equal(after, want, sizeof want);
    assert_memory_not_equal(before, want, sizeof want);
    fut_net_destroy(&saved);
    fut_net_destroy(&loaded);
}

static void weights_of_another_net_are_refused(void **state)
{
    (void)state;
    fut_net *saved = make_net("tiny", 8, FUT_F32, 1);
    FUT_TEST_OK(fut_weights_save(saved, path_of("tiny.safetensors")));
    fut_net_destroy(&saved);
    fut_net *wider = make_net("tiny", 9, FUT_F32, 2), *untouched = make_net("tiny", 9, FUT_F32, 2);
    FUT_TEST_FAILS(fut_weights_load(wider, path_of("tiny.safetensors")), FUT_ERR_DATA,
                   "embedding 9: 2 of another shape or dtype (embedder.weight is f32 [8, 64], the network's [9, 64], embedder.bias is f32 "
                   "[8], the network's [9])");
    assert_same_tensors(wider, untouched);
    fut_net_destroy(&wider);
    fut_net_destroy(&untouched);
    fut_net *b0 = make_net("tf_efficientnetv2_b0", 8, FUT_F32, 2);
    FUT_TEST_FAILS(fut_weights_load(b0, path_of("tiny.safetensors")), FUT_ERR_DATA,
                   "does not hold tf_efficientnetv2_b0 with embedding 8: 327 tensors missing (blocks.0.0.conv.weight, "
                   "blocks.1.0.conv_exp.weight, blocks.1.1.conv_exp.weight, blocks.2.0.conv_exp.weight and more); 29 unexpected "
                   "(blocks.0.0.bn2.bias, ");
    fut_net_destroy(&b0);
}

static void a_value_that_is_no_number_is_refused(void **state)
{
    (void)state;
    fut_net *net = make_net("tiny", 8, FUT_F32, 1), *untouched = make_net("tiny", 8, FUT_F32, 1);
    ((float *)fut_net_params(net))[5] = NAN;
    FUT_TEST_OK(fut_weights_save(net, path_of("nan.safetensors")));
    ((float *)fut_net_params(net))[5] = ((float *)fut_net_params(untouched))[5];
    FUT_TEST_FAILS(fut_weights_load(net, path_of("nan.safetensors")), FUT_ERR_DATA, "value 5 of tensor conv_stem.weight is nan");
    assert_same_tensors(net, untouched);
    fut_net_destroy(&net);
    fut_net_destroy(&untouched);
}

static void saving_where_nothing_can_be_written(void **state)
{
    (void)state;
    fut_net *net = make_net("tiny", 8, FUT_F32, 1);
    assert_int_not_equal(fut_weights_save(net, path_of("no/such/folder.safetensors")), FUT_OK);
    assert_non_null(strstr(fut_trail_message(), "no/such"));
    fut_trail_clear();
    fut_net_destroy(&net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_of_every_dtype),
        cmocka_unit_test(lying_headers_are_refused),
        cmocka_unit_test(deep_nesting_is_refused),
        cmocka_unit_test(broken_files_are_refused),
        cmocka_unit_test(what_is_saved_is_loaded),
        cmocka_unit_test(loading_takes_effect),
        cmocka_unit_test(weights_of_another_net_are_refused),
        cmocka_unit_test(a_value_that_is_no_number_is_refused),
        cmocka_unit_test(saving_where_nothing_can_be_written),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
