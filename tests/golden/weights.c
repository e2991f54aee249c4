/* Weights written by the safetensors package (make_weights.py), in f32, f16 and bf16. */
#include "core/nn/weights.h"
#include "tests/golden/net_fill.h"

#define FOLDER FUT_TEST_SOURCE_DIR "/tests/golden/weights/"

static fut_backend *bk;

static int setup(void **state)
{
    (void)state;
    return fut_backend_create("ref", &(fut_backend_options){.threads = 1}, &bk) == FUT_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    fut_backend_destroy(&bk);
    return 0;
}

static fut_net *make_net(void)
{
    fut_net_spec spec = {.backbone = "tiny", .embedding = 8, .size = 32, .dtype = FUT_F64, .real = FUT_F64, .std = {1, 1, 1}};
    fut_net *net = NULL;
    FUT_TEST_OK(fut_net_create(bk, &spec, &net));
    FUT_TEST_OK(fut_net_init(net, 5));
    return net;
}

/* Every tensor whose name begins so has the values of net_fill, within `tolerance` of each. */
static void check_filled(fut_net *net, bool embedder, double tolerance)
{
    for (int64_t k = 0; k < fut_net_tensor_count(net); k++) {
        const fut_net_tensor *t = fut_net_tensor_at(net, k);
        if (!embedder && strncmp(t->name, "embedder.", 9) == 0) continue;
        const double *values = (const double *)(t->trainable ? fut_net_params(net) : fut_net_stats(net)) + t->offset;
        uint64_t stream = net_fill_hash(t->name);
        for (int64_t i = 0; i < t->count; i++) {
            double want = net_fill_value(t, stream, i);
            if (!(fabs(values[i] - want) <= tolerance * fabs(want) + 1e-7))
                fail_msg("%s: value %lld is %.9g, expected %.9g", t->name, (long long)i, values[i], want);
        }
    }
}

static void f32_with_a_classifier_and_no_embedder(void **state)
{
    (void)state;
    fut_net *net = make_net(), *fresh = make_net();
    FUT_TEST_OK(fut_weights_load(net, FOLDER "tiny_f32.safetensors"));
    check_filled(net, false, 0x1p-24);
    assert_int_equal(*fut_net_steps_tracked(net), 7);
    for (int64_t k = fut_net_tensor_count(net) - 2; k < fut_net_tensor_count(net); k++) {
        const fut_net_tensor *t = fut_net_tensor_at(net, k);
        assert_memory_equal((double *)fut_net_params(net) + t->offset, (double *)fut_net_params(fresh) + t->offset,
                            (size_t)t->count * sizeof(double));
    }
    fut_net_destroy(&net);
    fut_net_destroy(&fresh);
}

static void halves(void **state)
{
    (void)state;
    fut_net *net = make_net();
    FUT_TEST_OK(fut_weights_load(net, FOLDER "tiny_f16.safetensors"));
    check_filled(net, true, 0x1p-11);
    assert_int_equal(*fut_net_steps_tracked(net), 0);
    FUT_TEST_OK(fut_weights_load(net, FOLDER "tiny_bf16.safetensors"));
    check_filled(net, true, 0x1p-8);
    fut_net_destroy(&net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(f32_with_a_classifier_and_no_embedder),
        cmocka_unit_test(halves),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
