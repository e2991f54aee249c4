/* Every recipe that the registries allow, made from their rows: a new row is covered with no code here.
 *
 * Without arguments: optimizer x schedule x loss, stopped and saved at a step drawn at random and resumed, ends as the undisturbed run.
 * Every pair of rows occurs; with FUTAGO_FULL=1 every triple.
 *
 * With BACKEND DATASET FILE STEPS TURNS, on the ranks it is started on: each loss without a miner and with one, then also with a memory,
 * until every word of its options has had its turn, or for so many turns. FILE tells how each recipe ends (tests/e2e/losses.sh compares).
 *
 * How a run ends is its last checkpoint, byte for byte: the parameters, the loss's own too, the state of optimizer, sampler and schedule;
 * and the loss of every step. */
#include "core/base/file.h"
#include "core/base/hash.h"
#include "core/base/log.h"
#include "core/base/rng.h"
#include "core/loss/loss.h"
#include "core/miner/miner.h"
#include "core/optim/optim.h"
#include "core/sched/sched.h"
#include "dist/boot.h"
#include "launch/trainer.h"
#include "tests/support/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SETS_MAX = 48, SET_MAX = FUT_TEST_PATH_MAX + 64, ROWS_MAX = 64, FILE_BYTES_MAX = 1 << 24, STEPS = 10 };

static const char run_folder[] = "run-of-a-recipe"; /* a checkpoint has the configuration, so runs that are compared have one name */
static fut_comm *comm;

/* ---- recipes ------------------------------------------------------------------------------------------------------------------- */

/* A configuration, setting by setting. */
typedef struct recipe {
    char text[SETS_MAX][SET_MAX];
    int count;
} recipe;

/* "section.key=value", or "section=value" where key is NULL. */
static void set(recipe *r, const char *section, const char *key, const char *value)
{
    assert_in_range(r->count, 0, SETS_MAX - 1);
    int length = snprintf(r->text[r->count], SET_MAX, "%s%s%s=%s", section, key ? "." : "", key ? key : "", value);
    assert_in_range(length, 1, SET_MAX - 1);
    r->count++;
}

/* Steps of milliseconds, 4 an epoch. */
static void begin(recipe *r, const char *backend, const char *dataset, const char *run, int steps)
{
    char number[16];
    (void)snprintf(number, sizeof number, "%d", steps);
    r->count = 0;
    set(r, "data", "file", dataset);
    set(r, "run", NULL, run);
    set(r, "backend", NULL, backend);
    set(r, "data", "size", "16");
    set(r, "model", "backbone", "tiny");
    set(r, "model", "embedding", "8");
    set(r, "sampler", "length", "64");
    set(r, "train", "batch", "16");
    set(r, "train", "shards", "4");
    set(r, "train", "threads", "1");
    set(r, "train", "steps", number);
    set(r, "train", "log_every", "5");
}

static fut_config *load(const recipe *r)
{
    fut_config *config = NULL;
    const char *sets[SETS_MAX];
    for (int i = 0; i < r->count; i++)
        sets[i] = r->text[i];
    FUT_TEST_OK(fut_config_load(NULL, sets, r->count, &config));
    return config;
}

static int rows(const fut_opt_choice *const *choices)
{
    int n = 0;
    while (choices[n] != NULL)
        n++;
    assert_in_range(n, 1, ROWS_MAX);
    return n;
}

static const fut_opt *find_option(const fut_opt_choice *choice, const char *name)
{
    for (const fut_opt *option = choice->options; option != NULL && option->kind != FUT_OPT_KIND_END; option++)
        if (strcmp(option->name, name) == 0) return option;
    return NULL;
}

/* ---- runs ---------------------------------------------------------------------------------------------------------------------- */

static void read_file(const char *run, const char *name, fut_str *text)
{
    char path[FUT_TEST_PATH_MAX];
    int length = snprintf(path, sizeof path, "%s/%s", run, name);
    assert_in_range(length, 1, (int)sizeof path - 1);
    FUT_TEST_OK(fut_file_read(path, FILE_BYTES_MAX, text));
}

/* "<SHA-256 of the checkpoint> <loss of step 1> <of step 2> ...": rank 0's to tell. */
static void read_end(const char *run, fut_str *end_out)
{
    unsigned char digest[FUT_SHA256_BYTES];
    char hex[2 * FUT_SHA256_BYTES + 1];
    fut_str file = {0};
    read_file(run, "last.h5", &file);
    fut_hash_sha256(file.data, file.length, digest);
    fut_hash_hex(digest, sizeof digest, hex);
    FUT_TEST_OK(fut_str_printf(end_out, "%s", hex));
    file.length = 0;
    read_file(run, "metrics.jsonl", &file);
    int steps = 0;
    for (const char *at = fut_str_text(&file); (at = strstr(at, ",\"loss\":")) != NULL; steps++) {
        at += strlen(",\"loss\":");
        FUT_TEST_OK(fut_str_printf(end_out, " %.*s", (int)strcspn(at, ","), at));
        at += strcspn(at, "\n"); /* a line's seconds have a loss too */
    }
    assert_true(steps > 0);
    fut_str_fini(&file);
}

static void remove_run(const char *run)
{
    fut_test_dir dir;
    (void)snprintf(dir.path, sizeof dir.path, "%s", run);
    fut_test_dir_remove(&dir);
}

/* ---- on any number of ranks ---------------------------------------------------------------------------------------------------- */

/* Every option of `choice` that is one of several words at its word `turn` places after the default's; the words of the longest. */
static int turn_options(recipe *r, const char *section, const fut_opt_choice *choice, int turn)
{
    static const char *const booleans[] = {"false", "true", NULL};
    int most = 1;
    for (const fut_opt *option = choice->options; option != NULL && option->kind != FUT_OPT_KIND_END; option++) {
        const char *const *words = option->kind == FUT_OPT_KIND_BOOL ? booleans : option->names;
        int n = 0;
        int at = 0;
        for (; words != NULL && words[n] != NULL; n++)
            if (strcmp(words[n], option->def) == 0) at = n;
        if (n > 0) set(r, section, option->name, words[(at + turn) % n]);
        if (n > most) most = n;
    }
    return most;
}

/* Give the recipe this miner, if its loss can have it. */
static bool add_miner(recipe *r, const fut_opt_choice *miner, int turn)
{
    int before = r->count;
    fut_row_miner row;
    fut_config *config = load(r);
    const fut_loss_common *loss = config->loss.config;
    set(r, "miner", NULL, miner->name);
    (void)turn_options(r, "miner", miner, turn);
    if (find_option(miner, "distance") != NULL) set(r, "miner", "distance", fut_loss_distance_names[loss->distance]); /* as triplets need */
    fut_config_destroy(&config);
    config = load(r);
    bool is_good = fut_miner_describe(&config->miner, &row) == FUT_OK && fut_loss_check_miner(&config->loss, &row) == FUT_OK;
    fut_config_destroy(&config);
    fut_trail_clear();
    if (!is_good) r->count = before;
    return is_good;
}

/* Of the miners that its loss can have the one that was taken least often; none where it can have none. */
static void choose_miner(recipe *r, int turn, int *taken)
{
    int n = rows(fut_miner_choices);
    int most = 0;
    for (int m = 1; m < n; m++)
        if (taken[m] > most) most = taken[m];
    for (int times = 0; times <= most; times++)
        for (int m = 1; m < n; m++)
            if (taken[m] == times && add_miner(r, fut_miner_choices[m], turn)) {
                taken[m]++;
                return;
            }
}

/* A memory of some batches, where the loss can have one. */
static void add_memory(recipe *r)
{
    fut_config *config = load(r);
    bool is_good = fut_loss_check_memory(&config->loss, 40, config->train.batch) == FUT_OK;
    fut_config_destroy(&config);
    fut_trail_clear();
    if (is_good) set(r, "memory", "size", "40");
}

/* Train and tell. Rank 0 writes a line "SETTINGS... : END". */
static void run_on_ranks(const recipe *r, int own, FILE *file)
{
    fut_config *config = load(r);
    FUT_TEST_OK(fut_train(config, comm, 0));
    fut_config_destroy(&config);
    if (fut_comm_rank(comm) == 0) {
        fut_str end = {0};
        read_end(run_folder, &end);
        for (int i = own; i < r->count; i++)
            assert_true(fprintf(file, "%s ", r->text[i]) > 0);
        assert_true(fprintf(file, ": %s\n", fut_str_text(&end)) > 0);
        fut_str_fini(&end);
        remove_run(run_folder);
    }
    FUT_TEST_OK(fut_comm_agree(comm, FUT_OK)); /* the folder is free again */
}

typedef struct on_ranks {
    const char *backend, *dataset, *file;
    int steps, turns;
} on_ranks;

static void every_loss_on_these_ranks(void **state)
{
    const on_ranks *what = *state;
    FILE *file = fopen(fut_comm_rank(comm) == 0 ? what->file : "/dev/null", "w");
    recipe r;
    int taken[ROWS_MAX] = {0};
    assert_non_null(file);
    for (int l = 0; fut_loss_choices[l] != NULL; l++) {
        int turns = 2;
        for (int turn = 0; turn < turns; turn++) {
            begin(&r, what->backend, what->dataset, run_folder, what->steps);
            int own = r.count;
            set(&r, "loss", NULL, fut_loss_choices[l]->name);
            int most = turn_options(&r, "loss", fut_loss_choices[l], turn);
            if (turns < most) turns = most < what->turns ? most : what->turns;
            if (turn > 0) choose_miner(&r, turn, taken);
            if (turn > 0 && (l + turn) % 2 == 1) add_memory(&r);
            run_on_ranks(&r, own, file);
        }
    }
    assert_int_equal(fclose(file), 0);
    for (int m = 1; fut_miner_choices[m] != NULL; m++)
        if (taken[m] == 0) fail_msg("no loss was trained with the miner %s", fut_miner_choices[m]->name);
}

/* ---- stopped and resumed ------------------------------------------------------------------------------------------------------- */

/* What a run of ten steps needs to come to every state that a row keeps, for rows that have the option. */
static void quicken(recipe *r, const char *section, const fut_opt_choice *choice)
{
    static const char *const quick[][2] = {{"momentum", "0.5"},  {"k", "3"},         {"warmup", "1"},       {"warmup_steps", "3"},
                                           {"t_max", "4"},       {"step_size", "1"}, {"milestones", "[1]"}, {"patience", "0"},
                                           {"total_iters", "4"}, {"monitor", "eer"}};
    for (size_t i = 0; i < sizeof quick / sizeof *quick; i++)
        if (find_option(choice, quick[i][0]) != NULL) set(r, section, quick[i][0], quick[i][1]);
}

/* The same run undisturbed and stopped after `step`. */
static void resume(const recipe *r, const char *run, int64_t step)
{
    fut_str whole = {0};
    fut_str resumed = {0};
    fut_config *config = load(r);
    FUT_TEST_OK(fut_train(config, comm, 0));
    read_end(run, &whole);
    remove_run(run);
    FUT_TEST_FAILS(fut_train(config, comm, step), FUT_ERR_PREEMPTED, "stopped on request");
    FUT_TEST_OK(fut_train(config, comm, 0));
    read_end(run, &resumed);
    remove_run(run);
    fut_config_destroy(&config);
    assert_string_equal(fut_str_text(&resumed), fut_str_text(&whole));
    fut_str_fini(&whole);
    fut_str_fini(&resumed);
}

/* Triples in which every pair of rows occurs, as few as there can be: the place in the smallest registry is the sum of the other two's. */
static bool is_chosen(const int *at, const int *n)
{
    int smallest = 0;
    for (int i = 1; i < 3; i++)
        if (n[i] < n[smallest]) smallest = i;
    return at[smallest] == (at[(smallest + 1) % 3] + at[(smallest + 2) % 3]) % n[smallest];
}

static void every_pair_of_rows_resumes(void **state)
{
    const fut_opt_choice *const *const registries[3] = {fut_optim_choices, fut_sched_choices, fut_loss_choices};
    static const char *const sections[3] = {"optimizer", "scheduler", "loss"};
    const fut_philox draw = fut_philox_key(20261124, FUT_RNG_TEST);
    bool is_full = getenv("FUTAGO_FULL") != NULL;
    char dataset[FUT_TEST_PATH_MAX];
    char run[FUT_TEST_PATH_MAX];
    fut_test_dir dir = {0};
    recipe r;
    int n[3];
    int at[3];
    int count = 0;
    (void)state;
    fut_test_dir_create(&dir);
    fut_test_make_dataset(fut_test_dir_path(&dir, "faces.h5", dataset), 20, 8, 16);
    fut_test_dir_path(&dir, "run", run);
    for (int i = 0; i < 3; i++)
        n[i] = rows(registries[i]);
    for (int i = 0; i < n[0] * n[1] * n[2]; i++) {
        at[0] = i / (n[1] * n[2]);
        at[1] = i / n[2] % n[1];
        at[2] = i % n[2];
        if (!is_full && !is_chosen(at, n)) continue;
        int64_t step = 1 + (int64_t)(fut_philox_uniform(draw, (uint64_t)i, 0) * (STEPS - 1));
        begin(&r, "cpu", dataset, run, STEPS);
        for (int k = 0; k < 3; k++) {
            set(&r, sections[k], NULL, registries[k][at[k]]->name);
            quicken(&r, sections[k], registries[k][at[k]]);
        }
        if (i % 2 == 0) add_memory(&r);
        print_message("%s, %s, %s: stopped after step %d\n", registries[0][at[0]]->name, registries[1][at[1]]->name,
                      registries[2][at[2]]->name, (int)step);
        resume(&r, run, step);
        count++;
    }
    print_message("%d runs of %d x %d x %d rows\n", count, n[0], n[1], n[2]);
    fut_test_dir_remove(&dir);
}

int main(int argc, char **argv)
{
    on_ranks what = {0};
    const struct CMUnitTest of_ranks[] = {cmocka_unit_test_prestate(every_loss_on_these_ranks, &what)};
    const struct CMUnitTest alone[] = {cmocka_unit_test(every_pair_of_rows_resumes)};
    if (argc > 5) what = (on_ranks){argv[1], argv[2], argv[3], (int)strtol(argv[4], NULL, 10), (int)strtol(argv[5], NULL, 10)};
    fut_log_set_level(FUT_LOG_ERROR);
    if (fut_boot(&comm) != FUT_OK) return 1;
    int failed = argc > 5 ? cmocka_run_group_tests(of_ranks, NULL, NULL) : cmocka_run_group_tests(alone, NULL, NULL);
    return fut_boot_finish(&comm, failed == 0 ? FUT_OK : FUT_ERR_INTERNAL) == FUT_OK ? 0 : 1;
}
