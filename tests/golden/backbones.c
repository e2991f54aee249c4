/* Networks against timm and against PyTorch definitions of IResNet and MobileFaceNet (make_backbones.py): names and shapes, embeddings in
 * training and inference, gradients of every parameter and the running statistics after one batch. The backend that fut_test_backend names,
 * else cpu, in f32; ref in f64, where only rounding may differ. In f32 a value may fall on the other side of a relu's corner, or another
 * pixel win a pool, and every gradient before it changes, by a percent or two in such small batches: PyTorch's own f32 is as far from its
 * f64. So networks with corners have a wide tolerance in f32, and an exact one on ref. */
#include "tests/golden/net_fill.h"

#include <stdio.h>
#include <stdlib.h>

enum { IMAGES = 6, EMBEDDING = 16, VALUES = IMAGES * EMBEDDING };

typedef struct network {
    const char *name, *backbone;
    int64_t size;
    int embedding_norm;
    bool small;   /* enough for the slow backends: the others are the same code, deeper or at another size */
    bool corners; /* of relu, prelu, max pool */
} network;

static const network networks[] = {
    {"tf_efficientnetv2_b1_48", "tf_efficientnetv2_b1", 48, FUT_EMBEDDING_NORM_OWN, false, false},
    {"tf_efficientnetv2_b2_33", "tf_efficientnetv2_b2", 33, FUT_EMBEDDING_NORM_OWN, true, false},
    {"tf_efficientnetv2_b3_48", "tf_efficientnetv2_b3", 48, FUT_EMBEDDING_NORM_OWN, false, false},
    {"resnet18_33", "resnet18", 33, FUT_EMBEDDING_NORM_OWN, true, true},
    {"resnet34_33", "resnet34", 33, FUT_EMBEDDING_NORM_NONE, false, true},
    {"resnet50_33_norm", "resnet50", 33, FUT_EMBEDDING_NORM_BATCH, true, true},
    {"resnet101_33", "resnet101", 33, FUT_EMBEDDING_NORM_OWN, false, true},
    {"mobilefacenet_33", "mobilefacenet", 33, FUT_EMBEDDING_NORM_OWN, true, true},
    {"mobilefacenet_112", "mobilefacenet", 112, FUT_EMBEDDING_NORM_BATCH, false, true},
    {"iresnet18_24", "iresnet18", 24, FUT_EMBEDDING_NORM_OWN, true, true},
    {"iresnet50_33", "iresnet50", 33, FUT_EMBEDDING_NORM_OWN, false, true},
    {"iresnet100_33", "iresnet100", 33, FUT_EMBEDDING_NORM_OWN, false, true},
};
enum { NETWORKS = sizeof networks / sizeof *networks };

typedef struct oracle {
    const char *backend;
    fut_dtype real;
    double embedding_tolerance, gradient_tolerance; /* relative to the norm of an image's embedding, of a tensor's gradient */
} oracle;

static const oracle ref = {"ref", FUT_F64, 1e-6, 1e-8}; /* goldens of embeddings are stored as f32, digests with 9 digits */

static oracle f32_oracle(const char *backend, const network *n)
{
    return (oracle){backend, FUT_F32, 1e-4, n->corners ? 3e-2 : 1e-3};
}

/* A net and what its runs need; `host` has room for the leaf. */
typedef struct run {
    const network *n;
    const oracle *o;
    fut_backend *bk;
    fut_net *net;
    void *rgb, *e, *de, *leaf, *control; /* device */
    void *host;
    size_t leaf_bytes;
} run;

static FILE *golden_of(const network *n, const char *suffix)
{
    char path[1024];
    (void)snprintf(path, sizeof path, FUT_TEST_SOURCE_DIR "/tests/golden/backbones/%s.%s", n->name, suffix);
    FILE *f = fopen(path, "rb");
    if (!f) fail_msg("cannot open %s", path);
    return f;
}

static void *new_device(fut_backend *bk, const void *host, size_t bytes)
{
    void *device = NULL;
    FUT_TEST_OK(bk->alloc(bk, bytes, &device));
    FUT_TEST_OK(bk->upload(bk, device, host, bytes, NULL));
    FUT_TEST_OK(bk->sync(bk, NULL));
    return device;
}

static void run_begin(run *r, const network *n, const oracle *o)
{
    *r = (run){.n = n, .o = o};
    fut_net_spec spec = {.backbone = n->backbone,
                         .embedding = EMBEDDING,
                         .size = n->size,
                         .embedding_norm = n->embedding_norm,
                         .dtype = o->real,
                         .real = o->real};
    memcpy(spec.mean, net_fill_mean, sizeof spec.mean);
    memcpy(spec.std, net_fill_std, sizeof spec.std);
    FUT_TEST_OK(fut_backend_create(o->backend, &(fut_backend_options){.threads = 1, .deterministic = true}, &r->bk));
    FUT_TEST_OK(fut_net_create(r->bk, &spec, &r->net));
    net_fill_tensors(r->net);
    FUT_TEST_OK(fut_net_reserve(r->net, 1, IMAGES, true));
    r->leaf_bytes = (size_t)fut_net_leaf_count(r->net) * fut_dtype_size(o->real);
    size_t bytes = VALUES * fut_dtype_size(o->real);
    uint8_t *images = net_fill_images(IMAGES, n->size);
    fut_step_control good_step = {.finite = 1};
    FUT_TEST_OK(fut_mem_alloc(r->leaf_bytes, 1, &r->host));
    FUT_TEST_OK(r->bk->alloc(r->bk, bytes, &r->e));
    FUT_TEST_OK(r->bk->alloc(r->bk, r->leaf_bytes, &r->leaf));
    r->rgb = new_device(r->bk, images, (size_t)(IMAGES * n->size * n->size * 3));
    r->control = new_device(r->bk, &good_step, sizeof good_step);
    for (int64_t i = 0; i < VALUES; i++)
        net_fill_store(o->real, r->host, i, net_fill_signed_unit(net_fill_hash("d_embeddings"), i));
    r->de = new_device(r->bk, r->host, bytes);
    fut_mem_free(images);
}

static void run_end(run *r)
{
    r->bk->free(r->bk, r->rgb);
    r->bk->free(r->bk, r->control);
    r->bk->free(r->bk, r->e);
    r->bk->free(r->bk, r->de);
    r->bk->free(r->bk, r->leaf);
    fut_mem_free(r->host);
    fut_net_destroy(&r->net);
    fut_backend_destroy(&r->bk);
}

/* ---- embeddings ------------------------------------------------------------------------------------------------------------------ */

/* Largest |got - want| / |want| over the images. */
static double embedding_error(run *r, const float *want)
{
    double worst = 0;
    FUT_TEST_OK(r->bk->download(r->bk, r->host, r->e, VALUES * fut_dtype_size(r->o->real), NULL));
    FUT_TEST_OK(r->bk->sync(r->bk, NULL));
    for (int64_t i = 0; i < IMAGES; i++) {
        double difference = 0, norm = 0;
        for (int64_t k = i * EMBEDDING; k < (i + 1) * EMBEDDING; k++) {
            double d = net_fill_load(r->o->real, r->host, k) - want[k];
            difference += d * d;
            norm += (double)want[k] * (double)want[k];
        }
        double relative = sqrt(difference / norm);
        if (!(relative <= worst)) worst = relative;
    }
    return worst;
}

/* Training last: it leaves its forward in the slot for the gradients. Returns the larger error. */
static double check_embeddings(run *r)
{
    float want[2][VALUES];
    FILE *f = golden_of(r->n, "f32");
    assert_int_equal(fread(want, sizeof want[0], 2, f), 2);
    fclose(f);
    FUT_TEST_OK(fut_net_forward_eval(r->net, IMAGES, r->rgb, r->e));
    double eval = embedding_error(r, want[1]);
    FUT_TEST_OK(fut_net_forward(r->net, 0, IMAGES, r->rgb, r->e));
    double train = embedding_error(r, want[0]);
    if (!(eval < r->o->embedding_tolerance)) fail_msg("%s: inference %.2g away, at most %g", r->n->name, eval, r->o->embedding_tolerance);
    if (!(train < r->o->embedding_tolerance)) fail_msg("%s: training %.2g away, at most %g", r->n->name, train, r->o->embedding_tolerance);
    return fmax(eval, train);
}

/* ---- gradients ------------------------------------------------------------------------------------------------------------------- */

typedef struct line {
    uint32_t hash;
    double norm, projection;
} line;

static int by_name(const void *a, const void *b)
{
    const fut_net_tensor *x = *(const fut_net_tensor *const *)a, *y = *(const fut_net_tensor *const *)b;
    return strcmp(x->name, y->name);
}

static uint32_t shape_hash(const fut_net_tensor *tensor)
{
    char text[256];
    int length = snprintf(text, sizeof text, "%s", tensor->name);
    for (int i = 0; i < tensor->rank; i++)
        length += snprintf(text + length, sizeof text - (size_t)length, " %lld", (long long)tensor->dim[i]);
    return (uint32_t)net_fill_hash(text);
}

/* How far a tensor is from its line, relative to *scale, which becomes the tensor's norm. A bias is measured against the weight before it
 * where that is larger: the gradient of a shift which the next batch norm takes away again is zero but for rounding. */
static double tensor_error(const oracle *o, const fut_net_tensor *tensor, const void *pack, const line *want, double *scale)
{
    char name[256];
    (void)snprintf(name, sizeof name, "%s?", tensor->name);
    uint64_t stream = net_fill_hash(name);
    bool bias = strcmp(strrchr(tensor->name, '.'), ".bias") == 0;
    double squares = 0, projection = 0;
    if (!bias || want->norm > *scale) *scale = want->norm;
    for (int64_t i = 0; i < tensor->count; i++) {
        double value = net_fill_load(o->real, pack, tensor->offset + i);
        squares += value * value;
        projection += value * net_fill_signed_unit(stream, i);
    }
    if (want->norm == 0) return squares == 0 ? 0 : INFINITY; /* frozen */
    return fmax(fabs(sqrt(squares) - want->norm), fabs(projection - want->projection)) / *scale;
}

/* The line of each tensor: lines are in the order of names. */
static void read_lines(const run *r, FILE *f, line *lines)
{
    int64_t count = fut_net_tensor_count(r->net);
    const fut_net_tensor **order = NULL;
    char text[256];
    FUT_TEST_OK(FUT_NEW_ARRAY(count, &order));
    for (int64_t i = 0; i < count; i++)
        order[i] = fut_net_tensor_at(r->net, i);
    qsort(order, (size_t)count, sizeof *order, by_name);
    for (int64_t i = 0; i < count; i++) {
        line *to = &lines[order[i] - fut_net_tensor_at(r->net, 0)];
        assert_true(net_fill_line(f, text, sizeof text));
        assert_int_equal(sscanf(text, "%x %lf %lf", &to->hash, &to->norm, &to->projection), 3);
        if (to->hash != shape_hash(order[i])) fail_msg("%s: no tensor %s of this shape", r->n->name, order[i]->name);
    }
    assert_false(net_fill_line(f, text, sizeof text));
    fut_mem_free(order);
}

/* Returns the largest error. */
static double compare_lines(const run *r, const void *stats, const char **worst_name)
{
    double worst = 0, scale = 0;
    line *lines = NULL;
    FILE *f = golden_of(r->n, "txt");
    FUT_TEST_OK(FUT_NEW_ARRAY(fut_net_tensor_count(r->net), &lines));
    read_lines(r, f, lines);
    fclose(f);
    for (int64_t i = 0; i < fut_net_tensor_count(r->net); i++) {
        const fut_net_tensor *tensor = fut_net_tensor_at(r->net, i);
        double error = tensor_error(r->o, tensor, tensor->trainable ? r->host : stats, &lines[i], &scale);
        if (error <= worst) continue;
        worst = error;
        *worst_name = tensor->name;
    }
    fut_mem_free(lines);
    return worst;
}

static void check_network(const network *n, const oracle *o)
{
    run r;
    const char *worst_name = "";
    run_begin(&r, n, o);
    double embedding = check_embeddings(&r);
    FUT_TEST_OK(fut_net_backward(r.net, 0, IMAGES, r.de, r.leaf, NULL));
    FUT_TEST_OK(fut_net_update_stats(r.net, r.leaf, 1, r.control));
    FUT_TEST_OK(r.bk->download(r.bk, r.host, r.leaf, r.leaf_bytes, NULL));
    size_t real = fut_dtype_size(o->real);
    void *stats = (char *)r.host + (size_t)fut_net_param_count(r.net) * real;
    FUT_TEST_OK(r.bk->download(r.bk, stats, fut_net_stats(r.net), (size_t)fut_net_stat_count(r.net) * real, NULL));
    FUT_TEST_OK(r.bk->sync(r.bk, NULL));
    double gradient = compare_lines(&r, stats, &worst_name);
    print_message("%s on %s: embeddings %.2g, gradients and statistics %.2g (%s)\n", n->name, o->backend, embedding, gradient, worst_name);
    if (!(gradient < o->gradient_tolerance))
        fail_msg("%s: %s is %.2g away, at most %.2g", n->name, worst_name, gradient, o->gradient_tolerance);
    run_end(&r);
}

static void on_ref(void **state)
{
    (void)state;
    for (int i = 0; i < NETWORKS; i++)
        if (networks[i].small) check_network(&networks[i], &ref);
}

static void in_f32(void **state)
{
    (void)state;
    const char *backend = fut_test_backend("cpu");
    bool all = strcmp(backend, "cpu") == 0; /* a GPU's double is slow */
    for (int i = 0; i < NETWORKS; i++) {
        oracle o = f32_oracle(backend, &networks[i]);
        if (all || networks[i].small) check_network(&networks[i], &o);
    }
}

int main(void)
{
    const struct CMUnitTest f32[] = {cmocka_unit_test(in_f32)}, f64[] = {cmocka_unit_test(on_ref)};
    int failed = cmocka_run_group_tests(f32, NULL, NULL);
    return strcmp(fut_test_backend("cpu"), "cpu") == 0 ? failed + cmocka_run_group_tests(f64, NULL, NULL) : failed;
}
