/* A run whose communicator fails on purpose. With arguments, under mpirun, for tests/fault/chaotic_runs.sh:
 *
 *     test_fault_chaos KIND RANK STEP OPERATION CONFIG [KEY=VALUE]...       `futago train CONFIG --set KEY=VALUE...` with
 * tests/support/comm_chaos.h
 */
#include "dist/boot.h"
#include "launch/trainer.h"
#include "tests/support/comm_chaos.h"
#include "tests/support/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static fut_status train(fut_comm *comm, int argc, char **argv)
{
    fut_config *config = NULL;
    fut_status st = fut_comm_agree(comm, fut_config_load(argv[5], (const char *const *)(argv + 6), argc - 6, &config));
    if (st == FUT_OK) {
        fut_comm_set_deadline(comm, config->train.deadline);
        st = fut_train(config, comm, 0);
    }
    fut_config_destroy(&config);
    return st;
}

static int run_with_chaos(int argc, char **argv)
{
    fut_comm *comm = NULL;
    fut_comm *chaotic = NULL;
    fut_chaos chaos = {.rank = (int)strtol(argv[2], NULL, 10), .step = strtoll(argv[3], NULL, 10), .operation = argv[4], .seconds = 60};
    while (chaos.kind < FUT_CHAOS_KINDS && strcmp(fut_chaos_names[chaos.kind], argv[1]) != 0)
        chaos.kind++;
    const char *seconds = getenv("CHAOS_SECONDS");
    const char *skip = getenv("CHAOS_SKIP");
    if (skip != NULL) chaos.skip = (int)strtol(skip, NULL, 10);
    if (seconds != NULL) chaos.seconds = strtod(seconds, NULL);
    if (chaos.kind == FUT_CHAOS_KINDS || fut_boot(&comm) != FUT_OK || fut_comm_create_chaos(comm, &chaos, &chaotic) != FUT_OK) return 1;
    fut_status st = fut_boot_finish(&chaotic, train(chaotic, argc, argv));
    if (st != FUT_OK) (void)fprintf(stderr, "last words: %s\n", fut_trail_message());
    return fut_status_exit_code(st);
}

/* Each kind does what it says, to the operation that it names alone. */
static void strikes_once_and_where_it_should(void **state)
{
    int64_t counts[] = {1};
    int64_t offsets[] = {0};
    (void)state;
    for (int kind = 0; kind < FUT_CHAOS_KINDS; kind++) {
        fut_comm *inner = NULL;
        fut_comm *comm = NULL;
        fut_chaos chaos = {.kind = (fut_chaos_kind)kind, .operation = "embeddings", .seconds = 0.001};
        float value = 8;
        if (kind == FUT_CHAOS_DIE || kind == FUT_CHAOS_STOP) continue;
        FUT_TEST_OK(fut_comm_create_self(&inner));
        FUT_TEST_OK(fut_comm_create_chaos(inner, &chaos, &comm));
        FUT_TEST_OK(fut_comm_broadcast(comm, &value, 1, FUT_F32, 0, "order"));
        assert_true(value == 8);
        for (int i = 0; i < 3; i++)
            FUT_TEST_OK(fut_comm_all_gatherv(comm, &value, counts, offsets, FUT_F32, "embeddings"));
        assert_true(value == (kind == FUT_CHAOS_CORRUPT ? 9 : 8));
        fut_comm_destroy(&comm);
    }
}

int main(int argc, char **argv)
{
    if (argc > 5) return run_with_chaos(argc, argv);
    const struct CMUnitTest tests[] = {cmocka_unit_test(strikes_once_and_where_it_should)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
