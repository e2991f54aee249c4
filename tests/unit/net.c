/* The net: placing of buffers, initialisation, slots, statistics, allocations, misuse. The tiny network on ref. */
#include "core/nn/net.h"
#include "core/base/mem.h"
#include "core/base/rng.h"
#include "core/nn/buffers_impl.h"
#include "tests/support/support.h"

#include <math.h>
#include <string.h>

enum { SIZE = 33, EMBEDDING = 8, IMAGES = 5, IMAGE_BYTES = SIZE * SIZE * 3 };

static fut_backend *bk;
static uint8_t rgb[2][IMAGES * IMAGE_BYTES]; /* two shards */
static float de[IMAGES * EMBEDDING];
static const fut_step_control good_step = {.finite = 1};

static int setup(void **state)
{
    (void)state;
    fut_philox philox = fut_philox_key(0, FUT_RNG_TEST);
    for (int64_t i = 0; i < 2 * IMAGES * IMAGE_BYTES; i++)
        rgb[i / (IMAGES * IMAGE_BYTES)][i % (IMAGES * IMAGE_BYTES)] = (uint8_t)(256 * fut_philox_uniform(philox, 1, (uint64_t)i));
    for (int64_t i = 0; i < IMAGES * EMBEDDING; i++)
        de[i] = (float)fut_philox_normal(philox, 2, (uint64_t)i);
    return fut_backend_create("ref", &(fut_backend_options){.threads = 1}, &bk) == FUT_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    fut_backend_destroy(&bk);
    return 0;
}

static fut_net *make_net_on(fut_backend *backend, uint64_t seed, const fut_params *loss)
{
    fut_net_spec spec = {.backbone = "tiny", .embedding = EMBEDDING, .size = SIZE, .dtype = FUT_F32, .real = FUT_F32, .loss = *loss};
    for (int c = 0; c < 3; c++)
        spec.mean[c] = spec.std[c] = 0.5;
    fut_net *net = NULL;
    FUT_TEST_OK(fut_net_create(backend, &spec, &net));
    FUT_TEST_OK(fut_net_init(net, seed));
    return net;
}

static fut_net *make_net_with(uint64_t seed, const fut_params *loss)
{
    return make_net_on(bk, seed, loss);
}

static fut_net *make_net(uint64_t seed)
{
    return make_net_with(seed, &(fut_params){.n = 0});
}

static float *new_leaf(const fut_net *net)
{
    float *leaf = NULL;
    FUT_TEST_OK(FUT_NEW_ARRAY(fut_net_leaf_count(net), &leaf));
    return leaf;
}

static const fut_net_tensor *find_tensor(const fut_net *net, const char *name)
{
    for (int64_t i = 0; i < fut_net_tensor_count(net); i++)
        if (strcmp(fut_net_tensor_at(net, i)->name, name) == 0) return fut_net_tensor_at(net, i);
    fail_msg("no tensor %s", name);
    return NULL;
}

/* ---- buffers --------------------------------------------------------------------------------------------------------------------- */

static bool collide(const fut_buffer *a, const fut_buffer *b)
{
    bool in_time = a->first <= b->last && b->first <= a->last;
    bool in_space = a->offset < b->offset + b->bytes && b->offset < a->offset + a->bytes;
    return a->region == b->region && in_time && in_space;
}

static void buffers_alive_together_never_overlap(void **state)
{
    (void)state;
    enum { BUFFERS = 150 };
    for (uint64_t round = 0; round < 50; round++) {
        fut_buffer buffers[BUFFERS];
        fut_philox philox = fut_philox_key(round, FUT_RNG_TEST);
        size_t sum[2] = {0, 0}, got[2];
        for (uint64_t i = 0; i < BUFFERS; i++) {
            int first = (int)(100 * fut_philox_uniform(philox, 1, i));
            buffers[i] = (fut_buffer){.region = fut_philox_uniform(philox, 2, i) < 0.3,
                                      .bytes = (size_t)(5000 * fut_philox_uniform(philox, 3, i)),
                                      .first = first,
                                      .last = first + (int)(30 * fut_philox_uniform(philox, 4, i))};
            sum[buffers[i].region] += buffers[i].bytes + FUT_BUFFER_ALIGN;
        }
        FUT_TEST_OK(fut_buffers_place(buffers, BUFFERS, 2, got));
        for (int i = 0; i < BUFFERS; i++) {
            assert_int_equal(buffers[i].offset % FUT_BUFFER_ALIGN, 0);
            assert_true(buffers[i].offset + buffers[i].bytes <= got[buffers[i].region]);
            for (int k = 0; k < i; k++)
                assert_false(collide(&buffers[i], &buffers[k]));
        }
        assert_true(got[0] < sum[0] / 2 && got[1] < sum[1]);
    }
}

static void buffers_reuse_what_is_dead(void **state)
{
    (void)state;
    fut_buffer chain[] = {{0, 1024, 0, 1, 0}, {0, 1024, 1, 2, 0}, {0, 1024, 2, 3, 0}, {0, 512, 3, 4, 0}};
    size_t bytes = 0;
    FUT_TEST_OK(fut_buffers_place(chain, 4, 1, &bytes));
    assert_int_equal(bytes, 2048);
}

/* ---- initialisation -------------------------------------------------------------------------------------------------------------- */

static void check_moments(const fut_net *net, const float *params, const char *name, double deviation)
{
    const fut_net_tensor *t = find_tensor(net, name);
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < t->count; i++) {
        sum += params[t->offset + i];
        squares += (double)params[t->offset + i] * (double)params[t->offset + i];
    }
    double n = (double)t->count, got = sqrt(squares / n);
    if (fabs(sum / n) > 4 * deviation / sqrt(n)) fail_msg("%s: mean %g, expected 0", name, sum / n);
    if (fabs(got / deviation - 1) > 4 / sqrt(2 * n)) fail_msg("%s: deviation %g, expected %g", name, got, deviation);
}

static void initialisation_is_timms(void **state)
{
    (void)state;
    fut_net *net = make_net(3);
    const float *params = fut_net_params(net), *stats = fut_net_stats(net);
    check_moments(net, params, "blocks.0.0.conv_exp.weight", sqrt(2.0 / (9 * 32)));
    check_moments(net, params, "blocks.1.1.conv_dw.weight", sqrt(2.0 / 9)); /* fan_out of a group */
    check_moments(net, params, "conv_head.weight", sqrt(2.0 / 64));
    check_moments(net, params, "blocks.1.1.se.conv_expand.weight", sqrt(2.0 / 48));
    check_moments(net, params, "embedder.weight", 1 / sqrt(3.0 * 64)); /* uniform within 1 / sqrt(64) */
    for (int64_t i = 0; i < fut_net_tensor_count(net); i++) {
        const fut_net_tensor *t = fut_net_tensor_at(net, i);
        if (t->rank != 1 || strcmp(t->name, "embedder.bias") == 0) continue;
        bool one = strstr(t->name, "running_var") || strstr(t->name, ".weight");
        for (int64_t k = 0; k < t->count; k++)
            assert_true((t->trainable ? params : stats)[t->offset + k] == (one ? 1.0f : 0.0f));
    }
    fut_net_destroy(&net);
}

static void a_seed_gives_the_same_net(void **state)
{
    (void)state;
    fut_net *a = make_net(1), *b = make_net(1), *c = make_net(2);
    size_t bytes = (size_t)fut_net_param_count(a) * sizeof(float);
    assert_memory_equal(fut_net_params(a), fut_net_params(b), bytes);
    assert_memory_not_equal(fut_net_params(a), fut_net_params(c), bytes);
    fut_net_destroy(&a);
    fut_net_destroy(&b);
    fut_net_destroy(&c);
}

/* ---- tensors --------------------------------------------------------------------------------------------------------------------- */

static void tensors_fill_their_packs(void **state)
{
    (void)state;
    fut_net *net = make_net(0);
    int64_t next[2] = {0, 0};
    for (int64_t i = 0; i < fut_net_tensor_count(net); i++) {
        const fut_net_tensor *t = fut_net_tensor_at(net, i);
        int64_t count = 1;
        for (int k = 0; k < t->rank; k++)
            count *= t->dim[k];
        assert_int_equal(count, t->count);
        assert_int_equal(t->offset, next[t->trainable]);
        next[t->trainable] += count;
    }
    assert_int_equal(next[1], fut_net_param_count(net));
    assert_int_equal(next[0], fut_net_stat_count(net));
    assert_int_equal(fut_net_leaf_count(net), next[0] + next[1]);
    fut_net_destroy(&net);
}

static const fut_params loss_params = {
    .n = 2,
    .param = {{.name = "W", .rank = 2, .dim = {3, EMBEDDING}, .init = {FUT_INIT_NORMAL, 1}},
              {.name = "a", .rank = 1, .dim = {1}, .init = {FUT_INIT_CONSTANT, 10}, .no_decay = true}},
};
enum { LOSS_PARAMS = 3 * EMBEDDING + 1 };

/* They lie behind the network's, start as they ask to, and change nothing of it. */
static void a_loss_has_parameters_beside_the_networks(void **state)
{
    (void)state;
    fut_net *plain = make_net(0), *net = make_net_with(0, &loss_params);
    int64_t own = fut_net_param_count(plain);
    assert_int_equal(fut_net_tensor_count(net), fut_net_tensor_count(plain));
    assert_int_equal(fut_net_loss_tensor_count(net), 2);
    assert_int_equal(fut_net_loss_param_count(net), LOSS_PARAMS);
    assert_int_equal(fut_net_param_count(net), own + LOSS_PARAMS);
    const fut_net_tensor *w = fut_net_tensor_at(net, fut_net_tensor_count(net)), *a = w + 1;
    assert_string_equal(w->name, "loss.W");
    assert_string_equal(a->name, "loss.a");
    assert_true(w->of_loss && w->trainable && !w->no_decay && a->no_decay && w->offset == own && a->offset == own + w->count);
    const float *params = fut_net_loss_params(net);
    double squares = 0;
    for (int64_t i = 0; i < w->count; i++)
        squares += (double)params[i] * params[i];
    assert_true(squares / (double)w->count > 0.3 && squares / (double)w->count < 2);
    assert_true(params[w->count] == 10);
    assert_memory_equal(fut_net_params(net), fut_net_params(plain), (size_t)own * sizeof(float));
    assert_memory_equal(fut_net_stats(net), fut_net_stats(plain), (size_t)fut_net_stat_count(net) * sizeof(float));
    fut_net_destroy(&plain);
    fut_net_destroy(&net);
}

/* ---- running --------------------------------------------------------------------------------------------------------------------- */

/* The leaf of one shard, alone in slot 0. */
static void shard_leaf(fut_net *net, int shard, int64_t n, float *leaf)
{
    float e[IMAGES * EMBEDDING];
    FUT_TEST_OK(fut_net_forward(net, 0, n, rgb[shard], e));
    FUT_TEST_OK(fut_net_backward(net, 0, n, de, leaf, NULL));
}

static void slots_do_not_disturb_each_other(void **state)
{
    (void)state;
    fut_net *net = make_net(0);
    float e[IMAGES * EMBEDDING];
    float *alone[2] = {new_leaf(net), new_leaf(net)}, *together[2] = {new_leaf(net), new_leaf(net)};
    size_t bytes = (size_t)fut_net_leaf_count(net) * sizeof(float);
    FUT_TEST_OK(fut_net_reserve(net, 2, IMAGES, true));
    shard_leaf(net, 0, IMAGES, alone[0]);
    shard_leaf(net, 1, IMAGES - 1, alone[1]);
    FUT_TEST_OK(fut_net_forward(net, 0, IMAGES, rgb[0], e));
    FUT_TEST_OK(fut_net_forward(net, 1, IMAGES - 1, rgb[1], e));
    FUT_TEST_OK(fut_net_forward_eval(net, 2, rgb[0], e)); /* nor does an inference between */
    FUT_TEST_OK(fut_net_backward(net, 0, IMAGES, de, together[0], NULL));
    FUT_TEST_OK(fut_net_backward(net, 1, IMAGES - 1, de, together[1], NULL));
    for (int i = 0; i < 2; i++) {
        assert_memory_equal(alone[i], together[i], bytes);
        fut_mem_free(alone[i]);
        fut_mem_free(together[i]);
    }
    fut_net_destroy(&net);
}

/* The backward leaves a loss's part of the leaf as the loss wrote it, and the rest is what it is without. */
static void a_leaf_keeps_what_the_loss_wrote(void **state)
{
    (void)state;
    fut_net *plain = make_net(0), *net = make_net_with(0, &loss_params);
    float *want = new_leaf(plain), *leaf = new_leaf(net);
    int64_t own = fut_net_param_count(plain);
    float *mine = fut_net_loss_part(net, leaf);
    assert_ptr_equal(mine, leaf + own);
    for (int i = 0; i < LOSS_PARAMS; i++)
        mine[i] = (float)i;
    FUT_TEST_OK(fut_net_reserve(plain, 1, IMAGES, true));
    FUT_TEST_OK(fut_net_reserve(net, 1, IMAGES, true));
    shard_leaf(plain, 0, IMAGES, want);
    shard_leaf(net, 0, IMAGES, leaf);
    for (int i = 0; i < LOSS_PARAMS; i++)
        assert_true(mine[i] == (float)i);
    assert_memory_equal(leaf, want, (size_t)own * sizeof(float));
    assert_memory_equal(leaf + own + LOSS_PARAMS, want + own, (size_t)fut_net_stat_count(net) * sizeof(float));
    fut_mem_free(want);
    fut_mem_free(leaf);
    fut_net_destroy(&plain);
    fut_net_destroy(&net);
}

static void statistics_take_one_update_a_step(void **state)
{
    (void)state;
    fut_net *net = make_net(0);
    float *leaf[2] = {new_leaf(net), new_leaf(net)};
    int64_t params = fut_net_param_count(net), stats = fut_net_stat_count(net);
    float *before = NULL;
    FUT_TEST_OK(FUT_NEW_ARRAY(stats, &before));
    FUT_TEST_OK(fut_net_reserve(net, 1, IMAGES, true));
    shard_leaf(net, 0, IMAGES, leaf[0]);
    shard_leaf(net, 1, IMAGES, leaf[1]);
    memcpy(before, fut_net_stats(net), (size_t)stats * sizeof(float));
    for (int64_t i = 0; i < params + stats; i++)
        leaf[0][i] += leaf[1][i];
    FUT_TEST_OK(fut_net_update_stats(net, leaf[0], 2, &good_step));
    const float *after = fut_net_stats(net);
    for (int64_t i = 0; i < stats; i++) {
        double want = 0.9 * before[i] + 0.1 * leaf[0][params + i] / 2;
        assert_true(fabs(after[i] - want) <= 1e-6 * (1 + fabs(want)));
    }
    fut_net_step_taken(net);
    assert_int_equal(*fut_net_steps_tracked(net), 1);
    fut_mem_free(before);
    fut_mem_free(leaf[0]);
    fut_mem_free(leaf[1]);
    fut_net_destroy(&net);
}

/* Where batch norm is folded into weights, they are made again after a step. */
static void inference_follows_the_statistics(void **state)
{
    (void)state;
    fut_backend *cpu = NULL;
    float e[2][EMBEDDING];
    FUT_TEST_OK(fut_backend_create("cpu", &(fut_backend_options){.threads = 1}, &cpu));
    fut_net *net[2] = {make_net(0), make_net_on(cpu, 0, &(fut_params){.n = 0})};
    float *leaf = new_leaf(net[0]);
    FUT_TEST_OK(fut_net_reserve(net[0], 1, IMAGES, true));
    for (int step = 0; step < 2; step++) {
        double apart = 0, norm = 0;
        for (int i = 0; i < 2; i++)
            FUT_TEST_OK(fut_net_forward_eval(net[i], 1, rgb[0], e[i]));
        for (int k = 0; k < EMBEDDING; k++) {
            apart += pow((double)e[1][k] - (double)e[0][k], 2);
            norm += pow((double)e[0][k], 2);
        }
        assert_true(sqrt(apart / norm) < 1e-5);
        shard_leaf(net[0], 0, IMAGES, leaf);
        for (int i = 0; i < 2; i++)
            FUT_TEST_OK(fut_net_update_stats(net[i], leaf, 1, &good_step));
    }
    fut_mem_free(leaf);
    fut_net_destroy(&net[0]);
    fut_net_destroy(&net[1]);
    fut_backend_destroy(&cpu);
}

static void a_step_allocates_nothing(void **state)
{
    (void)state;
    fut_net *net = make_net(0);
    float e[IMAGES * EMBEDDING], *leaf = new_leaf(net);
    FUT_TEST_OK(fut_net_reserve(net, 2, IMAGES, true));
    FUT_TEST_OK(fut_net_plan(net, IMAGES - 1, true));
    FUT_TEST_OK(fut_net_plan(net, 3, false));
    int64_t allocations = fut_mem_count();
    for (int step = 0; step < 2; step++) {
        shard_leaf(net, 0, IMAGES, leaf);
        shard_leaf(net, 1, IMAGES - 1, leaf);
        FUT_TEST_OK(fut_net_update_stats(net, leaf, 2, &good_step));
        fut_net_params_changed(net);
        FUT_TEST_OK(fut_net_forward_eval(net, 3, rgb[0], e));
    }
    assert_int_equal(fut_mem_count(), allocations);
    fut_mem_free(leaf);
    fut_net_destroy(&net);
}

static void inference_treats_images_alone(void **state)
{
    (void)state;
    fut_net *net = make_net(0);
    float together[IMAGES * EMBEDDING], alone[EMBEDDING];
    FUT_TEST_OK(fut_net_forward_eval(net, IMAGES, rgb[0], together));
    for (int64_t i = 0; i < IMAGES; i++) {
        FUT_TEST_OK(fut_net_forward_eval(net, 1, rgb[0] + i * IMAGE_BYTES, alone));
        assert_memory_equal(alone, together + i * EMBEDDING, sizeof alone);
    }
    fut_net_destroy(&net);
}

static void memory_grows_with_slots_not_with_plans(void **state)
{
    (void)state;
    fut_net *net = make_net(0);
    fut_net_memory one, more;
    FUT_TEST_OK(fut_net_reserve(net, 1, IMAGES, true));
    fut_net_memory_use(net, &one);
    FUT_TEST_OK(fut_net_plan(net, 2, true));
    FUT_TEST_OK(fut_net_plan(net, 2, false));
    FUT_TEST_OK(fut_net_reserve(net, 3, IMAGES, true));
    fut_net_memory_use(net, &more);
    assert_true(one.slot > 0 && one.shared > 0);
    assert_int_equal(one.slot, more.slot);
    assert_int_equal(one.shared, more.shared);
    assert_int_equal(one.params, (size_t)fut_net_leaf_count(net) * sizeof(float));
    fut_net_destroy(&net);
}

/* ---- misuse and failure ---------------------------------------------------------------------------------------------------------- */

static void misuse_is_an_error(void **state)
{
    (void)state;
    fut_net *net = make_net(0);
    float e[IMAGES * EMBEDDING], *leaf = new_leaf(net);
    FUT_TEST_FAILS(fut_net_forward(net, 0, 2, rgb[0], e), FUT_ERR_INTERNAL, "slot 0 of 0");
    FUT_TEST_OK(fut_net_reserve(net, 1, IMAGES, true));
    FUT_TEST_FAILS(fut_net_backward(net, 0, 2, de, leaf, NULL), FUT_ERR_INTERNAL, "holds the forward of 0");
    FUT_TEST_OK(fut_net_forward(net, 0, 2, rgb[0], e));
    FUT_TEST_FAILS(fut_net_backward(net, 0, 3, de, leaf, NULL), FUT_ERR_INTERNAL, "holds the forward of 2");
    fut_net_params_changed(net);
    FUT_TEST_FAILS(fut_net_backward(net, 0, 2, de, leaf, NULL), FUT_ERR_INTERNAL, "parameters changed");
    FUT_TEST_OK(fut_net_forward(net, 0, 2, rgb[0], e));
    FUT_TEST_OK(fut_net_backward(net, 0, 2, de, leaf, NULL));
    FUT_TEST_FAILS(fut_net_backward(net, 0, 2, de, leaf, NULL), FUT_ERR_INTERNAL, "holds the forward of 0"); /* it was used up */
    fut_mem_free(leaf);
    fut_net_destroy(&net);
}

static void a_bad_spec_is_an_error(void **state)
{
    (void)state;
    fut_net *net = NULL;
    fut_net_spec good = {.backbone = "tiny", .embedding = 8, .size = 32, .dtype = FUT_F32, .real = FUT_F32, .std = {1, 1, 1}};
    fut_net_spec spec = good;
    spec.backbone = "tinny";
    FUT_TEST_FAILS(fut_net_create(bk, &spec, &net), FUT_ERR_CONFIG, "did you mean tiny?");
    spec.backbone = "vgg";
    FUT_TEST_FAILS(fut_net_create(bk, &spec, &net), FUT_ERR_CONFIG, "iresnet50, iresnet100, tiny");
    spec = good;
    spec.embedding = 0;
    FUT_TEST_FAILS(fut_net_create(bk, &spec, &net), FUT_ERR_CONFIG, "embedding of 0");
    spec = good;
    spec.std[1] = 0;
    FUT_TEST_FAILS(fut_net_create(bk, &spec, &net), FUT_ERR_CONFIG, "deviation of channel 1");
    spec = good;
    spec.dtype = FUT_BF16;
    FUT_TEST_OK(fut_net_create(bk, &spec, &net));
    FUT_TEST_FAILS(fut_net_plan(net, 2, true), FUT_ERR_UNSUPPORTED, "bf16"); /* at plan time, naming the kernel */
    fut_net_destroy(&net);
    assert_null(net);
}

static void every_failed_allocation_is_survived(void **state)
{
    (void)state;
    int64_t held = fut_mem_bytes(), nth = 0;
    for (fut_status st = FUT_ERR_NO_MEMORY; st != FUT_OK;) {
        fut_net *net = NULL;
        fut_net_spec spec = {.backbone = "tiny", .embedding = 8, .size = 32, .dtype = FUT_F32, .real = FUT_F32, .std = {1, 1, 1}};
        fut_mem_fail_after(++nth);
        st = fut_net_create(bk, &spec, &net);
        if (st == FUT_OK) st = fut_net_init(net, 0);
        if (st == FUT_OK) st = fut_net_reserve(net, 2, 2, true);
        if (st != FUT_OK) assert_int_equal(st, FUT_ERR_NO_MEMORY);
        fut_trail_clear();
        fut_net_destroy(&net);
        assert_int_equal(fut_mem_bytes(), held);
    }
    fut_mem_fail_after(0);
    assert_true(nth > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buffers_alive_together_never_overlap),
        cmocka_unit_test(buffers_reuse_what_is_dead),
        cmocka_unit_test(initialisation_is_timms),
        cmocka_unit_test(a_seed_gives_the_same_net),
        cmocka_unit_test(tensors_fill_their_packs),
        cmocka_unit_test(a_loss_has_parameters_beside_the_networks),
        cmocka_unit_test(slots_do_not_disturb_each_other),
        cmocka_unit_test(a_leaf_keeps_what_the_loss_wrote),
        cmocka_unit_test(statistics_take_one_update_a_step),
        cmocka_unit_test(inference_follows_the_statistics),
        cmocka_unit_test(a_step_allocates_nothing),
        cmocka_unit_test(inference_treats_images_alone),
        cmocka_unit_test(memory_grows_with_slots_not_with_plans),
        cmocka_unit_test(misuse_is_an_error),
        cmocka_unit_test(a_bad_spec_is_an_error),
        cmocka_unit_test(every_failed_allocation_is_survived),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
