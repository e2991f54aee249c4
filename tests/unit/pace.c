/* Stragglers: who is one, what it is slow at; noise, waits and an even pace make none. And windows of a run. */
#include "launch/pace.h"

#include "tests/support/support.h"

#include <stdio.h>
#include <string.h>

enum { RANKS = 5 };

/* A step of 100 ms everywhere. */
static void even(fut_pace_row row[RANKS])
{
    for (int r = 0; r < RANKS; r++)
        row[r] = (fut_pace_row){
            .work =
                {[FUT_SECTION_DATA] = 1e-3, [FUT_SECTION_FORWARD] = 30e-3, [FUT_SECTION_BACKWARD] = 60e-3, [FUT_SECTION_OPTIMIZER] = 2e-3},
            .wall = 0.1};
}

static void the_slow_one_is_named(void **state)
{
    (void)state;
    const fut_section sections[] = {FUT_SECTION_DATA, FUT_SECTION_FORWARD, FUT_SECTION_BACKWARD, FUT_SECTION_OPTIMIZER};
    double scratch[RANKS];
    for (size_t i = 0; i < sizeof sections / sizeof *sections; i++)
        for (int slow = 0; slow < RANKS; slow++) {
            fut_pace_row row[RANKS];
            even(row);
            assert_int_equal(fut_pace_judge(row, RANKS, scratch).rank, -1);
            row[slow].work[sections[i]] += 0.06;
            for (int r = 0; r < RANKS; r++)
                row[r].wall = 0.16;
            fut_pace_verdict v = fut_pace_judge(row, RANKS, scratch);
            assert_int_equal(v.rank, slow);
            assert_int_equal(v.section, sections[i]);
            assert_true(v.work > 1.5 * v.median && v.section_work - v.section_median > 0.059);
            v = fut_pace_judge(row + (slow < RANKS - 1 ? slow : slow - 1), 2, scratch); /* of two, too */
            assert_int_equal(v.rank, slow < RANKS - 1 ? 0 : 1);
        }
}

static void small_differences_are_none(void **state)
{
    (void)state;
    double scratch[RANKS];
    fut_pace_row row[RANKS];
    even(row);
    row[1].work[FUT_SECTION_FORWARD] *= 2; /* 1.3 times as slow in all */
    assert_int_equal(fut_pace_judge(row, RANKS, scratch).rank, -1);
    for (int r = 0; r < RANKS; r++) { /* 4 ms beside 2 ms */
        row[r] = (fut_pace_row){.work = {[FUT_SECTION_FORWARD] = r == 2 ? 4e-3 : 2e-3}, .wall = 6e-3};
    }
    assert_int_equal(fut_pace_judge(row, RANKS, scratch).rank, -1);
    for (int r = 0; r < RANKS; r++) /* a device: a short wait for data beside none */
        row[r] = (fut_pace_row){.work = {[FUT_SECTION_DATA] = r == 2 ? 10e-3 : 0}, .wall = 0.1};
    assert_int_equal(fut_pace_judge(row, RANKS, scratch).rank, -1);
    row[2].work[FUT_SECTION_DATA] = 40e-3;
    assert_int_equal(fut_pace_judge(row, RANKS, scratch).rank, 2);
}

/* A single rank has nobody to be slower than. */
static void one_rank_has_no_pace(void **state)
{
    (void)state;
    fut_comm *comm = NULL;
    fut_pace *pace = NULL;
    fut_step_report report = {0};
    fut_step_timer timer = {0};
    FUT_TEST_OK(fut_comm_create_self(&comm));
    FUT_TEST_OK(fut_pace_create(comm, 4, &pace));
    assert_null(pace);
    FUT_TEST_OK(fut_pace_step(pace, 1, &timer, 1, &report));
    fut_pace_destroy(&pace);
    fut_comm_destroy(&comm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_slow_one_is_named),
        cmocka_unit_test(small_differences_are_none),
        cmocka_unit_test(one_rank_has_no_pace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
