#include "core/base/mem.h"
#include "dist/boot.h"
#include "launch/args.h"
#include "launch/command.h"
#include "launch/doctor.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char intro[] =
    "Says what is on this machine for training, what is missing, and what to do about it: futago and its libraries, GPUs,\n"
    "network, limits. Under mpirun also how fast the ranks add their numbers, and what the other nodes have.\n"
    "A missing GPU is no error: exit status 0.";

static const fut_arg args_table[] = {
    FUT_ARG_FLAG(0, "json", "print an object"),
    FUT_ARG_END,
};

/* This node's findings, as text or as an object of "nodes". */
static fut_status print_node(const fut_doctor *doctor, bool json, fut_str *out)
{
    char host[256] = "this machine";
    (void)gethostname(host, sizeof host - 1);
    if (!json) {
        FUT_TRY(fut_str_printf(out, "futago doctor on %s\n\n", host));
        return fut_doctor_print_text(doctor, 0, out);
    }
    FUT_TRY(fut_str_printf(out, "{\"host\": "));
    FUT_TRY(fut_str_append_json(out, host, strlen(host)));
    FUT_TRY(fut_str_printf(out, ", \"findings\": [\n  "));
    FUT_TRY(fut_doctor_print_json(doctor, 0, out));
    return fut_str_printf(out, "]}");
}

/* Append the texts of all nodes, in the order of their first ranks, on every rank. */
static fut_status gather_texts(fut_comm *comm, const fut_str *mine, bool json, fut_str *all)
{
    fut_status st = FUT_OK;
    int size = fut_comm_size(comm);
    int rank = fut_comm_rank(comm);
    int64_t *length = NULL;
    int64_t *counts = NULL;
    int64_t *offsets = NULL;
    char *bytes = NULL;
    int64_t total = 0;
    FUT_TRY_GOTO(FUT_NEW_ARRAY(size, &length), out);
    FUT_TRY_GOTO(FUT_NEW_ARRAY(size, &counts), out);
    FUT_TRY_GOTO(FUT_NEW_ARRAY(size, &offsets), out);
    for (int r = 0; r < size; r++) {
        counts[r] = 1;
        offsets[r] = r;
    }
    length[rank] = (int64_t)mine->length;
    FUT_TRY_GOTO(fut_comm_all_gatherv(comm, length, counts, offsets, FUT_I64, "lengths of findings"), out);
    for (int r = 0; r < size; r++) {
        offsets[r] = total;
        total += length[r];
    }
    FUT_TRY_GOTO(FUT_NEW_ARRAY(total + 1, &bytes), out);
    if (mine->length > 0) memcpy(bytes + offsets[rank], mine->data, mine->length);
    FUT_TRY_GOTO(fut_comm_all_gatherv(comm, bytes, length, offsets, FUT_U8, "findings"), out);
    for (int r = 0; r < size; r++) {
        if (length[r] == 0) continue;
        if (offsets[r] > 0) FUT_TRY_GOTO(fut_str_printf(all, "%s", json ? ",\n " : "\n"), out);
        FUT_TRY_GOTO(fut_str_append(all, bytes + offsets[r], (size_t)length[r]), out);
    }
out:
    fut_mem_free(length);
    fut_mem_free(counts);
    fut_mem_free(offsets);
    fut_mem_free(bytes);
    return st;
}

static fut_status look(fut_doctor *doctor)
{
    FUT_TRY(fut_doctor_program(doctor));
    FUT_TRY(fut_doctor_gpu(doctor));
    return fut_doctor_system(doctor);
}

static void count_marks(const fut_doctor *doctor, int *warnings, int *problems)
{
    for (int i = 0; i < doctor->count; i++) {
        *warnings += doctor->findings[i].mark == FUT_MARK_WARN;
        *problems += doctor->findings[i].mark == FUT_MARK_BAD;
    }
}

static fut_status print_counts(const int64_t marks[2], bool json, fut_str *out)
{
    long long warnings = (long long)marks[0];
    long long problems = (long long)marks[1];
    if (json) return fut_str_printf(out, "],\n \"warnings\": %lld, \"problems\": %lld}\n", warnings, problems);
    return fut_str_printf(out, "\n%lld warning%s, %lld problem%s\n", warnings, warnings == 1 ? "" : "s", problems,
                          problems == 1 ? "" : "s");
}

/* Each node's first rank looks at its node, all ranks add numbers together, rank 0 prints. */
static fut_status examine(fut_comm *comm, bool json)
{
    fut_status st = FUT_OK;
    fut_doctor node = {0};
    fut_doctor together = {0};
    fut_str mine = {0};
    fut_str all = {0};
    int64_t marks[2] = {0, 0};
    int warnings = 0;
    int problems = 0;
    if (comm->local_rank == 0) {
        st = look(&node);
        if (st == FUT_OK) st = print_node(&node, json, &mine);
    }
    FUT_TRY_GOTO(fut_comm_agree(comm, st), out);
    together.gpus = node.gpus;
    together.has_nccl = node.has_nccl;
    if (fut_comm_size(comm) > 1) FUT_TRY_GOTO(fut_doctor_reduce(&together, comm), out);
    count_marks(&node, &warnings, &problems);
    if (fut_comm_rank(comm) == 0) count_marks(&together, &warnings, &problems);
    marks[0] = warnings;
    marks[1] = problems;
    FUT_TRY_GOTO(fut_comm_all_reduce_sum(comm, marks, 2, FUT_I64, "marks"), out);
    if (json) FUT_TRY_GOTO(fut_str_printf(&all, "{\"nodes\": ["), out);
    FUT_TRY_GOTO(gather_texts(comm, &mine, json, &all), out);
    if (fut_comm_rank(comm) != 0) goto out;
    FUT_TRY_GOTO(fut_str_printf(&all, json ? "],\n \"all_reduce\": [" : together.count > 0 ? "\n" : ""), out);
    FUT_TRY_GOTO(json ? fut_doctor_print_json(&together, 0, &all) : fut_doctor_print_text(&together, 0, &all), out);
    FUT_TRY_GOTO(print_counts(marks, json, &all), out);
    (void)fputs(fut_str_text(&all), stdout);
out:
    fut_doctor_fini(&node);
    fut_doctor_fini(&together);
    fut_str_fini(&mine);
    fut_str_fini(&all);
    return st;
}

fut_status fut_cmd_doctor(int argc, char **argv)
{
    fut_args *args = NULL;
    fut_comm *comm = NULL;
    FUT_TRY(fut_args_parse(args_table, intro, argc, argv, &args));
    if (args == NULL) return FUT_OK;
    fut_status st = fut_boot(&comm);
    if (st == FUT_OK) st = fut_boot_finish(&comm, examine(comm, fut_args_is_given(args, "json")));
    fut_args_destroy(&args);
    return st;
}
