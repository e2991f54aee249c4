#include "launch/args.h"
#include "launch/command.h"
#include "launch/hang_report.h"

#include <stdio.h>

static const char intro[] = "Says where each rank of a run is or was last, who waits for whom, and which rank is at fault, from the flight "
                            "recorders in RUN/flight.\nNo rank need live; a ring outlives the process that wrote it.";

static const fut_arg args_table[] = {
    FUT_ARG_POSITIONAL("RUN", "folder of a run"),
    FUT_ARG_FLAG(0, "json", "print an object"),
    FUT_ARG_END,
};

fut_status fut_cmd_hang_report(int argc, char **argv)
{
    fut_status st = FUT_OK;
    fut_args *args = NULL;
    fut_hang_report report = {0};
    fut_str text = {0};
    FUT_TRY(fut_args_parse(args_table, intro, argc, argv, &args));
    if (args == NULL) return FUT_OK;
    const char *run = fut_args_get(args, "RUN");
    FUT_TRY_GOTO(fut_hang_report_read(run, &report), out);
    if (fut_args_is_given(args, "json"))
        FUT_TRY_GOTO(fut_hang_report_json(run, &report, &text), out);
    else
        FUT_TRY_GOTO(fut_hang_report_text(run, &report, &text), out);
    (void)fputs(fut_str_text(&text), stdout);
out:
    fut_hang_report_fini(&report);
    fut_str_fini(&text);
    fut_args_destroy(&args);
    return st;
}
