/* A whole network end to end, in double on ref: every tensor of `tiny`, some values of each. */
#include "core/nn/net.h"
#include "core/base/mem.h"
#include "tests/gradcheck/gradcheck.h"

enum { IMAGES = 4, SIZE = 33, EMBEDDING = 6, PICKS = 12 };

typedef struct run {
    fut_net *net;
    uint8_t rgb[IMAGES * SIZE * SIZE * 3];
    double e[IMAGES * EMBEDDING], de[IMAGES * EMBEDDING];
} run;

static double net_loss(void *context)
{
    run *r = context;
    fut_net_params_changed(r->net);
    FUT_TEST_OK(fut_net_forward(r->net, 0, IMAGES, r->rgb, r->e));
    return gradcheck_dot(r->e, r->de, IMAGES * EMBEDDING);
}

static void tiny(void **state)
{
    (void)state;
    fut_backend *bk = NULL;
    run *r = NULL;
    double *leaf = NULL;
    FUT_TEST_OK(FUT_NEW(&r));
    FUT_TEST_OK(fut_backend_create("ref", &(fut_backend_options){.threads = 1}, &bk));
    fut_net_spec spec = {.backbone = "tiny", .embedding = EMBEDDING, .size = SIZE, .dtype = FUT_F64, .real = FUT_F64};
    for (int c = 0; c < 3; c++) {
        spec.mean[c] = 0.5;
        spec.std[c] = 0.25;
    }
    FUT_TEST_OK(fut_net_create(bk, &spec, &r->net));
    FUT_TEST_OK(fut_net_init(r->net, 7));
    FUT_TEST_OK(fut_net_reserve(r->net, 1, IMAGES, true));
    FUT_TEST_OK(FUT_NEW_ARRAY(fut_net_leaf_count(r->net), &leaf));
    fut_philox philox = fut_philox_key(0, FUT_RNG_TEST);
    for (int64_t i = 0; i < IMAGES * SIZE * SIZE * 3; i++)
        r->rgb[i] = (uint8_t)(256 * fut_philox_uniform(philox, 2, (uint64_t)i));
    gradcheck_fill(r->de, IMAGES * EMBEDDING, 3);

    net_loss(r);
    FUT_TEST_OK(fut_net_backward(r->net, 0, IMAGES, r->de, leaf, NULL));
    double *params = fut_net_params(r->net), largest = 0; /* ref: host memory */
    for (int64_t i = 0; i < fut_net_param_count(r->net); i++)
        largest = fmax(largest, fabs(leaf[i]));
    for (int64_t t = 0; t < fut_net_tensor_count(r->net); t++) {
        const fut_net_tensor *tensor = fut_net_tensor_at(r->net, t);
        if (!tensor->trainable) continue;
        gradcheck_variable v = {.name = tensor->name,
                                .value = params + tensor->offset,
                                .gradient = leaf + tensor->offset,
                                .count = tensor->count,
                                .picks = PICKS,
                                .scale = 1e-3 * largest}; /* shifts that the next batch norm takes away have gradient 0 */
        gradcheck("tiny", &v, net_loss, r);
    }
    fut_net_destroy(&r->net);
    fut_backend_destroy(&bk);
    fut_mem_free(leaf);
    fut_mem_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(tiny)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
