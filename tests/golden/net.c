/* Networks against timm (make_net.py): names and shapes, embeddings in training and inference at three sizes, gradients of every
 * parameter and the running statistics after one batch, also of a batch in shards with batch norm over all of them. The cpu backend in f32;
 * ref in f64, where only rounding may differ. Where relu6's corners make PyTorch's own f32 part from its f64 (lite0), f32 may be three
 * times as far away. */
#include "launch/lockstep.h"
#include "tests/golden/net_lines.h"
#include "tests/support/device.h"

#include <stdio.h>
#include <stdlib.h>

#define FOLDER FUT_TEST_SOURCE_DIR "/tests/golden/net/"
enum { IMAGES = 8, SIZES = 3 };

typedef struct network {
    const char *backbone;
    int64_t embedding, sizes[SIZES], gradient_size;
} network;

static const network b0 = {"tf_efficientnetv2_b0", 512, {224, 112, 97}, 64};
static const network lite0 = {"tf_efficientnet_lite0", 64, {224, 112, 97}, 64};
static const network tiny = {"tiny", 32, {64, 48, 33}, 33};

typedef struct oracle {
    const char *backend;
    fut_dtype real;
    double embedding_tolerance, gradient_tolerance; /* relative to the norm of an image's embedding, of a tensor's gradient */
} oracle;

static const oracle ref = {"ref", FUT_F64, 1e-6, 1e-9}; /* goldens of embeddings are stored as f32 */

/* The backend under test; large networks only where it is fast. */
static oracle f32_backend(void)
{
    return (oracle){fut_test_backend("cpu"), FUT_F32, 1e-4, 1e-3};
}

static bool is_fast(void)
{
    return strcmp(fut_test_backend("cpu"), "cpu") == 0;
}
static FILE *open_golden(const network *n, const char *suffix)
{
    char path[1024];
    snprintf(path, sizeof path, FOLDER "%s_%s", n->backbone, suffix);
    FILE *f = fopen(path, "rb");
    if (!f) fail_msg("cannot open %s", path);
    return f;
}

static fut_net *make_net_of(const network *n, const oracle *o, int64_t size, fut_batch_norm norm, fut_backend **bk)
{
    FUT_TEST_OK(fut_backend_create(o->backend, &(fut_backend_options){.threads = 2}, bk));
    fut_net_spec spec = {
        .backbone = n->backbone, .embedding = n->embedding, .size = size, .batch_norm = (int)norm, .dtype = o->real, .real = o->real};
    memcpy(spec.mean, net_fill_mean, sizeof spec.mean);
    memcpy(spec.std, net_fill_std, sizeof spec.std);
    fut_net *net = NULL;
    FUT_TEST_OK(fut_net_create(*bk, &spec, &net));
    net_fill_tensors(net);
    return net;
}

static fut_net *make_net(const network *n, const oracle *o, int64_t size, fut_backend **bk)
{
    fut_net *net = make_net_of(n, o, size, FUT_BATCH_NORM_SHARD, bk);
    FUT_TEST_OK(fut_net_reserve(net, 1, IMAGES, true));
    return net;
}

static void destroy_net(fut_net **net, fut_backend **bk)
{
    fut_net_destroy(net);
    fut_backend_destroy(bk);
}

/* ---- names and shapes ------------------------------------------------------------------------------------------------------------ */

static void check_tensors(const network *n)
{
    fut_backend *bk = NULL;
    fut_net *net = make_net(n, &ref, 32, &bk);
    FILE *f = open_golden(n, "tensors.txt");
    char line[512];
    int64_t at = 0;
    while (net_fill_line(f, line, sizeof line)) {
        char *name = strtok(line, " \n");
        if (strstr(name, "num_batches_tracked")) continue; /* one counter serves all */
        assert_true(at < fut_net_tensor_count(net));
        const fut_net_tensor *tensor = fut_net_tensor_at(net, at++);
        assert_string_equal(tensor->name, name);
        int rank = 0;
        for (char *dim = strtok(NULL, " \n"); dim; dim = strtok(NULL, " \n")) {
            assert_true(rank < tensor->rank);
            assert_int_equal(tensor->dim[rank++], atoll(dim));
        }
        assert_int_equal(rank, tensor->rank);
    }
    assert_int_equal(at, fut_net_tensor_count(net));
    fclose(f);
    destroy_net(&net, &bk);
}

static void tensors_of_b0(void **state)
{
    (void)state;
    check_tensors(&b0);
}

static void tensors_of_lite0(void **state)
{
    (void)state;
    check_tensors(&lite0);
}

static void tensors_of_tiny(void **state)
{
    (void)state;
    check_tensors(&tiny);
}

/* ---- embeddings ------------------------------------------------------------------------------------------------------------------ */

/* Largest |got - want| / |want| over the images. */
static double distance(const network *n, fut_dtype real, const void *got, const float *want)
{
    double worst = 0;
    for (int64_t i = 0; i < IMAGES; i++) {
        double difference = 0, norm = 0;
        for (int64_t k = i * n->embedding; k < (i + 1) * n->embedding; k++) {
            double d = net_fill_load(real, got, k) - want[k];
            difference += d * d;
            norm += (double)want[k] * (double)want[k];
        }
        double relative = sqrt(difference / norm);
        if (!(relative <= worst)) worst = relative;
    }
    return worst;
}

static void check_embeddings(const network *n, const oracle *o, int size_index)
{
    int64_t count = IMAGES * n->embedding, size = n->sizes[size_index];
    float *want = NULL;
    void *device = NULL, *got = NULL;
    fut_backend *bk = NULL;
    FUT_TEST_OK(FUT_NEW_ARRAY(2 * count, &want));
    FILE *f = open_golden(n, "embeddings.f32");
    assert_int_equal(fseek(f, size_index * 2 * (long)count * (long)sizeof *want, SEEK_SET), 0);
    assert_int_equal(fread(want, sizeof *want, (size_t)(2 * count), f), 2 * count);
    fclose(f);

    fut_net *net = make_net(n, o, size, &bk);
    uint8_t *rgb = net_fill_images(IMAGES, size);
    void *photos = fut_test_device(bk, rgb, (size_t)(IMAGES * size * size * 3));
    size_t bytes = (size_t)count * fut_dtype_size(o->real);
    FUT_TEST_OK(bk->alloc(bk, bytes, &device));
    FUT_TEST_OK(fut_mem_alloc(bytes, 1, &got));
    for (int eval = 0; eval < 2; eval++) {
        if (eval)
            FUT_TEST_OK(fut_net_forward_eval(net, IMAGES, photos, device));
        else
            FUT_TEST_OK(fut_net_forward(net, 0, IMAGES, photos, device));
        FUT_TEST_OK(bk->download(bk, got, device, bytes, NULL));
        FUT_TEST_OK(bk->sync(bk, NULL));
        double error = distance(n, o->real, got, want + eval * count);
        print_message("%s on %s, %lld px, %s: relative error %.2g\n", n->backbone, o->backend, (long long)size,
                      eval ? "inference" : "training", error);
        if (!(error < o->embedding_tolerance)) fail_msg("above %g", o->embedding_tolerance);
    }
    bk->free(bk, device);
    bk->free(bk, photos);
    fut_mem_free(got);
    fut_mem_free(want);
    fut_mem_free(rgb);
    destroy_net(&net, &bk);
}

static void embeddings_on_the_backend(void **state)
{
    (void)state;
    oracle o = f32_backend();
    for (int s = 0; s < SIZES; s++) {
        if (is_fast() || s == SIZES - 1) check_embeddings(&b0, &o, s);
        if (is_fast()) check_embeddings(&lite0, &o, s);
        check_embeddings(&tiny, &o, s);
    }
}

static void embeddings_on_ref(void **state)
{
    (void)state;
    check_embeddings(&b0, &ref, SIZES - 1);
    check_embeddings(&lite0, &ref, SIZES - 1);
    for (int s = 0; s < SIZES; s++)
        check_embeddings(&tiny, &ref, s);
}

/* ---- gradients ------------------------------------------------------------------------------------------------------------------- */

static void check_lines(const network *n, const oracle *o, const fut_net *net, const void *gradients, const void *stats)
{
    FILE *f = open_golden(n, "gradients.txt");
    char line[1024], worst_name[256] = "";
    double worst = 0, scale = 0, peer_f32 = 0;
    int64_t lines = 0;
    assert_true(net_fill_line(f, line, sizeof line));
    assert_int_equal(sscanf(line, "%lf", &peer_f32), 1);
    double tolerance = o->gradient_tolerance;
    if (o->real == FUT_F32 && 3 * peer_f32 > tolerance) tolerance = 3 * peer_f32;
    for (; net_fill_line(f, line, sizeof line); lines++) {
        char *cursor = strchr(line, ' ');
        *cursor++ = '\0';
        const fut_net_tensor *tensor = net_find_tensor(net, line);
        double error = net_tensor_error(o->real, tensor, tensor->trainable ? gradients : stats, &cursor, &scale);
        if (!(error <= worst)) {
            worst = error;
            snprintf(worst_name, sizeof worst_name, "%s", line);
        }
    }
    fclose(f);
    print_message("%s on %s: %lld gradients and statistics, largest relative error %.2g (%s)\n", n->backbone, o->backend, (long long)lines,
                  worst, worst_name);
    assert_int_equal(lines, fut_net_tensor_count(net));
    if (!(worst < tolerance)) fail_msg("above %g", tolerance);
}

static void check_gradients(const network *n, const oracle *o)
{
    fut_backend *bk = NULL;
    fut_net *net = make_net(n, o, n->gradient_size, &bk);
    uint8_t *rgb = net_fill_images(IMAGES, n->gradient_size);
    size_t real = fut_dtype_size(o->real);
    int64_t count = IMAGES * n->embedding;
    void *host = NULL, *e = NULL, *de = NULL, *leaf = NULL;
    size_t leaf_bytes = (size_t)fut_net_leaf_count(net) * real;
    FUT_TEST_OK(fut_mem_alloc(leaf_bytes, 1, &host));
    FUT_TEST_OK(bk->alloc(bk, (size_t)count * real, &e));
    FUT_TEST_OK(bk->alloc(bk, (size_t)count * real, &de));
    FUT_TEST_OK(bk->alloc(bk, leaf_bytes, &leaf));
    for (int64_t i = 0; i < count; i++)
        net_fill_store(o->real, host, i, net_fill_signed_unit(net_fill_hash("d_embeddings"), i));
    FUT_TEST_OK(bk->upload(bk, de, host, (size_t)count * real, NULL));

    void *photos = fut_test_device(bk, rgb, (size_t)(IMAGES * n->gradient_size * n->gradient_size * 3));
    void *control = fut_test_device(bk, &(fut_step_control){.finite = 1}, sizeof(fut_step_control));
    FUT_TEST_OK(fut_net_forward(net, 0, IMAGES, photos, e));
    FUT_TEST_OK(fut_net_backward(net, 0, IMAGES, de, leaf, NULL));
    FUT_TEST_OK(fut_net_update_stats(net, leaf, 1, control));
    fut_net_step_taken(net);
    FUT_TEST_OK(bk->download(bk, host, leaf, leaf_bytes, NULL));
    void *stats = (char *)host + (size_t)fut_net_param_count(net) * real;
    FUT_TEST_OK(bk->download(bk, stats, fut_net_stats(net), (size_t)fut_net_stat_count(net) * real, NULL));
    FUT_TEST_OK(bk->sync(bk, NULL));
    check_lines(n, o, net, host, stats);
    assert_int_equal(*fut_net_steps_tracked(net), 1);

    bk->free(bk, photos);
    bk->free(bk, control);
    bk->free(bk, e);
    bk->free(bk, de);
    bk->free(bk, leaf);
    fut_mem_free(host);
    fut_mem_free(rgb);
    destroy_net(&net, &bk);
}

static void gradients_on_the_backend(void **state)
{
    (void)state;
    oracle o = f32_backend();
    check_gradients(&b0, &o);
    if (is_fast()) check_gradients(&lite0, &o);
    check_gradients(&tiny, &o);
}

static void gradients_on_ref(void **state)
{
    (void)state;
    check_gradients(&b0, &ref);
    check_gradients(&lite0, &ref);
    check_gradients(&tiny, &ref);
}

/* ---- batch norm over several shards ---------------------------------------------------------------------------------------------- */

enum { LOCKSTEP_SHARDS = 3 };
static const int64_t lockstep_n[LOCKSTEP_SHARDS] = {3, 3, 2}; /* IMAGES, as evenly as they go */

/* The batch in three shards that go through the network together must give what PyTorch gives for the whole batch. */
static void check_lockstep(const network *n, const oracle *o)
{
    fut_backend *bk = NULL;
    fut_comm *self = NULL;
    fut_lockstep *lockstep = NULL;
    fut_tree *tree = NULL;
    int64_t size = n->gradient_size, at = 0, photo = size * size * 3;
    size_t real = fut_dtype_size(o->real);
    fut_net *net = make_net_of(n, o, size, FUT_BATCH_NORM_GLOBAL, &bk);
    FUT_TEST_OK(fut_net_reserve(net, LOCKSTEP_SHARDS, lockstep_n[0], true));
    FUT_TEST_OK(fut_comm_create_self(&self));
    FUT_TEST_OK(fut_lockstep_create(net, self, LOCKSTEP_SHARDS, 0, LOCKSTEP_SHARDS, &lockstep));
    FUT_TEST_OK(fut_tree_create(self, bk, LOCKSTEP_SHARDS, fut_net_leaf_count(net), o->real, 0, &tree));
    uint8_t *rgb = net_fill_images(IMAGES, size), *photos = fut_test_device(bk, rgb, (size_t)(IMAGES * photo));
    size_t row_bytes = (size_t)n->embedding * real, leaf_bytes = (size_t)fut_net_leaf_count(net) * real;
    char *host = NULL, *e = NULL, *leaves = NULL;
    FUT_TEST_OK(fut_mem_alloc(leaf_bytes, 1, (void **)&host));
    for (int64_t i = 0; i < IMAGES * n->embedding; i++)
        net_fill_store(o->real, host, i, net_fill_signed_unit(net_fill_hash("d_embeddings"), i));
    char *de = fut_test_device(bk, host, IMAGES * row_bytes);
    FUT_TEST_OK(bk->alloc(bk, IMAGES * row_bytes, (void **)&e));
    FUT_TEST_OK(bk->alloc(bk, LOCKSTEP_SHARDS * leaf_bytes, (void **)&leaves));
    fut_net_shard *shards = fut_lockstep_shards(lockstep);
    for (int k = 0; k < LOCKSTEP_SHARDS; at += lockstep_n[k++])
        shards[k] = (fut_net_shard){.slot = k,
                                    .n = lockstep_n[k],
                                    .rgb = photos + at * photo,
                                    .embeddings = e + (size_t)at * row_bytes,
                                    .d_embeddings = de + (size_t)at * row_bytes,
                                    .leaf = leaves + (size_t)k * leaf_bytes};
    FUT_TEST_OK(fut_net_forward_lockstep(net, shards, LOCKSTEP_SHARDS, IMAGES, fut_lockstep_join(lockstep)));
    FUT_TEST_OK(fut_net_backward_lockstep(net, shards, LOCKSTEP_SHARDS, IMAGES, fut_lockstep_join(lockstep), NULL));
    const void *sum = NULL;
    for (int k = 0; k < LOCKSTEP_SHARDS; k++) {
        void *leaf = NULL;
        FUT_TEST_OK(fut_tree_begin_leaf(tree, k, &leaf));
        FUT_TEST_OK(bk->copy(bk, leaf, shards[k].leaf, leaf_bytes, NULL));
        FUT_TEST_OK(fut_tree_leaf_ready(tree, 0, "gradients"));
    }
    FUT_TEST_OK(fut_tree_finish(tree, &sum, "gradients"));
    void *control = fut_test_device(bk, &(fut_step_control){.finite = 1}, sizeof(fut_step_control));
    FUT_TEST_OK(fut_net_update_stats(net, sum, LOCKSTEP_SHARDS, control));
    FUT_TEST_OK(bk->download(bk, host, sum, leaf_bytes, NULL));
    char *stats = host + (size_t)fut_net_param_count(net) * real;
    FUT_TEST_OK(bk->download(bk, stats, fut_net_stats(net), (size_t)fut_net_stat_count(net) * real, NULL));
    FUT_TEST_OK(bk->sync(bk, NULL));
    check_lines(n, o, net, host, stats);

    void *device[] = {photos, de, e, leaves, control};
    for (size_t i = 0; i < sizeof device / sizeof *device; i++)
        bk->free(bk, device[i]);
    fut_tree_destroy(&tree);
    fut_lockstep_destroy(&lockstep);
    fut_comm_destroy(&self);
    fut_mem_free(host);
    fut_mem_free(rgb);
    destroy_net(&net, &bk);
}

static void lockstep_on_the_backend(void **state)
{
    (void)state;
    oracle o = f32_backend();
    check_lockstep(&tiny, &o);
    check_lockstep(&b0, &o);
}

static void lockstep_on_ref(void **state)
{
    (void)state;
    oracle exact = ref;
    exact.gradient_tolerance = 1e-10;
    check_lockstep(&tiny, &exact);
}

int main(void)
{
    const struct CMUnitTest on_backend[] = {cmocka_unit_test(embeddings_on_the_backend), cmocka_unit_test(gradients_on_the_backend),
                                            cmocka_unit_test(lockstep_on_the_backend)};
    const struct CMUnitTest on_ref[] = {
        cmocka_unit_test(tensors_of_b0),     cmocka_unit_test(tensors_of_lite0), cmocka_unit_test(tensors_of_tiny),
        cmocka_unit_test(embeddings_on_ref), cmocka_unit_test(gradients_on_ref), cmocka_unit_test(lockstep_on_ref),
    };
    int failed = cmocka_run_group_tests(on_backend, NULL, NULL);
    return failed + (is_fast() ? cmocka_run_group_tests(on_ref, NULL, NULL) : 0);
}
