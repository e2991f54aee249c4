/* Training in one process: a step allocates nothing, nothing is held after a run, and shards that are recomputed share their memory. */
#include "launch/trainer.h"
#include "launch/bench.h"

#include "core/base/mem.h"
#include "tests/support/support.h"

#include <stdio.h>

/* Train `steps` steps in a run folder of its own; returns the allocations that took. 4 people with 8 photos: a pass has 16, so an epoch of
 * 10,000 photos ends after the test. */
static int64_t train(const fut_test_dir *dir, const char *backend, int steps)
{
    char file[FUT_TEST_PATH_MAX];
    char run[FUT_TEST_PATH_MAX];
    char name[64];
    char sets_text[4][FUT_TEST_PATH_MAX + 32];
    fut_config *config = NULL;
    fut_comm *comm = NULL;
    (void)snprintf(name, sizeof name, "run-%s-%02d", backend, steps); /* names of one length: text grows by reallocation */
    (void)snprintf(sets_text[0], sizeof sets_text[0], "data.file=%s", fut_test_dir_path(dir, "faces.h5", file));
    (void)snprintf(sets_text[1], sizeof sets_text[1], "run=%s", fut_test_dir_path(dir, name, run));
    (void)snprintf(sets_text[2], sizeof sets_text[2], "backend=%s", backend);
    (void)snprintf(sets_text[3], sizeof sets_text[3], "train.steps=%d", steps);
    const char *const sets[] = {sets_text[0],           sets_text[1],        sets_text[2],         sets_text[3],     "data.size=16",
                                "model.backbone=tiny",  "model.embedding=8", "train.batch=16",     "train.shards=4", "train.threads=1",
                                "sampler.length=10000", "train.log_every=1", "data.augment=[flip]"};
    FUT_TEST_OK(fut_config_load(NULL, sets, (int)(sizeof sets / sizeof *sets), &config));
    FUT_TEST_OK(fut_comm_create_self(&comm));
    int64_t before = fut_mem_count();
    FUT_TEST_OK(fut_train(config, comm, 0));
    int64_t allocations = fut_mem_count() - before;
    fut_comm_destroy(&comm);
    fut_config_destroy(&config);
    return allocations;
}

/* Two runs that differ in nothing but their steps allocate equally often. */
static void a_step_allocates_nothing(void **state)
{
    (void)state;
    const char *const backends[] = {"ref", "cpu"};
    fut_test_dir dir = {0};
    char file[FUT_TEST_PATH_MAX];
    fut_test_dir_create(&dir);
    fut_test_make_dataset(fut_test_dir_path(&dir, "faces.h5", file), 8, 8, 16);
    for (int i = 0; i < 2; i++) {
        int64_t few = train(&dir, backends[i], 3);
        int64_t many = train(&dir, backends[i], 23);
        assert_true(few > 0);
        assert_int_equal(many, few);
    }
    fut_test_dir_remove(&dir);
}

static void nothing_is_held_after_a_run(void **state)
{
    (void)state;
    fut_test_dir dir = {0};
    char file[FUT_TEST_PATH_MAX];
    fut_test_dir_create(&dir);
    fut_test_make_dataset(fut_test_dir_path(&dir, "faces.h5", file), 8, 8, 16);
    int64_t held = fut_mem_bytes();
    (void)train(&dir, "ref", 4);
    assert_int_equal(fut_mem_bytes(), held);
    fut_test_dir_remove(&dir);
}

/* The most bytes held so far, after steps of `shards` shards of 8 photos. */
static int64_t peak_after(int shards, const char *recompute)
{
    char count[32];
    char batch[32];
    (void)snprintf(count, sizeof count, "train.shards=%d", shards);
    (void)snprintf(batch, sizeof batch, "train.batch=%d", 8 * shards);
    const char *const sets[] = {
        "data.file=none", "data.size=64", "backend=cpu", "model.backbone=tiny", "model.embedding=8", "train.threads=1", count, batch,
        recompute};
    fut_config *config = NULL;
    fut_comm *comm = NULL;
    fut_bench_result result;
    FUT_TEST_OK(fut_config_load(NULL, sets, (int)(sizeof sets / sizeof *sets), &config));
    FUT_TEST_OK(fut_comm_create_self(&comm));
    FUT_TEST_OK(fut_bench_run(config, comm, &(fut_bench_options){.steps = 1}, &result));
    fut_bench_result_fini(&result);
    fut_comm_destroy(&comm);
    fut_config_destroy(&config);
    return fut_mem_peak();
}

/* Eight times the shards: with recomputation little but the photos is added, which here are a fortieth of what is kept without it. */
static void recomputed_shards_share_their_memory(void **state)
{
    (void)state;
    int64_t few = peak_after(2, "train.recompute=true");
    int64_t many = peak_after(16, "train.recompute=true");
    int64_t kept = peak_after(16, "train.recompute=false");
    if (many - few > (kept - few) / 10)
        fail_msg("14 shards more take %lld bytes recomputed, %lld kept", (long long)(many - few), (long long)(kept - few));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recomputed_shards_share_their_memory), /* first: the peak of a process never falls */
        cmocka_unit_test(a_step_allocates_nothing),
        cmocka_unit_test(nothing_is_held_after_a_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
