#include "core/base/clock.h"
#include "core/base/file.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "data/dataset.h"
#include "data/image.h"
#include "launch/args.h"
#include "launch/command.h"
#include "launch/dataset_summary.h"
#include "launch/inspect_model.h"

#include <stdio.h>
#include <string.h>

enum { TILE = 96, GAP = 2, SHEET_COLUMNS_MAX = 40, SHEET_ROWS_MAX = 200 };

static const char intro[] =
    "Show what a packed file holds: photos, people, split, pairs. With --model, what a network is made of: layers, shapes,\n"
    "parameters, multiply-adds, and the memory of a batch.";

static const fut_arg args_table[] = {
    FUT_ARG_OPTIONAL("FILE", "packed file"),
    FUT_ARG_FLAG(0, "verify", "read every image and check its checksum"),
    FUT_ARG_VALUE(0, "sheet", "PNG", NULL, "write a contact sheet: a row a person who has two photos or more, in the file's order"),
    FUT_ARG_VALUE(0, "rows", "N", "20", "people on the sheet"),
    FUT_ARG_VALUE(0, "columns", "N", "10", "photos a person on the sheet"),
    FUT_ARG_VALUE(0, "model", "NAME", NULL, "a network instead of a file, e.g. resnet50"),
    FUT_ARG_VALUE(0, "size", "N", "112", "pixels a side of its photos"),
    FUT_ARG_VALUE(0, "batch", "N", "32", "photos in memory"),
    FUT_ARG_REPEATED('s', "set", "KEY=VALUE", "override one key of the configuration, e.g. --set precision=bf16"),
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

/* One photo onto the sheet. */
static fut_status add_tile(const fut_dataset *dataset, int64_t image, uint8_t *rgb, fut_image *sheet, int64_t column, int64_t row)
{
    const fut_dataset_info *info = fut_dataset_get_info(dataset);
    fut_image photo = {.width = info->width, .height = info->height, .rgb = rgb};
    fut_image tile = {0};
    FUT_TRY(fut_dataset_read(dataset, image, rgb));
    FUT_TRY(fut_image_resize(&photo, NULL, TILE, TILE, &tile));
    fut_image_paste(sheet, &tile, GAP + column * (TILE + GAP), GAP + row * (TILE + GAP));
    fut_image_fini(&tile);
    return FUT_OK;
}

/* People for the sheet: those with two photos or more, or all if nobody has. people_out [rows]; returns how many. */
static int64_t choose_people(const fut_dataset *dataset, int64_t rows, int64_t *people_out, int64_t *most_out)
{
    int64_t n_people = fut_dataset_get_info(dataset)->n_identities;
    const int64_t *first = fut_dataset_get_first(dataset);
    int64_t n = 0;
    *most_out = 0;
    for (int64_t least = 2; least >= 1 && n == 0; least--)
        for (int64_t k = 0; k < n_people && n < rows; k++) {
            int64_t count = first[k + 1] - first[k];
            if (count < least) continue;
            people_out[n++] = k;
            if (count > *most_out) *most_out = count;
        }
    return n;
}

static fut_status write_sheet(const fut_dataset *dataset, const char *path, int64_t rows, int64_t columns)
{
    fut_status st = FUT_OK;
    const fut_dataset_info *info = fut_dataset_get_info(dataset);
    const int64_t *first = fut_dataset_get_first(dataset);
    int64_t people[SHEET_ROWS_MAX];
    fut_image sheet = {0};
    fut_str png = {0};
    uint8_t *rgb = NULL;
    int64_t most = 0;
    rows = choose_people(dataset, rows, people, &most);
    if (columns > most) columns = most;
    FUT_TRY_GOTO(fut_image_create(GAP + columns * (TILE + GAP), GAP + rows * (TILE + GAP), &sheet), out);
    FUT_TRY_GOTO(FUT_NEW_ARRAY(info->width * info->height * 3, &rgb), out);
    for (int64_t row = 0; row < rows; row++)
        for (int64_t j = 0; j < columns && first[people[row]] + j < first[people[row] + 1]; j++)
            FUT_TRY_GOTO(add_tile(dataset, first[people[row]] + j, rgb, &sheet, j, row), out);
    FUT_TRY_GOTO(fut_image_encode_png(&sheet, &png), out);
    FUT_TRY_GOTO(fut_file_write(path, png.data, png.length), out);
out:
    fut_mem_free(rgb);
    fut_str_fini(&png);
    fut_image_fini(&sheet);
    return st;
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

static fut_status inspect(const fut_args *args, const fut_dataset *dataset)
{
    int64_t damaged = 0;
    int64_t rows = 0;
    int64_t columns = 0;
    bool verify = fut_args_is_given(args, "verify");
    const char *sheet = fut_args_get(args, "sheet");
    FUT_TRY(fut_args_get_i64(args, "rows", 1, SHEET_ROWS_MAX, &rows));
    FUT_TRY(fut_args_get_i64(args, "columns", 1, SHEET_COLUMNS_MAX, &columns));
    if (verify) FUT_TRY(verify_all(dataset, &damaged));
    FUT_TRY(print_summary(dataset, fut_args_is_given(args, "json"), verify, damaged));
    fut_dataset_warn(dataset);
    FUT_CHECK(damaged == 0, FUT_ERR_DATA, "%s: %lld of %lld images are damaged; pack the file again", fut_dataset_get_path(dataset),
              (long long)damaged, (long long)fut_dataset_get_info(dataset)->n_images);
    if (sheet != NULL) FUT_TRY(write_sheet(dataset, sheet, rows, columns));
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
    fut_str own[3] = {{0}};
    const char *sets[64] = {"data.file=none"};
    int own_count = (int)(sizeof own / sizeof own[0]), count = fut_args_count(args, "set");
    FUT_CHECK(count < 60, FUT_ERR_USAGE, "more than 59 --set");
    FUT_CHECK(fut_args_get(args, "FILE") == NULL, FUT_ERR_USAGE, "FILE and --model: one of them");
    FUT_TRY_GOTO(fut_str_printf(&own[0], "model.backbone=%s", fut_args_get(args, "model")), out);
    FUT_TRY_GOTO(fut_str_printf(&own[1], "data.size=%s", fut_args_get(args, "size")), out);
    FUT_TRY_GOTO(fut_str_printf(&own[2], "train.batch=%s", fut_args_get(args, "batch")), out);
    for (int i = 0; i < own_count; i++)
        sets[1 + i] = fut_str_text(&own[i]);
    for (int i = 0; i < count; i++)
        sets[1 + own_count + i] = fut_args_get_at(args, "set", i);
    FUT_TRY_GOTO(fut_config_load(NULL, sets, 1 + own_count + count, &config), out);
    FUT_TRY_GOTO(fut_inspect_model(config, fut_args_is_given(args, "json")), out);
out:
    for (int i = 0; i < own_count; i++)
        fut_str_fini(&own[i]);
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
