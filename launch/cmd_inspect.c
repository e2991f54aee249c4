#include "core/base/clock.h"
#include "core/base/log.h"
#include "data/dataset.h"
#include "launch/args.h"
#include "launch/command.h"
#include "launch/dataset_summary.h"
#include "launch/inspect_model.h"
#include "launch/sheet.h"

#include <stdio.h>
#include <string.h>

enum { SETS_MAX = 59 };

static const char intro[] =
    "Show what a packed file holds: photos, people, split, pairs, and which configuration fits. With --augment, write what a\n"
    "network sees of it while it trains. With --model, what a network is made of: layers, shapes, parameters, multiply-adds,\n"
    "and the memory of a batch.";

static const fut_arg args_table[] = {
    FUT_ARG_OPTIONAL("FILE", "packed file"),
    FUT_ARG_OPTIONAL("CONFIG", "configuration, for --augment"),
    FUT_ARG_FLAG(0, "verify", "read every image and check its checksum"),
    FUT_ARG_VALUE('o', "sheet", "PNG", NULL, "write a contact sheet: a row a person who has two photos or more, in the file's order"),
    FUT_ARG_FLAG('a', "augment", "the sheet shows training photos as packed, then draws of the configuration's data.augment"),
    FUT_ARG_VALUE(0, "rows", "N", "20", "people on the sheet"),
    FUT_ARG_VALUE(0, "columns", "N", "10", "photos a person on the sheet"),
    FUT_ARG_VALUE(0, "model", "NAME", NULL, "a network instead of a file, e.g. resnet50"),
    FUT_ARG_VALUE(0, "size", "N", "112", "pixels a side of its photos"),
    FUT_ARG_VALUE(0, "batch", "N", "32", "photos in memory"),
    FUT_ARG_REPEATED('s', "set", "KEY=VALUE",
                     "override one key of the configuration, e.g. precision=bf16, seed=1, 'data.augment=[flip, blur]'"),
    FUT_ARG_FLAG(0, "json", "print as JSON"),
    FUT_ARG_END,
};

/* Check every image; the error names the first damaged ones and counts the rest. */
static fut_status verify_all(const fut_dataset *dataset, int64_t *damaged_out)
{
    int64_t n = fut_dataset_get_info(dataset)->n_images;
    double shown = fut_clock_now();
    *damaged_out = 0;
    for (int64_t i = 0; i < n; i++) {
        fut_status st = fut_dataset_verify(dataset, i);
        if (st != FUT_OK && st != FUT_ERR_DATA) return st;
        if (st == FUT_ERR_DATA) {
            if ((*damaged_out)++ < 10) FUT_ERROR("%s", fut_trail_message());
            fut_trail_clear();
        }
        if (fut_clock_now() - shown < 0.1) continue;
        shown = fut_clock_now();
        fut_log_progress("verifying %lld/%lld", (long long)i, (long long)n);
    }
    fut_log_progress("%s", "");
    return FUT_OK;
}

static fut_status print_summary(const fut_dataset *dataset, bool json, bool verified, int64_t damaged)
{
    fut_status st = FUT_OK;
    fut_str text = {0};
    if (json) {
        FUT_TRY_GOTO(fut_dataset_summary_json(dataset, &text), out);
        if (verified) FUT_TRY_GOTO(fut_str_printf(&text, ", \"damaged\": %lld", (long long)damaged), out);
        FUT_TRY_GOTO(fut_str_printf(&text, "}\n"), out);
    } else {
        FUT_TRY_GOTO(fut_dataset_summary_text(dataset, &text), out);
        if (verified && damaged == 0) FUT_TRY_GOTO(fut_str_printf(&text, "  verified     every image matches its checksum\n"), out);
        if (verified && damaged > 0)
            FUT_TRY_GOTO(fut_str_printf(&text, "  verified     %lld images are damaged\n", (long long)damaged), out);
    }
    (void)fputs(text.data, stdout);
out:
    fut_str_fini(&text);
    return st;
}

/* A configuration: `own` keys, then the file, which may be NULL, then --set. Owns: *config_out. */
static fut_status load_config(const fut_args *args, const char *path, const char *const *own, int own_count, fut_config **config_out)
{
    const char *sets[SETS_MAX + 4];
    int count = fut_args_count(args, "set");
    FUT_CHECK(count <= SETS_MAX, FUT_ERR_USAGE, "more than %d --set", SETS_MAX);
    for (int i = 0; i < own_count; i++)
        sets[i] = own[i];
    for (int i = 0; i < count; i++)
        sets[own_count + i] = fut_args_get_at(args, "set", i);
    return fut_config_load(path, sets, own_count + count, config_out);
}

/* Without CONFIG, what the network sees is as large as the file's. */
static fut_status write_augments(const fut_args *args, const fut_dataset *dataset, int64_t rows, int64_t columns, const char *sheet)
{
    fut_status st = FUT_OK;
    fut_str size = {0};
    fut_config *config = NULL;
    const char *path = fut_args_get(args, "CONFIG");
    FUT_CHECK(sheet != NULL, FUT_ERR_USAGE, "--augment: -o PNG is missing, the picture to write");
    FUT_TRY_GOTO(fut_str_printf(&size, "data.size=%lld", (long long)fut_dataset_get_info(dataset)->width), out);
    const char *own[] = {"data.file=none", fut_str_text(&size)};
    FUT_TRY_GOTO(load_config(args, path, own, path == NULL ? 2 : 1, &config), out);
    FUT_TRY_GOTO(fut_sheet_of_augments(dataset, config, rows, columns, sheet), out);
out:
    fut_config_destroy(&config);
    fut_str_fini(&size);
    return st;
}

static fut_status inspect(const fut_args *args, const fut_dataset *dataset)
{
    int64_t damaged = 0;
    int64_t rows = 0;
    int64_t columns = 0;
    bool verify = fut_args_is_given(args, "verify");
    bool augment = fut_args_is_given(args, "augment");
    const char *sheet = fut_args_get(args, "sheet");
    FUT_TRY(fut_args_get_i64(args, "rows", 1, FUT_SHEET_ROWS_MAX, &rows));
    FUT_TRY(fut_args_get_i64(args, "columns", 1, FUT_SHEET_COLUMNS_MAX, &columns));
    FUT_CHECK(augment || fut_args_get(args, "CONFIG") == NULL, FUT_ERR_USAGE, "CONFIG is for --augment");
    if (augment) return write_augments(args, dataset, rows, columns, sheet);
    if (verify) FUT_TRY(verify_all(dataset, &damaged));
    FUT_TRY(print_summary(dataset, fut_args_is_given(args, "json"), verify, damaged));
    FUT_TRY(fut_dataset_warn(dataset));
    FUT_CHECK(damaged == 0, FUT_ERR_DATA, "%s: %lld of %lld images are damaged; pack the file again", fut_dataset_get_path(dataset),
              (long long)damaged, (long long)fut_dataset_get_info(dataset)->n_images);
    if (sheet != NULL) FUT_TRY(fut_sheet_of_people(dataset, rows, columns, sheet));
    return FUT_OK;
}

static fut_status inspect_file(const fut_args *args)
{
    fut_status st = FUT_OK;
    fut_dataset *dataset = NULL;
    FUT_CHECK(fut_args_get(args, "FILE") != NULL, FUT_ERR_USAGE, "a packed FILE is missing, or --model NAME");
    FUT_TRY_GOTO(fut_dataset_open(fut_args_get(args, "FILE"), &dataset), out);
    FUT_TRY_GOTO(inspect(args, dataset), out);
out:
    fut_dataset_close(&dataset);
    return st;
}

/* The options as keys of a configuration, which checks them. */
static fut_status inspect_model(const fut_args *args)
{
    fut_status st = FUT_OK;
    fut_config *config = NULL;
    fut_str backbone = {0};
    fut_str size = {0};
    fut_str batch = {0};
    FUT_CHECK(fut_args_get(args, "FILE") == NULL, FUT_ERR_USAGE, "FILE and --model: one of them");
    FUT_TRY_GOTO(fut_str_printf(&backbone, "model.backbone=%s", fut_args_get(args, "model")), out);
    FUT_TRY_GOTO(fut_str_printf(&size, "data.size=%s", fut_args_get(args, "size")), out);
    FUT_TRY_GOTO(fut_str_printf(&batch, "train.batch=%s", fut_args_get(args, "batch")), out);
    const char *own[] = {"data.file=none", fut_str_text(&backbone), fut_str_text(&size), fut_str_text(&batch)};
    FUT_TRY_GOTO(load_config(args, NULL, own, 4, &config), out);
    FUT_TRY_GOTO(fut_inspect_model(config, fut_args_is_given(args, "json")), out);
out:
    fut_str_fini(&backbone);
    fut_str_fini(&size);
    fut_str_fini(&batch);
    fut_config_destroy(&config);
    return st;
}

fut_status fut_cmd_inspect(int argc, char **argv)
{
    fut_args *args = NULL;
    FUT_TRY(fut_args_parse(args_table, intro, argc, argv, &args));
    if (args == NULL) return FUT_OK;
    fut_status st = fut_args_get(args, "model") != NULL ? inspect_model(args) : inspect_file(args);
    fut_args_destroy(&args);
    return st;
}
