/* Fuzz target of the configuration reader: any bytes are read or refused with a place, quickly, and nothing leaks; what is read prints and
 * reads back to the same text.
 *
 * As a test it replays tests/fuzz/corpus/yaml and mutations of it. With libFuzzer:
 *   clang -g -O1 -fsanitize=fuzzer,address,undefined -DFUT_FUZZ_LIBFUZZER -D_GNU_SOURCE -I. tests/fuzz/yaml.c core/base/[!l]*.c \
 *       core/base/log.c -lyaml -lxxhash -lm -o fuzz_yaml && ./fuzz_yaml tests/fuzz/corpus/yaml */
#include "core/base/yaml.h"
#include "core/base/clock.h"
#include "core/base/file.h"
#include "core/base/mem.h"
#include "core/base/opt.h"
#include "core/base/rng.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct scaled_config {
    double scale;
} scaled_config;

typedef struct triplet_config {
    double margin;
    fut_opt_variants kinds;
} triplet_config;

typedef struct train_config {
    int64_t batch;
    double save_every;
    int64_t cache;
} train_config;

typedef struct config {
    char run[FUT_OPT_STRING_MAX];
    bool deterministic;
    int backend;
    fut_opt_f64_list fractions;
    fut_opt_variant loss;
    train_config train;
} config;

static const char *const words[] = {"auto", "cpu", "cuda", NULL};
static const fut_opt_choice none = {"none", "nothing", NULL, 0, NULL};
static const fut_opt scaled_options[] = {
    FUT_OPT_F64(scaled_config, scale, "2", 0, INFINITY, "", "scale"),
    FUT_OPT_END,
};
static const fut_opt_choice scaled = {"scaled", "with a scale", scaled_options, sizeof(scaled_config), NULL};
static const fut_opt_choice *const kind_choices[] = {&none, &scaled, NULL};
static const fut_opt triplet_options[] = {
    FUT_OPT_F64(triplet_config, margin, "0.05", 0, INFINITY, "", "margin"),
    FUT_OPT_VARIANTS(triplet_config, kinds, "[scaled]", kind_choices, "kinds"),
    FUT_OPT_END,
};
static const fut_opt_choice triplet = {"triplet", "triplets", triplet_options, sizeof(triplet_config), NULL};
static const fut_opt_choice *const losses[] = {&none, &triplet, NULL};
static const fut_opt train_options[] = {
    FUT_OPT_I64(train_config, batch, "32", 2, 65536, "images", "batch"),
    FUT_OPT_DURATION(train_config, save_every, "5 min", 0, INFINITY, "time"),
    FUT_OPT_BYTES(train_config, cache, "64 MiB", 0, INFINITY, "memory"),
    FUT_OPT_END,
};
static const fut_opt options[] = {
    FUT_OPT_STRING(config, run, "runs/a", "folder"),
    FUT_OPT_BOOL(config, deterministic, "true", "same bits"),
    FUT_OPT_ENUM(config, backend, "auto", words, "backend"),
    FUT_OPT_F64_LIST(config, fractions, "[0.8, 0.2]", -INFINITY, INFINITY, "parts"),
    FUT_OPT_VARIANT(config, loss, "triplet", losses, "loss"),
    FUT_OPT_TABLE(config, train, train_options, "training"),
    FUT_OPT_END,
};

/* A failure ends the process, which libFuzzer and ctest both report. */
#define REQUIRE(condition)                                                                                                                 \
    do {                                                                                                                                   \
        if (!(condition)) {                                                                                                                \
            (void)fprintf(stderr, "%s:%d: not true: %s (%s)\n", __FILE__, __LINE__, #condition, fut_trail_message());                      \
            abort();                                                                                                                       \
        }                                                                                                                                  \
    } while (0)

static void check_tree(const fut_yaml_node *node, const fut_yaml_node *parent, int depth)
{
    for (; node != NULL; node = node->next) {
        REQUIRE(depth <= FUT_YAML_DEPTH_MAX + 1);
        REQUIRE(strcmp(node->origin, "fuzz") == 0 && node->line >= 1 && node->column >= 1);
        REQUIRE((node->key != NULL) == (parent != NULL && parent->kind == FUT_YAML_MAPPING));
        REQUIRE(node->kind != FUT_YAML_SCALAR || (node->text != NULL && node->child == NULL));
        check_tree(node->child, node, depth + 1);
    }
}

static void check_refusal(fut_status st)
{
    REQUIRE(st == FUT_ERR_CONFIG);
    REQUIRE(strncmp(fut_trail_message(), "fuzz:", 5) == 0);
}

static void print_and_read_back(const config *c)
{
    fut_str text = {0};
    fut_str again = {0};
    fut_yaml_node *root = NULL;
    config *back = calloc(1, sizeof *back);
    REQUIRE(back != NULL && fut_opt_print_yaml(options, c, &text) == FUT_OK);
    REQUIRE(fut_yaml_parse_text("printed", text.data, text.length, &root) == FUT_OK);
    REQUIRE(fut_opt_defaults(options, back) == FUT_OK && fut_opt_load(options, back, root) == FUT_OK);
    REQUIRE(fut_opt_print_yaml(options, back, &again) == FUT_OK && strcmp(text.data, again.data) == 0);
    fut_yaml_destroy(&root);
    fut_opt_fini(options, back);
    free(back);
    fut_str_fini(&text);
    fut_str_fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int64_t held = fut_mem_bytes();
    fut_yaml_node *root = NULL;
    fut_trail_clear();
    fut_status st = fut_yaml_parse_text("fuzz", (const char *)data, size, &root);
    if (st != FUT_OK) {
        check_refusal(st);
    } else {
        check_tree(root, NULL, 1);
        config *c = calloc(1, sizeof *c);
        REQUIRE(c != NULL && fut_opt_defaults(options, c) == FUT_OK);
        st = fut_opt_load(options, c, root);
        if (st != FUT_OK) check_refusal(st);
        print_and_read_back(c); /* also after a refusal the config is whole */
        fut_opt_fini(options, c);
        free(c);
        /* The first line as an assignment. */
        char line[200];
        size_t length = size < sizeof line - 1 ? size : sizeof line - 1;
        memcpy(line, data, length);
        line[length] = '\0';
        line[strcspn(line, "\n")] = '\0';
        char *colon = strchr(line, ':');
        if (colon != NULL) *colon = '=';
        fut_trail_clear();
        st = fut_yaml_set(root, line);
        REQUIRE(st == FUT_OK || (st == FUT_ERR_CONFIG && strncmp(fut_trail_message(), "--set ", 6) == 0));
        fut_yaml_destroy(&root);
    }
    REQUIRE(fut_mem_bytes() == held);
    return 0;
}

#ifndef FUT_FUZZ_LIBFUZZER
enum { SEEDS_MAX = 128, ROUNDS = 30000, INPUT_MAX = 4096 };

/* Change, insert, delete or repeat some bytes; or splice two seeds. */
static size_t mutate(fut_philox p, uint64_t round, const fut_str *seeds, size_t seed_count, char *bytes)
{
    static const char tokens[] = "[]{}:,-#&*!|>'\"%@`?\n\t \\x\0\xff\xc3~=.01eE+";
    uint64_t draw = 0;
#define DRAW(n) ((size_t)(fut_philox_uniform(p, round, draw++) * (double)(n)))
    const fut_str *seed = &seeds[DRAW(seed_count)];
    size_t length = seed->length < INPUT_MAX / 2 ? seed->length : INPUT_MAX / 2;
    if (length > 0) memcpy(bytes, seed->data, length);
    for (size_t edits = 1 + DRAW(6); edits > 0; edits--) {
        size_t at = DRAW(length + 1);
        size_t kind = DRAW(4);
        if (kind == 0 && at < length) {
            bytes[at] = (char)DRAW(256);
        } else if (kind == 1 && at < length) {
            size_t n = 1 + DRAW(length - at);
            memmove(bytes + at, bytes + at + n, length - at - n);
            length -= n;
        } else if (kind == 2 && length + 8 < INPUT_MAX) {
            size_t n = 1 + DRAW(8);
            memmove(bytes + at + n, bytes + at, length - at);
            memset(bytes + at, tokens[DRAW(sizeof tokens - 1)], n);
            length += n;
        } else if (kind == 3) {
            const fut_str *other = &seeds[DRAW(seed_count)];
            size_t from = DRAW(other->length + 1);
            size_t n = other->length - from;
            if (n > INPUT_MAX - at) n = INPUT_MAX - at;
            if (n > 0) memcpy(bytes + at, other->data + from, n);
            length = at + n;
        }
    }
#undef DRAW
    return length;
}

int main(void)
{
    static const char folder[] = FUT_TEST_SOURCE_DIR "/tests/fuzz/corpus/yaml";
    static fut_str seeds[SEEDS_MAX];
    static char bytes[INPUT_MAX];
    size_t count = 0;
    double slowest = 0;
    struct dirent **names = NULL;
    int entries = scandir(folder, &names, NULL, alphasort);
    REQUIRE(entries > 20);
    for (int i = 0; i < entries; i++) {
        fut_str path = {0};
        REQUIRE(fut_str_printf(&path, "%s/%s", folder, names[i]->d_name) == FUT_OK);
        if (names[i]->d_name[0] != '.') {
            REQUIRE(count < SEEDS_MAX && fut_file_read(path.data, 2 << 20, &seeds[count]) == FUT_OK);
            double start = fut_clock_now();
            LLVMFuzzerTestOneInput((const uint8_t *)fut_str_text(&seeds[count]), seeds[count].length);
            double seconds = fut_clock_now() - start;
            if (seconds > slowest) slowest = seconds;
            count++;
        }
        fut_str_fini(&path);
        free(names[i]);
    }
    free(names);
    fut_philox p = fut_philox_key(1, FUT_RNG_TEST);
    for (uint64_t round = 0; round < ROUNDS; round++) {
        size_t length = mutate(p, round, seeds, count, bytes);
        LLVMFuzzerTestOneInput((const uint8_t *)bytes, length);
    }
    for (size_t i = 0; i < count; i++)
        fut_str_fini(&seeds[i]);
    (void)printf("%zu seeds, the slowest %.1f ms; %d mutations\n", count, slowest * 1000, ROUNDS);
    return 0;
}
#endif
