/* core/base/opt: defaults, loading and its messages, variants, printing that reads back to the same bits. */
#include "core/base/mem.h"
#include "core/base/opt.h"
#include "core/base/rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

typedef struct inner_config {
    double scale;
    fut_opt_f64_list weights;
} inner_config;

typedef struct contrastive_config {
    double pos_margin;
    double neg_margin;
    int distance;
} contrastive_config;

typedef struct triplet_config {
    double margin;
    bool swap;
    fut_opt_variant miner;
    inner_config inner;
} triplet_config;

typedef struct train_config {
    int64_t epochs;
    int64_t batch;
    double save_every;
    int64_t cache;
} train_config;

typedef struct config {
    char run[FUT_OPT_STRING_MAX];
    int64_t seed;
    bool deterministic;
    int backend;
    fut_opt_f64_list fractions;
    fut_opt_variants augment;
    fut_opt_variant loss;
    train_config train;
} config;

static const char *const distances[] = {"cosine", "lp", NULL};
static const char *const backends[] = {"auto", "cpu", "cuda", NULL};

#define S inner_config
static const fut_opt inner_options[] = {
    FUT_OPT_F64(S, scale, "2.5", -INFINITY, INFINITY, "", "a scale"),
    FUT_OPT_F64_LIST(S, weights, "[1]", 0, INFINITY, "weights"),
    FUT_OPT_END,
};
#undef S
#define S contrastive_config
static const fut_opt contrastive_options[] = {
    FUT_OPT_F64(S, pos_margin, "1", -1, 2, "similarity", "pulled together until this similarity"),
    FUT_OPT_F64(S, neg_margin, "0.05", -1, 2, "similarity", "pushed apart until this similarity"),
    FUT_OPT_ENUM(S, distance, "cosine", distances, "what is compared"),
    FUT_OPT_END,
};
#undef S
static const fut_opt no_options[] = {FUT_OPT_END};
static const fut_opt_choice augment_flip = {"flip", "a mirror", no_options, 0, NULL};
static const fut_opt_choice augment_blur = {"blur", "less sharp", inner_options, sizeof(inner_config), NULL};
static const fut_opt_choice augment_crop = {"crop", "a part", NULL, 0, NULL};
static const fut_opt_choice *const augments[] = {&augment_flip, &augment_blur, &augment_crop, NULL};
static const fut_opt_choice miner_none = {"none", "all pairs", no_options, 0, NULL};
static const fut_opt_choice miner_hard = {"hard", "the hardest", inner_options, sizeof(inner_config), NULL};
static const fut_opt_choice *const miners[] = {&miner_none, &miner_hard, NULL};
#define S triplet_config
static const fut_opt triplet_options[] = {
    FUT_OPT_F64(S, margin, "0.05", 0, 10, "", "the margin"),
    FUT_OPT_BOOL(S, swap, "false", "swap anchors"),
    FUT_OPT_VARIANT(S, miner, "{type: hard, scale: 3}", miners, "which triplets"),
    FUT_OPT_TABLE(S, inner, inner_options, "inner options"),
    FUT_OPT_END,
};
#undef S
static const fut_opt_choice loss_contrastive = {"contrastive", "pairs", contrastive_options, sizeof(contrastive_config), NULL};
static const fut_opt_choice loss_triplet = {"triplet", "triplets", triplet_options, sizeof(triplet_config), NULL};
static const fut_opt_choice *const losses[] = {&loss_contrastive, &loss_triplet, NULL};
#define S train_config
static const fut_opt train_options[] = {
    FUT_OPT_I64(S, epochs, "50", 0, 1e6, "", "passes over the sampler"),
    FUT_OPT_I64(S, batch, "32", 2, 65536, "images", "global batch"),
    FUT_OPT_DURATION(S, save_every, "5 min", 1, 86400, "time between checkpoints"),
    FUT_OPT_BYTES(S, cache, "64 MiB", 0, 1e12, "memory for decoded images"),
    FUT_OPT_END,
};
#undef S
#define S config
static const fut_opt options[] = {
    FUT_OPT_STRING(S, run, "runs/article", "the run folder"),
    FUT_OPT_I64(S, seed, "0", 0, 4294967295.0, "", "seed of every draw"),
    FUT_OPT_BOOL(S, deterministic, "true", "same bits every time"),
    FUT_OPT_ENUM(S, backend, "auto", backends, "where it runs"),
    FUT_OPT_F64_LIST(S, fractions, "[0.8, 0.1, 0.1]", 0, 1, "parts"),
    FUT_OPT_VARIANTS(S, augment, "[]", augments, "augmentations"),
    FUT_OPT_VARIANT(S, loss, "contrastive", losses, "the loss"),
    FUT_OPT_TABLE(S, train, train_options, "training"),
    FUT_OPT_END,
};
#undef S

static void with_defaults(config *c)
{
    memset(c, 0, sizeof *c);
    fut_trail_clear();
    if (fut_opt_defaults(options, c) != FUT_OK) fail_msg("%s", fut_trail_message());
}

static fut_status load(config *c, const char *text)
{
    fut_yaml_node *root = NULL;
    fut_trail_clear();
    fut_status st = fut_yaml_parse_text("f.yaml", text, strlen(text), &root);
    if (st == FUT_OK) st = fut_opt_load(options, c, root);
    fut_yaml_destroy(&root);
    return st;
}

static void load_ok(config *c, const char *text)
{
    if (load(c, text) != FUT_OK) fail_msg("%s", fut_trail_message());
}

static int loaded_with_defaults(void **state)
{
    static config c;
    with_defaults(&c);
    *state = &c;
    return 0;
}

static int released(void **state)
{
    fut_opt_fini(options, *state);
    return fut_mem_bytes() == 0 ? 0 : -1;
}

static void defaults(void **state)
{
    config *c = *state;
    assert_string_equal(c->run, "runs/article");
    assert_int_equal(c->seed, 0);
    assert_true(c->deterministic);
    assert_int_equal(c->backend, 0);
    assert_int_equal(c->fractions.count, 3);
    assert_true(c->fractions.value[1] == 0.1);
    assert_int_equal(c->augment.count, 0);
    assert_ptr_equal(c->loss.choice, &loss_contrastive);
    contrastive_config *loss = c->loss.config;
    assert_true(loss->pos_margin == 1 && loss->neg_margin == 0.05 && loss->distance == 0);
    assert_int_equal(c->train.epochs, 50);
    assert_true(c->train.save_every == 300);
    assert_int_equal(c->train.cache, 64LL << 20);
}

static void loads_in_any_order(void **state)
{
    config *c = *state;
    load_ok(c, "train:\n  cache: 1 GiB\n  save_every: 90\n  batch: 64\naugment: [crop, flip]\nbackend: cuda\nseed: 7\n"
               "deterministic: false\nfractions: [1e-4, 1]\nrun: 2026\nloss: {distance: lp, neg_margin: -0.5}\n");
    assert_int_equal(c->train.cache, 1LL << 30);
    assert_true(c->train.save_every == 90);
    assert_int_equal(c->train.batch, 64);
    assert_int_equal(c->train.epochs, 50);
    assert_int_equal(c->augment.count, 2);
    assert_ptr_equal(c->augment.item[0].choice, &augment_crop);
    assert_ptr_equal(c->augment.item[1].choice, &augment_flip);
    assert_int_equal(c->backend, 2);
    assert_int_equal(c->seed, 7);
    assert_false(c->deterministic);
    assert_int_equal(c->fractions.count, 2);
    assert_true(c->fractions.value[0] == 1e-4);
    assert_string_equal(c->run, "2026");
    /* No type: the choice stays, and so does what is not named. */
    contrastive_config *loss = c->loss.config;
    assert_ptr_equal(c->loss.choice, &loss_contrastive);
    assert_true(loss->distance == 1 && loss->neg_margin == -0.5 && loss->pos_margin == 1);
    load_ok(c, "run: \"\"\ntrain:\n");
    assert_string_equal(c->run, "");
    assert_int_equal(c->train.batch, 64);
}

static void variants(void **state)
{
    config *c = *state;
    load_ok(c, "loss: {swap: true, type: triplet}\n");
    assert_ptr_equal(c->loss.choice, &loss_triplet);
    triplet_config *loss = c->loss.config;
    assert_true(loss->swap && loss->margin == 0.05);
    assert_ptr_equal(loss->miner.choice, &miner_hard);
    assert_true(((inner_config *)loss->miner.config)->scale == 3);
    assert_true(loss->inner.scale == 2.5);
    /* The same type again keeps what was set; the other one starts from its defaults. */
    load_ok(c, "loss: {type: triplet, margin: 1, miner: none, inner: {scale: 9}}\n");
    loss = c->loss.config;
    assert_true(loss->swap && loss->margin == 1 && loss->inner.scale == 9);
    assert_ptr_equal(loss->miner.choice, &miner_none);
    load_ok(c, "loss: triplet\n");
    loss = c->loss.config;
    assert_true(loss->swap && loss->margin == 1);
    load_ok(c, "loss: contrastive\n");
    load_ok(c, "loss: triplet\n");
    loss = c->loss.config;
    assert_true(!loss->swap && loss->margin == 0.05);
}

static void set_over_file(void **state)
{
    config *c = *state;
    static const char text[] = "loss: triplet\ntrain: {batch: 16}\n";
    fut_yaml_node *root = NULL;
    assert_int_equal(fut_yaml_parse_text("f.yaml", text, sizeof text - 1, &root), FUT_OK);
    assert_int_equal(fut_yaml_set(root, "loss.margin=0.3"), FUT_OK);
    assert_int_equal(fut_yaml_set(root, "train.batch=8"), FUT_OK);
    assert_int_equal(fut_yaml_set(root, "run="), FUT_OK);
    assert_int_equal(fut_opt_load(options, c, root), FUT_OK);
    assert_true(((triplet_config *)c->loss.config)->margin == 0.3);
    assert_int_equal(c->train.batch, 8);
    assert_string_equal(c->run, "");
    assert_int_equal(fut_yaml_set(root, "train.batch=1"), FUT_OK);
    fut_trail_clear();
    assert_int_equal(fut_opt_load(options, c, root), FUT_ERR_CONFIG);
    assert_string_equal(fut_trail_message(), "--set: train.batch: found 1, must be 2 to 65536 images");
    fut_yaml_destroy(&root);
}

static void a_set_type_says_how_to_drop_the_options_of_the_file(void **state)
{
    config *c = *state;
    static const char text[] = "loss: {type: contrastive, pos_margin: 1}\n";
    fut_yaml_node *root = NULL;
    assert_int_equal(fut_yaml_parse_text("f.yaml", text, sizeof text - 1, &root), FUT_OK);
    assert_int_equal(fut_yaml_set(root, "loss.type=triplet"), FUT_OK);
    fut_trail_clear();
    assert_int_equal(fut_opt_load(options, c, root), FUT_ERR_CONFIG);
    assert_string_equal(
        fut_trail_message(),
        "f.yaml:1:27: loss.pos_margin: triplet has no such option, contrastive has; replace all of them: --set loss=triplet");
    assert_int_equal(fut_yaml_set(root, "loss=triplet"), FUT_ERR_CONFIG); /* it would undo the --set before it */
    fut_yaml_destroy(&root);
    assert_int_equal(fut_yaml_parse_text("f.yaml", text, sizeof text - 1, &root), FUT_OK);
    assert_int_equal(fut_yaml_set(root, "loss=triplet"), FUT_OK);
    assert_int_equal(fut_opt_load(options, c, root), FUT_OK);
    fut_yaml_destroy(&root);
}

static void refusals_say_found_and_expected(void **state)
{
    config *c = *state;
    static const char *const rows[][2] = {
        {"train:\n  bacth: 3\n", "f.yaml:2:3: train.bacth: unknown key; did you mean batch?"},
        {"momentum: 3\n",
         "f.yaml:1:1: momentum: unknown key; the known ones are run, seed, deterministic, backend, fractions, augment, loss, train"},
        {"seed: 1e3\n", "f.yaml:1:7: seed: found 1e3, expected a whole number"},
        {"seed: \"5\"\n", "f.yaml:1:7: seed: found \"5\" in quotes, expected a whole number"},
        {"seed: 010\n", "seed: found 010, expected a whole number"},
        {"seed: 0x10\n", "seed: found 0x10, expected a whole number"},
        {"seed: 1_000\n", "seed: found 1_000, expected a whole number"},
        {"seed:\n", "seed: found nothing, expected a whole number"},
        {"seed: -1\n", "f.yaml:1:7: seed: found -1, must be 0 to 4294967295"},
        {"seed: [1]\n", "seed: found a list, expected a whole number"},
        {"seed: {a: 1}\n", "seed: found a mapping, expected a whole number"},
        {"seed: 99999999999999999999\n", "seed: found 99999999999999999999, expected a whole number"},
        {"deterministic: yes\n", "f.yaml:1:16: deterministic: found yes, expected true or false"},
        {"deterministic: True\n", "found True, expected true or false"},
        {"deterministic: 1\n", "found 1, expected true or false"},
        {"deterministic: 'true'\n", "found \"true\" in quotes, expected true or false"},
        {"backend: cuba\n", "f.yaml:1:10: backend: found cuba, did you mean cuda? It is one of: auto, cpu, cuda"},
        {"backend: tpu9\n", "backend: found tpu9, expected one of: auto, cpu, cuda"},
        {"backend:\n", "backend: found nothing, expected one word"},
        {"run:\n", "f.yaml:1:5: run: found nothing, expected a text; write \"\" for an empty one"},
        {"run: null\n", "run: found null, expected a text"},
        {"run: ~\n", "run: found ~, expected a text"},
        {"run: [a]\n", "run: found a list, expected a text"},
        {"fractions: 0.5\n", "fractions: found 0.5, expected a list of numbers such as [0.8, 0.2]"},
        {"fractions: [0.5, x]\n", "f.yaml:1:18: fractions: found x, expected a list of numbers"},
        {"fractions: [0.5, [1]]\n", "f.yaml:1:18: fractions: found a list, expected a list of numbers"},
        {"fractions: [0.5, 1.5]\n", "f.yaml:1:18: fractions: found 1.5, must be 0 to 1"},
        {"fractions: [0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]\n", "f.yaml:1:45: fractions: more than 16 entries"},
        {"augment: flip\n", "augment: found flip, expected a list of types such as [a, {type: b, option: value}], or []"},
        {"augment: [flip, blurr]\n", "f.yaml:1:17: augment: found blurr, did you mean blur? It is one of: flip, blur, crop"},
        {"augment: [flip, flip]\n", "f.yaml:1:17: augment: flip is in the list twice"},
        {"augment: {flip: 1}\n", "augment: found a mapping, expected a list"},
        {"augment: [[flip]]\n", "f.yaml:1:11: augment: found a list, expected a list of types such as"},
        {"augment: [{scale: 1}]\n", "f.yaml:1:11: augment: no type; write {type: name}"},
        {"augment: [flip, {type: blur, scal: 1}]\n", "f.yaml:1:30: augment.scal: blur has no such option; did you mean scale?"},
        {"augment: [{type: flip, scale: 1}]\n", "f.yaml:1:24: augment.scale: flip has no such option, blur has; remove it"},
        {"augment: [{type: blur, weights: [-1]}]\n", "f.yaml:1:34: augment.weights: found -1, must be at least 0"},
        {"augment: [flip, {type: flip}]\n", "f.yaml:1:17: augment: flip is in the list twice"},
        {"train: 5\n", "f.yaml:1:8: train: found 5, expected a mapping of options"},
        {"train: [1]\n", "train: found a list, expected a mapping of options"},
        {"train: {save_every: 5 minutes}\n", "train.save_every: found 5 minutes, expected a time such as 30 s or 5 min"},
        {"train: {save_every: 2 d}\n", "train.save_every: found 2 d, must be 1 s to 1 d"},
        {"train: {cache: lots}\n", "train.cache: found lots, expected a size such as 64 MiB"},
        {"train: {cache: 2 TB}\n", "train.cache: found 2 TB, must be 0 to 1 TB"},
        {"loss: tripelt\n", "f.yaml:1:7: loss: found tripelt, did you mean triplet? It is one of: contrastive, triplet"},
        {"loss: {type: arcface}\n", "f.yaml:1:14: loss: found arcface, expected one of: contrastive, triplet"},
        {"loss: [triplet]\n", "loss: found a list, expected a type, or {type: name, option: value}"},
        {"loss:\n", "loss: found nothing, expected a type"},
        {"loss: {type: [a]}\n", "loss: found a list, expected a type"},
        {"loss: {type: triplet, margn: 1}\n", "f.yaml:1:23: loss.margn: triplet has no such option; did you mean margin?"},
        {"loss: {type: triplet, pos_margin: 1}\n",
         "loss.pos_margin: triplet has no such option, contrastive has; remove it or choose that type"},
        {"loss: {type: triplet, zzz: 1}\n", "loss.zzz: triplet has no such option; the known ones are margin, swap, miner, inner"},
        {"loss: {type: triplet, miner: {type: none, a: 1}}\n", "loss.miner.a: none has no such option; it has none"},
        {"loss: {type: triplet, inner: {scale: x}}\n", "loss.inner.scale: found x, expected a number such as 0.5 or 1e-4"},
        {"loss: {pos_margin: .nan}\n", "loss.pos_margin: found .nan, expected a number"},
        {"loss: {pos_margin: 1e999}\n", "loss.pos_margin: found 1e999, expected a number"},
        {"loss: {pos_margin: 3}\n", "f.yaml:1:20: loss.pos_margin: found 3, must be -1 to 2 similarity"},
        {"[1]\n", "f.yaml:1:1: found a list, expected a mapping of options"},
        {"hello\n", "f.yaml:1:1: found hello, expected a mapping of options"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(load(c, rows[i][0]), FUT_ERR_CONFIG);
        if (strstr(fut_trail_message(), rows[i][1]) == NULL) fail_msg("\"%s\" lacks \"%s\"", fut_trail_message(), rows[i][1]);
    }
    char text[FUT_OPT_STRING_MAX + 10] = "run: ";
    memset(text + 5, 'x', FUT_OPT_STRING_MAX);
    assert_int_equal(load(c, text), FUT_ERR_CONFIG);
    assert_non_null(strstr(fut_trail_message(), "run: found 4096 bytes, at most 4095 fit"));
    /* A refused variant leaves the old one. */
    assert_int_equal(load(c, "loss: {type: triplet, margin: -1}\n"), FUT_ERR_CONFIG);
    assert_ptr_equal(c->loss.choice, &loss_contrastive);
}

static void bad_defaults_are_errors(void **state)
{
    (void)state;
    const fut_opt bad[] = {FUT_OPT_VARIANT(config, loss, "contrastive", losses, ""), FUT_OPT_I64(config, seed, "x", 0, 1, "", ""),
                           FUT_OPT_END};
    config c = {0};
    fut_trail_clear();
    assert_int_equal(fut_opt_defaults(bad, &c), FUT_ERR_CONFIG);
    assert_string_equal(fut_trail_message(), "default: seed: found x, expected a whole number");
    assert_null(c.loss.config);
    assert_int_equal(fut_mem_bytes(), 0);
}

static void print(const config *c, fut_str *out)
{
    assert_int_equal(fut_opt_print_yaml(options, c, out), FUT_OK);
}

static void prints_yaml(void **state)
{
    config *c = *state;
    fut_str text = {0};
    load_ok(c, "run: \"a b: #1\"\naugment: [crop, {type: blur, scale: 3}, flip]\ntrain: {cache: 1001, save_every: 90 s}\n");
    print(c, &text);
    assert_string_equal(text.data, "run: \"a b: #1\"\n"
                                   "seed: 0\n"
                                   "deterministic: true\n"
                                   "backend: auto\n"
                                   "fractions: [0.8, 0.1, 0.1]\n"
                                   "augment: [{type: crop}, {type: blur, scale: 3, weights: [1]}, {type: flip}]\n"
                                   "loss: {type: contrastive, pos_margin: 1, neg_margin: 0.05, distance: cosine}\n"
                                   "train:\n"
                                   "  epochs: 50\n"
                                   "  batch: 32\n"
                                   "  save_every: 90 s\n"
                                   "  cache: 1001\n");
    fut_str_fini(&text);
    load_ok(c, "loss: triplet\n");
    print(c, &text);
    assert_non_null(strstr(text.data, "loss: {type: triplet, margin: 0.05, swap: false, miner: {type: hard, scale: 3, weights: [1]}, "
                                      "inner: {scale: 2.5, weights: [1]}}\n"));
    fut_str_fini(&text);
}

/* Random values of every kind, printed and loaded into fresh defaults, are the same bits. */
static void printed_yaml_reads_back_to_the_same_bits(void **state)
{
    config *c = *state;
    static const char *const strings[] = {"",
                                          "null",
                                          "~",
                                          "true",
                                          "12",
                                          "-",
                                          "---",
                                          "a: b",
                                          "a #b",
                                          "[x]",
                                          "{",
                                          "'",
                                          "\"q\"",
                                          "\\",
                                          "tab\there",
                                          "new\nline",
                                          "\r",
                                          " lead",
                                          "trail ",
                                          "\xe5\x8f\x8c\xe5\xad\x90",
                                          "\xe2\x80\xa8",
                                          "\x7f",
                                          "\xc2\x85",
                                          "\xef\xbb\xbf",
                                          "*a",
                                          "&a",
                                          "!t",
                                          "%d",
                                          "@",
                                          "`",
                                          "a/b.h5",
                                          "?",
                                          ":",
                                          "<<",
                                          "=",
                                          "C:\\x",
                                          "a,b"};
    fut_philox p = fut_philox_key(9, FUT_RNG_TEST);
    static const char *const lists[] = {"augment: []\n", "augment: [crop, flip]\n", "augment: [blur]\n", "augment: [flip, blur, crop]\n"};
    load_ok(c, "loss: triplet\n");
    for (uint64_t i = 0; i < 2000; i++) {
        triplet_config *loss = c->loss.config;
        (void)snprintf(c->run, sizeof c->run, "%s", strings[i % (sizeof strings / sizeof *strings)]);
        c->seed = (int64_t)(fut_philox_uniform(p, 1, i) * 4294967295.0);
        c->deterministic = i % 2;
        c->backend = (int)(i % 3);
        c->fractions.count = (int)(i % 17);
        for (int k = 0; k < c->fractions.count; k++)
            c->fractions.value[k] = fut_philox_uniform(p, 2, i * 16 + (uint64_t)k);
        load_ok(c, lists[i % 4]);
        if (i % 4 >= 2) ((inner_config *)c->augment.item[i % 4 - 2].config)->scale = fut_philox_normal(p, 8, i);
        c->train.save_every = i % 2 ? 1 + 86399 * fut_philox_uniform(p, 3, i) : 60.0 * (double)(1 + i % 1440);
        c->train.cache = (int64_t)(1e12 * fut_philox_uniform(p, 4, i)) >> i % 2 * 20 << i % 2 * 20;
        loss->margin = 10 * fut_philox_uniform(p, 5, i);
        loss->inner.scale = ldexp(fut_philox_normal(p, 6, i), (int)(i % 2000) - 1000);
        ((inner_config *)loss->miner.config)->scale = fut_philox_normal(p, 7, i);

        fut_str text = {0};
        fut_str again = {0};
        config back;
        print(c, &text);
        with_defaults(&back);
        if (load(&back, text.data) != FUT_OK) fail_msg("%s in\n%s", fut_trail_message(), text.data);
        print(&back, &again);
        assert_string_equal(text.data, again.data);
        triplet_config *loss_back = back.loss.config;
        assert_string_equal(back.run, c->run);
        assert_int_equal(back.seed, c->seed);
        assert_int_equal(back.train.cache, c->train.cache);
        assert_memory_equal(&back.train.save_every, &c->train.save_every, sizeof(double));
        assert_int_equal(back.fractions.count, c->fractions.count);
        assert_memory_equal(back.fractions.value, c->fractions.value, (size_t)c->fractions.count * sizeof(double));
        assert_int_equal(back.augment.count, c->augment.count);
        for (int k = 0; k < c->augment.count; k++)
            assert_ptr_equal(back.augment.item[k].choice, c->augment.item[k].choice);
        if (i % 4 >= 2) assert_memory_equal(back.augment.item[i % 4 - 2].config, c->augment.item[i % 4 - 2].config, sizeof(double));
        assert_memory_equal(&loss_back->margin, &loss->margin, sizeof(double));
        assert_memory_equal(&loss_back->inner.scale, &loss->inner.scale, sizeof(double));
        assert_memory_equal(loss_back->miner.config, loss->miner.config, sizeof(double));
        fut_opt_fini(options, &back);
        fut_str_fini(&text);
        fut_str_fini(&again);
    }
}

static void help_text(void **state)
{
    (void)state;
    fut_str text = {0};
    assert_int_equal(fut_opt_print_help(options, "", &text), FUT_OK);
    static const char *const lines[] = {
        "  run                 runs/article            the run folder (text)\n",
        "  backend             auto                    where it runs (one of auto, cpu, cuda)\n",
        "  augment             []                      augmentations (list of flip, blur, crop)\n",
        "  loss                contrastive             the loss (one of contrastive, triplet)\n    contrastive: pairs\n"
        "      loss.pos_margin     1                       pulled together until this similarity (number, -1 to 2 similarity)\n",
        "    triplet: triplets\n",
        "          loss.miner.scale    2.5                     a scale (number, any)\n",
        "      loss.inner.weights  [1]                     weights (list of numbers, at least 0)\n",
        "  train.batch         32                      global batch (whole number, 2 to 65536 images)\n",
        "  train.save_every    5 min                   time between checkpoints (time, 1 s to 1 d)\n",
        "  train.cache         64 MiB                  memory for decoded images (size, 0 to 1 TB)\n",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        if (strstr(text.data, lines[i]) == NULL) fail_msg("no \"%s\" in\n%s", lines[i], text.data);
    fut_str_fini(&text);
    assert_int_equal(fut_opt_print_help(train_options, "train.", &text), FUT_OK);
    assert_non_null(strstr(text.data, "  train.epochs      50      passes over the sampler (whole number, 0 to 1000000)\n"));
    fut_str_fini(&text);
}

static void markdown(void **state)
{
    (void)state;
    fut_str text = {0};
    assert_int_equal(fut_opt_print_markdown(options, "", &text), FUT_OK);
    static const char *const parts[] = {
        "\n| option | default | values | meaning |\n|---|---|---|---|\n| `run` | `runs/article` | text | the run folder |\n",
        "| `train.batch` | `32` | whole number, 2 to 65536 images | global batch |\n",
        "\n**`loss.type: contrastive`**: pairs\n\n| option |",
        "| `loss.pos_margin` | `1` | number, -1 to 2 similarity | pulled together until this similarity |\n",
        "\n**`loss.miner.type: none`**: all pairs\n\n**`loss.miner.type: hard`**: the hardest\n\n| option |",
    };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (strstr(text.data, parts[i]) == NULL) fail_msg("no \"%s\" in\n%s", parts[i], text.data);
    fut_str_fini(&text);
}

/* Make the k-th allocation fail, for every k, over defaults, load and print: nothing leaks. */
static void allocation_failures(void **state)
{
    (void)state;
    static const char text[] =
        "loss: {type: triplet, miner: hard, inner: {scale: 9}}\naugment: [flip, {type: blur, scale: 2}]\ntrain: {batch: 4}\nrun: \"x\"\n";
    int64_t before = fut_mem_bytes();
    int failures = 0;
    for (int64_t k = 1;; k++) {
        config c = {0};
        fut_yaml_node *root = NULL;
        fut_str out = {0};
        fut_mem_fail_after(k);
        fut_status st = fut_opt_defaults(options, &c);
        if (st == FUT_OK) st = fut_yaml_parse_text("f.yaml", text, sizeof text - 1, &root);
        if (st == FUT_OK) st = fut_opt_load(options, &c, root);
        if (st == FUT_OK) st = fut_opt_print_yaml(options, &c, &out);
        if (st == FUT_OK) st = fut_opt_print_help(options, "", &out);
        if (st == FUT_OK) st = fut_opt_print_markdown(options, "", &out);
        fut_mem_fail_after(0);
        fut_str_fini(&out);
        fut_yaml_destroy(&root);
        fut_opt_fini(options, &c);
        assert_int_equal(fut_mem_bytes(), before);
        if (st == FUT_OK) break;
        assert_int_equal(st, FUT_ERR_NO_MEMORY);
        failures++;
    }
    assert_true(failures > 50);
}

int main(void)
{
#define WITH_DEFAULTS(test) cmocka_unit_test_setup_teardown(test, loaded_with_defaults, released)
    const struct CMUnitTest tests[] = {
        WITH_DEFAULTS(defaults),
        WITH_DEFAULTS(loads_in_any_order),
        WITH_DEFAULTS(variants),
        WITH_DEFAULTS(set_over_file),
        WITH_DEFAULTS(a_set_type_says_how_to_drop_the_options_of_the_file),
        WITH_DEFAULTS(refusals_say_found_and_expected),
        cmocka_unit_test(bad_defaults_are_errors),
        WITH_DEFAULTS(prints_yaml),
        WITH_DEFAULTS(printed_yaml_reads_back_to_the_same_bits),
        cmocka_unit_test(help_text),
        cmocka_unit_test(markdown),
        cmocka_unit_test(allocation_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
