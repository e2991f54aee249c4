#include "core/base/clock.h"
#include "core/base/log.h"
#include "data/pack.h"
#include "launch/args.h"
#include "launch/command.h"
#include "launch/dataset_summary.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char intro[] =
    "Pack a folder of photos, one sub-folder a person, into one HDF5 file with its split into train, val and test.\n"
    "JPEG, PNG, WebP, BMP and PGM/PPM are recognised by content; EXIF orientation is applied. Order and labels are torchvision\n"
    "ImageFolder's, the stratified split is scikit-learn's, index for index.";

static const fut_arg args_table[] = {
    FUT_ARG_POSITIONAL("DIR", "folder with one sub-folder a person"),
    FUT_ARG_VALUE('o', "output", "FILE", NULL, "file to write"),
    FUT_ARG_VALUE(0, "size", "N", "224", "pixels a side of the square images; Pillow's antialiased bilinear resize"),
    FUT_ARG_VALUE(0, "encoding", "raw|original", "raw",
                  "raw: resized pixels, fastest to read; original: the files as they are, decoded and resized at each read"),
    FUT_ARG_VALUE(0, "crop", "F", "1", "first cut out the centred fraction F of each side, for photos with background"),
    FUT_ARG_VALUE(0, "split", "stratified|identity", "stratified",
                  "stratified: everyone is in every part, as in the article; identity: nobody is in two parts"),
    FUT_ARG_VALUE(0, "fractions", "A,B,C", "0.8,0.1,0.1", "shares of train, val and test"),
    FUT_ARG_VALUE(0, "seed", "N", "0", "of the split"),
    FUT_ARG_VALUE(0, "min-images", "N", "1", "leave out people with fewer usable photos; they are counted and listed"),
    FUT_ARG_VALUE(0, "rejects", "FILE", NULL,
                  "list of everything left out, with the reason; without it, the output with .rejects.tsv added"),
    FUT_ARG_VALUE('j', "threads", "N", "0", "threads that decode; 0 is one a core"),
    FUT_ARG_FLAG(0, "follow-links", "follow symbolic links below DIR"),
    FUT_ARG_FLAG('f', "force", "replace the output if it exists"),
    FUT_ARG_FLAG(0, "json", "print the summary as JSON"),
    FUT_ARG_END,
};

static fut_status parse_fractions(const char *text, double fractions[FUT_PART_COUNT])
{
    const char *at = text;
    for (int part = 0; part < FUT_PART_COUNT; part++) {
        char number[32];
        size_t length = strcspn(at, ",");
        bool is_last = part + 1 == FUT_PART_COUNT;
        bool good = length < sizeof number && at[length] == (is_last ? '\0' : ',');
        if (good) {
            memcpy(number, at, length);
            number[length] = '\0';
            good = fut_str_to_f64(number, &fractions[part]);
        }
        FUT_CHECK(good, FUT_ERR_USAGE, "--fractions is \"%s\", must be three numbers like 0.8,0.1,0.1", text);
        at += length + 1;
    }
    return FUT_OK;
}

static fut_status read_options(const fut_args *args, fut_pack_options *o)
{
    int encoding = 0;
    int method = 0;
    int64_t seed = 0;
    int64_t threads = 0;
    o->folder = fut_args_get(args, "DIR");
    o->output = fut_args_get(args, "output");
    FUT_CHECK(o->output != NULL && o->output[0] != '\0', FUT_ERR_USAGE, "give the file to write: futago pack %s -o faces.h5", o->folder);
    o->rejects = fut_args_get(args, "rejects");
    o->force = fut_args_is_given(args, "force");
    o->follow_links = fut_args_is_given(args, "follow-links");
    FUT_TRY(fut_args_get_i64(args, "size", 1, 4096, &o->size));
    FUT_TRY(fut_args_get_word(args, "encoding", &encoding));
    FUT_TRY(fut_args_get_f64(args, "crop", 0.01, 1, &o->crop));
    FUT_TRY(fut_args_get_word(args, "split", &method));
    FUT_TRY(parse_fractions(fut_args_get(args, "fractions"), o->fractions));
    FUT_TRY(fut_args_get_i64(args, "seed", 0, UINT32_MAX, &seed));
    FUT_TRY(fut_args_get_i64(args, "min-images", 1, INT32_MAX, &o->min_images));
    FUT_TRY(fut_args_get_i64(args, "threads", 0, 256, &threads));
    o->encoding = (fut_encoding)encoding;
    o->method = (fut_split_method)method;
    o->seed = (uint32_t)seed;
    o->threads = (int)threads;
    return FUT_OK;
}

static fut_status append_left_out(const fut_pack_report *r, const fut_pack_options *o, fut_str *out)
{
    if (r->n_people_left_out > 0)
        FUT_TRY(fut_str_printf(out, "  left out     %lld people with fewer than %lld photos (%lld photos)\n",
                               (long long)r->n_people_left_out, (long long)o->min_images, (long long)r->n_images_left_out));
    if (r->n_people_empty > 0)
        FUT_TRY(fut_str_printf(out, "  left out     %lld people without a usable photo\n", (long long)r->n_people_empty));
    if (r->n_rejected > 0) FUT_TRY(fut_str_printf(out, "  rejected     %lld files\n", (long long)r->n_rejected));
    for (int i = 0; i < r->n_reasons; i++)
        FUT_TRY(fut_str_printf(out, "    %8lld   %s\n", (long long)r->reason[i].n, r->reason[i].text));
    if (r->n_beside > 0) FUT_TRY(fut_str_printf(out, "  ignored      %lld files beside the people's folders\n", (long long)r->n_beside));
    if (r->rejects[0] != '\0') FUT_TRY(fut_str_printf(out, "  list         %s\n", r->rejects));
    return FUT_OK;
}

static fut_status append_json(const fut_pack_report *r, fut_str *out)
{
    FUT_TRY(fut_str_printf(out, ", \"rejected\": %lld, \"people_left_out\": %lld, \"images_left_out\": %lld, \"people_empty\": %lld, ",
                           (long long)r->n_rejected, (long long)r->n_people_left_out, (long long)r->n_images_left_out,
                           (long long)r->n_people_empty));
    FUT_TRY(fut_str_printf(out, "\"duplicates\": %lld, \"duplicates_across_people\": %lld, \"seconds\": %.3f, \"reasons\": {",
                           (long long)r->n_duplicates, (long long)r->n_duplicates_across, r->seconds));
    for (int i = 0; i < r->n_reasons; i++) {
        FUT_TRY(fut_str_printf(out, "%s", i == 0 ? "" : ", "));
        FUT_TRY(fut_str_append_json(out, r->reason[i].text, strlen(r->reason[i].text)));
        FUT_TRY(fut_str_printf(out, ": %lld", (long long)r->reason[i].n));
    }
    return fut_str_printf(out, "}}\n");
}

static fut_status print_report(const fut_dataset *dataset, const fut_pack_options *o, const fut_pack_report *r, bool json)
{
    fut_status st = FUT_OK;
    fut_str text = {0};
    char took[32];
    if (json) {
        FUT_TRY_GOTO(fut_dataset_summary_json(dataset, &text), out);
        FUT_TRY_GOTO(append_json(r, &text), out);
    } else {
        fut_clock_format(r->seconds, took, sizeof took);
        FUT_TRY_GOTO(fut_dataset_summary_text(dataset, &text), out);
        FUT_TRY_GOTO(append_left_out(r, o, &text), out);
        FUT_TRY_GOTO(
            fut_str_printf(&text, "  packed in    %s, %.0f photos/s\n", took, (double)r->n_images / (r->seconds > 0 ? r->seconds : 1)),
            out);
    }
    (void)fputs(text.data, stdout);
out:
    fut_str_fini(&text);
    return st;
}

fut_status fut_cmd_pack(int argc, char **argv)
{
    fut_status st = FUT_OK;
    fut_args *args = NULL;
    fut_dataset *dataset = NULL;
    fut_pack_options options = {0};
    fut_pack_report report;
    FUT_TRY_GOTO(fut_args_parse(args_table, intro, argc, argv, &args), out);
    if (args == NULL) goto out;
    FUT_TRY_GOTO(read_options(args, &options), out);
    FUT_TRY_GOTO(fut_pack(&options, &report), out);
    FUT_TRY_GOTO(fut_dataset_open(options.output, &dataset), out);
    FUT_TRY_GOTO(print_report(dataset, &options, &report, fut_args_is_given(args, "json")), out);
    if (report.n_duplicates > 0)
        FUT_WARN("%lld photos are exact copies of another one, %lld of them under another person's name; a copy in two parts makes the "
                 "numbers look better than they are",
                 (long long)report.n_duplicates, (long long)report.n_duplicates_across);
    FUT_TRY_GOTO(fut_dataset_warn(dataset), out);
out:
    fut_dataset_close(&dataset);
    fut_args_destroy(&args);
    return st;
}
