/* The gradient of a whole step in double on ref against PyTorch's autograd in one process (make_step.py): network, loss over all pairs or
 * mined triplets of the global batch, batch norm over a shard or over the batch, summed over four shards by the tree. Alone, or under
 * mpirun on up to four ranks (tests/e2e/step_gradient.sh). */
#include "core/loss/loss.h"
#include "core/miner/miner.h"
#include "dist/boot.h"
#include "dist/gather.h"
#include "launch/config.h"
#include "launch/lockstep.h"
#include "tests/golden/net_lines.h"

#define FOLDER FUT_TEST_SOURCE_DIR "/tests/golden/step/"
enum { PHOTOS = 10, SHARDS = 4, DIM = 32, SIZE = 33, PHOTO = SIZE * SIZE * 3 };
static const double tolerance = 1e-10; /* relative to a tensor's norm */

/* As in make_step.py: where in the batch each dealt photo stands, and who is on the batch's. */
static const int64_t row[PHOTOS] = {7, 0, 4, 9, 2, 5, 1, 8, 3, 6}, label[PHOTOS] = {0, 0, 1, 1, 2, 2, 0, 1, 2, 0},
                     image[PHOTOS] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
static const int64_t shard_first[SHARDS + 1] = {0, 3, 6, 8, 10};

static const char *const pairs[] = {"loss={type: contrastive, pos_margin: 1, neg_margin: 0.05}"};
static const char *const triplets[] = {"loss={type: triplet, margin: 0.3, distance: cosine}",
                                       "miner={type: triplet_margin, margin: 0.2, type_of_triplets: semihard, distance: cosine}"};

static fut_comm *comm;

/* What a rank has for its part of a step. */
typedef struct step {
    fut_config *config;
    fut_backend *bk;
    fut_net *net;
    fut_loss *loss;
    fut_tree *tree, *loss_tree;
    fut_lockstep *lockstep;
    bool global;
    int first, end; /* my shards */
    uint8_t *rgb;
    double e_dealt[PHOTOS * DIM], e[PHOTOS * DIM], de[PHOTOS * DIM];
    double sums[SHARDS * FUT_LOSS_SUMS], total[FUT_LOSS_SUMS];
    double *leaves; /* [SHARDS][leaf_count] */
} step;

static void open_step(step *s, const char *const *sets, int set_count, bool global)
{
    const char *all[4] = {"data.file=none"};
    fut_row_miner miner;
    int64_t first = 0, end = 0;
    memcpy(all + 1, sets, (size_t)set_count * sizeof *sets);
    FUT_TEST_OK(fut_config_load(NULL, all, set_count + 1, &s->config));
    FUT_TEST_OK(fut_backend_create("ref", &(fut_backend_options){.threads = 1}, &s->bk));
    fut_shard_range(fut_comm_rank(comm), fut_comm_size(comm), SHARDS, &first, &end);
    s->first = (int)first;
    s->end = (int)end;
    s->global = global;
    fut_net_spec spec = {.backbone = "tiny",
                         .embedding = DIM,
                         .size = SIZE,
                         .batch_norm = global ? FUT_BATCH_NORM_GLOBAL : FUT_BATCH_NORM_SHARD,
                         .dtype = FUT_F64,
                         .real = FUT_F64};
    memcpy(spec.mean, net_fill_mean, sizeof spec.mean);
    memcpy(spec.std, net_fill_std, sizeof spec.std);
    FUT_TEST_OK(fut_net_create(s->bk, &spec, &s->net));
    net_fill_tensors(s->net);
    FUT_TEST_OK(fut_net_reserve(s->net, SHARDS, shard_first[1], true));
    FUT_TEST_OK(fut_miner_describe(&s->config->miner, &miner));
    fut_loss_sizes sizes = {.batch = PHOTOS, .rows = shard_first[1], .dim = DIM};
    FUT_TEST_OK(fut_loss_create(s->bk, &s->config->loss, &miner, FUT_F64, &sizes, &s->loss));
    FUT_TEST_OK(fut_tree_create(comm, s->bk, SHARDS, fut_net_leaf_count(s->net), FUT_F64, 0, &s->tree));
    FUT_TEST_OK(fut_tree_create(comm, s->bk, SHARDS, (int64_t)PHOTOS * DIM, FUT_F64, 0, &s->loss_tree));
    FUT_TEST_OK(fut_lockstep_create(s->net, comm, SHARDS, s->first, s->end, &s->lockstep));
    FUT_TEST_OK(FUT_NEW_ARRAY(SHARDS * fut_net_leaf_count(s->net), &s->leaves));
    s->rgb = net_fill_images(PHOTOS, SIZE);
}

static void close_step(step *s)
{
    fut_mem_free(s->rgb);
    fut_mem_free(s->leaves);
    fut_lockstep_destroy(&s->lockstep);
    fut_tree_destroy(&s->loss_tree);
    fut_tree_destroy(&s->tree);
    fut_loss_destroy(&s->loss);
    fut_net_destroy(&s->net);
    fut_backend_destroy(&s->bk);
    fut_config_destroy(&s->config);
}

static int64_t rows_of(int shard)
{
    return shard_first[shard + 1] - shard_first[shard];
}

static void describe_shards(step *s)
{
    fut_net_shard *shards = fut_lockstep_shards(s->lockstep);
    for (int k = s->first; k < s->end; k++)
        shards[k - s->first] = (fut_net_shard){.slot = k - s->first,
                                               .n = rows_of(k),
                                               .rgb = s->rgb + shard_first[k] * PHOTO,
                                               .embeddings = s->e_dealt + shard_first[k] * DIM,
                                               .d_embeddings = s->de + shard_first[k] * DIM,
                                               .leaf = s->leaves + k * fut_net_leaf_count(s->net)};
}

static void forward(step *s)
{
    const fut_net_shard *shards = fut_lockstep_shards(s->lockstep);
    int mine = s->end - s->first;
    if (s->global) FUT_TEST_OK(fut_net_forward_lockstep(s->net, shards, mine, PHOTOS, fut_lockstep_join(s->lockstep)));
    for (int k = 0; k < mine && !s->global; k++)
        FUT_TEST_OK(fut_net_forward(s->net, shards[k].slot, shards[k].n, shards[k].rgb, shards[k].embeddings));
    FUT_TEST_OK(fut_gather_rows(comm, SHARDS, shard_first, DIM, FUT_F64, s->e_dealt, "embeddings"));
    FUT_TEST_OK(s->bk->scatter_rows(s->bk, PHOTOS, DIM, FUT_F64, row, s->e_dealt, s->e, NULL));
}

static double loss(step *s)
{
    fut_backend *bk = s->bk;
    fut_loss_report report;
    const void *sum = NULL;
    void *leaf = NULL;
    FUT_TEST_OK(fut_loss_begin(s->loss, PHOTOS, s->e, label, image));
    for (int k = s->first; k < s->end; k++)
        FUT_TEST_OK(fut_loss_rows(s->loss, rows_of(k), row + shard_first[k], s->sums + (ptrdiff_t)k * FUT_LOSS_SUMS));
    FUT_TEST_OK(fut_gather_rows(comm, SHARDS, NULL, FUT_LOSS_SUMS, FUT_F64, s->sums, "sums of the loss"));
    FUT_TEST_OK(bk->tree_rows(bk, SHARDS, FUT_LOSS_SUMS, s->sums, s->total, NULL));
    if (fut_loss_spreads(s->loss)) {
        for (int k = s->first; k < s->end; k++) {
            FUT_TEST_OK(fut_tree_begin_leaf(s->loss_tree, k, &leaf));
            FUT_TEST_OK(fut_loss_spread(s->loss, rows_of(k), row + shard_first[k], s->total, leaf));
            FUT_TEST_OK(fut_tree_leaf_ready(s->loss_tree, 0, "gradients of the embeddings"));
        }
        FUT_TEST_OK(fut_tree_finish(s->loss_tree, &sum, "gradients of the embeddings"));
        FUT_TEST_OK(fut_loss_take(s->loss, sum));
    }
    for (int k = s->first; k < s->end; k++)
        FUT_TEST_OK(fut_loss_grad(s->loss, rows_of(k), row + shard_first[k], s->total, s->de + shard_first[k] * DIM, NULL));
    fut_loss_read(s->loss, s->total, &report);
    return report.loss;
}

static const double *backward(step *s)
{
    const fut_net_shard *shards = fut_lockstep_shards(s->lockstep);
    int mine = s->end - s->first;
    const void *sum = NULL;
    void *leaf = NULL;
    if (s->global) FUT_TEST_OK(fut_net_backward_lockstep(s->net, shards, mine, PHOTOS, fut_lockstep_join(s->lockstep), NULL));
    for (int k = 0; k < mine; k++) {
        const fut_net_shard *shard = &shards[k];
        if (!s->global) FUT_TEST_OK(fut_net_backward(s->net, shard->slot, shard->n, shard->d_embeddings, shard->leaf, NULL));
        FUT_TEST_OK(fut_tree_begin_leaf(s->tree, s->first + k, &leaf));
        memcpy(leaf, shard->leaf, (size_t)fut_net_leaf_count(s->net) * sizeof(double));
        FUT_TEST_OK(fut_tree_leaf_ready(s->tree, 0, "gradients"));
    }
    FUT_TEST_OK(fut_tree_finish(s->tree, &sum, "gradients"));
    FUT_TEST_OK(fut_net_update_stats(s->net, sum, SHARDS, &(fut_step_control){.finite = 1}));
    return sum;
}

static void compare(const char *name, const fut_net *net, double value, const double *gradients, const void *stats)
{
    char path[1024], line[1024], *cursor = line;
    double worst = 0, scale = 0;
    int64_t lines = 0;
    (void)snprintf(path, sizeof path, FOLDER "%s.txt", name);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    assert_true(net_fill_line(f, line, sizeof line));
    double want = strtod(line, &cursor);
    if (!(fabs(value - want) <= tolerance * want)) fail_msg("%s: loss %.15g, PyTorch has %.15g", name, value, want);
    for (; net_fill_line(f, line, sizeof line); lines++) {
        cursor = strchr(line, ' ');
        *cursor++ = '\0';
        const fut_net_tensor *tensor = net_find_tensor(net, line);
        double error = net_tensor_error(FUT_F64, tensor, tensor->trainable ? gradients : stats, &cursor, &scale);
        if (!(error < tolerance)) fail_msg("%s, %s: relative error %g, at most %g", name, line, error, tolerance);
        if (error > worst) worst = error;
    }
    (void)fclose(f);
    assert_int_equal(lines, fut_net_tensor_count(net));
    if (fut_comm_rank(comm) == 0)
        print_message("%s on %d rank(s): loss %.12g, largest relative error %.2g\n", name, fut_comm_size(comm), value, worst);
}

static void check(const char *name, const char *const *sets, int set_count, bool global)
{
    step *s = NULL;
    FUT_TEST_OK(FUT_NEW(&s));
    open_step(s, sets, set_count, global);
    describe_shards(s);
    forward(s);
    double value = loss(s);
    const double *gradients = backward(s);
    compare(name, s->net, value, gradients, fut_net_stats(s->net));
    close_step(s);
    fut_mem_free(s);
}

static void batch_norm_over_a_shard(void **state)
{
    (void)state;
    check("pairs_shard", pairs, 1, false);
    check("triplets_shard", triplets, 2, false);
}

static void batch_norm_over_the_batch(void **state)
{
    (void)state;
    check("pairs_global", pairs, 1, true);
    check("triplets_global", triplets, 2, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(batch_norm_over_a_shard), cmocka_unit_test(batch_norm_over_the_batch)};
    if (fut_boot(&comm) != FUT_OK) return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    return fut_boot_finish(&comm, failed == 0 ? FUT_OK : FUT_ERR_INTERNAL) == FUT_OK ? 0 : 1;
}
