/* futago run: what it reads of an mpirun's command line, what it makes of hosts that do not answer, and what an exit code asks for. */
#include "launch/supervise.h"

#include "launch/mpi_command.h"
#include "tests/support/support.h"

#include <stdio.h>
#include <string.h>

enum { WORDS_MAX = 32 };

typedef struct words {
    char text[1024];
    char *argv[WORDS_MAX];
    int argc;
} words;

static void split(const char *line, words *w)
{
    w->argc = 0;
    (void)snprintf(w->text, sizeof w->text, "%s", line);
    for (char *at = strtok(w->text, " "); at != NULL; at = strtok(NULL, " "))
        w->argv[w->argc++] = at;
    w->argv[w->argc] = NULL;
}

static void expect_hosts(const fut_mpi_command *command, int64_t ranks, const char *list)
{
    fut_str text = {0};
    FUT_TEST_OK(fut_mpi_command_hostfile(command, &text));
    assert_string_equal(fut_str_text(&text), list);
    assert_int_equal(fut_mpi_command_ranks(command), ranks);
    fut_str_fini(&text);
}

static void a_hostfile_loses_hosts(void **state)
{
    (void)state;
    static const char text[] = "# the cluster\n\nnode1 slots=4\n  node2\tslots = 4 max_slots=8   # old\nme@node3 slots=2\nnode1 slots=1";
    fut_test_dir dir = {0};
    char path[FUT_TEST_PATH_MAX];
    char line[FUT_TEST_PATH_MAX + 128];
    words w;
    fut_mpi_command command;
    fut_test_dir_create(&dir);
    (void)fut_test_dir_path(&dir, "hosts", path);
    fut_test_write_file(path, text, strlen(text));
    (void)snprintf(line, sizeof line, "/usr/bin/mpirun -np 11 --mca plm_rsh_agent rsh --hostfile %s /opt/futago train c.yaml -n 3", path);
    split(line, &w);
    FUT_TEST_OK(fut_mpi_command_read(w.argv, w.argc, &command));
    assert_true(command.is_mpirun && command.hosts_are_in_file);
    assert_string_equal(w.argv[command.program], "/opt/futago");
    assert_string_equal(w.argv[command.at_ranks], "11");
    assert_string_equal(w.argv[command.at_hosts], path);
    assert_string_equal(command.agent, "rsh");
    expect_hosts(&command, 11, "node1 slots=5\nnode2 slots=4\nme@node3 slots=2\n");
    command.hosts[1].answers = false;
    expect_hosts(&command, 7, "node1 slots=5\nme@node3 slots=2\n");
    fut_mpi_command_fini(&command);

    static const struct {
        const char *text, *message;
    } bad[] = {{"# nobody\n", "there is no host in it"}, {"a slots=2\nb slots=none\n", "hosts:2: slots=none: expected a number"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        fut_test_write_file(path, bad[i].text, strlen(bad[i].text));
        FUT_TEST_FAILS(fut_mpi_command_read(w.argv, w.argc, &command), FUT_ERR_CONFIG, bad[i].message);
    }
    fut_test_dir_remove(&dir);
}

static void a_list_loses_hosts(void **state)
{
    (void)state;
    words w;
    fut_mpi_command command;
    fut_str list = {0};
    split("mpirun -n 8 --host a:4,b:2,c,b futago train c.yaml --set sampler.m=2", &w);
    FUT_TEST_OK(fut_mpi_command_read(w.argv, w.argc, &command));
    assert_int_equal(command.n_hosts, 3);
    command.hosts[0].answers = false;
    assert_int_equal(fut_mpi_command_ranks(&command), 4);
    FUT_TEST_OK(fut_mpi_command_hostlist(&command, &list));
    assert_string_equal(fut_str_text(&list), "b:3,c:1");
    fut_str_fini(&list);
    fut_mpi_command_fini(&command);

    /* Slots that nobody said: the ranks shrink as the hosts do, to no less than one. */
    split("mpirun -n 8 --host a,b,c,d futago train c.yaml", &w);
    FUT_TEST_OK(fut_mpi_command_read(w.argv, w.argc, &command));
    for (int i = 0; i < 4; i++)
        command.hosts[i].slots = 0;
    command.hosts[2].answers = false;
    assert_int_equal(fut_mpi_command_ranks(&command), 6);
    fut_mpi_command_fini(&command);
}

static void other_commands_stay_as_they_are(void **state)
{
    (void)state;
    static const char *const lines[] = {"srun -n 4 --host x futago train c.yaml", "mpirun -n 4 --host x python train.py",
                                        "futago train c.yaml"};
    words w;
    fut_mpi_command command;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        split(lines[i], &w);
        FUT_TEST_OK(fut_mpi_command_read(w.argv, w.argc, &command));
        assert_false(command.is_mpirun);
        assert_int_equal(command.n_hosts + command.at_ranks + command.at_hosts, 0);
        fut_mpi_command_fini(&command);
    }
    split("mpirun -n many futago train c.yaml", &w);
    FUT_TEST_FAILS(fut_mpi_command_read(w.argv, w.argc, &command), FUT_ERR_USAGE, "-n many: expected a number of ranks");
    split("mpirun -n 2 --hostfile /no/such/file futago train c.yaml", &w);
    FUT_TEST_FAILS(fut_mpi_command_read(w.argv, w.argc, &command), FUT_ERR_NO_INPUT, "/no/such/file");
    split("mpirun -n 2 --host a:0 futago train c.yaml", &w);
    FUT_TEST_FAILS(fut_mpi_command_read(w.argv, w.argc, &command), FUT_ERR_CONFIG, "--host a:0");
    split("mpirun --host a --hostfile b futago train c.yaml", &w);
    FUT_TEST_FAILS(fut_mpi_command_read(w.argv, w.argc, &command), FUT_ERR_USAGE, "another list of hosts");
}

static void an_exit_code_asks_for_something(void **state)
{
    (void)state;
    static const struct {
        int code;
        fut_ending ending;
    } table[] = {{0, FUT_ENDING_DONE},       {1, FUT_ENDING_LAUNCHER},    {255, FUT_ENDING_LAUNCHER},  {64, FUT_ENDING_FINAL},
                 {65, FUT_ENDING_FINAL},     {70, FUT_ENDING_FINAL},      {71, FUT_ENDING_FINAL},      {73, FUT_ENDING_FINAL},
                 {74, FUT_ENDING_TRANSIENT}, {75, FUT_ENDING_STOPPED},    {76, FUT_ENDING_FINAL},      {78, FUT_ENDING_FINAL},
                 {79, FUT_ENDING_LOCKED},    {137, FUT_ENDING_TRANSIENT}, {139, FUT_ENDING_TRANSIENT}, {143, FUT_ENDING_FINAL}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        assert_int_equal(fut_ending_of(table[i].code), table[i].ending);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hostfile_loses_hosts),
        cmocka_unit_test(a_list_loses_hosts),
        cmocka_unit_test(other_commands_stay_as_they_are),
        cmocka_unit_test(an_exit_code_asks_for_something),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
