/* Twenty training steps of the whole recipe against PyTorch (make_recipe.py), as launch/trainer.c takes them with one shard: forward,
 * contrastive loss, backward, AdamW, running statistics. The loss is within 1e-5 of PyTorch's f64 at step 1 and 1e-3 until step 3, and
 * never farther from it than three times PyTorch's own f32 is, taken as the largest of
 * several runs until that step. */
#include "core/base/yaml.h"
#include "core/loss/loss.h"
#include "core/optim/optim.h"
#include "tests/golden/net_fill.h"

#include <stdio.h>

#define FOLDER FUT_TEST_SOURCE_DIR "/tests/golden/recipe/"
enum { EMBEDDING = 512, SIZE = 64, PHOTO = SIZE * SIZE * 3, STEPS = 20, PEOPLE = 8, PHOTOS = 6, PEOPLE_BATCH = 4, PHOTOS_BATCH = 4 };
enum { BATCH = PEOPLE_BATCH * PHOTOS_BATCH };

typedef struct recipe_config {
    fut_opt_variant loss, optimizer;
} recipe_config;

static const fut_opt table[] = {FUT_OPT_VARIANT(recipe_config, loss, "contrastive", fut_loss_choices, ""),
                                FUT_OPT_VARIANT(recipe_config, optimizer, "adamw", fut_optim_choices, ""), FUT_OPT_END};
static const char settings[] = "{loss: {type: contrastive, distance: cosine, pos_margin: 1, neg_margin: 0.05}, "
                               "optimizer: {type: adamw, lr: 1e-4, weight_decay: 1e-5}}";

typedef struct recipe {
    fut_backend *bk;
    recipe_config config;
    fut_net *net;
    fut_loss *loss;
    fut_optim *optim;
    void *e, *de, *leaf;
    uint8_t *rgb;
} recipe;

static void recipe_begin(recipe *r, const char *backbone)
{
    fut_yaml_node *root = NULL;
    fut_net_spec spec = {.backbone = backbone, .embedding = EMBEDDING, .size = SIZE, .dtype = FUT_F32, .real = FUT_F32};
    memcpy(spec.mean, net_fill_mean, sizeof spec.mean);
    memcpy(spec.std, net_fill_std, sizeof spec.std);
    *r = (recipe){.bk = NULL};
    FUT_TEST_OK(fut_opt_defaults(table, &r->config));
    FUT_TEST_OK(fut_yaml_parse_text("recipe", settings, strlen(settings), &root));
    FUT_TEST_OK(fut_opt_load(table, &r->config, root));
    fut_yaml_destroy(&root);
    FUT_TEST_OK(fut_backend_create("cpu", &(fut_backend_options){.threads = 2}, &r->bk));
    FUT_TEST_OK(fut_net_create(r->bk, &spec, &r->net));
    net_fill_tensors(r->net);
    FUT_TEST_OK(fut_net_reserve(r->net, 1, BATCH, true));
    FUT_TEST_OK(fut_loss_create(r->bk, &r->config.loss, NULL, FUT_F32, &(fut_loss_sizes){.batch = BATCH, .rows = BATCH, .dim = EMBEDDING},
                                &r->loss));
    FUT_TEST_OK(fut_optim_create(r->bk, &r->config.optimizer, FUT_F32, fut_net_param_count(r->net), &r->optim));
    FUT_TEST_OK(r->bk->alloc(r->bk, BATCH * EMBEDDING * sizeof(float), &r->e));
    FUT_TEST_OK(r->bk->alloc(r->bk, BATCH * EMBEDDING * sizeof(float), &r->de));
    FUT_TEST_OK(r->bk->alloc(r->bk, (size_t)fut_net_leaf_count(r->net) * sizeof(float), &r->leaf));
    FUT_TEST_OK(FUT_NEW_ARRAY(BATCH * PHOTO, &r->rgb));
}

static void recipe_end(recipe *r)
{
    fut_mem_free(r->rgb);
    r->bk->free(r->bk, r->e);
    r->bk->free(r->bk, r->de);
    r->bk->free(r->bk, r->leaf);
    fut_optim_destroy(&r->optim);
    fut_loss_destroy(&r->loss);
    fut_net_destroy(&r->net);
    fut_backend_destroy(&r->bk);
    fut_opt_fini(table, &r->config);
}

static void draw_photo(int64_t person, int64_t photo, uint8_t *rgb)
{
    for (int64_t y = 0; y < SIZE; y++)
        for (int64_t x = 0; x < SIZE; x++)
            for (int64_t c = 0; c < 3; c++) {
                int64_t at = (y * SIZE + x) * 3 + c;
                int64_t stripes = (x * (person + 1) + y * (PEOPLE - person) * 2 + c * 40 + photo * 23) % 128;
                rgb[at] = (uint8_t)((int64_t)(net_fill_word((uint64_t)(person * PHOTOS + photo), at) >> 57) + stripes);
            }
}

/* Step 0, 1, ...; returns the loss before it. */
static double recipe_step(recipe *r, int64_t step)
{
    int64_t label[BATCH], image[BATCH], row[BATCH];
    double sums[FUT_LOSS_SUMS], lr = fut_optim_base_lr(r->optim);
    fut_loss_report report;
    for (int64_t i = 0; i < BATCH; i++) {
        label[i] = (step + i / PHOTOS_BATCH) % PEOPLE;
        int64_t photo = (step + i % PHOTOS_BATCH) % PHOTOS;
        image[i] = label[i] * PHOTOS + photo;
        row[i] = i;
        draw_photo(label[i], photo, r->rgb + i * PHOTO);
    }
    FUT_TEST_OK(fut_net_forward(r->net, 0, BATCH, r->rgb, r->e));
    FUT_TEST_OK(fut_loss_begin(r->loss, BATCH, r->e, label, image));
    FUT_TEST_OK(fut_loss_rows(r->loss, BATCH, row, sums));
    FUT_TEST_OK(fut_loss_grad(r->loss, BATCH, row, sums, r->de, NULL));
    FUT_TEST_OK(fut_net_backward(r->net, 0, BATCH, r->de, r->leaf, NULL));
    FUT_TEST_OK(fut_optim_check(r->optim, r->leaf, NULL, 0));
    FUT_TEST_OK(fut_optim_step(r->optim, &lr, fut_net_params(r->net), r->leaf));
    FUT_TEST_OK(fut_net_update_stats(r->net, r->leaf, 1, r->optim->control));
    fut_net_step_taken(r->net);
    fut_loss_read(r->loss, sums, &report);
    return report.loss;
}

static void check_losses(recipe *r, FILE *f)
{
    double spread = 0; /* largest so far: rounding grows, so a smaller one is a run crossing zero */
    for (int step = 0; step < STEPS; step++) {
        int number;
        double want, spread_here, got = recipe_step(r, step);
        assert_int_equal(fscanf(f, " loss %d %lf %lf", &number, &want, &spread_here), 3);
        spread = fmax(spread, spread_here);
        assert_int_equal(number, step + 1);
        double error = fabs(got - want) / want;
        double tolerance = fmax(3 * spread, 1e-6); /* a few roundings of a loss near 1 */
        if (number == 1) tolerance = fmin(tolerance, 1e-5);
        if (number <= 3) tolerance = fmin(tolerance, 1e-3);
        print_message("step %2d: loss %.7f, off by %.1e; PyTorch's f32 by %.1e\n", number, got, error, spread_here);
        if (!(error <= tolerance)) fail_msg("above %g", tolerance);
    }
}

/* Running statistics after the last step: the projection of each on a random vector, relative to its norm. */
static void check_statistics(recipe *r, FILE *f)
{
    const float *stats = fut_net_stats(r->net);
    double spread, worst = 0;
    int64_t checked = 0;
    assert_int_equal(fscanf(f, " spread %lf", &spread), 1);
    for (int64_t t = 0; t < fut_net_tensor_count(r->net); t++) {
        const fut_net_tensor *tensor = fut_net_tensor_at(r->net, t);
        if (tensor->trainable) continue;
        char name[128];
        double norm, want, got = 0;
        uint64_t stream = net_fill_hash(tensor->name);
        assert_int_equal(fscanf(f, " statistic %127s %lf %lf", name, &norm, &want), 3);
        assert_string_equal(name, tensor->name);
        for (int64_t i = 0; i < tensor->count; i++)
            got += net_fill_signed_unit(stream, i) * (double)stats[tensor->offset + i];
        double error = fabs(got - want) / norm;
        if (!(error <= worst)) worst = error;
        checked++;
    }
    print_message("%lld running statistics: off by %.1e; PyTorch's f32 by %.1e\n", (long long)checked, worst, spread);
    assert_int_equal(fscanf(f, "%*s"), EOF);
    assert_int_equal(*fut_net_steps_tracked(r->net), STEPS);
    if (!(worst <= 3 * spread)) fail_msg("above %g", 3 * spread);
}

static void check(const char *backbone)
{
    char path[1024];
    recipe r;
    snprintf(path, sizeof path, FOLDER "%s.txt", backbone);
    FILE *f = fopen(path, "r");
    if (!f) fail_msg("cannot open %s", path);
    assert_int_equal(fscanf(f, "#%*[^\n]"), 0);
    recipe_begin(&r, backbone);
    check_losses(&r, f);
    check_statistics(&r, f);
    recipe_end(&r);
    fclose(f);
}

static void twenty_steps_of_b0(void **state)
{
    (void)state;
    check("tf_efficientnetv2_b0");
}

static void twenty_steps_of_lite0(void **state)
{
    (void)state;
    check("tf_efficientnet_lite0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(twenty_steps_of_b0), cmocka_unit_test(twenty_steps_of_lite0)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
